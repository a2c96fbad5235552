"""The answers from the summaries: the same as ``answers/from_orders.py`` gives, of far fewer rows.

They can answer what is asked for by whole days, in the zone whose days they have. Their rows are
only added to, so that nothing but sums means anything; a group whose orders sum up to none is gone.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers import from_orders
from orderpull.answers.from_orders import Filter, in_bytes
from orderpull.days import begun_at
from orderpull.model import NO_DAY

BRANCHES = 40
"""Countries whose best-selling SKUs are each looked for apart; more are ranked all together."""

_tables = from_orders.metadata(keys=False).tables
_day, _line, _year = (_tables[f"summary_{name}"] for name in ("day", "line", "year"))
_sku, _state = _tables["summary_sku"], _tables["summary_state"]


def state() -> sa.Select[Any]:
    """(timezone, last_day): whose days the summaries have, and the last of them."""
    last = sa.select(sa.func.max(_day.c.day)).scalar_subquery()
    return sa.select(_state.c.timezone, last.label("last_day"))


class Days(NamedTuple):
    """Days from *since* until before *until*; None: without end."""

    since: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class Summaries:
    """Answers from rollup tables, equal to those of ``from_orders``; :meth:`covers` says which.

    :param zone: whose days the summaries have. :param last_day: the last of them.
    """

    zone: ZoneInfo
    last_day: date

    def covers(self, chosen: Filter) -> bool:
        """Whether *chosen* begins and ends where days of the zone do."""
        given = [instant for instant in (chosen.since, chosen.until) if instant is not None]
        return all(begun_at(instant, self.zone) for instant in given)

    def orders_counted(self, chosen: Filter) -> sa.Select[Any, Any, Any, Any]:
        """(orders, countries, first, last): *first* and *last* are days."""
        group = self._summed_days(chosen, _day.c.day, _day.c.country)
        day = sa.func.nullif(group.c.day, NO_DAY)
        return sa.select(
            _total(group.c.orders, "orders"),
            sa.func.count(sa.func.nullif(group.c.country, "").distinct()).label("countries"),
            sa.func.min(day).label("first"),
            sa.func.max(day).label("last"),
        )

    def average_items_per_order(self, chosen: Filter) -> sa.Select[Any, Any, Any]:
        """(average, quantity, orders): over counted orders that have at least one item."""
        group = self._summed_days(chosen, _day.c.day)
        orders, quantity = _sum(group.c.orders_with_items), _sum(group.c.quantity)
        average = sa.cast(quantity, sa.Double) / sa.func.nullif(orders, 0)
        return sa.select(
            average.label("average"),
            sa.func.coalesce(quantity, 0).label("quantity"),
            sa.func.coalesce(orders, 0).label("orders"),
        )

    def sales_by_country(self, chosen: Filter) -> sa.Select[Any]:
        """(country, orders, items)."""
        group = self._summed_days(chosen, _day.c.country)
        country = sa.func.nullif(group.c.country, "").label("country")
        return sa.select(country, group.c.orders, group.c.quantity.label("items"))

    def sales_by_source(self, chosen: Filter) -> sa.Select[Any]:
        """(source, orders, items)."""
        group = self._summed_days(chosen, _day.c.source)
        return sa.select(group.c.source, group.c.orders, group.c.quantity.label("items"))

    def sales_by_day(self, chosen: Filter, *_: object) -> sa.Select[Any]:
        """(day, orders, items); NULL: not known. What else is given is not needed."""
        group = self._summed_days(chosen, _day.c.day)
        day = sa.func.nullif(group.c.day, NO_DAY).label("day")
        return sa.select(day, group.c.orders, group.c.quantity.label("items"))

    def undated(self, chosen: Filter) -> sa.Select[Any]:
        """(orders) without a date."""
        query = sa.select(sa.func.coalesce(_sum(_day.c.orders), 0).label("orders"))
        query = query.where(_day.c.day == NO_DAY)
        return query.where(_day.c.source.in_(chosen.sources)) if chosen.sources else query

    def popular_sku(self, chosen: Filter, top: int | None = None) -> sa.Select[Any]:
        """(sku, quantity, orders, rank)."""
        return self.popular_sku_found(chosen, limit=top)

    def popular_sku_found(
        self, chosen: Filter, text: str = "", limit: int | None = None, offset: int = 0
    ) -> sa.Select[Any]:
        """(sku, quantity, orders, rank) of the SKUs that hold *text*."""
        if text or limit is None:
            ranked = _ranked(self._by_number(chosen))
            query = sa.select(ranked).order_by(ranked.c.rank).limit(limit).offset(offset or None)
            return query.where(from_orders.holds(ranked.c.sku, text)) if text else query
        ranked = _ranked(self._by_number(chosen), limit + offset)
        return sa.select(ranked).where(ranked.c.rank > offset).order_by(ranked.c.rank)

    def popular_sku_by_country(self, chosen: Filter, top: int | None = None) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank)."""
        if top is None or not 0 < len(chosen.countries) <= BRANCHES:
            return _first(self._ranked_by_country(chosen, top), top)
        found = sa.union_all(*(self._of_one(chosen, each, top) for each in chosen.countries))
        return sa.select(found.subquery("found"))

    def popular_sku_found_by_country(self, chosen: Filter, text: str, top: int) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank) of each country's SKUs that hold *text*."""
        if not text:
            return self.popular_sku_by_country(chosen, top)
        return from_orders.first_that_hold(self._ranked_by_country(chosen), text, top)

    def skus_counted(self, chosen: Filter, text: str = "") -> sa.Select[Any]:
        """(skus)."""
        group = self._by_number(chosen)
        query = sa.select(sa.func.count().label("skus")).select_from(group)
        if not text:
            return query
        joined = group.join(_sku, _sku.c.sku_number == group.c.sku_number)
        query = sa.select(sa.func.count().label("skus")).select_from(joined)
        return query.where(from_orders.holds(_sku.c.sku, text))

    def sku_counted(self, chosen: Filter, sku: str) -> sa.Select[Any, Any]:
        """(orders, quantity)."""
        number = sa.select(_sku.c.sku_number).where(_sku.c.sku == sku).scalar_subquery()
        rows = self._rows(chosen, number)
        return sa.select(
            sa.func.coalesce(_sum(rows.c.orders), 0).label("orders"),
            sa.func.coalesce(_sum(rows.c.quantity), 0).label("quantity"),
        )

    def _of_one(self, chosen: Filter, country: str | None, top: int) -> sa.Select[Any]:
        one = Filter((country,), chosen.sources, chosen.since, chosen.until)
        ranked = _ranked(self._by_number(one), top)
        name = sa.cast(sa.literal(country), sa.Text).label("country")
        return sa.select(name, ranked)

    def _ranked_by_country(self, chosen: Filter, top: int | None = None) -> sa.Subquery:
        """As :func:`_ranked`, within each country."""
        rows = self._rows(chosen)
        group: sa.CTE | sa.Subquery = _summed(rows, rows.c.country, rows.c.sku_number)
        if top is not None:
            best = sa.func.rank().over(
                partition_by=group.c.country, order_by=group.c.quantity.desc()
            )
            all_of_them = sa.select(group, best.label("best")).subquery()
            group = sa.select(all_of_them).where(all_of_them.c.best <= top).subquery()
        order = (group.c.quantity.desc(), in_bytes(_sku.c.sku))
        rank = sa.func.row_number().over(partition_by=group.c.country, order_by=order)
        country = sa.func.nullif(group.c.country, "").label("country")
        return (
            sa.select(country, _sku.c.sku, group.c.quantity, group.c.orders, rank.label("rank"))
            .join_from(group, _sku, _sku.c.sku_number == group.c.sku_number)
            .subquery("ranked")
        )

    def _by_number(self, chosen: Filter) -> sa.CTE:
        """(sku_number, quantity, orders) of each SKU sold."""
        rows = self._rows(chosen)
        return _summed(rows, rows.c.sku_number)

    def _rows(self, chosen: Filter, number: Any = None) -> sa.Subquery:  # noqa: ANN401 - SQL
        """(country, sku_number, quantity, orders): whole years by the year, the rest by the day.

        :param number: only this SKU.
        """
        found = []
        for part in parts(self._days(chosen), self.last_day):
            row = part.table.c
            wanted = [] if number is None else [row.sku_number == number]
            query = sa.select(
                row.country,
                row.sku_number,
                (row.quantity * part.sign).label("quantity"),
                (row.orders * part.sign).label("orders"),
            )
            found.append(query.where(*_among(part.table, chosen), *part.wanted(), *wanted))
        return sa.union_all(*found).subquery() if len(found) > 1 else found[0].subquery()

    def _summed_days(self, chosen: Filter, *by: sa.Column[Any]) -> sa.Subquery:
        """(by, orders, orders_with_items, quantity) of groups that have orders."""
        days = self._days(chosen)
        numbers = (_day.c.orders, _day.c.orders_with_items, _day.c.quantity)
        return (
            sa.select(*by, *(_total(number, number.name) for number in numbers))
            .where(*_among(_day, chosen), *(_between(_day, days) if chosen.by_time else ()))
            .group_by(*by)
            .having(sa.func.sum(_day.c.orders) != 0)
            .subquery("days")
        )

    def _days(self, chosen: Filter) -> Days:
        return Days(self._begun(chosen.since), self._begun(chosen.until))

    def _begun(self, instant: datetime | None) -> date | None:
        return begun_at(instant, self.zone) if instant is not None else None


class Part(NamedTuple):
    """Rows of a table that are added to, or taken from, what makes up a time.

    :param days: only these. :param years: only from the first until before the second, if any.
    """

    table: sa.Table
    days: Days | None = None
    years: tuple[int, int | None] = (NO_DAY.year, None)
    sign: Literal[1, -1] = 1

    def wanted(self) -> list[sa.ColumnElement[bool]]:
        """What the rows fulfil."""
        if self.days is not None:
            return _between(self.table, self.days)
        first, after = self.years
        wanted = [self.table.c.year >= first] if first > NO_DAY.year else []
        return [*wanted, self.table.c.year < after] if after is not None else wanted


def parts(days: Days, last_day: date) -> list[Part]:
    """What makes up *days*: years from the table of years, put right by lines.

    A year that is mostly in *days* is taken whole, less the lines of its other days.

    :param last_day: no order was placed later.
    """
    if days == (None, None):
        return [Part(_year)]
    since = days.since or date(NO_DAY.year + 1, 1, 1)
    if days.until is not None and days.until <= since:
        return [Part(_line, days)]
    until = days.until if days.until is not None and days.until <= last_day else None
    before = Days(_new_year(since.year), since)
    if until is None:
        whole, edges = _edge(Days(since, _new_year(since.year + 1)), [before])
        return [Part(_year, years=(since.year + (not whole), None)), *edges]
    end = _new_year(until.year + 1)
    behind = Days(until, end if last_day >= end else last_day + timedelta(days=1))
    if since.year == until.year:
        whole, edges = _edge(Days(since, until), [before, behind])
        years = (since.year, since.year + whole)
    else:
        whole, edges = _edge(Days(since, _new_year(since.year + 1)), [before])
        to_its_end, more = _edge(Days(_new_year(until.year), until), [behind])
        years, edges = (since.year + (not whole), until.year + to_its_end), edges + more
    found = [Part(_year, years=years)] if years[0] < years[1] else []
    return [*found, *edges] or [Part(_line, days)]


def _edge(inside: Days, outside: list[Days]) -> tuple[bool, list[Part]]:
    """Whether a year is taken whole of which only *inside* is wanted; what of its lines to mend."""
    if sum(map(_length, outside)) < _length(inside):
        return True, [Part(_line, days, sign=-1) for days in outside if _length(days)]
    return False, [Part(_line, inside)] if _length(inside) else []


def _length(days: Days) -> int:
    return max(0, (days.until - days.since).days) if days.since and days.until else 0


def _new_year(year: int) -> date:
    return date(year, 1, 1)


def _between(table: sa.Table, days: Days) -> list[sa.ColumnElement[bool]]:
    """The condition that a row is of *days*, which have a beginning or an end."""
    wanted = [table.c.day >= days.since if days.since else table.c.day > NO_DAY]
    return [*wanted, table.c.day < days.until] if days.until else wanted


def _among(table: sa.Table, chosen: Filter) -> list[sa.ColumnElement[bool]]:
    wanted: list[sa.ColumnElement[bool]] = []
    if chosen.sources:
        wanted.append(table.c.source.in_(chosen.sources))
    if chosen.countries:
        wanted.append(table.c.country.in_([country or "" for country in chosen.countries]))
    return wanted


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

    :param top: only so many: what sells less than the last of them is not even looked up by name.
    """
    named = sa.select(_sku.c.sku, group.c.quantity, group.c.orders).join_from(
        group, _sku, _sku.c.sku_number == group.c.sku_number
    )
    if top is not None:
        best = sa.select(group.c.quantity).order_by(group.c.quantity.desc()).limit(top).subquery()
        least = sa.select(sa.func.min(best.c.quantity)).scalar_subquery()
        named = named.where(group.c.quantity >= least)
    found = named.subquery()
    order = (found.c.quantity.desc(), in_bytes(found.c.sku))
    rank = sa.func.row_number().over(order_by=order).label("rank")
    ranked = sa.select(found.c.sku, found.c.quantity, found.c.orders, rank)
    if top is not None:
        ranked = ranked.order_by(rank).limit(top)
    return ranked.subquery("ranked")


def _first(ranked: sa.Subquery, top: int | None) -> sa.Select[Any]:
    answer = sa.select(ranked)
    return answer.where(ranked.c.rank <= top) if top is not None else answer


def _sum(column: sa.ColumnElement[Any]) -> sa.Cast[int]:
    return sa.cast(sa.func.sum(column), sa.BigInteger)


def _total(column: sa.ColumnElement[Any], name: str) -> sa.Label[int]:
    return sa.func.coalesce(_sum(column), 0).label(name)
