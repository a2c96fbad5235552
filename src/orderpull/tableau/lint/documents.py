"""The file as such: XML, its version, and what it says that it uses."""

from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import Book, Finding

PARTS = (
    "document-format-change-manifest",
    "repository-location",
    "preferences",
    "style-theme",
    "style",
    "datasources",
    "datasource-relationships",
    "mapsources",
    "shared-views",
    "actions",
    "worksheets",
    "dashboards",
    "windows",
    "datagraph",
    "thumbnails",
    "external",
    "referenced-extensions",
    "explain-data",
)
"""A workbook's parts in the order in which Tableau reads them."""

VERSIONS = frozenset({"10.5", "18.1", "26.1", "26.2"})

NEEDED = {
    "object-graph": ("ObjectModelEncapsulateLegacy", "ObjectModelTableType"),
    "simple-id": ("SheetIdentifierTracking",),
    "computed-sort": ("SortTagCleanup",),
    "alphabetic-sort": ("SortTagCleanup",),
}
"""What a workbook must say that it uses, where it uses it; else Tableau does not open it."""


def parse(text: bytes) -> tuple[ET.Element | None, list[Finding]]:
    """The root of a workbook, or why there is none."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None, [_of("document", "it declares a document type of its own", "doctype")]
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type nothing expands
    except ET.ParseError as error:
        return None, [_of("document", f"it is not XML: {error}", "not-xml")]
    if root.tag != "workbook":
        return None, [_of("document", f"it is a <{root.tag}>, not a <workbook>", "not-a-workbook")]
    return root, []


def _of(place: str, sentence: str, kind: str) -> Finding:
    return Finding(kind, place, sentence)


def versions(book: Book) -> Iterator[Finding]:
    """The version is one that is known, and the build is said."""
    version = book.root.get("version")
    if version not in VERSIONS:
        yield Finding("version", "workbook", f"version {version} is none of Tableau's")
    if not book.root.get("source-build"):
        yield Finding("build", "workbook", "it does not say which build wrote it")


def order(book: Book) -> Iterator[Finding]:
    """The parts stand in Tableau's order, each once."""
    tags = [child.tag for child in book.root]
    for tag, count in Counter(tags).items():
        if tag not in PARTS:
            yield Finding("part-unknown", "workbook", f"<{tag}> is no part of a workbook")
        elif count > 1:
            yield Finding("part-twice", "workbook", f"<{tag}> stands {count} times")
    places = [PARTS.index(tag) for tag in tags if tag in PARTS]
    if places != sorted(places):
        yield Finding("part-order", "workbook", "its parts do not stand in Tableau's order")
    for tag in ("datasources", "worksheets", "windows"):
        if tag not in tags:
            yield Finding("part-missing", "workbook", f"it has no <{tag}>")


def features(book: Book) -> Iterator[Finding]:
    """What it uses it says in its manifest."""
    said = {each.tag for each in book.root.iterfind("document-format-change-manifest/*")}
    if "ManifestByVersion" in said:
        return
    for tag, names in NEEDED.items():
        if book.root.find(f".//{tag}") is None:
            continue
        for name in names:
            if name not in said:
                sentence = f"<{tag}> is used, and the manifest does not name {name}"
                yield Finding("feature", "manifest", sentence)


def identities(book: Book) -> Iterator[Finding]:
    """No two things have one identity, and no two sheets one name."""
    uuids = Counter(each.get("uuid") for each in book.root.iter("simple-id"))
    for uuid, count in uuids.items():
        if count > 1:
            yield Finding("identity-twice", "workbook", f"{count} things have the id {uuid}")
    names = Counter([each.name for each in book.users])
    for name, count in names.items():
        if count > 1:
            yield Finding("name-twice", "workbook", f"{count} sheets are called {name!r}")


RULES = (versions, order, features, identities)
