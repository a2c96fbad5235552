"""The report: the answers as one object, as JSON and as CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.answers.money import (
    MOST_SKUS,
    Row,
    in_columns,
    plain,
    ranked_by_revenue,
    revenue_of,
    with_revenue,
)

if TYPE_CHECKING:
    from orderpull.answers.choose import Reader
    from orderpull.answers.filter import Filter
    from orderpull.answers.from_orders import OrderQueries
    from orderpull.answers.rates import Rates, Unconverted
    from orderpull.answers.skus import Measure

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_CSV = (
    "answer", "country", "sku", "quantity", "orders", "rank", "average", "title", "returned",
    "returnable", "currency", "amount", "average_order_value", "channel", "customers",
)  # fmt: skip
"""Columns of the CSV, before one for each currency. New ones come at the end."""


@dataclass(frozen=True, slots=True)
class Report:
    """The answers and their freshness.

    :param average: average, quantity, orders.
    :param by_country: country, sku, quantity, orders, rank, title, returned, revenue.
    :param overall: sku, quantity, orders, rank, title, returned, revenue.
    :param last_pulled: for each source the time it was last read to its end (UTC); None: never.
    :param undated: number of orders without a date, which a filter by time leaves out.
    :param absent: country, nearest: countries of the filter that no order has.
    :param countries: countries of the filter, as they are stored.
    :param by: what the SKUs are ranked by; by revenue, each currency has a ranking.
    :param revenue: currency, amount, orders, average_order_value; the largest amount first.
    :param returned: returned, returnable: pieces that came back, of those of which this is known.
    :param customers: the row of ``OrderQueries.customers``; None: the warehouse's user has no right
        to read customers.
    :param channels: channel, orders, items, revenue; the most orders first.
    :param absent_channels: channels of the filter that no order has.
    :param converted_to: the currency that amounts are converted to, where a rate is known.
    :param unconverted: orders in other currencies without a rate.
    """

    average: Row
    by_country: list[Row]
    overall: list[Row]
    last_pulled: dict[str, datetime | None]
    undated: int = 0
    absent: list[dict[str, str | None]] = field(default_factory=list)
    countries: tuple[str | None, ...] = ()
    by: "Measure" = "items"
    revenue: list[Row] = field(default_factory=list)
    returned: Row = field(default_factory=lambda: {"returned": 0, "returnable": 0})
    customers: Row | None = None
    channels: list[Row] = field(default_factory=list)
    absent_channels: list[str] = field(default_factory=list)
    converted_to: str | None = None
    unconverted: "list[Unconverted]" = field(default_factory=list)

    @property
    def fresh_through(self) -> datetime | None:
        """Time up to which every source was read to its end; None if one never was."""
        times = [instant for instant in self.last_pulled.values() if instant is not None]
        return min(times) if times and len(times) == len(self.last_pulled) else None

    @property
    def returned_share(self) -> float | None:
        """Share of the pieces that came back; None if this is known of none."""
        returned, returnable = self.returned["returned"], self.returned["returnable"]
        return returned / returnable if returnable else None

    def customers_of(self, kind: Literal["new", "returning"]) -> dict[str, int]:
        """(customers, orders) of new or of returning customers; zeros if they may not be read."""
        row = self.customers or {}
        return {name: row.get(f"{kind}_{name}", 0) for name in ("customers", "orders")}

    def as_json(self) -> dict[str, Any]:
        """Convert to the object that ``report --json`` prints."""
        fresh = self.fresh_through
        answer = {
            "average_items_per_order": self.average,
            "popular_sku_by_country": self.by_country,
            "popular_sku": self.overall,
            "last_pulled": clock.iso(fresh) if fresh else None,
            "revenue": self.revenue,
            "returned": {**self.returned, "share": self.returned_share},
            "customers": self.customers
            and {
                "customers": self.customers["customers"],
                **{kind: self.customers_of(kind) for kind in ("new", "returning")},
                "unknown_orders": self.customers["unknown_orders"],
            },
            "channels": self.channels,
        }
        more = {
            "countries_without_orders": self.absent,
            "channels_without_orders": self.absent_channels,
            "converted_to": self.converted_to,
            "not_converted": [each.as_json() for each in self.unconverted],
        }
        result: dict[str, Any] = plain(
            answer | {key: value for key, value in more.items() if value}
        )
        return result

    def notes(self) -> list[str]:
        """Sentences on what the filter names in vain, and on the conversion of amounts."""
        notes = [
            f"No order has the country {row['country']!r}"
            + (f"; the nearest that has: {row['nearest']}." if row["nearest"] else ".")
            for row in self.absent
        ]
        notes += [f"No order has the channel {channel!r}." for channel in self.absent_channels]
        if self.by == "revenue" and not self.overall and self.average["orders"]:
            notes.append("No shop tells what its items cost: there is no ranking by revenue.")
        if self.converted_to:
            notes.append(f"Amounts are converted to {self.converted_to} by the day of the order.")
            notes += [each.sentence(self.converted_to) for each in self.unconverted]
        return notes

    def as_csv(self) -> str:
        """Convert to one CSV table with all answers; formulas are escaped.

        After the other columns there is one for each currency, as ``revenue_EUR``.
        """
        rows, currencies = in_columns([{"answer": name, **row} for name, row in self._answers()])
        out = io.StringIO()
        writer = csv.DictWriter(out, (*_CSV, *currencies), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {name: escape_formula(value) for name, value in row.items() if name != "items"}
            )
        return out.getvalue()

    def _answers(self) -> Iterator[tuple[str, Row]]:
        """Name and rows of each answer; those of one SKU, country or channel under one name."""
        yield "average_items_per_order", self.average
        for row in self.by_country:
            yield "popular_sku_by_country", row
        for row in self.overall:
            yield "popular_sku", row
        for row in self.revenue:
            yield "revenue", row
        if self.returned["returnable"]:
            yield "returned", self.returned
        for kind in ("new", "returning"):
            if (customers := self.customers_of(kind))["customers"]:
                yield f"{kind}_customers", customers
        for row in self.channels:
            yield "channel", {**row, "quantity": row["items"]}


def build_report(
    reader: "Reader",
    zone: ZoneInfo,
    where: "Filter",
    top: int,
    *,
    by: "Measure" = "items",
    rates: "Rates | None" = None,
    customers: bool = True,
) -> Report:
    """Read the answers about the orders of *where*, with *top* SKUs each.

    :param zone: the setting ``report.timezone``.
    :param by: what the SKUs are ranked by.
    :param rates: convert amounts by these.
    :param customers: count customers.
    :raises RightMissing: the warehouse's user may not read customers.
    """
    from orderpull.answers import ledger
    from orderpull.answers.choose import (
        channels_without_orders,
        choose_queries,
        countries_without_orders,
        load_rollups,
    )
    from orderpull.answers.rates import Unconverted, convert

    rollups = load_rollups(reader, zone)
    queries = choose_queries(rollups, where)
    unconverted: list[Unconverted] = []
    if rates is not None:
        queries, unconverted = convert(queries, reader, where, zone, rates)
    undated = reader.rows(queries.count_undated(where)) if where.excludes_undated else None
    return Report(
        customers=reader.rows(queries.customers(where))[0] if customers else None,
        average=reader.rows(queries.average_items_per_order(where))[0],
        by_country=_best_by_country(queries, reader, where, top, by),
        overall=_best(queries, reader, where, top, by),
        last_pulled={
            row["source"]: row["pulled_at"]
            for row in reader.rows(ledger.last_pulled(where.sources))
        },
        undated=undated[0]["orders"] if undated else 0,
        absent=countries_without_orders(reader, rollups, where.countries),
        countries=where.countries,
        by=by,
        revenue=revenue_of(reader.rows(queries.revenue(where))),
        returned=reader.rows(queries.returned(where))[0],
        channels=_channels(queries, reader, where),
        absent_channels=channels_without_orders(reader, rollups, where.channels),
        converted_to=rates.currency if rates else None,
        unconverted=unconverted,
    )


def _best(
    queries: "OrderQueries", reader: "Reader", where: "Filter", top: int, by: "Measure"
) -> list[Row]:
    rows = reader.rows(queries.popular_sku(where, top, by))
    if by == "revenue":
        return ranked_by_revenue(sorted(rows, key=_currency_first))
    rows.sort(key=lambda row: row["rank"])
    return with_revenue(rows, reader.rows(queries.sku_revenue(where, _skus(rows))), "sku")


def _best_by_country(
    queries: "OrderQueries", reader: "Reader", where: "Filter", top: int, by: "Measure"
) -> list[Row]:
    """Countries by the measure of their best-selling SKU; by revenue, for each currency."""
    rows = reader.rows(queries.popular_sku_by_country(where, top, by))
    if by == "revenue":
        best = {(r["country"], r["currency"]): r["amount"] for r in rows if r["rank"] == 1}
        rows.sort(
            key=lambda row: (
                *_currency_first(row)[:-1],
                -best[row["country"], row["currency"]],
                row["country"] or "",
                row["rank"],
            )
        )
        return ranked_by_revenue(rows)
    name = "quantity" if by == "items" else "orders"
    largest = {row["country"]: row[name] for row in rows if row["rank"] == 1}
    rows.sort(key=lambda row: (-largest[row["country"]], row["country"] or "", row["rank"]))
    amounts = reader.rows(queries.sku_revenue_by_country(where, _skus(rows)))
    return with_revenue(rows, amounts, "country", "sku")


def _currency_first(row: Row) -> tuple[Any, ...]:
    """Order of rows in a ranking by revenue: the currency with the largest amount, then by rank."""
    currency = row["currency"]
    return -row["currency_amount"], currency is None, currency or "", row["rank"]


def _skus(rows: list[Row]) -> tuple[str, ...]:
    """The SKUs of *rows*; none, which stands for all, where they are too many to be named."""
    skus = tuple(dict.fromkeys(row["sku"] for row in rows))
    return skus if len(skus) <= MOST_SKUS else ()


def _channels(queries: "OrderQueries", reader: "Reader", where: "Filter") -> list[Row]:
    rows = reader.rows(queries.sales_by_channel(where))
    rows.sort(key=lambda row: (-row["orders"], row["channel"] is None, row["channel"] or ""))
    return with_revenue(rows, reader.rows(queries.revenue_by_channel(where)), "channel")


def escape_formula(value: object) -> object:
    """*value*, with ``'`` before a text that a spreadsheet would compute as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value
