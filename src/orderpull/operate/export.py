"""Export tables as Parquet, CSV or XLSX files, all from one snapshot of the warehouse.

Rows are sorted by key, so the same orders give the same bytes. The files are written under
temporary names, synced to disk, and renamed together at the end.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from orderpull.answers.xlsx import workbook
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.errors import UsageError
from orderpull.landing.files import sync
from orderpull.model import DATA_TABLES, VIEWS, Table
from orderpull.operate.compare import rows_by_key
from orderpull.operate.query import VIEW_COLUMNS
from orderpull.settings import Settings
from orderpull.sqltext import literal

if TYPE_CHECKING:
    import sqlalchemy as sa

    from orderpull.destinations.protocol import Reader

Kind = Literal["parquet", "csv", "xlsx"]

ROWS_AT_ONCE = 10_000
"""Rows of a workbook that are in memory."""

_OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER true, NULLSTR ''",
}
_TYPES = DUCKDB_TYPES | {"number": "DOUBLE"}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file written by :func:`export`. :param size: in bytes."""

    file: Path
    rows: int
    size: int

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``export --json`` prints."""
        return {"file": str(self.file), "rows": self.rows, "bytes": self.size}


def export(
    settings: Settings,
    folder: Path,
    sources: tuple[str, ...] = (),
    *,
    kind: Kind = "parquet",
    tables: Sequence[str] = (),
    answers: bool = False,
    force: bool = False,
) -> list[WrittenFile]:
    """Write tables into *folder*, one file each.

    :param sources: export only orders of these sources; empty for all.
    :param tables: export only these tables and answers; empty for all tables of orders.
    :param answers: also write the answers.
    :param force: replace existing files.
    :raises UsageError: a name is unknown, a file exists, or the folder is not writable.
    """
    if sources:
        settings.chosen(sources)
    by_name = {table.name: table for table in DATA_TABLES}
    queries = {
        name: _of_table(by_name[name], sources) if name in by_name else _of_answer(name, sources)
        for name in _names(tables, answers=answers)
    }
    files = {name: folder / f"{name}.{kind}" for name in queries}
    existing = [file.name for file in files.values() if file.exists()]
    if existing and not force:
        raise UsageError(
            f"{folder} already has {', '.join(existing)}.", "Use --force to replace files."
        )
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with _os_errors(folder), destination.reader() as reader:
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary(files) as temporary:
            rows = {name: _write(reader, *queries[name], temporary[name], kind) for name in queries}
            for name, file in files.items():
                temporary[name].replace(file)
        sync(folder)
        return [WrittenFile(file, rows[name], file.stat().st_size) for name, file in files.items()]


def _names(tables: Sequence[str], *, answers: bool) -> list[str]:
    """Return the names of the tables and answers to write, in the order of the model."""
    data = [table.name for table in DATA_TABLES]
    all_names = [*data, *VIEWS]
    for name in tables:
        if name not in all_names:
            raise UsageError(
                f"There is no table {name!r} to export.",
                f"Tables and answers: {', '.join(all_names)}.",
            )
    selected = {*(tables or data), *(VIEWS if answers else ())}
    return [name for name in all_names if name in selected]


def _of_table(table: Table, sources: Sequence[str]) -> "tuple[sa.Select[Any], dict[str, str]]":
    types = {column.name: _TYPES[column.type] for column in table.columns}
    return rows_by_key(table, table.names, sources), types


def _of_answer(name: str, sources: Sequence[str]) -> "tuple[sa.Select[Any], dict[str, str]]":
    import sqlalchemy as sa

    from orderpull.answers.filter import Filter
    from orderpull.answers.from_orders import OrderQueries
    from orderpull.answers.tables import in_bytes

    where = Filter(sources=tuple(sources))
    answer = getattr(OrderQueries(), name)(where).subquery("answer")
    query = sa.select(answer)
    for key in ("country", "channel", "rank", "sku", "currency"):
        if key in answer.c:
            column = answer.c[key]
            query = query.order_by(column if key == "rank" else in_bytes(column).nulls_last())
    return query, {column.name: _TYPES[VIEW_COLUMNS[column.name][0]] for column in answer.c}


def _write(
    reader: "Reader", query: "sa.Select[Any]", types: dict[str, str], file: Path, kind: Kind
) -> int:
    """Write the rows of *query* to *file*, sync it to disk, and return their number."""
    with reader.in_duckdb(query, types) as (connection, text):
        if kind == "xlsx":
            return _write_workbook(connection.execute(text), file)
        # With statistics, DuckDB would mark columns without NULLs as required in the file.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        row = connection.execute(
            f"COPY ({text}) TO {literal(str(file))} ({_OPTIONS[kind]})"
        ).fetchone()
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return int(row[0]) if row else 0


def _write_workbook(rows: duckdb.DuckDBPyConnection, file: Path) -> int:
    """Write *rows* to the workbook *file*, sync it to disk, and return their number."""
    columns = [column[0] for column in rows.description or ()]

    def read() -> Iterator[dict[str, Any]]:
        while some := rows.fetchmany(ROWS_AT_ONCE):
            yield from (dict(zip(columns, row, strict=True)) for row in some)

    with file.open("wb") as out:
        with workbook(out) as book:
            count = book.write(file.name.split(".")[1], columns, read())
        out.flush()
        os.fsync(out.fileno())
    return count


@contextmanager
def _temporary(files: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Yield temporary names for *files*; remove the leftovers at the end."""
    temporary = {
        name: file.with_name(f".{file.name}.{os.getpid()}.tmp") for name, file in files.items()
    }
    try:
        yield temporary
    finally:
        for file in temporary.values():
            file.unlink(missing_ok=True)


@contextmanager
def _os_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into a :class:`UsageError`."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0].rstrip(".")
        raise UsageError(
            f"{folder} could not be written: {reason}.",
            "Free disk space or change its permissions; no file was replaced by half of another.",
        ) from None
