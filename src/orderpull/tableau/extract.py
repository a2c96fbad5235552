"""Extract of the three tables in a ``.hyper`` file, written by Tableau's Hyper engine.

DuckDB passes the tables to the engine as Parquet files, so that neither holds them in memory.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from tableauhyperapi import (
    Connection,
    CreateMode,
    HyperException,
    HyperProcess,
    SchemaName,
    TableName,
    Telemetry,
)

from orderpull.destinations import open_destination
from orderpull.destinations.protocol import DUCKDB_TYPES, Reader
from orderpull.errors import OrderpullError
from orderpull.model import Table
from orderpull.settings import Settings
from orderpull.sqltext import literal
from orderpull.tableau.fields import DATA_TYPES, EXTRACTED, TABLES, Field, object_id

SCHEMA = "Extract"
MEMORY = "1g"
"""Memory limit of the engine; beyond, it spills to disk."""


def write_extract(settings: Settings, file: Path, *, beside_live: bool) -> dict[str, int]:
    """Write *file*, with all tables of one instant, and return the number of rows by table.

    :param beside_live: True to name tables and columns as Tableau does in the extract of a live
        connection; False for the names of the warehouse.
    :raises DestinationError: the warehouse has no tables to read.
    :raises OrderpullError: the extract cannot be written.
    """
    destination = open_destination(settings.destination, settings.folder)
    try:
        with TemporaryDirectory(prefix="orderpull-", dir=file.parent) as folder:
            with destination.reader() as reader:
                parquet = [(table, _export(reader, table, Path(folder))) for table in TABLES]
            with (
                engine() as process,
                Connection(process.endpoint, file, CreateMode.CREATE_AND_REPLACE) as connection,
            ):
                connection.catalog.create_schema(SchemaName(SCHEMA))
                return {
                    table.name: _load(connection, table, rows, beside_live=beside_live)
                    for table, rows in parquet
                }
    except (HyperException, duckdb.Error, OSError) as error:
        message = getattr(error, "main_message", "") or getattr(error, "strerror", "") or error
        reason = str(message).splitlines()[0].rstrip(".")
        raise OrderpullError(
            f"The extract {file.name} could not be written: {reason}.",
            "Check the free space of the disk and the rights of the folder.",
        ) from None


def columns(table: Table) -> tuple[Field, ...]:
    """Return the fields of *table* in an extract, without those about a person."""
    return tuple(field for field in EXTRACTED if field.table is table)


def engine() -> HyperProcess:
    """Start Tableau's engine without a log file."""
    return HyperProcess(
        Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU,
        "orderpull",
        parameters={"log_config": "", "memory_limit": MEMORY},
    )


def _export(reader: Reader, table: Table, folder: Path) -> Path:
    import sqlalchemy as sa

    from orderpull.answers.tables import TABLE

    file = folder / f"{table.name}.parquet"
    stored = [field.column for field in columns(table)]
    query = sa.select(*(TABLE[table.name].c[column.name] for column in stored))
    types = {column.name: DUCKDB_TYPES[column.type] for column in stored}
    with reader.in_duckdb(query, types) as (connection, text):
        connection.execute(f"COPY ({text}) TO {literal(str(file))} (FORMAT parquet)")
    return file


def _load(connection: Connection, table: Table, parquet: Path, *, beside_live: bool) -> int:
    """Create the table, fill it from its Parquet file, and return its number of rows."""
    name = TableName(SCHEMA, object_id(table) if beside_live else table.name)
    definitions = [
        f'"{field.name if beside_live else field.column.name}" {DATA_TYPES[field.data_type].sql}'
        f"{' NOT NULL' if field.column.name in table.key else ''}"
        for field in columns(table)
    ]
    connection.execute_command(f"CREATE TABLE {name} ({', '.join(definitions)})")
    stored = ", ".join(f'"{field.column.name}"' for field in columns(table))
    written = connection.execute_command(
        f"INSERT INTO {name} SELECT {stored} "  # noqa: S608 - names are the model's
        f"FROM external({literal(str(parquet))}, FORMAT => 'parquet')"
    )
    return int(written or 0)
