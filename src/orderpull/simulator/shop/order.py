"""What a shop means by an order that can change: apart from any platform's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from orderpull.simulator.truth import address_columns, sku_key

if TYPE_CHECKING:
    from datetime import datetime

    from orderpull.simulator.model import Address

State = Literal["placed", "cancelled", "cart", "draft", "test"]
"""What an order is: carts and drafts are no orders yet, and a test never becomes one."""

ASIDE = frozenset({"cart", "draft", "test"})
"""What stands in some platforms' lists and is no order."""

Quantity = Literal["ordered", "current"]
"""Which pieces a platform's own field tells: those once ordered, or what is left of them."""


@dataclass(slots=True)
class StoreLine:
    """A line: `quantity` is what was ordered, `current` what is left after edits and cancelling."""

    key: int
    sku: str | None
    quantity: int
    current: int
    cents: int

    def pieces(self, which: Quantity) -> int:
        """Return how many pieces the platform tells."""
        return self.quantity if which == "ordered" else self.current


@dataclass(slots=True)
class StoreOrder:
    """An order as it is now. `key` never changes, `number` may. Times are in UTC.

    `version` counts all changes, those too that leave `modified` as it is.
    """

    key: int
    number: str
    state: State
    lines: list[StoreLine]
    address: Address | None
    city: str | None
    created: datetime
    modified: datetime
    placed: datetime | None
    currency: str = "USD"
    version: int = 1
    refunded: int = 0
    closed: bool = False
    marks: set[str] = field(default_factory=set)

    @property
    def counted(self) -> bool:
        """Whether it is a sale."""
        return self.state == "placed"

    @property
    def cents(self) -> int:
        """What all its lines cost, in hundredths."""
        return sum(line.cents * line.quantity for line in self.lines)

    def rows(self, which: Quantity) -> dict[str, Any]:
        """Return what the tables hold of it: a number, whether it counts, columns and items."""
        city = self.city if self.address is not None else None
        return {
            "number": self.number,
            "counted": self.counted,
            **address_columns(self.address),
            "city": city,
            "items": self.items(which),
            "items_ordered": self.items("ordered"),
            "items_current": self.items("current"),
        }

    def items(self, which: Quantity) -> dict[str, int]:
        """Return the pieces of each SKU, summed over the lines."""
        items: dict[str, int] = {}
        for line in self.lines:
            sku = sku_key(line.sku)
            items[sku] = items.get(sku, 0) + line.pieces(which)
        return items
