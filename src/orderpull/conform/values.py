"""What an expression says of an order's JSON: told a second time, without a database.

The tables are filled by SQL. This says in plain Python what they should hold, so that the two can
be compared.
"""

from decimal import Decimal
from typing import Any

from orderpull.sources.spec.expression import Call, Expression, Path, Step, Text

Json = Any
Steps = tuple[Step, ...]


def at(document: Json, steps: Steps) -> Json:
    """What stands at *steps*; None if nothing does."""
    for step in steps:
        if isinstance(step, int):
            document = document[step] if _reaches(document, step) else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document


def text(value: Json) -> str | None:
    """The text of a JSON value; None of an object or a list."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if isinstance(value, dict | list) or value is None else str(value)


def filled(value: str | None) -> str | None:
    """*value*, unless it is blank."""
    return value if value and not value.isspace() else None


def value_of(expression: Expression, document: Json) -> str | None:
    """The text that *expression* gives."""
    if isinstance(expression, Text):
        return expression.value
    if isinstance(expression, Path):
        return text(at(document, expression.steps))
    return _applied(expression, document)


def holds(condition: Expression | None, document: Json) -> bool:
    """Whether *condition* is true; one that is not there is."""
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
