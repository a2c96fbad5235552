"""What a warehouse must hold of the pages that were landed: plain Python, page by page.

It knows no batches and no SQL, and remembers pages that were deleted or redacted since.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from orderpull.landing.page import split_parts, split_pieces
from orderpull.landing.protocol import SourceLanding
from tests.stateful import money
from tests.stateful.money import Item

DELETED, CANCELLED = "deleted at source", "cancelled"


@dataclass(frozen=True)
class Held:
    """The version of an order that the tables must hold.

    :param page: the landed page that it came with, or in which it was not listed any more.
    """

    order: dict[str, Any]
    page: int
    deleted: bool = False

    @property
    def header(self) -> tuple[str, str, str, bool]:
        """Order number, id, status, and whether it is counted."""
        state, counted = (DELETED, False) if self.deleted else self.alive
        return self.order["no"], str(self.order["id"]), state, counted

    @property
    def alive(self) -> tuple[str, bool]:
        """Status, and whether it counts, as long as it is not deleted."""
        state = self.order["state"]
        return state, state != CANCELLED

    @property
    def items(self) -> dict[str, Item]:
        """What is held of each SKU."""
        return money.items(self.order)

    def is_of(self, order: dict[str, Any]) -> bool:
        """True if it is this version of *order*."""
        mine = self.order
        return (mine["id"], mine["changed"]) == (order["id"], order["changed"])


@dataclass
class Expected:
    """The contents of the tables. :ivar held: by order number. :ivar rejects: order and page."""

    held: dict[str, Held] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)


@dataclass
class Truth:
    """Every page that was ever landed.

    :ivar orders: the orders of each page, but for those of lists of all orders.
    :ivar listings: the ids in each list of all orders.
    :ivar mended: the mapping was, and the pages were loaded again.
    :ivar unmended: the pages that had been deleted before.
    :ivar hollow: the versions that an older orderpull has loaded, by number, until they are seen to
        have the columns that it did not know.
    """

    orders: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    listings: dict[int, set[int]] = field(default_factory=dict)
    mended: bool = False
    unmended: set[int] = field(default_factory=set)
    hollow: dict[str, Held] = field(default_factory=dict)

    @property
    def pages(self) -> set[int]:
        """The numbers of all pages."""
        return {*self.orders, *self.listings}

    def learn(self, landing: SourceLanding) -> None:
        """Read the pages that are new in *landing*."""
        for number in landing.pages(after=max(self.pages, default=0)):
            meta, body = landing.read(number)
            if meta.redacted:
                bodies = [text for text, whole in split_pieces(body) if whole]
                orders = [msgspec.json.decode(text) for text in bodies]
            else:
                bodies = split_parts(meta, body) if meta.parts else [body]
                orders = [each for one in bodies for each in msgspec.json.decode(one)["orders"]]
            if meta.kind == "listing":
                self.listings[number] = {each["id"] for each in orders}
            else:
                self.orders[number] = orders

    def mend(self, landed: set[int]) -> None:
        """The mapping is mended, and the pages *landed* were loaded again."""
        self.mended, self.unmended = True, self.pages - landed

    def is_good(self, order: dict[str, Any], page: int = 0) -> bool:
        """True if the *order* could be shaped, as it came with *page*; 0: as it would come now."""
        key = "m" if self.mended and page not in self.unmended else "n"
        whole = all(isinstance(line[key], int) for line in order["lines"])
        return whole and money.is_readable(order)

    def is_mendable(self, number: str, page: int) -> bool:
        """True if the order *number* on *page* can be shaped once the mapping is mended."""
        found = [order for order in self.orders[page] if order["no"] == number]
        whole = all(isinstance(line["m"], int) for order in found for line in order["lines"])
        return whole and all(map(money.is_readable, found))

    def numbers(self) -> set[str]:
        """The numbers of all orders that were ever landed."""
        return {order["no"] for orders in self.orders.values() for order in orders}

    def has(self, order: dict[str, Any]) -> bool:
        """True if this version of an order was landed."""
        return any(
            (each["id"], each["changed"]) == (order["id"], order["changed"])
            for orders in self.orders.values()
            for each in orders
        )

    def may_be_hollow(self, number: str, held: Held, landed: Collection[int]) -> bool:
        """True if an older orderpull loaded this version, and no page *landed* gives it again."""
        hollow = self.hollow.get(number)
        if hollow is None or not hollow.is_of(held.order):
            return False
        if not held.deleted:
            return held.page not in landed
        again = (page for page in landed if page < held.page and page not in self.listings)
        return not any(held.is_of(order) for page in again for order in self.orders[page])

    def expected(self, loaded: Collection[int]) -> Expected:
        """What the tables must hold once the pages *loaded* are."""
        told = Expected()
        for page in sorted(loaded):
            if page in self.listings:
                _vanish(told, page, self.listings[page])
            else:
                self._take(told, page, self.orders[page])
        return told

    def _take(self, told: Expected, page: int, orders: Iterable[dict[str, Any]]) -> None:
        for order in orders:
            number = order["no"]
            if not self.is_good(order, page):
                told.rejects[number] = page
                continue
            told.rejects.pop(number, None)
            before = told.held.get(number)
            if before is None or order["changed"] >= before.order["changed"]:
                told.held[number] = Held(order, page)


def _vanish(told: Expected, page: int, listed: Collection[int]) -> None:
    for number, held in told.held.items():
        if held.order["id"] not in listed and not held.deleted:
            told.held[number] = replace(held, page=page, deleted=True)
            told.rejects.pop(number, None)
