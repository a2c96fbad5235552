"""Pull one source: ask, keep what came, go on - in that order, always."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from orderpull import clock
from orderpull.errors import Interrupted, OrderpullError, SourceBroken, SourceError
from orderpull.landing.page import Kind, PageMeta, Part, digest, join_parts
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.bulk_export import BulkExport
from orderpull.sources.children import ChildFetcher
from orderpull.sources.endpoint import OK, Endpoint
from orderpull.sources.eta import Estimate, Estimator
from orderpull.sources.fetch import (
    ConsumeOnceFetcher,
    FetchedPage,
    PageFetcher,
    RetryingFetcher,
    RetryPolicy,
)
from orderpull.sources.http.limits import Stop
from orderpull.sources.paging.flows import PageFlow, PageRequest, drive, page_size
from orderpull.sources.paging.incremental import incremental_flow
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.reconcile import list_all_orders
from orderpull.sources.spec.blocks import CursorSpec, ExportSpec
from orderpull.sources.spec.times import earlier, parse_time

log = logging.getLogger("orderpull.pull")

WORTH_AN_EXPORT = timedelta(days=2)
"""What a first run has to span for an export to be asked for."""

LISTED, FULL_READ = "listed.json", "full-read.json"
"""The notes of when all orders were last listed, and last read from the start."""


@dataclass
class PullResult:
    """What pulling one source brought.

    :param pages: numbers of the pages landed, adopted ones too.
    :param orders: orders in them, as far as they could be counted.
    :param possible_loss: numbers of the pages with which orders may have been lost.
    :param cursor: how far the API has been read.
    :param finished_at: when it had been read to its end (UTC); None if it was not.
    :param error: what stopped it.
    :param left: what is left to do, where the API tells a total.
    """

    pages: list[int] = field(default_factory=list)
    orders: int = 0
    possible_loss: list[int] = field(default_factory=list)
    cursor: str | None = None
    finished_at: datetime | None = None
    error: OrderpullError | None = None
    left: Estimate | None = None


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a pull begins.

    :param cursor: how far the API has been read.
    :param loaded_through: the highest page number that the ledger knows.
    """

    cursor: str | None = None
    loaded_through: int = 0


class Source(Endpoint):
    """One account at one API, to be pulled."""

    def pull(
        self,
        landing: SourceLanding,
        start: ResumePoint,
        stop: Stop,
        on_page: Callable[[PullResult], None] = lambda _: None,
    ) -> PullResult:
        """Bring what the API has into *landing*; never raises for a fault of the source.

        :param stop: asked to stop, the pull ends after the page in hand.
        :param on_page: is called after each page.
        :raises LandingError: a page could not be kept; what was kept before stays.
        """
        pulled = PullResult(cursor=start.cursor)
        try:
            with landing.pulling():
                self.authenticator.use_store(landing)
                _Pull(self, landing, start, stop=stop, pulled=pulled, on_page=on_page).run()
        except SourceError as error:
            pulled.error = self.with_source(error)
        except Interrupted as error:
            pulled.error = error
        finally:
            self.client.close()
        return pulled


class _Pull:
    """One pull of one source, under way; the landing is held for it alone."""

    def __init__(
        self,
        source: Source,
        landing: SourceLanding,
        start: ResumePoint,
        *,
        stop: Stop,
        pulled: PullResult,
        on_page: Callable[[PullResult], None],
    ) -> None:
        self.source = source
        self.landing = landing
        self.pulled = pulled
        self.on_page = on_page
        self.started = time.monotonic()
        self.started_at = clock.now()
        self.next_page = landing.next_page(start.loaded_through + 1)
        self.initial_cursor = start.cursor
        if source.api.cursor:
            self.initial_cursor = landing.newest_cursor(start.cursor, start.loaded_through)
        pulled.cursor = self.initial_cursor
        self.policy = policy = RetryPolicy(source, stop, self.started)
        self.once = ConsumeOnceFetcher(source, policy, landing) if source.api.consume_once else None
        self.fetcher: PageFetcher = self.once or RetryingFetcher(source, policy)
        self.children = ChildFetcher(source, self.fetcher)
        verified = source.api.cursor is not None and source.api.cursor.strategy == "window_verify"
        self.eta = Estimator(source.limit, passes=2 if verified else 1)
        self.eta_logged = False
        self.size = page_size(source.api.paging, source.size)

    def run(self) -> None:
        """Adopt what a kill left in flight, then walk the API's pages."""
        if self.once:
            self._recover(self.once)
        full = self._full_read_due()
        if (
            full and self.initial_cursor is None
        ):  # the first read is one, however many runs it takes
            self._note_time(FULL_READ)
        spec = self.source.api.export
        exported = spec is not None and (full or self.initial_cursor is None) and self._export(spec)
        self._walk(self._flow(from_start=full and not exported))
        if self.pulled.finished_at:
            if full:
                self._note_time(FULL_READ)
            if self._listing_due():
                self._land_listing()

    def _full_read_due(self) -> bool:
        """Whether everything is to be read again, since changes may not have shown."""
        days = self.source.settings.full_reread_days
        return days is not None and self._due(FULL_READ, timedelta(days=days))

    def _listing_due(self) -> bool:
        """Whether all orders are to be listed, to find those that were deleted."""
        every = self.source.settings.reconcile
        return every is not None and self._due(LISTED, clock.duration(every))

    def _due(self, note: str, every: timedelta) -> bool:
        try:
            kept = msgspec.json.decode(self.landing.note(note) or b"{}")
            last = parse_time(kept.get("at"))
        except (msgspec.DecodeError, AttributeError):
            last = None
        return last is None or self.started_at - last >= every

    def _note_time(self, note: str) -> None:
        self.landing.keep_note(note, msgspec.json.encode({"at": clock.iso(self.started_at)}))

    def _export(self, spec: ExportSpec) -> bool:
        """Begin with a file that the API writes; whether it could be had."""
        start, cursor = self.source.start, self.source.api.cursor
        if start is None or cursor is None or self.started_at - start < WORTH_AN_EXPORT:
            return False
        export = BulkExport(self.source, self.fetcher, self.policy, self.landing)
        since, newest = self._within_horizon(cursor, start), start
        started_at = earlier(self.started_at, timedelta(seconds=cursor.lag))
        try:
            for chunk in export.run(spec, since, started_at):
                newest = max(newest, chunk.newest or newest)
                self._land_body("export", chunk.lines, orders=chunk.orders)
                self.policy.sleep(0)
        except SourceError as error:
            export.clear_state()
            log.warning("source=%s no export, pages are read instead: %s",
                        self.source.name, error.message)  # fmt: skip
            return False
        self._reached(newest)
        self.initial_cursor = self.pulled.cursor
        export.clear_state()
        return True

    def _land_listing(self) -> None:
        """List all orders and keep that, so that the loader finds those that vanished."""
        answers = list_all_orders(self.source, self.fetcher, self.next_page)
        bodies = [each.response.body for each in answers]
        self._land_body("listing", join_parts(bodies), [Part(len(each)) for each in bodies])
        self._note_time(LISTED)

    def _land_body(
        self, kind: Kind, body: bytes, parts: Sequence[Part] = (), orders: int = 0
    ) -> None:
        """Land what is no answer of its own as a page."""
        meta = PageMeta(
            source=self.source.name,
            page=self.next_page,
            state="whole",
            status=OK,
            request=f"{kind} of {self.source.where}",
            received_at=clock.iso(clock.now()),
            sha256=digest(body),
            size=len(body),
            orders=orders,
            kind=kind,
            parts=list(parts),
        )
        self.landing.land(meta, body)
        self._landed(meta)

    def _flow(self, *, from_start: bool) -> PageFlow:
        api, since, started_at = self.source.api, self.source.start, self.started_at
        if api.cursor:
            cursor = parse_time(self.initial_cursor)
            if cursor and not from_start:
                overlap = self.source.settings.overlap
                back = timedelta(seconds=api.cursor.overlap if overlap is None else overlap)
                since = earlier(cursor, back)
            started_at = earlier(started_at, timedelta(seconds=api.cursor.lag))
            if since is not None:
                since = self._within_horizon(api.cursor, since)
        return incremental_flow(api, self.size, since, started_at)

    def _within_horizon(self, cursor: CursorSpec, since: datetime) -> datetime:
        """*since*, or the earliest time that the API still answers for."""
        if cursor.horizon is None:
            return since
        earliest = earlier(self.started_at, timedelta(days=cursor.horizon))
        if since < earliest:
            log.warning("source=%s the API answers for the last %g days only: orders changed "
                        "before %s are not read", self.source.name, cursor.horizon,
                        earliest.date())  # fmt: skip
        return max(since, earliest)

    def _walk(self, steps: PageFlow) -> None:
        """Ask, keep, and let the plan say what to ask next."""
        try:
            reached = drive(steps, self._fetch)
        except _LimitReachedError:
            return
        if self.size.skipped_records:
            raise SourceBroken(
                f"{self.source.where} breaks down over single orders: these were passed by, all "
                "others read.",
                "Each run asks for them again; look for orders there that cannot be opened.",
            )
        self.pulled.finished_at = clock.now()
        self._reached(reached)

    def _fetch(self, ask: PageRequest) -> PageInfo:
        """Do one step of the plan, and keep what came of it."""
        if self._limit_reached(ask):
            raise _LimitReachedError
        self._reached(ask.reached)
        fetched = self.fetcher.fetch(self.source.request(ask), self.next_page, tries=ask.tries)
        self._update_eta(fetched.info)
        self._land_and_clear(fetched, ask)
        return fetched.info

    def _update_eta(self, info: PageInfo) -> None:
        """Say once how much there is to do, and keep account of it."""
        known, self.pulled.left = self.pulled.left, self.eta.update(info)
        if (left := self.pulled.left) and known is None and not self.eta_logged:
            self.eta_logged = True
            log.info("source=%s %d orders are there: %s", self.source.name, left.total, left)

    def _reached(self, time: datetime | None) -> None:
        """Keep it, where the API was read up to *time* for certain."""
        if time is None:
            return
        cursor = self._forward(time)
        if cursor != self.pulled.cursor:
            self.landing.keep_cursor(cursor, self.next_page - 1)
            self.pulled.cursor = cursor

    def _limit_reached(self, ask: PageRequest) -> bool:
        """Whether this run has pulled as much as it may.

        The time that is read again counts only once it is passed: a run that stopped within it
        would be followed by one that stops there too.
        """
        settings = self.source.settings
        pages, seconds = settings.max_pages, settings.max_seconds
        full = pages is not None and len(self.pulled.pages) >= pages
        late = seconds is not None and time.monotonic() - self.started >= seconds
        if not full and not late:
            return False
        if (
            ask.sorted_from is not None
            and self.initial_cursor
            and self.pulled.cursor == self.initial_cursor
        ):
            return False
        reason = f"{pages} pages" if full else f"{seconds:g} seconds"
        if self.once or ask.sorted_from is not None:
            level, rest = logging.INFO, "goes on"
        else:
            level, rest = logging.WARNING, "begins at the same place again, and needs more"
        log.log(level, "source=%s stopped after %s, as set; the next run %s",
                self.source.name, reason, rest)  # fmt: skip
        return True

    def _land_and_clear(self, fetched: FetchedPage, ask: PageRequest) -> None:
        """Keep what came, then let go of the note that it was asked for."""
        info = fetched.info
        empty = info.state == "whole" and not info.orders
        try:
            if fetched.loss or not (empty or _is_duplicate(ask, info)):
                self._land(fetched, self._cursor(ask, info))
            if fetched.draft:
                fetched.draft.discard()
        finally:
            if fetched.draft:
                fetched.draft.close()
        if fetched.error:
            raise fetched.error

    def _cursor(self, ask: PageRequest, info: PageInfo) -> str | None:
        """How far the API has been read once this page is kept, where the page itself tells.

        A page out of order takes back what those before it told: the API sorts otherwise.
        """
        if ask.sorted_from is None:
            return None
        if not info.sorted_from(ask.sorted_from):
            start = self.source.start
            return self.initial_cursor or (clock.iso(start) if start else None)
        if info.newest is None:
            return None
        return self._forward(min(info.newest, ask.upto or info.newest), self.pulled.cursor)

    def _forward(self, newest: datetime, cursor: str | None = None) -> str:
        """The cursor at *newest*: never before *cursor*, or where this run began.

        Nor in a future that only an order with a wrong stamp has seen: nothing would come after it.
        """
        return max(clock.iso(min(newest, self.started_at)), cursor or self.initial_cursor or "")

    def _land(self, fetched: FetchedPage, cursor: str | None = None) -> None:
        """Land a page, and what belongs to its orders. When this returns, it is on the disk."""
        response, info = fetched.response, fetched.info
        body, parts = self.children.body_for(fetched, self.next_page)
        meta = PageMeta(
            source=self.source.name,
            page=fetched.draft.page if fetched.draft else self.next_page,
            state=info.state,
            status=response.status,
            request=fetched.request,
            received_at=clock.iso(clock.now()),
            sha256=digest(body),
            size=len(body),
            orders=info.orders,
            possible_loss=fetched.loss,
            problem=response.problem or info.problem,
            parts=parts,
            cursor_after=cursor,
        )
        self.landing.land(meta, body)
        self._landed(meta)

    def _landed(self, meta: PageMeta) -> None:
        self.next_page = meta.page + 1
        self.pulled.pages.append(meta.page)
        self.pulled.orders += meta.orders
        self.pulled.cursor = meta.cursor_after or self.pulled.cursor
        if meta.possible_loss:
            self.pulled.possible_loss.append(meta.page)
        log.info("source=%s page=%d state=%s orders=%d bytes=%d",
                 meta.source, meta.page, meta.state, meta.orders, meta.size)  # fmt: skip
        self.on_page(self.pulled)

    def _recover(self, once: ConsumeOnceFetcher) -> None:
        """Make pages of what a kill left in flight.

        :raises PossibleLoss: orders may be lost with it.
        """
        for draft in self.landing.requests_in_flight():
            landed = draft.page < self.next_page
            fetched = None if landed else once.recover(draft)
            if fetched is None:
                draft.discard()
            else:
                self._land_and_clear(fetched, PageRequest())


class _LimitReachedError(Exception):
    """This run has pulled as much as it may."""


def _is_duplicate(ask: PageRequest, info: PageInfo) -> bool:
    """Whether a window is read again, and this page of it brings nothing new."""
    in_order = ask.sorted_from is None or info.sorted_from(ask.sorted_from)
    return ask.seen is not None and in_order and ask.seen.issuperset(info.fingerprints)
