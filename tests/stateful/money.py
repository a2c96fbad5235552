"""What orders cost, in a shop and as the tables must hold it: plain Python, order by order."""

import hmac
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

MAPPING = {
    "[order.address]\n": """currency = "money"
channel = "via"
total = "total"
discount = "sum(cuts[].sum)"
shipping = "minor(ship, '2')"
tax = "tax"
refunded = "sum('0', refunds[].paid)"
customer = "coalesce(who, mail)"
[order.address]
""",
    '"coalesce(n, m)"\n': """"coalesce(n, m)"
title = "title"
amount = "less(times(price, sold), sum(off[].sum))"
[[order.also]]
path = "refunds[].lines[]"
sku = "sku"
where = "in(kind, 'back')"
quantity = "n"
returned = "n"
[[order.also]]
path = "refunds[].lines[]"
sku = "sku"
where = "in(kind, 'removed')"
amount = "worth"
sign = -1
""",
}
"""What is inserted into the API file: as Shopify tells it, the pieces left and the refunds."""

DEAR = "dear"
"""An amount that is none."""

CURRENCIES = ("EUR", "CHF", "eur", None, "JPY")
CHANNELS = ("web", None, "POS")
TOTALS = ("12.3456", None, "0", "-3.5", "99999999999.99")
CUTS: tuple[list[str] | None, ...] = ([], ["1.00", "0.0001"], ["2.5"], None, ["1"])
SHIPPING = (499, None, 0)
TAXES = ("1.90", None)

PRICES = ("19.99", None, "0.0001", "7")
TITLES = ("Pen", "Pén ☃", None, "  Ink", "Q" * 300, "")
OFF: tuple[list[str] | None, ...] = ([], ["0.5"], ["0.5", "0.05"], None)

Amount = Decimal | None


class Item(NamedTuple):
    """What the tables hold of a SKU in an order."""

    quantity: int
    title: str | None = None
    amount: Amount = None
    returned: int | None = None


def of_order(tint: int, person: int) -> dict[str, Any]:
    """The money of an order. :param tint: chooses the values. :param person: whose order it is."""
    currency, tint = _chosen(CURRENCIES, tint)
    channel, tint = _chosen(CHANNELS, tint)
    total, tint = _chosen(TOTALS, tint)
    cuts, tint = _chosen(CUTS, tint)
    ship, tint = _chosen(SHIPPING, tint)
    tax, tint = _chosen(TAXES, tint)
    who = customer(person) if tint % 2 else None
    return {
        "money": currency, "via": channel, "total": total, "ship": ship, "tax": tax, "who": who,
        "cuts": None if cuts is None else [{"sum": each} for each in cuts],
    }  # fmt: skip


def of_line(sold: int, tint: int) -> dict[str, Any]:
    """The money of a line of *sold* pieces. :param tint: chooses the values."""
    price, tint = _chosen(PRICES, tint)
    title, tint = _chosen(TITLES, tint)
    off, _ = _chosen(OFF, tint)
    named = None if off is None else [{"sum": each} for each in off]
    return {"sold": sold, "price": price, "title": title, "off": named}


def refund(sku: str, pieces: int, *, back: bool, tint: int) -> dict[str, Any]:
    """A refund of a few pieces: of sold ones that came *back*, or removed before shipping."""
    paid, tint = _chosen(("3.25", None, "0.0001"), tint)
    worth, _ = _chosen(("1.5", None), tint)
    line = {"sku": sku, "n": pieces, "kind": "back" if back else "removed", "worth": worth}
    return {"paid": paid, "lines": [line]}


def customer(person: int) -> str:
    """The shop's id of a person; none is part of another."""
    return f"who-{person}-quux"


def is_readable(order: dict[str, Any]) -> bool:
    """True if each amount of *order* is one."""
    return all(each["sum"] != DEAR for each in order["cuts"] or ())


def header(order: dict[str, Any]) -> tuple[Any, ...]:
    """Currency, channel, total, discount, shipping, tax and refunded of *order*."""
    refunds = order.get("refunds") or ()
    return (
        order["money"] and order["money"].upper(),
        order["via"],
        _amount(order["total"]),
        _sum(each["sum"] for each in order["cuts"] or ()),
        None if order["ship"] is None else Decimal(order["ship"]) / 100,
        _amount(order["tax"]),
        _sum(["0", *(each["paid"] for each in refunds)]),
    )


def customer_hash(order: dict[str, Any], key: bytes) -> str:
    """The column ``customer`` of *order*. :param key: the landing's."""
    value = order["who"] or order["mail"]
    return hmac.digest(key, f"shop\0{value}".encode(), "sha256")[:16].hex()


def items(order: dict[str, Any]) -> dict[str, Item]:
    """What the tables hold of each SKU of *order*."""
    told = order.get("refunds") is not None
    found: dict[str, Item] = {}
    for line in order["lines"]:
        amount = None
        if line["price"] is not None:
            off = _sum(each["sum"] for each in line["off"] or ())
            amount = Decimal(line["price"]) * line["sold"] - (off or 0)
        title = line["title"] and line["title"][:255]
        _add(found, line["sku"], Item(line["m"], title or None, amount, 0 if told else None))
    for one in (line for each in order.get("refunds") or () for line in each["lines"]):
        if one["kind"] == "back":
            _add(found, one["sku"], Item(one["n"], returned=one["n"]))
        else:
            worth = _amount(one["worth"])
            _add(found, one["sku"], Item(0, amount=None if worth is None else -worth))
    return found


def _add(found: dict[str, Item], sku: str, more: Item) -> None:
    held = found.get(sku, Item(0))
    found[sku] = Item(
        held.quantity + more.quantity,
        held.title or more.title,
        _sum((held.amount, more.amount)),
        more.returned if held.returned is None else held.returned + (more.returned or 0),
    )


def _chosen(among: Any, tint: int) -> tuple[Any, int]:
    return among[tint % len(among)], tint // len(among)


def _amount(text: str | None) -> Amount:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _sum(amounts: Any) -> Amount:
    known = [Decimal(each) for each in amounts if each is not None]
    return sum(known, Decimal()) if known else None
