"""The shop behind every platform: its orders, their changes, and the truth about them."""

import random
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from orderpull.simulator.goods import title_of
from orderpull.simulator.maker import OrderMaker

from .checkout import Checkout
from .order import (
    ASIDE,
    ODDITIES,
    Quantity,
    State,
    StoreLine,
    StoreOrder,
    copied,
    in_state,
    without_nul,
)
from .times import Clock, cut

DAYS = 30
SETTLED = timedelta(minutes=10)
"""Time without changes before the first request."""
AT_ONCE = 12
"""Number of orders that were changed at one instant, by one action of the shopkeeper."""
CITIES = ("Berlin", "New York", "Zürich", "東京", "São Paulo", "Łódź", "Athína", "l'Hay", None)


class Shape(NamedTuple):
    """Properties of a platform's orders.

    `number` makes an order's number from its position in the shop (from 1), `identify` an id from
    its key. `aside` are the other states in the platform's list, `quantity` is the meaning of its
    quantity field, `precision` the unit of its times. With `silent_edits` an order's stamp moves
    only when it is cancelled. With `fixed_numbers` the number of an order never changes. `totals`
    says which pieces the order's total and tax are of. `taxes` are on top of its prices or included
    in them, or either: then included outside of the USA.
    """

    number: Callable[[int], str]
    identify: Callable[[int], str] = str
    precision: str = "s"
    aside: tuple[State, ...] = ()
    quantity: Quantity = "ordered"
    first_key: int = 1
    silent_edits: bool = False
    fixed_numbers: bool = False
    totals: Quantity = "ordered"
    taxes: Literal["on top", "included", "either"] = "either"


class Store:
    """A shop's orders by key. Changes move `modified`, except silent changes.

    `served` holds the keys of orders that a list call returned since their last change, oldest
    first. `odd` maps each oddity to the id of its order.
    """

    def __init__(
        self,
        shape: Shape,
        clock: Clock,
        *,
        orders: int,
        seed: int,
        days: float = DAYS,
        reused_numbers: int = 0,
        same_stamp: int = AT_ONCE,
        odd: bool = True,
    ) -> None:
        """Make a shop with the history of `days` days that ended ten minutes ago.

        `reused_numbers` of the orders bear an older one's number, `same_stamp` of them were changed
        at one instant. ValueError for a number below 0.
        """
        if min(orders, reused_numbers, same_stamp) < 0 or days <= 0:
            raise ValueError("orders, reused_numbers and same_stamp must be 0 or more, days above")
        self.shape = shape
        self.clock = clock
        self.orders: dict[int, StoreOrder] = {}
        self.deleted: dict[int, StoreOrder] = {}
        self.served: dict[int, None] = {}
        self.odd: dict[str, str] = {}
        self.random = random.Random(f"{seed}/store")
        self._maker = OrderMaker(seed, "code")
        self._checkout = Checkout(seed)
        self._made = 0
        self._next_line = 1
        last = clock.now - SETTLED
        for place in range(orders):
            self._make(last - timedelta(days=days) * ((orders - place) / orders))
        self._change_in_the_past(last)
        if odd:
            self._make_odd()
        self._after_sales()
        self._change_at_once(same_stamp, last)
        self._reuse_numbers(reused_numbers)

    # ------------------------------------------------------------------------------------- reading

    def id(self, order: StoreOrder) -> str:
        """Return an order's id as text, as the platform has it."""
        return self.shape.identify(order.key)

    def by_id(self, order_id: str) -> StoreOrder | None:
        """Return the order with this id, if there is one now."""
        return next((order for order in self.orders.values() if self.id(order) == order_id), None)

    def truth(
        self,
        by: Callable[[StoreOrder], str] | None = None,
        rows: Callable[[StoreOrder], dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Return the contents of a correct warehouse for the shop as it is now, by order id.

        `orders` have number, counted, address columns and items (SKU: pieces): `items` by the
        platform's own field, then `items_ordered` and `items_current`; titles, amounts and returned
        by SKU; currency, channel, total, discount, shipping, tax and refunded in hundredths, and
        customer. Carts, drafts and tests are in `aside` with their state, orders once in the list
        in `deleted`. `by` returns another key than the id, `rows` the rows of an order.
        """
        name, rows = by or self.id, rows or self.rows
        orders, aside = {}, {}
        for order in self.orders.values():
            if order.state in ASIDE:
                aside[name(order)] = {"state": order.state, **rows(order)}
            else:
                orders[name(order)] = rows(order)
        deleted = {name(order): rows(order) for order in self.deleted.values()}
        return {"orders": orders, "aside": aside, "deleted": deleted}

    def rows(self, order: StoreOrder) -> dict[str, Any]:
        """Return the rows of an order, as most platforms tell them."""
        return order.rows(self.shape.quantity, self.shape.totals)

    # ------------------------------------------------------------------------------------ changing

    def now(self) -> datetime:
        """Return the stamp of a change made now."""
        return cut(self.clock.now, self.shape.precision)

    def insert(self, *, late: float = 0.0, state: State = "placed") -> StoreOrder:
        """Add a new order; with `late` it is stamped so many seconds ago and seen only now."""
        order = self._make(self.clock.now - timedelta(seconds=late))
        if state != "placed":
            in_state(state)(order)
        return order

    def touch(self, order: StoreOrder, *, silently: bool = False, late: float = 0.0) -> None:
        """Note that `order` was changed: now, `late` seconds ago, or unseen."""
        order.version += 1
        self.served.pop(order.key, None)
        if not silently:
            order.modified = cut(self.clock.now - timedelta(seconds=late), self.shape.precision)

    def edit(self, order: StoreOrder, *, silently: bool = False, late: float = 0.0) -> None:
        """Change pieces, lines or the address of `order`."""
        kind = self.random.randrange(3)
        if kind == 0 and order.address is not None:
            order.address = order.address._replace(line1=f"{self.random.randrange(999)} New Street")
        elif kind == 1 and order.lines:
            line = self.random.choice(order.lines)
            line.quantity += 1
            line.current += 1
        else:
            order.lines.append(self._line(f"ADDED-{self.random.randrange(99)}", 1))
        self.touch(order, silently=silently or self.shape.silent_edits, late=late)

    def change_sku(self, order: StoreOrder, *, silently: bool = False) -> None:
        """Give the first line of `order` another SKU; an order without lines gets one."""
        if not order.lines:
            order.lines.append(self._line("OLD-SKU", 1))
        order.lines[0].sku = f"RENAMED-{self.random.randrange(999)}"
        self.touch(order, silently=silently or self.shape.silent_edits)

    def edit_number(self, order: StoreOrder) -> None:
        """Give `order` another number."""
        order.number = f"{order.number}-E{order.version}"
        self.touch(order, silently=self.shape.silent_edits)

    def cancel(self, order: StoreOrder) -> None:
        """Cancel `order`."""
        ODDITIES["cancelled"](order)
        self.touch(order)

    def send_back(self, order: StoreOrder) -> None:
        """Let pieces of `order` come back after shipping; most are refunded."""
        self._checkout.send_back(order)
        self.touch(order)

    def remove(self, order: StoreOrder) -> None:
        """Take pieces of `order` off before shipping.

        Where the platform tells what was ordered, and nothing else, that is an edit of the line.
        """
        self._checkout.remove(order, edits=self.shape.quantity == "ordered")
        self.touch(order)

    def refund(self, order: StoreOrder) -> None:
        """Refund money of `order`; nothing comes back."""
        self._checkout.refund(order)
        self.touch(order)

    def place(self, order: StoreOrder) -> None:
        """Make an order of a cart or draft."""
        order.state = "placed"
        order.placed = self.now()
        self.touch(order, silently=self.shape.silent_edits)

    def delete(self, order: StoreOrder) -> None:
        """Delete `order` for good."""
        self.deleted[order.key] = copied(self.orders.pop(order.key))
        self.served.pop(order.key, None)

    def note_served(self, orders: Iterable[StoreOrder]) -> None:
        """Note that these orders were given away."""
        self.served.update(dict.fromkeys(order.key for order in orders))

    # -------------------------------------------------------------------------------------- making

    def _make(self, created: datetime) -> StoreOrder:
        self._made += 1
        draft = self._maker.draft(self._made)
        moment = cut(created, self.shape.precision)
        lines = [self._line(line.sku, max(line.quantity, 1)) for line in draft.meaning().lines]
        order = StoreOrder(
            key=self.shape.first_key + self._made - 1,
            number=self.shape.number(self._made),
            state="placed",
            lines=lines,
            address=without_nul(draft.address),
            city=self.random.choice(CITIES),
            created=moment,
            modified=moment,
            placed=moment,
            currency=self.random.choice(("USD", "EUR", "GBP")),
        )
        taxes = self.shape.taxes
        order.tax_included = order.currency != "USD" if taxes == "either" else taxes == "included"
        self._checkout.complete(order)
        self.orders[order.key] = order
        return order

    def _line(self, sku: str | None, pieces: int) -> StoreLine:
        self._next_line += 1
        cents = 100 + zlib.crc32((sku or "").encode()) % 20_000
        kept = None if sku is None else sku.replace("\0", "")
        return StoreLine(self._next_line, kept, pieces, pieces, cents, title_of(kept))

    def _change_in_the_past(self, last: datetime) -> None:
        """Let half of the orders have been changed some time after they came in."""
        for order in self.orders.values():
            if self.random.random() < 0.5:
                until = (last - order.created) * self.random.random() ** 3
                order.modified = cut(order.created + until, self.shape.precision)

    def _make_odd(self) -> None:
        kinds = dict(ODDITIES)
        for state in self.shape.aside:
            kinds[state] = in_state(state)
        spread = max(len(self.orders) // len(kinds), 1)
        for (name, make), order in zip(
            kinds.items(), list(self.orders.values())[::spread], strict=False
        ):
            make(order)
            self.odd[name] = self.id(order)
            for line in order.lines:
                self._next_line += 1
                line.key = self._next_line

    def _after_sales(self) -> None:
        odd = set(self.odd.values())
        for order in self.orders.values():
            if self.id(order) not in odd:
                self._checkout.after_sales(order)

    def _change_at_once(self, count: int, last: datetime) -> None:
        chosen = self.random.sample(list(self.orders.values()), min(count, len(self.orders) // 2))
        moment = cut(last - timedelta(seconds=1), self.shape.precision)
        for order in chosen:
            order.modified = max(moment, order.created)

    def _reuse_numbers(self, count: int) -> None:
        listed = list(self.orders.values())
        for older, newer in zip(listed[:count], reversed(listed), strict=False):
            if newer.key > older.key:
                newer.number = older.number
