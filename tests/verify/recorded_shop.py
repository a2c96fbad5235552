"""Recorded orders of real servers, behind as much of the server as listing and counting needs."""

import json
from typing import Any

from orderpull.simulator.profile import Request, Response, json_response
from tests.platforms.recorded import recording

Order = dict[str, Any]


def _pages(shop: str, count: int) -> list[Any]:
    return [recording(shop, f"page-{n}.json") for n in range(1, count + 1)]


class Recorded:
    """A server of recorded orders. :ivar hidden: ids of orders that it does not show yet."""

    seed = None
    exhausted = True

    def __init__(self, name: str) -> None:
        self.name = name
        pages = _pages(name, 8 if name == "medusa" else 6)
        lists = [page["orders"] if name == "medusa" else page["data"]["orders"]["items"]
                 for page in pages]  # fmt: skip
        # `type` was not asked for when the orders were recorded.
        self.orders: list[Order] = [{"type": "Regular"} | order for each in lists for order in each]
        self.hidden: set[str] = set()
        self.calls = 0
        self.stamp = "updated_at" if name == "medusa" else "updatedAt"

    def respond(self, request: Request) -> Response:
        self.calls += 1
        shown = [order for order in self.orders if order["id"] not in self.hidden]
        return (
            self._medusa(request, shown) if self.name == "medusa" else self._vendure(request, shown)
        )

    def _medusa(self, request: Request, shown: list[Order]) -> Response:
        query, at = request.query, self.stamp
        lower, upper = query.get(f"{at}[$gte]", ""), query.get(f"{at}[$lte]", "9")
        found = [order for order in shown if lower <= order[at] <= upper]
        if "id" in query:
            found = [order for order in found if order["id"] == query["id"]]
        found.sort(key=lambda order: str(order[query.get("order", at)]))
        skip, size = int(query.get("offset", 0)), int(query["limit"])
        page = found[skip : skip + size]
        body = {"orders": page, "count": len(found), "offset": skip, "limit": size}
        return json_response(200, body)

    def _vendure(self, request: Request, shown: list[Order]) -> Response:
        options = json.loads(request.body)["variables"]["o"]
        found = [order for order in shown if _fits(order, options.get("filter", {}))]
        key = next(iter(options.get("sort", {"id": 0})))
        found.sort(key=lambda order: int(order["id"]) if key == "id" else order[key] or "")
        skip = options.get("skip", 0)
        page = found[skip : skip + options["take"]]
        return json_response(200, {"data": {"orders": {"items": page, "totalItems": len(found)}}})


def _fits(order: Order, filters: dict[str, dict[str, Any]]) -> bool:
    for name, tests in filters.items():
        value = order.get(name)
        for test, operand in tests.items():
            fits = {
                "after": lambda v, o: v is not None and v > o,
                "before": lambda v, o: v is not None and v < o,
                "eq": lambda v, o: v == o,
                "notEq": lambda v, o: v != o,
                "isNull": lambda v, o: (v is None) is o,
                "in": lambda v, o: v in o,
            }[test]
            if not fits(value, operand):
                return False
    return True
