"""Pagination as generators without I/O: which page to request next, and with which page size.

A flow yields a :class:`PageRequest` and receives the :class:`PageInfo` of the response, as
httpx builds its ``auth_flow``. So each kind of paging reads as what it does and runs in tests
without a server. Flows over orders that change meanwhile are in ``incremental.py``.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from orderpull.errors import SourceBroken, SourceUnexpected
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.spec.blocks import PagingSpec

End = TypeVar("End")
Params = dict[str, str | int]
"""Values by their places: names of query parameters, or ``$.`` and keys into the body."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What is special about one call.

    :param params: added to what every call sends.
    :param url: the URL of the page, where the page before told it; nothing else is sent then.
    :param alone: whether what every call sends is left out.
    :param sorted_from: where the cursor may follow the pages: the answer should be sorted from
        here on, and its newest stamp is how far the API has been read.
    :param upto: but not further than this.
    :param seen: where something is read again to verify it: the versions already landed; a page
        without any other is not kept.
    :param reached: how far the API has been read for certain before this call.
    :param tries: how often it is tried; as the API file says, unless given.
    """

    params: Params = field(default_factory=dict)
    url: str | None = None
    alone: bool = False
    sorted_from: datetime | None = None
    upto: datetime | None = None
    seen: set[int] | None = None
    reached: datetime | None = None
    tries: int | None = None


PageFlow = Generator[PageRequest, PageInfo, datetime | None]
"""Yields what to ask, is sent what came; returns the cursor that a verified window reached."""


def drive(
    flow: Generator[PageRequest, PageInfo, End], fetch: Callable[[PageRequest], PageInfo]
) -> End:
    """Do what *plan* asks until it ends; what it returns.

    :param answer: gives the reading of what an ask brought. Where the API breaks down over it, the
        plan is told and may ask for less.
    """
    try:
        request = next(flow)
        while True:
            try:
                info = fetch(request)
            except SourceBroken as error:
                request = flow.throw(error)
            else:
                request = flow.send(info)
    except StopIteration as end:
        returned: End = end.value
        return returned


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a list a page begins.

    :param count: how many orders came before it.
    :param skipped: how many the pages before it had room for.
    :param token: the cursor or URL that the page before told.
    """

    count: int = 0
    skipped: int = 0
    token: str | None = None

    def after(self, paging: PagingSpec, info: PageInfo) -> "Position | None":
        """Where the page after *reading* begins; None if there is none.

        :raises SourceUnexpected: there is one, but the API does not say where.
        """
        if paging.kind == "single" or info.more is False:
            return None
        count = self.count + info.orders
        if paging.kind in SERVER_DRIVEN:
            if info.more and not info.next:
                raise SourceUnexpected(
                    f"The API says that there are more pages ({paging.more}), but not where.",
                    "Check next and more in [paging] of the api file.",
                )
            return Position(count, token=info.next) if info.next else None
        if not info.orders or (info.total is not None and count >= info.total):
            return None
        return Position(count, self.skipped + (info.requested_size or info.orders))


SERVER_DRIVEN = frozenset({"cursor", "next", "link"})
"""Kinds of paging where a page tells where the next one is."""


MOST_IN_A_ROW = 3
"""Orders that are passed by one after the other, at most."""


class PageSize:
    """How many orders are asked for at once: fewer while the API is not up to more.

    :param size: orders; None where the API has no say in it.
    :param all_or_none: whether nothing may be passed by, since what is missing would mislead.
    :ivar skipped_records: whether an order was passed by, since the API breaks down over it alone.
    """

    def __init__(self, size: int | None, *, all_or_none: bool = False) -> None:
        self._most = self._now = size
        self._all_or_none = all_or_none
        self._in_a_row = 0
        self.skipped_records = False

    def size_at(self, paging: PagingSpec, position: Position) -> int | None:
        """The size at *position*: where pages have numbers, one that divides what is skipped."""
        if self._now is None or paging.kind != "page" or position.skipped % self._now == 0:
            return self._now
        return max(n for n in range(1, self._now + 1) if position.skipped % n == 0)

    def shrink(self) -> bool:
        """Ask for half as many; whether that is possible."""
        if self._now is None or self._now == 1:
            return False
        self._now //= 2
        return True

    @property
    def just_skipped(self) -> bool:
        """Whether an order was just passed by."""
        return self._in_a_row > 0

    def skip_record(self, paging: PagingSpec) -> bool:
        """Go on behind the order that the API breaks down over; whether that is possible.

        Not where several in a row are such: then it is the API that is out of order.
        """
        if self._all_or_none or self._now != 1 or paging.kind not in {"page", "offset"}:
            return False
        self._in_a_row += 1
        if self._in_a_row > MOST_IN_A_ROW:
            return False
        self.skipped_records = True
        return True

    def grow(self) -> None:
        """Ask for twice as many again, up to the size that was wanted."""
        self._in_a_row = 0
        if self._now is not None and self._most is not None:
            self._now = min(self._most, self._now * 2)


def page_size(paging: PagingSpec, size: int | None, *, all_or_none: bool = False) -> PageSize:
    """The page size that *paging* has a place for, *size* if that is given."""
    sized = (size or paging.size) if paging.size_param else None
    return PageSize(sized, all_or_none=all_or_none)


def fetch_page(
    paging: PagingSpec, size: PageSize, at: Position, request: PageRequest
) -> Generator[PageRequest, PageInfo, PageInfo]:
    """The page at *at* of the list that *ask* asks for: smaller while the API breaks down over it.

    An order that it breaks down over alone is passed by, where pages have positions: in its place
    comes a reading without stamp.

    :raises SourceBroken: it cannot be passed by.
    """
    if size.just_skipped:
        request = replace(request, tries=1)
    while True:
        now = size.size_at(paging, at)
        try:
            info = yield _placed(paging, at, now, request)
        except SourceBroken:
            if size.shrink():
                request = replace(request, tries=1)
            elif size.skip_record(paging):
                return PageInfo(
                    "whole", orders=1, fingerprints=[hash(("passed by", at))], requested_size=1
                )
            else:
                raise
        else:
            info.requested_size = now or paging.size
            info.is_continuation = at.count > 0
            size.grow()
            return info


def _placed(
    paging: PagingSpec, at: Position, size: int | None, request: PageRequest
) -> PageRequest:
    """The call for the page at *at*."""
    if at.token and paging.kind in {"next", "link"}:
        return replace(request, params={}, url=at.token)
    place = positioned(paging, at, size)
    if at.token and not paging.repeat:
        return replace(request, params=place, alone=True)
    return replace(request, params=request.params | place)


def positioned(paging: PagingSpec, at: Position, size: int | None) -> Params:
    """The parameters that say which page is asked for, and how large."""
    params: Params = {paging.size_param: size} if paging.size_param and size else {}
    if paging.param is None or paging.kind in {"next", "link"}:
        return params
    if paging.kind == "cursor":
        return params | {paging.param: at.token} if at.token else params
    step = size or paging.size or 1
    number = paging.first + at.skipped // step if paging.kind == "page" else at.count
    return params | {paging.param: number}


def iterate_pages(
    paging: PagingSpec,
    size: PageSize,
    request: PageRequest,
    start: str | None = None,
    on_page: Callable[[PageInfo], None] = lambda _: None,
) -> Generator[PageRequest, PageInfo, None]:
    """The pages of one list, from first to last.

    :param ask: asks for the list.
    :param start: the cursor of the first page.
    :param note: is told each page.
    :raises SourceUnexpected: the API goes round in circles, so that nothing would ever end.
    """
    at: Position | None = Position(token=start)
    before: PageInfo | None = None
    visited: set[str] = set()
    while at is not None:
        info = yield from fetch_page(paging, size, at, request)
        if repeated(paging, before, info):
            return
        on_page(info)
        before, at = info, at.after(paging, info)
        check_for_loop(visited, at)


def drain(paging: PagingSpec, size: PageSize) -> PageFlow:
    """Ask the same until nothing comes any more."""
    while True:
        info = yield PageRequest(positioned(paging, Position(), size.size_at(paging, Position())))
        if info.state == "whole" and not info.orders:
            return None


def single_pass(paging: PagingSpec, size: PageSize) -> PageFlow:
    """Walk the pages from first to last."""
    yield from iterate_pages(paging, size, PageRequest())
    return None


def repeated(paging: PagingSpec, before: PageInfo | None, info: PageInfo) -> bool:
    """Whether a page past the end repeats the last one, as some APIs do.

    :raises SourceUnexpected: the position may as well make no difference at all.
    """
    if before is None or not info.orders or info.fingerprints != before.fingerprints:
        return False
    if (
        paging.kind in SERVER_DRIVEN
        or before.is_continuation
        or before.orders < (before.requested_size or 0)
    ):
        return True
    raise SourceUnexpected(
        f"The same orders came at two positions: {paging.param} seems to be ignored.",
        "Check [paging] of the api file.",
    )


def check_for_loop(visited: set[str], following: Position | None) -> None:
    """Note where the next page is. :raises SourceUnexpected: it was there before."""
    token = following.token if following else None
    if token is None:
        return
    if token in visited:
        raise SourceUnexpected(
            "The pages lead round in a circle: one names a next page that was read before.",
            "Run again; if it comes again, check [paging] of the api file.",
        )
    visited.add(token)
