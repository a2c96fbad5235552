"""A WooCommerce shop: its refusals, its pages, and the truth beside a recount of its JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, movers
from tests.platforms.first_pages import WOO_IN_QUERY, WOO_PATH
from tests.platforms.registry import platform
from tests.simulator.direct_requests import ask, basic, blank, cents, got, items, titles, told_of

if TYPE_CHECKING:
    from orderpull.simulator.shop.base import Platform

KEYS = basic(CLIENT_ID, CLIENT_SECRET)


def walk(shop: Platform, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, 50):
        given = {"per_page": 100, "page": page, **query}
        orders = got(ask(shop, WOO_PATH, given, headers=KEYS))
        if not orders:
            return found
        found += orders
    raise AssertionError("the list never ended")


def money_of(shop: Platform, order: dict[str, Any]) -> dict[str, Any]:
    lines = order["line_items"]
    refunds = []
    if order["refunds"]:
        refunds = got(ask(shop, f"{WOO_PATH}/{order['id']}/refunds", headers=KEYS))
    back = [(line["sku"], -line["quantity"]) for each in refunds for line in each["line_items"]]
    refunded = sum(cents(each["total"]) for each in order["refunds"])
    assert refunded == -sum(cents(each["amount"]) for each in refunds)
    return {
        "titles": titles([(line["sku"], line["name"]) for line in lines]),
        "amounts": items([(line["sku"], cents(line["total"])) for line in lines]),
        "returned": items([*((line["sku"], 0) for line in lines), *back]),
        "currency": order["currency"],
        "channel": order["created_via"] or None,
        "total": cents(order["total"]),
        "discount": cents(order["discount_total"]),
        "shipping": cents(order["shipping_total"]),
        "tax": cents(order["total_tax"]),
        "refunded": -refunded,
        "customer": str(order["customer_id"] or order["billing"]["email"]) or None,
    }


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    shop = platform("woocommerce", orders=230)
    movers.remove(20, served=False)(shop.store)
    movers.send_back(20, served=False)(shop.store)
    counted = {}
    for order in walk(shop):
        ship = order["shipping"]
        name = " ".join(part for part in (ship["first_name"], ship["last_name"]) if part.strip())
        counted[str(order["id"])] = {
            "number": order["number"],
            "counted": order["status"] != "cancelled",
            "country": blank(ship["country"]),
            "line1": blank(ship["address_1"]),
            "line2": blank(ship["address_2"]),
            "name": blank(name),
            "postalcode": blank(ship["postcode"]),
            "stateprovince": blank(ship["state"]),
            "city": blank(ship["city"]),
            "items": items([(line["sku"], line["quantity"]) for line in order["line_items"]]),
            **money_of(shop, order),
        }
    truth = shop.truth()["orders"]
    assert len(truth) == 230
    assert counted == told_of(counted, truth)


def test_headers_tell_the_total_and_the_neighbours() -> None:
    shop = platform("woocommerce", orders=230)
    first = ask(shop, WOO_PATH, {"per_page": 100, "orderby": "id"}, headers=KEYS)
    assert (first.headers["X-WP-Total"], first.headers["X-WP-TotalPages"]) == ("230", "3")
    assert first.headers["Link"] == (
        f'<http://shop.test{WOO_PATH}?per_page=100&orderby=id&page=2>; rel="next"'
    )
    middle = ask(shop, WOO_PATH, {"per_page": 100, "page": 2}, headers=KEYS)
    assert 'rel="prev", <' in middle.headers["Link"]
    last = ask(shop, WOO_PATH, {"per_page": 100, "page": 3}, headers=KEYS)
    assert len(got(last)) == 30
    assert 'rel="next"' not in last.headers["Link"]
    assert got(ask(shop, WOO_PATH, {"page": 99}, headers=KEYS)) == []
    assert len(got(ask(shop, WOO_PATH, headers=KEYS))) == 10
    assert len(got(ask(shop, WOO_PATH, {"offset": 225}, headers=KEYS))) == 5


def test_the_default_is_the_newest_first() -> None:
    orders = walk(platform("woocommerce"))
    stamps = [order["date_created_gmt"] for order in orders]
    assert stamps == sorted(stamps, reverse=True)
    modified = [
        (order["date_modified_gmt"], order["id"])
        for order in walk(platform("woocommerce"), orderby="modified", order="asc")
    ]
    assert modified == sorted(modified)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"per_page": 100}, 200, None),
        ({"per_page": 101}, 400, "rest_invalid_param"),
        ({"per_page": 0}, 400, "rest_invalid_param"),
        ({"page": 0}, 400, "rest_invalid_param"),
        ({"page": "one"}, 400, "rest_invalid_param"),
        ({"orderby": "total"}, 400, "rest_invalid_param"),
        ({"order": "up"}, 400, "rest_invalid_param"),
        ({"status": "open"}, 400, "rest_invalid_param"),
        ({"modified_after": "yesterday"}, 400, "rest_invalid_param"),
    ],
)
def test_refusals(query: dict[str, object], status: int, code: str | None) -> None:
    response = ask(platform("woocommerce"), WOO_PATH, query, headers=KEYS)
    told = got(response, status)
    assert code is None or (told["code"], told["data"]["status"]) == (code, status)


def test_an_old_site_cannot_sort_by_modified() -> None:
    query = {"orderby": "modified"}
    assert ask(platform("woocommerce"), WOO_PATH, query, headers=KEYS).status == 200
    assert ask(platform("woocommerce", old=True), WOO_PATH, query, headers=KEYS).status == 400


def test_signing_in_by_header_or_query() -> None:
    shop = platform("woocommerce")
    assert ask(shop, WOO_PATH, WOO_IN_QUERY).status == 200
    assert got(ask(shop, WOO_PATH), 401)["code"] == "woocommerce_rest_cannot_view"
    assert ask(shop, WOO_PATH, {**WOO_IN_QUERY, "consumer_secret": "x"}).status == 401
    strips = platform("woocommerce", strips_authorization=True)
    assert ask(strips, WOO_PATH, headers=KEYS).status == 401
    assert ask(strips, WOO_PATH, WOO_IN_QUERY).status == 200


@pytest.mark.parametrize("gmt", [True, False])
@pytest.mark.parametrize("suffix", ["", "Z", "+05:00"])
def test_bounds_are_exclusive_and_local_unless_told_otherwise(gmt: bool, suffix: str) -> None:
    shop = platform("woocommerce", same_stamp=0, timezone="Asia/Tokyo")
    ids = [order["id"] for order in walk(shop, orderby="modified", order="asc")]
    stamps = {order.key: order.modified for order in shop.store.orders.values()}
    zone = UTC if gmt else ZoneInfo("Asia/Tokyo")
    lower, upper = (
        f"{stamps[ids[place]].astimezone(zone):%Y-%m-%dT%H:%M:%S}{suffix}" for place in (20, 40)
    )
    query: dict[str, object] = {"modified_after": lower, "modified_before": upper}
    if gmt:
        query["dates_are_gmt"] = "true"
    assert [o["id"] for o in walk(shop, orderby="modified", order="asc", **query)] == ids[21:40]


def test_created_bounds_too() -> None:
    shop = platform("woocommerce")
    ids = [order["id"] for order in walk(shop, orderby="id", order="asc")]
    stamp = shop.store.orders[ids[50]].created
    query = {"after": f"{stamp:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"}
    assert sorted(order["id"] for order in walk(shop, **query)) == ids[51:]


def test_times_stand_twice_and_without_a_zone() -> None:
    shop = platform("woocommerce", timezone="America/New_York")
    order = walk(shop)[0]
    gmt = datetime.fromisoformat(order["date_modified_gmt"])
    assert gmt - datetime.fromisoformat(order["date_modified"]) == timedelta(hours=4)
    assert gmt.tzinfo is None


def test_blank_is_an_empty_text_and_a_lost_product_has_no_sku() -> None:
    shop = platform("woocommerce")
    orders = {str(order["id"]): order for order in walk(shop)}
    nowhere = orders[shop.store.odd["no-address"]]["shipping"]
    assert set(nowhere.values()) == {""}
    skus = [line["sku"] for line in orders[shop.store.odd["no-sku"]]["line_items"]]
    assert skus == [None, "", "  ", "WITH-1"]
    kinds = {type(line["price"]) for order in orders.values() for line in order["line_items"]}
    assert kinds == {int, float}


def test_refunds_stand_beside_the_lines() -> None:
    shop = platform("woocommerce")
    told = shop.store.odd["refunded"]
    order = got(ask(shop, f"{WOO_PATH}/{told}", headers=KEYS))
    assert order["refunds"][0]["total"].startswith("-")
    assert [line["quantity"] for line in order["line_items"]] == [1, 2]
    refunds = got(ask(shop, f"{WOO_PATH}/{told}/refunds", headers=KEYS))
    assert refunds[0]["line_items"][0]["quantity"] == -1
    assert got(ask(shop, f"{WOO_PATH}/700/refunds", headers=KEYS)) == []
    assert ask(shop, f"{WOO_PATH}/1", headers=KEYS).status == 404
    assert ask(shop, f"{WOO_PATH}/700/notes", headers=KEYS).status == 404
    assert shop.calls["child"] == 5


def test_numbers_drafts_and_the_trash() -> None:
    shop = platform("woocommerce", plugin_numbers=True, drafts=True, moves={1: movers.delete(2)})
    assert all(order["number"].startswith("WC-2026-") for order in walk(shop, status="any"))
    trash = walk(shop, status="trash")
    assert {str(order["id"]) for order in trash} == set(shop.truth()["deleted"])
    assert len(trash) == 2
    (draft,) = walk(shop, status="checkout-draft")
    assert shop.truth()["aside"][str(draft["id"])]["state"] == "draft"


def test_a_renamed_product_rewrites_history_silently() -> None:
    shop = platform("woocommerce", moves={1: movers.change_sku(1, silently=True)})
    query = {"orderby": "modified", "order": "asc", "per_page": 100}
    before, after = (got(ask(shop, WOO_PATH, query, headers=KEYS)) for _ in range(2))
    changed = [new for old, new in zip(before, after, strict=True) if new != old]
    assert len(changed) == 1
    assert changed[0]["line_items"][0]["sku"].startswith("RENAMED-")


def test_bad_hosts() -> None:
    noisy = ask(platform("woocommerce", notice=True), WOO_PATH, headers=KEYS)
    assert noisy.body.startswith(b"<br />\n<b>Notice</b>")
    shop = platform("woocommerce", refuse=[1])
    refused = ask(shop, WOO_PATH, headers=KEYS)
    assert (refused.status, refused.content_type, refused.headers) == (429, "text/html", {})


def test_only_some_fields_or_orders() -> None:
    shop = platform("woocommerce")
    some = got(ask(shop, WOO_PATH, {"_fields": "id,number", "include": "700,705,9"}, headers=KEYS))
    assert some == [{"id": 705, "number": "705"}, {"id": 700, "number": "700"}]


def test_wrong_routes() -> None:
    shop = platform("woocommerce")
    assert got(ask(shop, "/wp-json/wc/v3/order"), 404)["code"] == "rest_no_route"
    assert ask(shop, WOO_PATH, method="POST", headers=KEYS).status == 404
