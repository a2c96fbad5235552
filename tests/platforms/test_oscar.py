"""A django-oscar-api shop: its links, its pages, its refusals, and the truth beside its JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from orderpull.simulator.shop import PASSWORD, USER
from orderpull.simulator.truth import sku_key
from tests.platforms.registry import platform
from tests.simulator.direct_requests import ask, basic, blank, got, items, told_of

if TYPE_CHECKING:
    from orderpull.simulator.shop.base import Platform

ORDERS = "/api/admin/orders/"
STAFF = basic(USER, PASSWORD)
DISCOUNTS = ("offer_discounts", "voucher_discounts")


def behind(shop: Platform, link: str) -> Any:
    """The JSON behind *link*, which is on the shop's own host."""
    path, _, query = link.removeprefix("http://shop.test").partition("?")
    assert path.startswith("/api/")
    given = dict(parse_qsl(query))
    return got(ask(shop, path, given, headers=STAFF))


def walk(shop: Platform, link: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following: str | None = link
    while following:
        page = behind(shop, following)
        assert len(page["results"]) <= 10
        found += page["results"]
        assert page["count"] >= len(found)
        following = page["next"]
    return found


def test_the_truth_agrees_with_a_recount_behind_the_links() -> None:
    shop = platform("oscar", orders=60)
    counted = {}
    for order in walk(shop, ORDERS):
        lines, amounts = [], dict[str, int]()
        for line in walk(shop, order["lines"]):
            stock = line["stockrecord"]
            sku = behind(shop, stock)["partner_sku"] if stock else None
            lines.append((sku, line["quantity"]))
            amounts[sku_key(sku)] = amounts.get(sku_key(sku), 0) + cents(line["price_incl_tax"])
        address = order["shipping_address"] or {}
        country = address.get("country")
        counted[order["url"].split("/")[-2]] = {
            "number": order["number"],
            "counted": order["status"] != "Cancelled",
            "country": country and country.split("/")[-2],
            "city": blank(address.get("line4") or ""),
            "items": items(lines),
            "amounts": amounts,
            "total": cents(order["total_incl_tax"]),
            "tax": cents(order["total_incl_tax"]) - cents(order["total_excl_tax"]),
            "shipping": cents(order["shipping_incl_tax"]),
            "discount": sum(
                cents(each["amount"]) for kind in DISCOUNTS for each in order[kind]
            ),
            "customer": order["owner"].split("/")[-2] if order["owner"] else order["email"] or None,
        }  # fmt: skip
    assert counted == told_of(counted, shop.truth()["orders"])


def cents(text: str) -> int:
    return round(Decimal(text) * 100)


def test_the_newest_come_first_and_pages_name_their_neighbours() -> None:
    shop = platform("oscar", orders=25)
    placed = [order["date_placed"] for order in walk(shop, ORDERS)]
    assert placed == sorted(placed, reverse=True)
    second = behind(shop, f"http://shop.test{ORDERS}?page=2")
    assert second["previous"] == f"http://shop.test{ORDERS}"
    assert second["next"] == f"http://shop.test{ORDERS}?page=3"
    assert behind(shop, second["next"])["next"] is None


def test_a_project_without_pagination_answers_whole_lists() -> None:
    shop = platform("oscar", orders=25, page_size=None)
    orders = got(ask(shop, ORDERS, headers=STAFF))
    assert len(orders) == 25
    assert isinstance(behind(shop, orders[0]["lines"]), list)


@pytest.mark.parametrize(
    ("path", "query", "headers", "status", "detail"),
    [
        (ORDERS, {}, {}, 403, "Authentication credentials were not provided."),
        (ORDERS, {}, basic(USER, "wrong"), 403, "Invalid username/password."),
        (ORDERS, {"page": "9"}, STAFF, 404, "Invalid page."),
        ("/api/admin/orders", {}, STAFF, 404, "Not found."),
        ("/api/products/1/stockrecords/9999/", {}, STAFF, 404, "Not found."),
    ],
)
def test_refusals(
    path: str, query: dict[str, object], headers: dict[str, str], status: int, detail: str
) -> None:
    response = ask(platform("oscar", orders=25), path, query, headers=headers)
    assert got(response, status) == {"detail": detail}


def test_the_admin_api_is_blocked_at_first() -> None:
    assert ask(platform("oscar", blocked=True), ORDERS, headers=STAFF).status == 403
