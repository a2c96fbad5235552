"""The questions over the rollup tables: the same results as ``from_orders.py``, from fewer rows.

Rollups answer filters by whole days, in the time zone whose days they hold. Loads only add rows, so
a query must sum them; a group whose orders sum to zero is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers.conversion import LocalDays, sums_of, total_of
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.skus import COLUMN_OF, PIECES, Measure, matches
from orderpull.answers.spans import LINE, Days, Term, day_conditions, terms_of
from orderpull.answers.tables import TABLE, in_bytes
from orderpull.days import day_starting_at
from orderpull.model import NO_DAY, SCHEMA_VERSION

_COUNTED = ("quantity", "orders")
_SOLD = (*_COUNTED, "returned")
"""The numbers by which SKUs are ranked, and all that are shown of a SKU."""

MAX_BRANCHES = 40
"""Up to this many countries are ranked by one query each; more are ranked together."""

_day, _sku, _state = (TABLE[f"summary_{name}"] for name in ("day", "sku", "state"))
_schema = TABLE["orderpull_schema"]


def rollup_state() -> sa.Select[Any]:
    """(timezone, last_day): time zone of the rollups' days, and the last of these days.

    No row if an older orderpull made the rollups: it may have counted otherwise.
    """
    last = sa.select(sa.func.max(_day.c.day)).scalar_subquery()
    version = sa.select(sa.func.max(_schema.c.version)).scalar_subquery()
    query = sa.select(_state.c.timezone, last.label("last_day"))
    return query.where(version == SCHEMA_VERSION)


@dataclass(frozen=True)
class RollupQueries(OrderQueries):
    """Queries over the rollup tables, with the columns of ``OrderQueries``.

    They are valid for a filter that :meth:`covers` accepts.

    :param zone: time zone of the rollups' days.
    :param last_day: the last day in the rollups.
    """

    zone: ZoneInfo
    last_day: date

    def covers(self, where: Filter) -> bool:
        """True if the times of *where* are the beginnings of days in the zone."""
        times = [instant for instant in (where.since, where.until) if instant is not None]
        return all(day_starting_at(instant, self.zone) for instant in times)

    def order_totals(self, where: Filter) -> sa.Select[Any, Any, Any, Any]:
        """(orders, countries, first, last): *first* and *last* are days."""
        return sa.select(*_bounds(self._sum_days(where, _day.c.day, _day.c.country)))

    def totals(self, where: Filter, *, returns: bool = True) -> list[sa.Select[Any]]:
        """As ``OrderQueries.totals``, by one query: each costs its planning more than its rows."""
        back = (_day.c.returned, _day.c.returnable) if returns else ()
        group = self._sum_days(where, _day.c.day, _day.c.country, also=back)
        sums = {"orders_with_items": "orders_with_items", "items": "quantity"}
        sums |= {column.name: column.name for column in back}
        numbers = (total_of(group.c[column]).label(name) for name, column in sums.items())
        return [sa.select(*_bounds(group), *numbers)]

    def average_items_per_order(self, where: Filter) -> sa.Select[Any, Any, Any]:
        """(average, quantity, orders)."""
        group = self._sum_days(where, _day.c.day)
        orders, quantity = total_of(group.c.orders_with_items), total_of(group.c.quantity)
        average = sa.cast(quantity.element, sa.Double) / sa.func.nullif(orders.element, 0)
        return sa.select(average.label("average"), quantity, orders.element.label("orders"))

    def counted_orders(self, where: Filter, days: LocalDays | None = None) -> sa.Subquery:
        """(source, country, channel, currency, orders, priced, amount): sums by day."""
        return (
            sa.select(
                _day.c.source,
                _named(_day.c.country),
                _named(_day.c.channel),
                _named(_day.c.currency),
                *([_dated(_day.c.day)] if days else []),
                _day.c.orders,
                _day.c.priced,
                _day.c.total.label("amount"),
            )
            .where(*self._conditions(where))
            .subquery("counted_order")
        )

    def sold_lines(
        self, where: Filter, skus: Sequence[str] = (), days: LocalDays | None = None
    ) -> sa.Subquery:
        """(country, currency, sku, amount, *PIECES*), by day or by year; channels by order."""
        if where.channels:
            return super().sold_lines(where, skus, days)
        some = _sku.c.sku.in_(skus)
        numbers = sa.select(_sku.c.sku_number).where(some) if skus else None
        rows = self._rows(where, numbers, by_day=days is not None, money=True)
        columns = [_named(column) if column.name == "country" else column for column in rows.c]
        return (
            sa.select(*columns, _sku.c.sku)
            .join_from(rows, _sku, _sku.c.sku_number == rows.c.sku_number)
            .subquery("sold_line")
        )

    def returned(self, where: Filter) -> sa.Select[Any, Any]:
        """(returned, returnable)."""
        query = sa.select(total_of(_day.c.returned), total_of(_day.c.returnable))
        return query.where(*self._conditions(where))

    def popular_sku(
        self, where: Filter, top: int | None = None, by: Measure = "items"
    ) -> sa.Select[Any]:
        """(sku, quantity, orders, rank, title, returned)."""
        if where.channels or by == "revenue":
            return super().popular_sku(where, top, by)
        if top is not None:
            return self._with_titles(_ranked(self._by_number(where, _COUNTED), by, top), where)
        ranked = _ranked(self._by_number(where), by)
        return sa.select(*_named_columns(ranked), _sku.c.title, ranked.c.returned).join_from(
            ranked, _sku, _sku.c.sku_number == ranked.c.sku_number
        )

    def popular_sku_by_country(
        self, where: Filter, top: int | None = None, by: Measure = "items"
    ) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank, title, returned)."""
        if where.channels or by == "revenue":
            return super().popular_sku_by_country(where, top, by)
        if top is None or not 0 < len(where.countries) <= MAX_BRANCHES:
            ranked = self._ranked_by_country(where, by, top)
            query = sa.select(ranked)
            return query.where(ranked.c.rank <= top) if top is not None else query
        branches = (self._of_country(where, each, by, top) for each in where.countries)
        return self._with_titles(sa.union_all(*branches).subquery("branches"), where)

    def search_popular_sku(
        self,
        where: Filter,
        text: str = "",
        limit: int | None = None,
        offset: int = 0,
        by: Measure = "items",
    ) -> sa.Select[Any]:
        """(sku, quantity, orders, rank, title, returned)."""
        if text or limit is None or where.channels or by == "revenue":
            return super().search_popular_sku(where, text, limit, offset, by)
        ranked = _ranked(self._by_number(where, _COUNTED), by, limit + offset)
        page = sa.select(ranked).where(ranked.c.rank > offset).subquery("page")
        titled = self._with_titles(page, where)
        return titled.order_by(titled.selected_columns["rank"])

    def count_skus(self, where: Filter, text: str = "") -> sa.Select[Any]:
        """(skus)."""
        if where.channels:
            return super().count_skus(where, text)
        group: sa.FromClause = self._by_number(where, _COUNTED[:1])
        if text:
            group = group.join(_sku, _sku.c.sku_number == group.c.sku_number)
        query = sa.select(sa.func.count().label("skus")).select_from(group)
        return query.where(matches(_sku, text)) if text else query

    def sku_by_channel(self, where: Filter, sku: str) -> sa.Select[Any]:
        """(channel, currency, amount, *PIECES*): rollups of SKUs have no channel."""
        return OrderQueries(conversion=self.conversion).sku_by_channel(where, sku)

    def sales_by_country(self, where: Filter) -> sa.Select[Any]:
        """(country, orders, items)."""
        group = self._sum_days(where, _day.c.country)
        return sa.select(_named(group.c.country), group.c.orders, group.c.quantity.label("items"))

    def sales_by_source(self, where: Filter) -> sa.Select[Any]:
        """(source, orders, items)."""
        group = self._sum_days(where, _day.c.source)
        return sa.select(group.c.source, group.c.orders, group.c.quantity.label("items"))

    def sales_by_channel(self, where: Filter) -> sa.Select[Any]:
        """(channel, orders, items)."""
        group = self._sum_days(where, _day.c.channel)
        return sa.select(_named(group.c.channel), group.c.orders, group.c.quantity.label("items"))

    def sales_by_day(self, where: Filter, *_: object) -> sa.Select[Any]:
        """(day, orders, items). The further arguments are not needed."""
        group = self._sum_days(where, _day.c.day)
        return sa.select(_dated(group.c.day), group.c.orders, group.c.quantity.label("items"))

    def count_undated(self, where: Filter) -> sa.Select[Any]:
        """(orders)."""
        query = sa.select(total_of(_day.c.orders)).where(_day.c.day == NO_DAY)
        return query.where(_day.c.source.in_(where.sources)) if where.sources else query

    def _of_country(
        self, where: Filter, country: str | None, by: Measure, top: int
    ) -> sa.Select[Any]:
        of_country = self._by_number(replace(where, countries=(country,)), _COUNTED)
        ranked = _ranked(of_country, by, top)
        name = sa.cast(sa.literal(country), sa.Text).label("country")
        return sa.select(name, ranked)

    def _ranked_by_country(self, where: Filter, by: Measure, top: int | None = None) -> sa.Subquery:
        """As :func:`_ranked`, within each country."""
        rows = self._rows(where)
        group: sa.CTE | sa.Subquery = _summed(rows, rows.c.country, rows.c.sku_number)
        measure = group.c[COLUMN_OF[by]]
        if top is not None:
            best = sa.func.rank().over(partition_by=group.c.country, order_by=measure.desc())
            all_skus = sa.select(group, best.label("best")).subquery()
            group = sa.select(all_skus).where(all_skus.c.best <= top).subquery()
        order = (group.c[COLUMN_OF[by]].desc(), in_bytes(_sku.c.sku))
        rank = sa.func.row_number().over(partition_by=group.c.country, order_by=order)
        return (
            sa.select(
                _named(group.c.country),
                _sku.c.sku,
                group.c.quantity,
                group.c.orders,
                rank.label("rank"),
                _sku.c.title,
                group.c.returned,
            )
            .join_from(group, _sku, _sku.c.sku_number == group.c.sku_number)
            .subquery("ranked")
        )

    def _by_number(self, where: Filter, numbers: Sequence[str] = _SOLD) -> sa.CTE:
        """(sku_number, *numbers*) of each SKU sold."""
        rows = self._rows(where)
        return _summed(rows, rows.c.sku_number, numbers=numbers)

    def _with_titles(self, ranked: sa.Subquery, where: Filter) -> sa.Select[Any]:
        """Add title and returned pieces to *ranked*, the few best SKUs, of each country or of all.

        To sum up what came back of these alone takes less than to sum it up of all SKUs first.
        """
        best = sa.select(ranked).cte("best")
        rows = self._rows(where, sa.select(best.c.sku_number))
        keys = [rows.c[name] for name in ("country", "sku_number") if name in best.c]
        back = sa.select(*keys, *sums_of(rows, ("returned",))).group_by(*keys).subquery("back")
        same = [sa.func.coalesce(best.c[key.name], "") == back.c[key.name] for key in keys[:-1]]
        same.append(best.c.sku_number == back.c.sku_number)
        return (
            sa.select(*_named_columns(best), _sku.c.title, back.c.returned)
            .join_from(best, _sku, _sku.c.sku_number == best.c.sku_number)
            .join(back, sa.and_(*same))
        )

    def _rows(
        self,
        where: Filter,
        numbers: sa.Select[Any] | None = None,
        *,
        by_day: bool = False,
        money: bool = False,
    ) -> sa.Subquery:
        """(country, sku_number, quantity, orders, returned, returnable): by year where possible.

        :param numbers: only the SKUs with these numbers.
        :param by_day: add the column ``day``: no row is of a year.
        :param money: add the columns ``currency``, ``priced`` and ``amount``.
        """
        names = PIECES if money else PIECES[:-1]
        days, selects = self._days(where), []
        for term in [Term(LINE, days)] if by_day else terms_of(days, self.last_day):
            row = term.table.c
            conditions = [*_filter_conditions(term.table, where), *term.conditions()]
            if numbers is not None:
                conditions.append(row.sku_number.in_(numbers))
            signed = [row[name] for name in (*names, *(["amount"] if money else []))]
            query = sa.select(
                row.country,
                row.sku_number,
                *([_named(row.currency)] if money else []),
                *([_dated(row.day)] if by_day else []),
                *((each if term.sign > 0 else -each).label(each.name) for each in signed),
            )
            selects.append(query.where(*conditions))
        return sa.union_all(*selects).subquery() if len(selects) > 1 else selects[0].subquery()

    def _sum_days(
        self, where: Filter, *by: sa.Column[Any], also: Sequence[sa.Column[Any]] = ()
    ) -> sa.Subquery:
        """(by, orders, orders_with_items, quantity, *also*) of groups that have orders."""
        numbers = (_day.c.orders, _day.c.orders_with_items, _day.c.quantity, *also)
        return (
            sa.select(*by, *map(total_of, numbers))
            .where(*self._conditions(where))
            .group_by(*by)
            .having(sa.func.sum(_day.c.orders) != 0)
            .subquery("days")
        )

    def _conditions(self, where: Filter) -> list[sa.ColumnElement[bool]]:
        """Conditions that select the rows of ``summary_day``."""
        conditions = _filter_conditions(_day, where)
        if where.channels:
            conditions.append(_day.c.channel.in_([channel or "" for channel in where.channels]))
        if where.excludes_undated:
            conditions += day_conditions(_day, self._days(where))
        return conditions

    def _days(self, where: Filter) -> Days:
        return Days(self._day_of(where.since), self._day_of(where.until))

    def _day_of(self, instant: datetime | None) -> date | None:
        return day_starting_at(instant, self.zone) if instant is not None else None


def _bounds(group: sa.Subquery) -> list[sa.Label[Any]]:
    """(orders, countries, first, last) of sums by day and country."""
    day = _dated(group.c.day).element
    return [
        total_of(group.c.orders),
        sa.func.count(sa.func.nullif(group.c.country, "").distinct()).label("countries"),
        sa.func.min(day).label("first"),
        sa.func.max(day).label("last"),
    ]


def _filter_conditions(table: sa.Table, where: Filter) -> list[sa.ColumnElement[bool]]:
    """Conditions on a rollup table that select the sources and countries of *where*."""
    conditions: list[sa.ColumnElement[bool]] = []
    if where.sources:
        conditions.append(table.c.source.in_(where.sources))
    if where.countries:
        conditions.append(table.c.country.in_([country or "" for country in where.countries]))
    return conditions


def _summed(
    rows: sa.Subquery, *by: sa.ColumnElement[Any], numbers: Sequence[str] = _SOLD
) -> sa.CTE:
    """(by, *numbers*) of groups that have orders."""
    sums = sums_of(rows, numbers)
    return sa.select(*by, *sums).group_by(*by).having(sa.func.sum(rows.c.orders) != 0).cte()


def _ranked(group: sa.CTE, by: Measure, top: int | None = None) -> sa.Subquery:
    """(sku_number, sku, quantity, orders, rank), and what else *group* has.

    :param group: sums by ``sku_number``.
    :param top: only so many. SKUs that sell less than the last of them are dropped before the
        join with their names.
    """
    measure = group.c[COLUMN_OF[by]]
    numbers = [column for column in group.c if column.name not in {"sku_number", *_COUNTED}]
    named = sa.select(
        group.c.sku_number, _sku.c.sku, *(group.c[name] for name in _COUNTED), *numbers
    ).join_from(group, _sku, _sku.c.sku_number == group.c.sku_number)
    if top is not None:
        best = sa.select(measure).order_by(measure.desc()).limit(top).subquery()
        least = sa.select(sa.func.min(best.c[measure.name])).scalar_subquery()
        named = named.where(measure >= least)
    sold = named.subquery()
    order = (sold.c[measure.name].desc(), in_bytes(sold.c.sku))
    rank = sa.func.row_number().over(order_by=order).label("rank")
    ranked = sa.select(*sold.c, rank)
    if top is not None:
        ranked = ranked.order_by(rank).limit(top)
    return ranked.subquery("ranked")


def _named_columns(ranked: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """The columns of *ranked* that an answer begins with."""
    names = ("country", "sku", *_COUNTED, "rank")
    return [ranked.c[name] for name in names if name in ranked.c]


def _named(column: sa.ColumnElement[str]) -> sa.Label[str]:
    """*column*, with NULL where the rollups have an empty text."""
    return sa.func.nullif(column, "").label(column.name)


def _dated(column: sa.ColumnElement[date]) -> sa.Label[date]:
    """*column*, with NULL where the day is not known."""
    return sa.func.nullif(column, NO_DAY).label(column.name)
