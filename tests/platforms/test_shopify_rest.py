"""A Shopify shop asked by REST: its refusals, its linked pages, its bucket, and the truth."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, TOKEN, movers
from tests.platforms.registry import platform
from tests.simulator.direct_requests import ask, blank, cents, got, items, titles, told_of

if TYPE_CHECKING:
    from orderpull.simulator.profile import Response
    from orderpull.simulator.shop.base import Platform

PATH = "/admin/api/2026-10/orders.json"
KEY = {"X-Shopify-Access-Token": TOKEN}


def links(response: Response) -> dict[str, dict[str, str]]:
    """The parameters of each linked page, by its rel."""
    found = re.findall(r'<([^>]+)>; rel="(\w+)"', response.headers.get("Link", ""))
    assert all(url.startswith(f"http://shop.test{PATH}?") for url, _ in found)
    return {rel: dict(parse_qsl(urlsplit(url).query)) for url, rel in found}


def walk(shop: Platform, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    asked: dict[str, object] = {"limit": 50, **query}
    while True:
        response = ask(shop, PATH, asked, headers=KEY)
        found += got(response)["orders"]
        following = links(response).get("next")
        if following is None:
            return found
        asked = dict(following)


ASC = {"order": "updated_at asc", "status": "any"}


def money_of(order: dict[str, Any]) -> dict[str, Any]:
    lines = order["line_items"]
    refunded = [line for each in order["refunds"] for line in each["refund_line_items"]]
    sku_of = {line["id"]: line["sku"] for line in lines}
    removed = [line for line in refunded if line["restock_type"] == "cancel"]
    back = [(sku_of[r["line_item_id"]], r["quantity"]) for r in refunded if r not in removed]
    left = [(line["sku"], line["current_quantity"]) for line in lines]
    amounts = [
        (
            line["sku"],
            cents(line["price"]) * line["quantity"]
            - sum(cents(each["amount"]) for each in line["discount_allocations"]),
        )
        for line in lines
    ] + [(sku_of[line["line_item_id"]], -cents(line["subtotal"])) for line in removed]
    payments = [
        each
        for refund in order["refunds"]
        for each in refund["transactions"]
        if (each["kind"], each["status"]) == ("refund", "success")
    ]
    return {
        "items": items(left + back),
        "items_current": items(left + back),
        "titles": titles([(line["sku"], line["name"]) for line in lines]),
        "amounts": items(amounts),
        "returned": items([*((sku, 0) for sku, _ in left), *back]),
        "currency": order["currency"],
        "channel": order["source_name"],
        "total": cents(order["total_price"]),
        "discount": cents(order["total_discounts"]),
        "shipping": cents(order["total_shipping_price_set"]["shop_money"]["amount"]),
        "tax": cents(order["total_tax"]),
        "refunded": sum(cents(each["amount"]) for each in payments),
        "customer": str(order["customer"]["id"]) if "customer" in order else order["email"] or None,
    }


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    shop = platform("shopify-rest", orders=230)
    counted = {}
    for order in walk(shop, **ASC):
        if order["test"]:
            continue
        ship = order.get("shipping_address", {})
        lines = order["line_items"]
        counted[str(order["id"])] = {
            "number": order["name"],
            "counted": order["cancelled_at"] is None,
            "country": blank(ship.get("country_code")),
            "line1": blank(ship.get("address1")),
            "line2": blank(ship.get("address2")),
            "name": blank(ship.get("name")),
            "postalcode": blank(ship.get("zip")),
            "stateprovince": blank(ship.get("province_code")),
            "city": blank(ship.get("city")),
            "items_ordered": items([(line["sku"], line["quantity"]) for line in lines]),
            **money_of(order),
        }
    assert counted == told_of(counted, shop.truth()["orders"])
    assert (len(counted), shop.calls["list"]) == (229, 5)


def test_only_open_orders_come_unless_any_are_asked_for() -> None:
    shop = platform("shopify-rest")
    every, default = walk(shop, status="any"), walk(shop)
    assert len(every) == 200
    gone = [order for order in every if order not in default]
    assert len(gone) == 2
    assert all(order["cancelled_at"] or order["closed_at"] for order in gone)
    assert walk(shop, status="cancelled") + walk(shop, status="closed") == sorted(
        gone, key=lambda order: not order["cancelled_at"]
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 250}, 200),
        ({"limit": 251}, 400),
        ({"limit": 0}, 400),
        ({"status": "all"}, 400),
        ({"updated_at_min": "yesterday"}, 400),
        ({"page_info": "x"}, 400),
    ],
)
def test_refusals(query: dict[str, object], status: int) -> None:
    response = ask(platform("shopify-rest"), PATH, query, headers=KEY)
    assert response.status == status
    assert status == 200 or set(got(response, 400)["errors"]) == set(query)


def test_beside_page_info_only_limit_and_fields_may_stand() -> None:
    shop = platform("shopify-rest")
    first = ask(shop, PATH, {"limit": 10, **ASC}, headers=KEY)
    page = links(first)["next"]
    assert set(page) == {"limit", "page_info"}
    assert ask(shop, PATH, page, headers=KEY).status == 200
    some = got(ask(shop, PATH, {**page, "fields": "id,name", "limit": 3}, headers=KEY))["orders"]
    assert [set(order) for order in some] == [{"id", "name"}] * 3
    for more in ({"status": "any"}, {"updated_at_min": "2026-01-01"}, {"order": "id asc"}):
        told = got(ask(shop, PATH, {**page, **more}, headers=KEY), 400)
        (why,) = told["errors"].values()
        assert why.endswith("cannot be passed when page_info is present")


def test_pages_are_linked_both_ways() -> None:
    shop = platform("shopify-rest", orders=100)
    answers = [ask(shop, PATH, {"limit": 40, **ASC}, headers=KEY)]
    while "next" in links(answers[-1]):
        answers.append(ask(shop, PATH, links(answers[-1])["next"], headers=KEY))
    assert [sorted(links(response)) for response in answers] == [
        ["next"],
        ["next", "previous"],
        ["previous"],
    ]
    back = ask(shop, PATH, links(answers[2])["previous"], headers=KEY)
    assert got(back) == got(answers[1])
    assert got(ask(shop, PATH, links(back)["previous"], headers=KEY)) == got(answers[0])
    assert "Link" not in ask(shop, PATH, {"limit": 250, **ASC}, headers=KEY).headers


def test_bounds_are_inclusive_and_have_offsets() -> None:
    shop = platform("shopify-rest", same_stamp=0)
    orders = walk(shop, **ASC)
    stamps = [order["updated_at"] for order in orders]
    assert all(stamp.endswith("-04:00") for stamp in stamps)
    moments = [datetime.fromisoformat(stamp) for stamp in stamps]
    assert moments == sorted(moments)
    bounds = {"updated_at_min": stamps[20], "updated_at_max": stamps[40]}
    assert walk(shop, **ASC, **bounds) == orders[20:41]
    one = orders[7]
    assert walk(shop, status="any", ids=one["id"]) == [one]
    assert walk(shop, status="any", name=one["name"]) == [one]
    later = walk(shop, status="any", since_id=one["id"], order="id asc")
    assert [order["id"] for order in later] == sorted(
        o["id"] for o in orders if o["id"] > one["id"]
    )
    created = walk(shop, status="any", created_at_min=one["created_at"])
    assert {order["id"] for order in created} == {one["id"], *(order["id"] for order in later)}


def test_an_order_without_address_has_no_such_member() -> None:
    shop = platform("shopify-rest")
    orders = {str(order["id"]): order for order in walk(shop, status="any")}
    assert "shipping_address" not in orders[shop.store.odd["digital"]]
    assert sum("shipping_address" not in order for order in orders.values()) < 20


def test_the_newest_come_first_by_default() -> None:
    created = [order["created_at"] for order in walk(platform("shopify-rest"))]
    assert created == sorted(created, reverse=True)


def test_calls_fill_a_bucket() -> None:
    shop = platform("shopify-rest", bucket=3, leaks=0.5, step=0)
    answers = [ask(shop, PATH, {"limit": 1}, headers=KEY) for _ in range(5)]
    limits = [response.headers["X-Shopify-Shop-Api-Call-Limit"] for response in answers]
    assert limits == ["1/3", "2/3", "3/3", "3/3", "3/3"]
    assert [response.status for response in answers] == [200, 200, 200, 429, 200]
    assert answers[3].headers["Retry-After"] == "2.0"
    assert "Exceeded 2 calls per second" in got(answers[3], 429)["errors"]
    refused = ask(platform("shopify-rest", refuse=[1]), PATH, headers=KEY)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1.0")


def test_access() -> None:
    shop = platform("shopify-rest", permanent=False, expires_after=1)
    assert got(ask(shop, PATH, headers=KEY), 401)["errors"].startswith("[API] Invalid API key")
    body = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grant_type": "client_credentials",
    }
    told = got(ask(shop, "/admin/oauth/access_token", method="POST", body=body))
    key = {"X-Shopify-Access-Token": told["access_token"]}
    assert [ask(shop, PATH, headers=key).status for _ in range(2)] == [200, 401]
    hidden = platform("shopify-rest", days=120, read_all_orders=False)
    assert 90 <= len(walk(hidden, status="any")) <= 110


def test_one_order_a_count_and_wrong_paths() -> None:
    shop = platform("shopify-rest")
    told = got(ask(shop, "/admin/api/2026-10/orders/450789470.json", headers=KEY))
    assert told["order"]["name"] == "#1002"
    counted = "/admin/api/2026-10/orders/count.json?status=any"
    assert got(ask(shop, counted, headers=KEY)) == {"count": 200}
    middle = sorted(order.modified for order in shop.store.orders.values())[50]
    later = f"{counted}&updated_at_min={middle:%Y-%m-%dT%H:%M:%SZ}"
    assert got(ask(shop, later, headers=KEY)) == {"count": 150}
    for path in ("/admin/api/2026-10/orders/1.json", "/admin/orders.json", "/x"):
        assert ask(shop, path, headers=KEY).status == 404
    assert shop.calls == {"child": 4, "other": 2}


def test_changes_do_not_shift_linked_pages() -> None:
    shop = platform("shopify-rest", orders=120, moves={1: movers.modify(7), 2: movers.delete(3)})
    found = {str(order["id"]) for order in walk(shop, **ASC)}
    assert found >= set(shop.truth()["orders"])
