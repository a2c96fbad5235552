"""Rules for the object graph: the tables and their relationships."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.fields import COUNTED, KEY, TABLES
from orderpull.tableau.lint.workbook import DataSource, Faults, Workbook, source_rule, unbracketed


@source_rule
def objects(_: Workbook, source: DataSource) -> Faults:
    """Check that each table is in the object graph, equal to the one in the connection."""
    if source.graph is None:
        return
    seen = set()
    for identity in source.objects:
        relation = _relation(source, identity)
        if relation is not None and relation.get("type") != "table":
            seen |= {str(part.get("name")) for part in relation.iter("relation")}
            continue
        name = relation.get("name", "") if relation is not None else ""
        own = source.relations.get(name)
        seen.add(name)
        if relation is None or own is None or relation.get("table") != own.get("table"):
            yield "object-table", f"{identity} is not a table of the connection"
    for name in sorted(set(source.relations) - seen):
        yield "object-missing", f"{name} is not in the object graph"


@source_rule
def relationships(_: Workbook, source: DataSource) -> Faults:
    """Check that each relationship compares fields of its two tables, of equal type."""
    tables = {name: unbracketed(each) for name, each in source.metadata("object-id").items()}
    for each in source.relationships:
        ends = _ends(each)
        for end in ends:
            if end not in source.objects:
                yield "relationship-end", f"a relationship ends at {end!r}, which does not exist"
        pairs = list(_pairs(each))
        if not pairs:
            yield "relationship-empty", "a relationship compares no fields"
        for pair in pairs:
            yield from _compared(source, tables, ends, pair)


def _compared(
    source: DataSource, tables: dict[str, str], ends: list[str], pair: tuple[str, str]
) -> Faults:
    for name in pair:
        if name not in source.types:
            yield "relationship-field", f"the field [{name}] does not exist"
            return
    one, other = pair
    if sorted(tables[name] for name in pair) != sorted(ends):
        message = f"[{one}] and [{other}] are not fields of the two related tables"
        yield "relationship-sides", message
    if source.types[one] != source.types[other]:
        message = f"[{one}] is {source.types[one]}, [{other}] is {source.types[other]}"
        yield "relationship-types", message


@source_rule
def connected(_: Workbook, source: DataSource) -> Faults:
    """Check that all tables are connected. Tableau opens no other model."""
    if len(source.objects) < 2:  # noqa: PLR2004 - one table needs no relationship
        return
    reached = {next(iter(source.objects))}
    edges = [set(_ends(each)) for each in source.relationships]
    for _edge in edges:
        reached |= {end for edge in edges if edge & reached for end in edge}
    for name in sorted(set(source.objects) - reached):
        yield "island", f"{name} is not related to another table"


@source_rule
def whole_keys(_: Workbook, source: DataSource) -> Faults:
    """Check that orderpull's tables are related by source and order number, both.

    With one of them, orders of two sources with the same number would be one order.
    """
    names = {table.name for table in TABLES}
    remote_names = source.metadata("remote-name")
    for each in source.relationships:
        relations = [_relation(source, end) for end in _ends(each)]
        if any(relation is None or relation.get("name") not in names for relation in relations):
            continue
        compared = {remote_names.get(name) for pair in _pairs(each) for name in pair}
        if compared != set(KEY):
            yield "relationship-key", "orders must be related by source and order number"


@source_rule
def counted(_: Workbook, source: DataSource) -> Faults:
    """Check that a data source with the field ``counted`` leaves out orders that are no sale."""
    path = f"filter[@column='[{COUNTED}]']/groupfilter[@function='member'][@member='true']"
    if COUNTED in source.types and source.element.find(path) is None:
        yield "counted", "orders that are no sale would be counted"


def _relation(source: DataSource, identity: str) -> ET.Element | None:
    """Return the relation of a table of the object graph."""
    table = source.objects.get(identity)
    return table.find("properties[@context='']/relation") if table is not None else None


def _ends(relationship: ET.Element) -> list[str]:
    """Return the ids of the two related tables."""
    ends = [relationship.find(tag) for tag in ("first-end-point", "second-end-point")]
    return [end.get("object-id", "") if end is not None else "" for end in ends]


def _pairs(relationship: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield the two fields of each comparison."""
    for expression in relationship.iter("expression"):
        sides = [unbracketed(side.get("op", "")) for side in expression.findall("expression")]
        if expression.get("op") == "=" and len(sides) == 2:  # noqa: PLR2004 - left and right
            yield sides[0], sides[1]


RULES = (objects, relationships, connected, whole_keys, counted)
