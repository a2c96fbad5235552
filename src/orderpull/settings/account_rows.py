"""The rows of a list of accounts, from a CSV file, PostgreSQL or DuckDB."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from orderpull.errors import SettingsError
from orderpull.settings.blocks import SourcesFromSettings
from orderpull.settings.display import without_password

Row = Mapping[str, Any]

_CONNECT_SECONDS = 10
_STATEMENT_MS = 30_000
_MENDED = "Mend [sources_from] or the list."


def is_file(url: str) -> bool:
    """True if *url* is the path of a file."""
    return "://" not in url


def rows_of(block: SourcesFromSettings, folder: Path) -> list[Row]:
    """The rows of the list, each with all columns.

    :param folder: base of relative paths.
    :raises SettingsError: the list cannot be read.
    """
    url = block.url or ""
    if is_file(url):
        return _csv_rows(folder / url)
    names, rows = _query(block, url, folder)
    return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in rows]


def _query(
    block: SourcesFromSettings, url: str, folder: Path
) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """Names of the columns, and the rows, of the query in the database at *url*."""
    query = block.query or "SELECT * FROM " + _quoted(block.table or "")  # noqa: S608 - the operator's own
    if url.startswith(("postgresql://", "postgres://")):
        return _postgres_rows(url, block.password, query)
    if url.startswith("duckdb:///"):
        return _duckdb_rows(folder / url.removeprefix("duckdb:///"), query)
    raise SettingsError(
        f"sources_from.url is {without_password(url)!r}: expected a file, postgresql:// or "
        "duckdb:///.",
        _MENDED,
    )


def _csv_rows(file: Path) -> list[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            rows: list[Row] = []
            for row in reader:
                if None in row or None in row.values():
                    raise SettingsError(
                        f"{file}, line {reader.line_num}, has not as many fields as the first "
                        "line.",
                        "Put texts with commas in quotes.",
                    )
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"The list of accounts {file} cannot be read: {error}.", _MENDED
        ) from None
    return rows


def _postgres_rows(
    url: str, password: str | None, query: str
) -> tuple[list[str], Sequence[Sequence[Any]]]:
    try:
        import psycopg
        from psycopg.conninfo import make_conninfo
    except ImportError:
        raise SettingsError(
            "[sources_from] in PostgreSQL needs the Python package psycopg.",
            "Run: pip install 'orderpull[postgres]'.",
        ) from None
    secret = {"password": password} if password else {}
    options = f"-c default_transaction_read_only=on -c statement_timeout={_STATEMENT_MS}"
    try:
        with (
            psycopg.connect(
                make_conninfo(url, connect_timeout=_CONNECT_SECONDS, options=options, **secret)
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query.encode())
            return [column.name for column in cursor.description or ()], cursor.fetchall()
    except psycopg.Error as error:
        raise _unreadable(without_password(url), error) from None


def _duckdb_rows(file: Path, query: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
    from orderpull.engine import duckdb

    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            cursor = connection.execute(query)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
    except duckdb.Error as error:
        raise _unreadable(str(file), error) from None


def _unreadable(where: str, error: Exception) -> SettingsError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return SettingsError(
        f"The list of accounts in {where} cannot be read: {reason.rstrip('.')}.", _MENDED
    )


def _plain(value: object) -> object:
    """*value* of a database as TOML would have it."""
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


def _quoted(table: str) -> str:
    """*table* quoted, with its schema if it names one."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
