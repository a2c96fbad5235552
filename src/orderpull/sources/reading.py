"""Readings: the requests of each cursor in a pull, and its position."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from orderpull import clock
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.endpoint import Endpoint, with_fields
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import PageFlow, Pager, PageRequest
from orderpull.sources.paging.incremental import MAX_CLOCK_SKEW, incremental_flow
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import AlsoSpec, CursorSpec, RequestSpec
from orderpull.sources.spec.times import earlier, parse_time

log = logging.getLogger("orderpull.pull")

FURTHER = "further.json"
"""Name of the note with the positions of ``[[cursor.also]]``."""


class Reading:
    """The requests of one cursor, and its position.

    :param api: the API, with this cursor in ``[cursor]``.
    :param initial: position at which the pull begins.
    :param until: start of the pull.
    :ivar reached: position up to which all orders are landed.
    :ivar moves: the pages move the position.
    :ivar parser: parser of the pages; None: the parser of the first cursor.
    :ivar ended: all pages have been read, perhaps without single orders.
    :ivar finished: all orders have been read.
    """

    moves = True
    parser: PageParser | None = None
    ended = finished = False

    def __init__(self, endpoint: Endpoint, api: Api, initial: str | None, until: datetime) -> None:
        self.api, self.start, self.until = api, endpoint.start, until
        self.overlap, self.name = endpoint.settings.overlap, endpoint.name
        self.initial = self.reached = initial
        self.pager = Pager(api.paging, endpoint.size, ids=api.ids is not None)

    def request(self, page_request: PageRequest) -> RequestSpec:
        """The request block of *page_request*."""
        ids = self.api.ids
        if ids is None or not page_request.ids_only:
            return self.api.request
        return with_fields(self.api.request, ids.query, ids.body)

    def flow(self, doubts: Doubts, *, from_start: bool) -> PageFlow:
        """The flow that reads all pages.

        :param from_start: read all orders since the setting ``start``, not from the position.
        """
        api, since, until = self.api, self.start, self.until
        if not self.moves and since:
            return incremental_flow(api, self.pager, since, since, doubts)
        if api.cursor:
            position = parse_time(self.initial)
            if position and not from_start:
                seconds = api.cursor.overlap if self.overlap is None else self.overlap
                since = earlier(position, timedelta(seconds=seconds))
            until = earlier(until, timedelta(seconds=api.cursor.lag))
            if since is not None:
                since = self.within_horizon(api.cursor, since)
        return incremental_flow(api, self.pager, since, until, doubts)

    def within_horizon(self, cursor: CursorSpec, since: datetime) -> datetime:
        """*since*, or the earliest modification time that the API still returns."""
        if cursor.horizon is None:
            return since
        earliest = earlier(self.until, timedelta(days=cursor.horizon))
        if since < earliest:
            log.warning("source=%s the API returns the last %g days only: orders changed "
                        "before %s are not read", self.name, cursor.horizon,
                        earliest.date())  # fmt: skip
        return max(since, earliest)

    def after(self, page_request: PageRequest, info: PageInfo) -> str | None:
        """The position after a page; None if the page does not move it.

        A page that is not sorted resets it, because the API does not sort as expected.
        """
        if page_request.sorted_from is None or not self.moves:
            return None
        if not info.sorted_from(page_request.sorted_from):
            return self.initial or (clock.iso(self.start) if self.start else None)
        if info.newest is None:
            return None
        skipped = [time for time in self.pager.skipped.values() if time]
        newest = min([info.newest, page_request.upto or info.newest, *skipped])
        return self.forward(newest, self.reached)

    def forward(self, newest: datetime, at_least: str | None = None) -> str:
        """The position at *newest*, but not before *at_least* and not after the start of the pull.

        A time in the future would hide all later changes.
        """
        return max(clock.iso(min(newest, self.until)), at_least or self.initial or "")


class Position(msgspec.Struct):
    """The position of a further cursor.

    :param rest: orders that the first cursor cannot reach are still to be read.
    """

    at: str
    rest: bool = False


class FurtherReading(Reading):
    """The requests of a cursor of ``[[cursor.also]]``.

    :param rest: read the orders that the first cursor cannot reach, because their time of change
        is before ``start``.
    """

    def __init__(
        self, endpoint: Endpoint, also: AlsoSpec, at: str, until: datetime, *, rest: bool = False
    ) -> None:
        api = further_api(endpoint.api, also, rest=rest)
        super().__init__(endpoint, api, at, until)
        self.also, self.moves, self.parser = also, not rest, PageParser(api)


class FurtherCursors:
    """The cursors of ``[[cursor.also]]``; their positions are a note in the landing.

    :param until: start of the pull.
    """

    def __init__(self, endpoint: Endpoint, landing: SourceLanding, until: datetime) -> None:
        self._endpoint, self._landing, self._until = endpoint, landing, until
        cursor = endpoint.api.cursor
        self._blocks = cursor.also if cursor else []
        self._positions: dict[str, Position] = {}
        if self._blocks:
            self._positions = positions_in(landing)

    def begin_from_start(self) -> None:
        """Note that the first cursor now reads all orders changed since ``start``.

        A further cursor then asks for the rest alone, and for what comes after this moment.
        """
        now = clock.iso(earlier(self._until, MAX_CLOCK_SKEW))
        for also in self._blocks:
            if also.below:
                at = self._positions[also.path].at if also.path in self._positions else ""
                self._keep(also, Position(max(at, now), rest=True))

    def readings(self) -> Iterator[FurtherReading]:
        """The readings of the further cursors in this pull."""
        for also in self._blocks:
            start = clock.iso(self._endpoint.start) if self._endpoint.start else ""
            position = self._positions.get(also.path) or Position(start)
            if position.rest:
                rest = FurtherReading(self._endpoint, also, position.at, self._until, rest=True)
                yield rest
                if rest.finished:
                    self._keep(also, Position(position.at))
                    continue
            yield FurtherReading(self._endpoint, also, position.at, self._until)

    def save(self, reading: FurtherReading) -> None:
        """Save the position that *reading* has reached."""
        rest = reading.also.path in self._positions and self._positions[reading.also.path].rest
        self._keep(reading.also, Position(reading.reached or "", rest))

    def _keep(self, also: AlsoSpec, position: Position) -> None:
        if self._positions.get(also.path) != position:
            self._positions[also.path] = position
            self._landing.keep_note(FURTHER, msgspec.json.encode(self._positions))


def positions_in(landing: SourceLanding) -> dict[str, Position]:
    """The positions in the note; none if it is missing or damaged: all is then read again."""
    return landing.note_as(FURTHER, dict[str, Position]) or {}


def further_api(api: Api, also: AlsoSpec, *, rest: bool) -> Api:
    """*api* as *also* asks it."""
    first = api.cursor
    if first is None:
        return api
    changes: dict[str, Any] = {
        "path": also.path, "lower": also.lower, "upper": also.below if rest else None,
        "filter": also.filter, "filter_text": also.filter_text,
        "window": None, "server_upper": None, "also": [],
    }  # fmt: skip
    request = with_fields(api.request, also.query, also.body)
    return replace(api, request=request, cursor=replace(first, **changes))
