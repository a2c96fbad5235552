"""Questions to a shop: how many orders it holds in a period, and which, within a limit of calls."""

import logging
import time
from datetime import datetime
from math import ceil

from orderpull.errors import OrderpullError, SourceUnexpected
from orderpull.sources.counting import Count, CountParser, count_request
from orderpull.sources.fetch import Fetcher
from orderpull.sources.listing import OrderLister
from orderpull.sources.page_writer import PageWriter, PullResult
from orderpull.sources.spec.blocks import CursorSpec
from orderpull.verify.scope import Scope

log = logging.getLogger("orderpull.verify")


class CallsSpent(OrderpullError):
    """The limit of calls is reached; what was found until then stays."""


class Shop:
    """The orders of an API, as it counts and lists them.

    Calls share the rate limit, the retries and the credentials of a pull. Nothing is landed.

    :ivar lists: lists orders.
    """

    def __init__(self, scope: Scope, cursor: CursorSpec | None) -> None:
        self._scope, self._cursor = scope, cursor
        source, landing = scope.source, scope.landing
        writer = PageWriter(landing, 0, PullResult(), lambda _: None)
        self._fetcher = Fetcher(source, landing, writer, scope.stop, time.monotonic())
        self.lists = OrderLister(self._fetcher, self._before_request)
        spec = source.api.count
        self._counting = CountParser(source.api, spec) if spec else None

    @property
    def calls(self) -> int:
        """Responses so far."""
        return self._fetcher.calls

    @property
    def counts(self) -> bool:
        """True if the API counts the orders of a period."""
        return self._counting is not None

    @property
    def counts_where(self) -> bool:
        """True if these counts leave out what ``where`` excludes."""
        spec = self._scope.source.api.count
        return spec is not None and spec.where

    def pages(self, orders: int, days: float = 0.0) -> int:
        """Calls that list *orders* which were changed within *days*."""
        lists, window = self.lists, self._cursor.window if self._cursor else None
        slices = max(ceil(days / window), 1) if window else 1
        pages = max(ceil(orders / lists.page_size) if lists.page_size else 1, slices)
        return lists.passes * (pages + slices * lists.last_pages)

    def seconds(self, calls: int) -> float:
        """Least duration of *calls*, by the rate limit."""
        return calls * self._scope.source.limit.interval

    def count(self, since: datetime, until: datetime) -> int | None:
        """The number of orders changed in a period; None if the API does not know it exactly.

        :raises CallsSpent: the limit of calls is reached.
        """
        spec, cursor = self._scope.source.api.count, self._cursor
        if spec is None or cursor is None or self._counting is None:
            return None
        self._before_request()
        request = count_request(self._scope.source, spec, cursor, since, until)
        try:
            self._fetcher.fetch(request, 0, self._counting)
        except SourceUnexpected as error:
            log.warning("source=%s verify lists orders instead of counting them: %s",
                        self._scope.name, error.message)  # fmt: skip
            self._counting = None
            return None
        count: Count = self._counting.last
        return count.orders if count.exact else None

    def _before_request(self) -> None:
        most = self._scope.max_calls
        if most is not None and self.calls >= most:
            requests = "1 request" if most == 1 else f"{most:,} requests"
            raise CallsSpent(
                f"Source {self._scope.name!r}: verifying stopped after {requests}, as set; "
                "not all of the time was compared.",
                "Set a higher --max-calls, or a shorter time with --since.",
            )
