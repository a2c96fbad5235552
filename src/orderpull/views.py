"""The three questions, written once: as views in the warehouse and, filtered, for every reader.

SQLAlchemy writes them in each destination's dialect. A filter is applied before ranking, so the
first SKU of a country is the first among what was asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from orderpull.model import TABLES, VIEWS, Table

_TYPES: dict[str, type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]] = {
    "text": sa.Text,
    "integer": sa.BigInteger,
    "boolean": sa.Boolean,
    "time": sa.DateTime,
    "money": sa.Numeric(19, 4),
}


def metadata(*, keys: bool, sizes: bool = False) -> sa.MetaData:
    """The tables of ``model.py`` as SQLAlchemy's.

    :param keys: whether primary keys are declared.
    :param sizes: whether texts have their size: ``VARCHAR(512)``.
    """
    tables = sa.MetaData()
    for table in TABLES:
        _declare(table, tables, keys=keys, sizes=sizes)
    return tables


def _declare(table: Table, into: sa.MetaData, *, keys: bool, sizes: bool) -> sa.Table:
    columns = [
        sa.Column(
            column.name,
            sa.String(column.size) if sizes and column.size else _TYPES[column.type],
            primary_key=keys and column.name in table.key,
            autoincrement=False,
            nullable=column.name not in table.key,
        )
        for column in table.columns
    ]
    return sa.Table(table.name, into, *columns)


class in_bytes(FunctionElement[str]):  # noqa: N801 - it reads as the SQL that it becomes
    """A text, ordered by its bytes."""

    inherit_cache = True
    type = sa.Text()


@compiles(in_bytes)
def _collated(element: in_bytes, compiler: SQLCompiler, **words: Any) -> str:  # noqa: ANN401
    return f'{compiler.process(element.clauses, **words)} COLLATE "C"'


@compiles(in_bytes, "redshift")
def _as_it_is(element: in_bytes, compiler: SQLCompiler, **words: Any) -> str:  # noqa: ANN401
    """Redshift orders by bytes as it is, and has no collation named C."""
    return str(compiler.process(element.clauses, **words))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders an answer is about.

    :param countries: only these countries; None as a member is the orders without one.
    :param sources: only these sources.
    :param since: only orders placed at or after (UTC).
    :param until: only orders placed before (UTC).
    """

    countries: tuple[str | None, ...] = ()
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def by_time(self) -> bool:
        """Whether orders without a date are left out."""
        return self.since is not None or self.until is not None


_tables = metadata(keys=False).tables
_item, _header = _tables["order_item"], _tables["order_header"]
_address = _tables["order_address"]


def items(chosen: Filter) -> sa.Subquery:
    """The items of counted orders: country, sku, quantity, source, ordernumber."""
    wanted: list[sa.ColumnElement[bool]] = [_header.c.counted]
    if chosen.sources:
        wanted.append(_header.c.source.in_(chosen.sources))
    if chosen.since is not None:
        wanted.append(_header.c.ordered_at >= chosen.since)
    if chosen.until is not None:
        wanted.append(_header.c.ordered_at < chosen.until)
    if chosen.countries:
        named = [country for country in chosen.countries if country is not None]
        either: list[sa.ColumnElement[bool]] = []
        if named:
            either.append(_address.c.country.in_(named))
        if None in chosen.countries:
            either.append(_address.c.country.is_(None))
        wanted.append(sa.or_(*either))
    return (
        sa.select(
            _address.c.country, _item.c.sku, _item.c.quantity, _item.c.source, _item.c.ordernumber
        )
        .join_from(_item, _header, _same_order(_item, _header))
        .join(_address, _same_order(_item, _address))
        .where(*wanted)
        .subquery("items")
    )


def _same_order(one: sa.Table, other: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(one.c.source == other.c.source, one.c.ordernumber == other.c.ordernumber)


def average_items_per_order(chosen: Filter) -> sa.Select[Any, Any, Any]:
    """(average, quantity, orders): over counted orders that have at least one item."""
    sold = items(chosen)
    orders = (
        sa.select(sa.func.sum(sold.c.quantity).label("quantity"))
        .group_by(sold.c.source, sold.c.ordernumber)
        .subquery("orders")
    )
    quantity = sa.cast(sa.func.sum(orders.c.quantity), sa.BigInteger)
    count = sa.func.count()
    average = sa.cast(quantity, sa.Double) / sa.func.nullif(count, 0)
    answer = sa.select(
        average.label("average"),
        sa.func.coalesce(quantity, 0).label("quantity"),
        count.label("orders"),
    )
    return answer.select_from(orders)


def popular_sku(chosen: Filter, top: int | None = None) -> sa.Select[Any]:
    """(sku, quantity, orders, rank): by quantity, ties by SKU in byte order."""
    sold = items(chosen)
    return _ranked(sold, [], [sold.c.sku], top)


def popular_sku_by_country(chosen: Filter, top: int | None = None) -> sa.Select[Any]:
    """(country, sku, quantity, orders, rank): rank within the country."""
    sold = items(chosen)
    return _ranked(sold, [sold.c.country], [sold.c.country, sold.c.sku], top)


def _ranked(
    sold: sa.Subquery,
    within: list[sa.ColumnElement[Any]],
    by: list[sa.ColumnElement[Any]],
    top: int | None,
) -> sa.Select[Any]:
    quantity = sa.cast(sa.func.sum(sold.c.quantity), sa.BigInteger)
    order = (quantity.desc(), in_bytes(sold.c.sku))
    ranked = (
        sa.select(
            *by,
            quantity.label("quantity"),
            sa.func.count().label("orders"),
            sa.func.row_number().over(partition_by=within or None, order_by=order).label("rank"),
        )
        .group_by(*by)
        .subquery("ranked")
    )
    answer = sa.select(ranked)
    return answer.where(ranked.c.rank <= top) if top is not None else answer


def view_selects() -> dict[str, sa.Select[Any]]:
    """Each view's name and its query."""
    everything = Filter()
    queries = (
        average_items_per_order(everything),
        popular_sku_by_country(everything),
        popular_sku(everything),
    )
    return dict(zip(VIEWS, queries, strict=True))


def last_pulled(chosen: Filter) -> sa.Select[Any]:
    """(source, pulled_at): when each source was last read to its end."""
    run = _tables["orderpull_run"]
    query = sa.select(run.c.source, sa.func.max(run.c.pulled_at).label("pulled_at"))
    if chosen.sources:
        query = query.where(run.c.source.in_(chosen.sources))
    return query.group_by(run.c.source).order_by(run.c.source)


def undated(chosen: Filter) -> sa.Select[Any]:
    """(orders): how many counted orders have no date, so that a date filter leaves them out."""
    query = sa.select(sa.func.count().label("orders")).select_from(_header)
    query = query.where(_header.c.counted, _header.c.ordered_at.is_(None))
    return query.where(_header.c.source.in_(chosen.sources)) if chosen.sources else query


def runs(limit: int) -> sa.Select[Any]:
    """The last *limit* rows of ``orderpull_run``, newest first."""
    run = _tables["orderpull_run"]
    return sa.select(run).order_by(run.c.run.desc(), run.c.source).limit(limit)


def rejects(source: str | None) -> sa.Select[Any]:
    """The open rejects of *source*, or of all."""
    reject = _tables["orderpull_reject"]
    query = sa.select(reject).order_by(reject.c.source, reject.c.page, reject.c.position)
    return query.where(reject.c.source == source) if source else query
