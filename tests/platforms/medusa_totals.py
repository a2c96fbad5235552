"""The figures of an order and its items as Medusa computes them: unrounded, of the pieces kept.

A returned piece leaves an item's totals and the order's; what it came to is told beside them, by
what happened to it. An edit before shipping lowers the quantity.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderpull.simulator.shop.order import Quantity, StoreLine, StoreOrder

Figures = dict[str, Fraction]
NOTHING = Fraction(0)


def number(value: Fraction) -> int | float:
    """Return a JSON number: the double that JavaScript would write."""
    return int(value) if value.denominator == 1 else float(value)


class Item:
    """An item: `pieces` of it were sold, at `price` each, and `off` the whole."""

    def __init__(self, order: StoreOrder, line: StoreLine) -> None:
        """Read a line; one of a cancelled order keeps its pieces."""
        kind = kind_of(order)
        self.line = line
        self.pieces = line.pieces(kind)
        self.price = Fraction(line.cents, 100)
        self._whole = Fraction(order.amount_of(line, kind), 100)
        self.off = self.price * self.pieces - self._whole
        self._rate = Fraction(order.tax_rate, 10_000)
        self._dismissed = line.returned // 2 if line.key % 3 else line.returned

    def detail(self) -> dict[str, int]:
        """Return the pieces by what happened to them; damaged returns are dismissed."""
        shipped = self.pieces if self.line.returned else 0
        return {
            **dict.fromkeys(("fulfilled_quantity", "shipped_quantity"), shipped),
            "return_received_quantity": self.line.returned - self._dismissed,
            "return_dismissed_quantity": self._dismissed,
            "written_off_quantity": self._dismissed,
        }

    def totals(self) -> Figures:
        """Return the totals; prices and discounts include the tax."""
        kept = self.pieces - self.line.returned
        original = self.price * kept
        piece = self._whole / self.pieces if self.pieces else NOTHING
        total = piece * kept
        tax, original_tax = self._tax(total), self._tax(original)
        detail = self.detail()
        return {
            "subtotal": original - original_tax,
            "total": total,
            "original_subtotal": original - original_tax,
            "original_total": original,
            "discount_subtotal": original - original_tax - (total - tax),
            "discount_tax_total": original_tax - tax,
            "discount_total": original - total,
            "tax_total": tax,
            "original_tax_total": original_tax,
            "refundable_total_per_unit": piece if kept else NOTHING,
            "refundable_total": total,
            "fulfilled_total": piece * detail["fulfilled_quantity"],
            "shipped_total": piece * detail["shipped_quantity"],
            "return_requested_total": NOTHING,
            "return_received_total": piece * detail["return_received_quantity"],
            "return_dismissed_total": piece * detail["return_dismissed_quantity"],
            "write_off_total": piece * detail["written_off_quantity"],
        }

    def _tax(self, gross: Fraction) -> Fraction:
        return gross - gross / (1 + self._rate)


def order_totals(order: StoreOrder, items: Iterable[Item]) -> Figures:
    """Return the totals of an order: those of its items and of its shipping, the latter whole."""
    totals = [item.totals() for item in items]
    shipping = Fraction(order.shipping, 100)
    rate = Fraction(order.tax_rate, 10_000)

    def sum_of(name: str) -> Fraction:
        return sum((each[name] for each in totals), NOTHING)

    return {
        "total": sum_of("total") + shipping,
        "subtotal": sum_of("subtotal") + shipping / (1 + rate),
        "tax_total": sum_of("tax_total") + shipping - shipping / (1 + rate),
        "discount_total": sum_of("discount_total"),
        "item_total": sum_of("total"),
        "shipping_total": shipping,
    }


def kind_of(order: StoreOrder) -> Quantity:
    """Return which pieces are its quantity: cancelling an order takes none off."""
    return "ordered" if order.state == "cancelled" else "current"
