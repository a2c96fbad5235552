"""What to ask next: paging as plain generators, without any input or output.

A generator yields an :class:`Ask` and is sent the :class:`Reading` of the page that came. So each
strategy reads as what it does, and can be tried without a server. Those that follow a cursor over
orders that change meanwhile are in ``moving.py``.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime

from orderpull.errors import SourceUnexpected
from orderpull.sources.reading import Reading
from orderpull.sources.spec import PagingSpec


@dataclass(frozen=True, slots=True)
class Ask:
    """The parameters of one call.

    :param query: added to what every call sends.
    :param sorted_from: where the cursor may follow the pages: the answer should be sorted from
        here on, and its newest stamp is how far the API has been read.
    :param upto: but not further than this.
    :param seen: where something is read again to verify it: the versions already landed; a page
        without any other is not kept.
    """

    query: dict[str, str] = field(default_factory=dict)
    sorted_from: datetime | None = None
    upto: datetime | None = None
    seen: set[int] | None = None


Plan = Generator[Ask, Reading, datetime | None]
"""Yields what to ask, is sent what came; returns the cursor that a verified window reached."""


def drain(paging: PagingSpec, size: int | None) -> Plan:
    """Ask the same until nothing comes any more."""
    while True:
        reading = yield Ask(sized(paging, size))
        if reading.state == "whole" and not reading.orders:
            return None


def once(paging: PagingSpec, size: int | None) -> Plan:
    """Walk the pages from first to last."""
    yield from walk(paging, sized(paging, size))
    return None


def walk(
    paging: PagingSpec, query: dict[str, str], seen: set[int] | None = None
) -> Generator[Ask, Reading, None]:
    """The pages of one list, from first to last.

    :raises SourceUnexpected: the API ignores the position, so that nothing would ever end.
    """
    count, number = 0, paging.first
    before: Reading | None = None
    while True:
        reading = yield Ask(query | positioned(paging, number, count), seen=seen)
        refuse_repeated(paging, before, reading)
        before = reading
        count, number = count + reading.orders, number + 1
        whole = reading.total is not None and count >= reading.total
        if paging.kind == "single" or not reading.orders or whole:
            return


def sized(paging: PagingSpec, size: int | None) -> dict[str, str]:
    """The parameter that says how many orders are asked for at once."""
    asked = size or paging.size
    return {paging.size_param: str(asked)} if paging.size_param and asked else {}


def positioned(paging: PagingSpec, number: int, count: int) -> dict[str, str]:
    """The parameter that says which page is asked for: page *number*, after *count* orders."""
    if paging.param is None:
        return {}
    return {paging.param: str(number if paging.kind == "page" else count)}


def refuse_repeated(paging: PagingSpec, before: Reading | None, reading: Reading) -> None:
    """Compare a page with the one *before* it.

    :raises SourceUnexpected: they are the same: the position makes no difference.
    """
    if before is not None and reading.orders and reading.versions == before.versions:
        raise SourceUnexpected(
            f"The same orders came at two positions: {paging.param} seems to be ignored.",
            "Check [paging] of the api file.",
        )
