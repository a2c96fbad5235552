"""What Vendure's lists are asked with: how many, in which order, and which of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderpull.simulator.shop.times import read
from tests.platforms.graphql import GraphQLError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orderpull.simulator.shop.order import StoreOrder


def state(order: StoreOrder) -> str:
    """Return the state that Vendure tells."""
    match order.state:
        case "cart":
            return "AddingItems"
        case "draft":
            return "Draft"
        case "cancelled":
            return "Cancelled"
        case _:
            paid = "PaymentSettled" if order.key % 7 == 0 else "PaymentAuthorized"
            return "Delivered" if order.closed else paid


FIELDS: dict[str, Callable[[StoreOrder], Any]] = {
    "id": lambda order: order.key,
    "code": lambda order: order.number,
    "createdAt": lambda order: order.created,
    "updatedAt": lambda order: order.modified,
    "orderPlacedAt": lambda order: order.placed,
    "totalWithTax": lambda order: order.cents,
}
FILTERED: dict[str, Callable[[StoreOrder], Any]] = {
    **FIELDS,
    "id": lambda order: str(order.key),
    "active": lambda order: order.state == "cart",
    "type": lambda _: "Regular",
    "state": state,
}
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, told: bool(value == told),
    "notEq": lambda value, told: bool(value != told),
    "in": lambda value, told: value in told,
    "notIn": lambda value, told: value not in told,
    "contains": lambda value, told: str(told).lower() in str(value).lower(),
    "isNull": lambda value, told: (value is None) is told,
    "after": lambda value, told: value is not None and value > told,
    "before": lambda value, told: value is not None and value < told,
    "between": lambda value, told: value is not None and told[0] <= value <= told[1],
}


def listed(
    orders: Iterable[StoreOrder], options: Mapping[str, Any], most: int
) -> tuple[list[StoreOrder], list[StoreOrder]]:
    """Return all orders that the filter lets through, sorted, and those of the page.

    GraphQLError for an option, a field or a test that there is none of, and for a page of more than
    `most`.
    """
    unknown = set(options) - {"take", "skip", "sort", "filter", "filterOperator"}
    if unknown:
        raise GraphQLError(f'Field "{unknown.pop()}" is not defined by type "OrderListOptions".')
    take, skip = options.get("take"), options.get("skip") or 0
    if take is not None and take > most:
        raise GraphQLError(f"Cannot take more than {most} results from a list query")
    every = options.get("filterOperator") != "OR"
    found = [order for order in orders if _fits(order, options.get("filter") or {}, every=every)]
    found.sort(key=lambda order: order.key)
    for name, direction in reversed(list((options.get("sort") or {}).items())):
        if name not in FIELDS or direction not in ("ASC", "DESC"):
            raise GraphQLError(f'Field "{name}" is not defined by type "OrderSortParameter".')
        found.sort(key=lambda order, of=FIELDS[name]: _first_none(of(order)))  # type: ignore[misc]
        if direction == "DESC":
            found.reverse()
    return found, found[skip : skip + (take or most)]


def _first_none(value: Any) -> tuple[bool, Any]:
    return (value is not None, 0 if value is None else value)


def _fits(order: StoreOrder, wanted: Mapping[str, Any], *, every: bool) -> bool:
    results = []
    for name, tests in wanted.items():
        if tests is None:
            continue
        if name in ("_and", "_or"):
            inner = [_fits(order, one, every=True) for one in tests]
            results.append(all(inner) if name == "_and" else any(inner))
        elif name not in FILTERED:
            raise GraphQLError(f'Field "{name}" is not defined by type "OrderFilterParameter".')
        else:
            results += [
                _test(name, FILTERED[name](order), test, given)
                for test, given in tests.items()
                if given is not None
            ]
    return (all(results) if every else any(results)) if results else True


def _test(name: str, value: Any, test: str, given: Any) -> bool:
    if test not in TESTS:
        raise GraphQLError(f'Field "{test}" is not defined for the filter of "{name}".')
    if name.endswith("At") and test != "isNull":
        try:
            given = (read(given["start"]), read(given["end"])) if test == "between" else read(given)
        except (TypeError, ValueError, KeyError):
            raise GraphQLError(f"{given!r} is not a DateTime") from None
    return TESTS[test](value, given)
