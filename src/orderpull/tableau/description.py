"""Description of the sheets and the dashboard; ``fields.py`` has the calculations.

The builder writes it as Tableau's XML, the preview draws it, and the tests compute its sheets.
"""

from orderpull.tableau.shapes import Dashboard, Pill, Run, Sheet, Text, Zone

COUNTRY = Pill("Calculation_Country", "none", "nk")
SKU = Pill("sku", "none", "nk")
ITEMS = Pill("quantity", "sum", "qk")
ORDERS = Pill("Calculation_Orders", "usr", "qk")
AVERAGE = Pill("Calculation_Average", "usr", "qk")
SCOPE = Pill("Calculation_Scope", "usr", "nk")
LOADED = Pill("Calculation_Loaded", "min", "qk")
RANK = Pill("Calculation_Rank", "usr", "ok", along="sku")
RANK_FILTER = Pill("Calculation_Rank", "usr", "qk", along="sku")

INK, GREY = "#1f2937", "#6b7280"
PAPER, GROUND = "#ffffff", "#eef0f3"
BLUE, TEAL = "#2563eb", "#0f766e"

BREAK = Run("\n")


def _title(name: str, *subtitle: str | Pill) -> Text:
    return (
        Run(name, 13, INK, bold=True),
        BREAK,
        *(Run(part, 9, GREY) for part in subtitle),
    )


def _tooltip(first: tuple[str | Pill, ...]) -> Text:
    """Return a tooltip: the mark's name, then its rank, items and orders."""
    lines: tuple[tuple[str, Pill], ...] = (("Rank", RANK), ("Items", ITEMS), ("Orders", ORDERS))
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
    filtered_by=COUNTRY,
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

COUNTRY_SHEET = Sheet(
    "Most popular SKUs by country",
    title=_title(
        "Most popular SKUs by country",
        f"Top {TOP_BY_COUNTRY} of each country by items  ·  Country: ",
        COUNTRY,
        "  ·  click a country to filter everything",
    ),
    mark="Bar",
    color=TEAL,
    rows=(COUNTRY, RANK, SKU),
    columns=(ITEMS,),
    filtered_by=COUNTRY,
    label=(ITEMS,),
    label_text=(Run(ITEMS, 9, INK),),
    detail=(ORDERS,),
    tooltip=_tooltip((SKU, " in ", COUNTRY)),
    rank=RANK_FILTER,
    top=TOP_BY_COUNTRY,
    sorted_by=(COUNTRY, ITEMS),
    alphabetic=SKU,
    scrolls=True,
)

OVERALL_SHEET = Sheet(
    "Most popular SKUs",
    title=_title("Most popular SKUs", f"Top {TOP} by items  ·  Country: ", COUNTRY),
    mark="Bar",
    color=BLUE,
    rows=(RANK, SKU),
    columns=(ITEMS,),
    filtered_by=COUNTRY,
    label=(ITEMS,),
    label_text=(Run(ITEMS, 9, INK),),
    detail=(ORDERS,),
    tooltip=_tooltip((SKU,)),
    rank=RANK_FILTER,
    top=TOP,
    alphabetic=SKU,
)

SHEETS = (AVERAGE_SHEET, COUNTRY_SHEET, OVERALL_SHEET)

COUNTRY_FILTER = "country filter"


MARGIN, GAP = 16, 12
_HEAD, _TOP = 56, 150
_HALF = (1200 - 2 * MARGIN - GAP) // 2
_LOWER = MARGIN + _HEAD + _TOP + GAP

DASHBOARD = Dashboard(
    "Orders",
    width=1200,
    height=860,
    clicked=COUNTRY_SHEET,
    zones=(
        Zone((Run("Orders", 20, INK, bold=True),), MARGIN, MARGIN, 880, _HEAD),
        Zone(COUNTRY_FILTER, MARGIN + 880, MARGIN, 1200 - 2 * MARGIN - 880, _HEAD),
        Zone(AVERAGE_SHEET.name, MARGIN, MARGIN + _HEAD, 1200 - 2 * MARGIN, _TOP),
        Zone(COUNTRY_SHEET.name, MARGIN, _LOWER, _HALF, 860 - _LOWER - MARGIN),
        Zone(OVERALL_SHEET.name, MARGIN + _HALF + GAP, _LOWER, _HALF, 860 - _LOWER - MARGIN),
    ),
)
