"""Titles, money, returns and customers of loaded orders, beside a shop's truth."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Query = Callable[[str], list[tuple[Any, ...]]]

HEADER = ("counted", "currency", "channel", "total", "discount", "shipping", "tax", "refunded")
ITEM = {"items": "quantity", "titles": "title", "amounts": "amount", "returned": "returned"}
"""Names in the truth, each with the column of `order_item`."""


def loaded_orders(query: Query) -> dict[str, dict[str, Any]]:
    """The orders of a warehouse by id, as the truth has them: amounts in hundredths."""
    orders: dict[str, dict[str, Any]] = {}
    numbers = {}
    for key, number, customer, *values in query(
        f"SELECT order_id, ordernumber, customer, {', '.join(HEADER)} FROM order_header"
    ):
        assert key not in orders
        numbers[number] = orders[key] = {
            **{name: _told(value) for name, value in zip(HEADER, values, strict=True)},
            "customer": customer,
            **{name: {} for name in ITEM},
        }
    for number, sku, *values in query(
        f"SELECT ordernumber, sku, {', '.join(ITEM.values())} FROM order_item"
    ):
        for name, value in zip(ITEM, values, strict=True):
            assert sku not in numbers[number][name]
            numbers[number][name][sku] = _told(value)
    return orders


def differing(query: Query, truth: Mapping[str, Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Where a warehouse and `truth` differ: order, column, and the values of both.

    Customers are compared as groups of orders; each must be 32 characters.
    """
    orders = loaded_orders(query)
    wrong: list[tuple[Any, ...]] = [
        (key, "order", key in orders, key in truth) for key in sorted(orders.keys() ^ truth.keys())
    ]
    wrong += [
        (key, name, orders[key][name], truth[key][name])
        for key in sorted(orders.keys() & truth.keys())
        for name in (*HEADER, *ITEM)
        if orders[key][name] != truth[key][name]
    ]
    customers = {row["customer"] for row in orders.values()} - {None}
    wrong += [("", "customer", each, None) for each in customers if len(each) != 32]
    if _groups(orders) != _groups(truth):
        wrong.append(("", "customers", _groups(orders), _groups(truth)))
    return wrong


def _told(value: object) -> object:
    """An amount as a whole number of hundredths, anything else as it is."""
    return (
        int(value * 100) if isinstance(value, Decimal) and value % Decimal("0.01") == 0 else value
    )


def _groups(rows: Mapping[str, Mapping[str, Any]]) -> tuple[set[frozenset[str]], set[str]]:
    """The orders of each customer, and those of nobody."""
    groups: dict[Any, set[str]] = {}
    for key, row in rows.items():
        groups.setdefault(row["customer"], set()).add(key)
    nobody = groups.pop(None, set())
    return {frozenset(keys) for keys in groups.values()}, nobody
