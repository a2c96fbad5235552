"""A user's own SQL: one statement that only reads, its rows fetched in pieces.

An error becomes a sentence with line and column, which never quotes a row.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, count
from typing import Any, TypeVar

from orderpull.destinations.protocol import QueryResult
from orderpull.engine import duckdb
from orderpull.errors import OrderpullError, UsageError

FETCH_SIZE = 1_000
"""Rows of one FETCH; a Redshift of one node allows no more."""

READS = "Begin with SELECT, WITH, VALUES, TABLE or EXPLAIN."

# The statement reaches no file, no other database and no variable of this process.
_SANDBOX = (
    "SET errors_as_json = true",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_READING_TYPES = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_FIRST_WORD = re.compile(rf"{_COMMENTS}[\s(]*(\w*)", re.DOTALL)
_THROUGH_CURSOR = {"SELECT", "WITH", "VALUES", "TABLE"}
_DIRECT = {"EXPLAIN", "SHOW"}

T = TypeVar("T")

Page = tuple[tuple[str, ...], list[tuple[Any, ...]]]
"""Names of the columns, and some rows."""

Run = Callable[[str], Page]
"""Runs one statement on a server."""

_numbers = count(1)


class StatementRejected(Exception):
    """A server rejects a statement.

    :param reason: the server's message, without values of rows.
    :param position: the place of the error in the statement, in characters from 0.
    """

    def __init__(self, reason: str, position: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def run_user_query(connection: duckdb.DuckDBPyConnection, text: str) -> QueryResult:
    """Run the statement *text* in a DuckDB file that is open for reading.

    From then on the connection can read that file only.

    :raises UsageError: the statement is wrong, or would write.
    """
    if connection.execute("SELECT current_setting('lock_configuration')").fetchone() != (True,):
        for statement in _SANDBOX:
            connection.execute(statement)
    try:
        statements = connection.extract_statements(text)
        if len(statements) != 1:
            raise _one_at_a_time(len(statements))
        if statements[0].type not in _READING_TYPES:
            raise _not_reading(statements[0].type.name)
        result = to_result(_interruptibly(connection, lambda: connection.execute(statements[0])))
    except duckdb.Error as error:
        raise _usage_error(error, text) from None
    return QueryResult(result.columns, _rows_or_usage_error(result.rows, text))


def to_result(executed: duckdb.DuckDBPyConnection) -> QueryResult:
    """The result of the statement that the connection *executed* last."""
    pieces = iter(lambda: executed.fetchmany(FETCH_SIZE), [])
    names = tuple(column[0] for column in executed.description)
    return QueryResult(names, chain.from_iterable(pieces))


def _interruptibly(connection: duckdb.DuckDBPyConnection, call: Callable[[], T]) -> T:
    """Return the result of *call*; Ctrl-C stops it at once, which DuckDB itself may notice late."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call)
        try:
            return future.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _rows_or_usage_error(rows: Iterator[tuple[Any, ...]], text: str) -> Iterator[tuple[Any, ...]]:
    """Yield *rows*; a DuckDB error on the way becomes a UsageError."""
    try:
        yield from rows
    except duckdb.Error as error:
        raise _usage_error(error, text) from None


def _usage_error(error: duckdb.Error, text: str) -> UsageError:
    """The sentence for DuckDB's *error*, whose positions count in bytes."""
    if isinstance(error, duckdb.PermissionException):
        return UsageError("Only the warehouse can be read here, no file beside it.")
    _, _, detail = str(error).partition(": ")
    try:
        fields = json.loads(detail)
        reason, in_bytes = fields["exception_message"], fields.get("position")
    except (json.JSONDecodeError, KeyError, TypeError):
        reason, in_bytes = str(error), None
    reason = reason.partition("\n")[0]
    if isinstance(error, duckdb.ConversionException):
        reason = re.sub(r"(string|value|type \w+ with value) .*?( to | can't |$)", r"\1\2", reason)
    position = None
    if in_bytes is not None:
        position = len(text.encode()[: int(in_bytes)].decode(errors="ignore"))
    return _sql_error(reason, text, position)


def _sql_error(reason: str, text: str, position: int | None) -> UsageError:
    """The error of the statement *text*. :param position: in characters from 0."""
    where = ""
    if position is not None and 0 <= position <= len(text):
        before = text[:position]
        where = f" (line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))})"
    return UsageError(f"The SQL is wrong{where}: {reason.rstrip('!. ')}.")


def run_through_cursor(run: Run, text: str) -> QueryResult:
    """Run the statement *text* on a server, within the transaction that is open there.

    :raises UsageError: the statement is wrong, or would write.
    """
    text = re.sub(r"[\s;]+$", "", text)
    match = _FIRST_WORD.match(text)
    word = match[1].upper() if match else ""
    if not word:
        raise _one_at_a_time(0)
    if word not in _THROUGH_CURSOR | _DIRECT:
        raise _not_reading(word[:20])
    if word in _DIRECT:
        columns, rows = _run(run, "", text)
        return QueryResult(columns, iter(rows))
    cursor = f"answer_{next(_numbers)}"
    _run(run, f"DECLARE {cursor} CURSOR FOR\n", text)
    columns, rows = _fetch(run, cursor, text)
    return QueryResult(columns, _rest(run, cursor, text, rows))


def _rest(
    run: Run, cursor: str, text: str, rows: list[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    try:
        while rows:
            yield from rows
            rows = _fetch(run, cursor, text)[1]
    finally:
        with suppress(StatementRejected, OrderpullError):
            run(f"CLOSE {cursor}")


def _fetch(run: Run, cursor: str, text: str) -> Page:
    try:
        return run(f"FETCH FORWARD {FETCH_SIZE} FROM {cursor}")
    except StatementRejected as error:
        raise _sql_error(error.reason, text, None) from None


def _run(run: Run, before: str, text: str) -> Page:
    """Run *text* with *before* in front of it; positions of errors are those in *text*."""
    try:
        return run(before + text)
    except StatementRejected as error:
        if "multiple commands" in error.reason:
            raise _one_at_a_time(2) from None
        if "data-modifying" in error.reason or error.reason == "it would write":
            raise UsageError("That would write, and is refused.", READS) from None
        position = None if error.position is None else error.position - len(before)
        raise _sql_error(error.reason, text, position) from None


def _not_reading(word: str) -> UsageError:
    return UsageError(f"{word} is not taken here, where one only reads.", READS)


def _one_at_a_time(statements: int) -> UsageError:
    if statements:
        return UsageError("That is more than one statement.", "Ask them one after the other.")
    return UsageError("There is no statement.", "For example: SELECT * FROM popular_sku")
