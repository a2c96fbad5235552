"""Parser of Tableau's formulas, for the part of the language that our workbooks need.

Grammar and names as in Tableau's help, "Formatting Calculations in Tableau" and "Tableau
Functions (by Category)".
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FormulaError(ValueError):
    """A formula is invalid; the message names the position or the reason."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number, text, boolean, null or date. :param value: a date includes its ``#``."""

    value: str | float | bool | None
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A field. :param name: name without brackets."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function call. :param name: name in upper case."""

    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and its operands."""

    sign: str
    operands: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """``IF … THEN … ELSEIF … ELSE … END``. :param branches: conditions with their results."""

    branches: "tuple[tuple[Expression, Expression], ...]"
    otherwise: "Expression | None"


@dataclass(frozen=True, slots=True)
class LevelOfDetail:
    """A level of detail: ``{ FIXED [a], [b] : … }``, or ``{ … }`` over the whole table.

    :param keyword: FIXED, INCLUDE or EXCLUDE; FIXED without one.
    """

    keyword: str
    dimensions: tuple[str, ...]
    inner: "Expression"


Expression = Value | Field | Call | Operation | Choice | LevelOfDetail

MAX_DEPTH = 200
"""Highest nesting of a formula."""

_TOO_DEEP = "it is nested too deeply"

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
_KEYWORDS = frozenset(
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
"""Operators by precedence, the lowest first."""


def parse(formula: str) -> Expression:
    """Parse *formula* into a tree.

    :raises FormulaError: the formula is invalid, or nested too deeply.
    """
    parser = _Parser(_tokens(formula))
    try:
        tree = parser.expression()
    except RecursionError:
        raise FormulaError(_TOO_DEEP) from None
    parser.expect("end", "")
    if _depth(tree) > MAX_DEPTH:
        raise FormulaError(_TOO_DEEP)
    return tree


def _depth(tree: Expression) -> int:
    """Return the nesting depth of a tree."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [part for each in level for part in parts(each)]
    return depth


def _tokens(formula: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(formula):
        match = _TOKEN.match(formula, position)
        if match is None:
            raise FormulaError(f"{formula[position]!r} at character {position + 1} is unexpected")
        kind = str(match.lastgroup)
        if kind != "blank":
            text = match[0]
            if kind == "word":
                text = text.upper()
                kind = "sign" if text in _KEYWORDS else "word"
            tokens.append((kind, text))
        position = match.end()
    return [*tokens, ("end", "")]


class _Parser:
    """Recursive descent over a list of tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0

    def expression(self, level: int = 0) -> Expression:
        """Parse operators of precedence *level* and higher."""
        if level == len(_LEVELS):
            return self._unary()
        if _LEVELS[level] == ("NOT",):
            negated = self._accept("sign", "NOT")
            return (
                Operation("NOT", (self.expression(level),))
                if negated
                else self.expression(level + 1)
            )
        left = self.expression(level + 1)
        while (sign := self._accept("sign", *_LEVELS[level])) is not None:
            left = Operation(sign, (left, self.expression(level + 1)))
        return left

    def expect(self, kind: str, *texts: str) -> str:
        """Return the next token.

        :raises FormulaError: it is another token than expected.
        """
        token = self._accept(kind, *texts)
        if token is None:
            actual = self.tokens[self.position][1] or "the end"
            expected = " or ".join(text for text in texts if text) or "the end"
            raise FormulaError(f"{actual} is where {expected} is expected")
        return token

    def _accept(self, kind: str, *texts: str) -> str | None:
        actual, text = self.tokens[self.position]
        if actual != kind or (texts and text not in texts):
            return None
        self.position += 1
        return text

    def _unary(self) -> Expression:
        sign = self._accept("sign", "-")
        return Operation(sign, (self._unary(),)) if sign else self._atom()

    def _atom(self) -> Expression:
        kind, text = self.tokens[self.position]
        self.position += 1
        literals: dict[str, Callable[[str], Expression]] = {
            "number": lambda text: Value(float(text)),
            "text": lambda text: Value(text[1:-1].replace(text[0] * 2, text[0])),
            "date": lambda text: Value(text, is_date=True),
            "field": lambda text: Field(text[1:-1].replace("]]", "]")),
            "word": self._word,
        }
        openings: dict[str, Callable[[], Expression]] = {
            "(": self._parentheses,
            "IF": self._choice,
            "CASE": self._case,
            "{": self._level_of_detail,
        }
        if kind in literals:
            return literals[kind](text)
        if kind == "sign" and text in openings:
            return openings[text]()
        raise FormulaError(f"{text or 'the end'} is where a value is expected")

    def _list(self) -> tuple[Expression, ...]:
        """Parse expressions up to the closing parenthesis."""
        inner = [self.expression()]
        while self._accept("sign", ","):
            inner.append(self.expression())
        self.expect("sign", ")")
        return tuple(inner)

    def _parentheses(self) -> Expression:
        """Parse the rest of parentheses: an expression, or a list of values for IN."""
        inner = self._list()
        return inner[0] if len(inner) == 1 else Operation("LIST", inner)

    def _word(self, text: str) -> Expression:
        if text in _VALUES:
            return Value(_VALUES[text])
        self.expect("sign", "(")
        return Call(text, () if self._accept("sign", ")") else self._list())

    def _case(self) -> Choice:
        subject = self.expression()
        self.expect("sign", "WHEN")
        return self._choice("WHEN", subject)

    def _choice(self, again: str = "ELSEIF", subject: Expression | None = None) -> Choice:
        """Parse branches that start with *again*; with a *subject*, they compare it with values."""
        branches: list[tuple[Expression, Expression]] = []
        otherwise: Expression | None = None
        word = again
        while word == again:
            condition = self.expression()
            if subject is not None:
                condition = Operation("=", (subject, condition))
            self.expect("sign", "THEN")
            branches.append((condition, self.expression()))
            word = self.expect("sign", again, "ELSE", "END")
        if word == "ELSE":
            otherwise = self.expression()
            self.expect("sign", "END")
        return Choice(tuple(branches), otherwise)

    def _level_of_detail(self) -> LevelOfDetail:
        dimensions: list[str] = []
        keyword = self._accept("word", "FIXED", "INCLUDE", "EXCLUDE")
        if keyword:
            while (field := self._accept("field")) is not None:
                dimensions.append(field[1:-1])
                if self._accept("sign", ",") is None:
                    break
            self.expect("sign", ":")
        inner = self.expression()
        self.expect("sign", "}")
        return LevelOfDetail(keyword or "FIXED", tuple(dimensions), inner)


def fields(tree: Expression) -> set[str]:
    """Return the names of the fields in a formula."""
    if isinstance(tree, Field):
        return {tree.name}
    names = set(tree.dimensions) if isinstance(tree, LevelOfDetail) else set()
    return names.union(*(fields(part) for part in parts(tree)))


def parts(tree: Expression) -> tuple[Expression, ...]:
    """Return the direct children of a tree."""
    match tree:
        case Call():
            return tree.arguments
        case Operation():
            return tree.operands
        case Choice():
            flat = [part for branch in tree.branches for part in branch]
            return (*flat, tree.otherwise) if tree.otherwise is not None else tuple(flat)
        case LevelOfDetail():
            return (tree.inner,)
        case _:
            return ()
