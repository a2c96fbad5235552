"""Extract of the three tables in a ``.hyper`` file, written by Tableau's Hyper engine.

DuckDB passes the tables to the engine as Parquet files, so that neither holds them in memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
from tableauhyperapi import (
    Connection,
    CreateMode,
    HyperException,
    HyperProcess,
    Nullability,
    SchemaName,
    SqlType,
    TableDefinition,
    TableName,
    Telemetry,
)

from orderpull.destinations import open_destination
from orderpull.errors import OrderpullError
from orderpull.model import Table
from orderpull.settings import Settings
from orderpull.sqltext import literal
from orderpull.tableau.columns import object_id
from orderpull.tableau.fields import FIELDS, PERSONAL, TABLES, DataType, Field

if TYPE_CHECKING:
    import sqlalchemy as sa

    from orderpull.destinations.protocol import Reader

SCHEMA = "Extract"
MEMORY = "1g"
"""Memory limit of the engine; beyond, it spills to disk."""

_DUCKDB_TYPES: dict[DataType, str] = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
}


def write_extract(settings: Settings, file: Path, *, beside_live: bool) -> dict[str, int]:
    """Write *file*, with all tables of one instant, and return the number of rows by table.

    :param beside_live: True to name tables and columns as Tableau does in the extract of a live
        connection; False for the names of the warehouse.
    :raises DestinationError: the warehouse has no tables to read.
    :raises OrderpullError: the extract cannot be written.
    """
    destination = open_destination(settings.destination, settings.folder)
    with _write_errors(file), TemporaryDirectory(prefix="orderpull-", dir=file.parent) as folder:
        with destination.reader() as reader:
            parquet = {table.name: _export(reader, table, Path(folder)) for table in TABLES}
        with engine() as process, _created(process, file) as connection:
            return {
                table.name: _load(connection, table, parquet[table.name], beside_live=beside_live)
                for table in TABLES
            }


def columns(table: Table) -> tuple[Field, ...]:
    """Return the fields of *table* in an extract, without those about a person."""
    fields = (field for field in FIELDS if field.table is table)
    return tuple(field for field in fields if field.column.name not in PERSONAL)


@contextmanager
def engine() -> Iterator[HyperProcess]:
    """Run Tableau's engine without a log file."""
    with HyperProcess(
        Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU,
        "orderpull",
        parameters={"log_config": "", "memory_limit": MEMORY},
    ) as process:
        yield process


@contextmanager
def _created(process: HyperProcess, file: Path) -> Iterator[Connection]:
    with Connection(process.endpoint, file, CreateMode.CREATE_AND_REPLACE) as connection:
        connection.catalog.create_schema(SchemaName(SCHEMA))
        yield connection


def _export(reader: "Reader", table: Table, folder: Path) -> Path:
    file = folder / f"{table.name}.parquet"
    query, types = _query(columns(table))
    with reader.in_duckdb(query, types) as (connection, text):
        connection.execute(f"COPY ({text}) TO {literal(str(file))} (FORMAT parquet)")
    return file


def _query(fields: Sequence[Field]) -> "tuple[sa.Select[tuple[object, ...]], dict[str, str]]":
    import sqlalchemy as sa

    from orderpull.answers.tables import TABLE

    table = TABLE[fields[0].table.name]
    names = [field.column.name for field in fields]
    types = {field.column.name: _DUCKDB_TYPES[field.data_type] for field in fields}
    return sa.select(*(table.c[name] for name in names)), types


def _load(connection: Connection, table: Table, parquet: Path, *, beside_live: bool) -> int:
    """Create the table, fill it from its Parquet file, and return its number of rows."""
    name = TableName(SCHEMA, object_id(table) if beside_live else table.name)
    definition = TableDefinition(name)
    for field in columns(table):
        required = field.column.name in table.key
        definition.add_column(
            field.name if beside_live else field.column.name,
            _hyper_type(field.data_type),
            Nullability.NOT_NULLABLE if required else Nullability.NULLABLE,
        )
    connection.catalog.create_table(definition)
    stored = ", ".join(f'"{field.column.name}"' for field in columns(table))
    written = connection.execute_command(
        f"INSERT INTO {name} SELECT {stored} "  # noqa: S608 - names are the model's
        f"FROM external({literal(str(parquet))}, FORMAT => 'parquet')"
    )
    return int(written or 0)


def _hyper_type(data_type: DataType) -> SqlType:
    types = {
        "string": SqlType.text,
        "integer": SqlType.big_int,
        "real": SqlType.double,
        "boolean": SqlType.bool,
        "date": SqlType.date,
        "datetime": SqlType.timestamp,
    }
    return types[data_type]()


@contextmanager
def _write_errors(file: Path) -> Iterator[None]:
    """Translate errors of the engine, DuckDB and the file system into an OrderpullError."""
    try:
        yield
    except HyperException as error:
        reason = str(getattr(error, "main_message", "") or error)
        raise _not_written(file, reason) from None
    except duckdb.Error as error:
        raise _not_written(file, str(error)) from None
    except OSError as error:
        raise _not_written(file, error.strerror or str(error)) from None


def _not_written(file: Path, reason: str) -> OrderpullError:
    return OrderpullError(
        f"The extract {file.name} could not be written: {reason.splitlines()[0].rstrip('.')}.",
        "Check the free space of the disk and the rights of the folder.",
    )
