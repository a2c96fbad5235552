"""XLSX workbooks of tables: texts stay texts, numbers are numbers, days and times are dates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header; the rest go on in further sheets."""

LONGEST_TEXT = 32_767
"""UTF-16 units of a text that a cell takes."""

EXACT_DIGITS = 15
"""Digits of a number that spreadsheets keep; a longer one is written as text."""

_WHOLE, _CENTS = 10**EXACT_DIGITS, Decimal(10) ** (EXACT_DIGITS - 4)

FIRST_DATE = date(1900, 3, 1)
"""Excel believes that 1900 was a leap year; earlier days are written as texts."""

WIDTHS = (8, 60)
"""Narrowest and widest column, in characters."""

MEASURED_ROWS = 1000
"""Rows that decide on the widths of the columns."""

_FORMATS = {
    "header": {"bold": True, "bottom": 1},
    "whole": {"num_format": "#,##0"},
    "broken": {"num_format": "#,##0.00##"},
    "day": {"num_format": "yyyy-mm-dd"},
    "time": {"num_format": "yyyy-mm-dd hh:mm:ss"},
}


@contextmanager
def workbook(out: IO[bytes] | Path) -> Iterator["Workbook"]:
    """Write an XLSX file to *out*: the same sheets give the same bytes.

    :raises OSError: it cannot be written.
    """
    from xlsxwriter import Workbook as Book
    from xlsxwriter.exceptions import FileCreateError

    book = Book(str(out) if isinstance(out, Path) else out, {"constant_memory": True})
    book.set_properties({"created": datetime(1980, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
    try:
        yield Workbook(book)
    finally:
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None


class Workbook:
    """A workbook that is being written, a sheet at a time."""

    def __init__(self, book: Any) -> None:  # noqa: ANN401 - XlsxWriter has no types
        self._book = book
        self._formats = {name: book.add_format(form) for name, form in _FORMATS.items()}

    def write(
        self,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Mapping[str, Any]],
        zone: ZoneInfo | None = None,
    ) -> int:
        """Write *rows* into the sheet *name*, and return their number.

        :param zone: write times of the warehouse (UTC) in this zone, without its offset.
        """
        count, sheet = 0, self._sheet(name, columns)
        for row in rows:
            if count and count % MOST_ROWS == 0:
                sheet.close()
                sheet = self._sheet(f"{name} ({count // MOST_ROWS + 1})", columns)
            count += 1
            sheet.append([row.get(column) for column in columns], zone)
        sheet.close()
        return count

    def _sheet(self, name: str, columns: Sequence[str]) -> "_Sheet":
        return _Sheet(self._book.add_worksheet(name), self._formats, columns)


class _Sheet:
    """A sheet whose first row is its header, which stays in view."""

    def __init__(
        self, sheet: "Worksheet", formats: Mapping[str, Any], columns: Sequence[str]
    ) -> None:
        self._sheet, self._formats = sheet, formats
        self._widths = [len(column) for column in columns]
        self._row = 0
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        for index, column in enumerate(columns):
            sheet.write_string(0, index, column, formats["header"])

    def append(self, values: Sequence[object], zone: ZoneInfo | None) -> None:
        """Write a row of *values*."""
        self._row += 1
        for index, value in enumerate(values):
            if value is None:
                continue
            shown = self._write(index, value, zone)
            if self._row <= MEASURED_ROWS:
                self._widths[index] = max(self._widths[index], len(shown))

    def close(self) -> None:
        """Give the columns their widths, and the header its filters."""
        narrowest, widest = WIDTHS
        for index, width in enumerate(self._widths):
            self._sheet.set_column(index, index, min(max(width + 2, narrowest), widest))
        self._sheet.autofilter(0, 0, self._row, len(self._widths) - 1)

    def _write(self, index: int, value: object, zone: ZoneInfo | None) -> str:
        """Write a cell, and return its text."""
        sheet, row, formats = self._sheet, self._row, self._formats
        match value:
            case bool():
                sheet.write_boolean(row, index, value)
            case int() if -_WHOLE < value < _WHOLE:
                sheet.write_number(row, index, value, formats["whole"])
            case float() if isfinite(value):
                sheet.write_number(row, index, value, formats["broken"])
            case Decimal() if _is_exact(value):
                sheet.write_number(row, index, value, formats["broken"])
            case datetime() if value.date() >= FIRST_DATE:
                value = _local(value, zone)
                sheet.write_datetime(row, index, value, formats["time"])
            case date() if not isinstance(value, datetime) and value >= FIRST_DATE:
                sheet.write_datetime(row, index, value, formats["day"])
            case _:
                value = _short(str(_local(value, zone) if isinstance(value, datetime) else value))
                sheet.write_string(row, index, value)
        return str(value)


def _is_exact(value: Decimal) -> bool:
    """True if a spreadsheet keeps *value* as it is."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -4 and -_CENTS < value < _CENTS  # noqa: PLR2004


def _local(time: datetime, zone: ZoneInfo | None) -> datetime:
    """*time* in *zone*, to the second: spreadsheets would show a fraction rounded up."""
    time = time.replace(microsecond=0)
    if zone is None:
        return time
    return time.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def _short(text: str) -> str:
    """*text*, cut with ``…`` where a cell would take no more."""
    if 2 * len(text) <= LONGEST_TEXT:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * LONGEST_TEXT:
        return text
    return units[: 2 * (LONGEST_TEXT - 1)].decode("utf-16-le", "ignore") + "…"
