"""The choice of rollup rows that make up a span of days: whole years where possible."""

from datetime import date, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from orderpull.answers.tables import TABLE
from orderpull.model import NO_DAY

LINE, YEAR = TABLE["summary_line"], TABLE["summary_year"]


class Days(NamedTuple):
    """Days from *since* until before *until*; None means unbounded."""

    since: date | None
    until: date | None


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
            return day_conditions(self.table, self.days)
        first, after = self.years
        conditions = [self.table.c.year >= first] if first > NO_DAY.year else []
        return [*conditions, self.table.c.year < after] if after is not None else conditions


def terms_of(days: Days, last_day: date) -> list[Term]:
    """Split *days* into terms: whole years from the table of years, other days from the lines.

    If most of a year lies in *days*, the year is added whole and its other days are subtracted.

    :param last_day: day of the last order.
    """
    if days == (None, None):
        return [Term(YEAR)]
    since = days.since or date(NO_DAY.year + 1, 1, 1)
    if days.until is not None and days.until <= since:
        return [Term(LINE, days)]
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
        edges += [Term(LINE, part, sign=sign) for part in parts if _length(part)]
    first = since.year + (not whole[since.year])
    after = until.year + whole[until.year] if until else None
    years = [Term(YEAR, years=(first, after))] if after is None or first < after else []
    return [*years, *edges] or [Term(LINE, days)]


def _length(days: Days) -> int:
    return max(0, (days.until - days.since).days) if days.since and days.until else 0


def _new_year(year: int) -> date:
    return date(year, 1, 1)


def day_conditions(table: sa.Table, days: Days) -> list[sa.ColumnElement[bool]]:
    """Conditions that select the rows of *days*; unbounded days include orders without one."""
    if days == (None, None):
        return []
    conditions = [table.c.day >= days.since if days.since else table.c.day > NO_DAY]
    return [*conditions, table.c.day < days.until] if days.until else conditions
