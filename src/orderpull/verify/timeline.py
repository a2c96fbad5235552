"""The modification times of a source's orders, and the quiet moments between them.

An API reads the bounds of a period in its own way: inclusive or exclusive, in whole seconds or
finer. So periods are cut where no order was changed for some seconds.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - all times are UTC without zone
_TICK = timedelta(microseconds=1)

QUIET = 6_000_000
"""Shortest time without a change at a cut, in microseconds."""


def ticks(time: datetime) -> int:
    """Microseconds from 1970 to *time*."""
    return (time - _EPOCH) // _TICK


def _time(tick: int) -> datetime:
    return _EPOCH + tick * _TICK


class Timeline:
    """Times in ascending order, of which periods are counted and cut."""

    def __init__(self, times: Iterable[datetime]) -> None:
        self._ticks = array("q", sorted(map(ticks, times)))

    def changed(self, *, less: Iterable[datetime], more: Iterable[datetime]) -> "Timeline":
        """This timeline without each of the times *less*, and with *more*."""
        timeline = Timeline(more)
        rest = list(self._ticks)
        for time in less:
            at = bisect_left(rest, ticks(time))
            if at < len(rest) and rest[at] == ticks(time):
                rest.pop(at)
        timeline._ticks = array("q", sorted([*rest, *timeline._ticks]))
        return timeline

    def count(self, since: datetime, until: datetime) -> int:
        """The number of times from *since* on and before *until*."""
        return bisect_left(self._ticks, ticks(until)) - bisect_left(self._ticks, ticks(since))

    def quiet_before(self, since: datetime, until: datetime) -> datetime | None:
        """The last quiet moment from *since* to *until*; None without one."""
        last = bisect_left(self._ticks, ticks(until))
        first = bisect_left(self._ticks, ticks(since))
        if self._is_quiet(ticks(until)):
            return until
        return next((self._cut(at) for at in range(last - 1, first, -1) if self._wide(at)), None)

    def middle(self, since: datetime, until: datetime) -> datetime | None:
        """The quiet moment that halves the times of a period best; None without one."""
        first, last = (bisect_left(self._ticks, ticks(time)) for time in (since, until))
        return self._near((first + last) // 2, first, last)

    def parts(
        self, since: datetime, until: datetime, number: int, shift: float
    ) -> list[tuple[datetime, datetime]]:
        """The parts of a period that *number* cuts make, about as many times each; newest first.

        The first and the last one are shorter.

        :param shift: place of the cuts, from 0 to 1, so that two verifications cut differently.
        """
        first, last = (bisect_left(self._ticks, ticks(time)) for time in (since, until))
        size = max((last - first) / number, 1)
        places = [first + round((n + shift) * size) for n in range(number)]
        cuts = {cut for at in places if (cut := self._near(at, first, last))}
        edges = sorted({since, until, *cuts}, reverse=True)
        return [(older, newer) for newer, older in pairwise(edges)]

    def _near(self, at: int, first: int, last: int) -> datetime | None:
        """The quiet moment nearest to the time number *at*, between the times *first* to *last*."""
        for away in range(last - first):
            for place in (at - away, at + away):
                if first < place < last and self._wide(place):
                    return self._cut(place)
        return None

    def _wide(self, at: int) -> bool:
        return self._ticks[at] - self._ticks[at - 1] >= QUIET

    def _cut(self, at: int) -> datetime:
        """The moment between the times before and at *at*, in whole seconds."""
        return _time((self._ticks[at - 1] + self._ticks[at]) // 2).replace(microsecond=0)

    def _is_quiet(self, tick: int) -> bool:
        at = bisect_left(self._ticks, tick - QUIET // 2)
        return at == len(self._ticks) or self._ticks[at] > tick + QUIET // 2
