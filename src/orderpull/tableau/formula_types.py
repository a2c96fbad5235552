"""Type checker of formulas: the type of a value, and its level (row, group or sheet).

Like Tableau it rejects aggregates of aggregates, and rows mixed with aggregates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as Only

from orderpull.tableau.formula import (
    Call,
    Choice,
    Expression,
    Field,
    FormulaError,
    LevelOfDetail,
    Operation,
    Value,
)

Level = Only["constant", "row", "group", "sheet"]
ValueType = Only["string", "number", "boolean", "datetime", "unknown"]


@dataclass(frozen=True, slots=True)
class FormulaType:
    """Type of an expression. :param level: the unit that has one value."""

    type: ValueType
    level: Level


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Tableau.

    :param level: level of its result.
    :param least: lowest number of arguments.
    :param most: highest number of arguments.
    :param returns: type of its result; '' for the type of its first argument.
    """

    level: Only["row", "group", "sheet"]
    least: int
    most: int
    returns: ValueType | Only[""] = ""


def _row(names: str, returns: ValueType) -> dict[str, Function]:
    """Return functions of a row's values. The number of their arguments is not checked."""
    return {name: Function("row", 0, 9, returns) for name in names.split()}


def _numbers(
    names: str, level: Only["group", "sheet"], least: int, most: int
) -> dict[str, Function]:
    """Return functions with a number as result."""
    return {name: Function(level, least, most, "number") for name in names.split()}


FUNCTIONS = {
    **_row("ABS CEILING FLOOR SIGN SQRT SQUARE EXP LN FLOAT INT LEN ASCII ZN DIV", "number"),
    **_row("ROUND POWER LOG FIND FINDNTH DATEPART DATEDIFF YEAR QUARTER MONTH WEEK DAY", "number"),
    **_row("ACOS ASIN ATAN ATAN2 COS COT SIN TAN DEGREES RADIANS PI", "number"),
    **_row("STR LEFT RIGHT MID UPPER LOWER PROPER TRIM LTRIM RTRIM REPLACE SPACE", "string"),
    **_row("SPLIT CHAR DATENAME REGEXP_EXTRACT REGEXP_REPLACE USERNAME FULLNAME", "string"),
    **_row("CONTAINS STARTSWITH ENDSWITH ISNULL ISDATE REGEXP_MATCH ISMEMBEROF", "boolean"),
    **_row("DATE DATETIME DATETRUNC DATEADD DATEPARSE MAKEDATE MAKEDATETIME NOW TODAY", "datetime"),
    "IFNULL": Function("row", 2, 2),
    "IIF": Function("row", 3, 4, "unknown"),
    **_numbers("SUM AVG MEDIAN STDEV VAR COUNT COUNTD", "group", 1, 1),
    **_numbers("PERCENTILE", "group", 2, 2),
    "MIN": Function("group", 1, 2),
    "MAX": Function("group", 1, 2),
    "ATTR": Function("group", 1, 1),
    **_numbers("INDEX SIZE FIRST LAST", "sheet", 0, 0),
    **_numbers("RANK RANK_DENSE RANK_UNIQUE RANK_MODIFIED RANK_PERCENTILE", "sheet", 1, 2),
    **_numbers("RUNNING_SUM RUNNING_AVG TOTAL", "sheet", 1, 1),
    **_numbers("WINDOW_SUM WINDOW_AVG", "sheet", 1, 3),
    "WINDOW_MIN": Function("sheet", 1, 3),
    "WINDOW_MAX": Function("sheet", 1, 3),
    "LOOKUP": Function("sheet", 1, 2),
}
"""Supported functions of Tableau."""

_RANKS = frozenset({"RANK", "RANK_DENSE", "RANK_UNIQUE", "RANK_MODIFIED"})
_COMPARES = frozenset({"=", "==", "<>", "!=", "<", "<=", ">", ">=", "IN"})
_ORDER: tuple[Level, ...] = ("constant", "row", "group", "sheet")


def type_of(tree: Expression, types: Mapping[str, FormulaType]) -> FormulaType:
    """Return the type of an expression.

    :param types: types of the fields.
    :raises FormulaError: a field or function is unknown, or types or levels do not match.
    """
    match tree:
        case Value():
            return FormulaType("datetime" if tree.is_date else _value_type(tree.value), "constant")
        case Field():
            return _field(tree.name, types)
        case LevelOfDetail():
            return _level_of_detail(tree, types)
        case Call():
            return _call(tree, [type_of(part, types) for part in tree.arguments])
        case Operation():
            return _operation(tree.sign, [type_of(part, types) for part in tree.operands])
        case Choice():
            return _choice(tree, types)


def _value_type(value: str | float | bool | None) -> ValueType:  # noqa: FBT001 - a value of any kind
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "unknown" if value is None else "number"


def _field(name: str, types: Mapping[str, FormulaType]) -> FormulaType:
    if name not in types:
        raise FormulaError(f"the field [{name}] does not exist")
    return types[name]


def _level_of_detail(tree: LevelOfDetail, types: Mapping[str, FormulaType]) -> FormulaType:
    for name in tree.dimensions:
        if _field(name, types).level != "row":
            raise FormulaError(f"[{name}] is not a dimension of a level of detail")
    inner = type_of(tree.inner, types)
    if inner.level != "group":
        raise FormulaError("the expression in braces is not an aggregate")
    return FormulaType(inner.type, "row")


def _call(tree: Call, arguments: list[FormulaType]) -> FormulaType:
    function = FUNCTIONS.get(tree.name)
    if function is None:
        raise FormulaError(f"the function {tree.name} is unknown")
    if not function.least <= len(arguments) <= function.most:
        raise FormulaError(f"{tree.name} does not take {len(arguments)} arguments")
    if tree.name in {"SUM", "AVG", "MEDIAN"} and arguments[0].type in {"string", "boolean"}:
        raise FormulaError(f"{tree.name} does not take a {arguments[0].type}")
    if tree.name in _RANKS and len(arguments) > 1:
        direction = tree.arguments[1]
        if not (isinstance(direction, Value) and direction.value in {"asc", "desc"}):
            raise FormulaError(f'the direction of {tree.name} is "asc" or "desc"')
    returns = function.returns or arguments[0].type
    if function.level == "row":
        return FormulaType(returns, _combined_level(arguments))
    if function.level == "group":
        if any(part.level in {"group", "sheet"} for part in arguments):
            raise FormulaError(f"{tree.name} aggregates an aggregate")
        return FormulaType(returns, "group")
    if any(part.level == "row" for part in arguments):
        raise FormulaError(f"{tree.name} needs an aggregate")
    return FormulaType(returns, "sheet")


def _operation(sign: str, arguments: list[FormulaType]) -> FormulaType:
    level = _combined_level(arguments)
    types = {part.type for part in arguments} - {"unknown"}
    if sign in {"AND", "OR", "NOT"}:
        _only(types, {"boolean"}, sign)
        return FormulaType("boolean", level)
    if sign in _COMPARES:
        if len(types) > 1:
            raise FormulaError(f"{sign} compares {' with '.join(sorted(types))}")
        return FormulaType("boolean", level)
    if sign == "LIST":
        _only(types, {next(iter(types))} if types else set(), "a list")
        return FormulaType(next(iter(types), "unknown"), level)
    if sign == "+" and types == {"string"}:
        return FormulaType("string", level)
    _only(types, {"number", "datetime"}, sign)
    if sign == "-" and types == {"datetime"}:
        return FormulaType("number", level)  # the number of days between
    return FormulaType("datetime" if "datetime" in types else "number", level)


def _only(types: set[ValueType], allowed: set[ValueType], sign: str) -> None:
    if types - allowed:
        raise FormulaError(f"{sign} does not take {' and '.join(sorted(types))}")


def _choice(tree: Choice, types: Mapping[str, FormulaType]) -> FormulaType:
    conditions = [type_of(condition, types) for condition, _ in tree.branches]
    results = [type_of(result, types) for _, result in tree.branches]
    if tree.otherwise is not None:
        results.append(type_of(tree.otherwise, types))
    if any(condition.type not in {"boolean", "unknown"} for condition in conditions):
        raise FormulaError("the condition of IF is not boolean")
    result_types = {result.type for result in results} - {"unknown"}
    if len(result_types) > 1:
        raise FormulaError(f"IF returns {' or '.join(sorted(result_types))}")
    return FormulaType(
        result_types.pop() if result_types else "unknown", _combined_level(conditions + results)
    )


def _combined_level(arguments: list[FormulaType]) -> Level:
    """Return the level of a combination; rows cannot be combined with aggregates."""
    levels = {part.level for part in arguments}
    if "row" in levels and levels & {"group", "sheet"}:
        raise FormulaError("a row's value is combined with an aggregate")
    return max(levels, key=_ORDER.index, default="constant")
