"""Parquet files, read with DuckDB: do they fit a table, and what do they hold.

Which Parquet type goes into which column is a strict guess: only pairs that Redshift's
documentation leaves no doubt about.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.doubles.redshift.wire import WireError

_TYPES: dict[str, tuple[str, ...]] = {
    "smallint": ("INT32 INT_16",),
    "integer": ("INT32", "INT32 INT_32"),
    "bigint": ("INT64", "INT64 INT_64"),
    "real": ("FLOAT",),
    "double precision": ("DOUBLE",),
    "boolean": ("BOOLEAN",),
    "date": ("INT32 DATE",),
    "character varying": ("BYTE_ARRAY UTF8",),
    "character": ("BYTE_ARRAY UTF8",),
    "timestamp without time zone": ("INT64 TIMESTAMP_MICROS", "INT64 TIMESTAMP_MILLIS"),
}


@dataclass(frozen=True)
class Column:
    """A column of the table that is loaded."""

    name: str
    type: str
    """As PostgreSQL's format_type() tells it."""
    needed: bool
    """Whether it is NOT NULL."""

    @property
    def bare(self) -> str:
        """The type without its length."""
        return re.sub(r"\(.*\)", "", self.type)

    @property
    def size(self) -> str:
        """What stands in the type's parentheses."""
        match = re.search(r"\((.*)\)", self.type)
        return match[1] if match else ""


class Unloadable(WireError):
    """A file that does not fit, with what the tables of load errors tell of it."""

    def __init__(
        self,
        message: str,
        url: str,
        column: Column | None = None,
        number: int = 15001,
        line: int = 0,
    ) -> None:
        super().__init__("XX000", message, f"error: {message}\ncode: {number}\nfile: {url}")
        self.url = url
        self.column = column
        self.number = number
        self.line = line


def check_schema(path: Path, url: str, columns: list[Column]) -> None:
    """Refuse a file whose columns, by position, are not the table's.

    :raises Unloadable: they are not.
    """
    found = _schema(path, url)
    if len(found) != len(columns):
        raise Unloadable(
            f"Unmatched number of columns between table and file. Table columns: {len(columns)}, "
            f"Data columns: {len(found)}, File name: {url}",
            url,
        )
    for column, (name, kind) in zip(columns, found, strict=True):
        if kind not in _expected(column):
            raise Unloadable(
                f"File '{url}' has an incompatible Parquet schema for column '{name}'. "
                f"Column type: {column.type.upper()}, Parquet schema: {kind}",
                url,
                column,
            )


def csv_of(path: Path, url: str, columns: list[Column]) -> bytes:
    """Return the rows of a file as CSV in which NULL is nothing and '' is quoted.

    :raises Unloadable: NULL is where there must be none, or a text has more bytes than its column.
    """
    with _duckdb() as connection:
        rows = connection.execute(f"SELECT * FROM {_rows(path, len(columns))}").fetchall()
    for at, column in enumerate(columns):
        for is_wrong, message, number in _conditions(column):
            for line, row in enumerate(rows, start=1):
                if is_wrong(row[at]):
                    raise Unloadable(f"{message}, File name: {url}", url, column, number, line)
    return b"".join(b",".join(map(_quoted, row)) + b"\n" for row in rows)


def _conditions(column: Column) -> Iterator[tuple[Callable[[Any], bool], str, int]]:
    """What makes a row unloadable for *column*: true of the value, what is said, its number."""
    if column.needed:
        yield (lambda value: value is None), "NULL value in a NOT NULL column", 1213
    if column.bare in {"character varying", "character"}:
        most = int(column.size)
        said = (
            f"The length of the data column {column.name} is longer than the length defined in "
            f"the table. Table: {column.size}"
        )
        yield (lambda value: value is not None and len(value.encode()) > most), said, 1204


def _quoted(value: object) -> bytes:
    return b"" if value is None else b'"' + str(value).encode().replace(b'"', b'""') + b'"'


def _rows(path: Path, count: int) -> str:
    names = ", ".join(f"c{at}" for at in range(count))
    return f"read_parquet('{path}', hive_partitioning = false) AS file({names})"


def _schema(path: Path, url: str) -> list[tuple[str, str]]:
    """Name and kind of each column; a column with columns of its own is of kind GROUP."""
    import duckdb

    try:
        with _duckdb() as connection:
            rows = connection.execute(
                "SELECT name, type, converted_type, logical_type, num_children, precision, scale, repetition_type "
                f"FROM parquet_schema('{path}')"
            ).fetchall()
    except duckdb.Error as error:
        raise Unloadable(f"File {url} is not a Parquet file", url) from error
    found: list[tuple[str, str]] = []
    at = 1
    while at < len(rows):
        found.append((rows[at][0], _kind(rows[at])))
        at = _behind(rows, at)
    return found


def _behind(rows: list[tuple[Any, ...]], at: int) -> int:
    """The position behind the column at *at* and all within it."""
    end = at + 1
    for _ in range(rows[at][4] or 0):
        end = _behind(rows, end)
    return end


def _kind(row: tuple[Any, ...]) -> str:
    _, physical, converted, logical, children, precision, scale, repetition = row
    if children or repetition == "REPEATED":
        return "GROUP"
    logical = str(logical or "")
    if "DECIMAL" in str(converted or "").upper() or "Decimal" in logical:
        return f"DECIMAL({precision},{scale})"
    if "NANOS=Nano" in logical:
        return f"{physical} TIMESTAMP_NANOS"
    if "Timestamp" in logical and "isAdjustedToUTC=1" in logical:
        return f"{physical} TIMESTAMPTZ"
    return f"{physical} {converted}" if converted else str(physical)


def _expected(column: Column) -> tuple[str, ...]:
    if column.bare == "numeric":
        return (f"DECIMAL({column.size})",)
    return _TYPES.get(column.bare, ())


def _duckdb() -> Any:
    """A cursor of the one DuckDB of this process: to start one takes longer than a file does."""
    return _engine().cursor()


@cache
def _engine() -> Any:
    import duckdb

    return duckdb.connect(config={"threads": 1})
