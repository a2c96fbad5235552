"""A Vendure server: its refusals, its pages, the truth, and a server's recorded orders beside."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from orderpull.simulator.shop import PASSWORD, USER, movers
from orderpull.simulator.shop.times import iso
from orderpull.simulator.truth import sku_key, title_column
from tests.platforms.recorded import kinds, needs_recordings, recording
from tests.platforms.registry import platform
from tests.simulator.direct_requests import ask, blank, got, told_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderpull.simulator.profile import Response
    from orderpull.simulator.shop.base import Platform

LIST = (
    "query ($o: OrderListOptions!) { orders(options: $o) { totalItems items { id code state active "
    "orderPlacedAt createdAt updatedAt currencyCode totalWithTax shippingAddress { fullName "
    "streetLine1 streetLine2 city province postalCode countryCode country } lines { id quantity "
    "orderPlacedQuantity productVariant { sku } } } } }"
)
MONEY = (
    "query ($o: OrderListOptions!) { orders(options: $o) { totalItems items { id code state "
    "currencyCode totalWithTax shippingWithTax taxSummary { taxTotal } discounts { amountWithTax } "
    "customer { id emailAddress } payments { refunds { total state lines { "
    "quantity orderLine { id fulfillmentLines { quantity } } } } } "
    "shippingAddress { countryCode } lines { id quantity proratedLinePriceWithTax "
    "productVariant { sku name } fulfillmentLines { quantity orderLine { productVariant { sku } } }"
    " } } } }"
)
LOGIN = (
    "mutation ($u: String!, $p: String!) { login(username: $u, password: $p) { __typename "
    "... on CurrentUser { id } ... on InvalidCredentialsError { errorCode } } }"
)


def post(shop: Platform, query: str, token: str | None = None, **variables: object) -> Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"query": query, "variables": variables}
    return ask(shop, "/admin-api", method="POST", body=body, headers=headers)


def sign_in(shop: Platform, password: str = PASSWORD) -> Response:
    return post(shop, LOGIN, u=USER, p=password)


class Reader:
    """A client that is signed in."""

    def __init__(self, **switches: Any) -> None:
        self.shop = platform("vendure", **switches)
        self.token = sign_in(self.shop).headers["vendure-auth-token"]

    def orders(self, asked: str = LIST, **options: object) -> dict[str, Any]:
        return got(post(self.shop, asked, self.token, o=options))["data"]["orders"]

    def walk(self, asked: str = LIST, **options: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            told = self.orders(asked, take=100, skip=len(found), **options)
            found += told["items"]
            if not told["items"]:
                assert told["totalItems"] == len(found)
                return found

    def refused(self, **options: object) -> tuple[int, dict[str, Any]]:
        response = post(self.shop, LIST, self.token, o=options)
        return response.status, json.loads(response.body)["errors"][0]


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    reader = Reader(orders=230)
    counted = {}
    for order in reader.walk(filter={"orderPlacedAt": {"isNull": False}}):
        ship = order["shippingAddress"]
        counted[order["id"]] = {
            "number": order["code"],
            "counted": order["state"] != "Cancelled",
            "country": blank(ship["countryCode"]),
            "line1": blank(ship["streetLine1"]),
            "line2": blank(ship["streetLine2"]),
            "name": blank(ship["fullName"]),
            "postalcode": blank(ship["postalCode"]),
            "stateprovince": blank(ship["province"]),
            "city": blank(ship["city"]),
        }
    truth = reader.shop.truth()
    assert set(truth["aside"]) == {reader.shop.store.odd[state] for state in ("cart", "draft")}
    assert len(counted) == 228
    assert counted == told_of(counted, truth["orders"])
    placed = reader.walk(MONEY, filter={"orderPlacedAt": {"isNull": False}})
    recount = {order["id"]: money(order) for order in placed}
    assert recount == told_of(recount, truth["orders"])
    assert sum(any(each["returned"].values()) for each in recount.values()) > 5


def money(order: dict[str, Any]) -> dict[str, Any]:
    """Pieces, titles and money, in hundredths: of a shipped order the pieces in its parcels."""
    shipped = order["state"] == "Delivered"
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    refunds = [each for payment in order["payments"] for each in payment["refunds"]]
    back = {
        each["orderLine"]["id"]: each["quantity"]
        for refund in refunds
        for each in refund["lines"]
        if each["orderLine"]["fulfillmentLines"] and refund["state"] != "Failed"
    }
    for line in order["lines"]:
        line["sent"] = sum(parcel["quantity"] for parcel in line["fulfillmentLines"])
        lines[sku_key(line["productVariant"]["sku"])].append(line)
    customer, name = order["customer"], "sent" if shipped else "quantity"

    def by_sku(value: Callable[[list[dict[str, Any]]], Any]) -> dict[str, Any]:
        return {sku: value(found) for sku, found in lines.items()}

    return {
        "items": by_sku(lambda found: sum(line[name] for line in found)),
        "amounts": by_sku(lambda found: sum(line["proratedLinePriceWithTax"] for line in found)),
        "titles": by_sku(
            lambda found: next(
                (t for line in found if (t := title_column(line["productVariant"]["name"]))), None
            )
        ),
        "returned": by_sku(
            lambda found: sum(back.get(line["id"], 0) for line in found) if shipped else None
        ),
        "total": order["totalWithTax"],
        "shipping": order["shippingWithTax"],
        "tax": sum(each["taxTotal"] for each in order["taxSummary"]),
        "discount": -sum(each["amountWithTax"] for each in order["discounts"]),
        "refunded": sum(refund["total"] for refund in refunds if refund["state"] == "Settled"),
        "customer": customer and customer["id"],
        "currency": order["currencyCode"],
    }


def test_carts_and_drafts_are_in_the_list() -> None:
    reader = Reader()
    states = {order["state"]: order for order in reader.walk()}
    assert (states["AddingItems"]["active"], states["Draft"]["active"]) == (True, False)
    for state in ("AddingItems", "Draft"):
        assert states[state]["orderPlacedAt"] is None
        assert {line["orderPlacedQuantity"] for line in states[state]["lines"]} <= {0}
    left = {order["state"] for order in reader.walk(filter={"active": {"eq": False}})}
    assert left == set(states) - {"AddingItems"}


def test_cancelled_lines_have_quantity_0() -> None:
    reader = Reader()
    cancelled = reader.orders(filter={"state": {"eq": "Cancelled"}})["items"]
    assert len(cancelled) == 1
    assert {line["quantity"] for line in cancelled[0]["lines"]} == {0}
    assert all(line["orderPlacedQuantity"] > 0 for line in cancelled[0]["lines"])


def test_nothing_is_told_without_a_token() -> None:
    shop = platform("vendure", expires_after=2)
    for token in (None, "made-up"):
        response = post(shop, LIST, token, o={})
        told = got(response)
        assert told["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
        assert told["data"] is None
    failed = sign_in(shop, "wrong")
    assert got(failed)["data"]["login"] == {
        "__typename": "InvalidCredentialsError",
        "errorCode": "INVALID_CREDENTIALS_ERROR",
    }
    assert "vendure-auth-token" not in failed.headers
    response = sign_in(shop)
    assert got(response)["data"]["login"] == {"__typename": "CurrentUser", "id": "1"}
    token = response.headers["vendure-auth-token"]
    told = [json.loads(post(shop, LIST, token, o={}).body)["data"] for _ in range(3)]
    assert [one is None for one in told] == [False, False, True]
    assert shop.calls == {"list": 5, "token": 2}


@needs_recordings
def test_the_refusal_is_the_recorded_one() -> None:
    response = post(platform("vendure"), "{ orders(options: {take: 1}) { items { id } } }")
    assert (response.status, got(response)) == (200, recording("vendure", "forbidden.json"))


def test_refusals() -> None:
    reader = Reader(orders=50)
    assert len(reader.orders(take=1000)["items"]) == len(reader.orders(take=0)["items"]) == 50
    status, error = reader.refused(take=1001)
    assert (status, error["extensions"]["code"]) == (200, "USER_INPUT_ERROR")
    assert error["message"] == "Cannot take more than 1000 results from a list query"
    for wrong in (
        {"limit": 3},
        {"sort": {"modified": "ASC"}},
        {"filter": {"modified": {"eq": 1}}},
        {"filter": {"updatedAt": {"gte": "2026-01-01"}}},
        {"filter": {"updatedAt": {"after": "yesterday"}}},
    ):
        assert reader.refused(**wrong)[0] == 200
    unknown = post(reader.shop, "{ orders { items { number } } }", reader.token)
    assert got(unknown, 400)["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert ask(reader.shop, "/admin-api").status == 400
    assert ask(reader.shop, "/shop-api", method="POST").status == 404


def test_filters_by_time_are_exclusive() -> None:
    reader = Reader(same_stamp=0)
    sort = {"updatedAt": "ASC"}
    orders = reader.walk(sort=sort)
    first, last = orders[20]["updatedAt"], orders[40]["updatedAt"]
    window = reader.walk(sort=sort, filter={"updatedAt": {"after": first, "before": last}})
    assert window == orders[21:40]
    apart = {"_and": [{"updatedAt": {"after": first}}, {"updatedAt": {"before": last}}]}
    assert reader.walk(sort=sort, filter=apart) == window
    within = {"updatedAt": {"between": {"start": first, "end": last}}}
    assert reader.walk(sort=sort, filter=within) == orders[20:41]
    either = {"_or": [{"code": {"eq": orders[3]["code"]}}, {"id": {"in": [orders[4]["id"]]}}]}
    assert reader.walk(sort=sort, filter=either) == orders[3:5]
    loose = reader.walk(
        sort=sort, filter={"active": {"eq": True}, "state": {"in": ["Draft"]}}, filterOperator="OR"
    )
    assert {order["state"] for order in loose} == {"AddingItems", "Draft"}


def test_several_keys_sort() -> None:
    reader = Reader(same_stamp=40)
    up = [
        (order["updatedAt"], order["totalWithTax"])
        for order in reader.walk(sort={"updatedAt": "ASC", "totalWithTax": "DESC"})
    ]
    assert up == sorted(up, key=lambda one: (one[0], -one[1]))
    assert len({stamp for stamp, _ in up}) < len(up)
    ids = [int(order["id"]) for order in reader.walk(sort={"updatedAt": "ASC", "id": "DESC"})]
    assert ids == sorted(ids, reverse=True), "GraphQL puts id first, as the schema does"
    placed = [order["orderPlacedAt"] for order in reader.walk(sort={"orderPlacedAt": "ASC"})]
    assert placed[:2] == [None, None]


def test_edits_do_not_move_the_stamp_and_cancelling_does() -> None:
    reader = Reader(moves={1: movers.modify(3), 2: movers.cancel(1)}, orders=40)
    before, edited, cancelled = (reader.orders(take=40)["items"] for _ in range(3))
    changed = [new for old, new in zip(before, edited, strict=True) if old != new]
    assert len(changed) == 3
    stamps = [[order["updatedAt"] for order in told] for told in (before, edited, cancelled)]
    assert stamps[0] == stamps[1] != stamps[2]


def test_one_order_and_only_what_was_chosen() -> None:
    reader = Reader()
    one = got(post(reader.shop, "{ order(id: 7) { id code } me { identifier } }", reader.token))
    assert one["data"]["order"]["id"] == "7"
    assert one["data"]["me"] == {"identifier": USER}
    assert got(post(reader.shop, '{ order(id: "x") { id } }', reader.token))["data"] == {
        "order": None
    }
    assert reader.shop.calls["child"] == 2


@needs_recordings
def test_orders_have_the_keys_and_kinds_of_recorded_ones() -> None:
    asked = recording("vendure", "page-1.request.json")["body"]
    reader = Reader()
    every = {"o": {**asked["variables"]["o"], "take": 1000}}
    told = got(post(reader.shop, asked["query"], reader.token, **every))
    recorded = recording("vendure", "page-1.json")

    def by_state(page: Any) -> dict[str, Any]:
        orders = page["data"]["orders"]["items"]
        return {
            o["state"]: kinds(o)
            for o in orders
            if o["lines"] and (o["shippingAddress"]["province"] or not o["orderPlacedAt"])
        }

    ours, theirs = by_state(told), by_state(recorded)
    both = set(ours) & set(theirs)
    assert {"PaymentAuthorized", "AddingItems"} <= both
    for state in both - {"AddingItems", "Draft"}:
        assert ours[state] == theirs[state]
    for state in both & {"AddingItems", "Draft"}:
        assert set(ours[state]) == set(theirs[state])
    assert list(told["data"]["orders"]) == list(recorded["data"]["orders"])


def test_times_are_whole_seconds_told_with_milliseconds() -> None:
    reader = Reader()
    order = reader.orders(take=1)["items"][0]
    assert order["updatedAt"].endswith(".000Z")
    stored = reader.shop.store.orders[int(order["id"])]
    assert order["updatedAt"] == iso(stored.modified, "ms")
