"""Answer: the three questions, asked of any destination through the same SQL as its views."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.days import midnight
from orderpull.destinations import open_destination
from orderpull.errors import UsageError
from orderpull.model import NO_COUNTRY
from orderpull.settings import Settings

if TYPE_CHECKING:
    from orderpull.destinations.protocol import Reader
    from orderpull.views import Filter


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


def report(
    settings: Settings,
    *,
    country: str | Sequence[str] = (),
    source: Sequence[str] = (),
    since: date | None = None,
    until: date | None = None,
    top: int = 10,
) -> Report:
    """The three answers.

    :param country: only orders to these countries; ``(no country)`` is the orders without one.
    :param source: only orders of these sources.
    :param since: only orders placed on this day (in ``report.timezone``) or later.
    :param until: only orders placed before the end of this day.
    :param top: how many SKUs, overall and for each country.
    :raises DestinationError: there is nothing to read yet.
    """
    countries = (country,) if isinstance(country, str) else tuple(country)
    for name in source:
        settings.chosen((name,))
    from orderpull.views import Filter

    zone = ZoneInfo(settings.report.timezone)
    chosen = Filter(
        countries=tuple(None if c == NO_COUNTRY else c.upper() for c in countries),
        sources=tuple(source),
        since=_midnight(since, zone),
        until=_midnight(until + timedelta(days=1), zone) if until else None,
    )
    if since and until and since > until:
        raise UsageError(f"--since {since} is after --until {until}.", "Swap them.")
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with destination.reader() as reader:
        return _ask(reader, zone, chosen, top)


def _ask(reader: "Reader", zone: ZoneInfo, chosen: "Filter", top: int) -> Report:
    from orderpull import views
    from orderpull.reports.answers import answers, kept

    answer = answers(kept(reader, zone), chosen)
    average = reader.rows(answer.average_items_per_order(chosen))[0]
    by_country = reader.rows(answer.popular_sku_by_country(chosen, top))
    overall = reader.rows(answer.popular_sku(chosen, top))
    pulled = reader.rows(views.last_pulled(chosen))
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


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return midnight(day, zone) if day is not None else None


def _inert(value: object) -> object:
    """*value*, so that no spreadsheet takes it for a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value
