"""The warehouse's tables as SQLAlchemy tables, made from ``model.py``."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from orderpull.model import SCHEMA_VERSION, TABLES

_TYPES: dict[str, type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]] = {
    "text": sa.Text,
    "integer": sa.BigInteger,
    "boolean": sa.Boolean,
    "time": sa.DateTime,
    "day": sa.Date,
    "money": sa.Numeric(19, 4),
    "money_sum": sa.Numeric(38, 4),
}


def metadata(*, keys: bool, sizes: bool = False, version: int = SCHEMA_VERSION) -> sa.MetaData:
    """Convert the tables of ``model.py`` to SQLAlchemy.

    :param keys: declare primary keys.
    :param sizes: declare the sizes of texts: ``VARCHAR(512)``.
    :param version: leave out the columns of later schema versions.
    """
    tables = sa.MetaData()
    for table in TABLES:
        columns = [
            sa.Column(
                column.name,
                sa.String(column.size) if sizes and column.size else _TYPES[column.type],
                primary_key=keys and column.name in table.key,
                autoincrement=False,
                nullable=bool(table.key) and column.name not in table.key,
            )
            for column in table.columns
            if column.since <= version
        ]
        sa.Table(table.name, tables, *columns)
    return tables


class in_bytes(FunctionElement[str]):  # noqa: N801 - named like the SQL function it stands for
    """A text that sorts by its bytes."""

    inherit_cache = True
    type = sa.Text()


@compiles(in_bytes)
def _with_collation(element: in_bytes, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f'{compiler.process(element.clauses, **options)} COLLATE "C"'


@compiles(in_bytes, "redshift")
def _without_collation(element: in_bytes, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    """Leave the text unchanged: Redshift sorts by bytes and has no collation named C."""
    return str(compiler.process(element.clauses, **options))


TABLE = metadata(keys=False).tables
"""Each table by its name, for queries."""

HEADER, ADDRESS, ITEM = (TABLE[f"order_{part}"] for part in ("header", "address", "item"))
SKU = TABLE["summary_sku"]

SOLD = ITEM.c.quantity > 0
"""Condition that a row of ``order_item`` counts as an item; an edit may leave a row of 0 pieces."""


def same_order(one: sa.Table, other: sa.Table) -> sa.ColumnElement[bool]:
    """Join condition: rows of both tables belong to the same order."""
    return sa.and_(one.c.source == other.c.source, one.c.ordernumber == other.c.ordernumber)


def with_titles(ranked: sa.Subquery, names: Sequence[str]) -> sa.Select[Any]:
    """The columns *names* of *ranked*, with each SKU's ``title`` before ``returned``.

    A SKU's title is that of its newest order that has one, whatever the filter.
    """
    columns = {name: ranked.c[name] for name in names}
    before = list(columns.values())[: names.index("returned")]
    after = list(columns.values())[names.index("returned") :]
    return sa.select(*before, SKU.c.title, *after).join_from(
        ranked, SKU, SKU.c.sku == ranked.c.sku, isouter=True
    )
