"""Run a user's SQL on the warehouse, read only, and write the result as CSV or JSON."""

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Literal, TextIO

from orderpull import clock
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import QueryResult
from orderpull.errors import UsageError
from orderpull.model import DATA_TABLES, LEDGER_TABLES, SUMMARY_TABLES, TABLES, VIEWS
from orderpull.settings import Settings

DEFAULT_ROWS = 1000
"""Rows shown on a terminal without --limit."""

OutputFormat = Literal["csv", "json"]

VIEW_COLUMNS = {
    "average": ("number", "pieces per order, over counted orders with items"),
    "country": ("text", "ISO 3166-1 alpha-2 where certain; NULL is a country of its own"),
    "sku": ("text", "stock keeping unit"),
    "quantity": ("integer", "pieces"),
    "orders": ("integer", "in how many orders"),
    "rank": ("integer", "1 is what sells best; by country: within it"),
    "title": ("text", "title of the SKU in its newest order that has one"),
    "returned": ("integer", "of the pieces, returned later; NULL where no order tells"),
    "currency": ("text", "ISO 4217 code; NULL is a currency of its own"),
    "amount": ("money_sum", "sum in this currency"),
    "average_order_value": ("number", "amount / orders"),
    "channel": ("text", "where it was sold, as the API names it; NULL is a channel of its own"),
    "items": ("integer", "pieces"),
}
"""Type and meaning of each column of the answers."""

# A quoted text, a comment or the end of a statement; `open`: a quote or comment without its end.
_PARTS = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(\w*)\$.*?\$\1\$
        | (?P<open>['"]|/\*) | (?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)


_CONTROL = re.compile(r"[\x7f-\x9f]")
_UNSEEN = {"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"}
_BYTE = 0xFF
_JOINERS = "\u200c\u200d"
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


@contextmanager
def run_query(settings: Settings, text: str) -> Iterator[QueryResult]:
    """Run the statement *text* and yield its result, whose rows are fetched while they are read.

    :raises UsageError: the statement is wrong, or would write.
    :raises DestinationError: the warehouse cannot be read.
    """
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with destination.reader() as reader:
        answer = reader.query(text)
        yield QueryResult(unique_names(answer.columns), answer.rows)


def unique_names(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Add a number to repeated names in *columns*: ``a``, ``a_2``."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return tuple(names)


def statements(text: str) -> tuple[list[str], str]:
    """Split *text* into the statements that end with ``;``, and the rest."""
    complete, begin = [], 0
    for part in _PARTS.finditer(text):
        if part["open"]:
            break
        if part["end"]:
            statement = text[begin : part.start()].strip()
            complete += [statement] if statement else []
            begin = part.end()
    return complete, text[begin:].lstrip()


def write(answer: QueryResult, output: OutputFormat, out: TextIO, limit: int | None) -> bool:
    """Write *answer* to *out*, row by row; return True if it has more rows than *limit*.

    On a terminal, control characters are escaped; files and pipes get them unchanged.
    """
    rows = answer.rows if limit is None else islice(answer.rows, limit)
    if output == "csv":
        _write_csv(answer.columns, rows, out)
    else:
        _write_json(answer.columns, rows, out)
    return limit is not None and next(answer.rows, None) is not None


def as_text(value: object) -> str:
    """Convert *value*, not NULL, to text: decimals in full, times as ISO 8601, bytes in hex."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return clock.iso(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, dict | list | tuple):
        return _json(value)
    return str(value)


def visible(text: str) -> str:
    r"""Escape invisible and control characters of *text*: ``\n``, ``\x1b``, ``\u202e``.

    Joiners of letters and emoji stay.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _UNSEEN:
        return char
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02x}" if code <= _BYTE else f"\\u{code:04x}")


def tables() -> list[tuple[str, str]]:
    """List each table and view with its kind."""
    kinds = {"table": DATA_TABLES, "ledger": LEDGER_TABLES, "summary": SUMMARY_TABLES}
    rows = [(table.name, kind) for kind, tables in kinds.items() for table in tables]
    return [*rows, *((name, "answer") for name in VIEWS)]


def describe(settings: Settings, name: str) -> list[tuple[str, str, str]]:
    """Describe the columns of the table or view *name*: name, type, meaning.

    :raises UsageError: no table or view has that name.
    """
    for table in TABLES:
        if table.name == name:
            return [(column.name, column.type, column.meaning) for column in table.columns]
    if name not in VIEWS:
        raise UsageError(f"There is no table or view {name!r}.", r"\d lists them.")
    with run_query(settings, f"SELECT * FROM {name} LIMIT 0") as answer:
        return [(column, *VIEW_COLUMNS[column]) for column in answer.columns]


def _write_csv(columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]], out: TextIO) -> None:
    shown = visible if out.isatty() else str
    out.write(",".join(shown(_csv(column)) for column in columns) + "\n")
    out.writelines(",".join(shown(_csv(value)) for value in row) + "\n" for row in rows)


def _csv(value: object) -> str:
    """Format *value* as a CSV field: NULL is empty, an empty text is ``""``."""
    if value is None:
        return ""
    text = as_text(value)
    if text and not any(char in text for char in ',"\r\n') and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def _write_json(columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]], out: TextIO) -> None:
    keys = [_json(column) for column in columns]
    between = "["
    for row in rows:
        fields = ", ".join(f"{key}: {_json(value)}" for key, value in zip(keys, row, strict=True))
        out.write(f"{between}\n{{{fields}}}")
        between = ","
    out.write("[]\n" if between == "[" else "\n]\n")


def _json(value: object) -> str:
    """Format *value* as JSON: decimals keep all digits, NaN and infinity become null."""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else "null"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "null"
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(str(k))}: {_json(v)}" for k, v in value.items()) + "}"
    text = json.dumps(as_text(value), ensure_ascii=False)
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
