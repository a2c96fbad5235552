"""Enough of GraphQL to answer queries: documents, their check against a schema, and the fields.

Directives are not understood; whoever sends one is told of a syntax error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderpull.simulator.profile import Request

TOKEN = re.compile(
    r'[\s,\ufeff]+|\#[^\n\r]*|(?P<block>"""(?:\\"""|.)*?""")|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<number>-?\d+(?P<float>\.\d+)?(?P<exponent>[eE][+-]?\d+)?)|(?P<name>[_A-Za-z]\w*)"
    r"|(?P<sign>\.\.\.|[!$&():=@\[\]{|}])",
    re.DOTALL,
)

KEYWORDS = {"true": True, "false": False, "null": None}

Schema = dict[str, dict[str, "Type"]]
"""The types by name; each has its fields."""


class GraphQLError(Exception):
    """A document that cannot be answered; the text is the message."""

    def __init__(self, message: str, code: str | None = None) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.code = code


class Type(NamedTuple):
    """A field: the name of its type (None: a plain value), and the arguments that it takes."""

    of: str | None = None
    arguments: frozenset[str] = frozenset()


class Variable(NamedTuple):
    """A variable in a document."""

    name: str


class Enum(str):
    """A name that stands as a value."""

    __slots__ = ()


@dataclass(slots=True)
class Field:
    """A chosen field; `on` is the type of the fragment that chooses it, if any."""

    name: str
    key: str
    arguments: dict[str, Any]
    fields: list[Field]
    on: str | None = None


@dataclass(slots=True)
class Operation:
    """A query or a mutation, its variables (by name: whether required, and the default)."""

    kind: str
    name: str | None
    variables: dict[str, tuple[bool, Any]]
    fields: list[Field] = field(default_factory=list)


def parse(
    text: str, variables: Mapping[str, Any] | None = None, name: str | None = None
) -> Operation:
    """Return the operation of a document, variables and fragments put in.

    GraphQLError for what is no GraphQL, or lacks a fragment, a variable or an operation.
    """
    document = _Document(text, variables or {})
    chosen = [one for one in document.operations if name is None or one.name == name]
    if len(chosen) != 1:
        raise GraphQLError("Must provide the name of one operation.")
    return document.finished(chosen[0])


def asked(request: Request) -> Operation:
    """Return the operation that a POST brings in a JSON object; GraphQLError as in `parse`."""
    try:
        given = json.loads(request.body)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise GraphQLError("POST body missing, invalid Content-Type, or JSON object has no query.")
    variables = given.get("variables") or {}
    if not isinstance(variables, dict):
        raise GraphQLError("`variables` must be an object.")
    return parse(given["query"], variables, given.get("operationName"))


def check(fields: list[Field], schema: Schema, of: str) -> None:
    """Raise GraphQLError unless the type `of` has these fields."""
    for one in fields:
        if one.name == "__typename":
            continue
        owner = one.on if one.on in schema else of
        known = schema[owner].get(one.name)
        if known is None:
            raise GraphQLError(
                f"Field '{one.name}' doesn't exist on type '{owner}'", "undefinedField"
            )
        for argument in one.arguments:
            if argument not in known.arguments:
                message = f"Field '{one.name}' doesn't accept argument '{argument}'"
                raise GraphQLError(message, "argumentNotAccepted")
        if known.of is None and one.fields:
            message = f"Selections can't be made on scalars (field '{one.name}')"
            raise GraphQLError(message, "selectionMismatch")
        if known.of is not None:
            if not one.fields:
                message = f"Field must have selections (field '{one.name}' of type '{known.of}')"
                raise GraphQLError(message, "selectionMismatch")
            check(one.fields, schema, known.of)


def chosen(value: Any, fields: list[Field]) -> Any:
    """Return of `value` (objects, lists, plain values) the chosen fields alone.

    A field whose value can be called is called with the arguments. A fragment on another type than
    the object's `__typename` is left out.
    """
    if isinstance(value, list):
        return [chosen(one, fields) for one in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for one in fields:
        if one.on is not None and value.get("__typename", one.on) != one.on:
            continue
        part = value[one.name]
        part = chosen(part(**one.arguments) if callable(part) else part, one.fields)
        before = found.get(one.key)
        found[one.key] = (
            {**before, **part} if isinstance(before, dict) and isinstance(part, dict) else part
        )
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise GraphQLError(f"Syntax Error: Unexpected character: {text[at]!r}.")
        at = found.end()
        for kind in ("block", "string", "number", "name", "sign"):
            if found[kind] is not None:
                yield kind, found[0]
    yield "end", ""


class _Document:
    """Reads a document, one token after the other."""

    def __init__(self, text: str, given: Mapping[str, Any]) -> None:
        self._tokens = _tokens(text)
        self._given = given
        self._fragments: dict[str, tuple[str, list[Field]]] = {}
        self.operations: list[Operation] = []
        self._step()
        while self._kind != "end":
            self._definition()

    def _step(self) -> str:
        before = getattr(self, "_text", "")
        self._kind, self._text = next(self._tokens)
        return before

    def _is(self, text: str) -> bool:
        return self._kind in ("sign", "name") and self._text == text

    def _take(self, text: str) -> bool:
        there = self._is(text)
        if there:
            self._step()
        return there

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise GraphQLError(f"Syntax Error: Expected {text!r}, found {self._text!r}.")

    def _name(self) -> str:
        if self._kind != "name":
            raise GraphQLError(f"Syntax Error: Expected Name, found {self._text!r}.")
        return self._step()

    def _definition(self) -> None:
        if self._is("{"):
            self.operations.append(Operation("query", None, {}, self._selections()))
            return
        kind = self._name()
        if kind == "fragment":
            name = self._name()
            self._expect("on")
            self._fragments[name] = (self._name(), self._selections())
            return
        if kind not in ("query", "mutation"):
            raise GraphQLError(f"Syntax Error: Unexpected Name {kind!r}.")
        operation = Operation(kind, self._name() if self._kind == "name" else None, {})
        if self._take("("):
            while not self._take(")"):
                self._variable(operation)
        operation.fields = self._selections()
        self.operations.append(operation)

    def _variable(self, operation: Operation) -> None:
        self._expect("$")
        name = self._name()
        self._expect(":")
        required = self._type()
        default = None
        if self._take("="):
            default, required = self._value(), False
        operation.variables[name] = (required, default)

    def _type(self) -> bool:
        """Read past a type and return whether it must be given."""
        if self._take("["):
            self._type()
            self._expect("]")
        else:
            self._name()
        return self._take("!")

    def _selections(self) -> list[Field]:
        self._expect("{")
        if self._is("}"):
            raise GraphQLError("Syntax Error: Expected Name, found '}'.")
        found = []
        while not self._take("}"):
            found.append(self._selection())
        return found

    def _selection(self) -> Field:
        """Read a field, or a fragment as a field named `...` until it is put in."""
        if self._take("..."):
            if self._take("on"):
                on = self._name()
                return Field("...", "", {}, self._selections(), on)
            if self._is("{"):
                return Field("...", "", {}, self._selections())
            return Field("...", self._name(), {}, [])
        name = key = self._name()
        if self._take(":"):
            name = self._name()
        arguments = {}
        if self._take("("):
            while not self._take(")"):
                argument = self._name()
                self._expect(":")
                arguments[argument] = self._value()
        return Field(name, key, arguments, self._selections() if self._is("{") else [])

    def _value(self) -> Any:
        if self._take("$"):
            return Variable(self._name())
        if self._take("["):
            values = []
            while not self._take("]"):
                values.append(self._value())
            return values
        if self._take("{"):
            members = {}
            while not self._take("}"):
                name = self._name()
                self._expect(":")
                members[name] = self._value()
            return members
        return _plain(self._kind, self._step())

    # --------------------------------------------------------------------------------- putting in

    def finished(self, operation: Operation) -> Operation:
        """Return the operation with its variables and fragments put in."""
        values = {}
        for name, (required, default) in operation.variables.items():
            if required and self._given.get(name) is None:
                raise GraphQLError(
                    f"Variable ${name} of a required type was not provided", "missingVariable"
                )
            values[name] = self._given.get(name, default)
        operation.fields = list(self._flat(operation.fields, values, None, ()))
        return operation

    def _flat(
        self,
        fields: list[Field],
        values: Mapping[str, Any],
        on: str | None,
        within: tuple[str, ...],
    ) -> Iterator[Field]:
        for one in fields:
            if one.name != "...":
                arguments = _filled(one.arguments, values)
                below = list(self._flat(one.fields, values, None, within))
                yield Field(one.name, one.key, arguments, below, on)
            elif one.key:
                if one.key not in self._fragments or one.key in within:
                    raise GraphQLError(f"Unknown or circular fragment {one.key!r}.")
                kind, inside = self._fragments[one.key]
                yield from self._flat(inside, values, kind, (*within, one.key))
            else:
                yield from self._flat(one.fields, values, one.on or on, within)


def _plain(kind: str, text: str) -> Any:
    match kind:
        case "string":
            return json.loads(text, strict=False)
        case "block":
            return text[3:-3].replace('\\"""', '"""').strip()
        case "number":
            return float(text) if set(text) & set(".eE") else int(text)
        case "name" if text in KEYWORDS:
            return KEYWORDS[text]
        case "name":
            return Enum(text)
    raise GraphQLError(f"Syntax Error: Unexpected {text!r}.")


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a value with its variables put in."""
    if isinstance(value, Variable):
        if value.name not in values:
            raise GraphQLError(f"Variable ${value.name} is used and not declared", "noDefinition")
        return values[value.name]
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if isinstance(value, dict):
        return {name: _filled(one, values) for name, one in value.items()}
    return value
