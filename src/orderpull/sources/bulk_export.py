"""Bulk export: the API writes all orders to a file, which makes a long first run faster.

One request submits the export, another polls its state. The file is downloaded, its orders are
counted, and its lines are landed unchanged in chunks of whole orders.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from orderpull.errors import SourceRefused, SourceUnexpected
from orderpull.sources.endpoint import set_body_fields
from orderpull.sources.fetch import Fetcher
from orderpull.sources.http.download import download_file
from orderpull.sources.paging.flows import PageRequest
from orderpull.sources.paging.incremental import format_cursor
from orderpull.sources.paging.json_extract import JsonExtractor, without_lone_surrogates
from orderpull.sources.paging.page_info import PageInfo, PageParser
from orderpull.sources.spec.blocks import ExportSpec, RequestSpec
from orderpull.sources.spec.times import parse_time

log = logging.getLogger("orderpull.pull")

EXPORT = "export.json"
"""Name of the note with the id of the running export, which the next run resumes after a kill."""

CHUNK_ORDERS, CHUNK_BYTES = 2_000, 8 << 20
"""Limits of a chunk; a chunk ends with the first order that reaches one of them."""

_FIRST_POLL = 0.5


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the file with whole orders.

    :param orders: number of orders in *lines*.
    :param newest: newest modification time of the file up to here.
    """

    lines: bytes
    orders: int
    newest: datetime | None


class BulkExport:
    """One bulk export of one source: submit, poll, download."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher
        self.endpoint = fetcher.endpoint
        self.landing = fetcher.landing

    def run(self, spec: ExportSpec, since: datetime, until: datetime) -> Iterator[Chunk]:
        """Export the orders modified from *since* to *until*; yield the file in chunks.

        An export that a killed run submitted is resumed.

        :raises SourceError: the export failed.
        """
        status = self._poll(spec, self._stored_id() or self._submit(spec, since, until))
        url, count = status.get("url"), status.get("count")
        expected = int(count) if count is not None and str(count).isdecimal() else None
        if not url:
            return
        with tempfile.TemporaryDirectory(prefix="orderpull-") as folder:
            file = Path(folder) / "export.jsonl"
            download_file(str(url), file, self.endpoint.settings.timeout, self.fetcher.stop)
            orders = sum(chunk.orders for chunk in self._chunks(spec, file))
            if expected is not None and orders != expected:
                raise SourceUnexpected(
                    f"The export has {orders} orders; the API reports {expected}.",
                    "Run again: the export is downloaded again.",
                )
            yield from self._chunks(spec, file)

    def clear_state(self) -> None:
        """Delete the note of the export, so that the next run does not resume it."""
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
            raise SourceRefused("An export needs a [cursor].")
        text = spec.filter_text.replace("{lower}", format_cursor(cursor, since))
        text = text.replace("{upper}", format_cursor(cursor, until, upper=True))
        body = set_body_fields(spec.submit, {spec.filter: text})
        values = self._post(body, id=spec.id, refused=spec.refused)
        if not values.get("id"):
            detail = self.endpoint.authenticator.redact(str(values.get("refused") or ""))[:160]
            raise SourceRefused(f"The export was refused{': ' + detail if detail else ''}.")
        export_id = str(values["id"])
        self.landing.keep_note(EXPORT, msgspec.json.encode({"id": export_id}))
        return export_id

    def _poll(self, spec: ExportSpec, export_id: str) -> dict[str, Any]:
        """Poll the export with doubling intervals; return state, URL and count when it is done."""
        body, seconds = set_body_fields(spec.poll, {spec.id_param: export_id}), _FIRST_POLL
        while True:
            values = self._post(body, state=spec.state, url=spec.url, count=spec.count)
            state = values.get("state")
            if state in spec.done:
                return values
            if state is None or state in spec.failed:
                raise SourceRefused(f"The export ended as {state or 'unknown'}.")
            self.fetcher.sleep(seconds)
            seconds = min(spec.every, seconds * 2)

    def _post(self, body: dict[str, Any], **paths: str | None) -> dict[str, Any]:
        """Post *body* and return the values at *paths* of the response, by name."""
        api = self.endpoint.api
        spec: RequestSpec = replace(api.request, body=body)
        request = self.endpoint.request(PageRequest(), spec)
        fetched = self.fetcher.fetch(request, 0, _AnyJsonParser(api))
        used = {name: path for name, path in paths.items() if path}
        try:
            extractor = JsonExtractor(None, list(used.values()))
            extracted = extractor.decode(fetched.response.body)
        except msgspec.DecodeError:
            return {}
        return {name: extracted.get(path) for name, path in used.items()}

    def _chunks(self, spec: ExportSpec, file: Path) -> Iterator[Chunk]:
        """The chunks of *file*. :raises SourceUnexpected: a line does not follow its order."""
        order, cursor = self.endpoint.api.order, self.endpoint.api.cursor
        modified_path = cursor.path if cursor else "id"
        extractor = JsonExtractor(None, list(dict.fromkeys([spec.parent, "id", modified_path])))
        lines: list[bytes] = []
        size, orders, newest, order_id = 0, 0, None, None
        with file.open("rb") as stream:
            for line in filter(bytes.strip, stream):
                try:
                    extracted = extractor.decode(without_lone_surrogates(line))
                except (msgspec.DecodeError, RecursionError):
                    problem = "A line of the export is not JSON."
                    raise SourceUnexpected(problem, "Run again.") from None
                if (parent := extracted.get(spec.parent)) is None:
                    if orders >= CHUNK_ORDERS or size >= CHUNK_BYTES:
                        yield Chunk(b"".join(lines), orders, newest)
                        lines, size, orders = [], 0, 0
                    order_id, orders = extracted.get("id"), orders + 1
                    text = extracted.get(modified_path)
                    modified = parse_time(text, order.time_format, order.timezone)
                    newest = max(newest or modified, modified) if modified else newest
                elif parent != order_id:
                    raise SourceUnexpected("A line of the export does not follow its order.")
                lines.append(line.rstrip(b"\r\n") + b"\n")
                size += len(line)
        if lines:
            yield Chunk(b"".join(lines), orders, newest)


class _AnyJsonParser(PageParser):
    """Accepts any JSON response without an order list."""

    def _parse_without_records(self, body: bytes, headers: Mapping[str, str]) -> PageInfo:
        info = super()._parse_without_records(body, headers)
        info.has_records = info.is_json
        return info
