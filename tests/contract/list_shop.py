"""A shop with a few orders that can be listed, asked without a network."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from orderpull import Settings, pipeline, read_settings
from orderpull.pipeline import RunResult
from orderpull.sources.http.messages import Request, Response, ResponseSink

if TYPE_CHECKING:
    from tests.warehouses import Warehouse

API = """
title = "Listed shop"
[request]
path = "/orders"
[request.query]
sort = "changed"
[paging]
kind = "offset"
param = "at"
size_param = "limit"
size = 5
total = "count"
[cursor]
path = "changed"
lower = "from"
overlap = 0
[records]
path = "orders"
[reconcile]
query = { sort = "id", fields = "id" }
[order]
id = "id"
number = "no"
status = "state"
ordered_at = "placed"
modified_at = "changed"
[order.address]
country = "to.country"
line1 = "to.line"
name = "to.name"
city = "to.city"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ZERO = timedelta()


class ListShop:
    """Orders by id.

    :ivar asked: the query of each request. :ivar hidden: ids that are listed and never returned.
    """

    def __init__(self, orders: int) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        self.asked: list[dict[str, str]] = []
        self.hidden: set[int] = set()
        self.seconds = 0
        for number in range(1, orders + 1):
            self.place(number)

    def place(self, number: int, **changed: object) -> None:
        """Add an order, or change it, stamped now."""
        stamp = self._tick()
        self.orders[number] = {
            "id": number,
            "no": f"N-{number}",
            "state": "paid",
            "placed": BEGAN.isoformat(),
            "changed": stamp,
            "to": {"country": "DE", "line": f"Weg {number}", "name": "Ada", "city": "Ulm"},
            "lines": [{"sku": "A", "n": number}, {"sku": "B", "n": 1}],
            **changed,
        }

    def send(self, request: Request, _: ResponseSink) -> Response:
        """Answer one request."""
        query = dict(parse_qsl(urlsplit(request.target).query))
        self.asked.append(query)
        listing = query["sort"] == "id"
        found = sorted(self.orders.values(), key=lambda o: o["id" if listing else "changed"])
        for name, sign in (("from", 1), ("to", -1)):
            if bound := query.get(name):
                edge = datetime.fromisoformat(bound)
                found = [
                    o for o in found if (datetime.fromisoformat(o["changed"]) - edge) * sign >= ZERO
                ]
        if ids := query.get("ids"):
            found = [o for o in found if str(o["id"]) in ids.split(",")]
        found = [o for o in found if listing or o["id"] not in self.hidden]
        at, size = int(query["at"]), int(query["limit"])
        page = found[at : at + size]
        if listing:
            page = [{key: o[key] for key in query["fields"].split(",")} for o in page]
        return Response(200, {}, json.dumps({"count": len(found), "orders": page}).encode())

    def _tick(self) -> str:
        self.seconds += 1
        return (BEGAN + timedelta(seconds=self.seconds)).isoformat()


class Listed:
    """That shop and a warehouse."""

    def __init__(self, place: "Warehouse", orders: int, more: str = "") -> None:
        self.place = place
        self.shop = ListShop(orders)
        (place.folder / "listed.toml").write_text(API, encoding="utf-8")
        file = place.settings("http://shop.test", more).file
        assert file is not None
        text = file.read_text(encoding="utf-8").replace('"skubana-assessment"', '"listed.toml"')
        file.write_text(f'{text}start = "2020-01-01"\n', encoding="utf-8")
        self.settings: Settings = read_settings(file)

    def run(self, *, accept: bool = False) -> RunResult:
        """One run. The network is the shop itself."""
        if accept:
            return pipeline.load(self.settings, accept_rejects=True)
        return pipeline.run(self.settings, send=self.shop.send)

    def states(self) -> dict[str, tuple[str, bool]]:
        """By number: status, and whether it is counted."""
        rows = self.place.query("SELECT ordernumber, status, counted FROM order_header")
        return {number: (status, counted) for number, status, counted in rows}
