"""Rules for dashboards, windows and actions: existing sheets, zones that fit, linked fields."""

import re
from collections.abc import Iterator
from itertools import combinations
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import (
    Action,
    Dashboard,
    Dependencies,
    Faults,
    Finding,
    Pair,
    Rule,
    Workbook,
    action_rule,
    dashboard_rule,
    levels,
    references,
    repeated,
)

WHOLE = 100_000
"""Width and height of a dashboard in units of its zones."""


@dashboard_rule
def zones(workbook: Workbook, dashboard: Dashboard) -> Faults:
    """Check that each zone has a unique id, lies within the dashboard, and shows a sheet."""
    names = {sheet.name for sheet in workbook.sheets}
    for number, count in repeated(zone.get("id") for zone in dashboard.zones):
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
def parameter_controls(workbook: Workbook, dashboard: Dashboard) -> Faults:
    """Check that each control has a declared parameter, and a mode, without which none opens."""
    for zone in dashboard.zones:
        if zone.get("type-v2") != "paramctrl":
            continue
        pairs = references(zone.get("param", ""))
        if not pairs or not set(pairs) <= set(workbook.parameters):
            yield "control", f"zone {zone.get('id')} controls no parameter"
        elif not all(dashboard.dependencies.has(pair) for pair in pairs):
            yield "control-declared", f"{zone.get('param')} is not declared"
        if not zone.get("mode"):
            yield "control-mode", f"the control in zone {zone.get('id')} has no mode"


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


@Rule
def windows(workbook: Workbook) -> Iterator[Finding]:
    """Check that each sheet and dashboard has one window."""
    actual = {(w.get("class", ""), w.get("name", "")) for w in workbook.windows}
    expected = {(view.element.tag, view.name) for view in workbook.views}
    for kind, name in sorted(expected - actual):
        yield Finding("window-missing", "windows", f"the {kind} {name!r} has no window")
    for kind, name in sorted(actual - expected):
        yield Finding("window-unknown", "windows", f"the {kind} {name!r} does not exist")


@dashboard_rule
def viewpoints(workbook: Workbook, dashboard: Dashboard) -> Faults:
    """Check that a dashboard's window has a viewpoint for each of its sheets."""
    for window in workbook.windows:
        if (window.get("class"), window.get("name", "")) != ("dashboard", dashboard.name):
            continue
        views = {each.get("name", "") for each in window.iterfind("viewpoints/viewpoint")}
        for name in sorted(set(dashboard.sheets) - views):
            yield "viewpoint", f"its window has no viewpoint for {name!r}"
        for name in sorted(views - set(dashboard.sheets)):
            message = f"its window has a viewpoint for {name!r}, which is not on it"
            yield "viewpoint-unknown", message


FILTER = "tsc:tsl-filter"
COMMANDS = frozenset({FILTER, "tsc:brush"})
_LINK = re.compile(r"tsl:([^?]*)\?(.*?)~s0=(.*)", re.DOTALL)


@action_rule
def ends(workbook: Workbook, action: Action) -> Faults:
    """Check that each action starts on a sheet of its dashboard and has an existing target."""
    if action.command is None:
        return  # The action opens a URL.
    dashboards = {dashboard.name: dashboard for dashboard in workbook.dashboards}
    sheets = {sheet.name for sheet in workbook.sheets}
    dashboard, sheet = action.dashboard, action.sheet
    if dashboard and dashboard not in dashboards:
        yield "action-board", f"the dashboard {dashboard!r} does not exist"
    elif sheet and sheet not in sheets:
        yield "action-sheet", f"the sheet {sheet!r} does not exist"
    elif dashboard and sheet and sheet not in dashboards[dashboard].sheets:
        yield "action-place", f"{sheet!r} is not on {dashboard!r}"
    elif not dashboard and not sheet:
        yield "action-source", "it has no source"
    target = action.parameter("target")
    if target not in dashboards and target not in sheets:
        yield "action-target", f"its target {target!r} does not exist"
    for name in filter(None, action.parameter("exclude").split(",")):
        if name not in sheets:
            yield "action-exclude", f"it excludes {name!r}, which does not exist"


@action_rule
def commands(workbook: Workbook, action: Action) -> Faults:
    """Check that each action has a known command, and that a filter has its field."""
    if action.command is None and action.expression is None:
        yield "action-empty", "it has neither command nor link"
    elif action.command is not None and action.command not in COMMANDS:
        yield "action-command", f"the command {action.command!r} is unknown"
    elif action.command == FILTER and action.expression is not None:
        yield from _expression(workbook, action, action.expression)
    elif action.command == FILTER and not action.parameter("special-fields"):
        yield "action-link", "it filters by no field"


def _expression(workbook: Workbook, action: Action, expression: str) -> Faults:
    """Check ``tsl:TARGET?[source].[field]~s0=<[source].[field]~na>``, quoted before ``~s0=``."""
    match = _LINK.fullmatch(expression)
    if match is None:
        yield "action-expression", f"{expression!r} maps no field"
        return
    target, into, value = match.groups()
    if unquote(target) != action.parameter("target"):
        yield "action-expression", "its target differs from that of its command"
    pairs = [*references(unquote(into)), *references(value)]
    if len(pairs) < 2:  # noqa: PLR2004 - the field of the target and of the source
        yield "action-expression", f"{expression!r} maps no field"
    for source, name in pairs:
        if source not in workbook.sources or not workbook.sources[source].has(name):
            yield "action-field", f"the field [{source}].[{name}] does not exist"
            continue
        for sheet in workbook.sheets:
            if sheet.name == action.sheet and (source, name) not in sheet.shown_fields:
                yield "action-unseen", f"{action.sheet!r} does not show [{name}]"
        if not _groups(workbook, (source, name)):
            yield "action-group", f"no group is set by a click on [{name}]"


@Rule
def filtered_sheets(workbook: Workbook) -> Iterator[Finding]:
    """Check that a click filters every sheet of its target that is not excluded."""
    for action in workbook.actions:
        if action.command != FILTER:
            continue
        excluded = action.parameter("exclude").split(",")
        on_target = {
            name
            for dashboard in workbook.dashboards
            if dashboard.name == action.parameter("target")
            for name in dashboard.sheets
            if name not in excluded
        }
        for pair in dict.fromkeys(references(unquote(action.expression or ""))):
            groups = _groups(workbook, pair)
            for sheet in workbook.sheets:
                columns = " ".join(each.get("column", "") for each in sheet.filters)
                filtered = {name for _, name in references(columns)}
                if groups and sheet.name in on_target and not groups & filtered:
                    yield Finding("action-filter", sheet.location, "no click filters it")


def _groups(workbook: Workbook, pair: Pair) -> set[str]:
    """Return the groups that a click on the field *pair* sets."""
    source, field = pair
    if source not in workbook.sources:
        return set()
    groups = workbook.sources[source].groups
    return {name for name, group in groups.items() if field in levels(group)}


@action_rule
def declared(workbook: Workbook, action: Action) -> Faults:
    """Check that the fields whose clicked values an action passes on are declared beside it."""
    declared = Dependencies(workbook.root, "actions/").columns
    for pair in references((action.expression or "").partition("~s0=")[2]):
        if pair not in declared:
            yield "action-declared", f"[{pair[1]}] is not declared"
