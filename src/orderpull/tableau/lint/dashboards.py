"""Rules for dashboards and windows: existing sheets, and zones within the dashboard."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import (
    Dashboard,
    Faults,
    Finding,
    Workbook,
    dashboard_rule,
    references,
)

WHOLE = 100_000
"""Width and height of a dashboard in units of its zones."""


@dashboard_rule
def zones(workbook: Workbook, dashboard: Dashboard) -> Faults:
    """Check that each zone has a unique id, lies within the dashboard, and shows a sheet."""
    names = {sheet.name for sheet in workbook.sheets}
    for number, count in Counter(zone.get("id") for zone in dashboard.zones).items():
        if count > 1:
            yield "zone-twice", f"{count} zones have the id {number}"
    for zone in dashboard.zones:
        name = zone.get("name")
        if name and name not in names:
            yield "zone-sheet", f"the sheet {name!r} does not exist"
        x, y, width, height = _rectangle(zone)
        if min(x, y) < 0 or x + width > WHOLE or y + height > WHOLE or min(width, height) <= 0:
            yield "zone-outside", f"zone {zone.get('id')} lies outside"
    if not dashboard.sheets:
        yield "board-empty", "it shows no sheet"


@dashboard_rule
def overlaps(_: Workbook, dashboard: Dashboard) -> Faults:
    """Check that zones of one container do not overlap."""
    pairs = (pair for zone in dashboard.zones for pair in combinations(zone.findall("zone"), 2))
    for one, other in pairs:
        a, b = _rectangle(one), _rectangle(other)
        if all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1)):
            yield "zone-overlap", f"zones {one.get('id')} and {other.get('id')} overlap"


def _rectangle(zone: ET.Element) -> tuple[int, int, int, int]:
    """Return x, y, width and height."""
    x, y, width, height = (_number(zone.get(name, "0")) for name in ("x", "y", "w", "h"))
    return x, y, width, height


def _number(text: str) -> int:
    """Return a whole number; -1 if *text* is not one."""
    return int(text) if text.removeprefix("-").isdecimal() else -1


@dashboard_rule
def quick_filters(workbook: Workbook, dashboard: Dashboard) -> Faults:
    """Check that each filter on a dashboard belongs to a filter of its sheet, and is declared."""
    filtered = {
        (sheet.name, each.get("column")) for sheet in workbook.sheets for each in sheet.filters
    }
    for zone in dashboard.zones:
        if zone.get("type-v2") != "filter":
            continue
        sheet, field = zone.get("name"), zone.get("param", "")
        if (sheet, field) not in filtered:
            yield "quick-filter", f"it offers {field}, but {sheet!r} is not filtered by it"
        if not all(dashboard.dependencies.has(pair) for pair in references(field)):
            yield "quick-filter-field", f"{field} is not declared"


@dashboard_rule
def sizes(_: Workbook, dashboard: Dashboard) -> Faults:
    """Check that the minimum size is not above the maximum, and equal to it if fixed."""
    size = dashboard.element.find("size")
    if size is None:
        return
    for side in ("width", "height"):
        least, most = (_number(size.get(f"{end}{side}", "0")) for end in ("min", "max"))
        if most and (least > most or (size.get("sizing-mode") == "fixed" and least != most)):
            yield "size", f"its {side} goes from {least} to {most}"


def windows(workbook: Workbook) -> Iterator[Finding]:
    """Check that each sheet and dashboard has one window."""
    actual = {(w.get("class", ""), w.get("name", "")) for w in _windows(workbook)}
    expected = {("worksheet", sheet.name) for sheet in workbook.sheets}
    expected |= {("dashboard", dashboard.name) for dashboard in workbook.dashboards}
    for kind, name in sorted(expected - actual):
        yield Finding("window-missing", "windows", f"the {kind} {name!r} has no window")
    for kind, name in sorted(actual - expected):
        yield Finding("window-unknown", "windows", f"the {kind} {name!r} does not exist")


@dashboard_rule
def viewpoints(workbook: Workbook, dashboard: Dashboard) -> Faults:
    """Check that a dashboard's window has a viewpoint for each of its sheets."""
    for window in _windows(workbook):
        if (window.get("class"), window.get("name", "")) != ("dashboard", dashboard.name):
            continue
        views = {each.get("name", "") for each in window.iterfind("viewpoints/viewpoint")}
        for name in sorted(set(dashboard.sheets) - views):
            yield "viewpoint", f"its window has no viewpoint for {name!r}"
        for name in sorted(views - set(dashboard.sheets)):
            yield (
                "viewpoint-unknown",
                f"its window has a viewpoint for {name!r}, which is not on it",
            )


def _windows(workbook: Workbook) -> list[ET.Element]:
    return workbook.root.findall("windows/window")


RULES = (zones, overlaps, quick_filters, sizes, windows, viewpoints)
