"""A digest as one HTML document, in what mail programs show.

Layout by tables and sizes in attributes, because Outlook knows little else. The chart is made of
table cells: it needs no picture, which many programs hide, and Gmail drops from ``data:`` URLs.
"""

from xml.etree import ElementTree as ET

from orderpull.digest import figures
from orderpull.digest.digest import Digest, Row
from orderpull.digest.figures import Figure
from orderpull.digest.period import day_text

CHART_HEIGHT = 96
"""Of the highest bar, in pixels."""

FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif"
TEXT, QUIET, LINE, GROUND, CARD = "#1c1e21", "#5d636b", "#e4e4df", "#f6f6f4", "#ffffff"
BAR, PALE_BAR, GOOD, BAD = "#2f5bd0", "#b9c8f0", "#1c6b43", "#a8261b"

STYLE = """
td, p, span, h1, h2 { FONT }
@media (prefers-color-scheme: dark) {
  .ground { background: #131518 !important; }
  .card { background: #1b1e22 !important; border-color: #2d3137 !important; }
  .text { color: #e8e9eb !important; } .quiet { color: #a2a8b1 !important; }
  .line { border-color: #2d3137 !important; }
  .bar { background: #8fb0ff !important; } .pale { background: #3c4c75 !important; }
  .good { color: #7fd6a6 !important; } .bad { color: #ff9d92 !important; }
}
""".replace("FONT", FONT)
"""Font, and the colours of the dark scheme, for programs that read style sheets."""


def as_html(digest: Digest) -> str:
    """Return *digest* as an HTML document, without scripts, pictures and links."""
    head = _tag(
        "head",
        _tag("meta", charset="utf-8"),
        _tag("meta", name="viewport", content="width=device-width"),
        _tag("meta", name="color-scheme", content="light dark"),
        _tag("title", digest.title),
        _tag("style", STYLE),
    )
    parts = [*_heading(digest), _totals(digest), *_chart(digest), *_top(digest), *_movers(digest)]
    parts.append(_notes(digest))
    card = _tag(
        "td", *parts, class_="card",
        style=f"background:{CARD};border:1px solid {LINE};border-radius:8px;padding:24px",
    )  # fmt: skip
    column = _table(_tag("tr", card), style="max-width:600px;width:100%", width="600")
    outer = _tag("td", column, align="center", style="padding:16px")
    body = _tag(
        "body",
        _table(_tag("tr", outer), class_="ground", style=f"background:{GROUND};{FONT}"),
        class_="ground",
        style=f"margin:0;background:{GROUND}",
    )
    page = _tag("html", head, body, lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(page, encoding="unicode", method="html")


def _heading(digest: Digest) -> list[ET.Element]:
    compared = digest.not_compared or f"Compared with {digest.period.before}."
    return [
        _text("h1", digest.title, size=20, weight=600),
        _text("p", compared, kind="quiet", margin="4px 0 20px"),
    ]


def _totals(digest: Digest) -> ET.Element:
    tiles = [_tile(figure) for figure in figures.totals(digest)]
    pairs = [_tag("tr", *tiles[first : first + 2]) for first in range(0, len(tiles), 2)]
    return _table(*pairs)


def _tile(figure: Figure) -> ET.Element:
    parts = [
        _text("span", figure.label, kind="quiet", size=13, style="display:block"),
        _text("span", figure.value, size=24, weight=600),
    ]
    if figure.before:
        parts.append(_change(figure.change))
        before = f"before: {figure.before}"
        parts.append(_text("span", before, kind="quiet", size=13, style="display:block"))
    for part in parts:
        part.tail = " "  # so that the plain text made of it has the words apart
    return _tag("td", *parts, valign="top", width="50%", style="padding:0 8px 16px 0")


def _change(change: str) -> ET.Element:
    kind = {"-": "bad", "0": "quiet"}.get(change[:1], "good")
    return _text("span", change, kind=kind, size=14, style="white-space:nowrap;padding-left:6px")


def _chart(digest: Digest) -> list[ET.Element]:
    most = max(orders for _, orders, _ in digest.days) or 1
    columns, labels = [], []
    for day, orders, _ in digest.days:
        height = round(orders / most * CHART_HEIGHT) or (1 if orders else 0)
        current = day >= digest.period.first
        columns.append(
            _tag(
                "td",
                _text("span", figures.short(orders), kind="quiet", size=10),
                _bar(height, current=current),
                valign="bottom", align="center", style="padding:0 1px",
                title=f"{day:%a} {day_text(day)}: {orders:,}",
            )
        )  # fmt: skip
        label = _text("span", f"{day:%a}"[:2], kind="text" if current else "quiet", size=10)
        label.tail = " "
        number = _text("span", str(day.day), kind="text" if current else "quiet", size=10)
        labels.append(_tag("td", label, _tag("br"), number, align="center"))
    chart = _table(_tag("tr", *columns), _tag("tr", *labels), style="table-layout:fixed")
    return [_subtitle("Orders by day"), chart]


def _bar(height: int, *, current: bool) -> ET.Element:
    """Return a cell of *height* pixels: Outlook gives no height to anything else."""
    if not height:
        return _tag("span")
    kind, colour = ("bar", BAR) if current else ("pale", PALE_BAR)
    cell = _tag(
        "td", class_=kind, height=str(height), bgcolor=colour,
        style=f"background:{colour};height:{height}px;font-size:0;line-height:0",
    )  # fmt: skip
    return _table(_tag("tr", cell))


def _top(digest: Digest) -> list[ET.Element]:
    rows = []
    for row in digest.top:
        change = figures.change_of_sku(row["quantity"], row["before"])
        rows.append(_row(f"{row['rank']}. {figures.name_of(row)}", f"{row['quantity']:,}", change))
    return [_subtitle("Best-selling SKUs, in items"), _table(*rows)] if rows else []


def _movers(digest: Digest) -> list[ET.Element]:
    parts = []
    for title, movers in (("Largest rises", digest.rises), ("Largest falls", digest.falls)):
        if movers:
            parts += [_subtitle(f"{title}, in items"), _table(*map(_mover, movers))]
    return parts


def _mover(row: Row) -> ET.Element:
    sold = f"{row['before']:,} \N{RIGHTWARDS ARROW} {row['now']:,}"
    change = figures.change_of_sku(row["now"], row["before"])
    return _row(figures.name_of(row), sold, change)


def _notes(digest: Digest) -> ET.Element:
    lines = [
        _text("p", note, kind="quiet", size=13, margin="4px 0") for note in figures.notes(digest)
    ]
    style = f"border-top:1px solid {LINE};padding-top:12px"
    cell = _tag("td", *lines, class_="line", style=style)
    return _table(_tag("tr", cell), style="margin-top:20px")


def _row(name: str, value: str, change: str) -> ET.Element:
    parts = [
        _cell(_text("span", name, style="word-break:break-word")),
        _cell(_text("span", value, style="white-space:nowrap"), align="right"),
    ]
    if change:
        parts.append(_cell(_change(change), align="right", width="90"))
    return _tag("tr", *parts)


def _cell(content: ET.Element, **attributes: str) -> ET.Element:
    style = f"border-bottom:1px solid {LINE};padding:6px 0"
    return _tag("td", content, class_="line", style=style, **attributes)


def _subtitle(title: str) -> ET.Element:
    return _text("h2", title, size=15, weight=600, margin="20px 0 8px")


def _text(
    tag: str,
    text: str,
    *,
    kind: str = "text",
    size: int = 14,
    weight: int = 400,
    margin: str = "0",
    style: str = "",
) -> ET.Element:
    """Return an element with *text*. :param kind: its colour, and its class."""
    colour = {"text": TEXT, "quiet": QUIET, "good": GOOD, "bad": BAD}[kind]
    font = f"color:{colour};font-size:{size}px;font-weight:{weight};margin:{margin}"
    return _tag(tag, text, class_=kind, style=f"{font};{style}" if style else font)


def _table(*rows: ET.Element, style: str = "", class_: str = "", width: str = "100%") -> ET.Element:
    """Return a table for layout, which screen readers read as plain text."""
    attributes = {"class_": class_} if class_ else {}
    return _tag(
        "table", *rows, role="presentation", width=width, cellpadding="0", cellspacing="0",
        border="0", style=style, **attributes,
    )  # fmt: skip


def _tag(tag: str, /, *children: ET.Element | str, **attributes: str) -> ET.Element:
    """Return an element; texts and attributes are escaped.

    :param attributes: a trailing ``_`` of their names is dropped, empty ones are left out.
    """
    element = ET.Element(tag, {key.rstrip("_"): text for key, text in attributes.items() if text})
    for child in children:
        if isinstance(child, str):
            element.text = child
        else:
            element.append(child)
    return element
