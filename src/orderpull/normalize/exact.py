"""Rewrite the JSON text of an order so that DuckDB reads what it says.

Kept is what the mapping reads, and of equal keys the last one. DuckDB prints some numbers
differently: ``1.10`` as ``1.1``, ``1E5`` as ``100000.0``, ``-0`` as ``0``. Such a number is put in
quotes, so that an order number or SKU keeps its text. A quantity counts by its value; one that is
part of an amount, too, is written as a whole number if it is one: ``1e2`` as ``100``.
"""

import re
from collections.abc import Collection

import msgspec
from msgspec import Raw

from orderpull.sources.value_tree import Kind, ValueTree

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_LARGE = 10**9
"""From here on a value is not as exact as its text has to be for an amount."""

_CHANGED = re.compile(rb"-0|-?\d+[.eE].*")


class ExactText:
    """Rewrites the texts of an API's orders.

    :param tree: the values that the mapping reads.
    :param by_value: keys whose numbers stay as they are.
    :param whole: keys whose whole numbers are written without point and exponent.
    """

    def __init__(
        self, tree: ValueTree, by_value: Collection[str], whole: Collection[str] = ()
    ) -> None:
        self._tree = tree
        self._by_value = by_value
        self._whole = whole

    def rewrite(self, text: str) -> str:
        """The order with the JSON *text*, rewritten; *text* itself if it is nested too deep."""
        try:
            return self._container(Raw(text.encode()), self._tree).decode()
        except RecursionError:
            return text

    def _container(self, text: Raw, tree: ValueTree) -> bytes:
        """A list or object; *text* itself if its kind is wrong."""
        try:
            if tree.is_list:
                element = tree.element
                return (
                    b"[" + b",".join(self._value(e, "", element) for e in _LIST.decode(text)) + b"]"
                )
            members = _OBJECT.decode(text)
        except msgspec.ValidationError:
            return bytes(text)
        kept = (
            msgspec.json.encode(key) + b":" + self._value(members[key], key, child)
            for key, child in tree.children.items()
            if key in members
        )
        return b"{" + b",".join(kept) + b"}"

    def _value(self, text: Raw, key: str, child: ValueTree | Kind) -> bytes:
        if isinstance(child, ValueTree):
            return self._container(text, child)
        value = bytes(text)
        if key in self._by_value or not _CHANGED.fullmatch(value):
            return value
        return b'"' + (_whole(value) if key in self._whole else value) + b'"'


def _whole(text: bytes) -> bytes:
    """The digits of the number *text* if its value is whole; else *text*."""
    value = float(text)
    return b"%d" % value if value.is_integer() and value and abs(value) < _LARGE else text
