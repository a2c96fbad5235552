"""DDL, and queries, in each warehouse's own words, from ``model.py`` and ``views.py``.

Imports SQLAlchemy, so it is itself imported only where tables are made or changed.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable

from orderpull.destinations.protocol import Kind
from orderpull.model import DATA_TABLES, ORDER_HEADER, SCHEMA_VERSION
from orderpull.views import metadata, view_selects

MIGRATIONS: dict[int, tuple[str, ...]] = {
    2: ("ALTER TABLE orderpull_cursor ADD COLUMN loads BIGINT DEFAULT 0",),
}
"""For each schema version the statements that lead to it from the one before, in SQL that every
warehouse understands."""


def dialect_of(kind: Kind) -> Dialect:
    """How *kind* says things. DuckDB speaks PostgreSQL's SQL; its parameters are numbered."""
    if kind == "redshift":
        from sqlalchemy_redshift.dialect import RedshiftDialect_redshift_connector

        redshift: Dialect = RedshiftDialect_redshift_connector(paramstyle="qmark")
        return redshift
    style = "numeric_dollar" if kind == "duckdb" else "qmark"
    return PGDialect(paramstyle=style)  # type: ignore[no-untyped-call]


def create_statements(kind: Kind) -> Iterator[str]:
    """Everything that makes an empty database one of ours.

    Keys are enforced by PostgreSQL and declared for Redshift's planner, which does not enforce
    them. DuckDB has none: its key index costs 2.4 times the CPU and 8 times the disk (measured);
    there rows are unique by construction, and each load asserts it.
    """
    dialect = dialect_of(kind)
    tables = metadata(keys=kind != "duckdb", sizes=kind == "redshift")
    if kind == "redshift":
        _distribute(tables)
    for table in tables.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect)).strip()
    if kind == "postgresql":
        header = tables.tables[ORDER_HEADER.name]
        index = sa.Index("order_header_order_id", header.c.source, header.c.order_id, unique=True)
        yield str(CreateIndex(index).compile(dialect=dialect))
    for name, query in view_selects().items():
        text = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        yield f"CREATE VIEW {name} AS {text}"


def migrate_statements(version: int) -> Iterator[str]:
    """What leads from schema *version* to this orderpull's."""
    for next_version in range(version + 1, SCHEMA_VERSION + 1):
        yield from MIGRATIONS[next_version]


def compiled(query: sa.Select[Any], kind: Kind) -> tuple[str, list[Any]]:
    """The text of *query* for *kind*, and its values in their order."""
    told = query.compile(dialect=dialect_of(kind), compile_kwargs={"render_postcompile": True})
    return str(told), [told.params[name] for name in getattr(told, "positiontup", None) or ()]


def literal(query: sa.Select[Any], kind: Kind) -> str:
    """The text of *query* for *kind*, its values written in it."""
    return str(query.compile(dialect=dialect_of(kind), compile_kwargs={"literal_binds": True}))


def _distribute(tables: sa.MetaData) -> None:
    """An order's rows lie on one node, sorted by their key, so that joining them moves nothing."""
    for table in DATA_TABLES:
        options = tables.tables[table.name].dialect_options["redshift"]
        options["diststyle"] = "KEY"
        options["distkey"] = "ordernumber"
        options["sortkey"] = tuple(name for name in table.key if name != "source")
