"""Reading orders that change while they are read, and losing none.

An order that changes moves to another place of the list, and moves others with it. Where the API
sorts by the cursor, asking again from the newest stamp seen cannot pass any by; where it does not,
a window of time is read until two passes agree.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.paging.flows import (
    Ask,
    PageSize,
    Params,
    Plan,
    Position,
    drain,
    once,
    refuse_circle,
    repeated,
    turn,
    walk,
)
from orderpull.sources.paging.page_info import Reading
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import CursorSpec, PagingSpec
from orderpull.sources.spec.times import earlier, format_bound, rounded, step

CLOCKS_DIFFER = timedelta(days=1)
"""By which an API's clock may differ from ours at most: nothing comes late before that."""

MAX_PASSES = 6
"""How often a window is read before it is given up as moving too fast."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is read, and how the API is asked for it.

    :param size: orders asked for at once.
    :param since: the cursor, or the start.
    :param until: the upper bound: the run's beginning, or where the next window begins.
    :param reached: how far the API has been read for certain before.
    """

    paging: PagingSpec
    cursor: CursorSpec
    size: PageSize
    since: datetime
    until: datetime
    reached: datetime | None = None

    def params(self, lower: datetime) -> Params:
        """The parameters that ask for orders from *lower* on."""
        cursor = self.cursor
        first = bound(cursor, self.asked_from(lower))
        last = bound(cursor, self.until, upper=True)
        bounds: Params = {cursor.lower: first} if cursor.lower else {}
        if cursor.upper:
            bounds[cursor.upper] = last
        if cursor.filter and cursor.filter_text:
            text = cursor.filter_text.replace("{lower}", first).replace("{upper}", last)
            bounds[cursor.filter] = text
        return bounds

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

    def spans(self) -> Iterator["Window"]:
        """The window in pieces that the API takes."""
        since, most = self.since, self.cursor.window
        while most and self.until - since > timedelta(days=most):
            until = since + timedelta(days=most)
            yield replace(self, since=since, until=until)
            since = until
        yield replace(self, since=since)


def bound(cursor: CursorSpec, time: datetime, *, upper: bool = False) -> str:
    """*time* as a bound, as the API writes it."""
    return format_bound(time, cursor.precision, cursor.format, cursor.timezone, upper=upper)


def plan(api: Api, sized: PageSize, since: datetime | None, until: datetime) -> Plan:
    """How one run reads *api*.

    :param sized: orders asked for at once.
    :param since: the cursor, or the start; None for an API without cursor.
    :param until: the upper bound.
    """
    if api.paging.kind == "drain":
        return drain(api.paging, sized)
    if api.cursor is None or since is None:
        return once(api.paging, sized)
    return _spans(Window(api.paging, api.cursor, sized, since, until))


def _spans(window: Window) -> Plan:
    """Piece after piece of *window*; that one is done is told with the calls of the next."""
    read = reseek if window.cursor.strategy == "reseek" else window_verify
    reached: datetime | None = None
    for span in window.spans():
        reached = yield from read(replace(span, reached=reached))
        if window.until - span.until > CLOCKS_DIFFER:
            reached = span.until
        if window.size.passed_by:
            reached = None
    return reached


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

    A version that comes on two pages of a pass shows that orders changed places meanwhile, or that
    the API sorts equals now one way, now another. Such a pass proves little: it is read again, and
    believed only in the end.

    :param landed: versions that are kept already.
    :raises SourceUnstable: they do not, after :data:`MAX_PASSES` passes.
    :raises SourceUnexpected: there may be more orders than the API has a way to ask for.
    """
    seen = set(landed)
    before: set[int] | None = None
    reached = _Reached(window)
    for last in _passes():
        this = _Pass()

        def note(reading: Reading, this: _Pass = this) -> None:
            this.note(reading.versions)
            seen.update(reading.versions)
            reached.note(reading)
            _refuse_full(window.paging, reading)

        ask = Ask(window.params(window.since), seen=seen, reached=window.reached)
        yield from walk(window.paging, window.size, ask, note=note)
        if (this.versions == before and (last or not this.twice)) or reached.at_once:
            return reached.until
        before = this.versions
    raise _unstable()


def _refuse_full(paging: PagingSpec, reading: Reading) -> None:
    """Refuse an only page that is full: nobody knows what did not fit on it."""
    full = paging.size_param is not None and reading.orders >= (reading.asked or reading.orders + 1)
    if paging.kind == "single" and full and not _had_all(paging, Position(), reading):
        raise SourceUnexpected(
            f"All {reading.orders} orders that were asked for came: there may be more.",
            "Set a larger page_size, or a shorter window in [cursor] of the api file.",
        )


def _passes() -> Iterator[bool]:
    """:data:`MAX_PASSES` passes: whether it is the last."""
    yield from (number == MAX_PASSES for number in range(1, MAX_PASSES + 1))


class _Pass:
    """What one pass brought.

    :ivar twice: whether a version came on two pages.
    """

    def __init__(self) -> None:
        self.versions: set[int] = set()
        self.twice = False

    def note(self, versions: Iterable[int]) -> None:
        """Take the versions of a page."""
        page = set(versions)
        self.twice = self.twice or not self.versions.isdisjoint(page)
        self.versions |= page


class _Reached:
    """How far a window was read, once it held still.

    :ivar at_once: whether the first page of all had all there is, so that nothing could move.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.newest = window.since
        self.told: datetime | None = None
        self.at_once: bool | None = None

    def note(self, reading: Reading) -> None:
        """Take what a page tells."""
        if self.at_once is None:
            self.at_once = Position().after(self.window.paging, reading) is None
        self.newest = max(self.newest, reading.newest or self.newest)
        if reading.upper is not None:
            self.told = min(reading.upper, self.told or reading.upper)

    @property
    def until(self) -> datetime:
        """The newest order's stamp, unless the API says how far it looked."""
        return min(self.told or self.newest, self.window.until)


def _follow(window: Window) -> Generator[Ask, Reading, None]:
    """From stamp to stamp, to the end."""
    lower = window.since
    while True:
        here = window.asked_from(lower)
        ask = Ask(window.params(lower), sorted_from=here, reached=window.reached)
        at, reading = yield from _first_with_orders(window, ask)
        newest = _newest(reading, here)
        if newest is None or _had_all(window.paging, at, reading):
            return
        if window.asked_from(newest) > here:
            lower = newest
        elif (yield from _Instant(window, ask, newest, here).read(reading, at)):
            lower = window.after(newest)
        else:
            return


def _first_with_orders(
    window: Window, ask: Ask
) -> Generator[Ask, Reading, tuple[Position, Reading]]:
    """The first page that holds orders, or the last: some APIs filter pages after cutting them."""
    at, told = Position(), set[str]()
    while True:
        reading = yield from turn(window.paging, window.size, at, ask)
        following = at.after(window.paging, reading)
        if reading.orders or following is None:
            return at, reading
        refuse_circle(told, following)
        at = following


def _had_all(paging: PagingSpec, at: Position, reading: Reading) -> bool:
    """Whether nothing comes after the page at *at*."""
    if paging.kind == "single":
        return reading.more is False or reading.orders == reading.total
    return at.after(paging, reading) is None


@dataclass(frozen=True, slots=True)
class _Instant:
    """Orders of one instant that fill a page: read by position, until two passes agree.

    What comes after the instant is asked for anew. While positions are counted, orders that leave
    the instant move all others up, some of them to before the position that is asked for next.

    :param ask: asks for its first page.
    :param here: the bound in that call.
    """

    window: Window
    ask: Ask
    instant: datetime
    here: datetime

    def read(self, first: Reading, at: Position) -> Generator[Ask, Reading, bool]:
        """Read it, of which *first*, at *at*, is the first page; whether anything comes after it.

        :raises SourceUnstable: it does not hold still.
        :raises SourceUnexpected: the API has no way to ask for the next page of it.
        """
        paging = self.window.paging
        sized = paging.size_param is not None
        short = sized and first.orders < (first.asked or 0)
        if paging.kind == "single":
            if short or not sized:
                return False
            raise SourceUnexpected(
                f"More orders were changed in one instant than a page of {first.orders} holds.",
                "Set a larger page_size.",
            )
        seen = set(first.versions)
        ask = replace(self.ask, upto=self.instant, seen=seen)
        reading = first
        before: set[int] | None = None
        for last in _passes():
            this = _Pass()
            more = yield from self._pass(reading, at, ask, this, seen)
            found = this.versions
            if found == before and (last or not this.twice):
                return more
            if short and not more and found == set(first.versions):
                return more
            before = found
            at = Position()
            reading = yield from turn(paging, self.window.size, at, ask)
        raise _unstable()

    def _pass(
        self, reading: Reading, begin: Position, ask: Ask, this: _Pass, seen: set[int]
    ) -> Generator[Ask, Reading, bool]:
        """One pass from the page *reading* on; collects in *this* the versions of the instant.

        :param begin: where that page is.
        """
        paging, after = self.window.paging, self.window.after(self.instant)
        at: Position | None = begin
        told: set[str] = set()
        while at is not None:
            newest = _newest(reading, self.here)
            stamped = zip(reading.versions, reading.stamps, strict=True)
            this.note(version for version, stamp in stamped if stamp < after)
            seen.update(reading.versions)
            if newest is not None and newest >= after:
                return True
            before, at = reading, at.after(paging, reading)
            refuse_circle(told, at)
            if at is not None:
                reading = yield from turn(paging, self.window.size, at, ask)
                if repeated(paging, before, reading):
                    return False
        return False


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
