"""Export: the tables of orders as Parquet or CSV files, all of one instant.

Rows stand in the order of their keys, so that the same orders give the same bytes. A file appears
under its name when it is whole and durable, and all of them appear together at the end.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from orderpull.destinations import open_destination
from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.errors import UsageError
from orderpull.model import DATA_TABLES, VIEWS, Table
from orderpull.settings import Settings
from orderpull.sqltext import literal

if TYPE_CHECKING:
    import sqlalchemy as sa

    from orderpull.destinations.protocol import Reader

Kind = Literal["parquet", "csv"]

_OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER true, NULLSTR ''",
}
_ANSWER_TYPES = {
    "average": "DOUBLE",
    "country": "VARCHAR",
    "sku": "VARCHAR",
    "quantity": "BIGINT",
    "orders": "BIGINT",
    "rank": "BIGINT",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written. :param size: in bytes."""

    file: Path
    rows: int
    size: int

    def as_json(self) -> dict[str, Any]:
        """As ``export --json`` shows it."""
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
) -> list[Written]:
    """Write tables into *folder*, one file each.

    :param sources: only the orders of these; all that the warehouse has if none is named.
    :param tables: only these tables and answers; the tables of orders if none is named.
    :param answers: write the three answers, too.
    :param force: replace files that are there.
    :raises UsageError: a name is unknown, a file is there, or the folder cannot be written.
    """
    if sources:
        settings.chosen(sources)
    queries = _queries(_names(tables, answers=answers), sources)
    files = {name: folder / f"{name}.{kind}" for name in queries}
    there = [file.name for file in files.values() if file.exists()]
    if there and not force:
        raise UsageError(
            f"{folder} already has {', '.join(there)}.", "Use --force to replace what is there."
        )
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with _told(folder), destination.reader() as reader:
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary(files) as temporary:
            rows = {name: _write(reader, *queries[name], temporary[name], kind) for name in queries}
            for name, file in files.items():
                temporary[name].replace(file)
        _sync(folder)
        return [Written(file, rows[name], file.stat().st_size) for name, file in files.items()]


def _names(tables: Sequence[str], *, answers: bool) -> list[str]:
    """What to write, in the order of the model."""
    data = [table.name for table in DATA_TABLES]
    known = [*data, *VIEWS]
    for name in tables:
        if name not in known:
            raise UsageError(
                f"There is no table {name!r} to export.", f"Known: {', '.join(known)}."
            )
    wanted = {*(tables or data), *(VIEWS if answers else ())}
    return [name for name in known if name in wanted]


def _queries(
    names: Sequence[str], sources: Sequence[str]
) -> "dict[str, tuple[sa.Select[Any], dict[str, str]]]":
    """For each table its query and DuckDB's types of its columns."""
    tables = {table.name: table for table in DATA_TABLES}
    return {
        name: _of_table(tables[name], sources) if name in tables else _of_answer(name, sources)
        for name in names
    }


def _of_table(table: Table, sources: Sequence[str]) -> "tuple[sa.Select[Any], dict[str, str]]":
    import sqlalchemy as sa

    from orderpull.answers.from_orders import in_bytes, metadata

    columns = metadata(keys=False).tables[table.name].c
    query = sa.select(*columns)
    if sources:
        query = query.where(columns.source.in_(sources))
    query = query.order_by(*(in_bytes(columns[name]) for name in table.key))
    return query, {column.name: DUCKDB_TYPES[column.type] for column in table.columns}


def _of_answer(name: str, sources: Sequence[str]) -> "tuple[sa.Select[Any], dict[str, str]]":
    import sqlalchemy as sa

    from orderpull.answers import from_orders

    answer = getattr(from_orders, name)(from_orders.Filter(sources=tuple(sources))).subquery(
        "answer"
    )
    query = sa.select(answer)
    if "country" in answer.c:
        query = query.order_by(from_orders.in_bytes(answer.c.country).nulls_last())
    if "rank" in answer.c:
        query = query.order_by(answer.c.rank)
    return query, {column.name: _ANSWER_TYPES[column.name] for column in answer.c}


def _write(
    reader: "Reader", query: "sa.Select[Any]", types: dict[str, str], file: Path, kind: Kind
) -> int:
    """Write what *query* finds to *file*, durably; how many rows."""
    with reader.in_duckdb(query, types) as (connection, text):
        # What DuckDB knows of a column's values would decide whether the file lets it be NULL.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        told = connection.execute(
            f"COPY ({text}) TO {literal(str(file))} ({_OPTIONS[kind]})"
        ).fetchone()
    _sync(file)
    return int(told[0]) if told else 0


@contextmanager
def _temporary(files: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Names for files that are not whole yet; those that are left at the end are removed."""
    temporary = {
        name: file.with_name(f".{file.name}.{os.getpid()}.tmp") for name, file in files.items()
    }
    try:
        yield temporary
    finally:
        for file in temporary.values():
            file.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise _not_written(folder, error.strerror or str(error)) from None
    except duckdb.Error as error:
        raise _not_written(folder, str(error).splitlines()[0].rstrip(".")) from None


def _not_written(folder: Path, said: str) -> UsageError:
    return UsageError(
        f"{folder} could not be written: {said}.",
        "Make room there or mend its rights; no file under its own name is half written.",
    )
