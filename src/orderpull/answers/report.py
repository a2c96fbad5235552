"""The report: the three answers as one object, as JSON and as CSV."""

import csv
import io
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orderpull import clock

if TYPE_CHECKING:
    from orderpull.answers.choose import Reader
    from orderpull.answers.filter import Filter

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """The three answers and their freshness.

    :param average: average, quantity, orders.
    :param by_country: country, sku, quantity, orders, rank.
    :param overall: sku, quantity, orders, rank.
    :param last_pulled: for each source the time it was last read to its end (UTC); None: never.
    :param undated: number of orders without a date, which a filter by time leaves out.
    :param absent: country, nearest: countries of the filter that no order has.
    :param countries: countries of the filter, as they are stored.
    """

    average: dict[str, Any]
    by_country: list[dict[str, Any]]
    overall: list[dict[str, Any]]
    last_pulled: dict[str, datetime | None]
    undated: int = 0
    absent: list[dict[str, str | None]] = field(default_factory=list)
    countries: tuple[str | None, ...] = ()

    @property
    def fresh_through(self) -> datetime | None:
        """Time up to which every source was read to its end; None if one never was."""
        times = [instant for instant in self.last_pulled.values() if instant is not None]
        return min(times) if times and len(times) == len(self.last_pulled) else None

    def as_json(self) -> dict[str, Any]:
        """Convert to the object that ``report --json`` prints."""
        fresh = self.fresh_through
        answer = {
            "average_items_per_order": self.average,
            "popular_sku_by_country": self.by_country,
            "popular_sku": self.overall,
            "last_pulled": clock.iso(fresh) if fresh else None,
        }
        return answer | ({"countries_without_orders": self.absent} if self.absent else {})

    def notes(self) -> list[str]:
        """Sentences on the countries of the filter that no order has."""
        return [
            f"No order has the country {row['country']!r}"
            + (f"; the nearest that has: {row['nearest']}." if row["nearest"] else ".")
            for row in self.absent
        ]

    def as_csv(self) -> str:
        """Convert to one CSV table with all three answers; formulas are escaped."""
        out = io.StringIO()
        fields = ("answer", "country", "sku", "quantity", "orders", "rank", "average")
        writer = csv.DictWriter(out, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerow({"answer": "average_items_per_order", **self.average})
        for answer, rows in (
            ("popular_sku_by_country", self.by_country),
            ("popular_sku", self.overall),
        ):
            for row in rows:
                cells = {name: escape_formula(value) for name, value in row.items()}
                writer.writerow({"answer": answer, **cells})
        return out.getvalue()


def build_report(reader: "Reader", zone: ZoneInfo, where: "Filter", top: int) -> Report:
    """Read the three answers about the orders of *where*, with *top* SKUs each.

    :param zone: the setting ``report.timezone``.
    """
    from orderpull.answers import ledger
    from orderpull.answers.choose import choose_queries, countries_without_orders, load_rollups

    rollups = load_rollups(reader, zone)
    queries = choose_queries(rollups, where)
    overall = reader.rows(queries.popular_sku(where, top))
    undated = reader.rows(queries.count_undated(where)) if where.excludes_undated else None
    return Report(
        average=reader.rows(queries.average_items_per_order(where))[0],
        by_country=_by_size(reader.rows(queries.popular_sku_by_country(where, top))),
        overall=sorted(overall, key=lambda row: row["rank"]),
        last_pulled={
            row["source"]: row["pulled_at"]
            for row in reader.rows(ledger.last_pulled(where.sources))
        },
        undated=undated[0]["orders"] if undated else 0,
        absent=countries_without_orders(reader, rollups, where.countries),
        countries=where.countries,
    )


def _by_size(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort *rows*: countries by the quantity of their best-selling SKU, then by rank."""
    best = {row["country"]: row["quantity"] for row in rows if row["rank"] == 1}
    return sorted(rows, key=lambda row: (-best[row["country"]], row["country"] or "", row["rank"]))


def escape_formula(value: object) -> object:
    """*value*, with ``'`` before a text that a spreadsheet would compute as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value
