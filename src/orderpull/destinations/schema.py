"""DDL and queries in each warehouse's dialect, from ``model.py`` and ``answers/``.

Imports SQLAlchemy, so it is itself imported only where tables are made or changed.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable

from orderpull.answers.from_orders import view_selects
from orderpull.answers.tables import metadata
from orderpull.destinations.protocol import Kind
from orderpull.model import (
    DATA_TABLES,
    ORDER_HEADER,
    SCHEMA_VERSION,
    SUMMARY_LINE,
    SUMMARY_TABLES,
    SUMMARY_YEAR,
    TABLES,
    Table,
)
from orderpull.sqltext import identifier

_REFILL = """UPDATE orderpull_cursor SET refill_from = 1, refill_to = loaded_through
WHERE loaded_through > 0"""
_REBUILD = "DELETE FROM summary_state"
_DUCKDB = ("duckdb", "iceberg")
"""The warehouses whose SQL is DuckDB's."""

MIGRATIONS: dict[int, Callable[[Kind], Iterable[str]]] = {
    2: lambda _: ("ALTER TABLE orderpull_cursor ADD COLUMN loads BIGINT DEFAULT 0",),
    3: lambda kind: _create_tables(kind, SUMMARY_TABLES, missing=True, version=3),
    4: lambda _: (_REBUILD,),
    5: lambda kind: (*_add_columns(kind, 5), *create_views(kind), _REBUILD, _REFILL),
}
"""Statements that lead to each schema version from the version before. The next load fills the
rollups, and loads shape landed pages again for the new columns. On Redshift the script of
``grants.py`` may have made a table before."""


@cache
def dialect_of(kind: Kind) -> Dialect:
    """SQLAlchemy's dialect of *kind*. DuckDB has PostgreSQL's SQL, with numbered parameters."""
    if kind == "redshift":
        from sqlalchemy_redshift.dialect import RedshiftDialect_redshift_connector

        redshift: Dialect = RedshiftDialect_redshift_connector(paramstyle="qmark")
        return redshift
    style = "numeric_dollar" if kind in _DUCKDB else "qmark"
    return PGDialect(paramstyle=style)  # type: ignore[no-untyped-call]


@cache
def create_statements(kind: Kind, schema: str | None = None) -> tuple[str, ...]:
    """The statements that create tables and views in an empty database.

    :param schema: qualify every name with this schema and use IF NOT EXISTS. None: unqualified
        names, in a schema without these tables.

    PostgreSQL enforces keys; Redshift's planner uses them without enforcing them. In DuckDB a key
    index costs 2.4 times the CPU and 8 times the disk (measured), so the tables have no keys there:
    each load asserts that the rows it wrote are unique.
    """
    return (*_create_tables(kind, TABLES, schema), *create_views(kind, schema))


def create_views(kind: Kind, schema: str | None = None) -> Iterator[str]:
    """The statements that create the views, or replace them by those of today."""
    compiling = {"compile_kwargs": {"literal_binds": True}, **_within(kind, schema)}
    for name, query in view_selects().items():
        view = qualified(schema, name) if schema else name
        if kind == "redshift" and schema is None:
            yield f"DROP VIEW IF EXISTS {view}"  # It replaces no view by one of more columns.
        yield f"CREATE OR REPLACE VIEW {view} AS {query.compile(**compiling)}"


def qualified(schema: str, name: str) -> str:
    """*name* in *schema*, both quoted."""
    return f"{identifier(schema)}.{identifier(name)}"


def _within(kind: Kind, schema: str | None) -> dict[str, Any]:
    """SQLAlchemy's options for *kind*, with *schema* before the name of each table."""
    if schema is None:
        return {"dialect": dialect_of(kind)}
    named = {"schema_translate_map": {None: schema}, "render_schema_translate": True}
    return {"dialect": dialect_of(kind), **named}


def _create_tables(
    kind: Kind,
    created: Iterable[Table],
    schema: str | None = None,
    *,
    missing: bool = False,
    version: int = SCHEMA_VERSION,
) -> Iterator[str]:
    """The statements that create the tables *created* and their indexes.

    :param missing: create only the tables that do not exist yet.
    :param version: leave out the columns of later schema versions.
    """
    compiling = _within(kind, schema)
    missing = missing or schema is not None
    tables = metadata(keys=kind not in _DUCKDB, sizes=kind == "redshift", version=version)
    names = {table.name for table in created}
    if kind == "redshift":
        _distribute(tables)
    if kind == "postgresql":
        _index(tables)
    for table in tables.sorted_tables:
        if table.name in names:
            yield str(CreateTable(table, if_not_exists=missing).compile(**compiling)).strip()
            for index in table.indexes:
                yield str(CreateIndex(index, if_not_exists=missing).compile(**compiling))


def _add_columns(kind: Kind, version: int) -> Iterator[str]:
    """The statements that add the columns of *version*: one each, as Redshift demands.

    They may be NULL: DuckDB adds no other columns, Redshift none to a table with rows. The latter
    cannot leave out what exists; see :func:`added`.
    """
    add = "ADD COLUMN" if kind == "redshift" else "ADD COLUMN IF NOT EXISTS"
    tables = metadata(keys=False, sizes=kind == "redshift").tables
    for table in TABLES:
        for column in table.columns:
            if column.since == version:
                type_ = tables[table.name].c[column.name].type.compile(dialect_of(kind))
                yield f"ALTER TABLE {table.name} {add} {identifier(column.name)} {type_}"


def added(columns: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The beginnings of statements that would add *columns* (table, name) on Redshift."""
    return tuple(f"ALTER TABLE {table} ADD COLUMN {identifier(name)} " for table, name in columns)


def index_statements(kind: Kind) -> dict[str, str]:
    """The statement that creates each index beside those of the keys, by the index's name."""
    statements = (sql for sql in _create_tables(kind, TABLES) if " INDEX " in sql)
    return {sql.partition(" INDEX ")[2].split()[0]: sql for sql in statements}


def compiled(query: sa.Select[Any], kind: Kind) -> tuple[str, list[Any]]:
    """The text of *query* for *kind*, and its values in their order."""
    text = query.compile(dialect=dialect_of(kind), compile_kwargs={"render_postcompile": True})
    return str(text), [text.params[name] for name in getattr(text, "positiontup", None) or ()]


def with_literals(query: sa.Select[Any], kind: Kind) -> str:
    """The text of *query* for *kind*, with its values as literals."""
    return str(query.compile(dialect=dialect_of(kind), compile_kwargs={"literal_binds": True}))


def _distribute(tables: sa.MetaData) -> None:
    """Put an order's rows on one node, sorted by key, so that a join moves no rows."""
    for table in DATA_TABLES:
        options = tables.tables[table.name].dialect_options["redshift"]
        options["diststyle"] = "KEY"
        options["distkey"] = "ordernumber"
        options["sortkey"] = tuple(name for name in table.key if name != "source")


def _index(tables: sa.MetaData) -> None:
    """Add PostgreSQL's indexes, beside those of the keys.

    Rollup lines are inserted in the order of their days, so a block range index finds a day.
    """
    header = tables.tables[ORDER_HEADER.name].c
    sa.Index("order_header_order_id", header.source, header.order_id, unique=True)
    line, year = tables.tables[SUMMARY_LINE.name].c, tables.tables[SUMMARY_YEAR.name].c
    sa.Index("summary_line_day", line.day, postgresql_using="brin")
    sa.Index("summary_year_country", year.country, year.year)
