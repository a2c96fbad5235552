"""What the first page shows: totals, trend, countries, and the best-selling SKUs."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from orderpull.answers.choose import Answers, answers, kept
from orderpull.answers.from_orders import Filter
from orderpull.answers.from_rollups import Summaries
from orderpull.destinations.protocol import Reader
from orderpull.web.periods import Days, Step, fitting, summed
from orderpull.web.question import Question

COUNTRIES_SHOWN = 12

Row = dict[str, Any]


class Asked:
    """A question put to the warehouse, at one instant and on one day.

    :param today: the day that it is in *zone*, which is ``report.timezone``.
    """

    def __init__(self, reader: Reader, question: Question, today: date, zone: ZoneInfo) -> None:
        self.reader = reader
        self.question = question
        self.days = question.days(today)
        self.chosen = question.filter(today, zone)
        self.before = question.filter_before(today, zone)
        self.zone = zone

    def about(self, chosen: Filter) -> Answers:
        """Who answers questions about the *chosen* orders."""
        return answers(self._kept, chosen)

    @cached_property
    def _kept(self) -> Summaries | None:
        return kept(self.reader, self.zone)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counted orders, those of them with items, their items, and the countries they went to.

    :param first: when the first was placed, or the day of that; None: not known of any.
    """

    orders: int
    with_items: int
    items: int
    average: float | None
    countries: int
    first: Any
    last: Any


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of the trend."""

    days: Days
    orders: int
    items: int


@dataclass(frozen=True, slots=True)
class Trend:
    """Orders and items by day, week, month or year.

    :param undated: orders whose time is not known: they are in no bar.
    """

    step: Step
    bars: list[Bar]
    undated: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page.

    :param before: the same totals over the period before, if there is one.
    :param countries: every country with its sales, whichever are chosen; the largest first.
    :param popular: the best-selling SKUs. :param by_country: those of each country shown.
    :param hidden: how many countries of the chosen are not shown in *by_country*.
    """

    totals: Totals
    before: tuple[Days, Totals] | None
    trend: Trend
    countries: list[Row]
    sources: list[Row]
    popular: list[Row]
    by_country: list[tuple[str | None, list[Row]]]
    hidden: int
    undated: int


def read_overview(asked: Asked) -> Overview:
    """The first page's numbers, all of one instant."""
    reader, chosen, earlier = asked.reader, asked.chosen, asked.before
    everything = Filter()
    totals = read_totals(asked, chosen)
    countries = read_countries(asked, replace(chosen, countries=()), asked.question.measure)
    popular = read_popular(asked)
    by_country, hidden = _by_country(asked, countries, popular)
    return Overview(
        totals=totals,
        before=(earlier[0], read_totals(asked, earlier[1])) if earlier else None,
        trend=read_trend(asked, totals),
        countries=countries,
        sources=reader.rows(asked.about(everything).sales_by_source(everything)),
        popular=popular,
        by_country=by_country,
        hidden=hidden,
        undated=reader.rows(asked.about(chosen).undated(chosen))[0]["orders"]
        if chosen.by_time
        else 0,
    )


def read_totals(asked: Asked, chosen: Filter) -> Totals:
    """The totals of the *chosen* orders."""
    counted = asked.reader.rows(asked.about(chosen).orders_counted(chosen))[0]
    average = asked.reader.rows(asked.about(chosen).average_items_per_order(chosen))[0]
    return Totals(
        orders=counted["orders"],
        with_items=average["orders"],
        items=average["quantity"],
        average=average["average"],
        countries=counted["countries"],
        first=counted["first"],
        last=counted["last"],
    )


def read_countries(asked: Asked, chosen: Filter, measure: str) -> list[Row]:
    """country, orders, items and rank of each country, by *measure*."""
    rows = asked.reader.rows(asked.about(chosen).sales_by_country(chosen))
    rows.sort(key=lambda row: (-row[measure], row["country"] is None, row["country"] or ""))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def read_popular(asked: Asked) -> list[Row]:
    """sku, quantity, orders and rank of the best-selling SKUs that are searched for."""
    question = asked.question
    about = asked.about(asked.chosen)
    return asked.reader.rows(about.popular_sku_found(asked.chosen, question.search, question.top))


def _by_country(
    asked: Asked, countries: list[Row], popular: list[Row]
) -> tuple[list[tuple[str | None, list[Row]]], int]:
    order = [row["country"] for row in countries]
    if asked.chosen.countries:
        order = [country for country in order if country in asked.chosen.countries]
    shown = order if asked.question.every else order[:COUNTRIES_SHOWN]
    if len(shown) == len(asked.chosen.countries) == 1:  # then its best-selling are the best-selling
        return [(shown[0], popular)], 0
    if not shown:
        return [], 0
    rows = read_by_country(asked, tuple(shown))
    groups = [(each, [row for row in rows if row["country"] == each]) for each in shown]
    return groups, len(order) - len(shown)


def read_by_country(asked: Asked, countries: tuple[str | None, ...] | None = None) -> list[Row]:
    """country, sku, quantity, orders and rank of each country's best-selling SKUs.

    :param countries: only these; None: those that are chosen.
    """
    question = asked.question
    chosen = asked.chosen if countries is None else replace(asked.chosen, countries=countries)
    about = asked.about(chosen)
    rows = asked.reader.rows(
        about.popular_sku_found_by_country(chosen, question.search, question.top)
    )
    return sorted(rows, key=lambda row: (row["country"] or "", row["rank"]))


def read_trend(asked: Asked, totals: Totals) -> Trend:
    """The trend over the days asked for; without an end, from the first order to the last."""
    if totals.first is None or totals.last is None:
        return Trend("day", [], totals.orders)
    days_sold = asked.about(asked.chosen).sales_by_day
    rows = asked.reader.rows(days_sold(asked.chosen, asked.zone, totals.first, totals.last))
    dated = [(row["day"], row["orders"], row["items"]) for row in rows if row["day"]]
    undated = sum(row["orders"] for row in rows if row["day"] is None)
    days = [day for day, _, _ in dated]
    span = Days(asked.days.first or min(days), asked.days.last or max(days))
    by: Any = asked.question.by or None
    step = fitting(span, by)
    return Trend(step, [Bar(*bar) for bar in summed(dated, span, step)], undated)
