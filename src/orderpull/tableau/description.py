"""The workbook, described once: data source, calculations, sheets and dashboard.

The builder writes it as Tableau's XML, the preview draws it, and the tests compute its sheets.
"""

from dataclasses import dataclass, field
from typing import Literal

from orderpull.model import NO_COUNTRY, ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM, Column, Table

DataType = Literal["string", "integer", "real", "boolean", "date", "datetime"]
Derivation = Literal["none", "sum", "min", "usr"]
Kind = Literal["nk", "ok", "qk"]

TABLES = (ORDER_HEADER, ORDER_ITEM, ORDER_ADDRESS)
"""The header first: the two others are related to it."""

KEY = ("source", "ordernumber")
"""What relates them: an order's number may occur once in each source."""

PERSONAL = frozenset({"name", "line1", "line2", "postalcode"})
"""Columns about a person: hidden in a live workbook, and not in an extract at all."""

HIDDEN = PERSONAL | {"order_id", "content_hash", "page", "item_quantity", "country"}
"""Columns that a person who makes a sheet should not meet."""

_DATA_TYPES: dict[str, DataType] = {
    "text": "string",
    "integer": "integer",
    "boolean": "boolean",
    "time": "datetime",
    "day": "date",
    "money": "real",
}


WHOLE, CENTS = "n#,##0", "n#,##0.00"
"""Tableau's formats for whole numbers and for those with two places, grouped."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table, as the data source calls it.

    :param name: its name in the data source, without brackets: ``source (order_item)``.
    :param caption: what a person sees.
    """

    name: str
    table: Table
    column: Column
    caption: str
    hidden: bool

    @property
    def data_type(self) -> DataType:
        """Tableau's word for what it holds."""
        return _DATA_TYPES[self.column.type]

    @property
    def number_format(self) -> str:
        """Tableau's format for its numbers; '' leaves it to Tableau."""
        return {"quantity": WHOLE, "total": CENTS}.get(self.column.name, "")

    @property
    def measure(self) -> bool:
        """Whether it is summed; all others tell rows apart."""
        return self.column.name in {"quantity", "total", "item_quantity"}


@dataclass(frozen=True, slots=True)
class Calculation:
    """A calculated field.

    :param name: its name in the data source, without brackets.
    :param formula: in Tableau's language, by names of fields.
    :param measure: whether it is a measure; it is a dimension otherwise.
    :param table_calculation: whether it is computed along what a sheet shows.
    """

    name: str
    caption: str
    formula: str
    data_type: DataType
    measure: bool
    number_format: str = ""
    hidden: bool = False
    table_calculation: bool = False


@dataclass(frozen=True, slots=True)
class Pill:
    """A field as a sheet uses it.

    :param field: the field's name. :param derivation: how it is aggregated; usr: it is by itself.
    :param kind: nk: nominal; ok: ordinal; qk: quantitative.
    :param along: a table calculation's field along which it runs; it starts anew in all others.
    """

    field: str
    derivation: Derivation
    kind: Kind
    along: str = ""

    @property
    def name(self) -> str:
        """The pill's name in a sheet, without brackets."""
        return f"{self.derivation}:{self.field}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text, or a field's value, in one style. :param size: in points."""

    content: str | Pill
    size: int = 9
    color: str = "#595959"
    bold: bool = False


Text = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet.

    :param title: what stands above it.
    :param rows: what its rows show, from left to right. :param columns: what its bars measure.
    :param label: what a mark is labelled with. :param detail: what else its texts tell.
    :param tooltip: what is told of a mark under the pointer.
    :param rank: the rank that is filtered by. :param top: up to which rank rows are shown.
    :param sorted_by: the dimension that is sorted, and the measure, largest first.
    :param alphabetic: the dimension that is sorted by its own text.
    :param scrolls: whether it keeps its rows' height and scrolls; else it fills its place.
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
    sorted_by: tuple[Pill, Pill] | None = None
    alphabetic: Pill | None = None
    scrolls: bool = False

    @property
    def pills(self) -> tuple[Pill, ...]:
        """Every pill that the sheet uses, each once, with those that it is filtered by."""
        named = [*self.rows, *self.columns, *self.label, *self.detail, COUNTRY]
        named += [self.rank] if self.rank else []
        named += self.sorted_by or ()
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Zone:
    """A place on the dashboard, in pixels from its upper left corner.

    :param shows: a sheet's name, the words ``country filter``, or a text.
    """

    shows: str | Text
    x: int
    y: int
    width: int
    height: int


def _fields() -> tuple[Field, ...]:
    """Every column; where a name is taken, the table's name follows it in parentheses."""
    found: dict[str, Field] = {}
    for table in TABLES:
        for column in table.columns:
            taken = column.name in found
            name = f"{column.name} ({table.name})" if taken else column.name
            caption = CAPTIONS.get(column.name, column.name.replace("_", " ").capitalize())
            hidden = column.name in HIDDEN
            found[name] = Field(
                name, table, column, f"{caption} ({table.name})" if taken else caption, hidden
            )
    return tuple(found.values())


CAPTIONS = {
    "ordernumber": "Order number",
    "sku": "SKU",
    "quantity": "Items",
    "country": "Country as stored",
    "stateprovince": "State or province",
}
"""What is called otherwise than its column."""

FIELDS = _fields()

COUNTED = "counted"
"""The field that every sheet is filtered by: orders that are no sale are left out."""

ORDER_KEY = Calculation(
    "Calculation_OrderKey",
    "Order key",
    '[source (order_item)] + "/" + [ordernumber (order_item)]',
    "string",
    measure=False,
    hidden=True,
)
"""An order that has items. No source's name holds a slash, so no two orders share a key."""

CALCULATIONS = (
    Calculation(
        "Calculation_Country",
        "Country",
        f'IFNULL([country], "{NO_COUNTRY}")',
        "string",
        measure=False,
    ),
    ORDER_KEY,
    Calculation(
        "Calculation_Orders",
        "Orders with items",
        f"COUNTD([{ORDER_KEY.name}])",
        "integer",
        measure=True,
        number_format=WHOLE,
    ),
    Calculation(
        "Calculation_Average",
        "Average items per order",
        "SUM([quantity]) / [Calculation_Orders]",
        "real",
        measure=True,
        number_format=CENTS,
    ),
    Calculation(
        "Calculation_Scope",
        "Countries shown",
        "IF COUNTD([Calculation_Country]) = 1 THEN MIN([Calculation_Country])\n"
        'ELSE STR(COUNTD([Calculation_Country])) + " countries" END',
        "string",
        measure=True,
    ),
    Calculation(
        "Calculation_Loaded",
        "Newest order loaded",
        "{ MAX([loaded_at]) }",
        "datetime",
        measure=True,
        number_format="*yyyy-MM-dd HH:mm",
    ),
    Calculation(
        "Calculation_Rank",
        "Rank",
        "// By items, most first. Equal ones stand in the order of their SKUs,\n"
        "// so that no two share a rank.\n"
        'RANK_UNIQUE(RANK(SUM([quantity]), "desc") * (SIZE() + 1) + INDEX(), "asc")',
        "integer",
        measure=True,
        number_format=WHOLE,
        table_calculation=True,
    ),
)

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
    """Who it is, then its rank, items and orders."""
    lines: tuple[tuple[str, Pill], ...] = (("Rank", RANK), ("Items", ITEMS), ("Orders", ORDERS))
    told = [Run(part, 10, INK, bold=True) for part in first]
    for name, pill in lines:
        told += [BREAK, Run(f"{name}: ", 9, GREY), Run(pill, 9, INK, bold=True)]
    return tuple(told)


TOP, TOP_BY_COUNTRY = 10, 5
"""How many SKUs are shown, overall and of each country."""

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


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The dashboard. :param clicked: the sheet on which a click filters all by country."""

    name: str
    width: int
    height: int
    clicked: Sheet
    zones: tuple[Zone, ...] = field(default=())


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
