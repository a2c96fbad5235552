"""Extensiv Order Manager: its refusals, its pages, its sign-in, and the truth beside its JSON."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from orderpull.simulator.places import COUNTRIES
from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, TOKEN, movers
from orderpull.simulator.truth import sku_key, title_column
from tests.platforms.registry import platform
from tests.simulator.direct_requests import ask, basic, blank, got, items, told_of

if TYPE_CHECKING:
    from orderpull.simulator.shop.base import Platform

PATH = "/v1.1/orders"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BACK = "http://localhost:9000/back?x=1"
CODES = {
    written.strip().lower(): country.code
    for country in COUNTRIES
    for written in (country.code, country.iso3, country.name)
}


def listed(shop: Platform, **query: object) -> list[dict[str, Any]]:
    return got(ask(shop, PATH, query, headers=BEARER))


def walk(shop: Platform, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, 50):
        orders = listed(shop, **{"limit": 50, "page": page, **query})
        if not orders:
            return found
        found += orders
    raise AssertionError("the list never ended")


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    shop = platform("extensiv", orders=230)
    counted, forms, without_product = {}, set(), 0
    for order in walk(shop):
        if order["orderStatus"] == "FBA_Inbound_Shipment_Plan":
            continue
        lines = order["orderItems"] or []
        without_product += sum(line["product"] is None for line in lines)
        country = order["shipCountry"]
        forms.add(country)
        counted[str(order["orderId"])] = {
            "number": order["orderNumber"],
            "counted": order["orderStatus"] != "Cancelled",
            "country": CODES.get((country or "").lower(), blank(country)),
            "line1": blank(order["shipAddress1"]),
            "line2": blank(order["shipAddress2"]),
            "name": blank(order["shipName"]),
            "postalcode": blank(order["shipZipCode"]),
            "stateprovince": blank(order["shipState"]),
            "city": blank(order["shipCity"]),
            "items": items(
                [
                    (
                        (ln["product"] or {}).get("masterSku", ln["listingSku"]),
                        ln["quantityOrdered"],
                    )
                    for ln in lines
                ]
            ),
            **money(order),
        }
    truth = shop.truth()
    assert set(truth["aside"]) == {shop.store.odd["test"]}
    assert {"US", "USA", "United States", "us", None} <= forms
    assert without_product > 20
    assert counted == told_of(counted, truth["orders"])
    assert len(counted) == 229


def money(order: dict[str, Any]) -> dict[str, Any]:
    """The columns of money, titles and customers, in hundredths."""
    titles: dict[str, str | None] = {}
    amounts: dict[str, int] = defaultdict(int)
    lines = order["orderItems"] or []
    for line in lines:
        sku = sku_key(line["listingSku"])
        titles[sku] = titles.get(sku) or title_column(line["listingName"])
        price = cents(line["unitPrice"]) * line["quantityOrdered"]
        amounts[sku] += price - (cents(line["discount"]) if line["discount"] else 0)
    customer = order["customer"] and str(order["customer"]["customerId"])
    return {
        "titles": titles,
        "amounts": dict(amounts),
        "total": cents(order["orderTotal"]),
        "discount": cents(order["discount"]),
        "shipping": cents(order["shippingCost"]),
        "tax": sum(cents(line["tax"]) for line in lines) if lines else None,
        "channel": order["salesChannel"] and order["salesChannel"]["name"],
        "customer": customer or order["shipEmail"],
    }


def cents(money: dict[str, Any]) -> int:
    return round(money["amount"] * 100)


def test_no_lines_are_null_and_money_has_cents() -> None:
    shop = platform("extensiv")
    orders = {str(order["orderId"]): order for order in walk(shop)}
    assert orders[shop.store.odd["no-lines"]]["orderItems"] is None
    amounts = [order["orderTotal"]["amount"] for order in orders.values()]
    assert any(amount % 1 for amount in amounts)
    assert {type(amount) for amount in amounts} == {float}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 500}, 200),
        ({"limit": 501}, 400),
        ({"limit": 0}, 400),
        ({"page": 0}, 400),
        ({"modifiedDateFrom": "2026-05-01T00:00:00Z"}, 200),
        ({"modifiedDateFrom": "2026-05-01T00:00:00.000Z"}, 400),
        ({"modifiedDateTo": "2026-05-01T00:00:00+00:00"}, 400),
        ({"modifiedDateTo": "May"}, 400),
        ({"modified_from": "2026-05-01T00:00:00Z"}, 400),
    ],
)
def test_refusals(query: dict[str, object], status: int) -> None:
    response = ask(platform("extensiv"), PATH, query, headers=BEARER)
    assert response.status == status
    assert status == 200 or got(response, 400)["errors"][0]["message"]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("upper", [True, False])
def test_bounds_can_be_either(lower: bool, upper: bool) -> None:
    shop = platform(
        "extensiv", lower_inclusive=lower, upper_inclusive=upper, same_stamp=0, sort="modified"
    )
    orders = walk(shop)
    bounds = {
        "modifiedDateFrom": orders[20]["modifiedDate"],
        "modifiedDateTo": orders[40]["modifiedDate"],
    }
    assert walk(shop, **bounds) == orders[20 if lower else 21 : 41 if upper else 40]


def test_times_may_have_fractions() -> None:
    whole = walk(platform("extensiv"))[3]["modifiedDate"]
    assert len(whole) == len("2026-05-01T00:00:00Z")
    stamps = [order["modifiedDate"] for order in walk(platform("extensiv", fractions=True))]
    assert any(not stamp.endswith(".000Z") for stamp in stamps)
    assert all(len(stamp) == len("2026-05-01T00:00:00.000Z") for stamp in stamps)


def test_the_order_may_change_from_call_to_call() -> None:
    still = platform("extensiv")
    assert listed(still) == listed(still)
    shuffled = platform("extensiv", shuffled=True)
    assert listed(shuffled, limit=500) != listed(shuffled, limit=500)
    assert len({order["orderId"] for order in walk(shuffled)}) < 200


@pytest.mark.parametrize("casing", ["as-is", "upper", "lower", "plain"])
def test_statuses_in_every_casing(casing: str) -> None:
    found = {order["orderStatus"] for order in walk(platform("extensiv", casing=casing))}
    wanted = {
        "as-is": "FBA_Inbound_Shipment_Plan",
        "upper": "FBA_INBOUND_SHIPMENT_PLAN",
        "lower": "fba_inbound_shipment_plan",
        "plain": "FBA Inbound Shipment Plan",
    }
    assert wanted[casing] in found
    assert any(status.lower() == "cancelled" for status in found)


def test_the_quota_tells_its_wait_in_milliseconds() -> None:
    shop = platform("extensiv", quota=2, quota_wait=250)
    answers = [ask(shop, PATH, headers=BEARER) for _ in range(5)]
    assert [response.status for response in answers] == [200, 200, 429, 200, 200]
    assert answers[2].headers == {"x-skubana-quota-retryAfter": "250"}
    refused = ask(platform("extensiv", refuse=[1]), PATH, headers=BEARER)
    assert refused.headers == {"x-skubana-quota-retryAfter": "1500"}


def exchange(shop: Platform, code: str, secret: str = CLIENT_SECRET, back: str = BACK) -> Any:
    query = {"grant_type": "authorization_code", "redirect_uri": back, "code": code}
    key = basic(CLIENT_ID, secret)
    return ask(shop, "/oauth/token", query, method="POST", headers=key)


def authorized(shop: Platform) -> str:
    query = {"client_id": CLIENT_ID, "scope": "READ_ORDERS", "redirect_uri": BACK}
    more = {"response_type": "code", "state": "s-1"}
    response = ask(shop, "/oauth/authorize", {**query, **more})
    assert response.status == 302
    location = response.headers["Location"]
    assert location.startswith(BACK)
    told = parse_qs(urlsplit(location).query)
    assert told["state"] == ["s-1"]
    return told["code"][0]


def test_signing_in_through_a_browser() -> None:
    shop = platform("extensiv")
    code = authorized(shop)
    assert exchange(shop, code, secret="x").status == 401
    told = got(exchange(shop, code))
    assert set(told) == {"access_token", "token_type", "scope"}
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert ask(shop, PATH, headers=bearer).status == 200
    assert got(exchange(shop, code), 400) == {"error": "invalid_grant"}
    assert exchange(shop, authorized(shop), back="http://other.test").status == 400
    assert ask(shop, "/oauth/authorize", {"client_id": "x"}).status == 400
    assert (
        ask(shop, "/oauth/token", method="POST", headers=basic(CLIENT_ID, CLIENT_SECRET)).status
        == 400
    )
    assert shop.calls == {"token": 8, "list": 1}


def test_a_token_may_end_after_all() -> None:
    shop = platform("extensiv", expires_after=1)
    token = got(exchange(shop, authorized(shop)))["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert [ask(shop, PATH, headers=bearer).status for _ in range(2)] == [200, 401]
    assert ask(shop, PATH).status == 401
    assert ask(shop, "/v1.1/products", headers=BEARER).status == 404
    assert ask(shop, PATH, method="POST", headers=BEARER).status == 404


def test_changes_shift_the_pages() -> None:
    shop = platform("extensiv", orders=120, sort="modified", moves={1: movers.modify(7)})
    assert len({order["orderId"] for order in walk(shop)}) == 113


def test_switches_are_checked() -> None:
    for switch in ({"sort": "date"}, {"casing": "Title"}):
        with pytest.raises(ValueError, match="sort is id or modified"):
            platform("extensiv", **switch)
