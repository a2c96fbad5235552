"""Decode of a page only the values that an API's mapping reads, and write them as lines of JSON.

One type made from the mapping decodes all orders of a page at once. An order that does not fit the
type, or whose text would not be kept exactly, is *odd*: its position is reported instead of a line.
Of two equal keys the last one counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import Expression, Step, parse_path, paths
from orderpull.sources.value_tree import Kind, ValueTree

PAGE, POSITION = "page#", "position#"
"""Keys of a line with the place of its order."""

_TEXT: Kind = frozenset()
_CONDITION: Kind = frozenset({bool})
_NUMBER: Kind = frozenset({float})

_MINUS_ZERO = re.compile(rb"-0(?=[ \t\r\n]*[,}\]])")
_NUL = b"\\u0000"


@dataclass(frozen=True, slots=True)
class CompactPage:
    """The orders of a page as lines of JSON.

    :param lines: one line for each order that is not odd.
    :param odd: positions of the other orders, ascending.
    :param orders: number of all orders.
    """

    lines: bytes
    odd: list[int]
    orders: int


@dataclass(slots=True)
class DecodedPage:
    """The decoded orders of a page, without what the mapping does not read; None for an odd one.

    :param body: their JSON text.
    :param raw: returns the JSON text of each order.
    """

    decoder: "CompactDecoder"
    orders: list[Any]
    body: bytes
    raw: Callable[[], Iterable[bytes | Raw]]

    def values(self, path: str) -> list[Any]:
        """The value at *path* of each order; None if it is absent or the order is odd.

        :param path: one of the mapping's paths, or of the decoder's further ones.
        """
        return self.decoder.tree.values(self.orders, self.decoder.steps(path))

    def compact(self, page: int) -> CompactPage:
        """The orders as lines of JSON, each with the number of its *page* and its position."""
        for position, order in enumerate(self.orders):
            if order is not None:
                order.page, order.position = page, position
        lines = self._lines()
        if self._may_differ(lines):
            for position in list(self._different()):
                self.orders[position] = None
            lines = self._lines()
        odd = [position for position, order in enumerate(self.orders) if order is None]
        return CompactPage(lines, odd, len(self.orders))

    def _lines(self) -> bytes:
        orders = self.orders
        if None in orders:
            orders = [order for order in orders if order is not None]
        return self.decoder.encode_lines(orders)

    def _may_differ(self, lines: bytes) -> bool:
        """True if a value in *lines* may have another text than the order has."""
        zero = self.decoder.tree.lists_scalars or b":0," in lines or b":0}" in lines
        return _NUL in lines or (zero and _MINUS_ZERO.search(self.body) is not None)

    def _different(self) -> Iterator[int]:
        """Positions of the orders with -0, which is decoded as 0, or with U+0000 in a text."""
        for position, text in enumerate(self.raw()):
            order = self.orders[position]
            if order is not None:
                nul = _NUL in self.decoder.encode_lines([order])
                if nul or _MINUS_ZERO.search(bytes(text)):
                    yield position


class CompactDecoder:
    """Decodes the orders of an API's pages.

    :param extra: further paths, relative to the order, for :meth:`DecodedPage.values`.
    :ivar columns: SQL type of each column of the lines.
    :raises ValueError: no type can be made from the mapping, so that each order would be odd.
    """

    def __init__(self, api: Api, extra: Iterable[str] = ()) -> None:
        records, mapping = api.record_path, api.mapping
        self._prefix: tuple[Step, ...] = records.inner
        self.tree, line = ValueTree(), ValueTree()
        for expression, kind in _order_values(api):
            for path in paths(expression):
                self.tree.add((*self._prefix, *path.steps), kind)
        for expression, kind in _line_values(api):
            for path in paths(expression):
                line.add((*mapping.lines.inner, *path.steps), kind)
        self.tree.add_list((*self._prefix, *mapping.lines.steps), line)
        for further in extra:
            self.tree.add(self.steps(further), _CONDITION | _NUMBER)
        self.columns = {PAGE: "BIGINT", POSITION: "BIGINT"} | self.tree.sql_columns()
        self._order_type = self.tree.order_type({"page": PAGE, "position": POSITION})
        self._order = msgspec.json.Decoder(self._order_type)
        self._page = _ListDecoder(self._order_type, records.steps)
        self._list = _ListDecoder(self._order_type, ())
        self._raw_page = _ListDecoder(Raw, records.steps)
        self.encode_lines = msgspec.json.Encoder().encode_lines

    def steps(self, path: str) -> tuple[Step, ...]:
        """The steps of *path* from an element of the list of orders."""
        return (*self._prefix, *parse_path(path).steps)

    def decode(self, body: bytes) -> DecodedPage | None:
        """Decode a page; None if it is not JSON with a list of orders."""
        raw = partial(self._raw_page.decode, body)
        try:
            orders = self._page.decode(body)
        except msgspec.ValidationError:
            try:
                orders = self._one_by_one(raw())
            except (msgspec.DecodeError, RecursionError):
                return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return DecodedPage(self, orders, body, raw)

    def decode_texts(self, texts: Sequence[bytes]) -> DecodedPage:
        """Decode the orders whose JSON texts are *texts*."""
        body = b"[" + b",".join(texts) + b"]"
        try:
            orders = self._list.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            orders = self._one_by_one(texts)
        return DecodedPage(self, orders, body, lambda: texts)

    def _one_by_one(self, texts: Iterable[bytes | Raw]) -> list[Any]:
        return [self._decode_order(text) for text in texts]

    def _decode_order(self, text: bytes | Raw) -> Any:  # noqa: ANN401 - a type made at run time
        try:
            return self._order.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class _ListDecoder:
    """Decodes the list under *steps* in a JSON text."""

    def __init__(self, element: Any, steps: tuple[str, ...]) -> None:  # noqa: ANN401 - a type
        type_: Any = list[element]
        for key in reversed(steps):
            type_ = msgspec.defstruct("Page", [("inner", type_)], rename={"inner": key}, gc=False)
        self._depth = len(steps)
        self._decoder = msgspec.json.Decoder(type_)

    def decode(self, text: bytes) -> list[Any]:
        """The list. :raises msgspec.DecodeError: *text* is not JSON with such a list."""
        value = self._decoder.decode(text)
        for _ in range(self._depth):
            value = value.inner
        return value  # type: ignore[no-any-return]


def _order_values(api: Api) -> Iterator[tuple[Expression, Kind]]:
    """The expressions relative to the order, and the kinds of their values beside texts."""
    mapping = api.mapping
    for expression in mapping.of_order():
        kind = _TEXT
        if expression in (mapping.counted, mapping.where):
            kind = _CONDITION
        elif expression is mapping.header.get("total"):
            kind = _NUMBER
        yield expression, kind


def _line_values(api: Api) -> Iterator[tuple[Expression, Kind]]:
    """The expressions relative to the line, as :func:`_order_values`."""
    mapping = api.mapping
    yield mapping.sku, _TEXT
    yield mapping.quantity, _NUMBER
    if mapping.line_where is not None:
        yield mapping.line_where, _CONDITION
