"""A worksheet: what it shows, by what it is filtered and sorted, and how, as Tableau's XML."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.datasource import ACTION_GROUP, DataSource
from orderpull.tableau.description import COUNTRY
from orderpull.tableau.shapes import Pill, Sheet, Text
from orderpull.tableau.xml import element, stable_uuid, text

COUNTRY_GROUP = "3"
"""Sheets whose country filter has this number share one choice."""

LINE_BREAK = "\u00c6\n"
"""Tableau writes a line break as a run of its own, with this letter before it."""


def worksheet(sheet: Sheet, source: DataSource) -> ET.Element:
    """The whole ``<worksheet>``."""
    return element(
        "worksheet",
        element("layout-options", element("title", formatted(sheet.title, source))),
        element(
            "table",
            _view(sheet, source),
            _style(sheet, source),
            element("panes", _pane(sheet, source)),
            text("rows", _shelf(sheet.rows, source)),
            text("cols", _shelf(sheet.columns, source)),
        ),
        element("simple-id", uuid=stable_uuid("worksheet", sheet.name)),
        name=sheet.name,
    )


def formatted(content: Text, source: DataSource) -> ET.Element:
    """A text in which fields stand for their values."""
    runs: list[ET.Element] = []
    for run in content:
        if run.content == "\n":
            runs.append(text("run", LINE_BREAK))
            continue
        words = {"fontcolor": run.color, "fontsize": str(run.size)}
        if run.bold:
            words["bold"] = "true"
        pieces = (
            [run.content]
            if isinstance(run.content, str)
            else ["<", source.reference(run.content), ">"]
        )
        for piece in pieces:
            made = ET.Element("run", words)
            made.text = piece
            runs.append(made)
    return element("formatted-text", runs)


def _view(sheet: Sheet, source: DataSource) -> ET.Element:
    filters = list(_filters(sheet, source))
    sliced = [each.attrib["column"] for each in filters]
    return element(
        "view",
        element("datasources", source.link()),
        source.dependencies(sheet.pills),
        filters,
        _sorts(sheet, source),
        element("slices", (text("column", column) for column in sliced)),
        element("aggregation", value="true"),
    )


def _filters(sheet: Sheet, source: DataSource) -> Iterator[ET.Element]:
    """The click's filter, the country filter, then the rank: it is computed of what they leave."""
    yield element(
        "filter",
        _every(f"[{COUNTRY.field}]"),
        class_="categorical",
        column=f"[{source.name}].[{ACTION_GROUP}]",
    )
    yield element(
        "filter",
        _every(f"[{COUNTRY.name}]"),
        class_="categorical",
        column=source.reference(COUNTRY),
        filter_group=COUNTRY_GROUP,
    )
    if sheet.rank:
        yield element(
            "filter",
            text("min", "1"),
            text("max", str(sheet.top)),
            class_="quantitative",
            column=source.reference(sheet.rank),
            included_values="in-range",
        )


def _every(level: str) -> ET.Element:
    return element(
        "groupfilter",
        function="level-members",
        level=level,
        user__ui_enumeration="all",
        user__ui_marker="enumerate",
    )


def _sorts(sheet: Sheet, source: DataSource) -> Iterator[ET.Element]:
    if sheet.sorted_by:
        dimension, measure = sheet.sorted_by
        yield element(
            "computed-sort",
            column=source.reference(dimension),
            direction="DESC",
            using=source.reference(measure),
        )
    if sheet.alphabetic:
        yield element("alphabetic-sort", column=source.reference(sheet.alphabetic), direction="ASC")


def _style(sheet: Sheet, source: DataSource) -> ET.Element:
    """No grid, no axis: the bars carry their numbers."""
    rules = [
        element(
            "style-rule",
            element("format", attr="line-visibility", value="off"),
            element="gridline",
        ),
        element(
            "style-rule",
            element("format", attr="line-visibility", value="off"),
            element="zeroline",
        ),
    ]
    for pill in sheet.columns:
        hidden = element(
            "format",
            attr="display",
            class_="0",
            field=source.reference(pill),
            scope="cols",
            value="false",
        )
        rules.insert(0, element("style-rule", hidden, element="axis"))
    return element("style", rules)


def _pane(sheet: Sheet, source: DataSource) -> ET.Element:
    shown = [
        element("format", attr="mark-labels-show", value="true"),
        element("format", attr="mark-labels-cull", value="false"),
        element("format", attr="mark-color", value=sheet.color),
    ]
    labels = [element("text", column=source.reference(pill)) for pill in sheet.label]
    details = [element("lod", column=source.reference(pill)) for pill in sheet.detail]
    told = formatted(sheet.tooltip, source) if sheet.tooltip else None
    return element(
        "pane",
        element("view", element("breakdown", value="auto")),
        element("mark", class_=sheet.mark),
        element("encodings", labels, details),
        [element("customized-tooltip", told)] if told is not None else [],
        element("customized-label", formatted(sheet.label_text, source)),
        element("style", element("style-rule", shown, element="mark")),
        selection_relaxation_option="selection-relaxation-allow",
    )


def _shelf(pills: tuple[Pill, ...], source: DataSource) -> str:
    """Pills side by side, nested from the right: ``([a] / ([b] / [c]))``."""
    names = [source.reference(pill) for pill in pills]
    if not names:
        return ""
    nested = names.pop()
    while names:
        nested = f"({names.pop()} / {nested})"
    return nested
