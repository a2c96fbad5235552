"""Pull one source: read its pages, fetch missing orders, reconcile."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec

from orderpull import clock
from orderpull.errors import Interrupted, SourceError, SourceUnexpected
from orderpull.landing.page import Kind, Part, join_parts
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.bulk_export import BulkExport
from orderpull.sources.compact import CompactPage, DecodedPage, page_in_run
from orderpull.sources.endpoint import OK, Endpoint
from orderpull.sources.fetch import Fetcher, LimitReached
from orderpull.sources.handover import Handover
from orderpull.sources.http.limits import Stop
from orderpull.sources.page_reader import PageReader
from orderpull.sources.page_writer import PageWriter, PullResult, Redact
from orderpull.sources.reading import FurtherCursors, Reading
from orderpull.sources.reconcile import (
    IdExtractor,
    MissingOrder,
    MissingOrders,
    fetching,
    list_all_orders,
    numbers_of,
)
from orderpull.sources.spec.blocks import ExportSpec
from orderpull.sources.spec.times import earlier, parse_time

__all__ = ["PullResult", "ResumePoint", "Source"]

log = logging.getLogger("orderpull.pull")

WORTH_AN_EXPORT = timedelta(days=2)
"""Shortest period of a first run that uses a bulk export."""

LISTED, FULL_READ = "listed.json", "full-read.json"
"""Names of the notes with the time of the last reconcile and of the last full read."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The point at which a pull continues.

    :param cursor: modification time up to which the API has been read.
    :param loaded_through: highest page number in the ledger.
    """

    cursor: str | None = None
    loaded_through: int = 0


class Source(Endpoint):
    """An endpoint whose orders are pulled into a landing.

    :ivar handover: receives the decoded pages for a loader of this process; None: nobody does.
    :ivar redacting: opens what redacts a landing's forgotten orders, if there are any.
    :ivar index: its index in the run.
    """

    handover: Handover | None = None
    redacting: Callable[[SourceLanding], AbstractContextManager[Redact | None]] | None = None
    index: int = 0

    def handed_over(self, page: int) -> CompactPage | None:
        """Take the decoded orders of *page*; None if they have to be read from the landing."""
        return self.handover.take(self.name, page, self.api) if self.handover else None

    def page_in_run(self, page: int) -> int:
        """The number of *page* in the run, in which other sources have pages, too."""
        return page_in_run(self.index, page)

    def pull(
        self,
        landing: SourceLanding,
        start: ResumePoint,
        stop: Stop,
        on_page: Callable[[PullResult], None] = lambda _: None,
        *,
        part: Literal["all", "missing", "listing", "recovery"] = "all",
    ) -> PullResult:
        """Pull the orders of the API into *landing*; errors of the source are in the result.

        :param part: ``missing``: only fetch the orders that the last list has and the warehouse
            lacks; ``listing``: only list all orders, so that the loader finds deleted ones;
            ``recovery``: only land what a kill has left in flight.
        :param stop: cancellation token; the pull ends after the current page.
        :param on_page: called after each landed page.
        :raises LandingError: a page could not be landed; earlier pages stay.
        """
        result = PullResult(cursor=start.cursor, notes=self.notes)
        try:
            with landing.pulling(), self._open_redactor(landing) as redact:
                self.authenticator.use_store(landing)
                pull = _Pull(
                    self, landing, start, stop=stop, result=result, on_page=on_page, redact=redact
                )
                with closing(pull.writer):
                    {"all": pull.run, "missing": pull.fetch_missing, "listing": pull.list_all,
                     "recovery": pull.reader.recover}[part]()  # fmt: skip
        except SourceError as error:
            result.error = self.with_source(error)
        except Interrupted as error:
            result.error = error
        finally:
            self.client.close()
        return result

    def _open_redactor(self, landing: SourceLanding) -> AbstractContextManager[Redact | None]:
        return self.redacting(landing) if self.redacting else nullcontext()


class _Pull:
    """A running pull of one source, which holds the lock of the landing."""

    def __init__(
        self,
        source: Source,
        landing: SourceLanding,
        start: ResumePoint,
        *,
        stop: Stop,
        result: PullResult,
        on_page: Callable[[PullResult], None],
        redact: Redact | None,
    ) -> None:
        self.source = source
        self.landing = landing
        self.result = result
        self.started_at = clock.now()
        result.cursor = start.cursor
        if source.api.cursor:
            result.cursor = landing.newest_cursor(start.cursor, start.loaded_through)
        first_page = landing.next_page(start.loaded_through + 1)
        self.writer = PageWriter(
            landing, first_page, result, on_page, self._hand_over, redact=redact
        )
        self.first = Reading(source, source.api, result.cursor, self.started_at)
        self.further = FurtherCursors(source, landing, self.started_at)
        for_loader = source.handover is not None
        self.fetcher = Fetcher(
            source, landing, self.writer, stop, time.monotonic(), for_loader=for_loader
        )
        self.reader = PageReader(
            source,
            landing,
            self.fetcher,
            self.writer,
            result,
            first=self.first,
            further=self.further,
        )

    def run(self) -> None:
        """Recover requests in flight, read all pages, fetch missing orders, reconcile if due."""
        if self.source.api.consume_once:
            self.reader.recover()
        settings, cursor = self.source.settings, self.source.api.cursor
        days, reconcile = settings.full_reread_days, settings.reconcile
        if days is None and cursor:
            days = cursor.full_reread_days
        noted = self._noted(FULL_READ) if days is not None else {}
        first_read, is_open = self.first.initial is None, bool(noted.get("open"))
        full_read = days is not None and not is_open and self._due(noted, timedelta(days=days))
        if full_read and first_read:  # the first read is a full one, even if it takes many runs
            self._note_time(FULL_READ, open=True)
        if full_read or first_read:
            self.further.begin_from_start()
        spec = self.source.api.export
        try:
            exported = spec is not None and (full_read or first_read) and self._export(spec)
        except LimitReached:
            log.info("source=%s stopped after %g seconds, as set; the next run goes on",
                     self.source.name, settings.max_seconds)  # fmt: skip
            return
        broken = self.reader.read_all(from_start=full_read and not exported)
        if (full_read or is_open) and self.first.ended:
            self._note_time(FULL_READ)
        if broken:
            raise broken
        if self.result.finished_at:
            self.fetch_missing()
            if reconcile and self._due(self._noted(LISTED), clock.duration(reconcile)):
                self.list_all()

    def _hand_over(self, decoded: DecodedPage, page: int) -> None:
        source = self.source
        if source.handover is not None:
            compact = decoded.compact(source.page_in_run(page))
            source.handover.put(source.name, page, source.api, compact)

    def _noted(self, note: str) -> dict[str, Any]:
        """The content of *note*; empty if it is missing or damaged."""
        return self.landing.note_as(note, dict[str, Any]) or {}

    def _due(self, noted: dict[str, Any], every: timedelta) -> bool:
        """True if the interval *every* has passed since the time in *noted*."""
        last = parse_time(noted.get("at"))
        return last is None or self.started_at - last >= every

    def _note_time(self, note: str, **more: bool) -> None:
        content = {"at": clock.iso(self.started_at), **more}
        self.landing.keep_note(note, msgspec.json.encode(content))

    def _export(self, spec: ExportSpec) -> bool:
        """Land a bulk export; false if the export is not worth it, or failed."""
        start, cursor = self.source.start, self.source.api.cursor
        if start is None or cursor is None or self.started_at - start < WORTH_AN_EXPORT:
            return False
        export = BulkExport(self.fetcher)
        if export.failed_lately:
            return False
        since, newest = self.first.within_horizon(cursor, start), start
        until = earlier(self.started_at, timedelta(seconds=cursor.lag))
        incomplete: dict[str, MissingOrder] = {}
        try:
            for chunk in export.run(spec, since, until):
                newest = max(newest, chunk.newest or newest)
                incomplete |= chunk.incomplete
                self._land_made("export", chunk.lines, orders=chunk.orders)
                self.fetcher.sleep(0)
        except SourceError as error:
            export.note_failure()
            log.warning("source=%s the export failed, pages are read instead: %s",
                        self.source.name, error.message)  # fmt: skip
            return False
        if incomplete:
            MissingOrders.add(self.landing, incomplete)
        self.reader.save_cursor(newest)
        self.first.initial = self.result.cursor
        export.clear_state()
        return True

    def fetch_missing(self) -> None:
        """Fetch the orders that the last list has and the warehouse lacks.

        :raises SourceUnexpected: the API does not return some of them.
        """
        api = self.source.api
        if api.reconcile is None:
            return
        missing = MissingOrders.read(self.landing)
        flow = fetching(api, self.first.pager, missing.orders) if missing.orders else None
        if flow is None:
            return
        ids, left = IdExtractor(api), dict(missing.orders)

        def received(body: bytes) -> None:
            for order_id in ids.of([body]):
                left.pop(order_id, None)

        all_asked = self.reader.fetch_orders(flow, received)
        rest = {} if all_asked else left
        excluded = [*missing.excluded, *(key for key in missing.orders if key not in left)]
        MissingOrders(rest, excluded).keep(self.landing)
        if left and not rest:
            orders = "1 order" if len(left) == 1 else f"{len(left)} orders"
            raise SourceUnexpected(
                f"It lists {orders} that it does not return: {numbers_of(left)}.",
                "Look in the shop for orders that cannot be opened.",
            )

    def list_all(self) -> None:
        """Land a list of all orders, so that the loader finds deleted and missing ones."""
        pages = list_all_orders(self.fetcher, self.writer.next_page)
        bodies = [page.response.body for page in pages]
        parts = [Part(len(each)) for each in bodies]
        self._land_made("listing", join_parts(bodies), parts=parts)
        self._note_time(LISTED)

    def _land_made(self, kind: Kind, body: bytes, **facts: Any) -> None:  # noqa: ANN401
        """Land *body*, which joins or splits responses, as a page of *kind*."""
        request = f"{kind} of {self.source.where}"
        self.writer.land(body, kind=kind, state="whole", status=OK, request=request, **facts)
