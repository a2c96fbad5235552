"""Rules for connections: servers, tables, columns and extracts."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from orderpull.tableau.fields import TABLES
from orderpull.tableau.lint.workbook import (
    DataSource,
    Faults,
    Finding,
    Workbook,
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
    listed = source.element.findall("connection/relation//relation[@type='table']")
    for name, count in Counter(each.get("name") for each in listed).items():
        if count > 1:
            yield "table-twice", f"{name} occurs {count} times"
    for name, each in source.relations.items():
        if each.get("type") != "table":
            continue
        if each.get("connection") not in connections:
            connection = each.get("connection")
            yield "connection-unknown", f"{name} uses an unknown connection {connection!r}"
        if not _TABLE.fullmatch(each.get("table", "")):
            yield "table-name", f"{each.get('table')!r} is not a table name"


@source_rule
def columns(_: Workbook, source: DataSource) -> Faults:
    """Check that each column has a table, a type, and a unique name."""
    maps = source.element.findall("connection/cols/map")
    keys = Counter(each.get("key", "") for each in maps)
    for each in maps:
        table = unbracketed(each.get("value", "").split("].[")[0] + "]")
        if table not in source.relations:
            yield "column-table", f"the table of {each.get('key')} does not exist: {table}"
    for key, count in keys.items():
        if count > 1:
            yield "column-twice", f"{key} is mapped to {count} columns"
    if maps:
        yield from _metadata(source, {unbracketed(key) for key in keys})


def _metadata(source: DataSource, mapped: set[str]) -> Faults:
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


RULES = (addresses, secrets, tables, columns, extracts)
