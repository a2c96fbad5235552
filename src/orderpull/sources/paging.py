"""What to ask next: paging and cursors as plain generators, without any input or output.

A generator yields an :class:`Ask` and is sent the :class:`Reading` of the page that came. So each
strategy reads as what it does, and can be tried without a server.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orderpull.errors import SourceUnstable
from orderpull.sources.reading import Reading, format_time
from orderpull.sources.spec import Api, CursorSpec, PagingSpec

MAX_PASSES = 6
"""How often a window is read before it is given up as moving too fast."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The parameters of one call.

    :param query: added to what every call sends.
    :param sorted_from: where the cursor may follow the pages: the answer should be sorted from
        here on, and its newest stamp is how far the API has been read.
    :param seen: where a window is read to verify it: the versions already landed; a page without
        any other is not kept.
    """

    query: dict[str, str] = field(default_factory=dict)
    sorted_from: datetime | None = None
    seen: set[int] | None = None


Plan = Generator[Ask, Reading, datetime | None]
"""Yields what to ask, is sent what came; returns the cursor that a verified window reached."""


def plan(api: Api, size: int | None, since: datetime | None, until: datetime) -> Plan:
    """How one run reads *api*.

    :param size: orders asked for at once.
    :param since: the cursor, or the start; None for an API without cursor.
    :param until: the run's beginning, as the upper bound.
    """
    if api.paging.kind == "drain":
        return _drain(api.paging, size)
    if api.cursor is None or since is None:
        return _once(api.paging, size)
    if api.cursor.strategy == "reseek":
        return reseek(api.paging, api.cursor, size, since, until)
    return window_verify(api.paging, api.cursor, size, since, until)


def _drain(paging: PagingSpec, size: int | None) -> Plan:
    """Ask the same until nothing comes any more."""
    while True:
        reading = yield Ask(_size(paging, size))
        if not reading.orders:
            return None


def _once(paging: PagingSpec, size: int | None) -> Plan:
    """Walk the pages from first to last."""
    yield from _walk(paging, size, {}, None)
    return None


def _walk(
    paging: PagingSpec, size: int | None, query: dict[str, str], seen: set[int] | None
) -> Generator[Ask, Reading, None]:
    """The pages of one list, from first to last."""
    count = 0
    number = paging.first
    while True:
        position = _position(paging, number, count)
        reading = yield Ask({**query, **_size(paging, size), **position}, seen=seen)
        count += reading.orders
        number += 1
        whole = reading.total is not None and count >= reading.total
        if paging.kind == "single" or not reading.orders or whole:
            return


def reseek(
    paging: PagingSpec, cursor: CursorSpec, size: int | None, since: datetime, until: datetime
) -> Plan:
    """Ask from the newest stamp seen, again and again: nothing that moves can be passed by.

    Where a whole page shares one stamp, the page number (or offset) goes on within it. Where the
    answers turn out not to be sorted, the window is verified instead.
    """
    lower, count, number = since, 0, paging.first
    while True:
        query = _bounds(cursor, lower, until) | _size(paging, size)
        position = _position(paging, number, count)
        reading = yield Ask({**query, **position}, sorted_from=_asked_from(cursor, lower))
        if not reading.orders:
            return None
        if not reading.sorted_from(_asked_from(cursor, lower)):
            landed = set(reading.versions)
            return (yield from window_verify(paging, cursor, size, since, until, landed))
        if reading.total is not None and count + reading.orders >= reading.total:
            return None
        if reading.newest is not None and reading.newest > lower:
            lower, count, number = reading.newest, 0, paging.first
        else:
            count, number = count + reading.orders, number + 1


def window_verify(
    paging: PagingSpec,
    cursor: CursorSpec,
    size: int | None,
    since: datetime,
    until: datetime,
    landed: Iterable[int] = (),
) -> Plan:
    """Read the window from *since* to *until* until two passes bring the same versions.

    :param landed: versions that are kept already.
    :raises SourceUnstable: they do not, after :data:`MAX_PASSES` passes.
    """
    seen = set(landed)
    before: set[int] | None = None
    newest = since
    for _ in range(MAX_PASSES):
        this: set[int] = set()
        walk = _walk(paging, size, _bounds(cursor, since, until), seen)
        try:
            ask = next(walk)
            while True:
                reading = yield ask
                this.update(reading.versions)
                seen |= this
                newest = max(newest, reading.newest or newest)
                ask = walk.send(reading)
        except StopIteration:
            pass
        if this == before:
            return min(newest, until)
        before = this
    raise SourceUnstable(
        f"The orders changed between passes, {MAX_PASSES} times in a row.",
        "What came is kept; the next run reads the same time again.",
    )


def _bounds(cursor: CursorSpec, lower: datetime, until: datetime) -> dict[str, str]:
    bounds = {cursor.lower: format_time(_asked_from(cursor, lower), cursor.precision)}
    if cursor.upper:
        bounds[cursor.upper] = format_time(until, cursor.precision)
    return bounds


def _asked_from(cursor: CursorSpec, lower: datetime) -> datetime:
    """The bound to send, so that an order of the very instant *lower* is answered."""
    step = {"s": 1_000_000, "ms": 1000, "us": 1}[cursor.precision]
    rounded = lower - timedelta(microseconds=lower.microsecond % step)
    return rounded if cursor.inclusive else rounded - timedelta(microseconds=step)


def _size(paging: PagingSpec, size: int | None) -> dict[str, str]:
    asked = size or paging.size
    return {paging.size_param: str(asked)} if paging.size_param and asked else {}


def _position(paging: PagingSpec, number: int, count: int) -> dict[str, str]:
    if paging.param is None:
        return {}
    return {paging.param: str(number if paging.kind == "page" else count)}
