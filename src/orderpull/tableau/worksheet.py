"""Worksheet in Tableau's XML: shelves, marks, filters, sorts and style."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.datasource import (
    ACTION_GROUP,
    PARAMETERS,
    DataSource,
    chosen_member,
    parameter_dependencies,
)
from orderpull.tableau.description import (
    COUNTRY,
    OF_CURRENCY,
    ORDERED,
    PIECES,
    Parameter,
    Pill,
    Sheet,
    Text,
)
from orderpull.tableau.xml import element, stable_uuid, style_format, text

COUNTRY_GROUP, ORDERED_GROUP = "3", "4"
"""Filter groups of the filters by country and date, so that all sheets share one selection."""

LINE_BREAK = "\u00c6\n"
"""Run with a line break, in Tableau's spelling."""


def worksheet(sheet: Sheet, source: DataSource) -> ET.Element:
    """Return the ``<worksheet>``."""
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
    """Return a formatted text. The placeholder of a value is one run: ``<[source].[pill]>``."""
    runs: list[ET.Element] = []
    for run in content:
        if run.content == "\n":
            runs.append(text("run", LINE_BREAK))
            continue
        attributes = {"fontcolor": run.color, "fontsize": str(run.size)}
        if run.bold:
            attributes["bold"] = "true"
        runs.append(text("run", _run(run.content, source), **attributes))
    return element("formatted-text", runs)


def _run(content: str | Pill | Parameter, source: DataSource) -> str:
    if isinstance(content, str):
        return content
    return f"<{content.reference if isinstance(content, Parameter) else source.reference(content)}>"


def _view(sheet: Sheet, source: DataSource) -> ET.Element:
    filters = list(_filters(sheet, source))
    return element(
        "view",
        element("datasources", source.link(), element("datasource", name=PARAMETERS)),
        parameter_dependencies(),
        source.dependencies(sheet.pills),
        filters,
        _sorts(sheet, source),
        element("slices", (text("column", each.attrib["column"]) for each in filters)),
        element("aggregation", value="true"),
    )


def _filters(sheet: Sheet, source: DataSource) -> Iterator[ET.Element]:
    """Yield the filters of click, country, date, pieces, currency, and of the computed ranks."""
    yield element(
        "filter",
        _all_members(f"[{COUNTRY.field}]"),
        class_="categorical",
        column=f"[{source.name}].[{ACTION_GROUP}]",
    )
    yield element(
        "filter",
        _all_members(f"[{COUNTRY.name}]"),
        class_="categorical",
        column=source.reference(COUNTRY),
        filter_group=COUNTRY_GROUP,
    )
    yield element(
        "filter",
        class_="quantitative",
        column=source.reference(ORDERED),
        filter_group=ORDERED_GROUP,
        included_values="all",
    )
    if sheet.rank:
        yield _range(source.reference(PIECES), text("min", "1"))
        yield _range(source.reference(sheet.rank), text("min", "1"), text("max", str(sheet.top)))
    for condition in (OF_CURRENCY, sheet.only):
        if condition:
            yield element(
                "filter",
                chosen_member(f"[{condition.name}]", "true"),
                class_="categorical",
                column=source.reference(condition),
            )


def _range(column: str, *limits: ET.Element) -> ET.Element:
    return element(
        "filter", limits, class_="quantitative", column=column, included_values="in-range"
    )


def _all_members(level: str) -> ET.Element:
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
    """Hide grid and axis, because the bars have labels."""
    rules = [
        element("style-rule", style_format("line-visibility", "off"), element=line)
        for line in ("gridline", "zeroline")
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
    formats = [
        style_format("mark-labels-show", "true"),
        style_format("mark-labels-cull", "false"),
        style_format("mark-color", sheet.color),
    ]
    labels = [element("text", column=source.reference(pill)) for pill in sheet.label]
    details = [element("lod", column=source.reference(pill)) for pill in sheet.detail]
    tooltip = [formatted(sheet.tooltip, source)] if sheet.tooltip else []
    return element(
        "pane",
        element("view", element("breakdown", value="auto")),
        element("mark", class_=sheet.mark),
        element("encodings", labels, details),
        (element("customized-tooltip", content) for content in tooltip),
        element("customized-label", formatted(sheet.label_text, source)),
        element("style", element("style-rule", formats, element="mark")),
        selection_relaxation_option="selection-relaxation-allow",
    )


def _shelf(pills: tuple[Pill, ...], source: DataSource) -> str:
    """Return the pills of a shelf, nested from the right: ``([a] / ([b] / [c]))``."""
    names = [source.reference(pill) for pill in pills]
    if not names:
        return ""
    nested = names.pop()
    while names:
        nested = f"({names.pop()} / {nested})"
    return nested
