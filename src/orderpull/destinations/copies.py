"""Copies of a warehouse's tables in a DuckDB connection."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.engine import duckdb
from orderpull.model import Table

COPIES = "copies"
"""The database of the connection that holds them."""

_ROWS_AT_ONCE = 10_000


def make_copies(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], database: str = COPIES
) -> None:
    """Create a copy of each of *tables* in *database*, without rows."""
    for table in tables:
        columns = ", ".join(f'"{c.name}" {DUCKDB_TYPES[c.type]}' for c in table.columns)
        connection.execute(f"CREATE TABLE {database}.{table.name} ({columns})")


def insert_rows(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    types: Sequence[str],
    rows: Iterator[tuple[Any, ...]],
) -> None:
    """Insert *rows* into the table *name*, some at a time.

    :param types: DuckDB's types of its columns.
    """
    unnested = ", ".join(f"unnest(?::{type_}[])" for type_ in types)
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        lists = [list(values) for values in zip(*some, strict=True)]
        connection.execute(f"INSERT INTO {name} SELECT {unnested}", lists)
