"""An order: header, lines, and the versions of it that were landed."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orderpull.answers import orders
from orderpull.errors import OrderpullError, UsageError
from orderpull.operate.history import OrderHistory, Version, history
from orderpull.settings import Settings
from orderpull.web.cache import CachedQueries
from orderpull.web.context import QueryContext, Row

OUTCOMES = {
    "inserted": "loaded as a new order",
    "updated": "loaded, newer than before",
    "unchanged": "unchanged",
    "stale": "older than what was loaded",
    "rejected": "rejected",
    "excluded": "left out: no order by the API file",
    "waits": "waits: its page is not loaded yet",
}
"""Words for what became of a version."""


PLACE = ("city", "stateprovince")
"""Fields that history shows to everybody, and the pages to those only who may see addresses."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the tables hold it.

    :param header: its header and address; None if the tables have no such order.
    :param alike: the orders with this number or id, if there are several.
    :param rejects: its open rejects.
    """

    header: Row | None = None
    lines: Sequence[Row] = ()
    alike: Sequence[Row] = ()
    rejects: Sequence[Row] = field(default=())


def read_order(context: QueryContext, sources: Sequence[str], *, addresses: bool = False) -> Order:
    """Read the order of the question.

    :param sources: sources whose rejects are searched.
    :param addresses: read name and address, too.
    """
    question, rows = context.question, context.reader.rows
    source, number = question.shop, question.order
    headers: list[Row] = []
    if source:
        headers = rows(orders.order_of(source, number, addresses=addresses))
    if not headers:
        alike = rows(orders.orders_named(number))
        if len(alike) != 1:
            rejects = rows(orders.rejects_of(number, sources, masked=True))
            return Order(alike=alike, rejects=rejects)
        source, number = alike[0]["source"], alike[0]["ordernumber"]
        headers = rows(orders.order_of(source, number, addresses=addresses))
    return Order(headers[0] if headers else None, rows(orders.lines_of(source, number)))


@dataclass(frozen=True, slots=True)
class Seen:
    """A landed version of an order.

    :param changes: (field, value before, value) of what differs from the version before.
    """

    version: Version
    outcome: str
    changes: list[tuple[str, Any, Any]]


def seen_versions(of_order: OrderHistory, *, names: bool) -> list[Seen]:
    """The versions in *of_order*. :param names: with names and addresses."""
    return [
        Seen(
            version,
            OUTCOMES[version.outcome],
            [
                (name, earlier.shown(name, names=names), version.shown(name, names=names))
                for name in changed
                if name != "modified_at" and (names or name not in PLACE)
            ]
            if earlier
            else [],
        )
        for version, earlier, changed in of_order.with_changes()
    ]


class Versions:
    """The versions of orders in the landing. A search reads all pages, so one goes on at a time.

    :param queries: their cache keeps a result until something is loaded.
    """

    def __init__(self, settings: Settings, queries: CachedQueries) -> None:
        self._settings = settings
        self._queries = queries
        self._searching = threading.Lock()

    def of(self, source: str, number: str) -> OrderHistory:
        """Search the landing for the versions of an order.

        :raises OrderpullError: the landing cannot be read, or another search goes on.
        """
        key = ("versions", source, number)
        return self._queries.warehouse.remember(key, lambda: self._search(source, number))

    def _search(self, source: str, number: str) -> OrderHistory:
        if source not in self._settings.sources:
            raise UsageError(f"The settings no longer have the source {source}.")
        if not self._searching.acquire(blocking=False):
            raise OrderpullError("Another search of the landing goes on.", "Try again in a moment.")
        try:
            return history(self._settings, number, source)
        finally:
            self._searching.release()
