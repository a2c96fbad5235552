"""Incremental reading: flows that lose no order although orders change while they are read.

A changed order moves within the list and shifts other orders between pages. If the API sorts by
modification time, each request starts at the newest time seen (reseek), so no order is missed.
Otherwise a time window, or the list of all orders, is read until two passes agree.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.paging.flows import PageFlow, Pager, PageRequest, Params, Position
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import CursorSpec, PagingSpec
from orderpull.sources.spec.times import earlier, format_bound, rounded, step

MAX_CLOCK_SKEW = timedelta(days=1)
"""Largest difference between an API's clock and ours; older slices receive no late orders."""

MAX_PASSES = 6
"""Most passes over a window before the run gives up because orders change too fast."""


@dataclass(frozen=True, slots=True)
class Window:
    """A period of modification times to read.

    :param since: lower bound: the cursor, or the source's ``start``.
    :param until: upper bound: the start of the run, or of the next slice.
    :param reached: modification time up to which all orders have been read before.
    """

    pager: Pager
    cursor: CursorSpec
    since: datetime
    until: datetime
    reached: datetime | None = None

    def params(self, lower: datetime) -> Params:
        """Request fields of the bounds, for orders modified from *lower* on."""
        cursor = self.cursor
        first = format_cursor(cursor, self.sent_lower(lower))
        last = format_cursor(cursor, self.until, upper=True)
        params: Params = {cursor.lower: first} if cursor.lower else {}
        if cursor.upper:
            params[cursor.upper] = last
        if cursor.filter and cursor.filter_text:
            text = cursor.filter_text.replace("{lower}", first).replace("{upper}", last)
            params[cursor.filter] = text
        return params

    def sent_lower(self, lower: datetime) -> datetime:
        """The bound to send so that the response includes orders modified exactly at *lower*."""
        bound = rounded(lower, self.cursor.precision)
        return bound if self.cursor.inclusive else earlier(bound, step(self.cursor.precision))

    def after(self, instant: datetime) -> datetime:
        """The first lower bound whose response excludes orders modified at *instant*.

        An exclusive bound is sent one step lower, so excluding *instant* takes two steps.
        """
        one = step(self.cursor.precision)
        return rounded(instant, self.cursor.precision) + (one if self.cursor.inclusive else 2 * one)

    def slices(self) -> Iterator["Window"]:
        """Consecutive parts of the window, each at most as long as the API allows."""
        since, days = self.since, self.cursor.window
        while days and self.until - since > timedelta(days=days):
            until = since + timedelta(days=days)
            yield replace(self, since=since, until=until)
            since = until
        yield replace(self, since=since)


def format_cursor(cursor: CursorSpec, time: datetime, *, upper: bool = False) -> str:
    """Format *time* as a bound in the API's notation."""
    return format_bound(time, cursor.precision, cursor.format, cursor.timezone, upper=upper)


def incremental_flow(api: Api, pager: Pager, since: datetime | None, until: datetime) -> PageFlow:
    """The flow of one run of *api*.

    :param since: lower bound: the cursor, or the source's ``start``; None without ``[cursor]``.
        All orders are then read, until two passes agree.
    :param until: upper bound.
    """
    if api.paging.kind == "drain":
        yield from pager.drain()
        return None
    if api.consume_once:
        yield from pager.pages(PageRequest())
        return None
    if api.cursor is None or since is None:
        yield from _read_until_two_agree(pager, PageRequest(seen=set()))
        return None
    return (yield from _read_slices(Window(pager, api.cursor, since, until)))


def _read_slices(window: Window) -> PageFlow:
    """Read *window* slice by slice.

    The first request of a slice carries the end of the slice before it in ``reached``, so that the
    cursor is saved at once.
    """
    read = reseek if window.cursor.strategy == "reseek" else window_verify
    reached: datetime | None = None
    for part in window.slices():
        reached = yield from read(replace(part, reached=reached))
        if window.until - part.until > MAX_CLOCK_SKEW:
            reached = part.until
        if window.pager.skipped:
            reached = None
    return reached


def reseek(window: Window) -> PageFlow:
    """Start each request at the newest modification time seen, until all orders have been read.

    If a response is not sorted, :func:`window_verify` reads the window instead.

    :raises SourceUnstable: orders change too fast.
    """
    try:
        yield from _follow(window)
    except _NotSortedError as error:
        return (yield from window_verify(window, error.already_landed))
    return None


def window_verify(window: Window, already_landed: Iterable[int] = ()) -> PageFlow:
    """Read the window until two passes return the same versions.

    :param already_landed: fingerprints that are landed already.
    :return: the cursor of the window.
    """
    seen = set(already_landed)
    request = PageRequest(window.params(window.since), seen=seen, reached=window.reached)
    newest, bounds = window.since, [window.until]

    def note(info: PageInfo) -> None:
        nonlocal newest
        newest = max(newest, info.newest or newest)
        if info.server_upper is not None:
            bounds.append(info.server_upper)

    yield from _read_until_two_agree(window.pager, request, note)
    return min(bounds) if len(bounds) > 1 else min(newest, window.until)


def _read_until_two_agree(
    pager: Pager, request: PageRequest, note: Callable[[PageInfo], None] = lambda _: None
) -> Generator[PageRequest, PageInfo, None]:
    """Read the list of *request* until two passes return the same versions.

    A version on two pages of one pass is a duplicate: orders moved between the pages, or the API
    sorts equal times differently each time. A pass with duplicates ends the reading only if it is
    the last one.

    :param request: request of the list, with the fingerprints that are landed already.
    :param note: called with the info of each page.
    :raises SourceUnstable: no two passes agree within :data:`MAX_PASSES` passes.
    :raises SourceUnexpected: orders may be missing because the API has only one, full page.
    """
    passes, seen = _Passes(), request.seen if request.seen is not None else set[int]()

    def add(info: PageInfo) -> None:
        passes.add(info.fingerprints)
        seen.update(info.fingerprints)
        note(info)
        _refuse_full_page(pager.paging, info)

    for number in passes:
        at, info = yield from pager.pages(request, ends=add)
        # With one response, no order can have moved between pages.
        single_page = number == 1 and at == Position() and at.after(pager.paging, info) is None
        if single_page or passes.agree:
            return
    raise passes.disagreed()


def _refuse_full_page(paging: PagingSpec, info: PageInfo) -> None:
    """Refuse a full page of an API without further pages, because orders may be missing.

    :raises SourceUnexpected: the page is full.
    """
    full = paging.size_param is not None and info.orders >= (info.requested_size or info.orders + 1)
    if paging.kind == "single" and full and not _is_last_page(paging, Position(), info):
        raise SourceUnexpected(
            f"The page is full ({info.orders} orders) and this API has no further pages: "
            "orders may be missing.",
            "Set a larger page_size, or a shorter window in [cursor] of the api file.",
        )


class _Passes:
    """The numbers of up to :data:`MAX_PASSES` passes, and the versions of the last two.

    :ivar versions: fingerprints of this pass.
    """

    def __init__(self) -> None:
        self.versions: set[int] = set()
        self._before: set[int] | None = None
        self._saw_duplicates = self._is_last = False

    def __iter__(self) -> Iterator[int]:
        for number in range(1, MAX_PASSES + 1):
            self._is_last = number == MAX_PASSES
            yield number
            self._before, self.versions = self.versions, set()
            self._saw_duplicates = False

    def add(self, fingerprints: Iterable[int]) -> None:
        """Add the fingerprints of a page to this pass."""
        page = set(fingerprints)
        self._saw_duplicates = self._saw_duplicates or not self.versions.isdisjoint(page)
        self.versions |= page

    @property
    def agree(self) -> bool:
        """True if this pass equals the one before, without duplicates unless it is the last."""
        return self.versions == self._before and (self._is_last or not self._saw_duplicates)

    def disagreed(self) -> SourceUnstable:
        """The error if no two passes agree."""
        return SourceUnstable(
            f"The orders changed between passes, {MAX_PASSES} times in a row.",
            "The pages read so far are kept; the next run reads the same period again.",
        )


def _follow(window: Window) -> Generator[PageRequest, PageInfo, None]:
    """Move the lower bound to the newest modification time of each page, to the last page.

    :raises _NotSortedError: a page is not sorted.
    """
    lower = window.since
    while True:
        sent_lower = window.sent_lower(lower)
        request = PageRequest(window.params(lower), sorted_from=sent_lower, reached=window.reached)
        # Some APIs filter orders after paging, so that the first pages may be empty.
        at, info = yield from window.pager.pages(request, ends=lambda page: page.orders > 0)
        newest = _newest(info, sent_lower)
        if newest is None or _is_last_page(window.pager.paging, at, info):
            return
        if window.sent_lower(newest) > sent_lower:
            lower = newest
            continue
        later = yield from _read_instant(
            window, request, at, info, instant=newest, sent_lower=sent_lower
        )
        if not later:
            return
        lower = window.after(newest)


def _is_last_page(paging: PagingSpec, at: Position, info: PageInfo) -> bool:
    """True if the list ends with the page at *at*."""
    if paging.kind == "single":
        return info.more is False or info.orders == info.total
    return at.after(paging, info) is None


def _read_instant(
    window: Window,
    request: PageRequest,
    at: Position,
    first: PageInfo,
    *,
    instant: datetime,
    sent_lower: datetime,
) -> Generator[PageRequest, PageInfo, bool]:
    """Read the orders of *instant*, which fill a page, until two passes agree.

    These orders are read by position. An order that changes meanwhile leaves the list, and others
    move up past the position of the next request; so one pass may miss orders. Orders after the
    instant are read by a new request.

    :param request: request of the first page, with *sent_lower* as lower bound.
    :param first: info of the first page, which is at *at*.
    :return: true if later orders follow.
    :raises SourceUnstable: no two passes agree.
    :raises SourceUnexpected: the orders do not fit into the only page of this API.
    """
    paging, after = window.pager.paging, window.after(instant)
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
    request = replace(request, upto=instant, seen=seen)
    passes = _Passes()

    def add(info: PageInfo) -> bool:
        newest = _newest(info, sent_lower)
        versions = zip(info.fingerprints, info.modified_times, strict=True)
        passes.add(version for version, modified in versions if modified < after)
        seen.update(info.fingerprints)
        return newest is not None and newest >= after

    begun: PageInfo | None = first
    for _ in passes:
        _, last = yield from window.pager.pages(request, at, info=begun, ends=add)
        more = last.newest is not None and last.newest >= after
        complete = short and not more and passes.versions == set(first.fingerprints)
        if passes.agree or complete:
            return more
        at, begun = Position(), None
    raise passes.disagreed()


class _NotSortedError(Exception):
    """A response is not sorted. :param already_landed: fingerprints that are landed already."""

    def __init__(self, already_landed: Iterable[int]) -> None:
        super().__init__()
        self.already_landed = already_landed


def _newest(info: PageInfo, sent_lower: datetime) -> datetime | None:
    """The newest modification time of a page; None if the page is empty.

    :raises _NotSortedError: the page is not sorted, or has orders before *sent_lower*.
    """
    if not info.sorted_from(sent_lower):
        raise _NotSortedError(info.fingerprints)
    return info.newest
