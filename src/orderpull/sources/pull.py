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
from orderpull.sources.bulk_export import Export
from orderpull.sources.children import Children
from orderpull.sources.endpoint import OK, Endpoint
from orderpull.sources.eta import Forecast, Left
from orderpull.sources.fetch import AskAgain, Asking, AskOnce, Pace, Taken
from orderpull.sources.http.limits import Stop
from orderpull.sources.paging.flows import Ask, Plan, follow, page_size
from orderpull.sources.paging.incremental import plan
from orderpull.sources.paging.page_info import Reading
from orderpull.sources.reconcile import listed
from orderpull.sources.spec.blocks import CursorSpec, ExportSpec
from orderpull.sources.spec.times import earlier, parse_time

log = logging.getLogger("orderpull.pull")

WORTH_AN_EXPORT = timedelta(days=2)
"""What a first run has to span for an export to be asked for."""

LISTED, FULL_READ = "listed.json", "full-read.json"
"""The notes of when all orders were last listed, and last read from the start."""


@dataclass
class Pulled:
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
    left: Left | None = None


@dataclass(frozen=True, slots=True)
class Start:
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
        start: Start,
        stop: Stop,
        told: Callable[[Pulled], None] = lambda _: None,
    ) -> Pulled:
        """Bring what the API has into *landing*; never raises for a fault of the source.

        :param stop: asked to stop, the pull ends after the page in hand.
        :param told: is called after each page.
        :raises LandingError: a page could not be kept; what was kept before stays.
        """
        pulled = Pulled(cursor=start.cursor)
        try:
            with landing.pulling():
                self.authorization.keep_in(landing)
                _Pull(self, landing, start, stop=stop, pulled=pulled, told=told).run()
        except SourceError as error:
            pulled.error = self.named(error)
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
        start: Start,
        *,
        stop: Stop,
        pulled: Pulled,
        told: Callable[[Pulled], None],
    ) -> None:
        self.source = source
        self.landing = landing
        self.pulled = pulled
        self.told = told
        self.began = time.monotonic()
        self.until = clock.now()
        self.next_page = landing.next_page(start.loaded_through + 1)
        self.before = start.cursor
        if source.api.cursor:
            self.before = landing.newest_cursor(start.cursor, start.loaded_through)
        pulled.cursor = self.before
        self.pace = pace = Pace(source, stop, self.began)
        self.once = AskOnce(source, pace, landing) if source.api.consume_once else None
        self.asking: Asking = self.once or AskAgain(source, pace)
        self.children = Children(source, self.asking)
        verified = source.api.cursor is not None and source.api.cursor.strategy == "window_verify"
        self.forecast = Forecast(source.limit, passes=2 if verified else 1)
        self.told_how_long = False
        self.size = page_size(source.api.paging, source.size)

    def run(self) -> None:
        """Adopt what a kill left in flight, then walk the API's pages."""
        if self.once:
            self._adopt(self.once)
        full = self._full_read_due()
        if full and self.before is None:  # the first read is one, however many runs it takes
            self._keep_time(FULL_READ)
        spec = self.source.api.export
        exported = spec is not None and (full or self.before is None) and self._export(spec)
        self._walk(self._plan(from_start=full and not exported))
        if self.pulled.finished_at:
            if full:
                self._keep_time(FULL_READ)
            if self._listing_due():
                self._list()

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
        return last is None or self.until - last >= every

    def _keep_time(self, note: str) -> None:
        self.landing.keep_note(note, msgspec.json.encode({"at": clock.iso(self.until)}))

    def _export(self, spec: ExportSpec) -> bool:
        """Begin with a file that the API writes; whether it could be had."""
        start, cursor = self.source.start, self.source.api.cursor
        if start is None or cursor is None or self.until - start < WORTH_AN_EXPORT:
            return False
        export = Export(self.source, self.asking, self.pace, self.landing)
        since, newest = self._within_horizon(cursor, start), start
        until = earlier(self.until, timedelta(seconds=cursor.lag))
        try:
            for stretch in export.run(spec, since, until):
                newest = max(newest, stretch.newest or newest)
                self._keep_body("export", stretch.lines, orders=stretch.orders)
                self.pace.pause(0)
        except SourceError as error:
            export.forget()
            log.warning("source=%s no export, pages are read instead: %s",
                        self.source.name, error.message)  # fmt: skip
            return False
        self._reached(newest)
        self.before = self.pulled.cursor
        export.forget()
        return True

    def _list(self) -> None:
        """List all orders and keep that, so that the loader finds those that vanished."""
        answers = listed(self.source, self.asking, self.next_page)
        bodies = [each.answer.body for each in answers]
        self._keep_body("listing", join_parts(bodies), [Part(len(each)) for each in bodies])
        self._keep_time(LISTED)

    def _keep_body(
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

    def _plan(self, *, from_start: bool) -> Plan:
        api, since, until = self.source.api, self.source.start, self.until
        if api.cursor:
            cursor = parse_time(self.before)
            if cursor and not from_start:
                overlap = self.source.settings.overlap
                back = timedelta(seconds=api.cursor.overlap if overlap is None else overlap)
                since = earlier(cursor, back)
            until = earlier(until, timedelta(seconds=api.cursor.lag))
            if since is not None:
                since = self._within_horizon(api.cursor, since)
        return plan(api, self.size, since, until)

    def _within_horizon(self, cursor: CursorSpec, since: datetime) -> datetime:
        """*since*, or the earliest time that the API still answers for."""
        if cursor.horizon is None:
            return since
        earliest = earlier(self.until, timedelta(days=cursor.horizon))
        if since < earliest:
            log.warning("source=%s the API answers for the last %g days only: orders changed "
                        "before %s are not read", self.source.name, cursor.horizon,
                        earliest.date())  # fmt: skip
        return max(since, earliest)

    def _walk(self, steps: Plan) -> None:
        """Ask, keep, and let the plan say what to ask next."""
        try:
            reached = follow(steps, self._answer)
        except _EnoughError:
            return
        if self.size.passed_by:
            raise SourceBroken(
                f"{self.source.where} breaks down over single orders: these were passed by, all "
                "others read.",
                "Each run asks for them again; look for orders there that cannot be opened.",
            )
        self.pulled.finished_at = clock.now()
        self._reached(reached)

    def _answer(self, ask: Ask) -> Reading:
        """Do one step of the plan, and keep what came of it."""
        if self._enough(ask):
            raise _EnoughError
        self._reached(ask.reached)
        taken = self.asking.ask(self.source.request(ask), self.next_page, tries=ask.tries)
        self._foresee(taken.reading)
        self._take(taken, ask)
        return taken.reading

    def _foresee(self, reading: Reading) -> None:
        """Say once how much there is to do, and keep account of it."""
        known, self.pulled.left = self.pulled.left, self.forecast.after(reading)
        if (left := self.pulled.left) and known is None and not self.told_how_long:
            self.told_how_long = True
            log.info("source=%s %d orders are there: %s", self.source.name, left.total, left)

    def _reached(self, time: datetime | None) -> None:
        """Keep it, where the API was read up to *time* for certain."""
        if time is None:
            return
        cursor = self._forward(time)
        if cursor != self.pulled.cursor:
            self.landing.keep_cursor(cursor, self.next_page - 1)
            self.pulled.cursor = cursor

    def _enough(self, ask: Ask) -> bool:
        """Whether this run has pulled as much as it may.

        The time that is read again counts only once it is passed: a run that stopped within it
        would be followed by one that stops there too.
        """
        settings = self.source.settings
        pages, seconds = settings.max_pages, settings.max_seconds
        full = pages is not None and len(self.pulled.pages) >= pages
        late = seconds is not None and time.monotonic() - self.began >= seconds
        if not full and not late:
            return False
        if ask.sorted_from is not None and self.before and self.pulled.cursor == self.before:
            return False
        reason = f"{pages} pages" if full else f"{seconds:g} seconds"
        if self.once or ask.sorted_from is not None:
            level, rest = logging.INFO, "goes on"
        else:
            level, rest = logging.WARNING, "begins at the same place again, and needs more"
        log.log(level, "source=%s stopped after %s, as set; the next run %s",
                self.source.name, reason, rest)  # fmt: skip
        return True

    def _take(self, taken: Taken, ask: Ask) -> None:
        """Keep what came, then let go of the note that it was asked for."""
        reading = taken.reading
        empty = reading.state == "whole" and not reading.orders
        try:
            if taken.loss or not (empty or _known(ask, reading)):
                self._keep(taken, self._cursor(ask, reading))
            if taken.draft:
                taken.draft.discard()
        finally:
            if taken.draft:
                taken.draft.close()
        if taken.error:
            raise taken.error

    def _cursor(self, ask: Ask, reading: Reading) -> str | None:
        """How far the API has been read once this page is kept, where the page itself tells.

        A page out of order takes back what those before it told: the API sorts otherwise.
        """
        if ask.sorted_from is None:
            return None
        if not reading.sorted_from(ask.sorted_from):
            start = self.source.start
            return self.before or (clock.iso(start) if start else None)
        if reading.newest is None:
            return None
        return self._forward(min(reading.newest, ask.upto or reading.newest), self.pulled.cursor)

    def _forward(self, newest: datetime, cursor: str | None = None) -> str:
        """The cursor at *newest*: never before *cursor*, or where this run began.

        Nor in a future that only an order with a wrong stamp has seen: nothing would come after it.
        """
        return max(clock.iso(min(newest, self.until)), cursor or self.before or "")

    def _keep(self, taken: Taken, cursor: str | None = None) -> None:
        """Land a page, and what belongs to its orders. When this returns, it is on the disk."""
        answer, reading = taken.answer, taken.reading
        body, parts = self.children.of(taken, self.next_page)
        meta = PageMeta(
            source=self.source.name,
            page=taken.draft.page if taken.draft else self.next_page,
            state=reading.state,
            status=answer.status,
            request=taken.request,
            received_at=clock.iso(clock.now()),
            sha256=digest(body),
            size=len(body),
            orders=reading.orders,
            possible_loss=taken.loss,
            problem=answer.problem or reading.problem,
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
        self.told(self.pulled)

    def _adopt(self, once: AskOnce) -> None:
        """Make pages of what a kill left in flight.

        :raises PossibleLoss: orders may be lost with it.
        """
        for draft in self.landing.requests_in_flight():
            landed = draft.page < self.next_page
            taken = None if landed else once.adopt(draft)
            if taken is None:
                draft.discard()
            else:
                self._take(taken, Ask())


class _EnoughError(Exception):
    """This run has pulled as much as it may."""


def _known(ask: Ask, reading: Reading) -> bool:
    """Whether a window is read again, and this page of it brings nothing new."""
    in_order = ask.sorted_from is None or reading.sorted_from(ask.sorted_from)
    return ask.seen is not None and in_order and ask.seen.issuperset(reading.versions)
