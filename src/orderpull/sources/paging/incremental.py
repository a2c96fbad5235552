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
    PageFlow,
    PageRequest,
    PageSize,
    Params,
    Position,
    check_for_loop,
    drain,
    fetch_page,
    iterate_pages,
    repeated,
    single_pass,
)
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import CursorSpec, PagingSpec
from orderpull.sources.spec.times import earlier, format_bound, rounded, step

MAX_CLOCK_SKEW = timedelta(days=1)
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
        first = bound(cursor, self.sent_lower(lower))
        last = bound(cursor, self.until, upper=True)
        bounds: Params = {cursor.lower: first} if cursor.lower else {}
        if cursor.upper:
            bounds[cursor.upper] = last
        if cursor.filter and cursor.filter_text:
            text = cursor.filter_text.replace("{lower}", first).replace("{upper}", last)
            bounds[cursor.filter] = text
        return bounds

    def sent_lower(self, lower: datetime) -> datetime:
        """The bound to send, so that an order of the very instant *lower* is answered."""
        bound = rounded(lower, self.cursor.precision)
        return bound if self.cursor.inclusive else earlier(bound, step(self.cursor.precision))

    def after(self, instant: datetime) -> datetime:
        """The first time after *instant* for which the API can be asked without it.

        An exclusive bound is a step lower, so that it takes another step to leave it behind.
        """
        one = step(self.cursor.precision)
        return rounded(instant, self.cursor.precision) + (one if self.cursor.inclusive else 2 * one)

    def slices(self) -> Iterator["Window"]:
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


def incremental_flow(
    api: Api, sized: PageSize, since: datetime | None, until: datetime
) -> PageFlow:
    """How one run reads *api*.

    :param sized: orders asked for at once.
    :param since: the cursor, or the start; None for an API without cursor.
    :param until: the upper bound.
    """
    if api.paging.kind == "drain":
        return drain(api.paging, sized)
    if api.cursor is None or since is None:
        return single_pass(api.paging, sized)
    return _slices(Window(api.paging, api.cursor, sized, since, until))


def _slices(window: Window) -> PageFlow:
    """Piece after piece of *window*; that one is done is told with the calls of the next."""
    read = reseek if window.cursor.strategy == "reseek" else window_verify
    reached: datetime | None = None
    for slice_ in window.slices():
        reached = yield from read(replace(slice_, reached=reached))
        if window.until - slice_.until > MAX_CLOCK_SKEW:
            reached = slice_.until
        if window.size.skipped_records:
            reached = None
    return reached


def reseek(window: Window) -> PageFlow:
    """Ask from the newest stamp seen, again and again: nothing that moves can be passed by.

    Where the answers turn out not to be sorted, the window is verified instead.

    :raises SourceUnstable: a window, or an instant, does not hold still.
    """
    try:
        yield from _follow(window)
    except _NotSortedError as found:
        return (yield from window_verify(window, found.already_landed))
    return None


def window_verify(window: Window, already_landed: Iterable[int] = ()) -> PageFlow:
    """Read the window until two passes bring the same versions.

    A version that comes on two pages of a pass shows that orders changed places meanwhile, or that
    the API sorts equals now one way, now another. Such a pass proves little: it is read again, and
    believed only in the end.

    :param landed: versions that are kept already.
    :raises SourceUnstable: they do not, after :data:`MAX_PASSES` passes.
    :raises SourceUnexpected: there may be more orders than the API has a way to ask for.
    """
    seen = set(already_landed)
    before: set[int] | None = None
    reached = _WindowProgress(window)
    for last in _passes():
        this = _Pass()

        def note(info: PageInfo, this: _Pass = this) -> None:
            this.note(info.fingerprints)
            seen.update(info.fingerprints)
            reached.note(info)
            _refuse_full(window.paging, info)

        request = PageRequest(window.params(window.since), seen=seen, reached=window.reached)
        yield from iterate_pages(window.paging, window.size, request, on_page=note)
        agreed = this.fingerprints == before and (last or not this.saw_duplicates)
        if agreed or reached.single_page:
            return reached.until
        before = this.fingerprints
    raise _unstable()


def _refuse_full(paging: PagingSpec, info: PageInfo) -> None:
    """Refuse an only page that is full: nobody knows what did not fit on it."""
    full = paging.size_param is not None and info.orders >= (info.requested_size or info.orders + 1)
    if paging.kind == "single" and full and not _had_all(paging, Position(), info):
        raise SourceUnexpected(
            f"All {info.orders} orders that were asked for came: there may be more.",
            "Set a larger page_size, or a shorter window in [cursor] of the api file.",
        )


def _passes() -> Iterator[bool]:
    """:data:`MAX_PASSES` passes: whether it is the last."""
    yield from (number == MAX_PASSES for number in range(1, MAX_PASSES + 1))


class _Pass:
    """What one pass brought.

    :ivar saw_duplicates: whether a version came on two pages.
    """

    def __init__(self) -> None:
        self.fingerprints: set[int] = set()
        self.saw_duplicates = False

    def note(self, fingerprints: Iterable[int]) -> None:
        """Take the fingerprints of a page."""
        page = set(fingerprints)
        self.saw_duplicates = self.saw_duplicates or not self.fingerprints.isdisjoint(page)
        self.fingerprints |= page


class _WindowProgress:
    """How far a window was read, once it held still.

    :ivar at_once: whether the first page of all had all there is, so that nothing could move.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.newest = window.since
        self.server_upper: datetime | None = None
        self.single_page: bool | None = None

    def note(self, info: PageInfo) -> None:
        """Take what a page tells."""
        if self.single_page is None:
            self.single_page = Position().after(self.window.paging, info) is None
        self.newest = max(self.newest, info.newest or self.newest)
        if info.server_upper is not None:
            self.server_upper = min(info.server_upper, self.server_upper or info.server_upper)

    @property
    def until(self) -> datetime:
        """The newest order's stamp, unless the API says how far it looked."""
        return min(self.server_upper or self.newest, self.window.until)


def _follow(window: Window) -> Generator[PageRequest, PageInfo, None]:
    """From stamp to stamp, to the end."""
    lower = window.since
    while True:
        lower_bound = window.sent_lower(lower)
        request = PageRequest(window.params(lower), sorted_from=lower_bound, reached=window.reached)
        at, info = yield from _first_with_orders(window, request)
        newest = _newest(info, lower_bound)
        if newest is None or _had_all(window.paging, at, info):
            return
        if window.sent_lower(newest) > lower_bound:
            lower = newest
        elif (yield from _SameTimestamp(window, request, newest, lower_bound).read(info, at)):
            lower = window.after(newest)
        else:
            return


def _first_with_orders(
    window: Window, request: PageRequest
) -> Generator[PageRequest, PageInfo, tuple[Position, PageInfo]]:
    """The first page that holds orders, or the last: some APIs filter pages after cutting them."""
    at, visited = Position(), set[str]()
    while True:
        info = yield from fetch_page(window.paging, window.size, at, request)
        following = at.after(window.paging, info)
        if info.orders or following is None:
            return at, info
        check_for_loop(visited, following)
        at = following


def _had_all(paging: PagingSpec, at: Position, info: PageInfo) -> bool:
    """Whether nothing comes after the page at *at*."""
    if paging.kind == "single":
        return info.more is False or info.orders == info.total
    return at.after(paging, info) is None


@dataclass(frozen=True, slots=True)
class _SameTimestamp:
    """Orders of one instant that fill a page: read by position, until two passes agree.

    What comes after the instant is asked for anew. While positions are counted, orders that leave
    the instant move all others up, some of them to before the position that is asked for next.

    :param ask: asks for its first page.
    :param here: the bound in that call.
    """

    window: Window
    request: PageRequest
    instant: datetime
    lower_bound: datetime

    def read(self, first: PageInfo, at: Position) -> Generator[PageRequest, PageInfo, bool]:
        """Read it, of which *first*, at *at*, is the first page; whether anything comes after it.

        :raises SourceUnstable: it does not hold still.
        :raises SourceUnexpected: the API has no way to ask for the next page of it.
        """
        paging = self.window.paging
        sized = paging.size_param is not None
        short = sized and first.orders < (first.requested_size or 0)
        if paging.kind == "single":
            if short or not sized:
                return False
            raise SourceUnexpected(
                f"More orders were changed in one instant than a page of {first.orders} holds.",
                "Set a larger page_size.",
            )
        seen = set(first.fingerprints)
        request = replace(self.request, upto=self.instant, seen=seen)
        info = first
        before: set[int] | None = None
        for last in _passes():
            this = _Pass()
            more = yield from self._pass(info, at, request, this, seen)
            found = this.fingerprints
            if found == before and (last or not this.saw_duplicates):
                return more
            if short and not more and found == set(first.fingerprints):
                return more
            before = found
            at = Position()
            info = yield from fetch_page(paging, self.window.size, at, request)
        raise _unstable()

    def _pass(
        self, info: PageInfo, begin: Position, request: PageRequest, this: _Pass, seen: set[int]
    ) -> Generator[PageRequest, PageInfo, bool]:
        """One pass from the page *reading* on; collects in *this* the versions of the instant.

        :param begin: where that page is.
        """
        paging, after = self.window.paging, self.window.after(self.instant)
        at: Position | None = begin
        visited: set[str] = set()
        while at is not None:
            newest = _newest(info, self.lower_bound)
            stamped = zip(info.fingerprints, info.modified_times, strict=True)
            this.note(version for version, stamp in stamped if stamp < after)
            seen.update(info.fingerprints)
            if newest is not None and newest >= after:
                return True
            before, at = info, at.after(paging, info)
            check_for_loop(visited, at)
            if at is not None:
                info = yield from fetch_page(paging, self.window.size, at, request)
                if repeated(paging, before, info):
                    return False
        return False


class _NotSortedError(Exception):
    """The answers are not sorted by the cursor. :param landed: versions that are kept already."""

    def __init__(self, already_landed: Iterable[int]) -> None:
        super().__init__()
        self.already_landed = already_landed


def _newest(info: PageInfo, lower_bound: datetime) -> datetime | None:
    """The newest stamp of a page that should be sorted from *here* on; None if it is empty.

    :raises _NotSortedError: it is not.
    """
    if not info.sorted_from(lower_bound):
        raise _NotSortedError(info.fingerprints)
    return info.newest


def _unstable() -> SourceUnstable:
    return SourceUnstable(
        f"The orders changed between passes, {MAX_PASSES} times in a row.",
        "What came is kept; the next run reads the same time again.",
    )
