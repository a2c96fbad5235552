"""Rules for data sources: connections, tables, columns, extracts, and the object graph."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from orderpull.tableau.fields import COUNTED, KEY, TABLES
from orderpull.tableau.lint.workbook import (
    DataSource,
    Faults,
    Finding,
    Rule,
    Workbook,
    repeated,
    source_rule,
    unbracketed,
)

SERVERS = frozenset({"redshift", "postgres", "mysql", "snowflake", "sqlserver", "sqlproxy"})
FILES = frozenset({"hyper", "textscan", "excel-direct"})
SSL = frozenset({"", "require", "prefer", "disable", "allow", "verify-ca", "verify-full"})
HIGHEST_PORT = 65_535
SECRETS = frozenset({"password", "oauth-token", "access-token", "refresh-token", "secret"})
TYPES = frozenset({"string", "integer", "real", "boolean", "date", "datetime", "spatial"})

_TABLE = re.compile(r"(\[[^\[\]]+\]\.)?\[[^\[\]]+\]")


@source_rule
def addresses(_: Workbook, source: DataSource) -> Faults:
    """Check that each connection has a complete address."""
    for each in source.named_connections:
        inner = each.find("connection")
        if inner is None:
            yield "connection-empty", f"{each.get('name')} contains no connection"
        else:
            yield from _address(inner)


def _address(connection: ET.Element) -> Faults:
    kind = connection.get("class", "")
    if kind in FILES:
        return
    if kind not in SERVERS:
        yield "class", f"the connection class {kind!r} is unknown"
        return
    for name in ("server", "dbname"):
        if not connection.get(name):
            yield name, f"{name} of the connection is missing"
    port = connection.get("port", "")
    if not port.isdigit() or not 0 < int(port) <= HIGHEST_PORT:
        yield "port", f"{port!r} is not a port"
    if connection.get("sslmode", "") not in SSL:
        yield "sslmode", f"sslmode {connection.get('sslmode')!r} is unknown"
    if connection.get("one-time-sql"):
        yield "initial-sql", "it runs its own SQL when it connects"


@Rule
def secrets(workbook: Workbook) -> Iterator[Finding]:
    """Check that the file contains no secret."""
    for element in workbook.root.iter():
        for name in sorted(SECRETS & set(element.attrib)):
            if element.get(name):
                yield Finding("secret", f"<{element.tag}>", f"the file contains a {name}")


@source_rule
def tables(_: Workbook, source: DataSource) -> Faults:
    """Check that each table has an existing connection and a bracketed name, without a join."""
    connections = {each.get("name") for each in source.named_connections}
    if not source.relations:
        yield "tables", "it has no tables"
        return
    ours = any(table.name in source.relations for table in TABLES)
    if ours and source.element.find("connection/relation[@type='join']"):
        yield "join", "its tables are joined: an order's header would count once for each item"
    listed = source.element.iterfind("connection/relation//relation[@type='table']")
    for name, count in repeated(each.get("name") for each in listed):
        yield "table-twice", f"{name} occurs {count} times"
    for name, each in source.relations.items():
        if each.get("type") != "table":
            continue
        connection = each.get("connection")
        if connection not in connections:
            yield "connection-unknown", f"{name} uses an unknown connection {connection!r}"
        if not _TABLE.fullmatch(each.get("table", "")):
            yield "table-name", f"{each.get('table')!r} is not a table name"


@source_rule
def columns(_: Workbook, source: DataSource) -> Faults:
    """Check that each column has a table, a type, and a unique name."""
    for each in source.maps:
        table = unbracketed(each.get("value", "").split("].[")[0] + "]")
        if table not in source.relations:
            yield "column-table", f"the table of {each.get('key')} does not exist: {table}"
    for key, count in repeated(each.get("key", "") for each in source.maps):
        yield "column-twice", f"{key} is mapped to {count} columns"


@source_rule
def metadata(_: Workbook, source: DataSource) -> Faults:
    """Check that each column has one metadata record, of a known table and type."""
    if not source.maps:
        return
    mapped = {unbracketed(each.get("key", "")) for each in source.maps}
    for name in sorted(mapped - set(source.types)):
        yield "column-type", f"[{name}] has no type"
    for name in sorted(set(source.types) - mapped):
        yield "column-nowhere", f"[{name}] is not mapped to a column"
    for record in source.records:
        local = record.findtext("local-name")
        if record.findtext("local-type") not in TYPES:
            yield "type-unknown", f"the type of {local} is unknown"
        if unbracketed(record.findtext("parent-name", "")) not in source.relations:
            yield "record-table", f"the table of {local} does not exist"
        identity = record.findtext("object-id")
        if identity and unbracketed(identity) not in source.objects:
            yield "record-object", f"the table of {local} is not in the object graph"


@Rule
def extracts(workbook: Workbook) -> Iterator[Finding]:
    """Check that each extract in use is in the package."""
    off = {c for each in workbook.root.iterfind(".//extract[@enabled='false']") for c in each}
    for connection in workbook.root.iter("connection"):
        if connection.get("class") != "hyper" or connection in off:
            continue
        name = connection.get("dbname", "")
        if not name or PurePosixPath(name).is_absolute() or ":" in name or "\\" in name:
            yield Finding("extract-path", "extract", f"{name!r} is outside the package")
        elif workbook.files is None:
            yield Finding("extract-loose", "extract", f"{name} needs a package; this is a .twb")
        elif name not in workbook.files:
            yield Finding("extract-missing", "extract", f"{name} is not in the package")


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
