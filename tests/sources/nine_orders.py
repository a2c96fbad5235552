"""A shop of nine orders, three at once, that notes which pages are landed at each request."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orderpull.sources.http.messages import Request
from tests.sources.fake_api import ORDER_BLOCK, FakeApi, query

SORTED = (
    """
title = "Sorted"
[request]
path = "/orders"
[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 3
[cursor]
path = "changed"
lower = "since"
strategy = "reseek"
"""
    + ORDER_BLOCK
)
ONCE = """
title = "Once"
consume_once = true
[request]
path = "/orders"
[paging]
kind = "drain"
[order]
number = "id"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""
BEGAN = datetime.fromisoformat("2026-03-01T00:00:00")
ORDERS = [
    {"id": n, "changed": (BEGAN + timedelta(seconds=n)).isoformat() + "Z", "lines": []}
    for n in range(9)
]


class Shop:
    """Nine orders, three at once.

    :ivar landed: numbers of the pages in the landing, at each request.
    :param on_request: called with the number of each request.
    """

    def __init__(
        self, folder: Path, text: str = SORTED, on_request: Callable[[int], None] = lambda _: None
    ) -> None:
        self.landed: list[list[int]] = []
        self.api = FakeApi(folder, text, self._say)
        self._on_request = on_request

    def _say(self, request: Request) -> Any:
        self.landed.append(self.api.landing.pages())
        self._on_request(len(self.landed))
        if self.api.api.consume_once:
            return ORDERS[3 * len(self.landed) - 3 : 3 * len(self.landed)]
        asked = query(request)
        since, until = asked["since"], asked.get("until", "9")
        return [order for order in ORDERS if since <= str(order["changed"]) <= until][:3]

    def versions(self) -> list[int]:
        """Ids of the orders in the landing, page by page."""
        bodies = [self.api.landing.read(page)[1] for page in self.api.landing.pages()]
        return [order["id"] for body in bodies for order in json.loads(body)]
