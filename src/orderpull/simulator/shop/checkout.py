"""Checkout and after-sales: prices off, shipping, tax, customers, channels, refunds, returns.

All of it is drawn from generators of its own, so that a seed keeps its numbers, SKUs and pieces.
"""

import random

from orderpull.simulator.goods import Weighted

from .order import StoreLine, StoreOrder

CHANNELS: Weighted[str | None] = Weighted(
    [("web", 70), ("pos", 12), ("amazon", 10), ("instagram", 5), (None, 3)]
)
SHIPPING = Weighted([(0, 30), (490, 40), (595, 20), (1295, 10)])
"""Hundredths for the parcel."""
TAX_RATES = {"USD": (0, 725, 888), "EUR": (700, 1900, 2100), "GBP": (0, 2000)}
"""Rates in hundredths of a per cent, by currency."""
COMES_BACK = 0.4
GUESTS = 0.25
NOBODY = 0.04
"""Share of the orders with neither a customer nor an e-mail address, as at a till."""
FIRST_CUSTOMER = 6_000


class Checkout:
    """Fills new orders and changes sold ones, by the generator of one seed."""

    def __init__(self, seed: int) -> None:
        """Begin with no customers."""
        self._random = random.Random(f"{seed}/checkout")
        self._customers = 0
        self._guests = 0

    def complete(self, order: StoreOrder) -> None:
        """Give a new order its customer, channel, discounts, shipping and tax rate."""
        draw = self._random
        order.channel = CHANNELS.at(draw.random())
        order.shipping = SHIPPING.at(draw.random())
        order.tax_rate = draw.choice(TAX_RATES[order.currency])
        for line in order.lines:
            if draw.random() < 0.15:
                line.discount = line.cents * line.quantity * draw.randrange(1, 100) // 100
            if line.title is not None and draw.random() < 0.05:
                line.title = f"{line.title} (old)"
        if draw.random() < 0.25:
            order.discount = order.subtotal * draw.randrange(1, 40) // 100
        self._identify(order)

    def _identify(self, order: StoreOrder) -> None:
        """Set customer and e-mail address: of a customer, of a guest, or of nobody."""
        draw = self._random
        kind, back = draw.random(), draw.random() < COMES_BACK
        if kind < NOBODY:
            return
        if kind < NOBODY + GUESTS:
            self._guests += not (back and self._guests)
            which = draw.randrange(self._guests) + 1 if back else self._guests
            order.email = f"guest{which}@mail.test"
            return
        self._customers += not (back and self._customers)
        which = draw.randrange(self._customers) + 1 if back else self._customers
        order.customer = FIRST_CUSTOMER + which
        order.email = f"customer{which}@mail.test"

    def after_sales(self, order: StoreOrder) -> None:
        """Let some orders have pieces sent back, and some money refunded for nothing returned."""
        kind = self._random.random()
        if kind < 0.08:
            self.send_back(order)
        elif kind < 0.11:
            self.refund(order)

    def send_back(self, order: StoreOrder) -> None:
        """Let pieces of a line come back after shipping, and refund most of them."""
        left = [line for line in order.lines if line.current > line.returned]
        if not left:
            return
        line = self._random.choice(left)
        pieces = self._random.randint(1, line.current - line.returned)
        line.returned += pieces
        if self._random.random() < 0.8:
            self._pay_back(order, line, pieces)

    def remove(self, order: StoreOrder, *, edits: bool) -> None:
        """Take pieces of a line off before shipping, and refund them.

        With `edits` the line says afterwards that fewer pieces were ordered; without pieces it is
        gone.
        """
        left = [line for line in order.lines if line.current > line.returned]
        if not left:
            return
        line = self._random.choice(left)
        pieces = self._random.randint(1, line.current - line.returned)
        line.current -= pieces
        if not edits:
            self._pay_back(order, line, pieces)
            return
        line.discount = line.discount * (line.quantity - pieces) // line.quantity
        line.quantity -= pieces
        order.lines = [line for line in order.lines if line.quantity]

    def refund(self, order: StoreOrder) -> None:
        """Refund money for nothing that came back, as after a complaint."""
        self._refund(order, 100 + self._random.randrange(900))

    def _pay_back(self, order: StoreOrder, line: StoreLine, pieces: int) -> None:
        self._refund(order, order.amount_of(line, "ordered") * pieces // line.quantity)

    @staticmethod
    def _refund(order: StoreOrder, cents: int) -> None:
        """Refund money; at least a hundredth is kept, so that the order still counts as a sale."""
        order.refunded = max(min(order.refunded + cents, order.total() - 1), order.refunded)
