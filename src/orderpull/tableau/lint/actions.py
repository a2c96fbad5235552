"""Rules for actions: existing sheets at both ends, and a field that both have."""

from collections.abc import Iterator
from urllib.parse import unquote

from orderpull.tableau.lint.workbook import (
    Action,
    Faults,
    Finding,
    Pair,
    Sheet,
    Workbook,
    action_rule,
    levels,
    references,
    unbracketed,
)

FILTER = "tsc:tsl-filter"
COMMANDS = frozenset({FILTER, "tsc:brush"})


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
    before, separator, after = expression.partition("?")
    into, equals, value = after.partition("~s0=")
    if not before.startswith("tsl:") or not separator or not equals:
        yield "action-expression", f"{expression!r} maps no field"
        return
    if unquote(before.removeprefix("tsl:")) != action.parameter("target"):
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
                if groups and sheet.name in on_target and not groups & _filtered(sheet):
                    yield Finding("action-filter", sheet.location, "no click filters it")


def _groups(workbook: Workbook, pair: Pair) -> set[str]:
    """Return the groups that a click on the field *pair* sets."""
    source, field = pair
    if source not in workbook.sources:
        return set()
    groups = workbook.sources[source].groups
    return {name for name, group in groups.items() if field in levels(group)}


def _filtered(sheet: Sheet) -> set[str]:
    return {name for f in sheet.filters for _, name in references(f.get("column", ""))}


def _linked(action: Action) -> list[Pair]:
    """Return the fields whose clicked values the action passes on."""
    return references((action.expression or "").partition("~s0=")[2])


def declared(workbook: Workbook) -> Iterator[Finding]:
    """Check that the fields of actions are declared beside them."""
    declared = {
        (part.get("datasource", ""), unbracketed(column.get("name", "")))
        for part in workbook.root.iterfind("actions/datasource-dependencies")
        for column in part.findall("column")
    }
    for action in workbook.actions:
        for pair in _linked(action):
            if pair not in declared:
                yield Finding("action-declared", action.location, f"[{pair[1]}] is not declared")


RULES = (ends, commands, filtered_sheets, declared)
