"""Preview: the dashboard drawn as SVG, by the same description, with the warehouse's own numbers.

It shows what stands where and which rows a sheet has. How Tableau itself draws it differs in fonts,
heights of rows and the look of its controls.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import sqlalchemy as sa

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.tables import HEADER
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Reader
from orderpull.errors import UsageError
from orderpull.model import NO_COUNTRY
from orderpull.settings import Settings
from orderpull.tableau.description import (
    AVERAGE,
    AVERAGE_SHEET,
    COUNTRY,
    COUNTRY_FILTER,
    COUNTRY_SHEET,
    DASHBOARD,
    GREY,
    GROUND,
    INK,
    ITEMS,
    LOADED,
    ORDERS,
    OVERALL_SHEET,
    PAPER,
    RANK,
    SCOPE,
    SHEETS,
    SKU,
)
from orderpull.tableau.shapes import Pill, Sheet, Text, Zone
from orderpull.tableau.xml import document, element, text

PADDING, ROW = 12, 24
POINT = 4 / 3
"""A point in pixels."""

LINE = "#d9dde3"
WIDTHS = {COUNTRY: 108, RANK: 44, SKU: 190}
"""How wide the columns of labels are."""

_WIDE, _NARROW = frozenset("WM@%mw"), frozenset("iljtfI.,:;'|!()[] ")

Row = dict[Pill, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the dashboard shows. :param rows: of each sheet, a dict by pill for each mark."""

    rows: dict[Sheet, list[Row]]


def read(settings: Settings) -> Shown:
    """The numbers of every sheet, by the same queries as the views.

    :raises DestinationError: there is nothing to read.
    """
    destination = open_destination(settings.destination, settings.folder)
    with destination.reader() as reader:
        return Shown(
            {
                AVERAGE_SHEET: [_average(reader)],
                COUNTRY_SHEET: _by_country(reader),
                OVERALL_SHEET: [
                    _sold(row)
                    for row in _ranked(
                        reader.rows(OrderQueries().popular_sku(Filter(), OVERALL_SHEET.top))
                    )
                ],
            }
        )


def _average(reader: Reader) -> Row:
    queries, everything = OrderQueries(), Filter()
    average = reader.rows(queries.average_items_per_order(everything))[0]
    countries = reader.rows(queries.sales_by_country(everything))
    loaded = sa.select(sa.func.max(HEADER.c.loaded_at).label("loaded")).where(HEADER.c.counted)
    one = countries[0]["country"] or NO_COUNTRY if len(countries) == 1 else None
    return {
        AVERAGE: average["average"],
        ITEMS: average["quantity"],
        ORDERS: average["orders"],
        SCOPE: one or f"{len(countries)} countries",
        LOADED: reader.rows(loaded)[0]["loaded"],
    }


def _by_country(reader: Reader) -> list[Row]:
    """The country with the most items first, as the sheet sorts them."""
    queries, everything = OrderQueries(), Filter()
    sales = {
        row["country"]: row["items"] for row in reader.rows(queries.sales_by_country(everything))
    }
    rows = reader.rows(queries.popular_sku_by_country(everything, COUNTRY_SHEET.top))
    rows.sort(key=lambda r: (-sales[r["country"]], r["country"] or NO_COUNTRY, r["rank"]))
    return [{COUNTRY: row["country"] or NO_COUNTRY} | _sold(row) for row in rows]


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["rank"])


def _sold(row: dict[str, Any]) -> Row:
    return {SKU: row["sku"], RANK: row["rank"], ITEMS: row["quantity"], ORDERS: row["orders"]}


def write(settings: Settings, file: Path) -> None:
    """Draw the dashboard into *file*.

    :raises UsageError: it cannot be written. :raises DestinationError: there is nothing to read.
    """
    picture = drawn(read(settings))
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}.") from None


def drawn(shown: Shown) -> bytes:
    """The dashboard as SVG."""
    board = DASHBOARD
    size = {"width": str(board.width), "height": str(board.height)}
    root = element(
        "svg",
        text("title", f"{board.name}: {', '.join(sheet.name for sheet in SHEETS)}"),
        element("rect", fill=GROUND, **size),
        (part for zone in board.zones for part in _zone(zone, shown)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {board.width} {board.height}",
        font_family="'Tableau Book', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif",
        **size,
    )
    return document(root, tight="text")


def _zone(zone: Zone, shown: Shown) -> Iterator[ET.Element]:
    if not isinstance(zone.shows, str):
        yield from _text(zone.shows, {}, zone.x + 4, zone.y + 34)
    elif zone.shows == COUNTRY_FILTER:
        yield from _filter(zone)
    else:
        yield _box(zone.x, zone.y, zone.width, zone.height, PAPER, rx="4")
        (sheet,) = (sheet for sheet in SHEETS if sheet.name == zone.shows)
        rows = shown.rows[sheet]
        told = rows[0] | {COUNTRY: "All"} if rows else {COUNTRY: "All"}
        yield from _text(sheet.title, told, zone.x + PADDING, zone.y + 27)
        yield from _marks(sheet, zone, rows)


def _filter(zone: Zone) -> Iterator[ET.Element]:
    """The country filter, as a list that opens."""
    yield _line("Country", zone.x, zone.y + 16, 9, GREY)
    box = _box(zone.x, zone.y + 22, zone.width, 28, PAPER, rx="3")
    box.set("stroke", LINE)
    yield box
    yield _line("(All)", zone.x + 10, zone.y + 41, 10, INK)
    x, y = zone.x + zone.width - 22, zone.y + 33
    yield element("path", d=f"M{x} {y} l5 6 l5 -6 z", fill=GREY)


def _marks(sheet: Sheet, zone: Zone, rows: list[Row]) -> Iterator[ET.Element]:
    if sheet.mark == "Text":
        for row in rows:
            yield from _text(sheet.label_text, row, zone.x + PADDING, zone.y + 112)
        return
    top, left = zone.y + 74, zone.x + PADDING
    yield from _heads(sheet, left, top)
    room = zone.height - 74 - PADDING
    height = ROW if sheet.scrolls else min(room // max(len(rows), 1), 2 * ROW)
    fitting = room // height
    most = max((row[ITEMS] for row in rows), default=0)
    begin = left + sum(WIDTHS[pill] for pill in sheet.rows)
    longest = max((_width(_said(ITEMS, row[ITEMS]), 9) for row in rows), default=0)
    widest = zone.x + zone.width - begin - PADDING - 6 - longest
    last = None
    for number, row in enumerate(rows[:fitting]):
        y = top + 8 + number * height
        country = row.get(COUNTRY)
        if number and country != last:
            yield _rule(left, y, zone.width - 2 * PADDING)
        base = y + height // 2 + 5
        yield from _labels(sheet, row, left, base, first=country != last or number == 0)
        width = max(int(widest * row[ITEMS] / most) if most else 0, 1)
        yield _box(begin, y + height // 6, width, height - 2 * (height // 6), sheet.color)
        yield _line(_said(ITEMS, row[ITEMS]), begin + width + 6, base, 9, INK)
        last = country


def _heads(sheet: Sheet, left: int, top: int) -> Iterator[ET.Element]:
    names = {COUNTRY: "Country", RANK: "Rank", SKU: "SKU"}
    x = left
    for pill in sheet.rows:
        yield _line(names[pill], x, top, 9, GREY, bold=True)
        x += WIDTHS[pill]


def _labels(sheet: Sheet, row: Row, left: int, y: int, *, first: bool) -> Iterator[ET.Element]:
    """The labels of a mark; a country only once for all of its."""
    x = left
    for pill in sheet.rows:
        if pill != COUNTRY or first:
            said = _visible(_said(pill, row[pill]), WIDTHS[pill] - 8, 9)
            yield _line(said, x, y, 9, INK, bold=pill == COUNTRY)
        x += WIDTHS[pill]


def _visible(said: str, room: float, size: int) -> str:
    """*said* in one line of *room* pixels, with nothing in it that cannot be printed."""
    plain = "".join(char if char.isprintable() else "\N{WHITE SQUARE}" for char in said)
    if _width(plain, size) <= room:
        return plain
    kept = len(plain)
    while kept and _width(plain[:kept] + "…", size) > room:
        kept -= 1
    return plain[:kept] + "…"


def _width(said: str, size: int) -> float:
    """How wide *said* is at most, in pixels; fonts differ, so it is rather too much."""
    letters = sum(
        1.1 if char in _WIDE or char > "\u2e80" else 0.42 if char in _NARROW else 0.72
        for char in said
    )
    return letters * size * POINT


def _text(content: Text, row: Row, x: int, y: int) -> Iterator[ET.Element]:
    """A text in its styles; each line is an element of its own."""
    lines: list[list[ET.Element]] = [[]]
    heights = [0.0]
    for run in content:
        if run.content == "\n":
            lines.append([])
            heights.append(0.0)
            continue
        said = (
            run.content
            if isinstance(run.content, str)
            else _visible(_said(run.content, row.get(run.content)), 360, run.size)
        )
        lines[-1].append(_styled("tspan", said, run.size, run.color, bold=run.bold))
        heights[-1] = max(heights[-1], run.size * POINT)
    for line, height in zip(lines, heights, strict=True):
        yield element("text", line, x=str(x), y=str(y), style="white-space: pre")
        y = round(y + height * 1.45)


def _said(pill: Pill, value: object) -> str:
    """A value in the field's format."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if pill == AVERAGE and isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(said: str, x: int, y: int, size: int, color: str, *, bold: bool = False) -> ET.Element:
    made = _styled("text", said, size, color, bold=bold)
    made.set("x", str(x))
    made.set("y", str(y))
    return made


def _styled(tag: str, said: str, size: int, color: str, *, bold: bool) -> ET.Element:
    made = text(tag, said, fill=color, font_size=f"{size * POINT:.1f}")
    if bold:
        made.set("font-weight", "600")
    return made


def _box(x: int, y: int, width: int, height: int, fill: str, **words: str) -> ET.Element:
    return element(
        "rect", x=str(x), y=str(y), width=str(width), height=str(height), fill=fill, **words
    )


def _rule(x: int, y: int, width: int) -> ET.Element:
    return element("path", d=f"M{x} {y} h{width}", stroke=LINE)
