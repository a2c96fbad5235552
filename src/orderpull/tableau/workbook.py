"""The workbook as a file: data source, click, sheets, dashboard and windows in Tableau's order."""

from typing import Literal
from xml.etree import ElementTree as ET

from orderpull.tableau.connection import LiveConnection
from orderpull.tableau.dashboard import actions, dashboard, windows
from orderpull.tableau.datasource import DataSource
from orderpull.tableau.description import DASHBOARD, SHEETS
from orderpull.tableau.worksheet import worksheet
from orderpull.tableau.xml import document, element

Target = Literal["18.1", "2026.1"]
"""18.1: what Tableau itself saves, from 2020.2 to 2026.1, and opens. 2026.1: what Tableau's own
schema of that version describes, for Tableau Cloud and for its Validate Workbook endpoint."""

_FEATURES = (
    "AnimationOnByDefault",
    "MarkAnimation",
    "ObjectModelEncapsulateLegacy",
    "ObjectModelTableType",
    "SchemaViewerObjectModel",
    "SheetIdentifierTracking",
    "SortTagCleanup",
    "WindowsPersistSimpleIdentifiers",
)
"""What a workbook of version 18.1 says that it uses, as Tableau saves it."""

_BUILD = "2026.1.0 (20261.26.0211.1127)"


def workbook(
    live: LiveConnection | None,
    *,
    extract: bool = False,
    target: Target = "18.1",
    names: bool = False,
) -> bytes:
    """A ``.twb``, the same bytes for the same place.

    :param live: the database that it asks; None: an extract alone.
    :param extract: whether an extract comes along in a package.
    :param names: whether the database is asked for columns about a person, too.
    """
    source = DataSource(live, extract=extract, names=names)
    version = "18.1" if target == "18.1" else "26.1"
    root = element(
        "workbook",
        _manifest(target),
        element("preferences"),
        element("datasources", source.xml()),
        actions(DASHBOARD, source),
        element("worksheets", (worksheet(sheet, source) for sheet in SHEETS)),
        element("dashboards", dashboard(DASHBOARD, source)),
        windows(DASHBOARD),
        _explain_data() if target == "2026.1" else [],
        original_version=version,
        source_build=_BUILD,
        source_platform="win",
        version=version,
    )
    return document(root)


def _manifest(target: Target) -> ET.Element:
    names = ("ManifestByVersion",) if target == "2026.1" else _FEATURES
    return element("document-format-change-manifest", (element(name) for name in names))


def _explain_data() -> ET.Element:
    """Required by Tableau's schemas since 2025.3; no workbook of version 18.1 has it."""
    return element(
        "explain-data",
        element("explanation-types"),
        enabled_for_viewer="false",
        extreme_values_enabled_for_all="false",
    )
