"""Expressions of API files, evaluated a second time in plain Python.

SQL fills the tables; this module computes the expected values independently of it.
"""

from decimal import Decimal
from typing import Any

from orderpull.sources.spec.expression import Call, Expression, Path, Step, Text

Json = Any
Steps = tuple[Step, ...]


def at(document: Json, steps: Steps) -> Json:
    """Return the value at *steps*; None for a missing path."""
    for step in steps:
        if isinstance(step, int):
            document = document[step] if _reaches(document, step) else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document


def text(value: Json) -> str | None:
    """Return the text of a JSON value; None for an object or a list."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if isinstance(value, dict | list) or value is None else str(value)


def filled(value: str | None) -> str | None:
    """Return *value*, or None for a blank text."""
    return value if value and not value.isspace() else None


def value_of(expression: Expression, document: Json) -> str | None:
    """Return the text of *expression*."""
    if isinstance(expression, Text):
        return expression.value
    if isinstance(expression, Path):
        return text(at(document, expression.steps))
    return _applied(expression, document)


def holds(condition: Expression | None, document: Json) -> bool:
    """Return True if *condition* holds; a missing condition (None) always holds."""
    if condition is None:
        return True
    if not isinstance(condition, Call):
        raise TypeError(f"{condition} is no condition")
    match condition.function:
        case "not":
            return not holds(condition.arguments[0], document)
        case "any":
            return any(holds(each, document) for each in condition.arguments)
        case "all":
            return all(holds(each, document) for each in condition.arguments)
    first, *others = (value_of(each, document) for each in condition.arguments)
    if condition.function == "present":
        return filled(first) is not None
    return first is not None and first.lower() in {str(other).lower() for other in others}


def _applied(call: Call, document: Json) -> str | None:
    if call.function == "if":
        condition, one, other = call.arguments
        return value_of(one if holds(condition, document) else other, document)
    first, *others = (value_of(each, document) for each in call.arguments)
    if call.function == "coalesce":
        return next((each for each in (first, *others) if filled(each)), None)
    if call.function == "join":
        return str(first).join(each.strip() for each in others if each and filled(each)) or None
    return first if not first else _changed(call.function, first, others)


def _changed(function: str, first: str, others: list[str | None]) -> str:
    match function:
        case "lower":
            return first.lower()
        case "upper":
            return first.upper()
        case "trim":
            return first.strip()
        case "minor":
            return str(Decimal(first) / 10 ** int(others[0] or 0))
    raise ValueError(f"{function} is not known here")


def _reaches(document: Json, index: int) -> bool:
    return isinstance(document, list) and index < len(document)
