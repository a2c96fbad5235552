"""Selection of a list call: filter by time, sort, and position of a cursor."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from .order import StoreOrder

Key = tuple[float, int]
"""Sort key of an order: a time or 0, then the order's key."""


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
    selected = []
    for order in orders:
        moment = of(order)
        if moment is None:
            if lower is None and upper is None:
                selected.append(order)
            continue
        above = lower is None or moment > lower or (lower_inclusive and moment == lower)
        below = upper is None or moment < upper or (upper_inclusive and moment == upper)
        if above and below:
            selected.append(order)
    return selected


SORTS: dict[str, Callable[[StoreOrder], Key]] = {
    "modified": lambda order: (order.modified.timestamp(), order.key),
    "created": lambda order: (order.created.timestamp(), order.key),
    "id": lambda order: (0.0, order.key),
}
"""Sort keys: by the last change, by when they came in, or by the key alone."""


def after(
    orders: Sequence[StoreOrder],
    key: Callable[[StoreOrder], Key],
    last: Key,
    *,
    descending: bool = False,
) -> list[StoreOrder]:
    """Return the sorted orders after the position of `last`, whose order may be gone."""
    if descending:
        return [order for order in orders if key(order) < last]
    return [order for order in orders if key(order) > last]


def packed(content: dict[str, Any]) -> str:
    """Return an object as an opaque text."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def unpacked(text: str) -> dict[str, Any]:
    """Return the packed object. ValueError for any other text."""
    try:
        content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"not a cursor: {text!r}")  # noqa: TRY004 - it is the answer's text
    return content
