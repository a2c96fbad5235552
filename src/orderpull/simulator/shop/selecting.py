"""Which orders a list call gives: filtered by time, sorted, and where a cursor stands in them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from .order import StoreOrder

Key = tuple[float, int]
"""What orders are sorted by: a time or nothing, then the key."""


def between(
    orders: Iterable[StoreOrder],
    lower: datetime | None,
    upper: datetime | None,
    *,
    lower_inclusive: bool = True,
    upper_inclusive: bool = True,
    of: Callable[[StoreOrder], datetime | None] = lambda order: order.modified,
) -> list[StoreOrder]:
    """Return the orders whose time lies within the bounds; None is no bound."""
    found = []
    for order in orders:
        moment = of(order)
        if moment is None:
            if lower is None and upper is None:
                found.append(order)
            continue
        above = lower is None or moment > lower or (lower_inclusive and moment == lower)
        below = upper is None or moment < upper or (upper_inclusive and moment == upper)
        if above and below:
            found.append(order)
    return found


def by_modified(order: StoreOrder) -> Key:
    """Sort by the last change, then by the key."""
    return (order.modified.timestamp(), order.key)


def by_created(order: StoreOrder) -> Key:
    """Sort by when they came in, then by the key."""
    return (order.created.timestamp(), order.key)


def by_key(order: StoreOrder) -> Key:
    """Sort by the key alone."""
    return (0.0, order.key)


SORTS: dict[str, Callable[[StoreOrder], Key]] = {
    "modified": by_modified,
    "created": by_created,
    "id": by_key,
}


def after(
    orders: Sequence[StoreOrder],
    key: Callable[[StoreOrder], Key],
    last: Key,
    *,
    descending: bool = False,
) -> list[StoreOrder]:
    """Return those of the sorted orders that stand behind the place of `last`, there or not."""
    if descending:
        return [order for order in orders if key(order) < last]
    return [order for order in orders if key(order) > last]


def packed(told: dict[str, Any]) -> str:
    """Return an object as a text that no client should look into."""
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def unpacked(text: str) -> dict[str, Any]:
    """Return what was packed; ValueError for what never was."""
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ValueError(f"not a cursor: {text!r}")  # noqa: TRY004 - it is the answer's text
    return told
