"""Titles, money, returns and customers of loaded orders, beside a shop's truth."""

from __future__ import annotations

import hmac
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Query = Callable[[str], list[tuple[Any, ...]]]
    Rows = Mapping[str, Any]

PLAIN = ("counted", "currency", "channel")
AMOUNTS = ("total", "discount", "shipping", "tax", "refunded")
ITEM = {"items": "quantity", "titles": "title", "amounts": "amount", "returned": "returned"}
"""Names in the truth, each with the column of `order_item`."""


def loaded_orders(query: Query) -> dict[str, dict[str, Any]]:
    """The orders of a warehouse, by number."""
    names = (*PLAIN, *AMOUNTS, "customer")
    orders: dict[str, dict[str, Any]] = {}
    for number, *values in query(f"SELECT ordernumber, {', '.join(names)} FROM order_header"):
        assert number not in orders
        orders[number] = {**dict(zip(names, values, strict=True)), **{name: {} for name in ITEM}}
    for number, sku, *values in query(
        f"SELECT ordernumber, sku, {', '.join(ITEM.values())} FROM order_item"
    ):
        for name, value in zip(ITEM, values, strict=True):
            assert sku not in orders[number][name]
            orders[number][name][sku] = value
    return orders


def differing(
    query: Query, truth: Mapping[str, Mapping[str, Rows]], key: bytes
) -> list[tuple[Any, ...]]:
    """Where a warehouse and a shop's `truth` differ: order, column, and the values of both.

    `truth` is by number; what is no order may be there, not counted. `key` is the landing's, with
    which the customers of the source `shop` are hashed.
    """
    told, orders = truth["orders"], loaded_orders(query)
    for number in truth["aside"]:
        assert not orders.pop(number, {"counted": False})["counted"]
    wrong: list[tuple[Any, ...]] = [
        (number, "order", number in orders, number in told)
        for number in sorted(orders.keys() ^ told.keys())
    ]
    for number in sorted(orders.keys() & told.keys()):
        expected = _expected(told[number], key)
        wrong += [
            (number, name, orders[number][name], value)
            for name, value in expected.items()
            if orders[number][name] != value
        ]
    return wrong


def _expected(row: Rows, key: bytes) -> dict[str, Any]:
    """The columns of an order of the truth, amounts in units of the currency."""
    customer = row["customer"]
    if customer is not None:
        customer = hmac.digest(key, f"shop\0{customer}".encode(), "sha256").hex()[:32]
    return {
        **{name: row[name] for name in (*PLAIN, *ITEM)},
        **{name: _units(row[name]) for name in AMOUNTS},
        "amounts": {sku: _units(amount) for sku, amount in row["amounts"].items()},
        "customer": customer,
    }


def _units(hundredths: float | None) -> Decimal | None:
    return None if hundredths is None else Decimal(str(hundredths)) / 100
