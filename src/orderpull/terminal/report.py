"""The answers, for a person at a terminal. What no shop tells is left out, not shown as zero."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orderpull.answers.report import Report
from orderpull.model import NO_CHANNEL, NO_COUNTRY
from orderpull.terminal.console import UNLIMITED_WIDTH, new_table, with_age

BAR_WIDTH = 24
COUNTRIES_SHOWN = 12
SKUS_SHOWN = 3
CURRENCIES_SHOWN = 4
CHANNELS_SHOWN = 12
GAP = 3
"""Columns between two columns of a table; a table is indented by two."""

AMOUNTS_SHOWN = 3
TITLE_WIDTH = 16
"""Columns that a title needs at least. To make room, bars and what was returned are left out."""
UNKNOWN_CURRENCY = "(unknown currency)"

_COLUMNS = {"items": "quantity", "orders": "orders", "returned": "returned"}

Row = dict[str, Any]


def show_report(report: Report, console: Console, timezone: str, filters: str = "") -> None:
    """Print *report*.

    :param timezone: timezone of the times.
    :param filters: description of the filters.
    """
    console.print()
    parts: list[RenderableType] = [Text(f"No counted order with items{filters}.", style="bold")]
    if report.average["orders"]:
        parts = [_figures(report, filters), *_rankings(report, filters, console)]
    if len({row["country"] for row in report.by_country}) > 1:
        parts += _by_country(report)
    if {row["channel"] for row in report.channels} - {None}:
        parts.append(_channels(report.channels))
    parts += [Text(note, style="yellow") for note in report.notes()]
    parts.append(_freshness(report, timezone))
    console.print(Group(*(Padding(part, (0, 0, 1, 2), expand=False) for part in parts)))


def money(amount: Decimal, currency: str | None) -> str:
    """Format an amount: ``1,234.50 EUR``."""
    return f"{amount:,.2f} {currency or UNKNOWN_CURRENCY}"


def amounts(rows: Sequence[Row]) -> Text:
    """Format amounts of several currencies, a line each; of many only the first ones."""
    lines = [money(row["amount"], row["currency"]) for row in rows]
    if len(lines) > AMOUNTS_SHOWN:
        lines[AMOUNTS_SHOWN - 1 :] = [f"… {len(lines) - AMOUNTS_SHOWN + 1} more"]
    return Text("\n".join(lines))


def _figures(report: Report, filters: str) -> Table:
    """The figures above the tables, a line each: figure, meaning, and its parts."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="bold cyan", no_wrap=True)
    table.add_column(style="bold")
    table.add_column(style="dim")
    average = report.average
    table.add_row(
        f"{average['average']:,.2f}",
        Text(f"items per order on average{filters}"),
        f"{_count(average['quantity'], 'item')} in {_count(average['orders'], 'order')}",
    )
    for row in report.revenue[:CURRENCIES_SHOWN]:
        value = money(row["average_order_value"], row["currency"])
        made_of = f"{value} per order, {_count(row['orders'], 'order')}"
        table.add_row(Text(money(row["amount"], row["currency"])), "revenue", Text(made_of))
    more = len(report.revenue) - CURRENCIES_SHOWN
    if more > 0:
        table.add_row("…", f"in {more} more currencies", "--json shows all")
    if report.returned_share is not None:
        returned, returnable = report.returned["returned"], report.returned["returnable"]
        made_of = f"{_count(returned, 'item')} of {returnable:,}"
        table.add_row(f"{100 * report.returned_share:.1f} %", "returned", made_of)
    for kind in ("new", "returning"):
        customers, orders = report.customers_of(kind).values()
        if customers:
            name = "customer" if customers == 1 else "customers"
            table.add_row(f"{customers:,}", f"{kind} {name}", _count(orders, "order"))
    return table


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _rankings(report: Report, filters: str, console: Console) -> Iterator[Table]:
    """The table of best-selling SKUs; by revenue one for each currency."""
    if report.by != "revenue":
        by = " by orders" if report.by == "orders" else ""
        yield _fitting(report, report.overall, f"Best-selling SKUs{by}{filters}", console)
        return
    for currency, rows in groupby(report.overall, _currency_of):
        name = currency or UNKNOWN_CURRENCY
        title = f"Best-selling SKUs by revenue in {name}{filters}"
        yield _fitting(report, list(rows), title, console)


def _fitting(report: Report, rows: list[Row], title: str, console: Console) -> Table:
    """A table of SKUs with as much of their titles as the screen has room for."""
    if not any(row.get("title") for row in rows):
        return _ranking(report, rows, title)
    options = console.options.update(max_width=UNLIMITED_WIDTH)
    for without in ((), ("bar",), ("bar", "returned")):
        plain = _ranking(report, rows, title, without)
        room = console.width - console.measure(plain, options=options).maximum - 2 * GAP
        if room >= TITLE_WIDTH:
            return _ranking(report, rows, title, without, titles=room)
    return _ranking(report, rows, title, ("bar",))


def _currency_of(row: Row) -> str | None:
    """The currency of a row in a ranking by revenue."""
    currency: str | None = row["revenue"][0]["currency"]
    return currency


def _ranking(
    report: Report, rows: list[Row], title: str, without: Sequence[str] = (), *, titles: int = 0
) -> Table:
    """A table of SKUs: the measure that ranks them, then the others that are known.

    :param without: columns to leave out, of ``bar`` and ``returned``.
    :param titles: columns for the SKUs' titles; 0: none.
    """
    table = new_table(title=escape(title))
    table.add_column("#", justify="right", style="dim")
    table.add_column("SKU", overflow="fold")
    if titles:
        table.add_column("title", overflow="ellipsis", no_wrap=True, max_width=titles)
    table.add_column(report.by, justify="right", no_wrap=True)
    bars = "bar" not in without
    if bars:
        table.add_column("")
    others = [name for name in ("items", "orders") if name != report.by]
    others += [
        name
        for name in ("returned", "revenue")
        if name not in (report.by, *without) and any(row.get(name) for row in rows)
    ]
    for name in others:
        table.add_column(name, justify="right", style="dim", no_wrap=True)
    most = max(_measure(row, report.by) for row in rows) or 1
    for row in rows:
        table.add_row(
            str(row["rank"]),
            shown_sku(row["sku"]),
            *([shown_sku(row["title"] or "")] if titles else []),
            _number(row, report.by),
            *([_bar(float(_measure(row, report.by) / most))] if bars else []),
            *(_number(row, name) for name in others),
        )
    return table


def _measure(row: Row, by: str) -> Decimal:
    """The value of *row* that it is ranked by."""
    return Decimal(row["revenue"][0]["amount"] if by == "revenue" else row[_COLUMNS[by]])


def _number(row: Row, name: str) -> Text:
    if name == "revenue":
        return amounts(row["revenue"])
    number = row[_COLUMNS[name]]
    return Text("" if number is None else f"{number:,}")


def _by_country(report: Report) -> Iterator[RenderableType]:
    """The table of each country's best-selling SKUs; by revenue one for each currency."""
    if report.by != "revenue":
        by = " by orders" if report.by == "orders" else ""
        yield _countries(report, report.by_country, f"Best-selling SKUs{by} by country")
        return
    for currency, rows in groupby(report.by_country, _currency_of):
        name = currency or UNKNOWN_CURRENCY
        title = f"Best-selling SKUs by country, by revenue in {name}"
        yield _countries(report, list(rows), title)


def _countries(report: Report, rows: list[Row], title: str) -> RenderableType:
    number = ",.2f" if report.by == "revenue" else ","
    table = new_table(title=escape(title))
    table.add_column("country", no_wrap=True)
    for rank in range(1, SKUS_SHOWN + 1):
        table.add_column(f"#{rank}", overflow="ellipsis", no_wrap=True)
    groups = [(country, list(group)) for country, group in groupby(rows, lambda r: r["country"])]
    for country, group in groups[:COUNTRIES_SHOWN]:
        cells = [
            f"{shown_sku(row['sku'])} [dim]{_measure(row, report.by):{number}}[/]"
            for row in group[:SKUS_SHOWN]
        ]
        table.add_row(escape(country or NO_COUNTRY), *cells)
    more = len(groups) - COUNTRIES_SHOWN
    if more <= 0:
        return table
    return Group(table, Text(f"… and {more} more countries; --country DE shows one.", style="dim"))


def _channels(rows: list[Row]) -> RenderableType:
    """The table of channels, with revenue if a shop tells it."""
    priced = ["revenue"] if any(row["revenue"] for row in rows) else []
    table = new_table("channel", "orders", "items", *priced, right=("orders", "items", "revenue"),
                      title="Channels")  # fmt: skip
    for row in rows[:CHANNELS_SHOWN]:
        cells: list[RenderableType] = [f"{row['orders']:,}", f"{row['items']:,}"]
        cells += [amounts(row["revenue"])] if priced else []
        table.add_row(shown_sku(row["channel"] or NO_CHANNEL), *cells)
    more = len(rows) - CHANNELS_SHOWN
    if more <= 0:
        return table
    return Group(table, Text(f"… and {more} more channels; --json shows all.", style="dim"))


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
