"""Expressions of API files a second time in plain Python, forwards and backwards.

SQL fills the tables; this module computes the expected values independently of it. Backwards, it
places values so that an expression returns them: a value goes to the first path of its expression.
For a condition, words are sought that make it true or false.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from orderpull.sources.spec.expression import EACH, Call, Expression, Path, Step, Text, paths

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


def all_at(document: Json, path: Path) -> Iterator[Json]:
    """Yield the values at *path*, which may go through lists; missing ones are left out."""
    if not path.is_many:
        value = at(document, path.steps)
        yield from () if value is None else (value,)
        return
    place = path.steps.index(EACH)
    listed, (where, *wheres) = at(document, path.steps[:place]), path.wheres or (None,)
    for element in listed if isinstance(listed, list) else ():
        if holds(where, element):
            yield from all_at(element, Path(path.steps[place + 1 :], tuple(wheres)))


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


def number_of(expression: Expression | None, document: Json) -> Decimal | None:
    """Return the number that *expression* gives; None without one."""
    number = filled(value_of(expression, document)) if expression is not None else None
    return None if number is None else Decimal(number)


def _applied(call: Call, document: Json) -> str | None:
    if call.function in {"sum", "less", "times"}:
        return _calculated(call, document)
    if call.function == "if":
        condition, one, other = call.arguments
        return value_of(one if holds(condition, document) else other, document)
    first, *others = (value_of(each, document) for each in call.arguments)
    if call.function == "coalesce":
        return next((each for each in (first, *others) if filled(each)), None)
    if call.function == "join":
        pieces = [each for each in others if each and filled(each)]
        if len(pieces) == 1:
            return pieces[0]
        return str(first).join(piece.strip() for piece in pieces) or None
    return first if not first else _changed(call.function, first, others)


def _calculated(call: Call, document: Json) -> str | None:
    """Return a sum, difference or product; None where a missing amount makes it none."""
    amounts = [_amounts(argument, document) for argument in call.arguments]
    first, rest = amounts[0], [each for part in amounts[1:] for each in part]
    if call.function == "sum":
        return str(sum((*first, *rest), Decimal())) if first or rest else None
    if call.function == "less":
        return str(first[0] - sum(rest, Decimal())) if first else None
    return str(first[0] * rest[0]) if first and rest else None


def _amounts(argument: Expression, document: Json) -> list[Decimal]:
    if isinstance(argument, Path) and argument.is_many:
        texts = [text(value) for value in all_at(document, argument)]
    else:
        texts = [value_of(argument, document)]
    return [Decimal(each) for each in texts if filled(each) and each is not None]


def _changed(function: str, first: str, others: list[str | None]) -> str:
    match function:
        case "lower":
            return first.lower()
        case "upper":
            return first.upper()
        case "trim":
            return first.strip()
        case "path":
            return urlsplit(first).path
        case "last":
            return unquote(first.rstrip("/").rpartition("/")[2])
        case "minor":
            return str(Decimal(first) / 10 ** int(others[0] or 0))
    raise ValueError(f"{function} is not known here")


def _reaches(document: Json, index: int) -> bool:
    return isinstance(document, list) and index < len(document)


OTHER = "conform"
"""A word that no file knows."""

NO_AMOUNT = "12,50 and more"
"""A text that is no amount."""


class _Absent:
    """Marks a path that must stay without a value."""


ABSENT = _Absent()
Places = Mapping[Steps, Json]
"""Values of a document by path."""


def put(document: Json, steps: Steps, value: Json) -> None:
    """Write *value* at *steps* of *document*; create missing objects and lists."""
    node = document
    for step, after in zip(steps, (*steps[1:], None), strict=True):
        empty: Json = value if after is None else [] if isinstance(after, int) else {}
        if isinstance(step, int):
            node.extend([None] * (step + 1 - len(node)))
            if node[step] is None or after is None:
                node[step] = empty
        elif after is None or node.get(step) is None:
            node[step] = empty
        node = node[step]


def first(steps: Steps) -> Steps:
    """Return *steps* to the first element of each list."""
    return tuple(0 if step == EACH else step for step in steps)


def places(expression: Expression, value: Json, known: Places) -> Iterator[Places]:
    """Yield *known* extended by each placement of *value* for which *expression* returns it."""
    if isinstance(expression, Path):
        for way in _together(tuple(_conditions(expression)), True, known, OTHER):  # noqa: FBT003
            yield from _at(first(expression.steps), value, way)
    elif isinstance(expression, Call):
        yield from _called(expression, value, known)


def placed(values: Iterable[tuple[Expression | None, Json]], known: Places) -> Places:
    """Return *known* extended by each value that has a free path in its expression."""
    for expression, value in values:
        if expression is not None:
            known = next(places(expression, value, known), known)
    return known


def document_of(known: Places) -> Json:
    """Return a document with these values."""
    document: Json = {}
    for steps, value in known.items():
        if value is not ABSENT:
            put(document, steps, value)
    return document


def truths(
    condition: Expression | None,
    wanted: bool,  # noqa: FBT001
    known: Places,
    word: str,
) -> Iterator[Places]:
    """Yield *known* extended by each placement for which *condition* equals *wanted*.

    Without a condition, yield *known*. :param word: the value of fields that may hold anything.
    """
    if not isinstance(condition, Call):
        yield from (known,) if condition is None else ()
        return
    arguments = condition.arguments
    if condition.function == "not":
        yield from truths(arguments[0], not wanted, known, word)
    elif condition.function in {"any", "all"}:
        if wanted == (condition.function == "any"):
            for each in arguments:
                yield from truths(each, wanted, known, word)
        else:
            yield from _together(arguments, wanted, known, word)
    elif condition.function == "present":
        is_known = wanted and holds(condition, document_of(known))
        yield from (
            (known,) if is_known else places(arguments[0], word if wanted else ABSENT, known)
        )
    elif wanted:
        for each in arguments[1:]:
            if isinstance(each, Text):
                yield from places(arguments[0], _as_json(each.value), known)
    else:
        yield from _unlike(arguments, known)


def _together(
    conditions: tuple[Expression, ...],
    wanted: bool,  # noqa: FBT001
    known: Places,
    word: str,
) -> Iterator[Places]:
    if not conditions:
        yield known
        return
    for way in truths(conditions[0], wanted, known, word):
        yield from _together(conditions[1:], wanted, way, word)


def _unlike(arguments: tuple[Expression, ...], known: Places) -> Iterator[Places]:
    """Yield placements whose first argument may differ from the others; the caller checks it."""
    detail = {each.value.lower() for each in arguments[1:] if isinstance(each, Text)}
    if detail == {"true"}:
        yield from places(arguments[0], False, known)  # noqa: FBT003
    elif detail == {"false"}:
        yield from places(arguments[0], True, known)  # noqa: FBT003
    yield known
    yield from places(arguments[0], OTHER, known)


def _conditions(path: Path) -> Iterator[Expression]:
    """Yield the conditions in the brackets of *path*, on the first element of each list."""
    ends = [at for at, step in enumerate(path.steps, start=1) if step == EACH]
    for end, where in zip(ends, path.wheres, strict=False):
        if where is not None:
            yield _within(first(path.steps[:end]), where)


def _within(steps: Steps, expression: Expression) -> Expression:
    """Return *expression*, which is from the value at *steps*, from the document."""
    if isinstance(expression, Path):
        return Path((*steps, *expression.steps), expression.wheres)
    if isinstance(expression, Call):
        inner = tuple(_within(steps, each) for each in expression.arguments)
        return Call(expression.function, inner)
    return expression


def _called(call: Call, value: Json, known: Places) -> Iterator[Places]:
    if call.function == "if":
        condition, one, other = call.arguments
        for wanted, branch in ((True, one), (False, other)):
            for way in truths(condition, wanted, known, OTHER):
                yield from places(branch, value, way)
    elif value is ABSENT:
        yield from _none(call, known)
    else:
        before = _before(call, value) if isinstance(value, str) else value
        for argument in call.arguments:
            if not isinstance(argument, Text):
                yield from places(argument, before, known)


def _before(call: Call, value: str) -> Json:
    """Return an input for which *call* returns *value*; the value itself if it is no amount."""
    if call.function == "minor" and value != NO_AMOUNT:
        moved = Decimal(value) * 10 ** int(getattr(call.arguments[1], "value", "0"))
        return int(moved)
    if call.function in {"lower", "upper"}:
        return value.upper() if call.function == "lower" else value.lower()
    if call.function == "last":
        return f"/api/{quote(value, safe='')}/"
    return value


def _none(call: Call, known: Places) -> Iterator[Places]:
    """Yield *known* without values at the paths of *call*, if they are free."""
    steps = [path.steps for path in paths(call)]
    if all(known.get(each, ABSENT) is ABSENT for each in steps):
        yield {**known, **dict.fromkeys(steps, ABSENT)}


def _at(steps: Steps, value: Json, known: Places) -> Iterator[Places]:
    if steps not in known:
        yield {**known, steps: value}
    elif known[steps] is value or known[steps] == value:
        yield known


def _as_json(word: str) -> Json:
    """Return the JSON value of a word: true and false become booleans."""
    return {"true": True, "false": False}.get(word, word)
