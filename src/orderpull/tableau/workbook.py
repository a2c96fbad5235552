"""Workbook file in Tableau's XML: data source, action, sheets, dashboard and windows."""

from typing import Literal
from xml.etree import ElementTree as ET

from orderpull.tableau.connection import LiveConnection
from orderpull.tableau.dashboard import actions, dashboard, windows
from orderpull.tableau.datasource import DataSource
from orderpull.tableau.description import DASHBOARD, SHEETS
from orderpull.tableau.worksheet import worksheet
from orderpull.tableau.xml import document, element

Target = Literal["18.1", "2026.1"]
"""Format of the workbook. 18.1 is the format that Tableau 2020.2 to 2026.1 saves and opens. 2026.1
follows Tableau's schema, for Tableau Cloud and its Validate Workbook endpoint."""

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
"""Features in the manifest of a workbook of version 18.1, as saved by Tableau."""

_BUILD = "2026.1.0 (20261.26.0211.1127)"


def workbook(
    live: LiveConnection | None,
    *,
    extract: bool = False,
    target: Target = "18.1",
    names: bool = False,
) -> bytes:
    """Return a ``.twb``, with equal bytes for equal arguments.

    :param live: live connection; None for an extract alone.
    :param extract: True if the package contains an extract.
    :param names: True to include columns about a person from the database.
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
    """Return an element that Tableau's schemas require since 2025.3, and version 18.1 lacks."""
    return element(
        "explain-data",
        element("explanation-types"),
        enabled_for_viewer="false",
        extreme_values_enabled_for_all="false",
    )
