"""Orders that can change, independent of any platform's JSON."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from orderpull.simulator.model import Address
from orderpull.simulator.truth import address_columns, sku_key

State = Literal["placed", "cancelled", "cart", "draft", "test"]
"""State of an order. Carts and drafts may become orders, tests never do."""

ASIDE = frozenset({"cart", "draft", "test"})
"""States in some platforms' lists that are not orders."""

Quantity = Literal["ordered", "current"]
"""Meaning of a platform's quantity: pieces ordered, or pieces left."""


@dataclass(slots=True)
class StoreLine:
    """A line: `quantity` pieces were ordered, `current` are left after edits and cancelling."""

    key: int
    sku: str | None
    quantity: int
    current: int
    cents: int

    def pieces(self, which: Quantity) -> int:
        """Return the pieces of this kind."""
        return self.quantity if which == "ordered" else self.current


@dataclass(slots=True)
class StoreOrder:
    """An order as it is now. `key` never changes, `number` may. Times are in UTC.

    `version` counts all changes, silent changes included.
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
        """True for a sale."""
        return self.state == "placed"

    @property
    def cents(self) -> int:
        """Total of all lines, in hundredths."""
        return sum(line.cents * line.quantity for line in self.lines)

    def rows(self, which: Quantity) -> dict[str, Any]:
        """Return its table rows: number, counted, address columns and items."""
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
