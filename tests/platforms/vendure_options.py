"""The options of Vendure's lists: page, sort and filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from tests.platforms.vendure_order import money_of, order_type, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orderpull.simulator.shop.order import StoreOrder


FIELDS: dict[str, Callable[[StoreOrder], Any]] = {
    "id": lambda order: order.key,
    "code": lambda order: order.number,
    "createdAt": lambda order: order.created,
    "updatedAt": lambda order: order.modified,
    "orderPlacedAt": lambda order: order.placed,
    "totalWithTax": lambda order: money_of(order).total,
}
FILTERED: dict[str, Callable[[StoreOrder], Any]] = {
    **FIELDS,
    "id": lambda order: str(order.key),
    "active": lambda order: order.state == "cart",
    "type": order_type,
    "state": state,
}
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: bool(value == operand),
    "notEq": lambda value, operand: bool(value != operand),
    "in": lambda value, operand: value in operand,
    "notIn": lambda value, operand: value not in operand,
    "contains": lambda value, operand: operand.lower() in value.lower(),
    "isNull": lambda value, operand: (value is None) is operand,
    "after": lambda value, operand: value is not None and value > operand,
    "before": lambda value, operand: value is not None and value < operand,
    "between": lambda value, operand: (
        value is not None and operand["start"] <= value <= operand["end"]
    ),
}


def listed(
    orders: Iterable[StoreOrder], options: Mapping[str, Any], most: int
) -> tuple[list[StoreOrder], list[StoreOrder]]:
    """Return all orders that the filter lets through, sorted, and those of the page.

    GraphQLError for a page of more than `most` orders.
    """
    take, skip = options.get("take") or most, options.get("skip") or 0
    if take > most:
        message = f"Cannot take more than {most} results from a list query"
        raise GraphQLError(message, extensions={"code": "USER_INPUT_ERROR"})
    every = options.get("filterOperator") != "OR"
    found = [order for order in orders if _fits(order, options.get("filter") or {}, every=every)]
    found.sort(key=lambda order: order.key)
    for name, direction in reversed((options.get("sort") or {}).items()):
        found.sort(key=lambda order, of=FIELDS[name]: _first_none(of(order)))  # type: ignore[misc]
        if direction == "DESC":
            found.reverse()
    return found, found[skip : skip + take]


def _first_none(value: Any) -> tuple[bool, Any]:
    return (value is not None, 0 if value is None else value)


def _fits(order: StoreOrder, conditions: Mapping[str, Any], *, every: bool) -> bool:
    results = []
    for name, tests in conditions.items():
        if tests is None:
            continue
        if name in ("_and", "_or"):
            inner = [_fits(order, condition, every=True) for condition in tests]
            results.append(all(inner) if name == "_and" else any(inner))
        else:
            value = FILTERED[name](order)
            results += [
                TESTS[test](value, operand)
                for test, operand in tests.items()
                if operand is not None
            ]
    return (all(results) if every else any(results)) if results else True
