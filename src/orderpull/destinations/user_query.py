"""A reader's own SQL: one statement that only reads, its rows as they are asked for.

What is wrong with it is told in a sentence with line and column, and never quotes a row.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import duckdb

from orderpull.destinations.protocol import Answer
from orderpull.errors import OrderpullError, UsageError

FETCHED_AT_ONCE = 1_000
"""Rows; a Redshift of one node gives no more at a time."""

READS = "Begin with SELECT, WITH, VALUES, TABLE or EXPLAIN."

# No file, no other database, no variable of this process.
_SHUT = (
    "SET errors_as_json = true",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_TAKEN = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_FIRST_WORD = re.compile(rf"{_COMMENTS}[\s(]*(\w*)", re.DOTALL)
_THROUGH_CURSOR = {"SELECT", "WITH", "VALUES", "TABLE"}
_AS_IT_IS = {"EXPLAIN", "SHOW"}

Found = TypeVar("Found")

Ask = Callable[[str], tuple[tuple[str, ...], list[tuple[Any, ...]]]]
"""Runs one statement: the names of its columns, and its rows."""

_numbers = count(1)


class Refused(Exception):
    """A server refuses a statement.

    :param said: why. :param position: where in the statement, in characters from 0.
    """

    def __init__(self, said: str, position: int | None) -> None:
        super().__init__(said)
        self.said = said
        self.position = position


def asked(connection: duckdb.DuckDBPyConnection, text: str) -> Answer:
    """What the statement *text* finds in a DuckDB file that is open for reading.

    The connection reads nothing but that file from then on.

    :raises UsageError: it is wrong, or would write.
    """
    if not _is_shut(connection):
        for statement in _SHUT:
            connection.execute(statement)
    try:
        statements = connection.extract_statements(text)
        if len(statements) != 1:
            raise _one_at_a_time(len(statements))
        if statements[0].type not in _TAKEN:
            raise _not_taken(statements[0].type.name)
        answer = answered(_interruptibly(connection, lambda: connection.execute(statements[0])))
    except duckdb.Error as error:
        raise _told(error, text) from None
    return Answer(answer.columns, _telling(answer.rows, text))


def answered(found: duckdb.DuckDBPyConnection) -> Answer:
    """What a DuckDB connection has just been asked."""
    return Answer(tuple(column[0] for column in found.description), _fetched(found))


def _fetched(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := found.fetchmany(FETCHED_AT_ONCE):
        yield from rows


def _interruptibly(connection: duckdb.DuckDBPyConnection, do: Callable[[], Found]) -> Found:
    """What *do* gives, given up at once at Ctrl-C, which DuckDB itself may hear late."""
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(do)
        try:
            return doing.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _telling(rows: Iterator[tuple[Any, ...]], text: str) -> Iterator[tuple[Any, ...]]:
    """*rows*; an error on the way is told."""
    try:
        yield from rows
    except duckdb.Error as error:
        raise _told(error, text) from None


def _is_shut(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
    return bool(row and row[0])


def _told(error: duckdb.Error, text: str) -> UsageError:
    """What DuckDB says of *text*; it counts in bytes."""
    _, _, detail = str(error).partition(": ")
    try:
        told = json.loads(detail)
        said, position = told["exception_message"], told.get("position")
    except (json.JSONDecodeError, KeyError, TypeError):
        said, position = str(error), None
    said = said.partition("\n")[0]
    if isinstance(error, duckdb.ConversionException):
        said = re.sub(r"(string|value|type \w+ with value) .*?( to | can't |$)", r"\1\2", said)
    if isinstance(error, duckdb.PermissionException):
        return UsageError("Only the warehouse can be read here, no file beside it.")
    at = None
    if position is not None:
        at = len(text.encode()[: int(position)].decode(errors="ignore"))
    return wrong(said, text, at)


def wrong(said: str, text: str, position: int | None) -> UsageError:
    """The sentence about what is wrong with *text*. :param position: in characters from 0."""
    place = ""
    if position is not None and 0 <= position <= len(text):
        before = text[:position]
        place = f" (line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))})"
    return UsageError(f"The SQL is wrong{place}: {said.rstrip('!. ')}.")


def through_cursor(ask: Ask, text: str) -> Answer:
    """What the statement *text* finds on a server, within the transaction that is open there.

    :raises UsageError: it is wrong, or would write.
    """
    text = re.sub(r"[\s;]+$", "", text)
    found = _FIRST_WORD.match(text)
    word = found[1].upper() if found else ""
    if not word:
        raise _one_at_a_time(0)
    if word not in _THROUGH_CURSOR | _AS_IT_IS:
        raise _not_taken(word[:20])
    if word in _AS_IT_IS:
        columns, rows = _asking(ask, "", text)
        return Answer(columns, iter(rows))
    # On a line of its own, so that a comment at the end of the text ends with it.
    cursor = f"answer_{next(_numbers)}"
    _asking(ask, f"DECLARE {cursor} CURSOR FOR\n", text)
    columns, rows = _fetch(ask, cursor, text)
    return Answer(columns, _rest(ask, cursor, text, rows))


def _rest(
    ask: Ask, cursor: str, text: str, rows: list[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    try:
        while rows:
            yield from rows
            rows = _fetch(ask, cursor, text)[1]
    finally:
        with suppress(Refused, OrderpullError):
            ask(f"CLOSE {cursor}")


def _fetch(ask: Ask, cursor: str, text: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    try:
        return ask(f"FETCH FORWARD {FETCHED_AT_ONCE} FROM {cursor}")
    except Refused as refused:
        raise wrong(refused.said, text, None) from None


def _asking(ask: Ask, before: str, text: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    try:
        return ask(before + text)
    except Refused as refused:
        if "multiple commands" in refused.said:
            raise _one_at_a_time(2) from None
        if "data-modifying" in refused.said or refused.said == "it would write":
            raise UsageError("That would write, and is refused.", READS) from None
        at = refused.position
        raise wrong(refused.said, text, None if at is None else at - len(before)) from None


def _not_taken(word: str) -> UsageError:
    return UsageError(f"{word} is not taken here, where one only reads.", READS)


def _one_at_a_time(statements: int) -> UsageError:
    if statements:
        return UsageError("That is more than one statement.", "Ask them one after the other.")
    return UsageError("There is no statement.", "For example: SELECT * FROM popular_sku")
