"""What to ask next: paging as plain generators, without any input or output.

A generator yields an :class:`Ask` and is sent the :class:`Reading` of the page that came. So each
strategy reads as what it does, and can be tried without a server. Those that follow a cursor over
orders that change meanwhile are in ``moving.py``.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from orderpull.errors import SourceBroken, SourceUnexpected
from orderpull.sources.paging.page_info import Reading
from orderpull.sources.spec.blocks import PagingSpec

End = TypeVar("End")
Params = dict[str, str | int]
"""Values by their places: names of query parameters, or ``$.`` and keys into the body."""


@dataclass(frozen=True, slots=True)
class Ask:
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


Plan = Generator[Ask, Reading, datetime | None]
"""Yields what to ask, is sent what came; returns the cursor that a verified window reached."""


def follow(plan: Generator[Ask, Reading, End], answer: Callable[[Ask], Reading]) -> End:
    """Do what *plan* asks until it ends; what it returns.

    :param answer: gives the reading of what an ask brought. Where the API breaks down over it, the
        plan is told and may ask for less.
    """
    try:
        ask = next(plan)
        while True:
            try:
                reading = answer(ask)
            except SourceBroken as error:
                ask = plan.throw(error)
            else:
                ask = plan.send(reading)
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

    def after(self, paging: PagingSpec, reading: Reading) -> "Position | None":
        """Where the page after *reading* begins; None if there is none.

        :raises SourceUnexpected: there is one, but the API does not say where.
        """
        if paging.kind == "single" or reading.more is False:
            return None
        count = self.count + reading.orders
        if paging.kind in TOLD:
            if reading.more and not reading.next:
                raise SourceUnexpected(
                    f"The API says that there are more pages ({paging.more}), but not where.",
                    "Check next and more in [paging] of the api file.",
                )
            return Position(count, token=reading.next) if reading.next else None
        if not reading.orders or (reading.total is not None and count >= reading.total):
            return None
        return Position(count, self.skipped + (reading.asked or reading.orders))


TOLD = frozenset({"cursor", "next", "link"})
"""Kinds of paging where a page tells where the next one is."""


MOST_IN_A_ROW = 3
"""Orders that are passed by one after the other, at most."""


class PageSize:
    """How many orders are asked for at once: fewer while the API is not up to more.

    :param size: orders; None where the API has no say in it.
    :param all_or_none: whether nothing may be passed by, since what is missing would mislead.
    :ivar passed_by: whether an order was passed by, since the API breaks down over it alone.
    """

    def __init__(self, size: int | None, *, all_or_none: bool = False) -> None:
        self._most = self._now = size
        self._all_or_none = all_or_none
        self._in_a_row = 0
        self.passed_by = False

    def at(self, paging: PagingSpec, position: Position) -> int | None:
        """The size at *position*: where pages have numbers, one that divides what is skipped."""
        if self._now is None or paging.kind != "page" or position.skipped % self._now == 0:
            return self._now
        return max(n for n in range(1, self._now + 1) if position.skipped % n == 0)

    def less(self) -> bool:
        """Ask for half as many; whether that is possible."""
        if self._now is None or self._now == 1:
            return False
        self._now //= 2
        return True

    @property
    def shaky(self) -> bool:
        """Whether an order was just passed by."""
        return self._in_a_row > 0

    def pass_by(self, paging: PagingSpec) -> bool:
        """Go on behind the order that the API breaks down over; whether that is possible.

        Not where several in a row are such: then it is the API that is out of order.
        """
        if self._all_or_none or self._now != 1 or paging.kind not in {"page", "offset"}:
            return False
        self._in_a_row += 1
        if self._in_a_row > MOST_IN_A_ROW:
            return False
        self.passed_by = True
        return True

    def more(self) -> None:
        """Ask for twice as many again, up to the size that was wanted."""
        self._in_a_row = 0
        if self._now is not None and self._most is not None:
            self._now = min(self._most, self._now * 2)


def page_size(paging: PagingSpec, size: int | None, *, all_or_none: bool = False) -> PageSize:
    """The page size that *paging* has a place for, *size* if that is given."""
    sized = (size or paging.size) if paging.size_param else None
    return PageSize(sized, all_or_none=all_or_none)


def turn(
    paging: PagingSpec, size: PageSize, at: Position, ask: Ask
) -> Generator[Ask, Reading, Reading]:
    """The page at *at* of the list that *ask* asks for: smaller while the API breaks down over it.

    An order that it breaks down over alone is passed by, where pages have positions: in its place
    comes a reading without stamp.

    :raises SourceBroken: it cannot be passed by.
    """
    if size.shaky:
        ask = replace(ask, tries=1)
    while True:
        now = size.at(paging, at)
        try:
            reading = yield _placed(paging, at, now, ask)
        except SourceBroken:
            if size.less():
                ask = replace(ask, tries=1)
            elif size.pass_by(paging):
                return Reading("whole", orders=1, versions=[hash(("passed by", at))], asked=1)
            else:
                raise
        else:
            reading.asked = now or paging.size
            reading.moved = at.count > 0
            size.more()
            return reading


def _placed(paging: PagingSpec, at: Position, size: int | None, ask: Ask) -> Ask:
    """The call for the page at *at*."""
    if at.token and paging.kind in {"next", "link"}:
        return replace(ask, params={}, url=at.token)
    place = positioned(paging, at, size)
    if at.token and not paging.repeat:
        return replace(ask, params=place, alone=True)
    return replace(ask, params=ask.params | place)


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


def walk(
    paging: PagingSpec,
    size: PageSize,
    ask: Ask,
    start: str | None = None,
    note: Callable[[Reading], None] = lambda _: None,
) -> Generator[Ask, Reading, None]:
    """The pages of one list, from first to last.

    :param ask: asks for the list.
    :param start: the cursor of the first page.
    :param note: is told each page.
    :raises SourceUnexpected: the API goes round in circles, so that nothing would ever end.
    """
    at: Position | None = Position(token=start)
    before: Reading | None = None
    told: set[str] = set()
    while at is not None:
        reading = yield from turn(paging, size, at, ask)
        if repeated(paging, before, reading):
            return
        note(reading)
        before, at = reading, at.after(paging, reading)
        refuse_circle(told, at)


def drain(paging: PagingSpec, size: PageSize) -> Plan:
    """Ask the same until nothing comes any more."""
    while True:
        reading = yield Ask(positioned(paging, Position(), size.at(paging, Position())))
        if reading.state == "whole" and not reading.orders:
            return None


def once(paging: PagingSpec, size: PageSize) -> Plan:
    """Walk the pages from first to last."""
    yield from walk(paging, size, Ask())
    return None


def repeated(paging: PagingSpec, before: Reading | None, reading: Reading) -> bool:
    """Whether a page past the end repeats the last one, as some APIs do.

    :raises SourceUnexpected: the position may as well make no difference at all.
    """
    if before is None or not reading.orders or reading.versions != before.versions:
        return False
    if paging.kind in TOLD or before.moved or before.orders < (before.asked or 0):
        return True
    raise SourceUnexpected(
        f"The same orders came at two positions: {paging.param} seems to be ignored.",
        "Check [paging] of the api file.",
    )


def refuse_circle(told: set[str], following: Position | None) -> None:
    """Note where the next page is. :raises SourceUnexpected: it was there before."""
    token = following.token if following else None
    if token is None:
        return
    if token in told:
        raise SourceUnexpected(
            "The pages lead round in a circle: one names a next page that was read before.",
            "Run again; if it comes again, check [paging] of the api file.",
        )
    told.add(token)
