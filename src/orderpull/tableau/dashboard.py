"""The dashboard, the click on it, and the windows, as Tableau's XML."""

from collections.abc import Iterator
from urllib.parse import quote
from xml.etree import ElementTree as ET

from orderpull.tableau.datasource import DataSource
from orderpull.tableau.description import COUNTRY, COUNTRY_FILTER, GROUND, PAPER, SHEETS
from orderpull.tableau.shapes import Dashboard, Sheet, Zone
from orderpull.tableau.worksheet import formatted
from orderpull.tableau.xml import element, stable_uuid

_NAMES = frozenset(sheet.name for sheet in SHEETS)
WHOLE = 100_000
"""A dashboard is so wide and so high, whatever its size in pixels."""


def dashboard(board: Dashboard, source: DataSource) -> ET.Element:
    """The whole ``<dashboard>``: of one size, so that nothing is cut off."""
    width, height = str(board.width), str(board.height)
    zones = [_zone(zone, number, board, source) for number, zone in enumerate(board.zones, start=3)]
    return element(
        "dashboard",
        element("style", element("style-rule", _shade(GROUND), element="table")),
        element(
            "size",
            maxheight=height,
            maxwidth=width,
            minheight=height,
            minwidth=width,
            sizing_mode="fixed",
        ),
        element("datasources", source.link()),
        source.dependencies((COUNTRY,)),
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
    words = {
        "h": _part(zone.height, board.height),
        "id": str(number),
        "w": _part(zone.width, board.width),
        "x": _part(zone.x, board.width),
        "y": _part(zone.y, board.height),
    }
    if not isinstance(zone.shows, str):
        made = element("zone", formatted(zone.shows, source), type_v2="text", **words)
    elif zone.shows == COUNTRY_FILTER:
        made = element(
            "zone",
            mode="checkdropdown",
            name=SHEETS[0].name,
            param=source.reference(COUNTRY),
            type_v2="filter",
            **words,
        )
    else:
        made = element("zone", name=zone.shows, **words)
    made.append(_zone_style(PAPER if zone.shows in _NAMES else GROUND))
    return made


def _part(pixels: int, of: int) -> str:
    return str(round(pixels * WHOLE / of))


def _shade(color: str) -> ET.Element:
    return element("format", attr="background-color", value=color)


def _zone_style(background: str) -> ET.Element:
    return element(
        "zone-style",
        element("format", attr="border-color", value="#000000"),
        element("format", attr="border-style", value="none"),
        element("format", attr="border-width", value="0"),
        element("format", attr="margin", value="4"),
        _shade(background),
    )


def actions(board: Dashboard, source: DataSource) -> ET.Element:
    """A click on a country filters every sheet by it, and by nothing else of what was clicked."""
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


def windows(board: Dashboard) -> ET.Element:
    """The dashboard's tab in front, the sheets' behind it."""
    return element("windows", _sheet_windows(), _dashboard_window(board), source_height="30")


def _sheet_windows() -> Iterator[ET.Element]:
    for sheet in SHEETS:
        yield element(
            "window",
            _cards(),
            element("simple-id", uuid=stable_uuid("window", sheet.name)),
            class_="worksheet",
            name=sheet.name,
        )


def _cards() -> ET.Element:
    """The cards round a sheet, as Tableau lays them out at first."""
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


def _zoom(sheet: Sheet) -> str:
    return "fit-width" if sheet.scrolls else "entire-view"


def _dashboard_window(board: Dashboard) -> ET.Element:
    shown = [zone.shows for zone in board.zones if isinstance(zone.shows, str)]
    viewpoints = [
        element("viewpoint", element("zoom", type=_zoom(sheet)), name=sheet.name)
        for sheet in SHEETS
        if sheet.name in shown
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
