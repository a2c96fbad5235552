"""Workbook file in Tableau's XML: data source, action, sheets, dashboard and windows."""

from typing import Literal
from urllib.parse import quote
from xml.etree import ElementTree as ET

from orderpull.tableau.connection import LiveConnection
from orderpull.tableau.datasource import (
    PARAMETERS,
    DataSource,
    parameter_dependencies,
    parameters,
)
from orderpull.tableau.description import (
    COUNTRY,
    DASHBOARD,
    GROUND,
    ORDERED,
    PAPER,
    SHEETS,
    Dashboard,
    Parameter,
    Pill,
    Sheet,
    Zone,
)
from orderpull.tableau.worksheet import formatted, worksheet
from orderpull.tableau.xml import document, element, stable_uuid, style_format

Target = Literal["18.1", "2026.1"]
"""Format of the workbook. 18.1 is the format that Tableau 2020.2 to 2026.1 saves and opens. 2026.1
follows Tableau's schema, for Tableau Cloud and its Validate Workbook endpoint."""

_FEATURES = (
    "AnimationOnByDefault",
    "MarkAnimation",
    "ObjectModelEncapsulateLegacy",
    "ObjectModelTableType",
    "SchemaViewerObjectModel",
    "SetMembershipControl",
    "SheetIdentifierTracking",
    "SortTagCleanup",
    "WindowsPersistSimpleIdentifiers",
)
"""Features in the manifest of a workbook of version 18.1, as saved by Tableau. Without its feature
an element or attribute is unknown to Tableau, and the workbook does not open."""

_EXTRACT_FEATURE = "ObjectModelExtractV2"
"""Feature of an extract beside a live connection."""

_PREFERENCES = {"ui.encoding.shelf.height": "24", "ui.shelf.height": "26"}
"""Preferences of every workbook that Tableau saves."""

_BUILD = "2026.1.0 (20261.26.0211.1127)"

_NAMES = frozenset(sheet.name for sheet in SHEETS)
WHOLE = 100_000
"""Width and height of a dashboard in the units of its zones."""


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
    features = [*_FEATURES, *([_EXTRACT_FEATURE] if live and extract else [])]
    manifest = ["ManifestByVersion"] if target == "2026.1" else sorted(features)
    preferences = (
        element("preference", name=name, value=value) for name, value in _PREFERENCES.items()
    )
    # Tableau's schemas require it since 2025.3, and version 18.1 lacks it.
    explain_data = element(
        "explain-data",
        element("explanation-types"),
        enabled_for_viewer="false",
        extreme_values_enabled_for_all="false",
    )
    root = element(
        "workbook",
        element("document-format-change-manifest", map(element, manifest)),
        element("preferences", preferences),
        element("datasources", parameters(), source.xml()),
        _actions(DASHBOARD, source),
        element("worksheets", (worksheet(sheet, source) for sheet in SHEETS)),
        element("dashboards", _dashboard(DASHBOARD, source)),
        _windows(DASHBOARD),
        explain_data if target == "2026.1" else [],
        original_version=version,
        source_build=_BUILD,
        source_platform="win",
        version=version,
    )
    return document(root)


def _dashboard(board: Dashboard, source: DataSource) -> ET.Element:
    """Return the ``<dashboard>`` with a fixed size, so that nothing is cut off."""
    width, height = str(board.width), str(board.height)
    zones = [_zone(zone, number, board, source) for number, zone in enumerate(board.zones, start=3)]
    return element(
        "dashboard",
        element(
            "style",
            element("style-rule", style_format("background-color", GROUND), element="table"),
        ),
        element(
            "size",
            maxheight=height,
            maxwidth=width,
            minheight=height,
            minwidth=width,
            sizing_mode="fixed",
        ),
        element("datasources", source.link(), element("datasource", name=PARAMETERS)),
        parameter_dependencies(),
        source.dependencies((COUNTRY, ORDERED)),
        element(
            "zones",
            element(
                "zone",
                zones,
                h=str(WHOLE),
                id="2",
                type_v2="layout-basic",
                w=str(WHOLE),
                x="0",
                y="0",
            ),
        ),
        element("simple-id", uuid=stable_uuid("dashboard", board.name)),
        name=board.name,
    )


def _zone(zone: Zone, number: int, board: Dashboard, source: DataSource) -> ET.Element:
    attributes = {
        "h": _scaled(zone.height, board.height),
        "id": str(number),
        "w": _scaled(zone.width, board.width),
        "x": _scaled(zone.x, board.width),
        "y": _scaled(zone.y, board.height),
    }
    match zone.shows:
        case str():
            result = element("zone", name=zone.shows, **attributes)
        case Pill() as pill:
            attributes |= {"mode": "checkdropdown"} if pill.kind == "nk" else {}
            result = element(
                "zone",
                name=SHEETS[0].name,
                param=source.reference(pill),
                type_v2="filter",
                **attributes,
            )
        case Parameter() as parameter:
            result = element(
                "zone",
                mode="compact" if parameter.members else "type_in",
                param=parameter.reference,
                type_v2="paramctrl",
                **attributes,
            )
        case _:
            result = element("zone", formatted(zone.shows, source), type_v2="text", **attributes)
    result.append(_zone_style(PAPER if zone.shows in _NAMES else GROUND))
    return result


def _scaled(pixels: int, of: int) -> str:
    return str(round(pixels * WHOLE / of))


def _zone_style(background: str) -> ET.Element:
    return element(
        "zone-style",
        style_format("border-color", "#000000"),
        style_format("border-style", "none"),
        style_format("border-width", "0"),
        style_format("margin", "4"),
        style_format("background-color", background),
    )


def _actions(board: Dashboard, source: DataSource) -> ET.Element:
    """Return the action: a click on a mark filters every sheet by the country of the mark."""
    caption = "Filter by country"
    field = f"[{source.name}].[{COUNTRY.field}]"
    action = element(
        "action",
        element("activation", auto_clear="true", type="on-select"),
        element("source", dashboard=board.name, type="sheet", worksheet=board.clicked.name),
        element(
            "link",
            caption=caption,
            delimiter=",",
            escape="\\",
            expression=f"tsl:{quote(board.name, safe='')}?{quote(field, safe='')}~s0=<{field}~na>",
            include_null="true",
            multi_select="true",
            url_escape="true",
        ),
        element(
            "command",
            element("param", name="target", value=board.name),
            command="tsc:tsl-filter",
        ),
        caption=caption,
        name=f"[Action1_{stable_uuid('action', caption)[1:-1].replace('-', '')}]",
    )
    column = source.dependencies((COUNTRY,))
    return element("actions", action, element("datasources", source.link()), column)


def _windows(board: Dashboard) -> ET.Element:
    """Return the windows: the dashboard in front, then the sheets."""
    return element(
        "windows", map(_sheet_window, SHEETS), _dashboard_window(board), source_height="30"
    )


def _sheet_window(sheet: Sheet) -> ET.Element:
    return element(
        "window",
        _cards(),
        element("simple-id", uuid=stable_uuid("window", sheet.name)),
        class_="worksheet",
        name=sheet.name,
    )


def _cards() -> ET.Element:
    """Return the cards around a sheet in Tableau's default layout."""
    left = element(
        "strip", (element("card", type=name) for name in ("pages", "filters", "marks")), size="160"
    )
    shelf = "2147483647"
    return element(
        "cards",
        element("edge", left, name="left"),
        element(
            "edge",
            element("strip", element("card", type="columns"), size=shelf),
            element("strip", element("card", type="rows"), size=shelf),
            element("strip", element("card", type="title"), size="31"),
            name="top",
        ),
    )


def _dashboard_window(board: Dashboard) -> ET.Element:
    names = [zone.shows for zone in board.zones if isinstance(zone.shows, str)]
    zooms = {True: "fit-width", False: "entire-view"}
    viewpoints = [
        element("viewpoint", element("zoom", type=zooms[sheet.scrolls]), name=sheet.name)
        for sheet in SHEETS
        if sheet.name in names
    ]
    return element(
        "window",
        element("viewpoints", viewpoints),
        element("active", id="-1"),
        element("simple-id", uuid=stable_uuid("window", board.name)),
        class_="dashboard",
        maximized="true",
        name=board.name,
    )
