"""Orders that can change, independent of any platform's JSON, and the odd ones of every shop."""
# ruff: noqa: RUF001 - look-alike letters are the point of some SKUs

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from orderpull.simulator.goods import title_of
from orderpull.simulator.model import Address
from orderpull.simulator.truth import address_columns, sku_key, title_column

State = Literal["placed", "cancelled", "cart", "draft", "test"]
"""State of an order. Carts and drafts may become orders, tests never do."""

ASIDE = frozenset({"cart", "draft", "test"})
"""States in some platforms' lists that are not orders."""

Quantity = Literal["ordered", "current"]
"""Meaning of a platform's quantity: pieces ordered, or pieces left."""


@dataclass(slots=True)
class StoreLine:
    """A line: `quantity` pieces were ordered, `current` are left after removals before shipping.

    `returned` of the latter were sent back after shipping. Money is in hundredths: `cents` for a
    piece, `discount` off the whole line as ordered.
    """

    key: int
    sku: str | None
    quantity: int
    current: int
    cents: int
    title: str | None = None
    discount: int = 0
    returned: int = 0

    def pieces(self, which: Quantity) -> int:
        """Return the pieces of this kind."""
        return self.quantity if which == "ordered" else self.current


@dataclass(slots=True)
class StoreOrder:
    """An order as it is now. `key` never changes, `number` may. Times are in UTC.

    `version` counts all changes, silent changes included. Money is in hundredths: `discount` is off
    the whole order, `refunded` what was paid back; `tax_rate` is in hundredths of a per cent.
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
    discount: int = 0
    shipping: int = 0
    tax_rate: int = 0
    tax_included: bool = False
    channel: str | None = None
    customer: int | None = None
    email: str | None = None
    marks: set[str] = field(default_factory=set)

    @property
    def counted(self) -> bool:
        """True for a sale."""
        return self.state == "placed"

    @property
    def cents(self) -> int:
        """Total of all lines at their prices, in hundredths."""
        return sum(line.cents * line.quantity for line in self.lines)

    @property
    def subtotal(self) -> int:
        """Total of all lines after their own discounts, in hundredths."""
        return sum(line.cents * line.quantity - line.discount for line in self.lines)

    @property
    def discounted(self) -> int:
        """Sum of the discounts, in hundredths."""
        lines = sum(line.discount for line in self.lines)
        return lines + min(self.discount, self.subtotal)

    def share_of(self, line: StoreLine) -> int:
        """Return the line's part of the discount off the whole order; the parts add up to it."""
        value, before = line.cents * line.quantity - line.discount, 0
        for other in self.lines:
            if other is line:
                break
            before += other.cents * other.quantity - other.discount
        whole = self.subtotal
        off = min(self.discount, whole)
        return (before + value) * off // whole - before * off // whole if whole else 0

    def amount_of(self, line: StoreLine, which: Quantity) -> int:
        """Return what the line came to after all discounts, for these pieces of it.

        For some of its pieces this is a whole number of hundredths, rounded up.
        """
        whole = line.cents * line.quantity - line.discount - self.share_of(line)
        pieces = line.pieces(which)
        return -(-whole * pieces // line.quantity) if line.quantity else 0

    def tax(self, which: Quantity = "ordered") -> int:
        """Return the tax on lines and shipping."""
        base = self._amount(which) + self.shipping
        if self.tax_included:
            return _rounded(base * self.tax_rate, 10_000 + self.tax_rate)
        return _rounded(base * self.tax_rate, 10_000)

    def total(self, which: Quantity = "ordered") -> int:
        """Return what is to be paid: lines, shipping, and the tax that prices do not include."""
        tax = 0 if self.tax_included else self.tax(which)
        return self._amount(which) + self.shipping + tax

    def _amount(self, which: Quantity) -> int:
        return sum(self.amount_of(line, which) for line in self.lines)

    def rows(self, which: Quantity, totals: Quantity = "ordered") -> dict[str, Any]:
        """Return its table rows: number, counted, address columns, items, money and customer.

        `items` and `amounts` are of the pieces of the kind `which`, `total` and `tax` of those of
        the kind `totals`. Money is in hundredths. `customer` is the same text for the same one.
        """
        city = self.city if self.address is not None else None
        return {
            "number": self.number,
            "counted": self.counted,
            **address_columns(self.address),
            "city": city,
            "items": self.items(which),
            "items_ordered": self.items("ordered"),
            "items_current": self.items("current"),
            "titles": self._titles(),
            "amounts": self._by_sku(lambda line: self.amount_of(line, which)),
            "returned": self._by_sku(lambda line: line.returned),
            "currency": self.currency,
            "channel": self.channel,
            "total": self.total(totals),
            "discount": self.discounted,
            "shipping": self.shipping,
            "tax": self.tax(totals),
            "refunded": self.refunded,
            "customer": self.email if self.customer is None else str(self.customer),
        }

    def items(self, which: Quantity) -> dict[str, int]:
        """Return the pieces of each SKU, summed over the lines."""
        return self._by_sku(lambda line: line.pieces(which))

    def _by_sku(self, number: Callable[[StoreLine], int]) -> dict[str, int]:
        sums: dict[str, int] = {}
        for line in self.lines:
            sku = sku_key(line.sku)
            sums[sku] = sums.get(sku, 0) + number(line)
        return sums

    def _titles(self) -> dict[str, str | None]:
        """Return the title of each SKU: of its first line that has one."""
        titles: dict[str, str | None] = {}
        for line in self.lines:
            sku = sku_key(line.sku)
            titles[sku] = titles.get(sku) or title_column(line.title)
        return titles


def _rounded(whole: int, part: int) -> int:
    """Return the quotient of two numbers from 0, rounded half up."""
    return (2 * whole + part) // (2 * part)


LONG = 60
"""Lines of the longest order: more than any platform nests by default."""


def _lines(order: StoreOrder, skus: Iterable[str | None]) -> None:
    order.lines = [
        StoreLine(order.key * 1000 + place, sku, place % 3 + 1, place % 3 + 1, 1999, title_of(sku))
        for place, sku in enumerate(skus)
    ]


def _selling(*skus: str | None) -> Callable[[StoreOrder], None]:
    """Let an order have one line for each of these SKUs."""
    return lambda order: _lines(order, skus)


def _no_address(order: StoreOrder) -> None:
    order.address = None


def _blank_address(order: StoreOrder) -> None:
    order.address = Address("", "", " ", "", None, "")
    order.city = None


def _entities(order: StoreOrder) -> None:
    _lines(order, ["A&amp;B", "A&B", "<b>bold</b>", "5&quot; nail"])
    order.address = Address("GB", "1 &lt;High&gt; St", None, "Marks &amp; Spencer", "N1 9GU", None)


def _cancelled(order: StoreOrder) -> None:
    order.state = "cancelled"
    for line in order.lines:
        line.current = line.returned = 0


def _removed_line(order: StoreOrder) -> None:
    _lines(order, ["KEPT-1", "REMOVED-1", "FEWER-1"])
    order.lines[1].current = 0
    order.lines[2].current -= 1
    order.discount = 1000


def _refunded(order: StoreOrder) -> None:
    _lines(order, ["REFUNDED-1", "REFUNDED-2"])
    order.lines[0].returned = order.lines[1].returned = 1
    order.refunded = order.lines[0].cents


def _repeated(order: StoreOrder) -> None:
    """Let the first line of the SKU have no title, and two others different ones."""
    _lines(order, ["TWICE-1", "ONCE-1", "TWICE-1", "TWICE-1"])
    order.lines[0].title, order.lines[3].title = " ", "Another"
    order.lines[2].discount, order.discount = 7, 100


def _closed(order: StoreOrder) -> None:
    order.closed = True


def _digital(order: StoreOrder) -> None:
    _lines(order, ["E-BOOK-1"])
    order.address = None
    order.marks.add("digital")


ODDITIES: dict[str, Callable[[StoreOrder], None]] = {
    "no-lines": _selling(),
    "long": lambda order: _lines(order, [f"LONG-{place % 55:02d}" for place in range(LONG)]),
    "repeated-sku": _repeated,
    "no-sku": _selling(None, "", "  ", "WITH-1"),
    "only-no-sku": _selling(None),
    "like-numbers": _selling("00123", "123", "1E5", "1e5", "1,5", "-0"),
    "like-words": _selling("NULL", "null", "None", "NaN", "true"),
    "blanks": _selling("TRAIL", "TRAIL ", " TRAIL", "TRAIL\u00a0"),
    "letters": _selling("Caf\u00e9-1", "Cafe\u0301-1", "abc-1", "ABC-1", "ÉTUI-α", "茶-250g"),
    "beyond": _selling("\U0001f9e6-SOCK", 'quo"te', "back\\slash", "new\nline", "'; DROP TABLE x;"),
    "entities": _entities,
    "no-address": _no_address,
    "blank-address": _blank_address,
    "digital": _digital,
    "cancelled": _cancelled,
    "removed-line": _removed_line,
    "refunded": _refunded,
    "closed": _closed,
}
"""Kinds of odd orders, each with the function that makes an ordinary order odd."""


def in_state(state: str) -> Callable[[StoreOrder], None]:
    """Return a function that makes an ordinary order a cart, a draft or a test."""

    def make(order: StoreOrder) -> None:
        order.state = state  # type: ignore[assignment]
        if state != "test":
            order.placed = None

    return make


def without_nul(address: Address | None) -> Address | None:
    """Return an address without U+0000 and with single blanks in names, as databases hold it."""
    if address is None:
        return None
    name = " ".join((address.name or "").split()) or None
    return Address(*(each and each.replace("\0", "") for each in address._replace(name=name)))


def copied(order: StoreOrder) -> StoreOrder:
    """Return a copy that later changes leave alone."""
    return replace(order, lines=[replace(line) for line in order.lines], marks=set(order.marks))
