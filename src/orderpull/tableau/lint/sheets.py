"""Rules for sheets: each pill is declared, and refers to an existing field."""

import re
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import (
    BUILT_IN,
    REFERENCE,
    Dashboard,
    Faults,
    Sheet,
    Workbook,
    references,
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
DERIVATIONS = {
    "none": "None",
    "sum": "Sum",
    "avg": "Avg",
    "min": "Min",
    "max": "Max",
    "cnt": "Count",
    "ctd": "CountD",
    "usr": "User",
    "attr": "Attribute",
    "med": "Median",
}
KINDS = {"nk": "nominal", "ok": "ordinal", "qk": "quantitative"}

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
def texts(_: Workbook, sheet: Sheet) -> Faults:
    """Check that the fields of texts are declared, and shown if the text belongs to a mark."""
    for run in sheet.element.iter("run"):
        for pair in references(run.text or ""):
            if not sheet.dependencies.has(pair):
                yield "text-field", f"a text contains [{pair[1]}], which is not declared"
    for tag in ("label", "tooltip"):
        for run in sheet.element.iterfind(f"table/panes/pane/customized-{tag}//run"):
            for pair in references(run.text or ""):
                if pair not in sheet.shown:
                    yield "text-hidden", f"its {tag} contains [{pair[1]}], which is not shown"


@sheet_rule
def styles(_: Workbook, sheet: Sheet) -> Faults:
    """Check that styles apply to declared pills."""
    for part in sheet.element.iterfind("table/style//*[@field]"):
        for pair in references(part.get("field", "")):
            if not sheet.dependencies.has(pair):
                yield "style-field", f"a style applies to [{pair[1]}], which is not declared"


@sheet_rule
def sorts(_: Workbook, sheet: Sheet) -> Faults:
    """Check that each sort applies to a shown dimension, by a declared measure."""
    for kind in ("computed-sort", "alphabetic-sort", "manual-sort", "natural-sort"):
        for sort in sheet.element.iterfind(f"table/view/{kind}"):
            for pair in references(sort.get("column", "")):
                if pair not in sheet.shown:
                    yield "sort", f"it sorts [{pair[1]}], which is not shown"
            for pair in references(sort.get("using", "")):
                if not sheet.dependencies.has(pair):
                    yield "sort-by", f"it sorts by [{pair[1]}], which is not declared"


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


RULES = (
    sources, declarations, shelves, marks, texts, styles, sorts, table_calculations,
)  # fmt: skip
