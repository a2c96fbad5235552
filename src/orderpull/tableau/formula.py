"""Tableau's language of calculations, parsed: what workbooks like ours need of it.

Grammar and names as in Tableau's help, "Formatting Calculations in Tableau" and "Tableau
Functions (by Category)".
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal as Only

if TYPE_CHECKING:
    from collections.abc import Callable


class FormulaError(ValueError):
    """A formula is not one; the text says where."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number, a text, a truth or a date. :param value: a date is between ``#``."""

    value: str | float | bool | None
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name, without brackets."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments. :param name: in capitals."""

    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and the one or two that it takes."""

    sign: str
    operands: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """``IF … THEN … ELSEIF … ELSE … END``: conditions with results, and the result else."""

    branches: "tuple[tuple[Expression, Expression], ...]"
    otherwise: "Expression | None"


@dataclass(frozen=True, slots=True)
class Fixed:
    """``{ FIXED [a], [b] : … }``, or ``{ … }`` over the whole table."""

    kind: Only["FIXED", "INCLUDE", "EXCLUDE"]
    dimensions: tuple[str, ...]
    inner: "Expression"


Expression = Value | Field | Call | Operation | Choice | Fixed

DEEPEST = 200
"""How many parts of a formula may stand within each other."""

_TOO_DEEP = "it is nested too deep"

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
      | (?P<date>\#[^#\n]+\#)
      | (?P<text>"(?:[^"]|"")*"|'(?:[^']|'')*')
      | (?P<field>\[(?:[^\]]|\]\])+\](?:\.\[(?:[^\]]|\]\])+\])?)
      | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<sign><=|>=|<>|!=|==|[-+*/%^=<>(){},:])""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset(
    {"IF", "THEN", "ELSEIF", "ELSE", "END", "CASE", "WHEN", "AND", "OR", "NOT", "IN"}
)
_VALUES: dict[str, bool | None] = {"TRUE": True, "FALSE": False, "NULL": None}
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("OR",),
    ("AND",),
    ("NOT",),
    ("=", "==", "<>", "!=", "<", "<=", ">", ">=", "IN"),
    ("+", "-"),
    ("*", "/", "%"),
    ("^",),
)
"""Operators, the loosest first."""


def parse(formula: str) -> Expression:
    """The formula as a tree.

    :raises FormulaError: it is none, or nested deeper than anybody writes.
    """
    parser = _Parser(_tokens(formula))
    try:
        tree = parser.expression()
    except RecursionError:
        raise FormulaError(_TOO_DEEP) from None
    parser.expect("end", "")
    if _depth(tree) > DEEPEST:
        raise FormulaError(_TOO_DEEP)
    return tree


def _depth(tree: Expression) -> int:
    """How many parts stand within each other."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [part for each in level for part in parts(each)]
    return depth


def _tokens(formula: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(formula):
        match = _TOKEN.match(formula, place)
        if match is None:
            raise FormulaError(f"{formula[place]!r} at character {place + 1} begins nothing")
        kind = str(match.lastgroup)
        if kind != "blank":
            text = match[0]
            if kind == "word":
                text = text.upper()
                kind = "sign" if text in _WORDS else "word"
            found.append((kind, text))
        place = match.end()
    return [*found, ("end", "")]


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.place = 0

    def expression(self, level: int = 0) -> Expression:
        """Operators of *level* and those that bind tighter."""
        if level == len(_LEVELS):
            return self._unary()
        if _LEVELS[level] == ("NOT",):
            negated = self._taken("sign", "NOT")
            return (
                Operation("NOT", (self.expression(level),))
                if negated
                else self.expression(level + 1)
            )
        left = self.expression(level + 1)
        while (sign := self._taken("sign", *_LEVELS[level])) is not None:
            left = Operation(sign, (left, self.expression(level + 1)))
        return left

    def expect(self, kind: str, *texts: str) -> str:
        """The next token, which must be this."""
        found = self._taken(kind, *texts)
        if found is None:
            there = self.tokens[self.place][1] or "the end"
            wanted = " or ".join(text for text in texts if text) or "the end"
            raise FormulaError(f"{there} stands where {wanted} should")
        return found

    def _taken(self, kind: str, *texts: str) -> str | None:
        there, text = self.tokens[self.place]
        if there != kind or (texts and text not in texts):
            return None
        self.place += 1
        return text

    def _unary(self) -> Expression:
        sign = self._taken("sign", "-")
        return Operation(sign, (self._unary(),)) if sign else self._atom()

    def _atom(self) -> Expression:
        kind, text = self.tokens[self.place]
        self.place += 1
        read: dict[str, Callable[[str], Expression]] = {
            "number": lambda text: Value(float(text)),
            "text": lambda text: Value(text[1:-1].replace(text[0] * 2, text[0])),
            "date": lambda text: Value(text, is_date=True),
            "field": lambda text: Field(text[1:-1].replace("]]", "]")),
            "word": self._word,
        }
        opened: dict[str, Callable[[], Expression]] = {
            "(": self._several,
            "IF": self._choice,
            "CASE": self._case,
            "{": self._fixed,
        }
        if kind in read:
            return read[kind](text)
        if kind == "sign" and text in opened:
            return opened[text]()
        raise FormulaError(f"{text or 'the end'} stands where a value should")

    def _several(self) -> Expression:
        """What stands in parentheses; after IN it may be several values."""
        inner = [self.expression()]
        while self._taken("sign", ","):
            inner.append(self.expression())
        self.expect("sign", ")")
        return inner[0] if len(inner) == 1 else Operation("LIST", tuple(inner))

    def _case(self) -> Choice:
        asked = self.expression()
        branches: list[tuple[Expression, Expression]] = []
        while self._taken("sign", "WHEN"):
            condition = Operation("=", (asked, self.expression()))
            self.expect("sign", "THEN")
            branches.append((condition, self.expression()))
        otherwise = self.expression() if self._taken("sign", "ELSE") else None
        self.expect("sign", "END")
        return Choice(tuple(branches), otherwise)

    def _word(self, text: str) -> Expression:
        if text in _VALUES:
            return Value(_VALUES[text])
        self.expect("sign", "(")
        arguments: list[Expression] = []
        if self._taken("sign", ")") is None:
            arguments.append(self.expression())
            while self._taken("sign", ","):
                arguments.append(self.expression())
            self.expect("sign", ")")
        return Call(text, tuple(arguments))

    def _choice(self) -> Choice:
        branches: list[tuple[Expression, Expression]] = []
        otherwise: Expression | None = None
        word: str | None = "IF"
        while word in {"IF", "ELSEIF"}:
            condition = self.expression()
            self.expect("sign", "THEN")
            branches.append((condition, self.expression()))
            word = self.expect("sign", "ELSEIF", "ELSE", "END")
        if word == "ELSE":
            otherwise = self.expression()
            self.expect("sign", "END")
        return Choice(tuple(branches), otherwise)

    def _fixed(self) -> Fixed:
        kind, text = self.tokens[self.place]
        dimensions: list[str] = []
        level: Only["FIXED", "INCLUDE", "EXCLUDE"] = "FIXED"
        if kind == "word" and text in {"FIXED", "INCLUDE", "EXCLUDE"}:
            level = "INCLUDE" if text == "INCLUDE" else "EXCLUDE" if text == "EXCLUDE" else "FIXED"
            self.place += 1
            while (field := self._taken("field")) is not None:
                dimensions.append(field[1:-1])
                if self._taken("sign", ",") is None:
                    break
            self.expect("sign", ":")
        inner = self.expression()
        self.expect("sign", "}")
        return Fixed(level, tuple(dimensions), inner)


def fields(tree: Expression) -> set[str]:
    """The names of the fields in a formula."""
    if isinstance(tree, Field):
        return {tree.name}
    names = set(tree.dimensions) if isinstance(tree, Fixed) else set()
    return names.union(*(fields(part) for part in parts(tree)))


def parts(tree: Expression) -> tuple[Expression, ...]:
    """The parts of which a formula is made, one level down."""
    match tree:
        case Call():
            return tree.arguments
        case Operation():
            return tree.operands
        case Choice():
            flat = [part for branch in tree.branches for part in branch]
            return (*flat, tree.otherwise) if tree.otherwise is not None else tuple(flat)
        case Fixed():
            return (tree.inner,)
        case _:
            return ()
