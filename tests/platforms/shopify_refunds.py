"""Refunds of an order as Shopify records them: removals, returns, and money alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderpull.simulator.shop.order import StoreLine, StoreOrder


@dataclass(frozen=True)
class RefundedLine:
    """Pieces of a line in a refund: `kind` is its restock type, `cents` their price."""

    line: StoreLine
    pieces: int
    kind: str
    cents: int


@dataclass(frozen=True)
class Refund:
    """A refund: `cents` went back, for `lines` or for none of them."""

    key: int
    cents: int
    lines: list[RefundedLine]


def refunds_of(order: StoreOrder) -> list[Refund]:
    """Return the refunds of `order`: one of all removals, then two of the returns.

    The last one pays all the money back.
    """
    groups = [list(_removed(order)), *_returned(order)]
    groups = [lines for lines in groups if lines]
    if order.refunded and not groups:
        groups = [[]]
    return [
        Refund(order.key * 10 + place, order.refunded if place == len(groups) else 0, lines)
        for place, lines in enumerate(groups, start=1)
    ]


def _removed(order: StoreOrder) -> Iterator[RefundedLine]:
    for line in order.lines:
        if pieces := line.quantity - line.current:
            cents = order.amount_of(line, "ordered") - order.amount_of(line, "current")
            yield RefundedLine(line, pieces, "CANCEL", cents)


def _returned(order: StoreOrder) -> list[list[RefundedLine]]:
    """Return the returned pieces, a line's last one apart from the others.

    Every other line goes back to the shelf.
    """
    first, rest = [], []
    for line in order.lines:
        kind = "RETURN" if line.key % 2 else "NO_RESTOCK"
        value = order.amount_of(line, "ordered") // max(line.quantity, 1)
        if line.returned > 1:
            first.append(RefundedLine(line, line.returned - 1, kind, value * (line.returned - 1)))
        if line.returned:
            rest.append(RefundedLine(line, 1, kind, value))
    return [first, rest]
