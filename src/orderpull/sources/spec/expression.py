"""The expression language of ``[order]``, which maps an API's fields to columns.

An expression is a path, a quoted text, or a function of expressions::

    orderNumber
    shipToAddress.country
    extension_attributes.shipping_assignments[0].shipping.address.street[0]
    join(' ', shipping_address.first_name, shipping_address.last_name)
    coalesce(product.masterSku, listingSku)
    not(any(in(status, 'canceled', 'draft'), present(canceled_at)))
    less(price, sum(discount_allocations[].amount))

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
    """

    steps: tuple[Step, ...]

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
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[^\s'(),]+)|(?P<mark>[(),]))", re.ASCII
)
_INDEX = r"\[(?:0|[1-9][0-9]{0,3})?\]"
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]*)\]")
_PATH = re.compile(rf"[^.\[\]]+(?:{_INDEX})*(?:\.[^.\[\]]+(?:{_INDEX})*)*")
_PLACES = frozenset("01234")
_MANY = "{text!r}: [] leads to many values, which only sum() takes"
_DEEPEST = 20
"""Most levels of nested function calls."""


def parse(text: str) -> Expression:
    """Parse *text*. :raises ValueError: *text* is not an expression; the message says why."""
    if "\0" in text:
        raise ValueError(f"{text!r} holds U+0000")
    tokens = _tokens(text)
    expression, rest = _expression(tokens, 0, text, _DEEPEST)
    if rest != len(tokens):
        raise ValueError(f"{text!r} goes on after it should end, at {tokens[rest]!r}")
    if isinstance(expression, Path) and expression.is_many:
        raise ValueError(_MANY.format(text=text))
    return expression


def paths(expression: Expression) -> Iterator[Path]:
    """All paths in *expression*."""
    if isinstance(expression, Path):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from paths(argument)


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
        tokens.append(match[match.lastgroup or 0])
        at = match.end()
    return tokens


def _expression(tokens: list[str], at: int, text: str, depth: int) -> tuple[Expression, int]:
    if at >= len(tokens) or tokens[at] in "(),":
        raise ValueError(f"{text!r} lacks a value")
    word = tokens[at]
    if word.startswith("'"):
        return Text(word[1:-1].replace("''", "'")), at + 1
    if at + 1 < len(tokens) and tokens[at + 1] == "(":
        return _call(word, tokens, at + 2, text, depth - 1)
    return _path(word), at + 1


def _call(
    function: str, tokens: list[str], at: int, text: str, depth: int
) -> tuple[Expression, int]:
    if function not in FUNCTIONS:
        raise ValueError(f"there is no function {function!r}; known: {', '.join(FUNCTIONS)}")
    if depth < 0:
        raise ValueError(f"more than {_DEEPEST} functions stand in one another")
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
    return path


def _path(text: str) -> Path:
    if not _PATH.fullmatch(text) or ("[]" in text and '"' in text):
        raise ValueError(f"{text!r} is not a path")
    return Path(tuple(key or (int(index) if index else EACH) for key, index in _STEP.findall(text)))


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
