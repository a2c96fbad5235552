"""The figures of a digest, ready to be shown: the same in text and HTML."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from orderpull.answers.movers import FLOOR
from orderpull.digest.digest import Digest, Row

Number = int | float | Decimal | None

MOST_CURRENCIES = 3
"""Currencies that a digest shows; ``--json`` has all."""

_TOTALS = {
    "orders": "Orders",
    "items": "Items",
    "average_items_per_order": "Items per order",
    "countries": "Countries",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with the one of the period before, as texts.

    :param change: in per cent, such as ``+12.3 %``; empty if there is nothing to compare with.
    :param before: empty if the period before is not compared.
    """

    label: str
    value: str
    change: str = ""
    before: str = ""


def totals(digest: Digest) -> list[Figure]:
    """The totals of the period; amounts for each currency, the largest first."""
    return list(_figures(digest.totals, digest.before))


def _figures(now: Row, before: Row | None) -> Iterator[Figure]:
    for name, label in _TOTALS.items():
        earlier_value = before[name] if before else None
        yield _figure(label, now[name], earlier_value, compared=before is not None)
    earlier = {row["currency"]: row for row in before["revenue"]} if before else {}
    for row in now["revenue"][:MOST_CURRENCIES]:
        currency, same = row["currency"] or "(no currency)", earlier.get(row["currency"], {})
        for name, label in (("amount", "Revenue"), ("average_order_value", "Average order")):
            known = before is not None and bool(same)
            yield _figure(f"{label} {currency}", row[name], same.get(name), compared=known)
    if share := _returned(now):
        yield Figure("Items returned", share, "", _returned(before) if before else "")


def _figure(label: str, value: Number, before: Number, *, compared: bool) -> Figure:
    if not compared:
        return Figure(label, number(value))
    return Figure(label, number(value), percent(value, before), number(before))


def _returned(totals: Row) -> str:
    """The share of the pieces that came back; empty if this is known of none."""
    returnable = totals["returnable"]
    return f"{totals['returned'] / returnable * 100:.1f} %" if returnable else ""


def name_of(row: Row) -> str:
    """SKU and title of *row*."""
    title = row.get("title")
    return printable(f"{row['sku']}  {title}" if title else row["sku"])


def number(value: Number) -> str:
    """*value* with thousands separators; an average with two decimals."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def percent(value: Number, before: Number) -> str:
    """The change from *before* to *value* in per cent; empty if there was nothing before."""
    if not before or value is None:
        return ""
    change = round((float(value) / float(before) - 1) * 100, 1)
    return f"{change:+,.1f} %" if change else "0.0 %"


def change_of_sku(quantity: int, before: int | None) -> str:
    """The change of a SKU: in per cent, or in pieces if there were few before, or ``new``.

    :param before: None: it is not compared.
    """
    if before is None:
        return ""
    if before >= FLOOR:
        return percent(quantity, before)
    if not before:
        return "new"
    return f"{quantity - before:+,}" if quantity != before else "0"


def short(value: int) -> str:
    """*value* in at most about four characters: ``980``, ``1.2k``, ``57k``, ``3.4M``."""
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:.1f}{sign}" if value < 10 * unit else f"{value // unit}{sign}"
    return str(value)


def printable(sku: str) -> str:
    """*sku* with its unprintable characters visible."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in sku)


def notes(digest: Digest) -> Iterator[str]:
    """Sentences on rejects, freshness and the last verification."""
    if digest.undated:
        have = "1 order has" if digest.undated == 1 else f"{digest.undated:,} orders have"
        yield f"{have} no date, and so no period."
    if digest.rejects:
        reasons = "; ".join(
            f"{source}: {', '.join(map(_reason, rows))}"
            for source, rows in groupby(digest.rejects, key=lambda row: str(row["source"]))
        )
        orders = "1 order is" if digest.rejected == 1 else f"{digest.rejected:,} orders are"
        yield f"{orders} rejected ({reasons}). `orderpull rejects list` says more."
    else:
        yield "No order is rejected."
    zone = ZoneInfo(digest.timezone)
    for source, at in digest.pulled.items():
        if at is None:
            yield f"{source}: never read to its end."
        else:
            read = at.replace(tzinfo=UTC).astimezone(zone)
            yield f"{source}: last read to its end at {read:%Y-%m-%d %H:%M %Z}."
        if source in digest.verified:
            note = digest.verified[source]
            yield f"{source}: {note.sentence if note else 'never verified.'}"


def _reason(row: Row) -> str:
    return f"{row['reason']} {row['rejects']:,}"
