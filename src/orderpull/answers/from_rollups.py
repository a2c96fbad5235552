"""The questions over the rollup tables: the same results as ``from_orders.py``, from fewer rows.

Rollups answer filters by whole days, in the time zone whose days they hold. Loads only add rows, so
a query must sum them; a group whose orders sum to zero is left out.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries, contains
from orderpull.answers.tables import TABLE, in_bytes
from orderpull.days import day_starting_at
from orderpull.model import NO_DAY, SCHEMA_VERSION

MAX_BRANCHES = 40
"""Up to this many countries are ranked by one query each; more are ranked together."""

_day, _line, _year = (TABLE[f"summary_{name}"] for name in ("day", "line", "year"))
_sku, _state = TABLE["summary_sku"], TABLE["summary_state"]
_schema = TABLE["orderpull_schema"]


def rollup_state() -> sa.Select[Any]:
    """(timezone, last_day): time zone of the rollups' days, and the last of these days.

    No row if an older orderpull made the rollups: it may have counted otherwise.
    """
    last = sa.select(sa.func.max(_day.c.day)).scalar_subquery()
    version = sa.select(sa.func.max(_schema.c.version)).scalar_subquery()
    query = sa.select(_state.c.timezone, last.label("last_day"))
    return query.where(version == SCHEMA_VERSION)


class Days(NamedTuple):
    """Days from *since* until before *until*; None means unbounded."""

    since: date | None
    until: date | None


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
        group = self._sum_days(where, _day.c.day, _day.c.country)
        day = sa.func.nullif(group.c.day, NO_DAY)
        return sa.select(
            _total(group.c.orders, "orders"),
            sa.func.count(sa.func.nullif(group.c.country, "").distinct()).label("countries"),
            sa.func.min(day).label("first"),
            sa.func.max(day).label("last"),
        )

    def average_items_per_order(self, where: Filter) -> sa.Select[Any, Any, Any]:
        """(average, quantity, orders)."""
        group = self._sum_days(where, _day.c.day)
        orders, quantity = _sum(group.c.orders_with_items), _sum(group.c.quantity)
        average = sa.cast(quantity, sa.Double) / sa.func.nullif(orders, 0)
        return sa.select(
            average.label("average"),
            sa.func.coalesce(quantity, 0).label("quantity"),
            sa.func.coalesce(orders, 0).label("orders"),
        )

    def popular_sku(self, where: Filter, top: int | None = None) -> sa.Select[Any]:
        """(sku, quantity, orders, rank)."""
        return sa.select(_ranked(self._by_number(where), top))

    def popular_sku_by_country(self, where: Filter, top: int | None = None) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank)."""
        if top is None or not 0 < len(where.countries) <= MAX_BRANCHES:
            ranked = self._ranked_by_country(where, top)
            query = sa.select(ranked)
            return query.where(ranked.c.rank <= top) if top is not None else query
        branches = sa.union_all(*(self._of_country(where, each, top) for each in where.countries))
        return sa.select(branches.subquery("branches"))

    def search_popular_sku(
        self, where: Filter, text: str = "", limit: int | None = None, offset: int = 0
    ) -> sa.Select[Any]:
        """(sku, quantity, orders, rank)."""
        if text or limit is None:
            return super().search_popular_sku(where, text, limit, offset)
        ranked = _ranked(self._by_number(where), limit + offset)
        return sa.select(ranked).where(ranked.c.rank > offset).order_by(ranked.c.rank)

    def count_skus(self, where: Filter, text: str = "") -> sa.Select[Any]:
        """(skus)."""
        group: sa.FromClause = self._by_number(where)
        if text:
            group = group.join(_sku, _sku.c.sku_number == group.c.sku_number)
        query = sa.select(sa.func.count().label("skus")).select_from(group)
        return query.where(contains(_sku.c.sku, text)) if text else query

    def sku_totals(self, where: Filter, sku: str) -> sa.Select[Any, Any]:
        """(orders, quantity)."""
        number = sa.select(_sku.c.sku_number).where(_sku.c.sku == sku).scalar_subquery()
        rows = self._rows(where, number)
        return sa.select(_total(rows.c.orders, "orders"), _total(rows.c.quantity, "quantity"))

    def sales_by_country(self, where: Filter) -> sa.Select[Any]:
        """(country, orders, items)."""
        group = self._sum_days(where, _day.c.country)
        country = sa.func.nullif(group.c.country, "").label("country")
        return sa.select(country, group.c.orders, group.c.quantity.label("items"))

    def sales_by_source(self, where: Filter) -> sa.Select[Any]:
        """(source, orders, items)."""
        group = self._sum_days(where, _day.c.source)
        return sa.select(group.c.source, group.c.orders, group.c.quantity.label("items"))

    def sales_by_day(self, where: Filter, *_: object) -> sa.Select[Any]:
        """(day, orders, items). The further arguments are not needed."""
        group = self._sum_days(where, _day.c.day)
        day = sa.func.nullif(group.c.day, NO_DAY).label("day")
        return sa.select(day, group.c.orders, group.c.quantity.label("items"))

    def count_undated(self, where: Filter) -> sa.Select[Any]:
        """(orders)."""
        query = sa.select(_total(_day.c.orders, "orders")).where(_day.c.day == NO_DAY)
        return query.where(_day.c.source.in_(where.sources)) if where.sources else query

    def _of_country(self, where: Filter, country: str | None, top: int) -> sa.Select[Any]:
        ranked = _ranked(self._by_number(replace(where, countries=(country,))), top)
        name = sa.cast(sa.literal(country), sa.Text).label("country")
        return sa.select(name, ranked)

    def _ranked_by_country(self, where: Filter, top: int | None = None) -> sa.Subquery:
        """As :func:`_ranked`, within each country."""
        rows = self._rows(where)
        group: sa.CTE | sa.Subquery = _summed(rows, rows.c.country, rows.c.sku_number)
        if top is not None:
            best = sa.func.rank().over(
                partition_by=group.c.country, order_by=group.c.quantity.desc()
            )
            all_skus = sa.select(group, best.label("best")).subquery()
            group = sa.select(all_skus).where(all_skus.c.best <= top).subquery()
        order = (group.c.quantity.desc(), in_bytes(_sku.c.sku))
        rank = sa.func.row_number().over(partition_by=group.c.country, order_by=order)
        country = sa.func.nullif(group.c.country, "").label("country")
        return (
            sa.select(country, _sku.c.sku, group.c.quantity, group.c.orders, rank.label("rank"))
            .join_from(group, _sku, _sku.c.sku_number == group.c.sku_number)
            .subquery("ranked")
        )

    def _by_number(self, where: Filter) -> sa.CTE:
        """(sku_number, quantity, orders) of each SKU sold."""
        rows = self._rows(where)
        return _summed(rows, rows.c.sku_number)

    def _rows(self, where: Filter, number: Any = None) -> sa.Subquery:  # noqa: ANN401 - SQL
        """(country, sku_number, quantity, orders): whole years by year, other days by day.

        :param number: only this SKU.
        """
        selects = []
        for term in terms_of(self._days(where), self.last_day):
            row = term.table.c
            conditions = [*_filter_conditions(term.table, where), *term.conditions()]
            if number is not None:
                conditions.append(row.sku_number == number)
            query = sa.select(
                row.country,
                row.sku_number,
                (row.quantity * term.sign).label("quantity"),
                (row.orders * term.sign).label("orders"),
            )
            selects.append(query.where(*conditions))
        return sa.union_all(*selects).subquery() if len(selects) > 1 else selects[0].subquery()

    def _sum_days(self, where: Filter, *by: sa.Column[Any]) -> sa.Subquery:
        """(by, orders, orders_with_items, quantity) of groups that have orders."""
        conditions = _filter_conditions(_day, where)
        if where.excludes_undated:
            conditions += _day_conditions(_day, self._days(where))
        numbers = (_day.c.orders, _day.c.orders_with_items, _day.c.quantity)
        return (
            sa.select(*by, *(_total(number, number.name) for number in numbers))
            .where(*conditions)
            .group_by(*by)
            .having(sa.func.sum(_day.c.orders) != 0)
            .subquery("days")
        )

    def _days(self, where: Filter) -> Days:
        return Days(self._day_of(where.since), self._day_of(where.until))

    def _day_of(self, instant: datetime | None) -> date | None:
        return day_starting_at(instant, self.zone) if instant is not None else None


class Term(NamedTuple):
    """A term of a sum over days: rows of one table that are added or subtracted.

    :param days: only these days.
    :param years: only from the first year until before the second, if there is a second.
    :param sign: 1 or -1.
    """

    table: sa.Table
    days: Days | None = None
    years: tuple[int, int | None] = (NO_DAY.year, None)
    sign: int = 1

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Conditions that select the rows of the term."""
        if self.days is not None:
            return _day_conditions(self.table, self.days)
        first, after = self.years
        conditions = [self.table.c.year >= first] if first > NO_DAY.year else []
        return [*conditions, self.table.c.year < after] if after is not None else conditions


def terms_of(days: Days, last_day: date) -> list[Term]:
    """Split *days* into terms: whole years from the table of years, other days from the lines.

    If most of a year lies in *days*, the year is added whole and its other days are subtracted.

    :param last_day: day of the last order.
    """
    if days == (None, None):
        return [Term(_year)]
    since = days.since or date(NO_DAY.year + 1, 1, 1)
    if days.until is not None and days.until <= since:
        return [Term(_line, days)]
    until = days.until if days.until is not None and days.until <= last_day else None
    whole: dict[int, bool] = {}
    edges: list[Term] = []
    for year in sorted({since.year, (until or since).year}):
        begin, end = _new_year(year), _new_year(year + 1)
        inside = Days(max(since, begin), min(until or end, end))
        behind = Days(inside.until, end if last_day >= end else last_day + timedelta(days=1))
        outside = [Days(begin, inside.since), behind]
        whole[year] = sum(map(_length, outside)) < _length(inside)
        parts, sign = (outside, -1) if whole[year] else ([inside], 1)
        edges += [Term(_line, part, sign=sign) for part in parts if _length(part)]
    first = since.year + (not whole[since.year])
    after = until.year + whole[until.year] if until else None
    years = [Term(_year, years=(first, after))] if after is None or first < after else []
    return [*years, *edges] or [Term(_line, days)]


def _length(days: Days) -> int:
    return max(0, (days.until - days.since).days) if days.since and days.until else 0


def _new_year(year: int) -> date:
    return date(year, 1, 1)


def _day_conditions(table: sa.Table, days: Days) -> list[sa.ColumnElement[bool]]:
    """Conditions that select the rows of *days*, which have at least one bound."""
    conditions = [table.c.day >= days.since if days.since else table.c.day > NO_DAY]
    return [*conditions, table.c.day < days.until] if days.until else conditions


def _filter_conditions(table: sa.Table, where: Filter) -> list[sa.ColumnElement[bool]]:
    """Conditions on a rollup table that select the sources and countries of *where*."""
    conditions: list[sa.ColumnElement[bool]] = []
    if where.sources:
        conditions.append(table.c.source.in_(where.sources))
    if where.countries:
        conditions.append(table.c.country.in_([country or "" for country in where.countries]))
    return conditions


def _summed(rows: sa.Subquery, *by: sa.ColumnElement[Any]) -> sa.CTE:
    """(by, quantity, orders) of groups that have orders."""
    return (
        sa.select(*by, _total(rows.c.quantity, "quantity"), _total(rows.c.orders, "orders"))
        .group_by(*by)
        .having(sa.func.sum(rows.c.orders) != 0)
        .cte()
    )


def _ranked(group: sa.CTE, top: int | None = None) -> sa.Subquery:
    """(sku, quantity, orders, rank) of (sku_number, quantity, orders).

    :param top: only so many. SKUs that sell less than the last of them are dropped before the
        join with their names.
    """
    named = sa.select(_sku.c.sku, group.c.quantity, group.c.orders).join_from(
        group, _sku, _sku.c.sku_number == group.c.sku_number
    )
    if top is not None:
        best = sa.select(group.c.quantity).order_by(group.c.quantity.desc()).limit(top).subquery()
        least = sa.select(sa.func.min(best.c.quantity)).scalar_subquery()
        named = named.where(group.c.quantity >= least)
    sold = named.subquery()
    order = (sold.c.quantity.desc(), in_bytes(sold.c.sku))
    rank = sa.func.row_number().over(order_by=order).label("rank")
    ranked = sa.select(sold.c.sku, sold.c.quantity, sold.c.orders, rank)
    if top is not None:
        ranked = ranked.order_by(rank).limit(top)
    return ranked.subquery("ranked")


def _sum(column: sa.ColumnElement[Any]) -> sa.Cast[int]:
    return sa.cast(sa.func.sum(column), sa.BigInteger)


def _total(column: sa.ColumnElement[Any], name: str) -> sa.Label[int]:
    return sa.func.coalesce(_sum(column), 0).label(name)
