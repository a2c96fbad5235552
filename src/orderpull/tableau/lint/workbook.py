"""A workbook as the rules read it: its data sources, sheets and dashboards by name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree as ET

REFERENCE = re.compile(r"\[([^\[\]]+)\]\.\[([^\[\]]+)\]")
"""A field of a data source, as shelves, filters and texts name it."""

BUILT_IN = frozenset({":Measure Names", "Multiple Values", "Number of Records", ":Measure Values"})
"""Fields that every data source has."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    :param kind: a word for its kind. :param place: where. :param sentence: what.
    """

    kind: str
    place: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence} ({self.kind})"


def plain(name: str) -> str:
    """A name without its brackets."""
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


class Source:
    """A data source."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.place = f"data source {element.get('caption') or self.name!r}"

    @cached_property
    def connection(self) -> ET.Element | None:
        """Its ``<connection>``; parameters have none."""
        return self.element.find("connection")

    @cached_property
    def relations(self) -> dict[str, ET.Element]:
        """The tables and queries by name."""
        outer = self._plainly("connection", "relation")
        found = outer.iter("relation") if outer is not None else ()
        return {each.get("name", ""): each for each in found if each.get("name")}

    @cached_property
    def graph(self) -> ET.Element | None:
        """The object graph: which tables there are, and how they are related."""
        return self._plainly("", "object-graph")

    def _plainly(self, path: str, tag: str) -> ET.Element | None:
        """A part that older versions of Tableau write under a longer name, too."""
        inside = self.element.find(path) if path else self.element
        parts = () if inside is None else inside
        return next((part for part in parts if part.tag.rpartition("...")[2] == tag), None)

    @cached_property
    def records(self) -> list[ET.Element]:
        """What is remembered of each column."""
        return self.element.findall("connection/metadata-records/metadata-record[@class='column']")

    @cached_property
    def types(self) -> dict[str, str]:
        """Each stored column's type, by its name here."""
        return {
            plain(record.findtext("local-name", "")): record.findtext("local-type", "")
            for record in self.records
        }

    @cached_property
    def columns(self) -> dict[str, ET.Element]:
        """The declared fields by name."""
        return {plain(column.get("name", "")): column for column in self.element.findall("column")}

    @cached_property
    def groups(self) -> dict[str, ET.Element]:
        """The groups and sets by name; what an action sets is one of them."""
        return {plain(group.get("name", "")): group for group in self.element.findall("group")}

    @cached_property
    def formulas(self) -> dict[str, str]:
        """The calculated fields' formulas by name."""
        found = {}
        for name, column in self.columns.items():
            calculation = column.find("calculation[@class='tableau']")
            if calculation is not None:
                found[name] = calculation.get("formula", "")
        return found

    @cached_property
    def objects(self) -> dict[str, ET.Element]:
        """The tables of the object graph by their id."""
        found = self.graph.iterfind("objects/object") if self.graph is not None else ()
        return {each.get("id", ""): each for each in found}

    @cached_property
    def relationships(self) -> list[ET.Element]:
        """How the tables of the object graph are related."""
        return self.graph.findall("relationships/relationship") if self.graph is not None else []

    def has(self, name: str) -> bool:
        """Whether there is a field of this name."""
        return name in self.columns or name in self.types or name in self.groups or name in BUILT_IN


class Declared:
    """The fields that a sheet or a dashboard declares."""

    def __init__(self, element: ET.Element, path: str) -> None:
        self.dependencies = element.findall(f"{path}datasource-dependencies")
        self.columns: dict[tuple[str, str], ET.Element] = {}
        self.instances: dict[tuple[str, str], ET.Element] = {}
        for each in self.dependencies:
            source = each.get("datasource", "")
            for column in each.findall("column"):
                self.columns[source, plain(column.get("name", ""))] = column
            for instance in each.findall("column-instance"):
                self.instances[source, plain(instance.get("name", ""))] = instance

    def has(self, source: str, name: str) -> bool:
        """Whether a pill, or a field as it is, is declared."""
        return (source, name) in self.instances or (source, name) in self.columns


class Sheet:
    """A worksheet."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.place = f"sheet {self.name!r}"
        self.declared = Declared(element, "table/view/")

    @cached_property
    def filters(self) -> list[ET.Element]:
        """Its filters."""
        return self.element.findall("table/view/filter")

    @cached_property
    def shelves(self) -> dict[str, str]:
        """What its rows and columns say."""
        return {name: self.element.findtext(f"table/{name}") or "" for name in ("rows", "cols")}

    @cached_property
    def encoded(self) -> list[tuple[str, str]]:
        """What its marks' labels, colours and details are made of."""
        found = self.element.iterfind("table/panes/pane/encodings/*")
        return [pair for each in found for pair in references(each.get("column", ""))]

    @cached_property
    def shown(self) -> set[tuple[str, str]]:
        """Every pill on a shelf or a mark."""
        on_shelves = {pair for shelf in self.shelves.values() for pair in references(shelf)}
        return on_shelves | set(self.encoded)


class Board:
    """A dashboard."""

    def __init__(self, element: ET.Element) -> None:
        self.element = element
        self.name = element.get("name", "")
        self.place = f"dashboard {self.name!r}"
        self.declared = Declared(element, "")

    @cached_property
    def zones(self) -> list[ET.Element]:
        """All its places, from the outermost in."""
        return list(self.element.iterfind("zones//zone"))

    @cached_property
    def sheets(self) -> list[str]:
        """The sheets that stand on it."""
        return [z.get("name", "") for z in self.zones if z.get("name") and not z.get("type-v2")]


class Book:
    """A workbook. :param files: what lies beside it in its package; None: it is in none."""

    def __init__(self, root: ET.Element, files: frozenset[str] | None) -> None:
        self.root = root
        self.files = files
        self.sources = {
            source.name: source for source in map(Source, root.iterfind("datasources/datasource"))
        }
        self.sheets = [Sheet(each) for each in root.iterfind("worksheets/worksheet")]
        self.boards = [Board(each) for each in root.iterfind("dashboards/dashboard")]

    @property
    def users(self) -> list[Sheet | Board]:
        """All that use data sources."""
        return [*self.sheets, *self.boards]

    @property
    def stored(self) -> Iterator[Source]:
        """The data sources that have a connection; parameters have none."""
        return (source for source in self.sources.values() if source.connection is not None)


def references(text: str) -> list[tuple[str, str]]:
    """(data source, field) for each field that *text* names."""
    return REFERENCE.findall(text)
