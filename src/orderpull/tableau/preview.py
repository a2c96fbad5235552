"""Preview of the dashboard as SVG, from the same description, with numbers of the warehouse.

The preview shows what a viewer sees first: nothing is chosen, and every row of each sheet is whole.
Tableau's own drawing has other fonts, row heights and controls.
"""

from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import sqlalchemy as sa

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.tables import HEADER, ITEM
from orderpull.countries import country_name
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Reader
from orderpull.errors import UsageError
from orderpull.model import NO_COUNTRY
from orderpull.settings import Settings
from orderpull.tableau.description import (
    AVERAGE,
    AVERAGE_SHEET,
    COUNTRIES,
    COUNTRY,
    COUNTRY_SHEET,
    DASHBOARD,
    GREY,
    GROUND,
    INK,
    ITEMS,
    LOADED,
    ORDERED,
    ORDERS,
    OVERALL_SHEET,
    PAPER,
    RANK,
    SCOPE,
    SHEETS,
    SKU,
    TITLE,
    Parameter,
    Pill,
    Sheet,
    Text,
    Zone,
)
from orderpull.tableau.fields import CAPTIONS
from orderpull.tableau.xml import document, element, text

PADDING, ROW = 12, 24
POINT = 4 / 3
"""Pixels of a point."""

LINE = "#d9dde3"
WIDTHS = {COUNTRY: 112, RANK: 44, SKU: 124, TITLE: 146}
"""Widths of the label columns in pixels."""

_WIDE, _NARROW = frozenset("WM@%mw"), frozenset("iljtfI.,:;'|!()[] ")

QUERIES = OrderQueries()

Row = dict[Pill, Any]


def read(settings: Settings) -> dict[Sheet, list[Row]]:
    """Query the rows of every sheet: one for each mark, with a value for each pill.

    :raises DestinationError: the warehouse has no tables to read.
    """
    destination = open_destination(settings.destination, settings.folder)
    with destination.reader() as reader:
        overall = reader.rows(QUERIES.popular_sku(Filter(), OVERALL_SHEET.top))
        sheets = {
            AVERAGE_SHEET: [_average(reader)],
            COUNTRY_SHEET: _by_country(reader),
            OVERALL_SHEET: [_sku_row(row) for row in sorted(overall, key=itemgetter("rank"))],
        }
        of_skus = [*sheets[COUNTRY_SHEET], *sheets[OVERALL_SHEET]]
        titles = _titles(reader, {row[SKU] for row in of_skus})
    for row in of_skus:
        row[TITLE] = titles.get(row[SKU])
    return sheets


def _titles(reader: Reader, skus: set[str]) -> dict[str, str]:
    """The title of each of *skus* that has one: of several, the last in the alphabet."""
    query = sa.select(ITEM.c.sku, sa.func.max(ITEM.c.title).label("title")).group_by(ITEM.c.sku)
    rows = reader.rows(query.where(ITEM.c.sku.in_(skus), ITEM.c.title.is_not(None)))
    return {row["sku"]: row["title"] for row in rows}


def _average(reader: Reader) -> Row:
    average = reader.rows(QUERIES.average_items_per_order(Filter()))[0]
    countries = reader.rows(QUERIES.sales_by_country(Filter()))
    times = sa.select(
        sa.func.max(HEADER.c.loaded_at).label("loaded"),
        sa.func.min(HEADER.c.ordered_at).label("first"),
        sa.func.max(HEADER.c.ordered_at).label("last"),
    ).where(HEADER.c.counted)
    (time,) = reader.rows(times)
    one = countries[0]["country"] or NO_COUNTRY if len(countries) == 1 else None
    return {
        AVERAGE: average["average"],
        ITEMS: average["quantity"],
        ORDERS: average["orders"],
        SCOPE: one or f"{len(countries)} countries",
        LOADED: time["loaded"],
        ORDERED: (time["first"], time["last"]),
    }


def _by_country(reader: Reader) -> list[Row]:
    """Return the rows of the largest countries, the one with the most items first."""
    countries = reader.rows(QUERIES.sales_by_country(Filter()))
    sales = {row["country"]: row["items"] for row in countries}
    largest = sorted(set(sales.values()), reverse=True)[: int(COUNTRIES.value)]
    rows = [
        row
        for row in reader.rows(QUERIES.popular_sku_by_country(Filter(), COUNTRY_SHEET.top))
        if sales[row["country"]] in largest
    ]
    rows.sort(key=lambda r: (-sales[r["country"]], r["country"] or NO_COUNTRY, r["rank"]))
    return [{COUNTRY: country_name(row["country"] or NO_COUNTRY)} | _sku_row(row) for row in rows]


def _sku_row(row: dict[str, Any]) -> Row:
    return {SKU: row["sku"], RANK: row["rank"], ITEMS: row["quantity"], ORDERS: row["orders"]}


def write(settings: Settings, file: Path) -> None:
    """Draw the dashboard into *file*.

    :raises UsageError: *file* cannot be written.
    :raises DestinationError: the warehouse has no tables to read.
    """
    picture = draw(read(settings))
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}.") from None


def draw(rows: dict[Sheet, list[Row]]) -> bytes:
    """Return the dashboard as SVG."""
    board = DASHBOARD
    size = {"width": str(board.width), "height": str(board.height)}
    root = element(
        "svg",
        text("title", f"{board.name}: {', '.join(sheet.name for sheet in SHEETS)}"),
        element("rect", fill=GROUND, **size),
        (part for zone in board.zones for part in _zone(zone, rows)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {board.width} {board.height}",
        font_family="'Tableau Book', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif",
        **size,
    )
    return document(root, tight="text")


def _zone(zone: Zone, sheet_rows: dict[Sheet, list[Row]]) -> Iterator[ET.Element]:
    match zone.shows:
        case str() as name:
            yield _box(zone.x, zone.y, zone.width, zone.height, PAPER, rx="4")
            (sheet,) = (sheet for sheet in SHEETS if sheet.name == name)
            rows = sheet_rows[sheet]
            values = (rows[0] if rows else {}) | {COUNTRY: "All"}
            yield from _text(sheet.title, values, zone.x + PADDING, zone.y + 27)
            yield from _marks(sheet, zone, rows)
        case Pill() as pill if pill == ORDERED:
            yield from _dates(zone, *sheet_rows[AVERAGE_SHEET][0][ORDERED])
        case Pill():
            yield from _dropdown(zone, "Country", "(All)")
        case Parameter() as parameter:
            draws = _dropdown if parameter.members else _control
            yield from draws(zone, parameter.caption, str(parameter.value))
        case text_of_zone:
            yield from _text(text_of_zone, {}, zone.x + 4, zone.y + 42)


def _control(zone: Zone, caption: str, value: str) -> Iterator[ET.Element]:
    """Draw a control: its name, and a box with its value."""
    yield _line(caption, zone.x, zone.y + 16, 9, GREY)
    box = _box(zone.x, zone.y + 22, zone.width, 28, PAPER, rx="3")
    box.set("stroke", LINE)
    yield box
    yield _line(value, zone.x + 10, zone.y + 41, 10, INK)


def _dropdown(zone: Zone, caption: str, value: str) -> Iterator[ET.Element]:
    """Draw a closed dropdown."""
    yield from _control(zone, caption, value)
    x, y = zone.x + zone.width - 22, zone.y + 33
    yield element("path", d=f"M{x} {y} l5 6 l5 -6 z", fill=GREY)


def _dates(zone: Zone, first: datetime | None, last: datetime | None) -> Iterator[ET.Element]:
    """Draw the date filter as a range from the first order to the last."""
    half = (zone.width - 12) // 2
    one = Zone("", zone.x, zone.y, half, zone.height)
    other = Zone("", zone.x + half + 12, zone.y, half, zone.height)
    yield from _control(one, CAPTIONS[ORDERED.field], _formatted(ORDERED, first))
    yield from _control(other, "", _formatted(ORDERED, last))
    y = zone.y + 58
    yield element("path", d=f"M{zone.x} {y} h{zone.width}", stroke=GREY)
    for x in (zone.x, zone.x + zone.width - 6):
        yield _box(x, y - 6, 6, 12, GREY)


def _marks(sheet: Sheet, zone: Zone, rows: list[Row]) -> Iterator[ET.Element]:
    if sheet.mark == "Text":
        for row in rows:
            yield from _text(sheet.label_text, row, zone.x + PADDING, zone.y + 112)
        return
    top, left = zone.y + 74, zone.x + PADDING
    names = {COUNTRY: "Country", RANK: "Rank", SKU: "SKU", TITLE: "Product"}
    yield from _labels(sheet, names, left, top, GREY, bold=set(names))
    available = zone.height - 74 - PADDING
    height = ROW if sheet.scrolls else min(available // max(len(rows), 1), 3 * ROW)
    fitting = available // height
    maximum = max((row[ITEMS] for row in rows), default=0)
    begin = left + sum(WIDTHS[pill] for pill in sheet.rows)
    room = zone.x + zone.width - begin - PADDING - 8
    values = [_fitted(_formatted(ITEMS, row[ITEMS]), room, 9) for row in rows]
    widest = room - max((_width(value, 9) for value in values), default=0)
    last = None
    for number, row in enumerate(rows[:fitting]):
        y = top + 8 + number * height
        country = row.get(COUNTRY)
        if number and country != last:
            yield element("path", d=f"M{left} {y} h{zone.width - 2 * PADDING}", stroke=LINE)
        base = y + height // 2 + 5
        labels = {p: _fitted(_formatted(p, row[p]), WIDTHS[p] - 8, 9) for p in sheet.rows}
        if number and country == last:
            labels.pop(COUNTRY, None)  # Only its first mark has it.
        yield from _labels(sheet, labels, left, base, INK, bold={COUNTRY})
        width = max(int(widest * row[ITEMS] / maximum) if maximum else 0, 1)
        yield _box(begin, y + height // 6, width, height - 2 * (height // 6), sheet.color)
        yield _line(values[number], begin + width + 6, base, 9, INK)
        last = country


def _labels(
    sheet: Sheet, labels: dict[Pill, str], x: int, y: int, color: str, *, bold: set[Pill]
) -> Iterator[ET.Element]:
    """Draw a line of labels, each in the column of its pill."""
    for pill in sheet.rows:
        if pill in labels:
            yield _line(labels[pill], x, y, 9, color, bold=pill in bold)
        x += WIDTHS[pill]


def _fitted(content: str, width: float, size: int) -> str:
    """Return *content* cut to *width* pixels, with a placeholder for unprintable characters."""
    printable = "".join(char if char.isprintable() else "\N{WHITE SQUARE}" for char in content)
    if _width(printable, size) <= width:
        return printable
    length = len(printable)
    while length and _width(printable[:length] + "…", size) > width:
        length -= 1
    return printable[:length] + "…"


def _width(content: str, size: int) -> float:
    """Estimate the width of *content* in pixels, rather too wide, because fonts differ."""
    letters = sum(
        1.1 if char in _WIDE or char > "\u2e80" else 0.42 if char in _NARROW else 0.72
        for char in content
    )
    return letters * size * POINT


def _text(content: Text, row: Row, x: int, y: int) -> Iterator[ET.Element]:
    """Draw a formatted text, one element for each line."""
    lines: list[list[ET.Element]] = [[]]
    heights = [0.0]
    for run in content:
        if run.content == "\n":
            lines.append([])
            heights.append(0.0)
            continue
        part = (
            run.content
            if isinstance(run.content, str)
            else _fitted(_value(run.content, row), 360, run.size)
        )
        lines[-1].append(_styled("tspan", part, run.size, run.color, bold=run.bold))
        heights[-1] = max(heights[-1], run.size * POINT)
    for line, height in zip(lines, heights, strict=True):
        yield element("text", line, x=str(x), y=str(y), style="white-space: pre")
        y = round(y + height * 1.45)


def _value(content: Pill | Parameter, row: Row) -> str:
    if isinstance(content, Parameter):
        return str(content.value)
    return _formatted(content, row.get(content))


def _formatted(pill: Pill, value: object) -> str:
    """Return a value in the format of its field."""
    if value is None:
        return "" if pill == TITLE else "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if pill == AVERAGE and isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(content: str, x: int, y: int, size: int, color: str, *, bold: bool = False) -> ET.Element:
    line = _styled("text", content, size, color, bold=bold)
    line.set("x", str(x))
    line.set("y", str(y))
    return line


def _styled(tag: str, content: str, size: int, color: str, *, bold: bool) -> ET.Element:
    result = text(tag, content, fill=color, font_size=f"{size * POINT:.1f}")
    if bold:
        result.set("font-weight", "600")
    return result


def _box(x: int, y: int, width: int, height: int, fill: str, **attributes: str) -> ET.Element:
    return element(
        "rect", x=str(x), y=str(y), width=str(width), height=str(height), fill=fill, **attributes
    )
