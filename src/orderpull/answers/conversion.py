"""Conversion of amounts into one currency, by the day of the order.

The rates that a question needs are written into its SQL as a relation of their own. Amounts and
rates are exact decimals; of each sum the converted part is rounded once, to hundredths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from orderpull.days import offsets

MONEY, MONEY_SUM, FACTOR = sa.Numeric(19, 4), sa.Numeric(38, 4), sa.Numeric(18, 12)
LARGEST_AMOUNT = 10**15
"""Amounts of one day and currency from this on stay as they are: a product has 38 digits."""


@dataclass(frozen=True, slots=True)
class LocalDays:
    """The days of *zone*, for orders placed from *first* to *last* (UTC, times or days)."""

    zone: ZoneInfo
    first: date
    last: date

    def day_of(self, placed: sa.ColumnElement[datetime]) -> sa.ColumnElement[date]:
        """SQL of the day of *placed*, a time in UTC."""
        turns = offsets(_time(self.first, -1), _time(self.last, 1), self.zone)
        later = [(placed >= since, placed + _seconds(east)) for since, east in reversed(turns[1:])]
        oldest = placed + _seconds(turns[0][1])
        return sa.cast(sa.case(*later, else_=oldest) if later else oldest, sa.Date)


def _time(when: date, days: int) -> datetime:
    """*when*; of a day, its beginning so many *days* later."""
    if isinstance(when, datetime):
        return when
    return datetime.combine(when + timedelta(days=days), time())


def _seconds(count: int) -> sa.ColumnElement[Any]:
    return sa.literal_column(f"INTERVAL '{count:d} seconds'")


Factor = tuple[date, str, Decimal]
"""Day, currency, and what one unit of it was on that day in the currency of the conversion."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion into *currency*.

    :param days: the days of the orders.
    :param factors: those of the days with orders in other currencies. An amount without a factor
        stays in its own currency.
    """

    currency: str
    days: LocalDays
    factors: tuple[Factor, ...]


class factor_rows(sa.sql.expression.Values):  # noqa: N801 - named like the SQL that it stands for
    """A relation (day, currency, factor) of literal rows."""

    inherit_cache = False

    def __init__(self, factors: Sequence[Factor]) -> None:
        columns = (
            sa.column("day", sa.Date),
            sa.column("currency", sa.Text),
            sa.column("factor", FACTOR),
        )
        super().__init__(*columns, name="factor")
        self.rows = [
            f"DATE '{day}', CAST('{currency}' AS VARCHAR), {factor:f}"
            for day, currency, factor in factors
        ]


@compiles(factor_rows)
def _as_values(element: factor_rows, _: SQLCompiler, **__: Any) -> str:  # noqa: ANN401
    rows = ", ".join(f"({row})" for row in element.rows)
    return f"(VALUES {rows}) AS factor (day, currency, factor)"


@compiles(factor_rows, "redshift")
def _as_selects(element: factor_rows, _: SQLCompiler, **__: Any) -> str:  # noqa: ANN401
    """Redshift has no VALUES in FROM."""
    first, *others = element.rows
    day, currency, factor = first.split(", ", 2)
    rows = [f"SELECT {day} AS day, {currency} AS currency, {factor} AS factor"]
    return f"({' UNION ALL '.join(rows + [f'SELECT {row}' for row in others])}) AS factor"


def sum_money(
    rows: sa.FromClause, by: Sequence[str], numbers: Sequence[str], conversion: Conversion | None
) -> sa.Subquery:
    """(*by*, currency, amount, *numbers*): the sums of *rows* by currency, converted if asked for.

    :param rows: has these columns and, for a conversion, ``day``.
    :param numbers: columns of whole numbers. ``priced`` is one: how many orders have an amount. The
        sum of amounts is NULL where none has.
    """
    if conversion is None or not conversion.factors:
        amount: sa.ColumnElement[Any] = sa.func.sum(rows.c.amount)
    else:
        rows = _convert(rows, by, numbers, conversion)
        kept, converted = (sa.func.sum(rows.c[name]) for name in ("amount", "converted"))
        amount = sa.func.coalesce(kept, 0) + sa.func.coalesce(sa.func.round(converted, 2), 0)
    keys = [rows.c[name] for name in (*by, "currency")]
    is_known = sa.func.sum(rows.c.priced) != 0
    return (
        sa.select(
            *keys,
            sa.case((is_known, sa.cast(amount, MONEY_SUM))).label("amount"),
            *sums_of(rows, numbers),
        )
        .group_by(*keys)
        .subquery("money")
    )


def _convert(
    rows: sa.FromClause, by: Sequence[str], numbers: Sequence[str], conversion: Conversion
) -> sa.Subquery:
    """(*by*, currency, amount, converted, *numbers*): *amount* is what has no factor."""
    keys = [rows.c[name] for name in dict.fromkeys((*by, "currency", "day"))]
    sums = [sa.cast(sa.func.sum(rows.c.amount), MONEY_SUM).label("amount")]
    daily = (
        sa.select(*keys, *sums, *(total_of(rows.c[name]) for name in numbers))
        .group_by(*keys)
        .subquery("daily")
    )
    factor = factor_rows(conversion.factors)
    has_factor = factor.c.factor.is_not(None)
    product = sa.cast(daily.c.amount, MONEY) * sa.cast(factor.c.factor, FACTOR)
    target = sa.cast(sa.literal(conversion.currency), sa.Text)
    same = sa.and_(
        daily.c.day == factor.c.day,
        daily.c.currency == factor.c.currency,
        sa.func.abs(sa.func.coalesce(daily.c.amount, 0)) < LARGEST_AMOUNT,
    )
    return (
        sa.select(
            *(daily.c[name] for name in by),
            sa.case((has_factor, target), else_=daily.c.currency).label("currency"),
            sa.case((sa.not_(has_factor), daily.c.amount)).label("amount"),
            sa.case((has_factor, product)).label("converted"),
            *(daily.c[name] for name in numbers),
        )
        .join_from(daily, factor, same, isouter=True)
        .subquery("converted")
    )


def sums_of(rows: sa.FromClause, numbers: Sequence[str]) -> list[sa.Label[int]]:
    """The sums of whole *numbers*; ``returned`` is NULL where no row tells what came back."""
    sums = {name: sa.cast(sa.func.sum(rows.c[name]), sa.BigInteger) for name in numbers}
    if "returned" in sums:
        is_known = sa.func.sum(rows.c.returnable) != 0
        return [
            (sa.case((is_known, each)) if name == "returned" else each).label(name)
            for name, each in sums.items()
        ]
    return [each.label(name) for name, each in sums.items()]


def total_of(number: sa.ColumnElement[Any]) -> sa.Label[int]:
    """The sum of a whole *number*; 0 without rows."""
    return sa.func.coalesce(sa.cast(sa.func.sum(number), sa.BigInteger), 0).label(number.name)
