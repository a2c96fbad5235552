"""Shopify's search texts, such as `updated_at:>='2026-01-01T00:00:00Z' AND status:any`."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from orderpull.simulator.shop.times import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderpull.simulator.shop.order import StoreOrder

TERM = re.compile(
    r"\s*(?P<field>[a-z_]+):(?P<test>>=|<=|>|<)?"
    r"(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<bare>[^\s)]+))\s*"
)
PARENTHESES = re.compile(r"[()]")
AND = re.compile(r"\s*AND\s+")
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "": operator.eq,
}
MOMENTS: dict[str, Callable[[StoreOrder], Any]] = {
    "updated_at": lambda order: order.modified,
    "created_at": lambda order: order.created,
    "processed_at": lambda order: order.created,
}
STATUSES: dict[str, Callable[[StoreOrder], bool]] = {
    "any": lambda _: True,
    "open": lambda order: not order.closed and order.state != "cancelled",
    "closed": lambda order: order.closed,
    "cancelled": lambda order: order.state == "cancelled",
    "not_closed": lambda order: not order.closed,
}


class Search(NamedTuple):
    """What a text finds, and warnings about what in it finds nothing and is left out of account."""

    fits: Callable[[StoreOrder], bool]
    warnings: list[dict[str, str]]


def search(text: str | None) -> Search:
    """Read a search text: alternatives with OR between them, each of terms that must all hold.

    Parentheses are passed over; NOT is not understood, and warned about.
    """
    found = [_terms(each) for each in re.split(r"\s+OR\s+", text or "")]
    return Search(
        lambda order: any(each.fits(order) for each in found),
        [warning for each in found for warning in each.warnings],
    )


def _terms(text: str) -> Search:
    tests: list[Callable[[StoreOrder], bool]] = []
    warnings: list[dict[str, str]] = []
    rest = PARENTHESES.sub(" ", text).strip()
    while rest:
        found = TERM.match(rest)
        if found is None:
            warnings.append(_warning(rest, "unreadable_query"))
            break
        rest = AND.sub("", rest[found.end() :], count=1)
        value = next(v for v in (found["single"], found["double"], found["bare"]) if v is not None)
        test = _test(found["field"], found["test"] or "", value)
        if test is None:
            warnings.append(_warning(found["field"], "invalid_field"))
        else:
            tests.append(test)
    return Search(lambda order: all(test(order) for test in tests), warnings)


def _test(field: str, test: str, value: str) -> Callable[[StoreOrder], bool] | None:
    if field in MOMENTS:
        try:
            moment = read(value)
        except ValueError:
            return None
        of = MOMENTS[field]
        return lambda order: TESTS[test](of(order), moment)
    if field == "id" and value.isdecimal():
        return lambda order: TESTS[test](order.key, int(value))
    if field == "name" and not test:
        return lambda order: order.number == value
    if field == "test" and not test:
        return lambda order: (order.state == "test") == (value == "true")
    return STATUSES.get(value) if field == "status" and not test else None


def _warning(field: str, code: str) -> dict[str, str]:
    return {"field": field, "message": "Invalid search field for this query.", "code": code}
