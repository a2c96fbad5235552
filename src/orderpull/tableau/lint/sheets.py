"""Sheets: every pill that one uses is declared there, and made of a field that is there."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import BUILT_IN, Book, Finding, Sheet, plain, references

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

_SHELF = re.compile(r"[\s()/*+]+")


def sources(book: Book) -> Iterator[Finding]:
    """Each data source that a sheet or dashboard uses is there."""
    for each in book.users:
        links = each.element.iterfind(".//datasources/datasource")
        used = {link.get("name", "") for link in links}
        used |= {part.get("datasource", "") for part in each.declared.dependencies}
        for name in sorted(used - set(book.sources)):
            yield Finding("source-unknown", each.place, f"there is no data source {name!r}")
        if not used and each in book.sheets:
            yield Finding("source-missing", each.place, "it uses no data source")


def declarations(book: Book) -> Iterator[Finding]:
    """Each declared pill is made of a declared field, and its name says how."""
    for each in book.users:
        for (source, name), pill in each.declared.instances.items():
            field = plain(pill.get("column", ""))
            if (source, field) not in each.declared.columns and field not in BUILT_IN:
                sentence = f"[{name}] is made of [{field}], which is not declared"
                yield Finding("pill-field", each.place, sentence)
            yield from _named(each.place, name, field, pill)
        for (source, name), column in each.declared.columns.items():
            yield from _same(book, each.place, source, name, column)


def _named(place: str, name: str, field: str, pill: ET.Element) -> Iterator[Finding]:
    first, _, rest = name.partition(":")
    middle, _, last = rest.rpartition(":")
    if first not in DERIVATIONS or last not in KINDS:
        return  # a pill of a kind that is not known here
    if middle != field or DERIVATIONS[first] != pill.get("derivation"):
        sentence = f"[{name}] is {pill.get('derivation')} of [{field}], and not what it says"
        yield Finding("pill-name", place, sentence)
    if KINDS[last] != pill.get("type"):
        yield Finding("pill-kind", place, f"[{name}] is {pill.get('type')}")


def _same(book: Book, place: str, source: str, name: str, column: ET.Element) -> Iterator[Finding]:
    if source not in book.sources:
        return
    known = book.sources[source]
    calculation = column.find("calculation")
    if not known.has(name):
        if calculation is None:  # a sheet may have calculations of its own
            yield Finding("field-unknown", place, f"the data source has no field [{name}]")
        return
    formula = calculation.get("formula") if calculation is not None else None
    if name in known.formulas and formula != known.formulas[name]:
        yield Finding("formula-differs", place, f"[{name}] is not calculated as in its data source")


def shelves(book: Book) -> Iterator[Finding]:
    """Each pill on a shelf is declared, and the shelf holds nothing else."""
    for sheet in book.sheets:
        for shelf, said in sheet.shelves.items():
            for source, name in references(said):
                if not sheet.declared.has(source, name) and name not in BUILT_IN:
                    sentence = f"its {shelf} show [{name}], which is not declared"
                    yield Finding("shelf", sheet.place, sentence)
            rest = _SHELF.sub("", re.sub(r"\[[^\[\]]+\]\.\[[^\[\]]+\]", "", said))
            if rest or said.count("(") != said.count(")"):
                yield Finding("shelf-broken", sheet.place, f"its {shelf} cannot be read: {said}")
        if not sheet.shown:
            yield Finding("sheet-empty", sheet.place, "it shows nothing")


def marks(book: Book) -> Iterator[Finding]:
    """Each mark is one that there is, and made of declared pills."""
    for sheet in book.sheets:
        for mark in sheet.element.iterfind("table/panes/pane/mark"):
            if mark.get("class") not in MARKS:
                yield Finding("mark", sheet.place, f"there is no mark {mark.get('class')!r}")
        for source, name in sheet.encoded:
            if not sheet.declared.has(source, name) and name not in BUILT_IN:
                yield Finding("encoding", sheet.place, f"a mark shows [{name}], not declared")
        summed = sheet.element.find("table/view/aggregation")
        if summed is None or summed.get("value") != "true":
            yield Finding("aggregation", sheet.place, "it shows rows, not sums")


def texts(book: Book) -> Iterator[Finding]:
    """Each field in a title, a label or a tooltip is declared; in the two latter it is shown."""
    for sheet in book.sheets:
        for run in sheet.element.iter("run"):
            for source, name in references(run.text or ""):
                if not sheet.declared.has(source, name):
                    yield Finding("text-field", sheet.place, f"a text tells [{name}], not declared")
        for tag in ("customized-label", "customized-tooltip"):
            for run in sheet.element.iterfind(f"table/panes/pane/{tag}//run"):
                for pair in references(run.text or ""):
                    if pair not in sheet.shown:
                        sentence = f"its {tag.partition('-')[2]} tells [{pair[1]}], not shown"
                        yield Finding("text-hidden", sheet.place, sentence)


def styles(book: Book) -> Iterator[Finding]:
    """Each style is of a declared pill."""
    for sheet in book.sheets:
        for part in sheet.element.iterfind("table/style//*[@field]"):
            for source, name in references(part.get("field", "")):
                if not sheet.declared.has(source, name):
                    yield Finding(
                        "style-field", sheet.place, f"a style is of [{name}], not declared"
                    )


def sorts(book: Book) -> Iterator[Finding]:
    """Each sort is of a dimension that is shown, by a declared measure."""
    for sheet in book.sheets:
        for kind in ("computed-sort", "alphabetic-sort", "manual-sort", "natural-sort"):
            for sort in sheet.element.iterfind(f"table/view/{kind}"):
                for pair in references(sort.get("column", "")):
                    if pair not in sheet.shown:
                        sentence = f"it sorts [{pair[1]}], which it does not show"
                        yield Finding("sort", sheet.place, sentence)
                for source, name in references(sort.get("using", "")):
                    if not sheet.declared.has(source, name):
                        yield Finding("sort-by", sheet.place, f"it sorts by [{name}], not declared")


def table_calculations(book: Book) -> Iterator[Finding]:
    """Each table calculation says along which of the shown dimensions it runs."""
    for sheet in book.sheets:
        for (source, name), pill in sheet.declared.instances.items():
            known = book.sources.get(source)
            field = plain(pill.get("column", ""))
            if known is None or field not in known.columns:
                continue
            runs = known.columns[field].find("calculation/table-calc") is not None
            along = pill.find("table-calc")
            if runs and along is None:
                yield Finding(
                    "rank-along", sheet.place, f"[{name}] does not say along what it runs"
                )
            elif along is not None:
                yield from _along(sheet, name, along)


def _along(sheet: Sheet, name: str, along: ET.Element) -> Iterator[Finding]:
    shown = {
        (source, plain(sheet.declared.instances[source, pill].get("column", "")))
        for source, pill in sheet.shown
        if (source, pill) in sheet.declared.instances
    }
    for pair in references(along.get("ordering-field", "")):
        if pair not in shown and pair not in sheet.shown:
            sentence = f"[{name}] runs along [{pair[1]}], which is not shown"
            yield Finding("rank-field", sheet.place, sentence)


RULES = (
    sources, declarations, shelves, marks, texts, styles, sorts, table_calculations,
)  # fmt: skip
