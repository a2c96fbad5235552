"""Bulk export: the API writes all orders to a file, which makes a long first run faster.

One request submits the export, another polls its state. The file is downloaded, its orders are
counted, and its lines are landed unchanged in chunks of whole orders.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from orderpull import clock
from orderpull.errors import SourceBusy, SourceRefused, SourceUnexpected
from orderpull.landing.sealed_file import SealedFile
from orderpull.scratch import ScratchFolder
from orderpull.sources.endpoint import set_body_fields
from orderpull.sources.fetch import Fetcher, LimitReached
from orderpull.sources.http.download import download_file
from orderpull.sources.paging.flows import PageRequest
from orderpull.sources.paging.json_extract import JsonExtractor, without_lone_surrogates
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.paging.window import format_cursor
from orderpull.sources.reconcile import MissingOrder
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import ExportSpec, RequestSpec
from orderpull.sources.spec.times import parse_time

log = logging.getLogger("orderpull.pull")

EXPORT = "export.json"
"""Name of the note with the id of the running export, which the next run resumes after a kill."""

CHUNK_ORDERS, CHUNK_BYTES = 2_000, 8 << 20
"""Limits of a chunk; a chunk ends with the first order that reaches one of them."""

FAILED_FOR = 86_400.0
"""Seconds after a failed export in which no other is submitted."""

_FIRST_POLL = 0.5
_LOG_EVERY = 20.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the file with whole orders.

    :param orders: number of orders in *lines*.
    :param newest: newest modification time of the file up to here.
    :param incomplete: those of the orders, by id, of which the file leaves something out.
    """

    lines: bytes
    orders: int
    newest: datetime | None
    incomplete: Mapping[str, MissingOrder]


class Submitted(msgspec.Struct):
    """A submitted export, as the note keeps it.

    :param id: id of the export; empty without one.
    :param at: time of the submission, or of the failure.
    :param failed: the export failed.
    """

    id: str = ""
    at: str | None = None
    failed: bool = False

    def age(self) -> float:
        """Seconds since the submission."""
        at = parse_time(self.at)
        return (clock.now() - at).total_seconds() if at else 0.0


class BulkExport:
    """One bulk export of one source: submit, poll, download."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher
        self.endpoint = fetcher.endpoint
        self.landing = fetcher.landing

    def run(self, spec: ExportSpec, since: datetime, until: datetime) -> Iterator[Chunk]:
        """Export the orders modified from *since* to *until*; yield the file in chunks.

        An export that a killed run submitted is resumed.

        :raises SourceError: the export failed, or takes longer than ``wait``.
        :raises LimitReached: ``max_seconds`` is over; the next run goes on.
        """
        stored = self._stored()
        status = self._poll(spec, stored if stored.id else self._submit(spec, since, until))
        url, count = status.get("url"), status.get("count")
        expected = int(count) if count is not None and str(count).isdecimal() else None
        if not url:
            return
        with ScratchFolder() as folder:
            file = SealedFile(folder.path / "export.jsonl", self.landing.encryption)
            self._download(str(url), file)
            orders = sum(chunk.orders for chunk in self._chunks(spec, file))
            if expected is not None and orders != expected:
                raise SourceUnexpected(
                    f"The export has {orders} orders; the API reports {expected}.",
                    "Run again: the export is downloaded again.",
                )
            yield from self._chunks(spec, file)

    def _download(self, url: str, file: SealedFile) -> None:
        """Download *url* into *file*.

        :raises LimitReached: it takes longer than ``max_seconds``; the next run reads pages, since
            another download would take as long.
        """
        try:
            download_file(url, file, self.endpoint.settings.timeout, self._pause)
        except LimitReached:
            self.note_failure()
            log.warning("source=%s the file of the export takes longer than max_seconds: "
                        "the next run reads pages instead", self.endpoint.name)  # fmt: skip
            raise

    def clear_state(self) -> None:
        """Delete the note of the export, so that the next run does not resume it."""
        self.landing.keep_note(EXPORT, b"{}")

    @property
    def failed_lately(self) -> bool:
        """True if an export failed within :data:`FAILED_FOR`."""
        stored = self._stored()
        return stored.failed and stored.age() < FAILED_FOR

    def note_failure(self) -> None:
        """Note that the export failed, so that the next run goes on with pages."""
        note = Submitted(at=clock.iso(clock.now()), failed=True)
        self.landing.keep_note(EXPORT, msgspec.json.encode(note))

    def _stored(self) -> Submitted:
        return self.landing.note_as(EXPORT, Submitted) or Submitted()

    def _submit(self, spec: ExportSpec, since: datetime, until: datetime) -> Submitted:
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
        submitted = Submitted(str(values["id"]), clock.iso(clock.now()))
        self.landing.keep_note(EXPORT, msgspec.json.encode(submitted))
        return submitted

    def _poll(self, spec: ExportSpec, submitted: Submitted) -> dict[str, Any]:
        """Poll the export with doubling intervals; return state, URL and count when it is done."""
        body, seconds = set_body_fields(spec.poll, {spec.id_param: submitted.id}), _FIRST_POLL
        before = submitted.age()
        waited, logged = 0.0, -_LOG_EVERY
        while True:
            values = self._post(body, state=spec.state, url=spec.url, count=spec.count)
            state = values.get("state")
            if str(state) in spec.done:
                return values
            if state is None or str(state) in spec.failed:
                raise SourceRefused(f"The export ended as {state or 'unknown'}.")
            if waited - logged >= _LOG_EVERY:
                logged = waited
                count = f", {values['count']} orders" if values.get("count") else ""
                log.info("source=%s the export is %s after %.0f s%s",
                         self.endpoint.name, state, before + waited, count)  # fmt: skip
            left = spec.wait - max(before + waited, submitted.age())
            if left <= 0:
                raise SourceBusy(f"The export is {state} after {spec.wait:.0f} s.")
            waited += self._pause(min(seconds, left))
            seconds = min(spec.every, seconds * 2)

    def _pause(self, seconds: float) -> float:
        """Sleep *seconds*, or until ``max_seconds``; return the time slept.

        :raises LimitReached: ``max_seconds`` is over.
        """
        left = self.fetcher.seconds_left
        if left is not None and left <= 0:
            raise LimitReached
        seconds = seconds if left is None else min(seconds, left)
        self.fetcher.sleep(seconds)
        return seconds

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

    def _chunks(self, spec: ExportSpec, file: SealedFile) -> Iterator[Chunk]:
        """The chunks of *file*. :raises SourceUnexpected: a line does not follow its order."""
        reader = _LineReader(self.endpoint.api, spec)
        lines: list[bytes] = []
        size, orders, newest, order_id = 0, 0, None, None
        incomplete: dict[str, MissingOrder] = {}
        for line in filter(bytes.strip, file.lines()):
            parsed = reader.read(line)
            if parsed.parent is None:
                if orders >= CHUNK_ORDERS or size >= CHUNK_BYTES:
                    yield Chunk(b"".join(lines), orders, newest, incomplete)
                    lines, size, orders, incomplete = [], 0, 0, {}
                order_id, orders = parsed.id, orders + 1
                newest = (
                    max(newest or parsed.modified, parsed.modified) if parsed.modified else newest
                )
                incomplete |= parsed.incomplete
            elif parsed.parent != order_id:
                raise SourceUnexpected("A line of the export does not follow its order.")
            lines.append(line.rstrip(b"\r\n") + b"\n")
            size += len(line)
        if lines:
            yield Chunk(b"".join(lines), orders, newest, incomplete)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the file: *parent* is the id of its order, None for an order."""

    id: object
    parent: object
    modified: datetime | None
    incomplete: Mapping[str, MissingOrder]


class _LineReader:
    """Reads what a chunk needs to know of the lines of a file."""

    def __init__(self, api: Api, spec: ExportSpec) -> None:
        self._order, self._parent, self._incomplete = api.order, spec.parent, spec.incomplete
        self._modified = api.cursor.path if api.cursor else "id"
        self._id = api.order.id or api.order.number
        paths = [spec.parent, "id", self._modified]
        if spec.incomplete:
            paths += [spec.incomplete, self._id, api.order.number]
        self._extractor = JsonExtractor(None, list(dict.fromkeys(paths)))

    def read(self, line: bytes) -> _Line:
        """Read *line*. :raises SourceUnexpected: it is not JSON."""
        try:
            values = self._extractor.decode(without_lone_surrogates(line))
        except (msgspec.DecodeError, RecursionError):
            raise SourceUnexpected("A line of the export is not JSON.", "Run again.") from None
        if (parent := values.get(self._parent)) is not None:
            return _Line(None, parent, None, {})
        text = values.get(self._modified)
        modified = parse_time(text, self._order.time_format, self._order.timezone)
        missing: dict[str, MissingOrder] = {}
        if self._incomplete and values.get(self._incomplete) is not None:
            number = str(values.get(self._order.number))
            missing[str(values.get(self._id))] = MissingOrder(number, modified)
        return _Line(values.get("id"), None, modified, missing)


class _AnyJsonParser(PageParser):
    """Accepts any JSON response without an order list."""

    def _parse_without_records(self, body: bytes, headers: Mapping[str, str]) -> PageInfo:
        info = super()._parse_without_records(body, headers)
        info.has_records = info.is_json
        return info
