"""Incremental reading: flows that lose no order although orders change while they are read.

A changed order moves within the list and shifts other orders between pages. If the API sorts by
modification time, each request starts at the newest time seen (reseek), so no order is missed.
Otherwise a time window, or the list of all orders, is read until two passes agree.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from orderpull.errors import SourceUnexpected
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import PageFlow, Pager, PageRequest, Position
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.passes import Passes
from orderpull.sources.paging.window import Window
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import PagingSpec

MAX_CLOCK_SKEW = timedelta(days=1)
"""Largest difference between an API's clock and ours; older slices receive no late orders."""


def incremental_flow(
    api: Api,
    pager: Pager,
    since: datetime | None,
    until: datetime,
    doubts: Doubts | None = None,
) -> PageFlow:
    """The flow of one run of *api*.

    :param since: lower bound: the cursor, or the source's ``start``; None without ``[cursor]``.
        All orders are then read, until two passes agree.
    :param until: upper bound.
    :param doubts: periods to read again, and those to be read again by the next run.
    """
    doubts = doubts or Doubts()
    if api.paging.kind == "drain":
        yield from pager.drain()
        return None
    if api.consume_once:
        yield from pager.pages(PageRequest())
        return None
    if api.cursor is None or since is None:
        noted = tuple(doubts.open)
        passes = yield from _read_all(pager, PageRequest(seen=set()))
        if passes:
            doubts.add(None, None, passes)
        for doubt in noted:
            doubts.close(doubt)
        return None
    return (yield from _read_slices(Window(pager, api.cursor, since, until, doubts)))


def _read_slices(window: Window) -> PageFlow:
    """Read *window* slice by slice.

    The first request of a slice carries the end of the slice before it in ``reached``, so that the
    cursor is saved at once. What was in doubt before is read again at the end, so that it does not
    keep new orders waiting.
    """
    read = reseek if window.cursor.strategy == "reseek" else window_verify
    noted = tuple(window.doubts.open)
    reached: datetime | None = None
    for part in window.slices():
        reached = yield from read(replace(part, reached=reached))
        if window.until - part.until > MAX_CLOCK_SKEW:
            reached = part.until
        if window.pager.skipped:
            reached = None
    for doubt in noted:
        if period := window.period_of(doubt):
            yield from read(replace(period, reached=reached))
        window.doubts.close(doubt)
    return reached


def read_period(window: Window) -> PageFlow:
    """Read the orders of a period of which an earlier run has read all."""
    read = reseek if window.cursor.strategy == "reseek" else window_verify
    for part in replace(window, again=True).slices():
        yield from read(part)
    return None


def reseek(window: Window) -> PageFlow:
    """Start each request at the newest modification time seen, until all orders have been read.

    If a response is not sorted, :func:`window_verify` reads the window instead.
    """
    try:
        yield from _follow(window)
    except _NotSortedError as error:
        return (yield from window_verify(window, error.already_landed))
    return None


def window_verify(window: Window, already_landed: Iterable[int] = ()) -> PageFlow:
    """Read the window until its passes prove that no order is missing, or note a doubt.

    :param already_landed: fingerprints that are landed already.
    :return: the cursor of the window; None if orders changed in every pass.
    """
    seen = set(already_landed)
    request = PageRequest(
        window.params(window.since), seen=seen, reached=window.reached, again=window.again
    )
    newest, bounds = window.since, [window.until]

    def note(info: PageInfo) -> None:
        nonlocal newest
        newest = max(newest, info.newest or newest)
        if info.server_upper is not None:
            bounds.append(info.server_upper)

    passes = yield from _read_all(window.pager, request, note)
    if passes:
        window.doubts.add(window.since, window.until, passes)
        if passes.moving:
            return None
    return min(bounds) if len(bounds) > 1 else min(newest, window.until)


def _read_all(
    pager: Pager, request: PageRequest, note: Callable[[PageInfo], None] | None = None
) -> Generator[PageRequest, PageInfo, Passes | None]:
    """Read the list of *request* until no order can be missing.

    :param request: request of the list, with the fingerprints that are landed already.
    :param note: called with the info of each page; None: there is no ``[cursor]``.
    :return: the passes, if they do not prove that no order is missing.
    :raises SourceUnexpected: orders may be missing because the API has only one, full page.
    """
    passes = Passes(pager, ids=note is None)
    seen = request.seen if request.seen is not None else set[int]()

    def add(info: PageInfo) -> None:
        passes.add(info.fingerprints)
        seen.update(info.fingerprints)
        if note:
            note(info)
        _refuse_full_page(pager.paging, info)

    for _ in passes:
        at, info = yield from pager.pages(request, ends=add)
        # Within one response, no order can have moved between pages.
        one_page = at == Position() and at.after(pager.paging, info) is None
        if one_page or passes.complete:
            return None
    return passes


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


def _follow(window: Window) -> Generator[PageRequest, PageInfo, None]:
    """Move the lower bound to the newest modification time of each page, to the last page.

    :raises _NotSortedError: a page is not sorted.
    """
    lower = window.since
    while True:
        sent_lower = window.sent_lower(lower)
        request = PageRequest(
            window.params(lower),
            sorted_from=None if window.again else sent_lower,
            reached=window.reached,
            again=window.again,
        )
        # Some APIs filter orders after paging, so that the first pages may be empty.
        at, info = yield from window.pager.pages(request, ends=lambda page: page.orders > 0)
        newest = _newest(info, sent_lower)
        if newest is None or _is_last_page(window.pager.paging, at, info):
            return
        if window.again and newest > window.until:
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
    """Read the orders of *instant*, which fill a page, until none can be missing, or note a doubt.

    These orders are read by position. An order that changes meanwhile leaves the list, and others
    move up past the position of the next request; so one pass may miss orders. Orders after the
    instant are read by a new request.

    :param request: request of the first page, with *sent_lower* as lower bound.
    :param first: info of the first page, which is at *at*.
    :return: true if later orders follow.
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
    passes = Passes(window.pager)

    def add(info: PageInfo) -> bool:
        newest = _newest(info, sent_lower)
        versions = zip(info.fingerprints, info.modified_times, strict=True)
        passes.add(version for version, modified in versions if modified < after)
        seen.update(info.fingerprints)
        return newest is not None and newest >= after

    begun: PageInfo | None = first
    more = False
    for _ in passes:
        end, last = yield from window.pager.pages(request, at, info=begun, ends=add)
        more = last.newest is not None and last.newest >= after
        # Within one response, no order can have moved between pages.
        one_page = end == at and (more or end.after(paging, last) is None)
        short_page = short and not more and passes.versions == len(set(first.fingerprints))
        if one_page or short_page or passes.complete:
            return more
        at, begun = Position(), None
    window.doubts.add(instant, after, passes)
    return more


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
