"""Orders that a marketplace lists beside a purchase: one for each vendor, with copied lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orderpull.simulator.shop.order import ASIDE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orderpull.simulator.shop.order import StoreOrder

APART = 10_000_000
"""What a suborder's key is above its purchase's, and again for each vendor."""


def with_suborders(orders: Iterable[StoreOrder]) -> Iterator[StoreOrder]:
    """Yield each order; after one of several lines, the suborders of its two vendors."""
    for order in orders:
        if order.state in ASIDE or len(order.lines) < 2:
            yield order
            continue
        yield replace(order, marks={*order.marks, "split"})
        for vendor in (1, 2):
            yield replace(
                order,
                key=vendor * APART + order.key,
                number=f"{order.number}-{vendor}",
                lines=order.lines[vendor - 1 :: 2],
            )


def purchase_of(order: StoreOrder) -> int:
    """Return the key of a suborder's purchase; 0 for an order of its own."""
    return order.key % APART if order.key > APART else 0
