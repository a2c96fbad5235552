"""Fields of the data source, columns of tables and calculations, and their XML."""

import dataclasses
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

from orderpull.countries import country_names
from orderpull.model import (
    MASKS,
    NO_COUNTRY,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)
from orderpull.tableau.description import (
    COUNTRIES,
    CURRENCY,
    DERIVATIONS,
    KINDS,
    MEASURED,
    WHOLE_SHEET,
    Parameter,
    Pill,
)
from orderpull.tableau.formula_types import ValueType
from orderpull.tableau.xml import element, stable_code, text

DataType = Literal["string", "integer", "real", "boolean", "date", "datetime"]


class TypeNames(NamedTuple):
    """Names of a data type.

    :param model: its name in the model of the warehouse.
    :param number: OLE DB's number of the type, as in workbooks saved by Tableau.
    :param sql: its name in the SQL of Tableau's Hyper engine.
    """

    model: str
    number: str
    aggregation: str
    value_type: ValueType
    sql: str


DATA_TYPES: dict[DataType, TypeNames] = {
    "string": TypeNames("text", "129", "Count", "string", "text"),
    "integer": TypeNames("integer", "20", "Sum", "number", "bigint"),
    "real": TypeNames("money", "131", "Sum", "number", "double precision"),
    "boolean": TypeNames("boolean", "11", "Count", "boolean", "boolean"),
    "date": TypeNames("day", "133", "Year", "datetime", "date"),
    "datetime": TypeNames("time", "135", "Year", "datetime", "timestamp"),
}
_BY_MODEL = {names.model: data_type for data_type, names in DATA_TYPES.items()}

TABLES = (ORDER_HEADER, ORDER_ITEM, ORDER_ADDRESS)
"""Tables of the data source. Items and addresses are related to the header, the first one."""

KEY = ("source", "ordernumber")
"""Columns that relate the tables. An order number is unique within its source."""

PERSONAL = frozenset(
    name for table in TABLES if table.name in MASKS for name in MASKS[table.name].hidden
)
"""Columns about a person: never in an extract; on request hidden in a live workbook."""

HIDDEN = PERSONAL | {"order_id", "content_hash", "page", "item_quantity", "country"}
"""Columns hidden from authors of sheets."""

WHOLE, CENTS = "n#,##0", "n#,##0.00"
"""Tableau's formats for whole numbers and for numbers with two decimal places."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A field that the data source declares.

    :param name: name in the data source, without brackets: ``source (order_item)``.
    :param caption: name shown to people.
    :param measure: True for a measure, False for a dimension.
    :param number_format: Tableau's number format; '' for Tableau's default.
    :param role: Tableau's geographic role, with which a map can be drawn; '' for none.
    :param aliases: text shown in place of a value, by value.
    """

    name: str
    caption: str
    data_type: DataType
    _: KW_ONLY
    measure: bool = True
    number_format: str = ""
    hidden: bool = False
    role: str = ""
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Field(Declared):
    """A column of a table in the data source."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True)
class Calculation(Declared):
    """A calculated field.

    :param formula: formula in Tableau's language, with names of fields.
    :param table_calculation: True if it is computed along the rows of a sheet.
    """

    formula: str
    _: KW_ONLY
    table_calculation: bool = False


def _fields() -> tuple[Field, ...]:
    """Return every column. A name used before gets the table's name in parentheses."""
    fields: dict[str, Field] = {}
    for table in TABLES:
        for column in table.columns:
            suffix = f" ({table.name})" if column.name in fields else ""
            caption = CAPTIONS.get(column.name, column.name.replace("_", " ").capitalize())
            fields[column.name + suffix] = Field(
                column.name + suffix,
                caption + suffix,
                _BY_MODEL[column.type],
                measure=column.type == "money" or column.name in COUNTS,
                number_format=CENTS if column.type == "money" else COUNTS.get(column.name, ""),
                hidden=column.name in HIDDEN,
                table=table,
                column=column,
            )
    return tuple(fields.values())


COUNTS = {"quantity": WHOLE, "item_quantity": "", "returned": WHOLE}
"""Columns of counts, with their formats."""

CAPTIONS = {
    "ordernumber": "Order number",
    "sku": "SKU",
    "quantity": "Items",
    "country": "Country as stored",
    "stateprovince": "State or province",
    "ordered_at": "Ordered (UTC)",
}
"""Captions that differ from the name of the column."""

FIELDS = _fields()
EXTRACTED = tuple(field for field in FIELDS if field.column.name not in PERSONAL)
"""Fields of an extract: all but those about a person."""

COUNTED = "counted"
"""Filter field of every sheet: False for orders that are no sale."""

ORDER_KEY = Calculation(
    "Calculation_OrderKey",
    "Order key",
    "string",
    'IF [quantity] > 0 THEN [source (order_item)] + "/" + [ordernumber (order_item)] END',
    measure=False,
    hidden=True,
)
"""Key of an order with items; none for a row of 0 pieces. Names of sources contain no slash."""

CALCULATIONS = (
    Calculation(
        "Calculation_Country",
        "Country",
        "string",
        f'IFNULL([country], "{NO_COUNTRY}")',
        measure=False,
        role="[Country].[ISO3166_2]",
        aliases=country_names(),
    ),
    ORDER_KEY,
    Calculation(
        "Calculation_Orders",
        "Orders with items",
        "integer",
        f"COUNTD([{ORDER_KEY.name}])",
        number_format=WHOLE,
    ),
    Calculation(
        "Calculation_Revenue",
        "Revenue",
        "real",
        "// Only where all orders have one currency, the chosen one.\n"
        f'IF {MEASURED.reference} = "revenue" THEN SUM([amount]) END',
        number_format=CENTS,
    ),
    Calculation(
        "Calculation_Measure",
        "Measure",
        "real",
        f'CASE {MEASURED.reference} WHEN "orders" THEN [Calculation_Orders]\n'
        'WHEN "revenue" THEN [Calculation_Revenue] ELSE SUM([quantity]) END',
        number_format=WHOLE,
    ),
    Calculation(
        "Calculation_OfCurrency",
        "Of the currency of revenue",
        "boolean",
        "// Revenue is that of the orders in one currency; everything else that of all orders.\n"
        f'{MEASURED.reference} <> "revenue" OR [currency] = {CURRENCY.reference}',
        measure=False,
    ),
    Calculation(
        "Calculation_Title",
        "Product",
        "string",
        "MAX([title])",
    ),
    Calculation(
        "Calculation_Average",
        "Average items per order",
        "real",
        "SUM([quantity]) / [Calculation_Orders]",
        number_format=CENTS,
    ),
    Calculation(
        "Calculation_Scope",
        "Countries shown",
        "string",
        "IF COUNTD([Calculation_Country]) = 1 THEN MIN([Calculation_Country])\n"
        'ELSE STR(COUNTD([Calculation_Country])) + " countries" END',
    ),
    Calculation(
        "Calculation_Loaded",
        "Newest order loaded",
        "datetime",
        "{ MAX([loaded_at]) }",
        number_format="*yyyy-MM-dd HH:mm",
    ),
    Calculation(
        "Calculation_Rank",
        "Rank",
        "integer",
        "// By the measure, most first. Equal ones stand in the order of their SKUs,\n"
        "// so that no two share a rank. A SKU without amounts has no rank by revenue.\n"
        'RANK_UNIQUE(RANK([Calculation_Measure], "desc") * (SIZE() + 1) + INDEX(), "asc")',
        number_format=WHOLE,
        table_calculation=True,
    ),
    Calculation(
        "Calculation_Largest",
        "Among the largest countries",
        "boolean",
        "// Equal countries share a rank, so that all of them are shown.\n"
        'RANK_DENSE(MIN({ EXCLUDE [sku] : [Calculation_Measure] }), "desc")'
        f" <= {COUNTRIES.reference}",
        table_calculation=True,
    ),
)


def object_id(table: Table) -> str:
    """Return the table's id in the object graph, in the form of Tableau's ids."""
    return f"{table.name}_{stable_code('object', table.name)[:24].upper()}"


def metadata_record(field: Field, ordinal: int, name: str, table: str) -> ET.Element:
    """Return the metadata record of a column: its names and its type.

    :param name: name of the stored column.
    :param table: name of the stored table.
    """
    parts = [
        text("remote-name", name),
        text("remote-type", DATA_TYPES[field.data_type].number),
        text("local-name", f"[{field.name}]"),
        text("parent-name", f"[{table}]"),
        text("remote-alias", name),
        text("ordinal", str(ordinal)),
        text("local-type", field.data_type),
        text("aggregation", DATA_TYPES[field.data_type].aggregation),
        text("contains-null", "false" if field.column.name in field.table.key else "true"),
    ]
    if field.data_type == "string":
        parts.append(element("collation", flag="0", name="binary"))
    parts.append(text("object-id", f"[{object_id(field.table)}]"))
    return element("metadata-record", parts, class_="column")


def column(field: Declared) -> ET.Element:
    """Return the declaration of a stored or calculated field."""
    attributes = {"caption": field.caption, "datatype": field.data_type}
    if field.number_format:
        attributes["default-format"] = field.number_format
    if field.hidden:
        attributes["hidden"] = "true"
    attributes["name"] = f"[{field.name}]"
    attributes["role"] = "measure" if field.measure else "dimension"
    attributes["type"] = "quantitative" if field.measure else "ordinal"
    if field.data_type in {"string", "boolean"}:
        attributes["type"] = "nominal"
    if field.role:
        attributes["semantic-role"] = field.role
    result = ET.Element("column", attributes)
    if isinstance(field, Calculation):
        formula = element("calculation", class_="tableau", formula=field.formula)
        if field.table_calculation:
            formula.append(element("table-calc", ordering_type="Rows"))
        result.append(formula)
    if field.aliases:
        aliases = (
            element("alias", key=f'"{value}"', value=shown)
            for value, shown in field.aliases.items()
        )
        result.append(element("aliases", aliases))
    return result


def parameter_column(parameter: Parameter) -> ET.Element:
    """Return the declaration of a parameter."""
    is_text = isinstance(parameter.value, str)
    value = f'"{parameter.value}"' if is_text else str(parameter.value)
    domain: list[ET.Element] = []
    if parameter.members:
        members = (element("member", value=f'"{each}"') for each in parameter.members)
        domain = [element("members", members)]
    elif not is_text:
        limits = {"max": str(parameter.most), "min": str(parameter.least)}
        domain = [element("range", granularity="1", **limits)]
    kinds = {True: "list", False: "any" if is_text else "range"}
    return element(
        "column",
        element("calculation", class_="tableau", formula=value),
        domain,
        caption=parameter.caption,
        datatype="string" if is_text else "integer",
        name=f"[{parameter.name}]",
        param_domain_type=kinds[bool(parameter.members)],
        role="measure",
        type="nominal" if is_text else "quantitative",
        value=value,
    )


def column_instance(pill: Pill, data_source: str) -> ET.Element:
    """Return the declaration of a pill: its field, aggregation and direction of computation."""
    result = element(
        "column-instance",
        column=f"[{pill.field}]",
        derivation=DERIVATIONS[pill.derivation],
        name=f"[{pill.name}]",
        pivot="key",
        type=KINDS[pill.kind],
    )
    if pill.along == WHOLE_SHEET:
        result.append(element("table-calc", ordering_type="Rows"))
    elif pill.along:
        along = f"[{data_source}].[{pill.along}]"
        result.append(element("table-calc", ordering_field=along, ordering_type="Field"))
    return result
