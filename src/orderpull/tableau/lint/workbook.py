"""Model of a workbook for the rules: data sources, sheets, dashboards and actions."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from xml.etree import ElementTree as ET

REFERENCE = re.compile(r"\[([^\[\]]+)\]\.\[([^\[\]]+)\]")
"""Reference to a field of a data source, in shelves, filters and texts."""

BUILT_IN = frozenset(
    {
        ":Measure Names", "Multiple Values", "Number of Records", ":Measure Values",
        "Latitude (generated)", "Longitude (generated)",
    }
)  # fmt: skip
"""Fields that Tableau adds to every data source, the last two for maps."""

Pair = tuple[str, str]
"""Name of a data source and name of a field or pill in it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of a workbook.

    :param kind: code of the fault.
    :param location: the sheet, data source or other part.
    :param message: what is wrong.
    """

    kind: str
    location: str
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message} ({self.kind})"


def unbracketed(name: str) -> str:
    """Return *name* without its brackets."""
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def references(text: str) -> list[Pair]:
    """Return the fields that *text* references."""
    return REFERENCE.findall(text)


def levels(group: ET.Element) -> set[str]:
    """Return the fields that the ``<groupfilter>`` elements of a group or filter select from."""
    parts = group.iter("groupfilter")
    return {unbracketed(level) for part in parts if (level := part.get("level"))}


def repeated(names: Iterable[str | None]) -> list[tuple[str | None, int]]:
    """Return the *names* that occur more than once, with their number."""
    return [(name, count) for name, count in Counter(names).items() if count > 1]


def by_name(elements: Iterable[ET.Element]) -> dict[str, ET.Element]:
    """Return *elements* by name, without brackets."""
    return {unbracketed(each.get("name", "")): each for each in elements}


class Part:
    """A part of a workbook that findings name as their location."""

    kind = ""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.location = f"{self.kind} {element.get('caption') or self.name!r}"


class DataSource(Part):
    """A data source.

    :ivar connection: its ``<connection>``; None for the parameters.
    :ivar named_connections: its ``<named-connection>`` elements.
    :ivar relations: tables and queries by name.
    :ivar graph: object graph: the tables and their relationships.
    :ivar objects: tables of the object graph by id.
    :ivar relationships: relationships of the object graph.
    :ivar maps: mapping of each stored column to a field.
    :ivar records: metadata record of each stored column.
    :ivar types: data types of the stored columns by field name.
    :ivar columns: declared fields by name.
    :ivar groups: groups and sets by name, including those that actions set.
    :ivar formulas: formulas of the calculated fields by field name.
    """

    kind = "data source"

    def __init__(self, element: ET.Element) -> None:
        super().__init__(element)
        self.connection = element.find("connection")
        self.named_connections = element.findall("connection/named-connections/named-connection")
        outer = self._child("connection", "relation")
        inner = outer.iter("relation") if outer is not None else ()
        self.relations = {each.get("name", ""): each for each in inner if each.get("name")}
        self.graph = self._child(".", "object-graph")
        graph = self.graph if self.graph is not None else ET.Element("object-graph")
        self.objects = {each.get("id", ""): each for each in graph.iterfind("objects/object")}
        self.relationships = graph.findall("relationships/relationship")
        self.maps = element.findall("connection/cols/map")
        self.records = element.findall(
            "connection/metadata-records/metadata-record[@class='column']"
        )
        self.types = self.metadata("local-type")
        self.columns = by_name(element.findall("column"))
        self.groups = by_name(element.findall("group"))
        self.formulas = {
            name: calculation.get("formula", "")
            for name, column in self.columns.items()
            for calculation in column.findall("calculation[@class='tableau']")[:1]
        }

    def _child(self, path: str, tag: str) -> ET.Element | None:
        """Return the child *tag*, which older versions of Tableau prefix with ``...``."""
        children = self.element.iterfind(f"{path}/*")
        return next((each for each in children if each.tag.rpartition("...")[2] == tag), None)

    def metadata(self, tag: str) -> dict[str, str]:
        """Return the text of *tag* in the metadata of each stored column, by the field's name."""
        return {
            unbracketed(each.findtext("local-name", "")): each.findtext(tag, "")
            for each in self.records
        }

    def has(self, name: str) -> bool:
        """Return True if a field has this name."""
        return name in self.columns or name in self.types or name in self.groups or name in BUILT_IN


class Dependencies:
    """Fields that a sheet or dashboard declares."""

    def __init__(self, element: ET.Element, path: str) -> None:
        self.elements = element.findall(f"{path}datasource-dependencies")
        self.columns = self._by_name("column")
        self.instances = self._by_name("column-instance")

    def _by_name(self, tag: str) -> dict[Pair, ET.Element]:
        return {
            (each.get("datasource", ""), unbracketed(child.get("name", ""))): child
            for each in self.elements
            for child in each.findall(tag)
        }

    def has(self, pair: Pair) -> bool:
        """Return True if the pill or field is declared."""
        return pair in self.instances or pair in self.columns


class Sheet(Part):
    """A worksheet.

    :ivar filters: its filters.
    :ivar shelves: text of its rows shelf and of its columns shelf.
    :ivar encoded: pills of its marks: labels, colors and details.
    :ivar shown: pills on shelves and marks.
    :ivar shown_fields: fields of the pills on shelves and marks.
    """

    kind = "sheet"

    def __init__(self, element: ET.Element) -> None:
        super().__init__(element)
        self.dependencies = Dependencies(element, "table/view/")
        self.filters = element.findall("table/view/filter")
        self.shelves = {name: element.findtext(f"table/{name}") or "" for name in ("rows", "cols")}
        encodings = element.iterfind("table/panes/pane/encodings/*")
        self.encoded = [pair for each in encodings for pair in references(each.get("column", ""))]
        self.shown = {*references(" ".join(self.shelves.values())), *self.encoded}
        instances = self.dependencies.instances
        self.shown_fields = {
            (source, unbracketed(instances[source, pill].get("column", "")))
            for source, pill in self.shown
            if (source, pill) in instances
        }


class Dashboard(Part):
    """A dashboard.

    :ivar zones: all its zones, from the outermost in.
    :ivar sheets: names of its sheets.
    """

    kind = "dashboard"

    def __init__(self, element: ET.Element) -> None:
        super().__init__(element)
        self.dependencies = Dependencies(element, "")
        self.zones = list(element.iterfind("zones//zone"))
        named = [zone for zone in self.zones if not zone.get("type-v2")]
        self.sheets = [name for zone in named if (name := zone.get("name"))]


class Action(Part):
    """An action, usually a click.

    :ivar expression: the mapping of its fields, or the URL that it opens.
    """

    kind = "action"

    def __init__(self, element: ET.Element) -> None:
        super().__init__(element)
        self.command = self._attribute("command", "command")
        self.expression = self._attribute("link", "expression", "")
        self.dashboard = self._attribute("source", "dashboard")
        self.sheet = self._attribute("source", "worksheet")

    def _attribute(self, tag: str, name: str, default: str | None = None) -> str | None:
        """Return an attribute of a child; None if there is no such child."""
        child = self.element.find(tag)
        return child.get(name, default) if child is not None else None

    def parameter(self, name: str) -> str:
        """Return a parameter of its command; '' if it is missing."""
        parameter = self.element.find(f"command/param[@name='{name}']")
        return parameter.get("value", "") if parameter is not None else ""


class Workbook:
    """A workbook.

    :param files: names of the other files of its package; None without a package.
    :ivar parameters: declarations of its parameters by reference.
    """

    def __init__(self, root: ET.Element, files: frozenset[str] | None) -> None:
        self.root = root
        self.files = files
        sources = map(DataSource, root.iterfind("datasources/datasource"))
        self.sources = {source.name: source for source in sources}
        self.parameters = {
            (source.name, name): column
            for source in self.sources.values()
            if source.connection is None
            for name, column in source.columns.items()
        }
        self.sheets = [Sheet(each) for each in root.iterfind("worksheets/worksheet")]
        self.dashboards = [Dashboard(each) for each in root.iterfind("dashboards/dashboard")]
        self.actions = [Action(each) for each in root.iterfind("actions/action")]
        self.windows = root.findall("windows/window")
        self.views: list[Sheet | Dashboard] = [*self.sheets, *self.dashboards]


P = TypeVar("P", bound=Part)
Faults = Iterator[tuple[str, str]]
"""Kind and message of each fault of a part."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A check of a workbook."""

    findings: Callable[[Workbook], Iterator[Finding]]


def rule_for(
    parts: Callable[[Workbook], Iterable[P]],
) -> Callable[[Callable[[Workbook, P], Faults]], Rule]:
    """Return a decorator that makes a rule of a check of each of the *parts* of a workbook."""

    def decorate(check: Callable[[Workbook, P], Faults]) -> Rule:
        def findings(workbook: Workbook) -> Iterator[Finding]:
            for part in parts(workbook):
                for kind, message in check(workbook, part):
                    yield Finding(kind, part.location, message)

        return Rule(findings)

    return decorate


source_rule = rule_for(
    lambda workbook: [s for s in workbook.sources.values() if s.connection is not None]
)
sheet_rule = rule_for(lambda workbook: workbook.sheets)
dashboard_rule = rule_for(lambda workbook: workbook.dashboards)
view_rule = rule_for(lambda workbook: workbook.views)
action_rule = rule_for(lambda workbook: workbook.actions)
