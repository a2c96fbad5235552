"""Reading orders that change while they are read, and losing none.

An order that changes moves to another place of the list, and moves others with it. Where the API
sorts by the cursor, asking again from the newest stamp seen cannot pass any by; where it does not,
a window of time is read until two passes agree.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import datetime

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.paging import (
    Ask,
    Plan,
    drain,
    once,
    positioned,
    refuse_repeated,
    sized,
    walk,
)
from orderpull.sources.reading import Reading
from orderpull.sources.spec import Api, CursorSpec, PagingSpec
from orderpull.sources.times import earlier, format_time, rounded, step

MAX_PASSES = 6
"""How often a window is read before it is given up as moving too fast."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that one run reads, and how the API is asked for it.

    :param size: orders asked for at once; the API file's, unless given.
    :param since: the cursor, or the start.
    :param until: the run's beginning, as the upper bound.
    """

    paging: PagingSpec
    cursor: CursorSpec
    size: int | None
    since: datetime
    until: datetime

    def query(self, lower: datetime) -> dict[str, str]:
        """The parameters that ask for orders from *lower* on."""
        bounds = {self.cursor.lower: format_time(self.asked_from(lower), self.cursor.precision)}
        if self.cursor.upper:
            bounds[self.cursor.upper] = format_time(self.until, self.cursor.precision)
        return bounds | sized(self.paging, self.size)

    def asked_from(self, lower: datetime) -> datetime:
        """The bound to send, so that an order of the very instant *lower* is answered."""
        bound = rounded(lower, self.cursor.precision)
        return bound if self.cursor.inclusive else earlier(bound, step(self.cursor.precision))

    def after(self, instant: datetime) -> datetime:
        """The first time after *instant* for which the API can be asked without it.

        An exclusive bound is a step lower, so that it takes another step to leave it behind.
        """
        one = step(self.cursor.precision)
        return rounded(instant, self.cursor.precision) + (one if self.cursor.inclusive else 2 * one)


def plan(api: Api, size: int | None, since: datetime | None, until: datetime) -> Plan:
    """How one run reads *api*.

    :param size: orders asked for at once.
    :param since: the cursor, or the start; None for an API without cursor.
    :param until: the run's beginning, as the upper bound.
    """
    if api.paging.kind == "drain":
        return drain(api.paging, size)
    if api.cursor is None or since is None:
        return once(api.paging, size)
    window = Window(api.paging, api.cursor, size, since, until)
    return reseek(window) if api.cursor.strategy == "reseek" else window_verify(window)


def reseek(window: Window) -> Plan:
    """Ask from the newest stamp seen, again and again: nothing that moves can be passed by.

    Where the answers turn out not to be sorted, the window is verified instead.

    :raises SourceUnstable: a window, or an instant, does not hold still.
    """
    try:
        yield from _follow(window)
    except _NotSortedError as found:
        return (yield from window_verify(window, found.landed))
    return None


def window_verify(window: Window, landed: Iterable[int] = ()) -> Plan:
    """Read the window until two passes bring the same versions.

    :param landed: versions that are kept already.
    :raises SourceUnstable: they do not, after :data:`MAX_PASSES` passes.
    """
    seen = set(landed)
    before: set[int] | None = None
    newest = window.since
    for _ in range(MAX_PASSES):
        this: set[int] = set()
        pages = walk(window.paging, window.query(window.since), seen)
        try:
            ask = next(pages)
            while True:
                reading = yield ask
                this.update(reading.versions)
                seen |= this
                newest = max(newest, reading.newest or newest)
                ask = pages.send(reading)
        except StopIteration:
            pass
        if this == before:
            return min(newest, window.until)
        before = this
    raise _unstable()


def _follow(window: Window) -> Generator[Ask, Reading, None]:
    """From stamp to stamp, to the end."""
    lower = window.since
    while True:
        here = window.asked_from(lower)
        query = window.query(lower) | positioned(window.paging, window.paging.first, 0)
        reading = yield Ask(query, sorted_from=here)
        newest = _newest(reading, here)
        if newest is None or reading.orders == reading.total:
            return
        if window.asked_from(newest) > here:
            lower = newest
        elif (yield from _Instant(window, query, newest, here).read(reading)):
            lower = window.after(newest)
        else:
            return


@dataclass(frozen=True, slots=True)
class _Instant:
    """Orders of one instant that fill a page: read by position, until two passes agree.

    What comes after the instant is asked for anew. While positions are counted, orders that leave
    the instant move all others up, some of them to before the position that is asked for next.

    :param query: asks for its first page.
    :param here: the bound in that query.
    """

    window: Window
    query: dict[str, str]
    instant: datetime
    here: datetime

    def read(self, first: Reading) -> Generator[Ask, Reading, bool]:
        """Read it, of which *first* is the first page; returns whether anything comes after it.

        :raises SourceUnstable: it does not hold still.
        :raises SourceUnexpected: the API has no way to ask for the next page of it.
        """
        paging = self.window.paging
        short = first.orders < int(self.query.get(paging.size_param or "", "0"))
        if paging.param is None:
            if short or paging.size_param is None:
                return False
            raise SourceUnexpected(
                f"More orders were changed in one instant than a page of {first.orders} holds.",
                "Set a larger page_size.",
            )
        seen = set(first.versions)
        reading = first
        before: set[int] | None = None
        for _ in range(MAX_PASSES):
            this: set[int] = set()
            more = yield from self._pass(reading, this, seen)
            if this == before or (short and not more and this == set(first.versions)):
                return more
            before = this
            reading = yield self._ask(paging.first, 0, seen)
        raise _unstable()

    def _pass(
        self, reading: Reading, this: set[int], seen: set[int]
    ) -> Generator[Ask, Reading, bool]:
        """One pass from the page *reading* on; collects in *this* the versions of the instant."""
        after = self.window.after(self.instant)
        count, number = 0, self.window.paging.first
        while True:
            newest = _newest(reading, self.here)
            stamped = zip(reading.versions, reading.stamps, strict=True)
            this.update(version for version, stamp in stamped if stamp < after)
            seen.update(reading.versions)
            count, number = count + reading.orders, number + 1
            if newest is None or newest >= after or count == reading.total:
                return newest is not None and newest >= after
            following = yield self._ask(number, count, seen)
            refuse_repeated(self.window.paging, reading, following)
            reading = following

    def _ask(self, number: int, count: int, seen: set[int]) -> Ask:
        position = positioned(self.window.paging, number, count)
        return Ask(self.query | position, self.here, upto=self.instant, seen=seen)


class _NotSortedError(Exception):
    """The answers are not sorted by the cursor. :param landed: versions that are kept already."""

    def __init__(self, landed: Iterable[int]) -> None:
        super().__init__()
        self.landed = landed


def _newest(reading: Reading, here: datetime) -> datetime | None:
    """The newest stamp of a page that should be sorted from *here* on; None if it is empty.

    :raises _NotSortedError: it is not.
    """
    if not reading.sorted_from(here):
        raise _NotSortedError(reading.versions)
    return reading.newest


def _unstable() -> SourceUnstable:
    return SourceUnstable(
        f"The orders changed between passes, {MAX_PASSES} times in a row.",
        "What came is kept; the next run reads the same time again.",
    )
