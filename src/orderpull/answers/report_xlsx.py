"""The report as an XLSX workbook, with a sheet for each answer."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from orderpull.answers.report import Report
from orderpull.answers.xlsx import workbook
from orderpull.model import NO_COUNTRY


def as_xlsx(report: Report) -> bytes:
    """Convert *report* to the bytes of a workbook."""
    out = BytesIO()
    with workbook(out) as book:
        for name, rows in (
            ("average items per order", [report.average]),
            ("popular SKUs by country", report.by_country),
            ("popular SKUs", report.overall),
        ):
            flat = [_flat(row) for row in rows]
            book.write(name, _columns(flat), flat)
    return out.getvalue()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """*row* with a name for no country, and a column for each currency of a list of amounts."""
    flat: dict[str, Any] = {}
    if row.get("country", "") is None:
        row = row | {"country": NO_COUNTRY}
    for name, value in row.items():
        if isinstance(value, list):
            flat |= {f"{name} {each['currency'] or ''}".strip(): each["amount"] for each in value}
        else:
            flat[name] = value
    return flat


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The columns that any of *rows* has, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row))
