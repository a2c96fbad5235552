"""The report as an XLSX workbook, with a sheet for each answer."""

from io import BytesIO
from typing import Any

from orderpull.answers.money import in_columns
from orderpull.answers.report import Report
from orderpull.answers.xlsx import workbook
from orderpull.model import NO_CHANNEL, NO_COUNTRY

_NAMES_OF_NONE = {"country": NO_COUNTRY, "channel": NO_CHANNEL}


def as_xlsx(report: Report) -> bytes:
    """Convert *report* to the bytes of a workbook; each currency has a column of its own."""
    sheets = {
        "average items per order": [report.average],
        "popular SKUs by country": report.by_country,
        "popular SKUs": report.overall,
        "revenue": report.revenue,
        "returned": [report.returned] if report.returned["returnable"] else [],
        "channels": report.channels,
    }
    out = BytesIO()
    with workbook(out) as book:
        for name, rows in sheets.items():
            if rows:
                flat, currencies = in_columns([_named(row) for row in rows])
                own = dict.fromkeys(column for row in flat for column in row)
                columns = [column for column in own if column not in currencies]
                book.write(name, [*columns, *currencies], flat)
    return out.getvalue()


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """*row* with a name for no country, and for no channel."""
    unnamed = {key: name for key, name in _NAMES_OF_NONE.items() if row.get(key, "") is None}
    return row | unnamed
