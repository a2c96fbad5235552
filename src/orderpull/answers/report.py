"""The report: the three answers as one object, as JSON and as CSV."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orderpull import clock

if TYPE_CHECKING:
    from orderpull.answers.choose import Reader
    from orderpull.answers.from_orders import Filter


@dataclass(frozen=True, slots=True)
class Report:
    """The three answers, and how fresh they are.

    :param average: average, quantity, orders.
    :param by_country: country, sku, quantity, orders, rank.
    :param overall: sku, quantity, orders, rank.
    :param last_pulled: for each source when it was last read to its end (UTC), None if never.
    :param undated: orders that a date filter leaves out because they have no date.
    """

    average: dict[str, Any]
    by_country: list[dict[str, Any]]
    overall: list[dict[str, Any]]
    last_pulled: dict[str, datetime | None]
    undated: int = 0

    @property
    def fresh_through(self) -> datetime | None:
        """When all sources had last been read to their end; None if one never was."""
        times = list(self.last_pulled.values())
        known = [instant for instant in times if instant is not None]
        return min(known) if known and len(known) == len(times) else None

    def as_json(self) -> dict[str, Any]:
        """As ``report --json`` shows it."""
        fresh = self.fresh_through
        return {
            "average_items_per_order": self.average,
            "popular_sku_by_country": self.by_country,
            "popular_sku": self.overall,
            "last_pulled": clock.iso(fresh) if fresh else None,
        }

    def as_csv(self) -> str:
        """All three as one CSV table; what a spreadsheet would compute is made text by ``'``."""
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
                writer.writerow({"answer": answer, **{k: _inert(v) for k, v in row.items()}})
        return out.getvalue()


def build_report(reader: "Reader", zone: ZoneInfo, chosen: "Filter", top: int) -> Report:
    """Ask *reader* the three questions about the *chosen* orders, *top* SKUs each.

    :param zone: of ``report.timezone``.
    """
    from orderpull.answers import from_orders
    from orderpull.answers.choose import answers, kept

    answer = answers(kept(reader, zone), chosen)
    average = reader.rows(answer.average_items_per_order(chosen))[0]
    by_country = reader.rows(answer.popular_sku_by_country(chosen, top))
    overall = reader.rows(answer.popular_sku(chosen, top))
    pulled = reader.rows(from_orders.last_pulled(chosen))
    return Report(
        average=average,
        by_country=_by_size(by_country),
        overall=sorted(overall, key=lambda row: row["rank"]),
        last_pulled={row["source"]: row["pulled_at"] for row in pulled},
        undated=reader.rows(answer.undated(chosen))[0]["orders"] if chosen.by_time else 0,
    )


def _by_size(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*rows* by country, the one with the best-selling SKU first, then by rank."""
    best = {row["country"]: row["quantity"] for row in rows if row["rank"] == 1}
    return sorted(rows, key=lambda row: (-best[row["country"]], row["country"] or "", row["rank"]))


def _inert(value: object) -> object:
    """*value*, so that no spreadsheet takes it for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value
