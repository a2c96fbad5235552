"""A shop of full-shape orders for measuring: rendered once from a seed, with the exact truth.

An order has the fields of Extensiv's v1.1 API, most of them wanted by nobody, and 2.55 kB. One in
a thousand cannot be an order (ten kinds in turn); one in a thousand has a quantity as text. Each
order follows from the seed and its number alone, so a shop of any size has the same first orders.

A folder holds ``orders.bin`` with ``orders.index``, the same of the orders ``changed`` later, and
``truth.json``: what a correct warehouse holds before and after the change. It is added up here in
Python, by the rules of the docs and not by any code of the program.
"""

import json
import mmap
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b, md5
from pathlib import Path
from typing import Any

SEED = 20_261_130
END = 1_748_736_000
"""2025-06-01, when the last order of a rendered shop was changed; later changes come after it."""

STEP = 30
"""Seconds between two orders."""

ODD = 1000
"""One order of so many is malformed, and one more has a quantity as text."""

BITS = 48
"""Of each row's hash; sums of them stay exact in every database."""

TEXTS = {
    "country": "US GB DE CA FR AU NL IT ES JP SE CH AT BE PL DK NO IE NZ FI PT CZ BR MX IN SG KR "
    "HK IL GR HU RO TR ZA AE SA CL CO AR PE TH MY PH ID VN TW UA SK SI HR BG LT LV EE LU IS MT",
    "first": "Anna José Müller-Lena 伟 Иван محمد Søren Chloé Łukasz さくら Ελένη दीपा Zoë Sean Olu",
    "last": "Smith García Weiß 王 Петров Ødegård Lefèvre 田中 शर्मा O'Brien Åström Ben-David Silva",
    "street": "Main-St Rue-de-l'Église Bahnhofstraße 中山路 Calle-Mayor Öğretmen-Cd. Via-Roma",
}
COUNTRIES, FIRST, LAST, STREETS = (text.split() for text in TEXTS.values())
NOTES = ("", "leave at the door", "gift wrap\nplease", 'call "before"', "C:\\path", "🎁 birthday!")
LINES = (0, *(1,) * 90, *(2,) * 87, *(3,) * 57, *(4,) * 36, *(5,) * 21, *(8,) * 9)
"""Lines of an order, each as likely as the others: 2.5 on average."""

QUANTITIES = (*(1,) * 70, *(2,) * 15, *(3,) * 7, *(4,) * 4, *(6,) * 3, 12)
MALFORMED = (
    "quantity 'abc'", "quantity -1", "quantity 1.5", "quantity null", "no number", "lines object",
    "quantity {}", "id object", "lines number", "lines text",
)  # fmt: skip


class Draw:
    """Numbers that follow from *name* alone."""

    def __init__(self, name: str) -> None:
        self._left = int.from_bytes(blake2b(name.encode()).digest())

    def __call__(self, below: int) -> int:
        """Return the next number from 0 to *below* - 1."""
        self._left, drawn = divmod(self._left, below)
        return drawn

    def skewed(self, below: int, power: float) -> int:
        """Return a number below *below*; small ones are more likely."""
        return int((self(1 << 20) / (1 << 20)) ** power * below)


@dataclass
class Truth:
    """What a correct warehouse holds; hashes are sums over rows, whatever their order."""

    orders: int = 0
    items: int = 0
    quantity: int = 0
    rejected: int = 0
    address_hash: int = 0
    item_hash: int = 0

    def add(self, order: "Order", sign: int = 1) -> None:
        """Count *order*; with *sign* -1, take it away again."""
        if order.malformed:
            self.rejected += sign
            return
        items = order.items()
        self.orders += sign
        self.items += sign * len(items)
        self.quantity += sign * sum(items.values())
        self.address_hash += sign * row_hash(order.number, *order.address)
        for sku, quantity in items.items():
            self.item_hash += sign * row_hash(order.number, sku, quantity)

    def counts(self, other: "Truth | None" = None, times: int = 0) -> "Truth":
        """The counts alone, with those of *other* added so many *times*."""
        names = ("orders", "items", "quantity", "rejected")
        added = {name: times * getattr(other, name) if other else 0 for name in names}
        return Truth(**{name: getattr(self, name) + added[name] for name in names})


def row_hash(*values: str | int | None) -> int:
    """The first bits of the md5 of the values, as text, each followed by ``|``; None is empty."""
    text = "".join(f"{'' if value is None else value}|" for value in values)
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[: BITS // 8])


class Order:
    """Order *index* of a shop; with *change*, as it is after the change of that number."""

    def __init__(
        self, index: int, modified: int, shop: str = "", change: int | None = None
    ) -> None:
        self.index, self.modified = index, modified
        self.number = f"{shop}ON-{index:08d}"
        turn = index % ODD
        self.malformed = MALFORMED[index // ODD % len(MALFORMED)] if turn == ODD - 1 else ""
        self.quantity_as_text = turn == ODD // 2
        draw = self._draw = Draw(f"{SEED} {shop} {index}")
        self.lines = [
            (draw.skewed(5000, 2.2), QUANTITIES[draw(len(QUANTITIES))], draw(8) > 0)
            for _ in range(LINES[draw(len(LINES))])
        ]
        if (self.malformed.startswith("quantity") or self.quantity_as_text) and not self.lines:
            self.lines = [(0, 1, True)]
        name = f"{FIRST[draw(len(FIRST))]} {LAST[draw(len(LAST))]}"
        line1 = f"{draw(900) + 1} {STREETS[draw(len(STREETS))]}"
        line2 = (None, "", f"Apt {draw(99)}")[draw(3)]
        country = COUNTRIES[draw.skewed(len(COUNTRIES), 2.5)]
        if change is not None and change % 3 == 0 and self.lines:
            sku, quantity, known = self.lines[0]
            self.lines[0] = sku, quantity + 5, known
        elif change is not None and change % 3 == 1 and len(self.lines) > 1:
            self.lines.pop()
        elif change is not None:
            line1 = "1 Moved Avenue"
        self.address = (
            country, line1, line2, name, f"{draw(100_000):05d}", f"S{draw(50):02d}",
        )  # fmt: skip

    def items(self) -> dict[str, int]:
        """Pieces by SKU: lines with the same SKU are added up."""
        found: dict[str, int] = {}
        for sku, quantity, known in self.lines:
            name = _sku(sku, known=known)
            found[name] = found.get(name, 0) + quantity
        return found

    def render(self) -> bytes:
        """The order as the API sends it."""
        text = json.dumps(self._fields(), separators=(",", ":"), ensure_ascii=self.index % 8 == 0)
        return text.encode()

    def _fields(self) -> dict[str, Any]:
        country, line1, line2, name, postalcode, state = self.address
        draw, index = self._draw, self.index
        created, total = iso(self.modified - draw(80_000)), draw(20_000) / 100
        tag, customer = draw(100), draw(400_000)
        lines: Any = [self._line(place) for place in range(len(self.lines))]
        if self.malformed.startswith("lines"):
            lines = {"object": {"oops": 1}, "text": "none", "number": 42}[self.malformed[6:]]
        return {
            "orderId": {"oops": 1} if self.malformed == "id object" else index,
            "orderNumber": None if self.malformed == "no number" else self.number,
            "orderType": "SALE",
            "orderStatus": ("SHIPPED", "AWAITING_SHIPMENT", "PENDING", "Cancelled")[draw(4)],
            "orderDate": created, "createdDate": created, "modifiedDate": iso(self.modified),
            "paymentDate": created, "shipByDate": None, "shipDate": None,
            "shipName": name, "shipCompany": None, "shipEmail": f"buyer{customer}@shop.example",
            "shipPhone": f"+1-555-01{tag:02d}", "shipAddress1": line1, "shipAddress2": line2,
            "shipAddress3": "", "shipCity": f"City {tag}", "shipState": state,
            "shipZipCode": postalcode, "shipCountry": country, "addressType": "RESIDENTIAL",
            "currency": "USD", "orderTotal": _money(total), "orderItemTotal": _money(total),
            "shippingCost": _money(4.99), "discount": _money(0), "insuranceCost": None,
            "salesChannel": {
                "salesChannelId": tag % 9, "name": f"Channel {tag % 9}", "type": "SHOPIFY",
                "active": True, "companyName": "Example",
            },
            "shipMethod": {
                "shippingProviderId": 7, "shippingServiceId": 71, "shippingCarrier": "UPS",
                "packageTypeId": 3, "ltlFtlShipment": None,
            },
            "fulfillmentSource": {"warehouseId": tag % 4, "name": f"Warehouse {tag % 4}"},
            "customer": {
                "customerId": customer, "name": name, "companyName": None, "emailAddresses": [],
            },
            "paymentType": {"orderPaymentTypeId": 2, "name": "Card"}, "gift": False,
            "giftMessage": None, "notesFromBuyer": NOTES[draw(len(NOTES))], "notesToBuyer": "",
            "internalNotes": None, "customField1": None, "customField2": None,
            "customField3": None, "weight": draw(5000), "height": 4, "length": 9, "width": 6,
            "containsAlcohol": False, "saturdayDelivery": False, "external": False,
            "holdUntilDate": None, "relatedOrderIds": [], "cancelReason": None,
            "labels": [{"labelId": tag, "name": f"L{tag}", "hexColor": f"#ff{tag:02d}00"}],
            "fraudAnalysis": None, "requestedShippingService": "Ground", "orderItems": lines,
            "shipments": [],
        }  # fmt: skip

    def _line(self, place: int) -> dict[str, Any]:
        sku, count, known = self.lines[place]
        quantity: Any = count
        if place == 0 and self.malformed.startswith("quantity"):
            what = self.malformed.removeprefix("quantity ")
            quantity = what.strip("'") if "'" in what else json.loads(what)
        elif place == 0 and self.quantity_as_text:
            quantity = str(count)
        product = {
            "productId": sku, "masterSku": _sku(sku, known=True), "name": "A product with a name",
            "upc": None, "hazmat": False, "productType": "CORE",
        }  # fmt: skip
        return {
            "orderItemId": self.index * 10 + place, "listingSku": _sku(sku, known=False),
            "listingName": "Listing of product", "quantityOrdered": quantity,
            "unitPrice": _money(round(1 + sku / 100, 2)), "discount": None, "tax": None,
            "product": product if known else None, "notes": None, "pickingStocks": [],
        }  # fmt: skip


def _sku(number: int, *, known: bool) -> str:
    """The product's SKU, or that of the listing where the product is not known."""
    return f"M-{number:04d}" if known else f"SKU-{number:04d}"


def _money(amount: float) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def iso(seconds: int) -> str:
    """Unix time *seconds* as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def render(folder: Path, orders: int, changed: int, shop: str = "") -> None:
    """Write a shop of *orders* orders into *folder*, of which *changed* change later."""
    if (folder / "truth.json").exists():
        return
    if 2 * changed > orders:
        raise ValueError("at most every second order can change")
    folder.mkdir(parents=True, exist_ok=True)
    truth = Truth()
    first = END - orders * STEP

    def as_first() -> Iterator[Order]:
        for index in range(orders):
            order = Order(index, first + index * STEP, shop)
            truth.add(order)
            yield order

    def as_changed() -> Iterator[Order]:
        every = orders // changed if changed else 1
        for change in range(changed):
            index = change * every
            if (index + 1) % ODD == 0:  # a malformed order stays as it is
                index -= 1
            truth.add(Order(index, 0, shop), -1)
            order = Order(index, END + (change + 2) * STEP, shop, change)
            truth.add(order)
            yield order

    _write(folder / "orders", as_first())
    before = asdict(truth)
    _write(folder / "changed", as_changed())
    found = {"pulled": orders, "changed": changed, "before": before, "after": asdict(truth)}
    (folder / "truth.json").write_text(json.dumps(found, indent=1))


def _write(stem: Path, orders: Iterator[Order]) -> None:
    """Write the texts one after another, and for each: order, time, first byte, last byte."""
    index, end = array("Q"), 0
    with stem.with_suffix(".bin").open("wb") as file:
        for order in orders:
            text = order.render()
            index.extend((order.index, order.modified, end, end + len(text)))
            end += file.write(text)
    stem.with_suffix(".index").write_bytes(index.tobytes())


class Rendered:
    """A rendered shop, sorted by time of change. :param changed: as it is after the change."""

    def __init__(self, folder: Path, *, changed: bool) -> None:
        rows, later = Rows(folder / "orders"), Rows(folder / "changed")
        self.at: list[tuple[Rows, int]]
        gone = set(later.orders) if changed else set()
        self.at = [(rows, n) for n, index in enumerate(rows.orders) if index not in gone]
        self.at += [(later, n) for n in range(len(later.orders))] if changed else []
        self.times = [source.times[n] for source, n in self.at]

    def page(self, first: int, last: int) -> bytes:
        """The orders from place *first* to before *last*, as a JSON array."""
        return b"[%b]" % b",".join(rows.text(n) for rows, n in self.at[first:last])


class Rows:
    """Rendered orders as they lie in ``STEM.bin``: numbers, times of change, and texts."""

    def __init__(self, stem: Path) -> None:
        index = array("Q", stem.with_suffix(".index").read_bytes())
        self.orders, self.times = index[0::4], index[1::4]
        self.begin, self.end = index[2::4], index[3::4]
        self.bytes = memoryview(b"")
        if index:
            with stem.with_suffix(".bin").open("rb") as file:
                self.bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def text(self, n: int) -> memoryview:
        """The order in place *n*, as the API sends it."""
        return self.bytes[self.begin[n] : self.end[n]]
