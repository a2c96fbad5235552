"""Columns of the data source as Tableau's XML: stored, calculated, and as pills."""

from xml.etree import ElementTree as ET

from orderpull.model import Table
from orderpull.tableau.fields import Calculation, DataType, Field
from orderpull.tableau.shapes import Pill
from orderpull.tableau.xml import code, element, text

_REMOTE_TYPES: dict[DataType, str] = {
    "string": "129",
    "integer": "20",
    "real": "131",
    "boolean": "11",
    "date": "133",
    "datetime": "135",
}
"""OLE DB's numbers for types, as workbooks that Tableau saved have them."""

_DERIVATIONS = {"none": "None", "sum": "Sum", "min": "Min", "usr": "User"}
_TYPES = {"nk": "nominal", "ok": "ordinal", "qk": "quantitative"}


def object_id(table: Table) -> str:
    """The table's name in the object graph, as Tableau makes such names."""
    return f"{table.name}_{code('object', table.name)[:24].upper()}"


def record(field: Field, ordinal: int, name: str, table: str) -> ET.Element:
    """What Tableau remembers of a column: its names here and there, and its type.

    :param name: what it is called where it is stored. :param table: what its table is called there.
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


_AGGREGATIONS: dict[DataType, str] = {
    "string": "Count",
    "integer": "Sum",
    "real": "Sum",
    "boolean": "Count",
    "date": "Year",
    "datetime": "Year",
}


def stored(field: Field) -> ET.Element:
    """The declaration of a stored column."""
    words = {"caption": field.caption, "datatype": field.data_type}
    if field.number_format:
        words["default-format"] = field.number_format
    if field.hidden:
        words["hidden"] = "true"
    words["name"] = f"[{field.name}]"
    words |= _role(measure=field.measure, data_type=field.data_type)
    return ET.Element("column", words)


def calculated(calculation: Calculation) -> ET.Element:
    """The declaration of a calculated field."""
    words = {"caption": calculation.caption, "datatype": calculation.data_type}
    if calculation.number_format:
        words["default-format"] = calculation.number_format
    if calculation.hidden:
        words["hidden"] = "true"
    words["name"] = f"[{calculation.name}]"
    words |= _role(measure=calculation.measure, data_type=calculation.data_type)
    formula = element("calculation", class_="tableau", formula=calculation.formula)
    if calculation.table_calculation:
        formula.append(element("table-calc", ordering_type="Rows"))
    made = ET.Element("column", words)
    made.append(formula)
    return made


def _role(*, measure: bool, data_type: DataType) -> dict[str, str]:
    if not measure:
        return {"role": "dimension", "type": "ordinal" if data_type != "string" else "nominal"}
    return {"role": "measure", "type": "nominal" if data_type == "string" else "quantitative"}


def instance(pill: Pill, data_source: str) -> ET.Element:
    """A pill's declaration: the field, how it is aggregated, and what it is computed along."""
    made = element(
        "column-instance",
        column=f"[{pill.field}]",
        derivation=_DERIVATIONS[pill.derivation],
        name=f"[{pill.name}]",
        pivot="key",
        type=_TYPES[pill.kind],
    )
    if pill.along:
        along = f"[{data_source}].[{pill.along}]"
        made.append(element("table-calc", ordering_field=along, ordering_type="Field"))
    return made
