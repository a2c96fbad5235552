"""Estimate the remaining requests and time of a pull, if the API reports a total of orders."""

import math
import time
from dataclasses import dataclass

from orderpull.sources.http.limits import RateLimit
from orderpull.sources.paging.page_info import PageInfo


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated rest of a pull.

    :param total: orders of the whole pull, as the API reported at its beginning.
    :param calls: remaining requests.
    :param seconds: remaining time.
    """

    total: int
    calls: int
    seconds: float

    def __str__(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls:,} calls"
        return f"about {calls} more, {_about(self.seconds)}"


def _about(seconds: float) -> str:
    """*seconds* rounded to one unit, because an estimate is not more precise."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{round(seconds / unit)} {name}"
    return f"{math.ceil(seconds)} s"


class Estimator:
    """Estimates the rest of a pull from the pages so far.

    The first total that a page reports applies to the whole pull; later totals are ignored. Child
    lists are requested once for each order, in as many calls as the orders so far took.

    :param passes: expected number of times that each order is read: 2 where two passes must agree.
    """

    def __init__(self, limit: RateLimit, passes: int) -> None:
        self._limit = limit
        self._passes = passes
        self._started = time.monotonic()
        self._pages = self._orders = 0
        self._total: int | None = None

    def update(self, info: PageInfo, calls: int) -> Estimate | None:
        """Estimate after the page *info*; None without a total, or if nothing is left.

        :param calls: requests of the pull so far, with those of child lists.
        """
        self._pages += 1
        self._orders += info.orders
        if self._total is None and info.total:
            self._total = info.total - info.orders + self._orders
            if info.total == info.orders:
                self._total = None  # a single page has all orders, so there is no second pass
        if self._total is None or not info.orders:
            return None
        left = (self._total * self._passes - self._orders) * self._pages / self._orders
        read = min(self._orders, self._total)
        children = (self._total - read) * (calls - self._pages) / read
        left = math.ceil(left) + math.ceil(children)
        if left <= 0:
            return None
        seconds = (time.monotonic() - self._started) / calls
        return Estimate(self._total, left, left * max(seconds, self._limit.interval))
