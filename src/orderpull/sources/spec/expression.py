"""The expression language of ``[order]``, which maps an API's fields to columns.

An expression is a path, a quoted text, or a function of expressions::

    orderNumber
    shipToAddress.country
    extension_attributes.shipping_assignments[0].shipping.address.street[0]
    join(' ', shipping_address.first_name, shipping_address.last_name)
    coalesce(product.masterSku, listingSku)
    not(any(in(status, 'canceled', 'draft'), present(canceled_at)))
    less(price, sum(discount_allocations[].amount))
    sum(refunds[].transactions[in(status, 'success')].amount)

The language has no loops, and its arithmetic is exact, so a mapping always gives the same result.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

FUNCTIONS = {
    "coalesce": "the first value that is there and not blank",
    "join": "join(separator, value, …): those values that are not blank; several are trimmed",
    "lower": "lower case",
    "upper": "upper case",
    "trim": "without blanks at the ends",
    "path": "path(value): the path of a URL, without host, query and fragment",
    "last": "last(value): the last segment of a path, percent-decoded: last('/orders/12/') is '12'",
    "if": "if(condition, value, value): the first where the condition is true, else the second",
    "minor": "minor(value, '2'): an amount in minor units, its point moved two places to the left",
    "sum": "sum(value, …): the sum of the amounts that are there; ``taxes[].net``: all of a list",
    "less": "less(value, …): the first amount without the others; nothing if the first is missing",
    "times": "times(value, value): the product of two amounts; nothing if one is missing",
    "in": "in(value, 'a', 'b'): true if the value is one of the texts, in any case",
    "present": "true if the value is there and not blank",
    "not": "true if the condition is false",
    "any": "true if one of the conditions is",
    "all": "true if all of the conditions are",
}
CONDITIONS = frozenset({"in", "present", "not", "any", "all"})
_ON_AMOUNTS = frozenset({"coalesce", "minor", "sum", "less", "times"})
_ONE_ARGUMENT = frozenset({"lower", "upper", "trim", "path", "last", "present", "not"})

Step = str | int
"""A step of a path: a key, the index in a list, or :data:`EACH`."""

EACH = -1
"""The step to each element of a list, ``[]`` in a path."""


@dataclass(frozen=True, slots=True)
class Path:
    """Path of a value, relative to the order (or the order line).

    A path with :data:`EACH` leads to many values; it stands in ``sum()`` alone.

    :param wheres: for each :data:`EACH` of *steps* the condition in its brackets, from the element,
        or None; empty without any.
    """

    steps: tuple[Step, ...]
    wheres: tuple["Expression | None", ...] = ()

    @property
    def is_many(self) -> bool:
        """True if the path goes through all elements of a list."""
        return EACH in self.steps


@dataclass(frozen=True, slots=True)
class Text:
    """A literal text."""

    value: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of :data:`FUNCTIONS`."""

    function: str
    arguments: tuple["Expression", ...]


Expression = Path | Text | Call

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[^\s'(),])|(?P<mark>[(),]))", re.ASCII
)
_PIECE = re.compile(r"'(?:[^']|'')*'|.", re.DOTALL)
_END_OF_PATH = re.compile(r"[\s'(),]", re.ASCII)
_INDEX = r"\[(?:0|[1-9][0-9]{0,3})?\]"
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]*)\]")
_PATH = re.compile(rf"[^.\[\]]+(?:{_INDEX})*(?:\.[^.\[\]]+(?:{_INDEX})*)*")
_PLACES = frozenset("01234")
_MANY = "{text!r}: [] leads to many values, which only sum() takes"
_DEEPEST = 20
"""Most levels of nested function calls and brackets."""
_TOO_DEEP = f"more than {_DEEPEST} functions stand in one another"


def parse(text: str) -> Expression:
    """Parse *text*. :raises ValueError: *text* is not an expression; the message says why."""
    if "\0" in text:
        raise ValueError(f"{text!r} holds U+0000")
    return _parsed(text, _DEEPEST)


def _parsed(text: str, depth: int) -> Expression:
    """As :func:`parse`. :param depth: levels of functions and brackets that may follow."""
    tokens = _tokens(text)
    expression, rest = _expression(tokens, 0, text, depth)
    if rest != len(tokens):
        raise ValueError(f"{text!r} goes on after it should end, at {tokens[rest]!r}")
    if isinstance(expression, Path) and expression.is_many:
        raise ValueError(_MANY.format(text=text))
    return expression


def paths(expression: Expression) -> Iterator[Path]:
    """All paths in *expression*, also those that conditions in brackets read."""
    if isinstance(expression, Path):
        yield expression
        yield from condition_paths(expression)
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from paths(argument)


def condition_paths(path: Path) -> Iterator[Path]:
    """The paths that conditions in the brackets of *path* read, from where *path* starts."""
    ends = [at for at, step in enumerate(path.steps, start=1) if step == EACH]
    for end, where in zip(ends, path.wheres, strict=False):
        for each in paths(where) if where is not None else ():
            yield Path((*path.steps[:end], *each.steps))


def shown(steps: tuple[Step, ...]) -> str:
    """*steps* as they are written in an API file."""
    text = "".join(
        (f"[{'' if step == EACH else step}]" if isinstance(step, int) else f".{step}")
        for step in steps
    )
    return text.removeprefix(".")


def amount_paths(expression: Expression) -> Iterator[Path]:
    """The paths in an amount of which only the number counts, not how it is written."""
    if isinstance(expression, Path):
        yield expression
    elif isinstance(expression, Call) and expression.function in _ON_AMOUNTS:
        for argument in expression.arguments:
            yield from amount_paths(argument)
    elif isinstance(expression, Call) and expression.function == "if":
        for argument in expression.arguments[1:]:
            yield from amount_paths(argument)


def is_condition(expression: Expression) -> bool:
    """True if *expression* yields true or false instead of a text."""
    return isinstance(expression, Call) and expression.function in CONDITIONS


def is_first_of(expression: Expression) -> bool:
    """True if *expression* is a path, or the first of several paths that leads to a value."""
    if isinstance(expression, Call):
        return expression.function == "coalesce" and all(map(is_first_of, expression.arguments))
    return isinstance(expression, Path)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} cannot be read from {text[at:].strip()!r} on")
        kind = match.lastgroup or 0
        at = _end_of_path(text, match.start(kind)) if kind == "name" else match.end()
        tokens.append(text[match.start(kind) : at])
    return tokens


def _end_of_path(text: str, at: int) -> int:
    """Index at which the path that begins at *at* ends; what stands in brackets belongs to it."""
    depth = 0
    for piece in _PIECE.finditer(text, at):
        if depth <= 0 and _END_OF_PATH.match(piece[0]):
            return piece.start()
        depth += (piece[0] == "[") - (piece[0] == "]")
    return len(text)


def _expression(tokens: list[str], at: int, text: str, depth: int) -> tuple[Expression, int]:
    if at >= len(tokens) or tokens[at] in "(),":
        raise ValueError(f"{text!r} lacks a value")
    word = tokens[at]
    if word.startswith("'"):
        return Text(word[1:-1].replace("''", "'")), at + 1
    if at + 1 < len(tokens) and tokens[at + 1] == "(":
        return _call(word, tokens, at + 2, text, depth - 1)
    return _path(word, depth), at + 1


def _call(
    function: str, tokens: list[str], at: int, text: str, depth: int
) -> tuple[Expression, int]:
    if function not in FUNCTIONS:
        raise ValueError(f"there is no function {function!r}; known: {', '.join(FUNCTIONS)}")
    if depth < 0:
        raise ValueError(_TOO_DEEP)
    arguments: list[Expression] = []
    while True:
        argument, at = _expression(tokens, at, text, depth)
        arguments.append(argument)
        if at >= len(tokens) or tokens[at] not in "),":
            raise ValueError(f"{text!r} lacks a closing bracket")
        if tokens[at] == ")":
            return _checked(Call(function, tuple(arguments)), text), at + 1
        at += 1


def parse_path(text: str) -> Path:
    """Parse *text* as the path of one value. :raises ValueError: *text* is not such a path."""
    path = _path(text)
    if path.is_many:
        raise ValueError(_MANY.format(text=text))
    return path


def parse_elements(text: str) -> Path:
    """Parse *text* as the path of all elements of a list: ``refunds[].edges[].node``.

    :raises ValueError: *text* is not such a path.
    """
    path = _path(text)
    if not path.is_many:
        raise ValueError(
            f"{text!r} is not the path of a list's elements, such as refunds[].lines[]"
        )
    if path.wheres:
        raise ValueError(f"{text!r}: a condition on its elements stands in where")
    return path


def _path(text: str, depth: int = _DEEPEST) -> Path:
    bare, inners = _without_conditions(text)
    wheres = tuple(_where(inner, depth - 1) if inner else None for inner in inners)
    read = [bare, *(shown(each.steps) for where in wheres if where for each in paths(where))]
    if not _PATH.fullmatch(bare) or (inners and any('"' in each for each in read)):
        raise ValueError(f"{text!r} is not a path")
    steps = tuple(key or (int(index) if index else EACH) for key, index in _STEP.findall(bare))
    return Path(steps, wheres if any(wheres) else ())


def _without_conditions(text: str) -> tuple[str, list[str]]:
    """*text* with ``[]`` for each condition in brackets, and what stood in each ``[]``."""
    bare, inners, depth, start = "", [], 0, 0
    for piece in _PIECE.finditer(text):
        depth -= piece[0] == "]"
        if depth == 0 and piece[0] == "]":
            inner = text[start : piece.start()]
            if inner.isdecimal():
                bare += inner
            else:
                inners.append(inner)
        if depth == 0:
            bare += piece[0]
            start = piece.end()
        depth += piece[0] == "["
    return bare if depth == 0 else text, inners


def _where(text: str, depth: int) -> Expression:
    """The condition *text* in brackets. :raises ValueError: *text* is not a condition."""
    if depth < 0:
        raise ValueError(_TOO_DEEP)
    condition = _parsed(text, depth)
    if not is_condition(condition):
        raise ValueError(f"[{text}]: in the brackets stands an index, a condition, or nothing")
    return condition


def _checked(call: Call, text: str) -> Call:
    """Return *call*. :raises ValueError: number or kind of its arguments is wrong."""
    _check_kinds(call, text)
    arguments, number = call.arguments, len(call.arguments)
    last = arguments[-1]
    right = {
        "if": number == 3,  # noqa: PLR2004
        "times": number == 2,  # noqa: PLR2004
        "minor": number == 2 and isinstance(last, Text) and last.value in _PLACES,  # noqa: PLR2004
        "join": number > 1 and isinstance(arguments[0], Text),
        "in": number > 1 and all(isinstance(each, Text) for each in arguments[1:]),
    }
    if not right.get(call.function, True):
        raise ValueError(f"{text!r}: {FUNCTIONS[call.function]}")
    if call.function in _ONE_ARGUMENT and number != 1:
        raise ValueError(f"{text!r}: {call.function}() takes one argument")
    return call


def _check_kinds(call: Call, text: str) -> None:
    """Check the kinds of the arguments. :raises ValueError: one is wrong."""
    if call.function != "sum" and any(isinstance(a, Path) and a.is_many for a in call.arguments):
        raise ValueError(_MANY.format(text=text))
    checked = call.arguments
    if call.function == "if":
        if not is_condition(checked[0]):
            raise ValueError(f"{text!r}: {FUNCTIONS['if']}")
        checked = checked[1:]
    wants_conditions = call.function in {"not", "any", "all"}
    if any(is_condition(argument) != wants_conditions for argument in checked):
        kind = "conditions" if wants_conditions else "values"
        raise ValueError(f"{text!r}: {call.function}() takes {kind}")
