"""Fields of the data source: columns of the order tables, and calculations."""

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
"""Tables of the data source. Items and addresses are related to the header, the first one."""

KEY = ("source", "ordernumber")
"""Columns that relate the tables. An order number is unique within its source."""

PERSONAL = frozenset(MASKS[ORDER_ADDRESS.name].hidden)
"""Columns about a person: never in an extract; on request hidden in a live workbook."""

HIDDEN = PERSONAL | {"order_id", "content_hash", "page", "item_quantity", "country"}
"""Columns hidden from authors of sheets."""

_DATA_TYPES: dict[str, DataType] = {
    "text": "string",
    "integer": "integer",
    "boolean": "boolean",
    "time": "datetime",
    "day": "date",
    "money": "real",
}


WHOLE, CENTS = "n#,##0", "n#,##0.00"
"""Tableau's formats for whole numbers and for numbers with two decimal places."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table in the data source.

    :param name: name in the data source, without brackets: ``source (order_item)``.
    :param caption: name shown to people.
    """

    name: str
    table: Table
    column: Column
    caption: str
    hidden: bool

    @property
    def data_type(self) -> DataType:
        """Tableau's data type."""
        return _DATA_TYPES[self.column.type]

    @property
    def number_format(self) -> str:
        """Tableau's number format; '' for Tableau's default."""
        return {"quantity": WHOLE, "total": CENTS}.get(self.column.name, "")

    @property
    def measure(self) -> bool:
        """True for a column that is summed; the others are dimensions."""
        return self.column.name in {"quantity", "total", "item_quantity"}


@dataclass(frozen=True, slots=True)
class Calculation:
    """A calculated field.

    :param name: name in the data source, without brackets.
    :param formula: formula in Tableau's language, with names of fields.
    :param measure: True for a measure, False for a dimension.
    :param table_calculation: True if it is computed along the rows of a sheet.
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
    """Return every column. A name used before gets the table's name in parentheses."""
    fields: dict[str, Field] = {}
    for table in TABLES:
        for column in table.columns:
            taken = column.name in fields
            name = f"{column.name} ({table.name})" if taken else column.name
            caption = CAPTIONS.get(column.name, column.name.replace("_", " ").capitalize())
            hidden = column.name in HIDDEN
            fields[name] = Field(
                name, table, column, f"{caption} ({table.name})" if taken else caption, hidden
            )
    return tuple(fields.values())


CAPTIONS = {
    "ordernumber": "Order number",
    "sku": "SKU",
    "quantity": "Items",
    "country": "Country as stored",
    "stateprovince": "State or province",
}
"""Captions that differ from the name of the column."""

FIELDS = _fields()

COUNTED = "counted"
"""Filter field of every sheet: False for orders that are no sale."""

ORDER_KEY = Calculation(
    "Calculation_OrderKey",
    "Order key",
    '[source (order_item)] + "/" + [ordernumber (order_item)]',
    "string",
    measure=False,
    hidden=True,
)
"""Key of an order with items. It is unique, because names of sources contain no slash."""

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
