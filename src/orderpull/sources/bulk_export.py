"""A file of orders that the API writes, instead of pages: for a first run over a long time.

The API is told to write it and asked until it is there. The file is fetched to this machine, found
whole, and landed in parts of whole orders, its lines as they came.
"""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from orderpull.errors import SourceRefused, SourceUnexpected
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.endpoint import Endpoint, set_body_fields
from orderpull.sources.fetch import PageFetcher, RetryPolicy
from orderpull.sources.http.download import download_file
from orderpull.sources.paging.flows import PageRequest
from orderpull.sources.paging.incremental import bound
from orderpull.sources.paging.json_extract import Extracted, JsonExtractor
from orderpull.sources.paging.page_info import PageInfo, PageParser
from orderpull.sources.spec.blocks import ExportSpec, RequestSpec
from orderpull.sources.spec.times import parse_time

log = logging.getLogger("orderpull.pull")

EXPORT = "export.json"
"""The note of an export that is under way, so that a killed run's is taken up again."""

PART_ORDERS, PART_BYTES = 2_000, 8 << 20
"""What bounds a landed part of the file."""

_FIRST_POLL = 0.5


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the file.

    :param lines: of whole orders. :param orders: how many. :param newest: when the last of them was
        changed.
    """

    lines: bytes
    orders: int
    newest: datetime | None


class BulkExport:
    """One export of one source, from telling the API to its file."""

    def __init__(
        self, endpoint: Endpoint, fetcher: PageFetcher, policy: RetryPolicy, landing: SourceLanding
    ) -> None:
        self.endpoint = endpoint
        self.fetcher = fetcher
        self.policy = policy
        self.landing = landing

    def run(self, spec: ExportSpec, since: datetime, until: datetime) -> Iterator[Chunk]:
        """Have the orders changed from *since* to *until* written; the file, in stretches.

        An export that a killed run began is taken up again.

        :raises SourceError: it cannot be had.
        """
        status = self._wait(spec, self._stored_id() or self._submit(spec, since, until))
        url, count = status.get("url"), status.get("count")
        expected = int(count) if count is not None and str(count).isdecimal() else None
        return self._download(spec, str(url) if url else None, expected)

    def clear_state(self) -> None:
        """The export is landed, or of no use: the next run does not take it up again."""
        self.landing.keep_note(EXPORT, b"{}")

    def _stored_id(self) -> str | None:
        try:
            note = msgspec.json.decode(self.landing.note(EXPORT) or b"{}")
        except msgspec.DecodeError:
            return None
        return str(note["id"]) if "id" in note else None

    def _submit(self, spec: ExportSpec, since: datetime, until: datetime) -> str:
        cursor = self.endpoint.api.cursor
        if cursor is None:
            raise SourceRefused("There is no cursor to export by.")
        text = spec.filter_text.replace("{lower}", bound(cursor, since))
        text = text.replace("{upper}", bound(cursor, until, upper=True))
        extracted = self._ask(
            set_body_fields(spec.submit, {spec.filter: text}), id=spec.id, refused=spec.refused
        )
        if not extracted.get("id"):
            detail = self.endpoint.authenticator.redact(str(extracted.get("refused") or ""))[:160]
            raise SourceRefused(f"The export was refused{': ' + detail if detail else ''}.")
        key = str(extracted["id"])
        self.landing.keep_note(EXPORT, msgspec.json.encode({"id": key}))
        return key

    def _wait(self, spec: ExportSpec, key: str) -> dict[str, Any]:
        """What the API tells of the export once it is done."""
        body, seconds = set_body_fields(spec.poll, {spec.id_param: key}), _FIRST_POLL
        while True:
            extracted = self._ask(body, state=spec.state, url=spec.url, count=spec.count)
            state = extracted.get("state")
            if state in spec.done:
                return extracted
            if state is None or state in spec.failed:
                raise SourceRefused(f"The export ended as {state or 'unknown'}.")
            self.policy.sleep(seconds)
            seconds = min(spec.every, seconds * 2)

    def _ask(self, body: dict[str, Any], **paths: str | None) -> dict[str, Any]:
        """What an answer to *body* tells at *paths*."""
        api = self.endpoint.api
        request: RequestSpec = replace(api.request, body=body)
        wanted_paths = {name: path for name, path in paths.items() if path}
        fetched = self.fetcher.fetch(
            self.endpoint.request(PageRequest(), request), 0, _Anything(api)
        )
        try:
            extractor = JsonExtractor(None, list(wanted_paths.values()))
            extracted = extractor.decode(fetched.response.body)
        except msgspec.DecodeError:
            return {}
        return {name: extracted.get(path) for name, path in wanted_paths.items()}

    def _download(self, spec: ExportSpec, url: str | None, expected: int | None) -> Iterator[Chunk]:
        if url is None:
            return
        with tempfile.TemporaryDirectory(prefix="orderpull-") as folder:
            file = Path(folder) / "export.jsonl"
            download_file(url, file, self.endpoint.settings.timeout, self.policy.stop)
            counted = sum(chunk.orders for chunk in self._chunks(spec, file))
            if expected is not None and counted != expected:
                raise SourceUnexpected(
                    f"The export has {counted} orders; the API says {expected}.",
                    "Run again: it is read anew.",
                )
            yield from self._chunks(spec, file)

    def _chunks(self, spec: ExportSpec, file: Path) -> Iterator[Chunk]:
        """The stretches of *file*. :raises SourceUnexpected: a line does not follow its order."""
        order, cursor = self.endpoint.api.order, self.endpoint.api.cursor
        stamp = cursor.path if cursor else "id"
        extractor = JsonExtractor(None, list(dict.fromkeys([spec.parent, "id", stamp])))
        lines: list[bytes] = []
        size, orders, newest, owner = 0, 0, None, None
        with file.open("rb") as stream:
            for line in filter(bytes.strip, stream):
                extracted = _parse_line(extractor, line)
                if (parent := extracted.get(spec.parent)) is None:
                    if orders >= PART_ORDERS or size >= PART_BYTES:
                        yield Chunk(b"".join(lines), orders, newest)
                        lines, size, orders = [], 0, 0
                    owner, orders = extracted.get("id"), orders + 1
                    changed = parse_time(extracted.get(stamp), order.time_format, order.timezone)
                    newest = max(newest or changed, changed) if changed else newest
                elif parent != owner:
                    raise SourceUnexpected("A line of the export does not follow its order.")
                lines.append(line.rstrip(b"\r\n") + b"\n")
                size += len(line)
        if lines:
            yield Chunk(b"".join(lines), orders, newest)


def _parse_line(extractor: JsonExtractor, line: bytes) -> Extracted:
    try:
        return extractor.decode(line)
    except msgspec.DecodeError:
        raise SourceUnexpected("A line of the export is not JSON.", "Run again.") from None


class _Anything(PageParser):
    """Reads answers that hold no list of orders; any JSON is well."""

    def _without_list(self, body: bytes) -> PageInfo:
        info = super()._without_list(body)
        info.has_records = info.is_json
        return info
