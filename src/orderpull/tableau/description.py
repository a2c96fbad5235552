"""Description of the sheets and the dashboard: pills, texts and zones.

The builder writes it as Tableau's XML, the preview draws it, and the tests compute its sheets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Derivation = Literal["none", "sum", "min", "usr"]
Kind = Literal["nk", "ok", "qk"]

DERIVATIONS = {
    "none": "None",
    "sum": "Sum",
    "avg": "Avg",
    "min": "Min",
    "max": "Max",
    "cnt": "Count",
    "ctd": "CountD",
    "usr": "User",
    "attr": "Attribute",
    "med": "Median",
}
KINDS = {"nk": "nominal", "ok": "ordinal", "qk": "quantitative"}
"""Tableau's words for the parts of a pill's name."""


@dataclass(frozen=True, slots=True)
class Pill:
    """A field as a sheet uses it.

    :param field: name of the field.
    :param derivation: aggregation; usr for a field with its own aggregation.
    :param kind: nk: nominal; ok: ordinal; qk: quantitative.
    :param along: for a table calculation the field to compute along; it restarts for each value of
        the other fields. ``WHOLE_SHEET``: all rows.
    """

    field: str
    derivation: Derivation
    kind: Kind
    along: str = ""

    @property
    def name(self) -> str:
        """Name of the pill in a sheet, without brackets."""
        return f"{self.derivation}:{self.field}:{self.kind}"


WHOLE_SHEET = "*"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number or a text that the viewer of a workbook chooses.

    :param name: name in formulas, without brackets.
    :param value: value before anything is chosen.
    :param least, most: range of a number.
    :param members: texts to choose from; empty: any text.
    """

    name: str
    caption: str
    value: int | str
    least: int = 0
    most: int = 0
    members: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """Reference of formulas, texts and controls."""
        return f"[Parameters].[{self.name}]"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text, or the value of a field, in one style. :param size: font size in points."""

    content: str | Pill | Parameter
    size: int = 9
    color: str = "#595959"
    bold: bool = False


Text = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet.

    :param label: pills of the labels of marks.
    :param rows: pills of the rows, from left to right.
    :param columns: measures of the bars.
    :param detail: further pills used in texts.
    :param rank: rank to filter by; rows of 0 pieces are filtered out, too.
    :param top: last rank that is shown.
    :param only: condition of the rows that are shown.
    :param sorted_by: dimension to sort, and the measure to sort it by, largest first.
    :param alphabetic: dimension sorted by its own text.
    :param scrolls: True to scroll rows of fixed height; False to fit them into the zone.
    """

    name: str
    title: Text
    mark: Literal["Text", "Bar"]
    color: str
    label: tuple[Pill, ...]
    label_text: Text
    tooltip: Text = ()
    rows: tuple[Pill, ...] = ()
    columns: tuple[Pill, ...] = ()
    detail: tuple[Pill, ...] = ()
    rank: Pill | None = None
    top: int = 0
    only: Pill | None = None
    sorted_by: tuple[Pill, Pill] | None = None
    alphabetic: Pill | None = None
    scrolls: bool = False

    @property
    def pills(self) -> tuple[Pill, ...]:
        """All pills of the sheet and of its filters, each once."""
        pills = [*self.rows, *self.columns, *self.label, *self.detail]
        pills += [COUNTRY, ORDERED, OF_CURRENCY]
        pills += [PIECES, self.rank] if self.rank else []
        pills += [self.only] if self.only else []
        pills += self.sorted_by or ()
        return tuple(dict.fromkeys(pills))


@dataclass(frozen=True, slots=True)
class Zone:
    """A rectangle of the dashboard, in pixels from its upper left corner.

    :param shows: name of a sheet, pill of a filter that the viewer chooses, parameter, or a text.
    """

    shows: str | Pill | Parameter | Text
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard. :param clicked: sheet on which a click filters all sheets by country."""

    name: str
    width: int
    height: int
    clicked: Sheet
    zones: tuple[Zone, ...]


COUNTRY = Pill("Calculation_Country", "none", "nk")
ORDERED = Pill("ordered_at", "none", "qk")
SKU = Pill("sku", "none", "nk")
ITEMS = Pill("quantity", "sum", "qk")
PIECES = Pill("quantity", "none", "qk")
ORDERS = Pill("Calculation_Orders", "usr", "qk")
MEASURE = Pill("Calculation_Measure", "usr", "qk")
REVENUE = Pill("Calculation_Revenue", "usr", "qk")
TITLE = Pill("Calculation_Title", "usr", "nk")
OF_CURRENCY = Pill("Calculation_OfCurrency", "none", "nk")
AVERAGE = Pill("Calculation_Average", "usr", "qk")
SCOPE = Pill("Calculation_Scope", "usr", "nk")
LOADED = Pill("Calculation_Loaded", "min", "qk")
RANK = Pill("Calculation_Rank", "usr", "ok", along="sku")
RANK_FILTER = Pill("Calculation_Rank", "usr", "qk", along="sku")
LARGEST = Pill("Calculation_Largest", "usr", "nk", along=WHOLE_SHEET)

COUNTRIES = Parameter("Parameter 1", "Countries in the list", value=5, least=1, most=300)
"""Number of countries of the sheet by country."""

MEASURED = Parameter(
    "Parameter 2", "Measure", value="items", members=("items", "orders", "revenue")
)
"""Measure of the bars, of the ranks, and of the size of countries."""

CURRENCY = Parameter("Parameter 3", "Currency of revenue", value="EUR")
"""Currency that revenue is restricted to: amounts of several are never summed."""

PARAMETERS = (COUNTRIES, MEASURED, CURRENCY)

INK, GREY = "#1f2937", "#6b7280"
PAPER, GROUND = "#ffffff", "#eef0f3"
BLUE, TEAL = "#2563eb", "#0f766e"

BREAK = Run("\n")


def _title(name: str, *subtitle: str | Pill | Parameter) -> Text:
    return (
        Run(name, 13, INK, bold=True),
        BREAK,
        *(Run(part, 9, GREY) for part in subtitle),
    )


def _tooltip(first: tuple[str | Pill, ...]) -> Text:
    """Return a tooltip: the mark's name, then its title, rank and measures."""
    lines: tuple[tuple[str, Pill], ...] = (
        ("Title", TITLE),
        ("Rank", RANK),
        ("Items", ITEMS),
        ("Orders", ORDERS),
        ("Revenue, if it is the measure", REVENUE),
    )
    runs = [Run(part, 10, INK, bold=True) for part in first]
    for name, pill in lines:
        runs += [BREAK, Run(f"{name}: ", 9, GREY), Run(pill, 9, INK, bold=True)]
    return tuple(runs)


TOP, TOP_BY_COUNTRY = 10, 5
"""Number of SKUs shown, overall and for each country."""

AVERAGE_SHEET = Sheet(
    "Average items per order",
    title=_title(
        "Average items per order", "Country: ", COUNTRY, "  ·  newest order loaded ", LOADED, " UTC"
    ),
    mark="Text",
    color=INK,
    label=(AVERAGE, ITEMS, ORDERS, SCOPE),
    label_text=(
        Run(AVERAGE, 32, BLUE, bold=True),
        Run("   ·   ", 14, GREY),
        Run(ITEMS, 14, INK, bold=True),
        Run(" items in ", 14, GREY),
        Run(ORDERS, 14, INK, bold=True),
        Run(" orders  ·  ", 14, GREY),
        Run(SCOPE, 14, GREY),
    ),
    detail=(LOADED,),
)

OVERALL_SHEET = Sheet(
    "Most popular SKUs",
    title=_title("Most popular SKUs", f"Top {TOP} by ", MEASURED, "  ·  Country: ", COUNTRY),
    mark="Bar",
    color=BLUE,
    rows=(RANK, SKU, TITLE),
    columns=(MEASURE,),
    label=(MEASURE,),
    label_text=(Run(MEASURE, 9, INK),),
    detail=(ITEMS, ORDERS, REVENUE),
    tooltip=_tooltip((SKU,)),
    rank=RANK_FILTER,
    top=TOP,
    alphabetic=SKU,
)

COUNTRY_SHEET = replace(
    OVERALL_SHEET,
    name="Most popular SKUs by country",
    title=_title(
        "Most popular SKUs by country",
        f"Top {TOP_BY_COUNTRY} in each of the ",
        COUNTRIES,
        " largest countries by ",
        MEASURED,
        "  ·  click one to filter everything",
    ),
    color=TEAL,
    rows=(COUNTRY, RANK, SKU, TITLE),
    tooltip=_tooltip((SKU, " in ", COUNTRY)),
    top=TOP_BY_COUNTRY,
    only=LARGEST,
    sorted_by=(COUNTRY, MEASURE),
    scrolls=True,
)

SHEETS = (AVERAGE_SHEET, COUNTRY_SHEET, OVERALL_SHEET)

WIDTH, HEIGHT = 1200, 960
"""Size of the dashboard. The sheet by country shows the first ``COUNTRIES.value`` whole."""

MARGIN, GAP = 16, 12
_HEAD, _TOP = 72, 150
_HALF = (WIDTH - 2 * MARGIN - GAP) // 2
_LOWER = MARGIN + _HEAD + _TOP + GAP
_CONTROLS = ((MEASURED, 90), (CURRENCY, 144), (ORDERED, 320), (COUNTRIES, 144), (COUNTRY, 170))
"""Choices of the viewer, and the widths of their controls in pixels."""


def _head() -> Iterator[Zone]:
    """Yield the zones above the sheets: the name on the left, the controls on the right."""
    right = WIDTH - MARGIN
    for shows, width in reversed(_CONTROLS):
        yield Zone(shows, right - width, MARGIN, width, _HEAD)
        right -= width + GAP
    yield Zone((Run("Orders", 20, INK, bold=True),), MARGIN, MARGIN, right - MARGIN, _HEAD)


DASHBOARD = Dashboard(
    "Orders",
    width=WIDTH,
    height=HEIGHT,
    clicked=COUNTRY_SHEET,
    zones=(
        *_head(),
        Zone(AVERAGE_SHEET.name, MARGIN, MARGIN + _HEAD, WIDTH - 2 * MARGIN, _TOP),
        Zone(COUNTRY_SHEET.name, MARGIN, _LOWER, _HALF, HEIGHT - _LOWER - MARGIN),
        Zone(OVERALL_SHEET.name, MARGIN + _HALF + GAP, _LOWER, _HALF, HEIGHT - _LOWER - MARGIN),
    ),
)
