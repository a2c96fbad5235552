"""Pagination as generators without I/O: the next page request and its page size.

A flow yields a :class:`PageRequest` and receives the :class:`PageInfo` of the response, like the
``auth_flow`` of httpx, so tests run flows without a server. ``incremental.py`` has the flows that
read orders while they change.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import gcd
from typing import TypeVar

from orderpull.errors import SourceBroken, SourceUnexpected
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.spec.blocks import PagingSpec

End = TypeVar("End")
Params = dict[str, str | int | list[str]]
"""Values by request field: a query parameter, or ``$.`` and a path in the body."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for one page, before URL and authentication.

    :param params: request fields beside those of ``[request]``.
    :param url: URL of the page, from the response before it; replaces all other fields.
    :param alone: leave out the query parameters of ``[request]``.
    :param sorted_from: lower bound of a response that should be sorted by modification time. The
        newest time in this page then becomes the cursor. None: the page does not move the cursor.
    :param upto: upper limit of the cursor taken from this page.
    :param seen: fingerprints already landed, in a pass that verifies; a page without new
        fingerprints is not landed.
    :param reached: modification time up to which all orders have been read.
    :param tries: most attempts while the API is broken; None: ``[limits]`` ``tries``.
    :param ids_only: send the request of ``[ids]``; the response is not landed.
    """

    params: Params = field(default_factory=dict)
    url: str | None = None
    alone: bool = False
    sorted_from: datetime | None = None
    upto: datetime | None = None
    seen: set[int] | None = None
    reached: datetime | None = None
    again: bool = False
    tries: int | None = None
    ids_only: bool = False


PageFlow = Generator[PageRequest, PageInfo, datetime | None]
"""Yields page requests, receives page infos, and returns the cursor of a verified window."""


def drive(
    flow: Generator[PageRequest, PageInfo, End], fetch: Callable[[PageRequest], PageInfo]
) -> End:
    """Run *flow* to its end and return its result.

    A :class:`SourceBroken` of *fetch* is thrown into the flow, which may retry with a smaller page.

    :param fetch: sends a page request and returns the info of its response.
    """
    try:
        page_request = next(flow)
        while True:
            try:
                info = fetch(page_request)
            except SourceBroken as error:
                page_request = flow.throw(error)
            else:
                page_request = flow.send(info)
    except StopIteration as end:
        result: End = end.value
        return result


@dataclass(frozen=True, slots=True)
class Position:
    """Start of a page within a list.

    :param count: number of orders received before the page.
    :param skipped: sum of the page sizes before the page.
    :param token: cursor or URL from the page before.
    """

    count: int = 0
    skipped: int = 0
    token: str | None = None

    def after(self, paging: PagingSpec, info: PageInfo) -> "Position | None":
        """Start of the page after the page *info*; None if the page *info* is the last.

        :raises SourceUnexpected: the API reports a next page without its cursor or URL.
        """
        if paging.kind == "single" or info.more is False:
            return None
        count = self.count + info.orders
        if paging.kind in _SERVER_DRIVEN:
            if info.more and not info.next:
                raise SourceUnexpected(
                    f"The API reports more pages ({paging.more}), but no cursor or URL for them.",
                    "Check next and more in [paging] of the api file.",
                )
            return Position(count, token=info.next) if info.next else None
        if not info.orders or _reached_total(info, count):
            return None
        return Position(count, self.skipped + (info.requested_size or info.orders))


def _reached_total(info: PageInfo, count: int) -> bool:
    """True if *count* orders are all that the page *info* reports.

    A total that equals one full page may be the number of that page's orders.
    """
    doubtful = info.total == info.orders == info.requested_size
    return info.total is not None and count >= info.total and not doubtful


_FIRST = Position()

_SERVER_DRIVEN = frozenset({"cursor", "next", "link"})
"""Kinds of paging where each response contains the cursor or URL of the next page."""

MAX_SKIPPED_IN_A_ROW = 3
"""Most records skipped one after another; more mean that the API itself is out of order."""

MAX_NAMED_IN_A_ROW = 25
"""The same, where ``[ids]`` shows each time that the API works."""

UNLIKELY = 8
"""Entries that are not repeated one after another by chance."""


class Pager:
    """Reads lists of one API, with a page size that shrinks while the API fails.

    After a failure, each further request is sent once until pages have their full size again, so
    that passing a record by takes seconds.

    :param size: initial and largest page size (orders per request); None: that of *paging*.
    :param ids: the API has ``[ids]``.
    :param all_or_none: never skip a record, because an incomplete list would mislead.
    :ivar skipped: modification time of each skipped record, for which alone the API fails, by its
        id or place; None if unknown.
    """

    def __init__(
        self,
        paging: PagingSpec,
        size: int | None = None,
        *,
        ids: bool = False,
        all_or_none: bool = False,
    ) -> None:
        self.paging = paging
        self.skipped: dict[str, datetime | None] = {}
        self._usual = (size or paging.size) if paging.size_param else None
        self._largest = self._current = self._usual
        self._ids = ids
        self._all_or_none = all_or_none
        self._in_a_row = 0
        self._failing = False
        self._suspects = 0

    def fetch_page(
        self, at: Position, request: PageRequest
    ) -> Generator[PageRequest, PageInfo, PageInfo]:
        """Fetch the page at *at*, with a smaller page size while the API fails.

        A record for which the API fails alone is skipped if pages have positions, or if the request
        of ``[ids]`` gets past it.

        :param request: request of the list.
        :raises SourceBroken: the record cannot be skipped.
        """
        while True:
            size = self._size_at(at)
            sent = _request_at(self.paging, at, size, request, shrunk=self._failing)
            try:
                info = yield replace(sent, tries=self._tries())
            except SourceBroken as error:
                self._failing, self._suspects, self._current = True, size or 0, size
                if self._shrink():
                    continue
                skipped = yield from self._skip_record(at, request, error.record)
                if skipped is None:
                    raise
                info = skipped
            else:
                self._in_a_row = 0
                self._grow(size, info)
            info.requested_size = size or self.paging.size
            info.is_continuation = at.count > 0
            return info

    def pages(
        self,
        request: PageRequest,
        at: Position = _FIRST,
        *,
        info: PageInfo | None = None,
        ends: Callable[[PageInfo], bool | None] = lambda _: False,
    ) -> Generator[PageRequest, PageInfo, tuple[Position, PageInfo]]:
        """Fetch the pages of one list; return position and info of the last one.

        :param request: request of the list.
        :param at: position of the first page.
        :param info: info of the first page, if it was fetched before.
        :param ends: called with the info of each page; true ends the reading after this page.
        :raises SourceUnexpected: the pages form a loop.
        """
        visited: set[str] = set()
        repeated = 0
        origin = info = info or (yield from self.fetch_page(at, request))
        while not ends(info):
            following = at.after(self.paging, info)
            if following is None:
                break
            if following.token in visited:
                raise SourceUnexpected(
                    "The pages form a loop: a page names a next page that was read before.",
                    "Run again; if the loop remains, check [paging] of the api file.",
                )
            if following.token is not None:
                visited.add(following.token)
            next_info = yield from self.fetch_page(following, request)
            repeats = next_info.orders > 0 and next_info.fingerprints == info.fingerprints
            repeated, origin = (repeated + 1, origin) if repeats else (0, next_info)
            if repeated and _ends_by_repeating(self.paging, origin, repeated):
                break
            at, info = following, next_info
        return at, info

    def drain(self) -> Generator[PageRequest, PageInfo, None]:
        """Repeat the same request until a response has no orders."""
        while True:
            info = yield _request_at(self.paging, _FIRST, self._current, PageRequest())
            if info.state == "whole" and not info.orders:
                return

    def _tries(self) -> int | None:
        """Most attempts of the next request."""
        if not self._failing:
            return None
        return 2 if self._current == 1 and not self.skipped and not self._in_a_row else 1

    def _shrink(self) -> bool:
        """Halve the page size; false if that is impossible."""
        if self._current is None or self._current == 1:
            return False
        self._current //= 2
        return True

    def _grow(self, size: int | None, info: PageInfo) -> None:
        """Double the page size after a page of *size*, once the records that failed are passed."""
        self._suspects -= info.orders
        if self._current is not None and self._largest is not None and self._suspects <= 0:
            self._current = min(self._largest, self._current * 2)
            self._failing = self._failing and size != self._largest

    def resize(self, *, usual: bool = False, elsewhere: bool = False) -> None:
        """Set the page size for the next pass over a list, to the largest that the API allows.

        While the API fails, pages keep the size that it bears.

        :param usual: set it back instead.
        :param elsewhere: cut the list at other places than the pass before.
        """
        if self._usual is None or self._current is None or self._failing:
            return
        size = self._usual if usual else max(self._usual, self.paging.max_size or 0)
        self._current = min(self._current, size) if usual else size
        if elsewhere and size == self._largest:
            self._current = next(n for n in range(size * 3 // 4, -1, -1) if gcd(n, size) == 1)
        self._largest = self._current = max(self._current, 1)

    def _size_at(self, position: Position) -> int | None:
        """Page size for *position*.

        With numbered pages this is the largest size that divides the number of records already
        skipped, so that a page starts exactly there.
        """
        current, skipped = self._current, position.skipped
        if current is None or self.paging.kind != "page" or skipped % current == 0:
            return current
        return max(n for n in range(1, current + 1) if skipped % n == 0)

    def _skip_record(
        self, at: Position, request: PageRequest, record: str
    ) -> Generator[PageRequest, PageInfo, PageInfo | None]:
        """Skip the record at *at*, for which the API fails; None if that is impossible.

        Skipping needs pages of size 1, few skipped records in a row, and ``[ids]`` or positions.
        Without ``[ids]`` the info counts one order without modification time.

        :param record: key of the order, if the error names it.
        """
        has_positions = self.paging.kind in {"page", "offset"}
        if self._all_or_none or self._current != 1 or not (has_positions or self._ids):
            return None
        self._in_a_row += 1
        if self._in_a_row > (MAX_NAMED_IN_A_ROW if self._ids else MAX_SKIPPED_IN_A_ROW):
            return None
        info = PageInfo("whole", orders=1, fingerprints=[hash(("passed by", at))])
        info.identity = record or f"at place {at.count + 1}"
        if self._ids:
            sent = _request_at(self.paging, at, 1, request, shrunk=True)
            try:
                info = yield replace(sent, ids_only=True, tries=1)
            except SourceBroken:
                if not has_positions:
                    raise
        if info.orders == 1:
            self.skipped[info.identity] = info.newest
        return info


def _request_at(
    paging: PagingSpec,
    at: Position,
    size: int | None,
    request: PageRequest,
    *,
    shrunk: bool = False,
) -> PageRequest:
    """The request for the page at *at* of the list that *request* reads.

    :param shrunk: a URL of the API gets this page size too.
    """
    if at.token and paging.kind in {"next", "link"}:
        sized: Params = {paging.size_param: size} if shrunk and paging.size_param and size else {}
        return replace(request, params=sized, url=at.token)
    params = _position_params(paging, at, size)
    if at.token and not paging.repeat:
        return replace(request, params=params, alone=True)
    return replace(request, params=request.params | params)


def _position_params(paging: PagingSpec, at: Position, size: int | None) -> Params:
    """The request fields of position and page size."""
    params: Params = {paging.size_param: size} if paging.size_param and size else {}
    if paging.param is None or paging.kind in {"next", "link"}:
        return params
    if paging.kind == "cursor":
        return params | {paging.param: at.token} if at.token else params
    step = size or paging.size or 1
    number = paging.first + at.skipped // step if paging.kind == "page" else at.count
    return params | {paging.param: number}


def _ends_by_repeating(paging: PagingSpec, page: PageInfo, times: int) -> bool:
    """True if *page*, repeated so many *times*, ends the list, as it does with some APIs.

    Few orders of equal time may be sorted so by chance.

    :raises SourceUnexpected: the first page is full and repeated: the API ignores the position.
    """
    size = page.requested_size or 0
    if paging.kind in _SERVER_DRIVEN or page.orders < size:
        return True
    if times * (size or UNLIKELY) < UNLIKELY:
        return False
    if page.is_continuation:
        return True
    raise SourceUnexpected(
        f"The same orders came at two positions: {paging.param} seems to be ignored.",
        "Check [paging] of the api file.",
    )
