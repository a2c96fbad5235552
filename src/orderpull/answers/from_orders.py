"""The three questions, written once: as views in the warehouse and, filtered, for every reader.

SQLAlchemy writes them in each destination's dialect. A filter is applied before ranking, so the
first SKU of a country is the first among what was asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from orderpull.days import offsets
from orderpull.model import LEDGER_REJECT, MASKS, TABLES, VIEWS, Table

_TYPES: dict[str, type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]] = {
    "text": sa.Text,
    "integer": sa.BigInteger,
    "boolean": sa.Boolean,
    "time": sa.DateTime,
    "day": sa.Date,
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
            nullable=bool(table.key) and column.name not in table.key,
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
    return (
        sa.select(
            _address.c.country, _item.c.sku, _item.c.quantity, _item.c.source, _item.c.ordernumber
        )
        .join_from(_item, _header, _same_order(_item, _header))
        .join(_address, _same_order(_item, _address))
        .where(*_wanted(chosen))
        .subquery("items")
    )


def _wanted(chosen: Filter) -> list[sa.ColumnElement[bool]]:
    """What a counted order's header and address fulfil to be among the *chosen*."""
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
    return wanted


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


def counted_since(instant: datetime) -> sa.Select[Any]:
    """(source, fetched, rejected): how many orders came in runs that began since *instant*."""
    run = _tables["orderpull_run"]
    return (
        sa.select(
            run.c.source,
            sa.cast(sa.func.sum(run.c.fetched), sa.BigInteger).label("fetched"),
            sa.cast(sa.func.sum(run.c.rejected), sa.BigInteger).label("rejected"),
        )
        .where(run.c.command == "run", run.c.started_at >= instant)
        .group_by(run.c.source)
        .order_by(run.c.source)
    )


def rejects(source: str | None, *, masked: bool = False) -> sa.Select[Any]:
    """The open rejects of *source*, or of all.

    :param masked: with NULL for what only some readers may see.
    """
    reject = _tables[LEDGER_REJECT.name]
    hidden = MASKS[LEDGER_REJECT.name].hidden if masked else ()
    columns = [sa.null().label(c.name) if c.name in hidden else c for c in reject.c]
    query = sa.select(*columns).order_by(reject.c.source, reject.c.page, reject.c.position)
    return query.where(reject.c.source == source) if source else query


def orders_counted(chosen: Filter) -> sa.Select[Any, Any, Any, Any]:
    """(orders, countries, first, last): counted orders, with items or without, and when placed."""
    placed = _header.c.ordered_at
    return (
        sa.select(
            sa.func.count().label("orders"),
            sa.func.count(_address.c.country.distinct()).label("countries"),
            sa.func.min(placed).label("first"),
            sa.func.max(placed).label("last"),
        )
        .join_from(_header, _address, _same_order(_header, _address))
        .where(*_wanted(chosen))
    )


def sales_by_country(chosen: Filter) -> sa.Select[Any]:
    """(country, orders, items): counted orders and the pieces in them."""
    return _sales(chosen, _address.c.country.label("country"))


def sales_by_source(chosen: Filter) -> sa.Select[Any]:
    """(source, orders, items): counted orders and the pieces in them."""
    return _sales(chosen, _header.c.source.label("source"))


def sales_by_day(chosen: Filter, zone: ZoneInfo, first: datetime, last: datetime) -> sa.Select[Any]:
    """(day, orders, items): by the day on which counted orders were placed; NULL: not known.

    :param zone: whose days. :param first: when the first of the orders was placed (UTC).
    :param last: when the last was.
    """
    placed = _header.c.ordered_at
    turns = offsets(first, last, zone)
    later = [(placed >= since, placed + _seconds(east)) for since, east in reversed(turns[1:])]
    oldest = placed + _seconds(turns[0][1])
    local = sa.case(*later, else_=oldest) if later else oldest
    return _sales(chosen, sa.cast(local, sa.Date).label("day"))


def _seconds(count: int) -> sa.ColumnElement[Any]:
    return sa.literal_column(f"INTERVAL '{count:d} seconds'")


def _sales(chosen: Filter, key: sa.Label[Any]) -> sa.Select[Any]:
    """(key, orders, items). Orders and items are summed apart: an order may have no items.

    The key is a column before it is grouped by: a key with bound values in it would otherwise be
    another expression each time that it is written.
    """
    order = (
        sa.select(
            key, sa.literal_column("1").label("orders"), sa.literal_column("0").label("items")
        )
        .join_from(_header, _address, _same_order(_header, _address))
        .where(*_wanted(chosen))
    )
    piece = (
        sa.select(key, sa.literal_column("0").label("orders"), _item.c.quantity.label("items"))
        .join_from(_item, _header, _same_order(_item, _header))
        .join(_address, _same_order(_item, _address))
        .where(*_wanted(chosen))
    )
    both = sa.union_all(_summed(order, key.name), _summed(piece, key.name))
    return _summed(both, key.name)


def _summed(rows: sa.Select[Any] | sa.CompoundSelect[Any], key: str) -> sa.Select[Any]:
    """(key, orders, items) of *rows*, summed."""
    part = rows.subquery()
    names = ("orders", "items")
    sums = [sa.cast(sa.func.sum(part.c[name]), sa.BigInteger).label(name) for name in names]
    return sa.select(part.c[key], *sums).group_by(part.c[key])


def popular_sku_found(
    chosen: Filter, text: str = "", limit: int | None = None, offset: int = 0
) -> sa.Select[Any]:
    """(sku, quantity, orders, rank) of the SKUs that hold *text*, best-selling first.

    The rank is that among all SKUs. Upper and lower case are the same for A to Z; for other letters
    where the warehouse's locale knows them.
    """
    ranked = popular_sku(chosen).subquery("found")
    query = sa.select(ranked).order_by(ranked.c.rank).limit(limit).offset(offset or None)
    return query.where(holds(ranked.c.sku, text)) if text else query


def popular_sku_found_by_country(chosen: Filter, text: str, top: int) -> sa.Select[Any]:
    """(country, sku, quantity, orders, rank) of each country's *top* SKUs that hold *text*.

    The rank is that among all the country's SKUs.
    """
    if not text:
        return popular_sku_by_country(chosen, top)
    return first_that_hold(popular_sku_by_country(chosen).subquery("found"), text, top)


def first_that_hold(ranked: sa.Subquery, text: str, top: int) -> sa.Select[Any]:
    """Of SKUs *ranked* by country, each country's first *top* that hold *text*."""
    nth = sa.func.row_number().over(partition_by=ranked.c.country, order_by=ranked.c.rank)
    found = sa.select(ranked, nth.label("nth")).where(holds(ranked.c.sku, text)).subquery("nths")
    columns = [found.c[column.name] for column in ranked.c]
    return sa.select(*columns).where(found.c.nth <= top)


def skus_counted(chosen: Filter, text: str = "") -> sa.Select[Any]:
    """(skus): how many different SKUs that hold *text* were sold."""
    sold = items(chosen)
    query = sa.select(sa.func.count(sold.c.sku.distinct()).label("skus"))
    return query.where(holds(sold.c.sku, text)) if text else query


def holds(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Whether *column* holds *text*; upper and lower case as :func:`popular_sku_found` says."""
    return sa.func.strpos(sa.func.lower(column), sa.func.lower(sa.cast(text, sa.Text))) > 0


def orders_with_sku(
    chosen: Filter, sku: str, limit: int | None = None, offset: int = 0
) -> sa.Select[Any]:
    """(source, ordernumber, ordered_at, country, quantity): the newest first; *quantity* of *sku*.

    Orders whose time is not known come last.
    """
    return (
        sa.select(
            _header.c.source, _header.c.ordernumber, _header.c.ordered_at, _address.c.country,
            _item.c.quantity,
        )
        .join_from(_item, _header, _same_order(_item, _header))
        .join(_address, _same_order(_item, _address))
        .where(_item.c.sku == sku, *_wanted(chosen))
        .order_by(*_newest_first())
        .limit(limit)
        .offset(offset or None)
    )  # fmt: skip


def _newest_first() -> tuple[sa.ColumnElement[Any], ...]:
    number = in_bytes(_header.c.ordernumber)
    return _header.c.ordered_at.desc().nulls_last(), in_bytes(_header.c.source), number


def sku_counted(chosen: Filter, sku: str) -> sa.Select[Any, Any]:
    """(orders, quantity): counted orders with *sku*, and the pieces of it in them."""
    sold = items(chosen)
    return sa.select(
        sa.func.count().label("orders"),
        sa.cast(sa.func.coalesce(sa.func.sum(sold.c.quantity), 0), sa.BigInteger).label("quantity"),
    ).where(sold.c.sku == sku)


def last_run(chosen: Filter) -> sa.Select[Any]:
    """Each source's newest row of ``orderpull_run``."""
    run = _tables["orderpull_run"]
    newest = sa.select(run.c.source, sa.func.max(run.c.run).label("run")).group_by(run.c.source)
    last = newest.subquery("newest")
    query = sa.select(run).join(
        last, sa.and_(run.c.source == last.c.source, run.c.run == last.c.run)
    )
    if chosen.sources:
        query = query.where(run.c.source.in_(chosen.sources))
    return query.order_by(run.c.source)


def rejects_by_reason(chosen: Filter) -> sa.Select[Any]:
    """(source, reason, rejects, newest): how many orders are rejected, and why."""
    reject = _tables["orderpull_reject"]
    by = (reject.c.source, reject.c.reason)
    query = sa.select(
        *by,
        sa.func.count().label("rejects"),
        sa.func.max(reject.c.rejected_at).label("newest"),
    )
    if chosen.sources:
        query = query.where(reject.c.source.in_(chosen.sources))
    return query.group_by(*by).order_by(*by)


def ledger_version() -> sa.Select[Any]:
    """One row that differs after each load, retry and finished run."""
    run, cursor = _tables["orderpull_run"], _tables["orderpull_cursor"]
    loads = sa.select(sa.func.coalesce(sa.func.sum(cursor.c.loads), 0)).scalar_subquery()
    return sa.select(
        sa.func.max(run.c.run).label("run"),
        sa.func.sum(run.c.batches).label("batches"),
        sa.func.max(run.c.finished_at).label("finished_at"),
        sa.func.count(run.c.error).label("errors"),
        loads.label("loads"),
    )


def orders_with_sku_addressed(
    chosen: Filter, sku: str, limit: int | None = None, offset: int = 0
) -> sa.Select[Any]:
    """As :func:`orders_with_sku`, with to whom and where each order goes."""
    parts = ("name", "line1", "line2", "postalcode", "city", "stateprovince")
    return orders_with_sku(chosen, sku, limit, offset).add_columns(
        *(_address.c[part] for part in parts)
    )
