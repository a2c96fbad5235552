"""How many calls a pull will take, and about how long, where the API tells a total of orders."""

import math
import time
from dataclasses import dataclass

from orderpull.sources.http.limits import RateLimit
from orderpull.sources.paging.page_info import PageInfo


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left to do, about.

    :param total: orders that the pull brings, as the API told at its beginning.
    :param calls: calls that it takes from now on.
    :param seconds: how long they take.
    """

    total: int
    calls: int
    seconds: float

    def __str__(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls:,} calls"
        return f"about {calls} more, {_about(self.seconds)}"


def _about(seconds: float) -> str:
    """A length of time in one unit: what is foreseen is not known any better."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{round(seconds / unit)} {name}"
    return f"{math.ceil(seconds)} s"


class Estimator:
    """Foresees the rest of a pull from the pages that came.

    The first page that tells a total is taken at its word. A window that is read until two passes
    agree is read twice; a page that fills up as smaller ones do is no reason to count anew.

    :param passes: how often each order is read.
    """

    def __init__(self, limit: RateLimit, passes: int) -> None:
        self._limit = limit
        self._passes = passes
        self._began = time.monotonic()
        self._calls = self._orders = 0
        self._total: int | None = None

    def update(self, info: PageInfo) -> Estimate | None:
        """What is left after the page *reading*; None if the API does not tell, or nothing is."""
        self._calls += 1
        self._orders += info.orders
        if self._total is None and info.total:
            self._total = info.total - info.orders + self._orders
            if info.total == info.orders:
                self._total = None  # the one page has all: nothing is read twice
        if self._total is None or not info.orders:
            return None
        each = self._orders / self._calls
        calls = math.ceil((self._total * self._passes - self._orders) / each)
        if calls <= 0:
            return None
        pace = (time.monotonic() - self._began) / self._calls
        return Estimate(self._total, calls, calls * max(pace, self._limit.interval))
