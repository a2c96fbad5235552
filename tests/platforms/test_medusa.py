"""A Medusa server: its refusals, its pages, the truth, and a server's recorded orders beside."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from orderpull.simulator.shop import PASSWORD, USER, movers
from orderpull.simulator.truth import sku_key, title_column
from tests.platforms.medusa import SECRET_KEY
from tests.platforms.recorded import kinds, needs_recordings, recording
from tests.platforms.registry import platform
from tests.simulator.direct_requests import ask, basic, blank, got, items, told_of

if TYPE_CHECKING:
    from orderpull.simulator.shop.base import Platform

PATH = "/admin/orders"
KEY = {"Authorization": f"Basic {SECRET_KEY}"}
ALL = (
    "id,display_id,version,status,canceled_at,updated_at,total,discount_total,shipping_total,"
    "tax_total,summary,customer_id,email,currency_code,sales_channel.name,*items,*shipping_address"
)


def listed(shop: Platform, **query: object) -> dict[str, Any]:
    return got(ask(shop, PATH, query, headers=KEY))


def walk(shop: Platform, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        told = listed(shop, **{"limit": 50, "offset": len(found), "fields": ALL, **query})
        assert (told["offset"], told["limit"]) == (len(found), 50)
        found += told["orders"]
        if not told["orders"]:
            assert told["count"] == len(found)
            return found


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    shop = platform("medusa", orders=230)
    counted = {}
    for order in walk(shop):
        ship = order["shipping_address"] or {}
        name = " ".join(part for n in ("first_name", "last_name") if (part := blank(ship.get(n))))
        assert (ship.get("country_code") or "").islower() or not ship.get("country_code")
        counted[order["id"]] = {
            "number": str(order["display_id"]),
            "counted": order["status"] != "canceled",
            "country": blank((ship.get("country_code") or "").upper()),
            "line1": blank(ship.get("address_1")),
            "line2": blank(ship.get("address_2")),
            "name": blank(name),
            "postalcode": blank(ship.get("postal_code")),
            "stateprovince": blank(ship.get("province")),
            "city": blank(ship.get("city")),
            "items": items([(item["variant_sku"], item["quantity"]) for item in order["items"]]),
            **money(order),
        }
    truth = shop.truth()["orders"]
    assert len(truth) == 230
    assert counted == told_of(counted, truth)
    back = [item["detail"] for order in walk(shop) for item in order["items"]]
    assert {"return_received_quantity", "return_dismissed_quantity"} <= {
        name for detail in back for name, value in detail.items() if value
    }


def money(order: dict[str, Any]) -> dict[str, Any]:
    """The columns of money and customers: what came back is put to what is left again."""
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in order["items"]:
        lines[sku_key(item["variant_sku"])].append(item)
    titles = {
        sku: next((title for item in found if (title := titled(item))), None)
        for sku, found in lines.items()
    }
    back = sum(
        item[f"return_{name}_total"]
        for item in order["items"]
        for name in ("received", "dismissed")
    )
    return {
        "titles": titles,
        "amounts": {
            sku: hundredths(
                sum(
                    item["total"] + item["return_received_total"] + item["return_dismissed_total"]
                    for item in found
                )
            )
            for sku, found in lines.items()
        },
        "returned": {
            sku: sum(
                item["detail"]["return_received_quantity"]
                + item["detail"]["return_dismissed_quantity"]
                for item in found
            )
            for sku, found in lines.items()
        },
        "currency": order["currency_code"].upper(),
        "total": hundredths(order["total"] + back),
        "discount": hundredths(order["discount_total"]),
        "shipping": hundredths(order["shipping_total"]),
        "tax": hundredths(order["tax_total"]),
        "refunded": hundredths(order["summary"]["refunded_total"]),
        "customer": order["customer_id"],
        "channel": order["sales_channel"] and order["sales_channel"]["name"],
    }


def titled(item: dict[str, Any]) -> str | None:
    """The title of an item with its variant's."""
    parts = [item["product_title"], item["variant_title"]]
    return title_column(" - ".join(part for part in parts if part.strip()))


def hundredths(value: float) -> float:
    return round(value * 100, 2)


def test_by_default_there_are_no_items_and_no_address() -> None:
    shop = platform("medusa")
    told = listed(shop)
    assert (told["limit"], told["offset"], told["count"], len(told["orders"])) == (15, 0, 200, 15)
    assert set(told["orders"][0]) == {
        *("id", "display_id", "custom_display_id", "status", "version", "summary", "total"),
        *("metadata", "locale", "created_at", "updated_at"),
        *("payment_status", "fulfillment_status"),
    }
    ids = [order["id"] for order in listed(shop, order="-id", limit=15)["orders"]]
    assert [order["id"] for order in told["orders"]] == ids


ALWAYS = {"id", "payment_status", "fulfillment_status"}


@pytest.mark.parametrize(
    ("fields", "there", "gone"),
    [
        ("id,status", {"status"}, {"total", "items"}),
        ("*items", {"items", "total"}, {"shipping_address"}),
        ("+email", {"email", "total"}, {"items"}),
        ("-total", {"status"}, {"total", "items"}),
        ("id,*shipping_address", {"shipping_address"}, {"status"}),
    ],
)
def test_fields(fields: str, there: set[str], gone: set[str]) -> None:
    order = listed(platform("medusa"), fields=fields)["orders"][0]
    assert there | ALWAYS <= set(order)
    assert not gone & set(order)


def test_fields_of_relations() -> None:
    shop = platform("medusa")
    fields = "id,items.quantity,items.variant_sku"
    order = listed(shop, fields=fields, order="id", offset=1)["orders"][0]
    assert {frozenset(item) for item in order["items"]} == {
        frozenset({"id", "quantity", "variant_sku"})
    }


@pytest.mark.parametrize(
    "query",
    [
        {"fields": "id,nothing"},
        {"order": "total_price"},
        {"limit": "ten"},
        {"updated_at[$after]": "2026-01-01"},
        {"updated_at[$gte]": "yesterday"},
        {"page": 2},
    ],
)
def test_refusals(query: dict[str, object]) -> None:
    told = got(ask(platform("medusa"), PATH, query, headers=KEY), 400)
    assert (told["type"], bool(told["message"])) == ("invalid_data", True)


def test_signing_in() -> None:
    shop = platform("medusa", expires_after=2)
    for key in (KEY, basic(SECRET_KEY, "")):
        assert ask(shop, PATH, headers=key).status == 200
    assert got(ask(shop, PATH), 401) == {"message": "Unauthorized"}
    assert ask(shop, PATH, headers=basic("sk_other", "")).status == 401
    right = {"email": USER, "password": PASSWORD}
    token = got(ask(shop, "/auth/user/emailpass", method="POST", body=right))["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert [ask(shop, PATH, headers=bearer).status for _ in range(3)] == [200, 200, 401]
    wrong = ask(shop, "/auth/user/emailpass", method="POST", body={**right, "password": "x"})
    assert got(wrong, 401)["type"] == "unauthorized"
    assert shop.calls == {"list": 7, "token": 2}


def test_bounds_are_what_the_operator_says() -> None:
    shop = platform("medusa", same_stamp=0)
    orders = walk(shop, order="updated_at")
    stamps = [order["updated_at"] for order in orders]
    assert stamps == sorted(stamps)
    assert any(not stamp.endswith("000Z") for stamp in stamps)
    for lower, first in (("$gte", 20), ("$gt", 21)):
        for upper, last in (("$lte", 41), ("$lt", 40)):
            bounds = {f"updated_at[{lower}]": stamps[20], f"updated_at[{upper}]": stamps[40]}
            assert walk(shop, order="updated_at", **bounds) == orders[first:last]
    created = {
        "created_at[$lt]": got(ask(shop, f"{PATH}/{orders[0]['id']}", headers=KEY))["order"][
            "created_at"
        ]
    }
    assert all(order["id"] < orders[0]["id"] for order in walk(shop, **created))


def test_orders_of_one_instant_may_stand_in_any_order() -> None:
    query = {"order": "updated_at", "limit": 200, "fields": "id"}
    still = platform("medusa", same_stamp=60)
    assert listed(still, **query) == listed(still, **query)
    shuffled = platform("medusa", same_stamp=60, shuffle_ties=True)
    first, second = listed(shuffled, **query), listed(shuffled, **query)
    assert first != second
    assert sorted(o["id"] for o in first["orders"]) == sorted(o["id"] for o in second["orders"])


def test_versions_status_and_deleted_ones() -> None:
    moves = {1: [movers.modify(2), movers.cancel(1)], 2: movers.delete(1)}
    shop = platform("medusa", moves=moves, orders=40)
    query = {"order": "id", "limit": 50, "fields": ALL}
    before, after = (listed(shop, **query)["orders"] for _ in range(2))
    assert [order["version"] for order in after[:4]] == [2, 2, 2, 1]
    assert [o["updated_at"] > p["updated_at"] for o, p in zip(after[:4], before, strict=False)] == [
        True
    ] * 3 + [False]
    assert after[2]["status"] == "canceled"
    assert after[2]["canceled_at"] == after[2]["updated_at"]
    assert listed(shop, **query)["count"] == 39
    assert listed(shop, with_deleted="true")["count"] == 40
    canceled = listed(shop, **{"status[]": "canceled", "order": "id"})
    assert {order["status"] for order in canceled["orders"]} == {"canceled"}
    assert canceled["count"] == 2


def test_one_order() -> None:
    shop = platform("medusa")
    told = shop.store.odd["long"]
    order = got(ask(shop, f"{PATH}/{told}", {"fields": "*items"}, headers=KEY))["order"]
    assert len(order["items"]) == 60
    assert got(ask(shop, f"{PATH}/order_1", headers=KEY), 404)["type"] == "not_found"
    assert ask(shop, "/admin/products", headers=KEY).status == 404
    assert ask(shop, PATH, method="POST", headers=KEY).status == 404


@needs_recordings
def test_orders_have_the_keys_and_kinds_of_recorded_ones() -> None:
    asked = recording("medusa", "page-1.request.json")["path"]
    orders = got(ask(platform("medusa"), asked, headers=KEY))["orders"]
    order = next(
        order
        for order in orders
        if order["items"]
        and (ship := order["shipping_address"])
        and ship["province"]
        and ship["city"]
    )
    (recorded, *_) = recording("medusa", "page-1.json")["orders"]
    ours, theirs = kinds(order), kinds(recorded)
    assert set(ours) == set(theirs)
    for told in (ours, theirs):  # nothing, or something
        told["items"][0].update(tax_lines=[], adjustments=[])
        told["items"][0]["detail"].pop("raw_unit_price")
        told["items"][0]["detail"].pop("unit_price")
    assert ours == theirs
