"""Reading of a workbook's file, and rules for its version, its parts and its manifest."""

import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from orderpull.errors import UsageError
from orderpull.tableau.lint.workbook import Finding, Rule, Workbook, repeated

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
"""Parts of a workbook in the order in which Tableau reads them."""

MAX_BYTES = 64 * 1024 * 1024
"""Largest size of a ``.twb`` inside a package; a larger one is not unpacked."""

VERSIONS = frozenset({"10.5", "18.1", "26.1", "26.2"})

REQUIRED_FEATURES = {
    "object-graph": (
        "ObjectModelEncapsulateLegacy",
        "ObjectModelTableType",
        "SchemaViewerObjectModel",
    ),
    "extract[@object-id]": ("ObjectModelExtractV2",),
    "zone[@type-v2]": ("SetMembershipControl",),
    "simple-id": ("SheetIdentifierTracking",),
    "computed-sort": ("SortTagCleanup",),
    "alphabetic-sort": ("SortTagCleanup",),
}
"""Features that the manifest must name, by the path of the element or attribute that needs them.
Otherwise Tableau does not open the workbook."""


def read(file: Path) -> tuple[bytes, frozenset[str] | None, list[Finding]]:
    """Read a workbook file.

    :returns: the workbook's XML, empty if it cannot be read; the names of the other files of its
        package, None without a package; and the findings.
    :raises UsageError: *file* cannot be read, or is neither ``.twb`` nor ``.twbx``.
    """
    try:
        if file.suffix.lower() == ".twb":
            return file.read_bytes(), None, []
        if file.suffix.lower() == ".twbx":
            with zipfile.ZipFile(file) as package:
                return _unpack(package)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    except zipfile.BadZipFile:
        return b"", None, [Finding("package-broken", file.name, "it is not a complete package")]
    raise UsageError(f"{file} is neither a .twb nor a .twbx.", "Name a workbook of Tableau's.")


def _unpack(package: zipfile.ZipFile) -> tuple[bytes, frozenset[str], list[Finding]]:
    names = package.namelist()
    findings: list[Finding] = []
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            findings.append(Finding("package-path", "package", f"{name} is outside the package"))
    workbooks = [name for name in names if name.endswith(".twb") and "/" not in name]
    text = b""
    if len(workbooks) != 1:
        message = f"it contains {len(workbooks)} workbooks"
        findings.append(Finding("package-workbook", "package", message))
    elif package.getinfo(workbooks[0]).file_size > MAX_BYTES:
        findings.append(Finding("package-size", "package", "its workbook is too large"))
    else:
        text = package.read(workbooks[0])
    return text, frozenset(names).difference(workbooks), findings


def parse(text: bytes) -> tuple[ET.Element | None, list[Finding]]:
    """Return the root of a workbook, or None with the reason."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None, [Finding("doctype", "document", "it declares its own document type")]
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type nothing expands
    except ET.ParseError as error:
        return None, [Finding("not-xml", "document", f"it is not XML: {error}")]
    if root.tag != "workbook":
        message = f"it is a <{root.tag}>, not a <workbook>"
        return None, [Finding("not-a-workbook", "document", message)]
    return root, []


@Rule
def versions(workbook: Workbook) -> Iterator[Finding]:
    """Check that the version is known, and that the build is set."""
    version = workbook.root.get("version")
    if version not in VERSIONS:
        yield Finding("version", "workbook", f"version {version} is not a version of Tableau")
    if not workbook.root.get("source-build"):
        yield Finding("build", "workbook", "it does not say which build wrote it")


@Rule
def order(workbook: Workbook) -> Iterator[Finding]:
    """Check that each part occurs once, in Tableau's order."""
    tags = [child.tag for child in workbook.root]
    for tag, count in Counter(tags).items():
        if tag not in PARTS:
            yield Finding("part-unknown", "workbook", f"<{tag}> is not a part of a workbook")
        elif count > 1:
            yield Finding("part-twice", "workbook", f"<{tag}> occurs {count} times")
    positions = [PARTS.index(tag) for tag in tags if tag in PARTS]
    if positions != sorted(positions):
        yield Finding("part-order", "workbook", "its parts are not in Tableau's order")
    for tag in ("datasources", "worksheets", "windows"):
        if tag not in tags:
            yield Finding("part-missing", "workbook", f"<{tag}> is missing")


@Rule
def features(workbook: Workbook) -> Iterator[Finding]:
    """Check that the manifest names the features that the workbook uses."""
    named = workbook.root.iterfind("document-format-change-manifest/*")
    manifest = {each.tag.rpartition("...")[2] for each in named}
    if "ManifestByVersion" in manifest:
        return
    for path, names in REQUIRED_FEATURES.items():
        if workbook.root.find(f".//{path}") is None:
            continue
        for name in names:
            if name not in manifest:
                message = f"{path} is used, but the manifest does not name {name}"
                yield Finding("feature", "manifest", message)


@Rule
def identities(workbook: Workbook) -> Iterator[Finding]:
    """Check that ids and names of sheets are unique."""
    for uuid, count in repeated(each.get("uuid") for each in workbook.root.iter("simple-id")):
        yield Finding("identity-twice", "workbook", f"{count} parts have the id {uuid}")
    for name, count in repeated(view.name for view in workbook.views):
        yield Finding("name-twice", "workbook", f"{count} sheets have the name {name!r}")
