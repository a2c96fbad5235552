"""What was sold and not undone: one rule for the pieces and the orders that count."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from tests.destinations.merge.history import TEA
from tests.normalize.helpers import Workbench, named_api


def staged(folder: Path, api: Api, order: dict[str, Any], wrap: Any) -> dict[str, Any]:
    """The row that is staged of *order*; *wrap* makes its page."""
    bench = Workbench(folder, api)
    try:
        shaped = bench.normalize(json.dumps(wrap(order)).encode())
    finally:
        bench.close()
    assert shaped.rejects == []
    return shaped.orders[0]


def test_the_quantity_is_the_first_that_is_there(tmp_path: Path) -> None:
    """Pages that were landed before the API file asked for the former are read all the same."""
    api = parse_api(TEA.replace('quantity = "n"', 'quantity = "coalesce(left, n)"'), "tea.toml")
    lines = [
        {"sku": "BOTH", "n": 3, "left": 1},
        {"sku": "GONE", "n": 3, "left": 0},
        {"sku": "OLD", "n": 3},
        {"sku": "NULL", "n": 3, "left": None},
    ]
    order = staged(tmp_path, api, {"id": "1", "no": "A", "lines": lines}, lambda o: {"orders": [o]})
    assert {item["sku"]: item["quantity"] for item in order["items"]} == {
        "BOTH": 1, "GONE": 0, "OLD": 3, "NULL": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "wrap"),
    [
        ("woocommerce", "status", lambda o: [{**o, "line_items": []}]),
        ("shopify-rest", "financial_status", lambda o: {"orders": [{**o, "line_items": []}]}),
        (
            "shopify",
            "displayFinancialStatus",
            lambda o: {"data": {"orders": {"edges": [{"node": {**o, "legacyResourceId": "1"}}]}}},
        ),
    ],
    ids=["woocommerce", "shopify-rest", "shopify"],
)
def test_a_wholly_refunded_order_is_not_counted(
    tmp_path: Path, name: str, status: str, wrap: Any
) -> None:
    for word, counted in (("refunded", False), ("PARTIALLY_REFUNDED", True)):
        order = {"id": 1, "number": "1", "name": "#1", status: word}
        assert staged(tmp_path / word, named_api(name), order, wrap)["counted"] is counted


def shopify(folder: Path, *, asked: bool) -> dict[str, tuple[Any, ...]]:
    """The items of an order of 3 and 2 pieces: 1 of the first was returned, the other removed.

    :param asked: its page was landed with the fields of money and refunds.
    """

    def money(amount: str) -> dict[str, Any]:
        return {"shopMoney": {"amount": amount}}

    def refunded(sku: str, pieces: int, kind: str, amount: str) -> dict[str, Any]:
        line = {"lineItem": {"sku": sku}, "quantity": pieces, "restockType": kind}
        return {"node": {**line, "subtotalSet": money(amount)}}

    lines: list[dict[str, Any]] = [
        {"sku": "BACK", "quantity": 3, "currentQuantity": 2},
        {"sku": "GONE", "quantity": 2, "currentQuantity": 0},
    ]
    refunds: dict[str, Any] = {}
    if asked:
        for line, total in zip(lines, ("30.00", "9.99"), strict=True):
            line |= {"name": line["sku"], "originalTotalSet": money(total)}
            line["discountAllocations"] = [{"allocatedAmountSet": money("0.99")}]
        of_lines = [refunded("BACK", 1, "RETURN", "9.67"), refunded("GONE", 2, "CANCEL", "9.00")]
        refunds["refunds"] = [{"refundLineItems": {"edges": [each]}} for each in of_lines]
    order = {
        "legacyResourceId": "1",
        "name": "#1",
        "lineItems": {"edges": [{"node": line} for line in lines]},
        **refunds,
    }
    row = staged(
        folder,
        named_api("shopify"),
        order,
        lambda o: {"data": {"orders": {"edges": [{"node": o}]}}},
    )
    return {
        item["sku"]: (item["quantity"], item["title"], item["amount"], item["returned"])
        for item in row["items"]
    }


def test_returned_pieces_were_sold_and_removed_ones_were_not(tmp_path: Path) -> None:
    """The amount is that of the pieces sold; older pages have neither money nor refunds."""
    assert shopify(tmp_path / "new", asked=True) == {
        "BACK": (3, "BACK", Decimal("29.01"), 1),
        "GONE": (0, "GONE", Decimal("0.00"), 0),
    }
    assert shopify(tmp_path / "old", asked=False) == {
        "BACK": (2, None, None, None),
        "GONE": (0, None, None, None),
    }


@pytest.mark.parametrize(
    ("refunds", "known", "returned"),
    [(0, True, 0), (1, True, 1), (3, True, 3), (6, True, 6), (1, False, None), (3, False, None)],
)
def test_refunds_whose_lines_were_not_requested_are_not_known(
    tmp_path: Path, refunds: int, known: bool, returned: int | None
) -> None:
    """WooCommerce lists refunds without lines; with them they follow, if they were requested."""
    listed = [{"id": n, "reason": "", "total": "-1.00"} for n in range(refunds)]
    with_lines = [
        {"id": n, "amount": "1.00", "line_items": [{"sku": "TEA", "quantity": -1, "total": "-1"}]}
        for n in range(refunds * known)
    ]
    line = {"sku": "TEA", "name": "Tea", "quantity": 9, "total": "8.10"}
    order = {"id": 1, "number": "1", "refunds": [*listed, *with_lines], "line_items": [line]}
    row = staged(tmp_path, named_api("woocommerce"), order, lambda o: [o])
    assert row["refunded"] == refunds
    assert [(item["quantity"], item["returned"]) for item in row["items"]] == [(9, returned)]


def vendure(folder: Path, state: str, *, asked: bool = True) -> dict[str, tuple[Any, ...]]:
    """The items of an order of 3 and 2 pieces: 1 of the first was returned, the other removed.

    :param asked: its page was landed with the fields of money.
    """
    shipped, removed = (
        {
            "quantity": left,
            "productVariant": {"sku": sku, "name": sku},
            "proratedLinePriceWithTax": 80,
        }
        for sku, left in (("BACK", 2), ("GONE", 0))
    )
    variant = {"productVariant": {"sku": "BACK"}}
    shipped["fulfillmentLines"] = [{"quantity": 2, "orderLine": variant}, {"quantity": 1, "orderLine": variant}]  # fmt: skip
    removed["fulfillmentLines"] = []
    refunds = [
        {"quantity": 1, "refund": {"state": word},
         "orderLine": {**variant, "fulfillmentLines": [{"quantity": 2}]}}
        for word in ("Failed", "Settled")
    ]  # fmt: skip
    refunds.append({"quantity": 2, "refund": {"state": "Settled"},
                    "orderLine": {"productVariant": {"sku": "GONE"}, "fulfillmentLines": []}})  # fmt: skip
    order = {"id": "1", "code": "A", "state": state, "orderPlacedAt": "2026-01-01T00:00:00Z",
             "shippingWithTax": 490, "payments": [{"refunds": [{"total": 40, "lines": refunds}]}],
             "lines": [shipped, removed]}  # fmt: skip
    if not asked:
        for name in ("shippingWithTax", "payments"):
            del order[name]
        for line in (shipped, removed):
            del line["fulfillmentLines"], line["proratedLinePriceWithTax"]
    row = staged(
        folder, named_api("vendure"), order, lambda o: {"data": {"orders": {"items": [o]}}}
    )
    return {
        item["sku"]: (item["quantity"], item["returned"], item["amount"]) for item in row["items"]
    }


def test_a_list_counts_where_its_when_is_true(tmp_path: Path) -> None:
    """Vendure takes cancelled pieces off: a shipped order has those of its parcels instead."""
    price = Decimal("0.8000")
    assert vendure(tmp_path / "1", "Delivered") == {"BACK": (3, 1, price), "GONE": (0, 0, price)}
    assert vendure(tmp_path / "2", "PaymentSettled") == {"BACK": (2, None, price), "GONE": (0, None, price)}  # fmt: skip
    old = vendure(tmp_path / "3", "Delivered", asked=False)
    assert old == {"BACK": (2, None, None), "GONE": (0, None, None)}
