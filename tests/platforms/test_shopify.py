"""A Shopify shop asked by GraphQL: its refusals, pages, points, bulk operations, and the truth."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, TOKEN, movers
from tests.platforms.first_pages import SHOPIFY_SHORT
from tests.platforms.registry import platform
from tests.simulator.direct_requests import (
    ask,
    blank,
    cents,
    got,
    grouped,
    items,
    titles,
    told_of,
    versions,
)

if TYPE_CHECKING:
    from orderpull.simulator.profile import Response
    from orderpull.simulator.shop.base import Platform

PATH = "/admin/api/2026-10/graphql.json"
NODE = (
    "id name updatedAt cancelledAt test shippingAddress { name address1 address2 city provinceCode "
    "zip countryCodeV2 } lineItems(first: 10) { nodes { id sku quantity currentQuantity } "
    "pageInfo { hasNextPage endCursor } }"
)
LINE = (
    "sku quantity currentQuantity name originalTotalSet { shopMoney { amount } } "
    "discountAllocations { allocatedAmountSet { shopMoney { amount } } }"
)
MONEY = (
    "id currencyCode sourceName email customer { id } totalPriceSet { shopMoney { amount } } "
    "totalDiscountsSet { shopMoney { amount } } totalShippingPriceSet { shopMoney { amount } } "
    "totalTaxSet { shopMoney { amount } } totalRefundedSet { presentmentMoney { amount } } "
    f"lineItems(first: 250) {{ nodes {{ {LINE} }} }} refunds {{ totalRefundedSet {{ shopMoney "
    "{ amount } } refundLineItems(first: 250) { nodes { quantity restockType lineItem { sku } "
    "subtotalSet { shopMoney { amount } } } } }"
)
LIST = (
    "query ($q: String, $n: Int!, $after: String) { orders(first: $n, after: $after, "
    f"sortKey: UPDATED_AT, query: $q) {{ edges {{ node {{ {NODE} }} }} "
    "pageInfo { hasNextPage endCursor } } }"
)
MORE = (
    "query ($id: ID!, $after: String) { order(id: $id) { lineItems(first: 50, after: $after) { "
    "nodes { sku quantity currentQuantity } pageInfo { hasNextPage endCursor } } } }"
)


def post(shop: Platform, query: str, token: str | None = TOKEN, /, **variables: object) -> Response:
    headers = {"X-Shopify-Access-Token": token} if token else {}
    body = {"query": query, "variables": variables}
    return ask(shop, PATH, method="POST", body=body, headers=headers)


def data(shop: Platform, query: str, **variables: object) -> Any:
    told = got(post(shop, query, **variables))
    assert "errors" not in told, told
    return told["data"]


def error(shop: Platform, query: str, **variables: object) -> dict[str, Any]:
    told = got(post(shop, query, **variables))
    assert told.get("data") is None
    return told["errors"][0]


def walk(shop: Platform, q: str | None = None, size: int = 40) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        orders = data(shop, LIST, q=q, n=size, after=after)["orders"]
        found += [edge["node"] for edge in orders["edges"]]
        after = orders["pageInfo"]["endCursor"]
        if not orders["pageInfo"]["hasNextPage"]:
            return found


def all_lines(shop: Platform, order: dict[str, Any]) -> list[dict[str, Any]]:
    lines, page = list(order["lineItems"]["nodes"]), order["lineItems"]["pageInfo"]
    while page["hasNextPage"]:
        told = data(shop, MORE, id=order["id"], after=page["endCursor"])["order"]["lineItems"]
        lines += told["nodes"]
        page = told["pageInfo"]
    return lines


def counted(order: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    ship = order["shippingAddress"] or {}
    return {
        "number": order["name"],
        "counted": order["cancelledAt"] is None,
        "country": blank(ship.get("countryCodeV2")),
        "line1": blank(ship.get("address1")),
        "line2": blank(ship.get("address2")),
        "name": blank(ship.get("name")),
        "postalcode": blank(ship.get("zip")),
        "stateprovince": blank(ship.get("provinceCode")),
        "city": blank(ship.get("city")),
        "items_ordered": items([(line["sku"], line["quantity"]) for line in lines]),
    }


def amount(money_set: dict[str, Any]) -> int:
    return cents(next(iter(money_set.values()))["amount"])


def money_of(order: dict[str, Any]) -> dict[str, Any]:
    lines = order["lineItems"]["nodes"]
    refunded = [line for each in order["refunds"] for line in each["refundLineItems"]["nodes"]]
    removed = [line for line in refunded if line["restockType"] == "CANCEL"]
    back = [(r["lineItem"]["sku"], r["quantity"]) for r in refunded if r not in removed]
    left = [(line["sku"], line["currentQuantity"]) for line in lines]
    whole = [
        (
            line["sku"],
            amount(line["originalTotalSet"])
            - sum(amount(each["allocatedAmountSet"]) for each in line["discountAllocations"]),
        )
        for line in lines
    ]
    off = [(line["lineItem"]["sku"], -amount(line["subtotalSet"])) for line in removed]
    assert amount(order["totalRefundedSet"]) == sum(
        amount(each["totalRefundedSet"]) for each in order["refunds"]
    )
    return {
        "items": items(left + back),
        "items_current": items(left + back),
        "titles": titles([(line["sku"], line["name"]) for line in lines]),
        "amounts": items(whole + off),
        "returned": items([*((sku, 0) for sku, _ in left), *back]),
        "currency": order["currencyCode"],
        "channel": order["sourceName"],
        "total": amount(order["totalPriceSet"]),
        "discount": amount(order["totalDiscountsSet"]),
        "shipping": amount(order["totalShippingPriceSet"]),
        "tax": amount(order["totalTaxSet"]),
        "refunded": amount(order["totalRefundedSet"]),
    }


def test_the_money_and_the_customers_agree_with_a_recount_of_the_json() -> None:
    shop = platform("shopify")
    movers.remove(20, served=False)(shop.store)
    movers.send_back(20, served=False)(shop.store)
    query = f"query ($c: String) {{ orders(first: 5, after: $c, sortKey: ID) {{ nodes {{ {MONEY} }} pageInfo {{ endCursor hasNextPage }} }} }}"
    told: dict[str, dict[str, Any]] = {}
    cursor = {"endCursor": None, "hasNextPage": True}
    while cursor["hasNextPage"]:
        page = data(shop, query, c=cursor["endCursor"])["orders"]
        told |= {order["id"]: order for order in page["nodes"]}
        cursor = page["pageInfo"]
    truth = {**shop.truth()["orders"], **shop.truth()["aside"]}
    recount = {key: money_of(order) for key, order in told.items()}
    assert recount == told_of(recount, truth)
    buyers = {
        key: {"customer": (order["customer"] or {}).get("id") or order["email"]}
        for key, order in told.items()
    }
    theirs, ours = grouped(buyers), grouped(truth)
    assert sorted(map(sorted, theirs.values())) == sorted(map(sorted, ours.values()))
    assert theirs[None] == ours[None]


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    shop = platform("shopify", orders=230)
    orders = walk(shop)
    stamps = [order["updatedAt"] for order in orders]
    assert stamps == sorted(stamps)
    truth = shop.truth()
    assert {o["id"] for o in orders if o["test"]} == set(truth["aside"]) == {shop.store.odd["test"]}
    sold = [order for order in orders if not order["test"]]
    recount = {o["id"]: counted(o, all_lines(shop, o)) for o in sold}
    assert recount == told_of(recount, truth["orders"])
    assert len(truth["orders"]) == 229
    assert shop.calls["list"] == 6
    assert shop.calls["child"] >= 1


def test_the_truth_can_be_told_by_the_numeric_ids_of_rest() -> None:
    graphql, rest = platform("shopify", seed=5), platform("shopify-rest", seed=5)
    assert graphql.truth(by=lambda order: str(order.key)) == rest.truth()
    assert set(graphql.truth()["orders"]) == {
        f"gid://shopify/Order/{told}" for told in rest.truth()["orders"]
    }


def test_only_the_chosen_fields_are_answered() -> None:
    shop = platform("shopify")
    orders = data(shop, "{ orders(first: 2) { nodes { number: name } } }")["orders"]
    assert set(orders) == {"nodes"}
    assert [set(node) for node in orders["nodes"]] == [{"number"}] * 2


def test_nested_lines_are_cut_at_their_first() -> None:
    shop = platform("shopify")
    long = data(
        shop,
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Order {{ {NODE} }} }} }}",
        id=shop.store.odd["long"],
    )["node"]
    assert len(long["lineItems"]["nodes"]) == 10
    assert len(all_lines(shop, long)) == 60


def test_cursors_hold_while_orders_change() -> None:
    shop = platform("shopify", orders=200, moves={1: movers.modify(7), 2: movers.delete(5)})
    orders = walk(shop)
    assert {o["id"] for o in orders} >= set(shop.truth()["orders"])
    assert len(orders) == 207


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ orders(first: 251) { nodes { id } } }", "first cannot exceed 250"),
        ("{ orders(first: 0) { nodes { id } } }", "must be positive"),
        ("{ orders { nodes { id } } }", "you must provide one of first or last"),
        ("{ orders(last: 5) { nodes { id } } }", "forward alone"),
        ('{ orders(first: 5, after: "x") { nodes { id } } }', "Invalid cursor"),
        (
            "{ orders(first: 5, sortKey: NAME) { nodes { id } } }",
            "does not exist in 'OrderSortKeys'",
        ),
        (
            "{ orders(first: 5) { nodes { orderNumber } } }",
            "Cannot query field 'orderNumber' on type 'Order'",
        ),
        (
            "{ orders(first: 5, limit: 3) { nodes { id } } }",
            "Unknown argument 'limit' on field 'QueryRoot.orders'",
        ),
        ("{ orders(first: 5) { nodes { id }", "Syntax Error"),
        ("{ orders(first: 5) { nodes { lineItems { nodes { id } } } } }", "one of first or last"),
        (
            "query ($n: Int!) { orders(first: $n) { nodes { id } } }",
            "Expected a value of non-null type 'Int!'",
        ),
    ],
)
def test_errors_have_status_200(query: str, message: str) -> None:
    assert message in error(platform("shopify"), query)["message"]


def test_a_cursor_belongs_to_its_sort() -> None:
    shop = platform("shopify")
    page = data(shop, "{ orders(first: 1, sortKey: ID) { pageInfo { endCursor } } }")["orders"]
    again = "query ($c: String) { orders(first: 1, after: $c) { nodes { id } } }"
    assert "Invalid cursor" in error(shop, again, c=page["pageInfo"]["endCursor"])["message"]


def test_lists_end_at_a_depth() -> None:
    shop = platform("shopify", orders=100, deepest=60)
    query = "query ($c: String) { orders(first: 30, after: $c, sortKey: ID) { pageInfo { endCursor } } }"
    first = data(shop, query)["orders"]["pageInfo"]["endCursor"]
    second = data(shop, query, c=first)["orders"]["pageInfo"]["endCursor"]
    assert "beyond 60 objects" in error(shop, query, c=second)["message"]
    assert len(walk(platform("shopify", orders=100))) == 100


def test_it_can_go_backwards() -> None:
    shop = platform("shopify", orders=30)
    query = "query ($c: String) { orders(first: 20, sortKey: ID, reverse: true, after: $c) { edges { cursor node { id } } } }"
    first = data(shop, query)["orders"]["edges"]
    rest = data(shop, query, c=first[-1]["cursor"])["orders"]["edges"]
    ids = [edge["node"]["id"] for edge in first + rest]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 30


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("updated_at:>='{0}' AND updated_at:<'{1}'", 20, 40),
        ("updated_at:>'{0}' AND updated_at:<='{1}'", 21, 41),
        ('updated_at:>="{0}" updated_at:<="{1}"', 20, 41),
        ("(updated_at:>={0}) AND (updated_at:<={1})", 20, 41),
    ],
)
def test_searches(text: str, first: int, last: int) -> None:
    shop = platform("shopify", same_stamp=0)
    orders = walk(shop)
    window = walk(shop, text.format(orders[20]["updatedAt"], orders[40]["updatedAt"]))
    assert window == orders[first:last]


def test_searches_for_other_things_and_for_nothing_known() -> None:
    shop = platform("shopify")
    assert [o["name"] for o in walk(shop, "name:#1005")] == ["#1005"]
    assert [o["test"] for o in walk(shop, "test:true")] == [True]
    cancelled = walk(shop, "status:cancelled")
    assert [o["cancelledAt"] is None for o in cancelled] == [False]
    assert len(walk(shop, "status:any id:>=450789470 id:<450789480")) == 10
    for text in ("modified:>2026", "updated_at:>'yesterday'", "a OR b"):
        told = got(post(shop, LIST, q=text, n=40))
        assert told["extensions"]["search"][0]["warnings"]
        assert len(told["data"]["orders"]["edges"]) == 40


# ------------------------------------------------------------------------------- points and access


def test_queries_cost_points() -> None:
    shop = platform("shopify", bucket=300, restored=10, step=0)
    assert "extensions" in got(post(shop, SHOPIFY_SHORT))
    cost = got(post(shop, LIST, n=5))["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 2 + 3 * (1 + 1 + 2 + 4 * 1)
    assert 5 < cost["actualQueryCost"] <= cost["requestedQueryCost"]
    spent = 300 - cost["throttleStatus"]["currentlyAvailable"]
    assert (
        spent
        == cost["actualQueryCost"]
        + got(post(platform("shopify"), SHOPIFY_SHORT))["extensions"]["cost"]["actualQueryCost"]
    )
    dear = error(platform("shopify", linear_cost=True), LIST, n=100)
    assert dear["extensions"] == {"code": "MAX_COST_EXCEEDED", "cost": 1402, "maxCost": 1000}
    assert "1402, which exceeds the single query max cost limit (1000)" in dear["message"]


def test_an_empty_bucket_is_told_with_status_200_and_fills_while_the_client_waits() -> None:
    shop = platform("shopify", bucket=80, restored=10, step=0)
    answers = [got(post(shop, LIST, n=40)) for _ in range(6)]
    throttled = [told for told in answers if "errors" in told]
    assert throttled
    for told in throttled:
        assert told["errors"][0]["message"] == "Throttled"
        assert told["errors"][0]["extensions"]["code"] == "THROTTLED"
        cost = told["extensions"]["cost"]
        assert cost["actualQueryCost"] is None
        assert cost["requestedQueryCost"] > cost["throttleStatus"]["currentlyAvailable"]
    assert not any("errors" in one and "errors" in two for one, two in pairwise(answers))
    refused = got(post(platform("shopify", refuse=[1]), SHOPIFY_SHORT))
    assert refused["errors"][0]["extensions"]["code"] == "THROTTLED"


def grant(shop: Platform, **more: str) -> Response:
    body = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **more}
    return ask(shop, "/admin/oauth/access_token", method="POST", body=body)


def test_access() -> None:
    shop = platform("shopify", permanent=False, expires_after=2)
    refused = got(post(shop, SHOPIFY_SHORT), 401)
    assert refused["errors"].startswith("[API] Invalid API key or access token")
    told = got(grant(shop, grant_type="client_credentials"))
    assert (told["expires_in"], told["scope"]) == (86_399, "read_orders,read_all_orders")
    assert [post(shop, SHOPIFY_SHORT, told["access_token"]).status for _ in range(3)] == [
        200,
        200,
        401,
    ]
    assert grant(shop, grant_type="x").status == 400
    assert grant(shop, grant_type="client_credentials", client_secret="x").status == 401
    day = platform("shopify", permanent=False)
    token = got(grant(day, grant_type="client_credentials"))["access_token"]
    assert post(day, SHOPIFY_SHORT, token).status == 200
    day.clock.advance(86_400)
    assert post(day, SHOPIFY_SHORT, token).status == 401
    assert day.calls == {"token": 1, "list": 2}


def test_older_orders_are_hidden_without_the_scope_for_all() -> None:
    every = walk(platform("shopify", days=120))
    seen = walk(platform("shopify", days=120, read_all_orders=False))
    assert len(every) == 200
    assert 90 <= len(seen) <= 110
    scopes = "{ currentAppInstallation { accessScopes { handle } } shop { ianaTimezone } }"
    told = data(platform("shopify", read_all_orders=False), scopes)
    assert told["currentAppInstallation"]["accessScopes"] == [{"handle": "read_orders"}]


def test_wrong_paths() -> None:
    shop = platform("shopify")
    assert ask(shop, "/admin/api/latest/graphql.json", method="POST").status == 404
    assert ask(shop, PATH).status == 404


# -------------------------------------------------------------------------------- bulk operations

RUN = (
    "mutation ($q: String!, $g: Boolean!) { bulkOperationRunQuery(query: $q, groupObjects: $g) { "
    "bulkOperation { id status createdAt } userErrors { field message } } }"
)
CURRENT = "{ currentBulkOperation { id status objectCount rootObjectCount errorCode url partialDataUrl } }"
BULK = (
    "{ orders { edges { node { id name updatedAt cancelledAt test shippingAddress { name address1 "
    "address2 city provinceCode zip countryCodeV2 } lineItems { edges { node { id sku quantity "
    "currentQuantity } } } } } } }"
)


def run(shop: Platform, query: str = BULK, *, grouped: bool = False) -> dict[str, Any]:
    return data(shop, RUN, q=query, g=grouped)["bulkOperationRunQuery"]


def ended(shop: Platform) -> dict[str, Any]:
    states = []
    for _ in range(9):
        told = data(shop, CURRENT)["currentBulkOperation"]
        states.append(told["status"])
        if told["status"] not in ("CREATED", "RUNNING"):
            assert states[:-1] == ["RUNNING"] * 2
            return told
    raise AssertionError("the operation never ended")


def download(shop: Platform, url: str) -> list[dict[str, Any]]:
    assert url.startswith("http://shop.test/")
    response = ask(shop, urlsplit(url).path)
    assert (response.status, response.content_type) == (200, "application/jsonl")
    return [json.loads(line) for line in response.body.splitlines()]


@pytest.mark.parametrize("in_groups", [True, False])
def test_bulk_operations_tell_all_with_their_lines(in_groups: bool) -> None:
    shop = platform("shopify", orders=230)
    started = run(shop, grouped=in_groups)
    assert (started["bulkOperation"]["status"], started["userErrors"]) == ("CREATED", [])
    told = ended(shop)
    assert (told["status"], told["rootObjectCount"]) == ("COMPLETED", "230")
    rows = download(shop, told["url"])
    assert told["objectCount"] == str(len(rows))
    orders: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        row["id"]: (row, []) for row in rows if "__parentId" not in row
    }
    place = {row["id"]: at for at, row in enumerate(rows)}
    far = 0
    for row in rows:
        if "__parentId" in row:
            orders[row["__parentId"]][1].append(row)
            assert "Order" in row["__parentId"]
            far = max(far, place[row["id"]] - place[row["__parentId"]])
    assert far <= 60 if in_groups else far > 230
    recount = {
        told_id: counted(*order) for told_id, order in orders.items() if not order[0]["test"]
    }
    assert recount == told_of(recount, shop.truth()["orders"])
    assert shop.calls["bulk"] == 5


def test_a_bulk_operation_tells_the_shop_as_it_was() -> None:
    shop = platform("shopify")
    run(shop, '{ orders(first: 3, query: "id:<450789479") { nodes { id updatedAt } } }')
    movers.modify(3)(shop.store)
    rows = download(shop, ended(shop)["url"])
    assert len(rows) == 10
    assert [row["updatedAt"] < "2026-06-01" for row in rows] == [True] * 10
    assert versions(shop.store)[rows[0]["id"]][1] == 2


def test_a_bulk_operation_that_fails_leaves_a_part() -> None:
    shop = platform("shopify", bulk_fails=True)
    run(shop)
    told = ended(shop)
    assert (told["status"], told["url"]) == ("FAILED", None)
    assert told["errorCode"] == "INTERNAL_SERVER_ERROR"
    rows = download(shop, told["partialDataUrl"])
    assert 10 < len(rows) < 400


def test_bulk_operations_are_few_and_can_be_cancelled() -> None:
    shop = platform("shopify", bulk_at_once=1)
    first = run(shop)["bulkOperation"]["id"]
    refused = run(shop)
    assert refused["bulkOperation"] is None
    assert first in refused["userErrors"][0]["message"]
    cancel = "mutation ($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { message } } }"
    assert (
        data(shop, cancel, id=first)["bulkOperationCancel"]["bulkOperation"]["status"] == "CANCELED"
    )
    assert data(shop, cancel, id=first)["bulkOperationCancel"]["userErrors"]
    assert run(shop)["userErrors"] == []
    assert ask(shop, "/bulk/720918.jsonl").status == 404
    by_id = "query ($id: ID!) { node(id: $id) { ... on BulkOperation { status } } }"
    assert data(shop, by_id, id=first)["node"] == {"status": "CANCELED"}


def test_nothing_found_leaves_no_file() -> None:
    shop = platform("shopify")
    assert data(shop, CURRENT) == {"currentBulkOperation": None}
    run(shop, "{ orders(query: \"updated_at:>'2027-01-01'\") { edges { node { id } } } }")
    told = ended(shop)
    assert (told["status"], told["url"], told["objectCount"]) == ("COMPLETED", None, "0")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ shop { name } }", "at least one connection"),
        ("{ orders { nodes { name lineItems { nodes { id } } } } }", "must select the 'id' field"),
        ("{ orders { nodes { nothing } } }", "Cannot query field 'nothing'"),
        ("{ orders { pageInfo { endCursor } } }", "must select the nodes"),
        ("{ orders", "Syntax Error"),
    ],
)
def test_what_cannot_run_in_bulk(query: str, message: str) -> None:
    told = run(platform("shopify"), query)
    assert told["bulkOperation"] is None
    assert message in told["userErrors"][0]["message"]


def test_a_count_ends_at_its_limit() -> None:
    """10,000 by default; null is without limit, and test orders are counted too."""
    shop = platform("shopify", orders=30)
    count = "query ($q: String, $n: Int) { ordersCount(query: $q, limit: $n) { count precision } }"
    every = {"count": 30, "precision": "EXACT"}
    assert data(shop, count, n=None)["ordersCount"] == every
    assert (
        data(shop, count.replace(", $n: Int", "").replace(", limit: $n", ""))["ordersCount"]
        == every
    )
    assert data(shop, count, n=10)["ordersCount"] == {"count": 10, "precision": "AT_LEAST"}
    assert data(shop, count, q="test:true", n=None)["ordersCount"]["count"] == 1
