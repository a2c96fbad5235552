"""DDL, in each warehouse's own words, from ``model.py`` and ``views.py``.

Imports SQLAlchemy, so it is itself imported only where tables are made or changed.
"""

from collections.abc import Iterator

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateTable

from orderpull.model import SCHEMA_VERSION
from orderpull.views import metadata, view_selects

MIGRATIONS: dict[int, tuple[str, ...]] = {}
"""For each schema version the statements that lead to it from the one before."""


def duckdb_dialect() -> Dialect:
    """DuckDB speaks PostgreSQL's SQL; parameters are numbered."""
    return PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


def create_statements() -> Iterator[str]:
    """Everything that makes an empty DuckDB database one of ours.

    Keys are not declared: DuckDB's key index costs 2.4 times the CPU and 8 times the disk
    (measured); rows are unique by construction, and each load asserts it.
    """
    dialect = duckdb_dialect()
    for table in metadata(keys=False).sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
    for name, query in view_selects().items():
        text = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        yield f"CREATE VIEW {name} AS {text}"


def migrate_statements(version: int) -> Iterator[str]:
    """What leads from schema *version* to this orderpull's."""
    for next_version in range(version + 1, SCHEMA_VERSION + 1):
        yield from MIGRATIONS[next_version]
