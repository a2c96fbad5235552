"""Rules for sheets: pills of existing fields, shelves, marks, texts, sorts and filters."""

import re
from collections import defaultdict
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.description import DERIVATIONS, KINDS
from orderpull.tableau.lint.workbook import (
    BUILT_IN,
    REFERENCE,
    Dashboard,
    Faults,
    Finding,
    Rule,
    Sheet,
    Workbook,
    levels,
    references,
    repeated,
    sheet_rule,
    unbracketed,
    view_rule,
)

MARKS = frozenset(
    {
        "Automatic", "Bar", "Line", "Area", "Square", "Circle", "Shape", "Text", "Map", "Pie",
        "Gantt", "GanttBar", "Polygon", "Multipolygon", "Density", "Heatmap", "VizExtension",
    }
)  # fmt: skip
FILTER_CLASSES = frozenset({"categorical", "quantitative", "relative-date", "hierarchical"})
MARK_TEXT = "table/panes/pane/customized-"
REFERRING = (
    ("text-field", ".//run", "", "a text contains", "declared"),
    ("text-hidden", f"{MARK_TEXT}label//run", "", "its label contains", "shown"),
    ("text-hidden", f"{MARK_TEXT}tooltip//run", "", "its tooltip contains", "shown"),
    ("style-field", "table/style//*[@field]", "field", "a style applies to", "declared"),
    ("sort", "table/view/computed-sort", "column", "it sorts", "shown"),
    ("sort", "table/view/alphabetic-sort", "column", "it sorts", "shown"),
    ("sort", "table/view/manual-sort", "column", "it sorts", "shown"),
    ("sort", "table/view/natural-sort", "column", "it sorts", "shown"),
    ("sort-by", "table/view/computed-sort", "using", "it sorts by", "declared"),
)
"""Parts of a sheet that refer to pills: kind of the fault, path, attribute ('' for the text), verb,
and what the pills must be."""

_SHELF_SYNTAX = re.compile(r"[\s()/*+]+")


@view_rule
def sources(workbook: Workbook, view: Sheet | Dashboard) -> Faults:
    """Check that each data source of a sheet or dashboard exists."""
    used = {link.get("name", "") for link in view.element.iterfind(".//datasources/datasource")}
    used |= {each.get("datasource", "") for each in view.dependencies.elements}
    for name in sorted(used - set(workbook.sources)):
        yield "source-unknown", f"the data source {name!r} does not exist"
    if not used and isinstance(view, Sheet):
        yield "source-missing", "it uses no data source"


@view_rule
def declarations(workbook: Workbook, view: Sheet | Dashboard) -> Faults:
    """Check that each pill is made of a declared field, and named after it."""
    for (source, name), pill in view.dependencies.instances.items():
        field = unbracketed(pill.get("column", ""))
        if (source, field) not in view.dependencies.columns and field not in BUILT_IN:
            yield "pill-field", f"[{name}] is made of [{field}], which is not declared"
        yield from _pill_name(name, field, pill)
    for (source, name), column in view.dependencies.columns.items():
        yield from _same_field(workbook, source, name, column)


def _pill_name(name: str, field: str, pill: ET.Element) -> Faults:
    derivation, _, rest = name.partition(":")
    middle, _, kind = rest.rpartition(":")
    if derivation not in DERIVATIONS or kind not in KINDS:
        return
    if middle != field or DERIVATIONS[derivation] != pill.get("derivation"):
        yield "pill-name", f"[{name}] is {pill.get('derivation')} of [{field}], unlike its name"
    if KINDS[kind] != pill.get("type"):
        yield "pill-kind", f"[{name}] is {pill.get('type')}, unlike its name"


def _same_field(workbook: Workbook, name: str, field: str, column: ET.Element) -> Faults:
    """Compare a declared field with its data source. A sheet may have its own calculations."""
    source = workbook.sources.get(name)
    if source is None:
        return
    calculation = column.find("calculation")
    if not source.has(field):
        if calculation is None:
            yield "field-unknown", f"the data source has no field [{field}]"
        return
    formula = calculation.get("formula") if calculation is not None else None
    if field in source.formulas and formula != source.formulas[field]:
        yield "formula-differs", f"[{field}] has another formula than in its data source"


@sheet_rule
def shelves(_: Workbook, sheet: Sheet) -> Faults:
    """Check that each shelf can be parsed, and holds declared pills."""
    for shelf, content in sheet.shelves.items():
        for pair in references(content):
            if not sheet.dependencies.has(pair) and pair[1] not in BUILT_IN:
                yield "shelf", f"its {shelf} show [{pair[1]}], which is not declared"
        rest = _SHELF_SYNTAX.sub("", REFERENCE.sub("", content))
        if rest or content.count("(") != content.count(")"):
            yield "shelf-broken", f"its {shelf} cannot be parsed: {content}"
    if not sheet.shown:
        yield "sheet-empty", "it shows nothing"


@sheet_rule
def marks(_: Workbook, sheet: Sheet) -> Faults:
    """Check that each mark is known, aggregated, and made of declared pills."""
    for mark in sheet.element.iterfind("table/panes/pane/mark"):
        if mark.get("class") not in MARKS:
            yield "mark", f"the mark {mark.get('class')!r} is unknown"
    for pair in sheet.encoded:
        if not sheet.dependencies.has(pair) and pair[1] not in BUILT_IN:
            yield "encoding", f"a mark shows [{pair[1]}], which is not declared"
    aggregation = sheet.element.find("table/view/aggregation")
    if aggregation is None or aggregation.get("value") != "true":
        yield "aggregation", "it shows rows, not sums"


@sheet_rule
def parts(_: Workbook, sheet: Sheet) -> Faults:
    """Check that texts, styles and sorts refer to pills that are declared or shown."""
    pills = {
        "declared": {*sheet.dependencies.instances, *sheet.dependencies.columns},
        "shown": sheet.shown,
    }
    for kind, path, attribute, verb, state in REFERRING:
        for part in sheet.element.iterfind(path):
            content = part.get(attribute) if attribute else part.text
            for pair in references(content or ""):
                if pair not in pills[state] and pair[1] not in BUILT_IN:
                    yield kind, f"{verb} [{pair[1]}], which is not {state}"


@sheet_rule
def parameters(workbook: Workbook, sheet: Sheet) -> Faults:
    """Check that the parameters in formulas of the sheet's fields are declared."""
    for column in sheet.dependencies.columns.values():
        calculation = column.find("calculation")
        formula = calculation.get("formula", "") if calculation is not None else ""
        for pair in references(formula):
            if pair in workbook.parameters and not sheet.dependencies.has(pair):
                yield "parameter-declared", f"[{pair[1]}] is used, but not declared"


@sheet_rule
def table_calculations(workbook: Workbook, sheet: Sheet) -> Faults:
    """Check that each table calculation has its direction, along a shown dimension."""
    for (source, name), pill in sheet.dependencies.instances.items():
        field = unbracketed(pill.get("column", ""))
        columns = workbook.sources[source].columns if source in workbook.sources else {}
        if field not in columns:
            continue
        direction = pill.find("table-calc")
        if direction is None and columns[field].find("calculation/table-calc") is not None:
            yield "rank-along", f"[{name}] does not say along which field it is computed"
        ordering = direction.get("ordering-field", "") if direction is not None else ""
        for pair in references(ordering):
            if pair not in sheet.shown | sheet.shown_fields:
                yield "rank-field", f"[{name}] is computed along [{pair[1]}], which is not shown"


@sheet_rule
def columns(workbook: Workbook, sheet: Sheet) -> Faults:
    """Check that each filter has one declared pill or group, which is also a slice."""
    slices = {each.text for each in sheet.element.iterfind("table/view/slices/column")}
    filtered = [each.get("column", "") for each in sheet.filters]
    for each in sheet.filters:
        column = each.get("column", "")
        if each.get("class") not in FILTER_CLASSES:
            yield "filter-class", f"the filter class {each.get('class')!r} is unknown"
        if not _exists(workbook, sheet, column):
            yield "filter-field", f"it is filtered by {column}, which does not exist"
        elif column not in slices:
            yield "slices", f"{column} is filtered, but is not a slice"
    for column in sorted(str(each) for each in slices.difference(filtered)):
        yield "slice-alone", f"{column} is a slice without a filter"
    for twice, count in repeated(filtered):
        yield "filter-twice", f"{twice} has {count} filters"


def _exists(workbook: Workbook, sheet: Sheet, column: str) -> bool:
    pairs = references(column)
    return bool(pairs) and all(
        sheet.dependencies.has((source, name))
        or (source in workbook.sources and name in workbook.sources[source].groups)
        or name == ":Measure Names"
        for source, name in pairs
    )


@sheet_rule
def selections(workbook: Workbook, sheet: Sheet) -> Faults:
    """Check that each filter selects from the field that it filters."""
    for each in sheet.filters:
        for _, name in references(each.get("column", "")):
            groups = (s.groups[name] for s in workbook.sources.values() if name in s.groups)
            group = next(groups, None)
            allowed = {name} | (levels(group) if group is not None else set())
            for level in sorted(levels(each) - allowed):
                yield "filter-level", f"the filter of [{name}] selects from [{level}]"


@sheet_rule
def ranges(_: Workbook, sheet: Sheet) -> Faults:
    """Check that each range has limits, the lower one first."""
    for each in sheet.filters:
        if each.get("class") != "quantitative":
            continue
        low, high = each.findtext("min"), each.findtext("max")
        if low is None and high is None and each.get("included-values") == "in-range":
            yield "range-open", f"the range of {each.get('column')} has no limits"
        if _is_reversed(low, high):
            yield "range", f"{each.get('column')} goes from {low} to {high}"


def _is_reversed(low: str | None, high: str | None) -> bool:
    """Return True if a range of numbers is reversed. Ranges of dates are not checked."""
    try:
        return low is not None and high is not None and float(low) > float(high)
    except ValueError:
        return False


@sheet_rule
def tops(_: Workbook, sheet: Sheet) -> Faults:
    """Check for a Top N filter, which Tableau evaluates before filters outside the context."""
    tops = [f for f in sheet.filters if f.find(".//groupfilter[@function='end']") is not None]
    others = [
        each
        for each in sheet.filters
        if each.get("class") == "categorical" and each.get("context") != "true" and each not in tops
    ]
    message = "a Top N is evaluated before the other filters; use context filters or a rank"
    if others:
        yield from (("top-before-filter", message) for _top in tops)


@Rule
def shared(workbook: Workbook) -> Iterator[Finding]:
    """Check that a shared filter of a dashboard is shared by all its sheets."""
    for dashboard in workbook.dashboards:
        sheets = [sheet for sheet in workbook.sheets if sheet.name in dashboard.sheets]
        groups: dict[str, dict[str, str]] = defaultdict(dict)
        for sheet in sheets:
            for each in sheet.filters:
                if number := each.get("filter-group"):
                    groups[each.get("column", "")][sheet.name] = number
        for column, numbers in groups.items():
            for sheet in sheets:
                if sheet.name not in numbers:
                    message = f"{column} filters other sheets of {dashboard.name!r}, not this one"
                    yield Finding("filter-missing", sheet.location, message)
            if len(set(numbers.values())) > 1:
                message = f"the filter {column} of its sheets is in different groups"
                yield Finding("filter-groups", dashboard.location, message)
