"""The fields of the data source: the columns of the tables of orders, and the calculations."""

from dataclasses import dataclass
from typing import Literal

from orderpull.model import (
    MASKS,
    NO_COUNTRY,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)

DataType = Literal["string", "integer", "real", "boolean", "date", "datetime"]

TABLES = (ORDER_HEADER, ORDER_ITEM, ORDER_ADDRESS)
"""The header first: the two others are related to it."""

KEY = ("source", "ordernumber")
"""What relates them: an order's number may occur once in each source."""

PERSONAL = frozenset(MASKS[ORDER_ADDRESS.name].hidden)
"""Columns about a person: never in an extract, in a live workbook where they are wanted, hidden."""

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
