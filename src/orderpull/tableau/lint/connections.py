"""Connections: where the tables lie, and that each column leads to one."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from orderpull.tableau.fields import TABLES
from orderpull.tableau.lint.workbook import Book, Finding, Source, plain

SERVERS = frozenset({"redshift", "postgres", "mysql", "snowflake", "sqlserver", "sqlproxy"})
FILES = frozenset({"hyper", "textscan", "excel-direct"})
SSL = frozenset({"", "require", "prefer", "disable", "allow", "verify-ca", "verify-full"})
HIGHEST_PORT = 65_535
SECRETS = frozenset({"password", "oauth-token", "access-token", "refresh-token", "secret"})
TYPES = frozenset({"string", "integer", "real", "boolean", "date", "datetime", "spatial"})

_TABLE = re.compile(r"(\[[^\[\]]+\]\.)?\[[^\[\]]+\]")


def reached(book: Book) -> Iterator[Finding]:
    """Each connection says where to go, and no secret with it."""
    for source in book.stored:
        for each in source.element.iterfind("connection/named-connections/named-connection"):
            inner = each.find("connection")
            if inner is None:
                name = each.get("name")
                yield Finding("connection-empty", source.place, f"{name} holds no connection")
            else:
                yield from _address(source, inner)
    for element in book.root.iter():
        for name, value in element.attrib.items():
            if name in SECRETS and value:
                yield Finding("secret", f"<{element.tag}>", f"{name} stands in the file")


def _address(source: Source, connection: ET.Element) -> Iterator[Finding]:
    kind = connection.get("class", "")
    if kind in FILES:
        return
    if kind not in SERVERS:
        yield Finding("class", source.place, f"there is no connection of class {kind!r}")
        return
    for name in ("server", "dbname"):
        if not connection.get(name):
            yield Finding(name, source.place, f"the connection names no {name}")
    port = connection.get("port", "")
    if not port.isdigit() or not 0 < int(port) <= HIGHEST_PORT:
        yield Finding("port", source.place, f"{port!r} is no port")
    if connection.get("sslmode", "") not in SSL:
        yield Finding("sslmode", source.place, f"sslmode {connection.get('sslmode')!r} is none")
    if connection.get("one-time-sql"):
        yield Finding("initial-sql", source.place, "it runs SQL of its own when it connects")


def tables(book: Book) -> Iterator[Finding]:
    """Each table names a connection that is there and a table in brackets; none is a join."""
    for source in book.stored:
        connections = {
            each.get("name")
            for each in source.element.iterfind("connection/named-connections/named-connection")
        }
        if not source.relations:
            yield Finding("tables", source.place, "it names no table")
            continue
        found = source.element.findall("connection/relation//relation[@type='table']")
        if source.element.find("connection/relation[@type='join']") and _ours(source):
            sentence = "its tables are joined: an order's header would count once for each item"
            yield Finding("join", source.place, sentence)
        for name, count in Counter(each.get("name") for each in found).items():
            if count > 1:
                yield Finding("table-twice", source.place, f"{name} stands {count} times")
        for title, each in source.relations.items():
            if each.get("type") != "table":
                continue
            if each.get("connection") not in connections:
                sentence = f"{title} uses the connection {each.get('connection')!r}; there is none"
                yield Finding("connection-unknown", source.place, sentence)
            if not _TABLE.fullmatch(each.get("table", "")):
                yield Finding("table-name", source.place, f"{each.get('table')!r} is no table")


def _ours(source: Source) -> bool:
    return any(table.name in source.relations for table in TABLES)


def columns(book: Book) -> Iterator[Finding]:
    """Each column leads to a table, is remembered with a type, and has a name of its own."""
    for source in book.stored:
        maps = source.element.findall("connection/cols/map")
        keys = Counter(each.get("key", "") for each in maps)
        for each in maps:
            table = plain(each.get("value", "").split("].[")[0] + "]")
            if table not in source.relations:
                sentence = f"{each.get('key')} leads to {each.get('value')}; there is no such table"
                yield Finding("column-table", source.place, sentence)
        for key, times in keys.items():
            if times > 1:
                yield Finding("column-twice", source.place, f"{key} leads to {times} columns")
        if maps:
            yield from _remembered(source, {plain(key) for key in keys})


def _remembered(source: Source, mapped: set[str]) -> Iterator[Finding]:
    for name in sorted(mapped - set(source.types)):
        yield Finding("column-type", source.place, f"[{name}] has no type")
    for name in sorted(set(source.types) - mapped):
        yield Finding("column-nowhere", source.place, f"[{name}] leads to no column")
    for record in source.records:
        local = record.findtext("local-name")
        if record.findtext("local-type") not in TYPES:
            yield Finding("type-unknown", source.place, f"{local} is of no type that there is")
        if plain(record.findtext("parent-name", "")) not in source.relations:
            yield Finding("record-table", source.place, f"{local} is of a table that is not there")
        identity = record.findtext("object-id")
        if identity and plain(identity) not in source.objects:
            yield Finding("record-object", source.place, f"{local} is of no table of the model")


def extracts(book: Book) -> Iterator[Finding]:
    """Each file that is used is named from within the package, and lies there."""
    off = {c for each in book.root.iterfind(".//extract[@enabled='false']") for c in each}
    for connection in book.root.iter("connection"):
        if connection.get("class") != "hyper" or connection in off:
            continue
        name = connection.get("dbname", "")
        if not name or PurePosixPath(name).is_absolute() or ":" in name or "\\" in name:
            yield Finding("extract-path", "extract", f"{name!r} lies outside the package")
        elif book.files is not None and name not in book.files:
            yield Finding("extract-missing", "extract", f"{name} is not in the package")
        elif book.files is None:
            yield Finding("extract-loose", "extract", f"{name} needs a package; this is a .twb")


RULES = (reached, tables, columns, extracts)
