"""Dashboards and windows: each place shows a sheet that is there, within the dashboard."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import Board, Book, Finding, references

WHOLE = 100_000


def zones(book: Book) -> Iterator[Finding]:
    """Each place has an id of its own, lies within the dashboard, and shows what is there."""
    names = {sheet.name for sheet in book.sheets}
    for board in book.boards:
        ids = Counter(zone.get("id") for zone in board.zones)
        for number, count in ids.items():
            if count > 1:
                yield Finding("zone-twice", board.place, f"{count} places have the id {number}")
        for zone in board.zones:
            name = zone.get("name")
            if name and name not in names:
                yield Finding("zone-sheet", board.place, f"there is no sheet {name!r} to show")
            x, y, width, height = _square(zone)
            if min(x, y) < 0 or x + width > WHOLE or y + height > WHOLE or min(width, height) <= 0:
                sentence = f"place {zone.get('id')} does not lie within it"
                yield Finding("zone-outside", board.place, sentence)
        if not board.sheets:
            yield Finding("board-empty", board.place, "it shows no sheet")


def overlaps(book: Book) -> Iterator[Finding]:
    """No two sheets or filters that share a container lie on each other."""
    for board in book.boards:
        pairs = (pair for zone in board.zones for pair in combinations(zone.findall("zone"), 2))
        for one, other in pairs:
            a, b = _square(one), _square(other)
            if all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1)):
                sentence = f"places {one.get('id')} and {other.get('id')} lie on each other"
                yield Finding("zone-overlap", board.place, sentence)


def _square(zone: ET.Element) -> tuple[int, int, int, int]:
    """x, y, width and height."""
    x, y, width, height = (_number(zone.get(name, "0")) for name in ("x", "y", "w", "h"))
    return x, y, width, height


def _number(text: str) -> int:
    """A whole number; what is none lies nowhere."""
    return int(text) if text.removeprefix("-").isdecimal() else -1


def quick_filters(book: Book) -> Iterator[Finding]:
    """Each filter on a dashboard is one that its sheet has, and is declared there."""
    for board in book.boards:
        for zone in board.zones:
            if zone.get("type-v2") != "filter":
                continue
            field = zone.get("param", "")
            filtered = [
                each.get("column")
                for sheet in book.sheets
                if sheet.name == zone.get("name")
                for each in sheet.filters
            ]
            if field not in filtered:
                sentence = f"it offers {field}; {zone.get('name')!r} is not filtered by it"
                yield Finding("quick-filter", board.place, sentence)
            if not all(board.declared.has(*pair) for pair in references(field)):
                yield Finding("quick-filter-field", board.place, f"{field} is not declared")


def sizes(book: Book) -> Iterator[Finding]:
    """A size's least is not above its most; where it is fixed they are the same."""
    for board in book.boards:
        size = board.element.find("size")
        if size is None:
            continue
        for side in ("width", "height"):
            least, most = (_number(size.get(f"{end}{side}", "0")) for end in ("min", "max"))
            if most and (least > most or (size.get("sizing-mode") == "fixed" and least != most)):
                yield Finding("size", board.place, f"its {side} goes from {least} to {most}")


def windows(book: Book) -> Iterator[Finding]:
    """Each sheet and dashboard has a window, each window is of one, and shows its sheets."""
    found: dict[tuple[str, str], ET.Element] = {}
    for window in book.root.iterfind("windows/window"):
        found[window.get("class", ""), window.get("name", "")] = window
    wanted = {("worksheet", sheet.name) for sheet in book.sheets}
    wanted |= {("dashboard", board.name) for board in book.boards}
    for kind, name in sorted(wanted - set(found)):
        yield Finding("window-missing", "windows", f"the {kind} {name!r} has none")
    for kind, name in sorted(set(found) - wanted):
        yield Finding("window-unknown", "windows", f"there is no {kind} {name!r}")
    for board in book.boards:
        if ("dashboard", board.name) in found:
            yield from _viewpoints(board, found["dashboard", board.name])


def _viewpoints(board: Board, window: ET.Element) -> Iterator[Finding]:
    views = {each.get("name", "") for each in window.iterfind("viewpoints/viewpoint")}
    for name in sorted(set(board.sheets) - views):
        yield Finding("viewpoint", board.place, f"its window has no view of {name!r}")
    for name in sorted(views - set(board.sheets)):
        yield Finding("viewpoint-unknown", board.place, f"its window has a view of {name!r}")


RULES = (zones, overlaps, quick_filters, sizes, windows)
