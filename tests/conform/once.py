"""The consume-once endpoint, as the simulator's own profile plays it, as a stage for the cases."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from orderpull.conform.target import Target, VirtualWait
from orderpull.simulator import Request, Response, SkubanaAssessment
from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.base import Platform, Tamper
from orderpull.simulator.shop.order import StoreOrder
from orderpull.simulator.truth import address_columns, sku_key
from orderpull.sources.spec.reader import read_api

if TYPE_CHECKING:
    from orderpull.simulator.model import Occurrence

PER_CALL = 10


class OnceShop:
    """Plays :class:`SkubanaAssessment`, and knows what it handed out."""

    name = "skubana-assessment"
    exhausted = True

    def __init__(self, *, orders: int, refuse: set[int], seed: int = 1) -> None:
        self._profile = SkubanaAssessment(orders=orders, per_call=PER_CALL, seed=seed)
        self._refuse = refuse
        self._given: dict[str, Occurrence] = {}
        self.seed = seed
        self.tamper: Tamper = lambda _, response: response
        self.calls: Counter[str] = Counter()
        self.clock = SimpleNamespace(now=datetime(2026, 6, 1, tzinfo=UTC))
        some = {place: SimpleNamespace(lines=()) for place in range(orders)}
        self.store = SimpleNamespace(orders=some)

    def kind(self, request: Request) -> str:
        return "list"

    def respond(self, request: Request) -> Response:
        self.calls["list"] += 1
        if self.calls["list"] in self._refuse:
            return json_response(429, {"message": "too many"}, {"Retry-After": "1"})
        response = self._profile.respond(request)
        self._given |= {str(each.number): each for each in response.occurrences}
        return self.tamper(request, response)

    def truth(self) -> dict[str, Any]:
        orders = {}
        for number, given in self._given.items():
            assert given.order is not None
            items: Counter[str] = Counter()
            for line in given.order.lines:
                items[sku_key(line.sku)] += line.quantity
            columns = address_columns(given.order.address)
            orders[number] = {
                "number": number, "counted": True, **columns, "city": None, "items": dict(items),
            }  # fmt: skip
        return {"orders": orders, "aside": {}, "deleted": {}}


class OnceTarget(Target):
    """The cases' stage for it; switches of shops with standing orders say nothing to it."""

    name = "skubana-assessment"
    file = "skubana-assessment"

    def __init__(self) -> None:
        self.api = read_api(self.name, Path())

    def open(self, waits: VirtualWait, **switches: Any) -> Platform:
        shop = OnceShop(orders=switches["orders"], refuse=set(switches.get("refuse", ())))
        return cast("Platform", shop)

    def name_of(self, shop: Platform, order: StoreOrder) -> str:
        return order.number
