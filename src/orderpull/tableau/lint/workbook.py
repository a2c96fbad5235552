"""Model of a workbook for the rules: data sources, sheets, dashboards and actions."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Protocol, TypeVar
from xml.etree import ElementTree as ET

REFERENCE = re.compile(r"\[([^\[\]]+)\]\.\[([^\[\]]+)\]")
"""Reference to a field of a data source, in shelves, filters and texts."""

BUILT_IN = frozenset({":Measure Names", "Multiple Values", "Number of Records", ":Measure Values"})
"""Fields of every data source."""

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


class DataSource:
    """A data source."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.location = f"data source {element.get('caption') or self.name!r}"

    @cached_property
    def connection(self) -> ET.Element | None:
        """Its ``<connection>``; None for the parameters."""
        return self.element.find("connection")

    @cached_property
    def named_connections(self) -> list[ET.Element]:
        """Its ``<named-connection>`` elements."""
        return self.element.findall("connection/named-connections/named-connection")

    @cached_property
    def relations(self) -> dict[str, ET.Element]:
        """Tables and queries by name."""
        outer = self._child("connection", "relation")
        inner = outer.iter("relation") if outer is not None else ()
        return {each.get("name", ""): each for each in inner if each.get("name")}

    @cached_property
    def graph(self) -> ET.Element | None:
        """Object graph: the tables and their relationships."""
        return self._child(".", "object-graph")

    def _child(self, path: str, tag: str) -> ET.Element | None:
        """Return the child *tag*, which older versions of Tableau prefix with ``...``."""
        parent = self.element.find(path)
        children = () if parent is None else parent
        return next((each for each in children if each.tag.rpartition("...")[2] == tag), None)

    @cached_property
    def records(self) -> list[ET.Element]:
        """Metadata record of each column."""
        return self.element.findall("connection/metadata-records/metadata-record[@class='column']")

    def metadata(self, tag: str) -> dict[str, str]:
        """Return the text of *tag* in the metadata of each stored column, by the field's name."""
        return {
            unbracketed(each.findtext("local-name", "")): each.findtext(tag, "")
            for each in self.records
        }

    @cached_property
    def types(self) -> dict[str, str]:
        """Data types of the stored columns by field name."""
        return self.metadata("local-type")

    @cached_property
    def columns(self) -> dict[str, ET.Element]:
        """Declared fields by name."""
        return {
            unbracketed(column.get("name", "")): column for column in self.element.findall("column")
        }

    @cached_property
    def groups(self) -> dict[str, ET.Element]:
        """Groups and sets by name, including those that actions set."""
        return {unbracketed(each.get("name", "")): each for each in self.element.findall("group")}

    @cached_property
    def formulas(self) -> dict[str, str]:
        """Formulas of the calculated fields by field name."""
        calculations = {
            name: column.find("calculation[@class='tableau']")
            for name, column in self.columns.items()
        }
        return {
            name: calculation.get("formula", "")
            for name, calculation in calculations.items()
            if calculation is not None
        }

    @cached_property
    def objects(self) -> dict[str, ET.Element]:
        """Tables of the object graph by id."""
        objects = self.graph.iterfind("objects/object") if self.graph is not None else ()
        return {each.get("id", ""): each for each in objects}

    @cached_property
    def relationships(self) -> list[ET.Element]:
        """Relationships of the object graph."""
        return self.graph.findall("relationships/relationship") if self.graph is not None else []

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


class Sheet:
    """A worksheet."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.location = f"sheet {self.name!r}"
        self.dependencies = Dependencies(element, "table/view/")

    @cached_property
    def filters(self) -> list[ET.Element]:
        """Its filters."""
        return self.element.findall("table/view/filter")

    @cached_property
    def shelves(self) -> dict[str, str]:
        """Text of its rows shelf and of its columns shelf."""
        return {name: self.element.findtext(f"table/{name}") or "" for name in ("rows", "cols")}

    @cached_property
    def encoded(self) -> list[Pair]:
        """Pills of its marks: labels, colors and details."""
        encodings = self.element.iterfind("table/panes/pane/encodings/*")
        return [pair for each in encodings for pair in references(each.get("column", ""))]

    @cached_property
    def shown(self) -> set[Pair]:
        """Pills on shelves and marks."""
        on_shelves = {pair for shelf in self.shelves.values() for pair in references(shelf)}
        return on_shelves | set(self.encoded)

    @cached_property
    def shown_fields(self) -> set[Pair]:
        """Fields of the pills on shelves and marks."""
        instances = self.dependencies.instances
        return {
            (source, unbracketed(instances[source, pill].get("column", "")))
            for source, pill in self.shown
            if (source, pill) in instances
        }


class Dashboard:
    """A dashboard."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.location = f"dashboard {self.name!r}"
        self.dependencies = Dependencies(element, "")

    @cached_property
    def zones(self) -> list[ET.Element]:
        """All its zones, from the outermost in."""
        return list(self.element.iterfind("zones//zone"))

    @cached_property
    def sheets(self) -> list[str]:
        """Names of its sheets."""
        return [z.get("name", "") for z in self.zones if z.get("name") and not z.get("type-v2")]


class Action:
    """An action, usually a click."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.location = f"action {element.get('caption') or element.get('name')!r}"
        command = element.find("command")
        self.command = command.get("command") if command is not None else None
        link, source = element.find("link"), element.find("source")
        self.expression = link.get("expression", "") if link is not None else None
        self.dashboard = source.get("dashboard") if source is not None else None
        self.sheet = source.get("worksheet") if source is not None else None

    def parameter(self, name: str) -> str:
        """Return a parameter of its command; '' if it is missing."""
        parameter = self.element.find(f"command/param[@name='{name}']")
        return parameter.get("value", "") if parameter is not None else ""


class Workbook:
    """A workbook.

    :param files: names of the other files of its package; None without a package.
    """

    def __init__(self, root: ET.Element, files: frozenset[str] | None) -> None:
        self.root = root
        self.files = files
        self.sources = {
            source.name: source
            for source in map(DataSource, root.iterfind("datasources/datasource"))
        }
        self.sheets = [Sheet(each) for each in root.iterfind("worksheets/worksheet")]
        self.dashboards = [Dashboard(each) for each in root.iterfind("dashboards/dashboard")]
        self.actions = [Action(each) for each in root.iterfind("actions/action")]

    @property
    def views(self) -> list[Sheet | Dashboard]:
        """Sheets and dashboards."""
        return [*self.sheets, *self.dashboards]

    @property
    def connected_sources(self) -> list[DataSource]:
        """Data sources with a connection, without the parameters."""
        return [source for source in self.sources.values() if source.connection is not None]


class _Part(Protocol):
    @property
    def location(self) -> str: ...


P = TypeVar("P", bound=_Part)
Faults = Iterator[tuple[str, str]]
"""Kind and message of each fault of a part."""

Rule = Callable[[Workbook], Iterator[Finding]]


def rule_for(
    parts: Callable[[Workbook], Iterable[P]],
) -> Callable[[Callable[[Workbook, P], Faults]], Rule]:
    """Return a decorator that applies a rule to each of the *parts* of a workbook."""

    def decorate(rule: Callable[[Workbook, P], Faults]) -> Rule:
        @wraps(rule)
        def apply(workbook: Workbook) -> Iterator[Finding]:
            for part in parts(workbook):
                for kind, message in rule(workbook, part):
                    yield Finding(kind, part.location, message)

        return apply

    return decorate


source_rule = rule_for(lambda workbook: workbook.connected_sources)
sheet_rule = rule_for(lambda workbook: workbook.sheets)
dashboard_rule = rule_for(lambda workbook: workbook.dashboards)
view_rule = rule_for(lambda workbook: workbook.views)
action_rule = rule_for(lambda workbook: workbook.actions)
