"""Snapshots of an older schema stay readable until the next load migrates the tables."""

from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.engine import duckdb
from orderpull.model import SCHEMA_VERSION, TABLES
from orderpull.sqltext import identifier


def add_missing_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Hide each table that lacks columns of this schema behind a view that has them, as NULL."""
    try:
        row = connection.execute("SELECT max(version), current_database() FROM orderpull_schema")
        version, database = row.fetchone() or (None, "")
    except duckdb.CatalogException:  # The file has no tables of ours.
        return
    if version is None or version >= SCHEMA_VERSION:
        return
    columns = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() "
        "WHERE database_name = current_database() GROUP BY table_name"
    )
    known = dict(columns.fetchall())
    for table in TABLES:
        missing = ", ".join(
            f"NULL::{DUCKDB_TYPES[column.type]} AS {column.name}"
            for column in table.columns
            if column.name not in known.get(table.name, table.names)
        )
        if missing:
            connection.execute(
                f"CREATE TEMP VIEW {table.name} AS SELECT *, {missing} "
                f"FROM {identifier(database)}.main.{table.name}"
            )
