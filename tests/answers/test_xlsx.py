"""XLSX workbooks, read back from the XML in them."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orderpull.answers import xlsx
from orderpull.answers.report import Report
from orderpull.answers.report_xlsx import as_xlsx
from tests.workbook_file import sheets

CELLS = {
    "=1+1": "=1+1",
    "+1": "+1",
    "@SUM(A1)": "@SUM(A1)",
    "https://example.com": "https://example.com",
    "0123": "0123",
    " blanks ": " blanks ",
    "\x01\x1f\ufffe": "\x01\x1f\ufffe",
    "_x0041_": "_x0041_",
    "<b>&": "<b>&",
    "x" * 40_000: "x" * 32_766 + "…",
    "😀" * 20_000: "😀" * 16_383 + "…",
    True: True,
    0: 0,
    -1234567: -1234567,
    10**15 - 1: 10**15 - 1,
    10**15: str(10**15),
    2.5: 2.5,
    float("inf"): "inf",
    Decimal("10.5000"): 10.5,
    Decimal("99999999999.9999"): 99999999999.9999,
    Decimal("123456789012.1234"): "123456789012.1234",
    date(2026, 2, 28): date(2026, 2, 28),
    date(1850, 1, 1): "1850-01-01",
    datetime(2026, 7, 1, 12, 30, 15): datetime(2026, 7, 1, 14, 30, 15),
    datetime(1850, 1, 1): "1850-01-01 00:53:28",
    None: None,
}
"""Values, and what a spreadsheet shows of them in Berlin."""


def written(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> bytes:
    out = BytesIO()
    with xlsx.workbook(out) as book:
        assert book.write("table", columns, iter(rows), ZoneInfo("Europe/Berlin")) == len(rows)
    return out.getvalue()


def test_texts_are_texts_numbers_numbers_and_dates_dates() -> None:
    data = written([{"a": value, "b": 1} for value in CELLS], ("a", "b"))
    (sheet,) = sheets(data)
    assert [row[0] for row in sheet.cells] == ["a", *CELLS.values()]
    assert "<f>" not in sheet.xml
    assert "hyperlink" not in sheet.xml
    assert sheet.frozen == "A2"
    assert [round(width) for width in sheet.widths] == [61, 9]
    assert data == written([{"a": value, "b": 1} for value in CELLS], ("a", "b"))


def test_what_a_sheet_does_not_take_goes_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 2)
    found = sheets(written([{"a": n} for n in range(4)], ("a",)))
    assert [each.name for each in found] == ["table", "table (2)"]
    assert [each.cells for each in found] == [[["a"], [0], [1]], [["a"], [2], [3]]]


def test_a_failure_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves no temporary file open."""

    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"), xlsx.workbook(BytesIO()) as book:
        book.write("table", ("a",), rows())


def test_a_report_has_a_sheet_for_each_answer() -> None:
    """An amount has a column for each currency: they are never summed."""
    row = {"sku": "=A", "quantity": 3, "orders": 2, "rank": 1}
    amounts: list[dict[str, Any]] = [
        {"currency": "EUR", "amount": Decimal("12.50")},
        {"currency": None, "amount": Decimal(1)},
    ]
    report = Report(
        average={"average": 1.5, "quantity": 3, "orders": 2},
        by_country=[{"country": None, **row}],
        overall=[row | {"revenue": amounts}, row | {"sku": "B", "rank": 2, "revenue": []}],
        last_pulled={},
        revenue=[{**amounts[0], "orders": 2, "average_order_value": Decimal("6.25")}],
        channels=[{"channel": None, "orders": 2, "items": 3, "revenue": amounts[:1]}],
    )
    average, by_country, overall, revenue, channels = sheets(as_xlsx(report))
    assert average.records() == [{"average": 1.5, "quantity": 3, "orders": 2}]
    assert by_country.records() == [{"country": "(no country)", **row}]
    assert overall.records() == [
        row | {"revenue_EUR": 12.5, "revenue_unknown": 1.0},
        row | {"sku": "B", "rank": 2, "revenue_EUR": None, "revenue_unknown": None},
    ]
    assert revenue.records() == [
        {"currency": "EUR", "amount": 12.5, "orders": 2, "average_order_value": 6.25}
    ]
    assert channels.records() == [
        {"channel": "(no channel)", "orders": 2, "items": 3, "revenue_EUR": 12.5}
    ]
