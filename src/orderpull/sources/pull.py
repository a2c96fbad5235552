"""Pull one source: fetch a page, land it, then request the next."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from orderpull import clock
from orderpull.errors import (
    Interrupted,
    OrderpullError,
    SourceBroken,
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceUnexpected,
    SourceUnstable,
)
from orderpull.landing.page import Kind, PageMeta, Part, digest, join_parts
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.bulk_export import BulkExport
from orderpull.sources.children import ChildFetcher
from orderpull.sources.endpoint import OK, Endpoint
from orderpull.sources.eta import Estimate, Estimator
from orderpull.sources.fetch import FetchedPage, Fetcher, LimitReached
from orderpull.sources.http.limits import Stop
from orderpull.sources.http.messages import Request
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import PageFlow, PageRequest, drive
from orderpull.sources.paging.incremental import incremental_flow
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.reading import FurtherCursors, FurtherReading, Reading
from orderpull.sources.reconcile import (
    IdExtractor,
    MissingOrders,
    fetching,
    list_all_orders,
    numbers_of,
)
from orderpull.sources.spec.blocks import CursorSpec, ExportSpec
from orderpull.sources.spec.times import earlier, parse_time

log = logging.getLogger("orderpull.pull")

WORTH_AN_EXPORT = timedelta(days=2)
"""Shortest period of a first run that uses a bulk export."""

LISTED, FULL_READ = "listed.json", "full-read.json"
"""Names of the notes with the time of the last reconcile and of the last full read."""


@dataclass
class PullResult:
    """The result of a pull of one source.

    :param pages: numbers of the landed pages, including recovered ones.
    :param orders: number of orders in *pages*, as far as they could be counted.
    :param possible_loss: numbers of the pages with a possible loss of orders.
    :param cursor: modification time up to which the API has been read.
    :param finished_at: time at which the last page was read (UTC); None before.
    :param error: exception that stopped the pull.
    :param left: estimate of the rest, if the API reports a total.
    :param notes: what a person should know of the responses.
    """

    pages: list[int] = field(default_factory=list)
    orders: int = 0
    possible_loss: list[int] = field(default_factory=list)
    cursor: str | None = None
    finished_at: datetime | None = None
    error: OrderpullError | None = None
    left: Estimate | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The point at which a pull continues.

    :param cursor: modification time up to which the API has been read.
    :param loaded_through: highest page number in the ledger.
    """

    cursor: str | None = None
    loaded_through: int = 0


class Source(Endpoint):
    """An endpoint whose orders are pulled into a landing."""

    def pull(
        self,
        landing: SourceLanding,
        start: ResumePoint,
        stop: Stop,
        on_page: Callable[[PullResult], None] = lambda _: None,
        *,
        missing: bool = False,
    ) -> PullResult:
        """Pull the orders of the API into *landing*; errors of the source are in the result.

        :param missing: only fetch the orders that the last list has and the warehouse lacks.
        :param stop: cancellation token; the pull ends after the current page.
        :param on_page: called after each landed page.
        :raises LandingError: a page could not be landed; earlier pages stay.
        """
        result = PullResult(cursor=start.cursor, notes=self.notes)
        try:
            with landing.pulling():
                self.authenticator.use_store(landing)
                pull = _Pull(self, landing, start, stop=stop, result=result, on_page=on_page)
                (pull.fetch_missing if missing else pull.run)()
        except SourceError as error:
            result.error = self.with_source(error)
        except Interrupted as error:
            result.error = error
        finally:
            self.client.close()
        return result


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
    ) -> None:
        self.source = source
        self.landing = landing
        self.result = result
        self.on_page = on_page
        self.started = time.monotonic()
        self.started_at = clock.now()
        self.next_page = landing.next_page(start.loaded_through + 1)
        result.cursor = start.cursor
        if source.api.cursor:
            result.cursor = landing.newest_cursor(start.cursor, start.loaded_through)
        self.first = self.reading = Reading(source, source.api, result.cursor, self.started_at)
        self.further = FurtherCursors(source, landing, self.started_at)
        self.fetcher = Fetcher(source, landing, stop, self.started)
        self.children = ChildFetcher(self.fetcher)
        cursor, once = source.api.cursor, source.api.consume_once
        verified = cursor.strategy == "window_verify" if cursor else not once
        self.eta = Estimator(source.limit, passes=2 if verified else 1)
        self.eta_logged = False
        self.doubts = Doubts()
        self.again = False

    def run(self) -> None:
        """Recover requests in flight, read all pages, fetch missing orders, reconcile if due."""
        if self.source.api.consume_once:
            self._recover()
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
        broken = self._read_all(from_start=full_read and not exported)
        if (full_read or is_open) and self.first.ended:
            self._note_time(FULL_READ)
        if broken:
            raise broken
        if self.result.finished_at:
            self.fetch_missing()
            if reconcile and self._due(self._noted(LISTED), clock.duration(reconcile)):
                self._reconcile()

    def _noted(self, note: str) -> dict[str, Any]:
        """The content of *note*; empty if it is missing or damaged."""
        try:
            return msgspec.json.decode(self.landing.note(note) or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            return {}

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
        since, newest = self._within_horizon(cursor, start), start
        until = earlier(self.started_at, timedelta(seconds=cursor.lag))
        try:
            for chunk in export.run(spec, since, until):
                newest = max(newest, chunk.newest or newest)
                self._land_made("export", chunk.lines, orders=chunk.orders)
                self.fetcher.sleep(0)
        except SourceError as error:
            export.note_failure()
            log.warning("source=%s the export failed, pages are read instead: %s",
                        self.source.name, error.message)  # fmt: skip
            return False
        self._save_cursor(newest)
        self.first.initial = self.result.cursor
        export.clear_state()
        return True

    def fetch_missing(self) -> None:
        """Fetch the orders that the last list has and the warehouse lacks.

        :raises SourceUnexpected: the API does not return some of them.
        """
        api, self.reading = self.source.api, self.first
        if api.reconcile is None:
            return
        missing = MissingOrders.read(self.landing)
        flow = fetching(api, self.first.pager, missing.orders) if missing.orders else None
        if flow is None:
            return
        ids, left, rest = IdExtractor(api), dict(missing.orders), {}

        def landed(body: bytes) -> None:
            for order_id in ids.of([body]):
                left.pop(order_id, None)

        try:
            drive(flow, lambda page_request: self._fetch(page_request, landed))
        except LimitReached:
            rest = left
        excluded = [*missing.excluded, *(key for key in missing.orders if key not in left)]
        MissingOrders(rest, excluded).keep(self.landing)
        if left and not rest:
            orders = "1 order" if len(left) == 1 else f"{len(left)} orders"
            raise SourceUnexpected(
                f"It lists {orders} that it does not return: {numbers_of(left)}.",
                "Look in the shop for orders that cannot be opened.",
            )

    def _reconcile(self) -> None:
        """Land a list of all orders, so that the loader finds deleted and missing ones."""
        pages = list_all_orders(self.fetcher, self.next_page)
        bodies = [page.response.body for page in pages]
        parts = [Part(len(each)) for each in bodies]
        self._land_made("listing", join_parts(bodies), parts=parts)
        self._note_time(LISTED)

    def _land_made(self, kind: Kind, body: bytes, **facts: Any) -> None:  # noqa: ANN401
        """Land *body*, which joins or splits responses, as a page of *kind*."""
        request = f"{kind} of {self.source.where}"
        facts |= {"page": self.next_page, "state": "whole", "status": OK, "request": request}
        self._land(body, kind=kind, **facts)

    def _flow(self, *, from_start: bool) -> PageFlow:
        """The flow of this reading.

        :param from_start: read all orders since the setting ``start``, not from the cursor.
        """
        reading = self.reading
        api, since, until = reading.api, self.source.start, self.started_at
        if not reading.moves and since:
            return incremental_flow(api, reading.pager, since, since, self.doubts)
        if api.cursor:
            cursor = parse_time(reading.initial)
            if cursor and not from_start:
                overlap = self.source.settings.overlap
                seconds = api.cursor.overlap if overlap is None else overlap
                since = earlier(cursor, timedelta(seconds=seconds))
            until = earlier(until, timedelta(seconds=api.cursor.lag))
            if since is not None:
                since = self._within_horizon(api.cursor, since)
        return incremental_flow(api, reading.pager, since, until, self.doubts)

    def _within_horizon(self, cursor: CursorSpec, since: datetime) -> datetime:
        """*since*, or the earliest modification time that the API still returns."""
        if cursor.horizon is None:
            return since
        earliest = earlier(self.started_at, timedelta(days=cursor.horizon))
        if since < earliest:
            log.warning("source=%s the API returns the last %g days only: orders changed "
                        "before %s are not read", self.source.name, cursor.horizon,
                        earliest.date())  # fmt: skip
        return max(since, earliest)

    def _read_all(self, *, from_start: bool) -> SourceError | None:
        """Read the pages of each cursor; return the error of one that stops no other.

        Such an error is that single orders were skipped, or that orders change too fast.
        """
        broken: SourceError | None = None
        finished = True
        for reading in chain([self.first], self.further.readings()):
            cursor = reading.api.cursor
            self.reading = reading
            in_passes = reading.moves and not self.source.api.consume_once
            self.doubts = Doubts(self.landing if in_passes else None, cursor.path if cursor else "")
            try:
                self._read_pages(self._flow(from_start=from_start and reading is self.first))
            except (SourceBroken, SourceUnstable) as error:
                broken = error
            finished = finished and reading.finished
        if finished:
            self.result.finished_at = clock.now()
        return broken

    def _read_pages(self, flow: PageFlow) -> None:
        """Fetch and land the pages of *flow*.

        :raises SourceBroken: all pages were read, but records were skipped.
        """
        try:
            reached = drive(flow, self._fetch)
        except LimitReached:
            if not self.again:
                return
            reached = None
        self.reading.ended = True
        if skipped := self.reading.pager.skipped:
            raise SourceBroken(
                f"{self.source.where} fails for {len(skipped)} single "
                f"order{'s' * (len(skipped) > 1)}, skipped: {', '.join([*skipped][:5])}"
                f"{', …' * (len(skipped) > 5)}. All others were read.",  # noqa: PLR2004
                "Each run requests them again; look in the shop for orders that cannot be opened.",
            )
        self._save_cursor(reached)
        if self.doubts.moving or (self.doubts.open and not self.reading.moves):
            raise SourceUnstable(
                f"{self.source.where} lists orders that changed in every pass over them.",
                "The pages read so far are kept; the next run reads the same period again.",
            )
        self.reading.finished = True

    def _fetch(
        self, page_request: PageRequest, landed: Callable[[bytes], None] = lambda _: None
    ) -> PageInfo:
        """Fetch and land one page.

        :param landed: called with the body of the page.
        :raises LimitReached: this run has pulled enough.
        """
        self.again = page_request.again
        self._save_cursor(page_request.reached)
        if self._limit_reached(page_request):
            raise LimitReached
        reading = self.reading
        request = self.source.request(page_request, reading.request(page_request))
        if page_request.ids_only:
            return self._identify(request)
        missing = ""
        while True:
            fetched = self.fetcher.fetch(
                request, self.next_page, reading.parser, page_request.tries
            )
            try:
                self._land_and_clear(fetched, page_request)
            except SourceMissing as error:  # a child list, of an order deleted since the page came
                if error.message == missing:
                    raise
                missing = error.message
            else:
                landed(fetched.response.body)
                return fetched.info

    def _identify(self, request: Request) -> PageInfo:
        """Fetch id, time and cursor of the order that is skipped; nothing is landed.

        :raises SourceBroken: the API fails for these too, or refuses them.
        """
        try:
            parser = self.reading.parser or self.fetcher.parser
            fetched = self.fetcher.fetch(request, self.next_page, parser, tries=1)
            info, body = fetched.info, fetched.response.body
            info.identity = parser.identity(body) if info.orders == 1 else ""
        except (SourceRefused, SourceUnexpected, msgspec.DecodeError) as error:
            message = f"{self.source.where} fails for an order, and for its id."
            raise SourceBroken(message, "Run again later.") from error
        info.next = self.source.without_ids(info.next)
        if info.identity not in self.reading.pager.skipped:
            log.warning("source=%s the API fails for order %s: it is skipped",
                        self.source.name, info.identity)  # fmt: skip
        return info

    def _update_eta(self, info: PageInfo) -> None:
        """Update the estimate of the first cursor's pages, and log the first one."""
        if self.reading is not self.first:
            return
        self.result.left = left = self.eta.update(info, self.fetcher.calls)
        if left and not self.eta_logged:
            self.eta_logged = True
            log.info("source=%s %d orders to pull: %s", self.source.name, left.total, left)

    def _save_cursor(self, reached: datetime | None) -> None:
        """Save the cursor *reached*, up to which all orders have been read."""
        if reached is None or not self.reading.moves:
            return
        cursor = self.reading.forward(reached)
        if cursor != self.reading.reached:
            if self.reading is self.first:
                self.landing.keep_cursor(cursor, self.next_page - 1)
            self._reached(cursor)

    def _reached(self, cursor: str) -> None:
        """Set the position of this reading, whose orders are landed."""
        self.reading.reached = cursor
        if isinstance(self.reading, FurtherReading):
            self.further.save(self.reading)
        else:
            self.result.cursor = cursor

    def _limit_reached(self, page_request: PageRequest) -> bool:
        """True if ``max_pages`` or ``max_seconds`` ends this run before *page_request*.

        Neither applies inside the overlap. A run that stopped there would save no new cursor, and
        every later run would stop at the same page. What is in doubt is few pages.
        """
        settings = self.source.settings
        pages, seconds = settings.max_pages, settings.max_seconds
        full = pages is not None and len(self.result.pages) >= pages
        enough_pages = full and not page_request.again
        left = self.fetcher.seconds_left
        late = left is not None and left <= 0
        if not enough_pages and not late:
            return False
        moves_cursor = page_request.sorted_from is not None
        if moves_cursor and self.reading.initial and self.reading.reached == self.reading.initial:
            return False
        reason = f"{pages} pages" if enough_pages else f"{seconds:g} seconds"
        goes_on = self.source.api.consume_once or moves_cursor or page_request.again
        again = "starts again at the same page and needs a higher limit"
        level = logging.INFO if goes_on else logging.WARNING
        log.log(level, "source=%s stopped after %s, as set; the next run %s",
                self.source.name, reason, "goes on" if goes_on else again)  # fmt: skip
        return True

    def _land_and_clear(self, fetched: FetchedPage, page_request: PageRequest) -> None:
        """Land the page, then discard its request in flight."""
        info = fetched.info
        empty = info.state == "whole" and not info.orders
        try:
            if fetched.loss or not (empty or _is_duplicate(page_request, info)):
                self._land_fetched(fetched, self.reading.after(page_request, info))
            else:
                self._update_eta(info)
            if fetched.draft:
                fetched.draft.discard()
        finally:
            if fetched.draft:
                fetched.draft.close()
        if fetched.error:
            raise fetched.error

    def _land_fetched(self, fetched: FetchedPage, cursor: str | None = None) -> None:
        """Land a page durably, together with its child pages."""
        response, info = fetched.response, fetched.info
        body, parts = self.children.body_for(fetched, self.next_page)
        self._update_eta(info)
        self._land(
            body,
            page=fetched.draft.page if fetched.draft else self.next_page,
            state=info.state,
            status=response.status,
            request=fetched.request,
            orders=info.orders,
            possible_loss=fetched.loss,
            problem=response.problem or info.problem,
            parts=parts,
            cursor_after=cursor if self.reading is self.first else None,
        )
        if cursor:
            self._reached(cursor)

    def _land(self, body: bytes, **facts: Any) -> None:  # noqa: ANN401 - fields of PageMeta
        """Land a page, update the result, log the page, and report progress."""
        now, sha256 = clock.iso(clock.now()), digest(body)
        name, size = self.source.name, len(body)
        meta = PageMeta(source=name, received_at=now, sha256=sha256, size=size, **facts)
        self.landing.land(meta, body)
        self.next_page = meta.page + 1
        self.result.pages.append(meta.page)
        self.result.orders += meta.orders
        self.result.cursor = meta.cursor_after or self.result.cursor
        if meta.possible_loss:
            self.result.possible_loss.append(meta.page)
        log.info("source=%s page=%d state=%s orders=%d bytes=%d",
                 meta.source, meta.page, meta.state, meta.orders, meta.size)  # fmt: skip
        self.on_page(self.result)

    def _recover(self) -> None:
        """Land the requests that a kill left in flight.

        :raises PossibleLoss: orders may be lost with such a request.
        """
        for draft in self.landing.requests_in_flight():
            fetched = self.fetcher.recover(draft) if draft.page >= self.next_page else None
            if fetched is None:
                draft.discard()
            else:
                self._land_and_clear(fetched, PageRequest())


def _is_duplicate(page_request: PageRequest, info: PageInfo) -> bool:
    """True if the page belongs to a pass that verifies, and has no new versions."""
    lower, seen = page_request.sorted_from, page_request.seen
    in_order = lower is None or info.sorted_from(lower)
    return seen is not None and in_order and seen.issuperset(info.fingerprints)
