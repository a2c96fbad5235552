"""Rules for fields: each one is stored or calculated, and each formula is valid."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from orderpull.tableau.fields import DATA_TYPES
from orderpull.tableau.formula import Expression, FormulaError, fields, parse
from orderpull.tableau.formula_types import FormulaType, ValueType, type_of
from orderpull.tableau.lint.workbook import (
    DataSource,
    Faults,
    Finding,
    Rule,
    Workbook,
    levels,
    repeated,
    source_rule,
    unbracketed,
)

_VALUE_TYPES: dict[str, ValueType] = {k: names.value_type for k, names in DATA_TYPES.items()}
_FORMAT = re.compile(r'([ncp]["#,0.%$€;+\- ]*[#0][^<>]*|\*[^<>]+|[SLC]\S*)')


def _value_type(data_type: str | None) -> ValueType:
    return _VALUE_TYPES.get(data_type or "", "unknown")


@source_rule
def declared(_: Workbook, source: DataSource) -> Faults:
    """Check that each field has one declaration, an origin, and its stored type."""
    for twice, count in repeated(
        column.get("name") for column in source.element.iterfind("column")
    ):
        yield "field-twice", f"{twice} is declared {count} times"
    for name, column in source.columns.items():
        yield from _origin(source, name, column.get("datatype", ""))
        if column.get("role") not in {"dimension", "measure"}:
            yield "role", f"[{name}] is neither dimension nor measure"
        if column.get("datatype") == "string" and column.get("type") == "quantitative":
            yield "field-kind", f"[{name}] is a text and quantitative"
        number_format = column.get("default-format")
        if number_format and not _FORMAT.fullmatch(number_format):
            yield "format", f"{number_format!r} is not a number format"


def _origin(source: DataSource, name: str, data_type: str) -> Faults:
    if data_type == "table" or source.columns[name].find("calculation") is not None:
        return
    if name not in source.types:
        yield "field-nowhere", f"[{name}] is neither stored nor calculated"
    elif source.types[name] != data_type:
        yield "field-type", f"[{name}] is stored as {source.types[name]}, declared as {data_type}"


@source_rule
def calculations(workbook: Workbook, source: DataSource) -> Faults:
    """Check that each formula is valid, uses existing fields, and has its declared type."""
    trees: dict[str, Expression] = {}
    for name, formula in source.formulas.items():
        try:
            trees[name] = parse(formula)
        except FormulaError as error:
            yield "formula", f"[{name}] cannot be parsed: {error}"
    try:
        order = [*TopologicalSorter({n: fields(tree) for n, tree in trees.items()}).static_order()]
    except CycleError as error:
        circle = " → ".join(f"[{name}]" for name in error.args[1])
        yield "circle", f"calculations depend on each other: {circle}"
        return
    types = _known_types(workbook, source)
    for name in order:
        if name not in trees:
            continue
        try:
            types[name] = type_of(trees[name], types)
        except FormulaError as error:
            yield "calculation", f"[{name}]: {error}"
            types[name] = FormulaType("unknown", "constant")
        else:
            yield from _declared_type(source, name, types[name])


def _known_types(workbook: Workbook, source: DataSource) -> dict[str, FormulaType]:
    """Return the types of stored fields and of parameters, by the name that formulas use."""
    types = {name: FormulaType(_value_type(each), "row") for name, each in source.types.items()}
    for (source_name, name), column in workbook.parameters.items():
        value_type = _value_type(column.get("datatype"))
        types[f"{source_name}].[{name}"] = FormulaType(value_type, "constant")
    return types


def _declared_type(source: DataSource, name: str, actual: FormulaType) -> Faults:
    column = source.columns[name]
    data_type = column.get("datatype", "")
    expected = _value_type(data_type)
    if "unknown" not in {expected, actual.type} and expected != actual.type:
        yield "calculation-type", f"[{name}] returns {actual.type}, but {data_type} is declared"
    if actual.level == "sheet" and column.find("calculation/table-calc") is None:
        yield "table-calculation", f"[{name}] has no <table-calc>"
    if actual.level in {"group", "sheet"} and column.get("role") == "dimension":
        yield "aggregate-role", f"[{name}] is an aggregate and a dimension"


@Rule
def parameters(workbook: Workbook) -> Iterator[Finding]:
    """Check that each parameter begins with a value of its range."""
    for (_, name), column in workbook.parameters.items():
        limits = column.find("range")
        if limits is None:
            continue
        texts = (limits.get("min", "-inf"), column.get("value", ""), limits.get("max", "inf"))
        try:
            least, value, most = map(float, texts)
        except ValueError:
            continue  # A date, or no number at all.
        if not least <= value <= most:
            message = f"[{name}] begins with {value:g}, outside of its range"
            yield Finding("parameter-value", "parameters", message)


@source_rule
def groups(_: Workbook, source: DataSource) -> Faults:
    """Check that groups consist of existing fields."""
    pills = {
        unbracketed(each.get("name", "")) for each in source.element.findall("column-instance")
    }
    for name, group in source.groups.items():
        for level in sorted(levels(group)):
            if not source.has(level) and level not in pills:
                yield "group-field", f"[{name}] consists of [{level}], which does not exist"
