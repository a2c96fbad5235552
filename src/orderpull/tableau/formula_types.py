"""What a calculation gives: its type, and whether for a row, a group, or along a whole sheet.

Tableau refuses a formula that sums a sum or that mixes a row's values with a group's; so does this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as Only

from orderpull.tableau.formula import (
    Call,
    Choice,
    Expression,
    Field,
    Fixed,
    FormulaError,
    Operation,
    Value,
)

Level = Only["constant", "row", "group", "sheet"]
ValueType = Only["string", "number", "boolean", "datetime", "unknown"]


@dataclass(frozen=True, slots=True)
class FormulaType:
    """What an expression gives. :param level: for what it has one value."""

    type: ValueType
    level: Level


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Tableau's. :param gives: '' is the type of its first argument."""

    kind: Only["row", "group", "sheet"]
    least: int
    most: int
    gives: ValueType | Only[""] = ""


def _row(names: str, gives: ValueType) -> dict[str, Function]:
    """Functions of a row's own values; how many they take is left to Tableau."""
    return {name: Function("row", 0, 9, gives) for name in names.split()}


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
    "SUM": Function("group", 1, 1, "number"),
    "AVG": Function("group", 1, 1, "number"),
    "MIN": Function("group", 1, 2),
    "MAX": Function("group", 1, 2),
    "MEDIAN": Function("group", 1, 1, "number"),
    "STDEV": Function("group", 1, 1, "number"),
    "VAR": Function("group", 1, 1, "number"),
    "PERCENTILE": Function("group", 2, 2, "number"),
    "COUNT": Function("group", 1, 1, "number"),
    "COUNTD": Function("group", 1, 1, "number"),
    "ATTR": Function("group", 1, 1),
    "INDEX": Function("sheet", 0, 0, "number"),
    "SIZE": Function("sheet", 0, 0, "number"),
    "FIRST": Function("sheet", 0, 0, "number"),
    "LAST": Function("sheet", 0, 0, "number"),
    "RANK": Function("sheet", 1, 2, "number"),
    "RANK_DENSE": Function("sheet", 1, 2, "number"),
    "RANK_UNIQUE": Function("sheet", 1, 2, "number"),
    "RUNNING_SUM": Function("sheet", 1, 1, "number"),
    "WINDOW_SUM": Function("sheet", 1, 3, "number"),
    "RANK_PERCENTILE": Function("sheet", 1, 2, "number"),
    "RANK_MODIFIED": Function("sheet", 1, 2, "number"),
    "RUNNING_AVG": Function("sheet", 1, 1, "number"),
    "WINDOW_AVG": Function("sheet", 1, 3, "number"),
    "WINDOW_MIN": Function("sheet", 1, 3),
    "WINDOW_MAX": Function("sheet", 1, 3),
    "TOTAL": Function("sheet", 1, 1, "number"),
    "LOOKUP": Function("sheet", 1, 2),
}
"""Those of Tableau's functions that are known here."""

_RANKS = frozenset({"RANK", "RANK_DENSE", "RANK_UNIQUE", "RANK_MODIFIED"})
_COMPARES = frozenset({"=", "==", "<>", "!=", "<", "<=", ">", ">=", "IN"})
_ORDER: tuple[Level, ...] = ("constant", "row", "group", "sheet")


def type_of(tree: Expression, known: Mapping[str, FormulaType]) -> FormulaType:
    """What *tree* gives.

    :param known: what each field gives.
    :raises FormulaError: a field or function is unknown, or what is put together does not fit.
    """
    match tree:
        case Value():
            return FormulaType("datetime" if tree.is_date else _value_type(tree.value), "constant")
        case Field():
            return _named(tree.name, known)
        case Fixed():
            return _fixed(tree, known)
        case Call():
            return _called(tree, [type_of(part, known) for part in tree.arguments])
        case Operation():
            return _operated(tree.sign, [type_of(part, known) for part in tree.operands])
        case Choice():
            return _chosen(tree, known)


def _value_type(value: str | float | bool | None) -> ValueType:  # noqa: FBT001 - a value of any kind
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "unknown" if value is None else "number"


def _named(name: str, known: Mapping[str, FormulaType]) -> FormulaType:
    if name not in known:
        raise FormulaError(f"there is no field [{name}]")
    return known[name]


def _fixed(tree: Fixed, known: Mapping[str, FormulaType]) -> FormulaType:
    for name in tree.dimensions:
        if _named(name, known).level != "row":
            raise FormulaError(f"[{name}] is no dimension to fix by")
    inner = type_of(tree.inner, known)
    if inner.level != "group":
        raise FormulaError("braces hold what is not aggregated")
    return FormulaType(inner.type, "row")


def _called(tree: Call, given: list[FormulaType]) -> FormulaType:
    function = FUNCTIONS.get(tree.name)
    if function is None:
        raise FormulaError(f"there is no function {tree.name}")
    if not function.least <= len(given) <= function.most:
        raise FormulaError(f"{tree.name} takes no {len(given)} arguments")
    if tree.name in {"SUM", "AVG", "MEDIAN"} and given[0].type in {"string", "boolean"}:
        raise FormulaError(f"{tree.name} takes no {given[0].type}")
    if tree.name in _RANKS and len(given) > 1:
        direction = tree.arguments[1]
        if not (isinstance(direction, Value) and direction.value in {"asc", "desc"}):
            raise FormulaError(f'{tree.name} goes "asc" or "desc"')
    gives = function.gives or given[0].type
    if function.kind == "row":
        return FormulaType(gives, _together(given))
    if function.kind == "group":
        if any(part.level in {"group", "sheet"} for part in given):
            raise FormulaError(f"{tree.name} aggregates what is aggregated")
        return FormulaType(gives, "group")
    if any(part.level == "row" for part in given):
        raise FormulaError(f"{tree.name} needs what is aggregated")
    return FormulaType(gives, "sheet")


def _operated(sign: str, given: list[FormulaType]) -> FormulaType:
    level = _together(given)
    types = {part.type for part in given} - {"unknown"}
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
        return FormulaType("number", level)  # how many days lie between
    return FormulaType("datetime" if "datetime" in types else "number", level)


def _only(types: set[ValueType], allowed: set[ValueType], sign: str) -> None:
    if types - allowed:
        raise FormulaError(f"{sign} takes no {' and '.join(sorted(types))}")


def _chosen(tree: Choice, known: Mapping[str, FormulaType]) -> FormulaType:
    conditions = [type_of(condition, known) for condition, _ in tree.branches]
    results = [type_of(result, known) for _, result in tree.branches]
    if tree.otherwise is not None:
        results.append(type_of(tree.otherwise, known))
    if any(condition.type not in {"boolean", "unknown"} for condition in conditions):
        raise FormulaError("IF asks what is no condition")
    types = {result.type for result in results} - {"unknown"}
    if len(types) > 1:
        raise FormulaError(f"IF gives {' or '.join(sorted(types))}")
    return FormulaType(types.pop() if types else "unknown", _together(conditions + results))


def _together(given: list[FormulaType]) -> Level:
    """The level of what is put together: a row's value cannot stand beside a group's."""
    levels = {part.level for part in given}
    if "row" in levels and levels & {"group", "sheet"}:
        raise FormulaError("a row's value stands beside an aggregate")
    return max(levels, key=_ORDER.index, default="constant")
