"""An API without ``[cursor]``: each run reads all orders, and misses none that moves meanwhile."""

import json
from pathlib import Path
from typing import Any

import pytest

from orderpull.sources.http.messages import Request, Response
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import ids

API = """
title = "Plain shop"
{once}
[request]
path = "/orders"
[paging]
{paging}
[records]
path = "orders"
[order]
id = "join('-', shop, no)"
number = "no"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""
PAGINGS = {
    "page": 'kind = "page"\nparam = "at"\nsize_param = "limit"\nsize = 10',
    "offset": 'kind = "offset"\nparam = "at"\nsize_param = "limit"\nsize = 10\ntotal = "count"',
    "cursor": 'kind = "cursor"\nparam = "at"\nnext = "next"',
    "single": 'kind = "single"',
}


class PlainShop:
    """Orders in the order in which they came; the position is a number whatever it is called.

    :param leave: numbers of the orders deleted after each call, by the call.
    """

    def __init__(self, count: int, kind: str, leave: dict[int, list[int]] | None = None) -> None:
        self.orders = list(range(1, count + 1))
        self.kind = kind
        self.leave = leave or {}
        self.calls = 0

    def say(self, request: Request) -> Any:
        self.calls += 1
        asked = query(request)
        size = 10 if self.kind != "single" else 1000
        at = int(asked.get("at", 0))
        first = (at - 1) * size if self.kind == "page" else at
        page = self.orders[first : first + size]
        more = first + size < len(self.orders)
        told = [self.order(number) for number in page]
        body = {"orders": told, "next": first + size if more else None, "count": len(self.orders)}
        for number in self.leave.get(self.calls, ()):
            self.orders.remove(number)
        return Response(200, {}, json.dumps(body).encode())

    def order(self, number: int) -> dict[str, Any]:
        """An order whose JSON differs in each answer, as a signed link in it does."""
        return {"id": number, "shop": 7, "no": number, "link": self.calls, "lines": []}


def source(folder: Path, shop: PlainShop, once: str = "") -> FakeApi:
    return FakeApi(folder, API.format(paging=PAGINGS[shop.kind], once=once), shop.say)


@pytest.mark.parametrize("kind", ["page", "offset", "cursor"])
def test_an_order_that_moves_up_is_not_missed(tmp_path: Path, kind: str) -> None:
    """The first order is deleted between two pages: the one behind the gap is read all the same."""
    shop = PlainShop(45, kind, {1: [1], 7: [3]})
    plain = source(tmp_path, shop)
    pulled = plain.pull()
    assert pulled.error is None
    assert pulled.finished_at
    assert ids(plain.landing) >= set(shop.orders)


@pytest.mark.parametrize(("kind", "calls"), [("page", 12), ("offset", 10), ("cursor", 10)])
def test_a_quiet_shop_is_read_twice_and_landed_once(tmp_path: Path, kind: str, calls: int) -> None:
    plain = source(tmp_path, PlainShop(45, kind))
    assert plain.pull().orders == 45
    assert len(plain.requests) == calls


@pytest.mark.parametrize("kind", ["offset", "cursor", "single"])
def test_one_page_is_read_once(tmp_path: Path, kind: str) -> None:
    """Nothing moves within one answer."""
    plain = source(tmp_path, PlainShop(9, kind))
    assert plain.pull().error is None
    assert len(plain.requests) == 1


def test_orders_without_an_id_are_told_apart_by_their_text(tmp_path: Path) -> None:
    shop = PlainShop(45, "page")

    def say(request: Request) -> Any:
        body = json.loads(shop.say(request).body)
        told = [{"n": each["no"]} for each in body["orders"]]
        return {"orders": told}

    plain = FakeApi(tmp_path, API.format(paging=PAGINGS["page"], once=""), say)
    assert plain.pull().error is None
    assert len(plain.requests) == 12


def test_what_is_handed_out_once_is_asked_for_once(tmp_path: Path) -> None:
    plain = source(tmp_path, PlainShop(45, "single"), "consume_once = true")
    assert plain.pull().orders == 45
    assert len(plain.requests) == 1
