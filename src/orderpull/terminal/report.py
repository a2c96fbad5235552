"""The three answers, for a person at a terminal."""

from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orderpull.answers.report import Report
from orderpull.model import NO_COUNTRY
from orderpull.terminal.console import new_table, with_age

BAR_WIDTH = 24
COUNTRIES_SHOWN = 12
SKUS_SHOWN = 3


def show_report(report: Report, console: Console, timezone: str, filters: str = "") -> None:
    """Print *report*.

    :param timezone: timezone of the times.
    :param filters: description of the filters.
    """
    console.print()
    parts: list[RenderableType] = [Text(f"No counted order with items{filters}.", style="bold")]
    if report.average["orders"]:
        parts = [_average(report.average, filters), _top(filters, report.overall)]
    if len({row["country"] for row in report.by_country}) > 1:
        parts.append(_countries(report.by_country))
    parts += [Text(note, style="yellow") for note in report.notes()]
    parts.append(_freshness(report, timezone))
    console.print(Group(*(Padding(part, (0, 0, 1, 2), expand=False) for part in parts)))


def _average(average: dict[str, Any], filters: str) -> Text:
    return Text.assemble(
        (f"{average['average']:,.2f}", "bold cyan"),
        (" items per order on average", "bold"),
        (filters, "bold"),
        (f"   {average['quantity']:,} items in {average['orders']:,} orders", "dim"),
    )


def _top(filters: str, rows: list[dict[str, Any]]) -> Table:
    table = new_table(title=escape(f"Best-selling SKUs{filters}"))
    table.add_column("#", justify="right", style="dim")
    table.add_column("SKU", overflow="fold")
    table.add_column("items", justify="right")
    table.add_column("")
    table.add_column("orders", justify="right", style="dim")
    most = max(row["quantity"] for row in rows) or 1
    for row in rows:
        table.add_row(
            str(row["rank"]),
            shown_sku(row["sku"]),
            f"{row['quantity']:,}",
            _bar(row["quantity"] / most),
            f"{row['orders']:,}",
        )
    return table


def _countries(rows: list[dict[str, Any]]) -> RenderableType:
    table = new_table(title="Best-selling SKUs by country")
    table.add_column("country", no_wrap=True)
    for rank in range(1, SKUS_SHOWN + 1):
        table.add_column(f"#{rank}", overflow="ellipsis", no_wrap=True)
    groups = [(country, list(group)) for country, group in groupby(rows, lambda r: r["country"])]
    for country, group in groups[:COUNTRIES_SHOWN]:
        cells = [
            f"{shown_sku(row['sku'])} [dim]{row['quantity']:,}[/]" for row in group[:SKUS_SHOWN]
        ]
        table.add_row(escape(country or NO_COUNTRY), *cells)
    more = len(groups) - COUNTRIES_SHOWN
    if more <= 0:
        return table
    return Group(table, Text(f"… and {more} more countries; --country DE shows one.", style="dim"))


def _bar(share: float) -> Text:
    """Draw *share* of the full width as a bar, in eighths of a character."""
    eighths = max(1, round(share * BAR_WIDTH * 8)) if share > 0 else 0
    full, rest = divmod(eighths, 8)
    return Text("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else ""), style="cyan")


def shown_sku(sku: str) -> str:
    """Escape *sku* so that blanks at its ends and unprintable characters are visible."""
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in sku)
    quoted = f"'{text}'" if text != text.strip() else text
    return escape(quoted)


def _freshness(report: Report, timezone: str) -> Text:
    text = Text(style="dim")
    lines = [
        f"{source}: last pulled {with_age(pulled_at, timezone)}"
        for source, pulled_at in report.last_pulled.items()
    ]
    if report.undated:
        lines.append(f"{report.undated:,} orders have no date, so a date filter leaves them out.")
    return text.append("\n".join(lines))
