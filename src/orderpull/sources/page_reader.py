"""Read the pages of a pull: fetch a page, hold it for the landing, then request the next."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import chain

import msgspec

from orderpull import clock
from orderpull.errors import (
    SourceBroken,
    SourceError,
    SourceMissing,
    SourceRefused,
    SourceUnexpected,
    SourceUnstable,
)
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.children import ChildFetcher
from orderpull.sources.endpoint import Endpoint
from orderpull.sources.eta import Estimator
from orderpull.sources.fetch import FetchedPage, Fetcher, LimitReached
from orderpull.sources.http.messages import Request
from orderpull.sources.page_writer import PageWriter, PullResult
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import PageFlow, PageRequest, drive
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.reading import FurtherCursors, FurtherReading, Reading

log = logging.getLogger("orderpull.pull")


class PageReader:
    """Reads the pages of each cursor in one pull.

    :param first: the reading of ``[cursor]``.
    :param further: those of ``[[cursor.also]]``.
    """

    def __init__(
        self,
        source: Endpoint,
        landing: SourceLanding,
        fetcher: Fetcher,
        writer: PageWriter,
        result: PullResult,
        *,
        first: Reading,
        further: FurtherCursors,
    ) -> None:
        self.source = source
        self.landing = landing
        self.fetcher = fetcher
        self.writer = writer
        self.result = result
        self.first = self.reading = first
        self.further = further
        self.children = ChildFetcher(fetcher)
        cursor, once = source.api.cursor, source.api.consume_once
        verified = cursor.strategy == "window_verify" if cursor else not once
        self.eta = Estimator(source.limit, passes=2 if verified else 1)
        self.eta_logged = False
        self.doubts = Doubts()
        self.again = False

    def read_all(self, *, from_start: bool) -> SourceError | None:
        """Read the pages of each cursor; return the error of one that stops no other.

        Such an error is that single orders were skipped, or that orders change too fast.

        :param from_start: read all orders since the setting ``start``, not from the cursor.
        """
        broken: SourceError | None = None
        finished = True
        for reading in chain([self.first], self.further.readings()):
            cursor = reading.api.cursor
            self.reading = reading
            in_passes = reading.moves and not self.source.api.consume_once
            self.doubts = Doubts(
                self.landing if in_passes else None,
                cursor.path if cursor else "",
                self.writer.finish,
            )
            try:
                whole = from_start and reading is self.first
                self._read_pages(reading.flow(self.doubts, from_start=whole))
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
        finally:
            self.writer.finish()
        self.reading.ended = True
        if skipped := self.reading.pager.skipped:
            raise SourceBroken(
                f"{self.source.where} fails for {len(skipped)} single "
                f"order{'s' * (len(skipped) > 1)}, skipped: {', '.join([*skipped][:5])}"
                f"{', …' * (len(skipped) > 5)}. All others were read.",  # noqa: PLR2004
                "Each run requests them again; look in the shop for orders that cannot be opened.",
            )
        self.save_cursor(reached)
        if self.doubts.moving or (self.doubts.open and not self.reading.moves):
            raise SourceUnstable(
                f"{self.source.where} lists orders that changed in every pass over them.",
                "The pages read so far are kept; the next run reads the same period again.",
            )
        self.reading.finished = True

    def fetch_orders(self, flow: PageFlow, received: Callable[[bytes], None]) -> bool:
        """Land the pages of *flow*, which asks for single orders; false if a limit ended it.

        :param received: called with the body of each page.
        """
        self.reading = self.first
        try:
            drive(flow, partial(self._fetch, received=received))
        except LimitReached:
            return False
        finally:
            self.writer.finish()
        return True

    def recover(self) -> None:
        """Land the requests that a kill left in flight.

        :raises PossibleLoss: orders may be lost with such a request.
        """
        for draft in self.landing.requests_in_flight():
            fetched = self.fetcher.recover(draft) if draft.page >= self.writer.next_page else None
            if fetched is None:
                draft.discard()
            else:
                self._land_and_clear(fetched, PageRequest())

    def save_cursor(self, reached: datetime | None) -> None:
        """Save the cursor *reached*, up to which all orders have been read, if it is a later one.

        The orders are durable before.
        """
        reading = self.reading
        if reached is None or not reading.moves:
            return
        cursor = reading.forward(reached)
        if cursor <= (reading.reached or ""):
            return
        self.writer.finish()
        if cursor <= (reading.reached or ""):
            return
        if reading is self.first:
            self.landing.keep_cursor(cursor, self.writer.next_page - 1)
        self._moved(reading, cursor)

    def _moved(self, reading: Reading, cursor: str) -> None:
        """Set the position of *reading*, up to which all orders are landed."""
        reading.reached = cursor
        if isinstance(reading, FurtherReading):
            self.further.save(reading)
        else:
            self.result.cursor = cursor

    def _fetch(
        self, page_request: PageRequest, received: Callable[[bytes], None] = lambda _: None
    ) -> PageInfo:
        """Fetch one page, and land it at once or with the next request.

        :param received: called with the body of the page.
        :raises LimitReached: this run has pulled enough.
        """
        self.again = page_request.again
        self.save_cursor(page_request.reached)
        if self._limit_reached(page_request):
            raise LimitReached
        reading = self.reading
        request = self.source.request(page_request, reading.request(page_request))
        if page_request.ids_only:
            return self._identify(request)
        missing = ""
        while True:
            fetched = self.fetcher.fetch(
                request, self.writer.next_page, reading.parser, page_request.tries
            )
            try:
                self._land_and_clear(fetched, page_request)
            except SourceMissing as error:  # a child list, of an order deleted since the page came
                if error.message == missing:
                    raise
                missing = error.message
            else:
                received(fetched.response.body)
                return fetched.info

    def _identify(self, request: Request) -> PageInfo:
        """Fetch id, time and cursor of the order that is skipped; nothing is landed.

        :raises SourceBroken: the API fails for these too, or refuses them.
        """
        try:
            parser = self.reading.parser or self.fetcher.parser
            fetched = self.fetcher.fetch(request, self.writer.next_page, parser, tries=1)
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

    def _limit_reached(self, page_request: PageRequest) -> bool:
        """True if ``max_pages`` or ``max_seconds`` ends this run before *page_request*.

        Neither applies inside the overlap. A run that stopped there would save no new cursor, and
        every later run would stop at the same page. What is in doubt is few pages.
        """
        settings = self.source.settings
        pages, seconds = settings.max_pages, settings.max_seconds
        full = pages is not None and self.writer.pages >= pages
        enough_pages = full and not page_request.again
        left = self.fetcher.seconds_left
        late = left is not None and left <= 0
        if not enough_pages and not late:
            return False
        self.writer.finish()
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

    def _land_fetched(self, fetched: FetchedPage, cursor: str | None) -> None:
        """Land a page together with its child pages; if no orders can be lost, with the next one.

        :param cursor: position after the page.
        """
        response, info, draft, reading = fetched.response, fetched.info, fetched.draft, self.reading
        decoded, info.decoded = info.decoded, None
        body, parts = self.children.body_for(fetched, self.writer.next_page)
        self._update_eta(info)
        place = self.writer.land if draft else self.writer.hold
        place(
            body,
            landed=partial(self._moved, reading, cursor) if cursor else lambda: None,
            decoded=decoded,
            page=draft.page if draft else self.writer.next_page,
            state=info.state,
            status=response.status,
            request=fetched.request,
            orders=info.orders,
            possible_loss=fetched.loss,
            problem=response.problem or info.problem,
            parts=parts,
            cursor_after=cursor if reading is self.first else None,
            clock_ahead=fetched.clock_ahead,
        )


def _is_duplicate(page_request: PageRequest, info: PageInfo) -> bool:
    """True if the page belongs to a pass that verifies, and has no new versions."""
    lower, seen = page_request.sorted_from, page_request.seen
    in_order = lower is None or info.sorted_from(lower)
    return seen is not None and in_order and seen.issuperset(info.fingerprints)
