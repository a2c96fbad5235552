"""Columns of the data source in Tableau's XML: metadata, declarations and pills."""

from xml.etree import ElementTree as ET

from orderpull.model import Table
from orderpull.tableau.fields import Calculation, DataType, Field
from orderpull.tableau.shapes import Pill
from orderpull.tableau.xml import element, stable_code, text

_REMOTE_TYPES: dict[DataType, str] = {
    "string": "129",
    "integer": "20",
    "real": "131",
    "boolean": "11",
    "date": "133",
    "datetime": "135",
}
"""OLE DB's type numbers, as in workbooks saved by Tableau."""

_AGGREGATIONS: dict[DataType, str] = {
    "string": "Count",
    "integer": "Sum",
    "real": "Sum",
    "boolean": "Count",
    "date": "Year",
    "datetime": "Year",
}
_DERIVATIONS = {"none": "None", "sum": "Sum", "min": "Min", "usr": "User"}
_TYPES = {"nk": "nominal", "ok": "ordinal", "qk": "quantitative"}


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
        text("remote-type", _REMOTE_TYPES[field.data_type]),
        text("local-name", f"[{field.name}]"),
        text("parent-name", f"[{table}]"),
        text("remote-alias", name),
        text("ordinal", str(ordinal)),
        text("local-type", field.data_type),
        text("aggregation", "Sum" if field.measure else _AGGREGATIONS[field.data_type]),
        text("contains-null", "false" if field.column.name in field.table.key else "true"),
    ]
    if field.data_type == "string":
        parts.append(element("collation", flag="0", name="binary"))
    parts.append(text("object-id", f"[{object_id(field.table)}]"))
    return element("metadata-record", parts, class_="column")


def column(field: Field | Calculation) -> ET.Element:
    """Return the declaration of a stored or calculated field."""
    attributes = {"caption": field.caption, "datatype": field.data_type}
    if field.number_format:
        attributes["default-format"] = field.number_format
    if field.hidden:
        attributes["hidden"] = "true"
    attributes["name"] = f"[{field.name}]"
    attributes["role"] = "measure" if field.measure else "dimension"
    attributes["type"] = "quantitative" if field.measure else "ordinal"
    if field.data_type == "string":
        attributes["type"] = "nominal"
    result = ET.Element("column", attributes)
    if isinstance(field, Calculation):
        formula = element("calculation", class_="tableau", formula=field.formula)
        if field.table_calculation:
            formula.append(element("table-calc", ordering_type="Rows"))
        result.append(formula)
    return result


def column_instance(pill: Pill, data_source: str) -> ET.Element:
    """Return the declaration of a pill: its field, aggregation and direction of computation."""
    result = element(
        "column-instance",
        column=f"[{pill.field}]",
        derivation=_DERIVATIONS[pill.derivation],
        name=f"[{pill.name}]",
        pivot="key",
        type=_TYPES[pill.kind],
    )
    if pill.along:
        along = f"[{data_source}].[{pill.along}]"
        result.append(element("table-calc", ordering_field=along, ordering_type="Field"))
    return result
