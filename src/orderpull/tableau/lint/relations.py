"""The object graph: which tables there are, and how they are related."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.fields import COUNTED, KEY, TABLES
from orderpull.tableau.lint.workbook import Book, Finding, Source, plain


def objects(book: Book) -> Iterator[Finding]:
    """Each table is in the object graph, as it is in the connection."""
    for source in book.stored:
        seen = set()
        if source.graph is None:
            continue
        for identity, each in source.objects.items():
            relation = each.find("properties[@context='']/relation")
            if relation is not None and relation.get("type") != "table":
                seen |= {str(part.get("name")) for part in relation.iter("relation")}
                continue
            name = relation.get("name", "") if relation is not None else ""
            own = source.relations.get(name)
            seen.add(name)
            if relation is None or own is None or relation.get("table") != own.get("table"):
                sentence = f"{identity} is no table of the connection"
                yield Finding("object-table", source.place, sentence)
        for name in sorted(set(source.relations) - seen):
            yield Finding("object-missing", source.place, f"{name} is not in the object graph")


def relationships(book: Book) -> Iterator[Finding]:
    """Each relationship ends at two tables, by fields that are theirs and of one type."""
    for source in book.stored:
        owners = _owners(source)
        for each in source.relationships:
            ends = [_end(each, tag) for tag in ("first-end-point", "second-end-point")]
            for end in ends:
                if end not in source.objects:
                    sentence = f"a relationship ends at {end!r}; there is no such table"
                    yield Finding("relationship-end", source.place, sentence)
            pairs = list(_pairs(each))
            if not pairs:
                yield Finding("relationship-empty", source.place, "a relationship compares nothing")
            for one, other in pairs:
                yield from _compared(source, owners, ends, (one, other))


def _compared(
    source: Source, owners: dict[str, str], ends: list[str], pair: tuple[str, str]
) -> Iterator[Finding]:
    for name in pair:
        if name not in source.types:
            yield Finding("relationship-field", source.place, f"there is no field [{name}]")
            return
    one, other = pair
    if sorted(owners[name] for name in pair) != sorted(ends):
        sentence = f"[{one}] and [{other}] are not of the two tables that are related"
        yield Finding("relationship-sides", source.place, sentence)
    if source.types[one] != source.types[other]:
        sentence = f"[{one}] is {source.types[one]}, [{other}] is {source.types[other]}"
        yield Finding("relationship-types", source.place, sentence)


def connected(book: Book) -> Iterator[Finding]:
    """All tables hang together; Tableau opens no other model."""
    for source in book.stored:
        if len(source.objects) < 2:  # noqa: PLR2004 - one table needs none
            continue
        met = {next(iter(source.objects))}
        edges = [
            {_end(each, "first-end-point"), _end(each, "second-end-point")}
            for each in source.relationships
        ]
        for _ in edges:
            met |= {end for edge in edges if edge & met for end in edge}
        for name in sorted(set(source.objects) - met):
            yield Finding("island", source.place, f"{name} is related to no other table")


def whole_keys(book: Book) -> Iterator[Finding]:
    """Orderpull's tables are related by source and order number, both.

    By one alone, orders of two sources with one number would be one order.
    """
    names = {table.name for table in TABLES}
    for source in book.stored:
        remote = {
            plain(record.findtext("local-name", "")): record.findtext("remote-name", "")
            for record in source.records
        }
        for each in source.relationships:
            ends = {_end(each, tag) for tag in ("first-end-point", "second-end-point")}
            if not all(_table(source, end) in names for end in ends):
                continue
            compared = {remote.get(name) for pair in _pairs(each) for name in pair}
            if compared != set(KEY):
                yield Finding("relationship-key", source.place, "orders need source and number")


def counted(book: Book) -> Iterator[Finding]:
    """Where there is a field ``counted``, orders that are no sale are left out."""
    for source in book.stored:
        if COUNTED not in source.types:
            continue
        chosen = source.element.find(
            f"filter[@column='[{COUNTED}]']/groupfilter[@function='member'][@member='true']"
        )
        if chosen is None:
            yield Finding("counted", source.place, "orders that are no sale would be counted")


def _table(source: Source, identity: str) -> str:
    found = source.objects.get(identity)
    relation = found.find("properties[@context='']/relation") if found is not None else None
    return relation.get("name", "") if relation is not None else ""


def _end(relationship: ET.Element, tag: str) -> str:
    end = relationship.find(tag)
    return end.get("object-id", "") if end is not None else ""


def _pairs(relationship: ET.Element) -> Iterator[tuple[str, str]]:
    """The two fields of each comparison."""
    for expression in relationship.iter("expression"):
        sides = [plain(side.get("op", "")) for side in expression.findall("expression")]
        if expression.get("op") == "=" and len(sides) == 2:  # noqa: PLR2004 - left and right
            yield sides[0], sides[1]


def _owners(source: Source) -> dict[str, str]:
    """The table, by its id, of each field."""
    return {
        plain(record.findtext("local-name", "")): plain(record.findtext("object-id", ""))
        for record in source.records
    }


RULES = (objects, relationships, connected, whole_keys, counted)
