"""Extract some values from a JSON text without decoding the rest."""

import re
from codecs import utf_8_decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct

from orderpull.sources.spec.expression import Step, parse_path

Keys = tuple[str, ...]

_HALF = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|[89a-fA-F][0-9a-fA-F]{2})"
)
"""Half of a surrogate pair, or a whole one. It begins with a literal, which is searched fast."""

_ESCAPE = 6
"""Length of an escape such as ``\\ud83d``, in bytes."""

_CHUNK = 1 << 16
_BACKSLASH = ord("\\")

_EMPTY_LIST: Any = Annotated[list[Any], Meta(max_length=0)]
"""PHP writes an empty object as an empty list."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_DEEPEST = 100
"""Levels of nesting that :func:`flattened` keeps; no file reads a value below them."""


def flattened(body: bytes) -> bytes:
    """*body* with null for each list or object nested too deep for the decoder; never landed."""
    kept: list[bytes] = []
    depth = start = 0
    for token in _TOKEN.finditer(body):
        mark = body[token.start()]
        if mark in b"[{":
            depth += 1
            if depth == _DEEPEST:
                kept.append(body[start : token.start()])
                start = token.start()
        elif mark in b"]}":
            if depth == _DEEPEST:
                kept.append(b"null")
                start = token.end()
            depth -= 1
    return b"".join(kept) + body[start:]


def without_lone_surrogates(body: bytes) -> bytes:
    r"""*body* with ``\ufffd`` for each ``\uD800`` to ``\uDFFF`` outside a pair; same length.

    JSON allows such an escape (RFC 8259, section 8.2), but no text of a warehouse can hold it.
    """
    kept: list[bytes] = []
    at = start = 0
    while match := _HALF.search(body, at):
        at = match.end()
        if _is_escaped(body, match.start()):  # a backslash, and text that only looks like an escape
            at = match.start() + 1
        elif at - match.start() == _ESCAPE:
            kept += (body[start : match.start()], rb"\ufffd")
            start = at
    return b"".join(kept) + body[start:] if kept else body


def _is_escaped(body: bytes, at: int) -> bool:
    """True if the backslash at *at* is the second one of an escaped backslash."""
    first = at
    while first and body[first - 1] == _BACKSLASH:
        first -= 1
    return (at - first) % 2 == 1


def is_utf8(body: bytes) -> bool:
    """True if *body* is UTF-8, decoded in pieces that fit into the processor's cache."""
    if body.isascii():
        return True
    view, at = memoryview(body), 0
    try:
        while at < len(body):
            end = at + _CHUNK
            at += utf_8_decode(view[at:end], "strict", end >= len(body))[1]
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Extracted:
    """The values extracted from one JSON text.

    :param records: the elements of the record list; None if the text has no such list.
    """

    extractor: "JsonExtractor"
    value: object
    records: list[Any] | None = None

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The value at *path*, one of the extractor's paths; None if it is absent."""
        keys, rest = self.extractor.split_paths[path]
        value = _at(self.value, keys)
        for step in rest:
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return None if value is UNSET else value


class JsonExtractor:
    """Extracts the values at *paths*, and the record list, from JSON texts.

    :param records: keys of the record list; ``()``: the text itself is the list; None: no list.
    :param inner: keys before each of *paths*.
    :param null_is_empty: null in place of the record list is an empty list.
    :param record: type of a record; its JSON text by default.
    :ivar type: type that the text is decoded to.
    :ivar split_paths: for each path the keys that the decoder resolves, and the remaining steps.
    """

    def __init__(
        self,
        records: Keys | None,
        paths: list[str],
        inner: Keys = (),
        *,
        null_is_empty: bool = False,
        record: Any = Raw,  # noqa: ANN401 - a type
    ) -> None:
        self.paths = paths
        self._records = records
        self._null_is_empty = null_is_empty
        leaves: dict[Keys, Any] = {records: list[record]} if records else {}
        steps = {path: (*inner, *parse_path(path).steps) for path in paths}
        keys = {path: _leading_keys(each) for path, each in steps.items()}
        for each in keys.values():
            leaves.setdefault(each, Any)
        outer = {k for k in leaves if not any(k[: len(o)] == o for o in leaves if o != k)}
        self.split_paths: dict[str, tuple[Keys, tuple[Step, ...]]] = {}
        for path, each in keys.items():
            near = next(o for o in outer if each[: len(o)] == o)
            self.split_paths[path] = near, steps[path][len(near) :]
        decoded = {k: leaf for k, leaf in leaves.items() if k in outer}
        self.type: Any = list[record] | None if records == () else _tree(decoded)
        self._attributes = _attributes(decoded)
        self._decoder = msgspec.json.Decoder(self.type)

    def decode(self, text: bytes | Raw) -> Extracted:
        """Extract the values of *text*. :raises msgspec.DecodeError: its JSON does not match."""
        value = self._decoder.decode(text)
        records = value if self._records == () else _at(value, self._records or ("",))
        if records is None and self._null_is_empty:
            records = []
        return Extracted(self, value, records if isinstance(records, list) else None)

    def column(self, path: str, values: list[Any]) -> list[Any]:
        """The value at *path* of each of *values*, of :attr:`type`; None where it is absent."""
        keys, rest = self.split_paths[path]
        if not rest:
            with suppress(AttributeError):  # an object on the way is absent
                attributes = map(attrgetter(self._attributes[keys]), values)
                return [None if each is UNSET else each for each in attributes]
        return [Extracted(self, value).get(path) for value in values]


def _leading_keys(steps: tuple[Step, ...]) -> Keys:
    """The keys of *steps* before the first index."""
    return tuple(str(step) for step in takewhile(lambda step: isinstance(step, str), steps))


def _tree(leaves: dict[Keys, Any]) -> type[Struct]:
    """A type that decodes only the paths of *leaves*; absent values are UNSET."""
    fields: list[Any] = []
    names = {}
    for name, key, below in _children(leaves):
        leaf_type = below[()] if () in below else _tree(below) | _EMPTY_LIST
        optional = Any if leaf_type is Any else leaf_type | None | msgspec.UnsetType
        fields.append((name, optional, UNSET))
        names[name] = key
    return msgspec.defstruct("Tree", fields, rename=names, gc=False)


def _attributes(leaves: dict[Keys, Any]) -> dict[Keys, str]:
    """The attribute of each of *leaves* in their :func:`_tree`, dotted."""
    return {
        (key, *rest): f"{name}.{inner}" if inner else name
        for name, key, below in _children(leaves)
        for rest, inner in (_attributes(below).items() if () not in below else [((), "")])
    }


def _children(leaves: dict[Keys, Any]) -> Iterator[tuple[str, str, dict[Keys, Any]]]:
    """Attribute, key, and leaves below of each member."""
    children: dict[str, dict[Keys, Any]] = {}
    for steps, leaf in leaves.items():
        children.setdefault(steps[0], {})[steps[1:]] = leaf
    for index, (key, below) in enumerate(children.items()):
        yield f"f{index}", key, below


@cache
def _field_names(tree: type[Struct]) -> dict[str, str]:
    """The attribute of each JSON key of *tree*."""
    return dict(zip(tree.__struct_encode_fields__, tree.__struct_fields__, strict=True))


def _at(value: object, steps: Keys) -> Any:  # noqa: ANN401 - JSON
    for step in steps:
        if not isinstance(value, Struct):
            return UNSET
        names = _field_names(type(value))
        value = getattr(value, names[step]) if step in names else None
    return value
