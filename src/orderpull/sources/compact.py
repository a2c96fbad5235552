"""Decode of a page only the values that an API's mapping reads, and write them as lines of JSON.

One type made from the mapping decodes all orders of a page at once. An order that does not fit the
type, or whose text would not be kept exactly, is *odd*: its position is reported instead of a line.
Of two equal keys the last one counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from orderpull.sources.duplicate_keys import has_duplicate_key
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import (
    Expression,
    Step,
    amount_paths,
    condition_paths,
    parse_path,
    paths,
)
from orderpull.sources.spec.item_lists import ItemList
from orderpull.sources.spec.order import AMOUNT_FIELDS, Mapping
from orderpull.sources.value_tree import Kind, ValueTree

PAGE, POSITION = "page#", "position#"
"""Keys of a line with the place of its order; a position of 0 is left out."""

PAGE_BITS = 32
"""Bits of a page's number; the bits above them are the index of its source in the run."""

Steps = tuple[Step, ...]

_TEXT: Kind = frozenset()
_CONDITION: Kind = frozenset({bool})
_NUMBER: Kind = frozenset({float})

_MINUS_ZERO = re.compile(rb"-0(?=[ \t\r\n]*[,}\]])")
_ZERO = re.compile(rb'":0[,}]')
_NUL = rb"\u0000"


@dataclass(frozen=True, slots=True)
class CompactPage:
    """The orders of a page as lines of JSON.

    :param lines: one line for each order that is not odd.
    :param odd: texts of the other orders by position, as received.
    :param orders: number of all orders.
    """

    lines: bytes
    odd: dict[int, str]
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

    def compact(self, page: int, positions: Sequence[int] | None = None) -> CompactPage:
        """The orders as lines of JSON, each with the number of its *page* and its position.

        :param page: number of the page in the run, see :func:`page_in_run`.
        :param positions: position of each order, if they are not all orders of the page.
        """
        places = range(len(self.orders)) if positions is None else positions
        for position, order in zip(places, self.orders, strict=True):
            if order is not None:
                order.page, order.position = page, position
        lines = self._lines()
        if self._may_differ(lines):
            for index in list(self._different()):
                self.orders[index] = None
            lines = self._lines()
        odd: dict[int, str] = {}
        if None in self.orders:
            for place, order, text in zip(places, self.orders, self.raw(), strict=True):
                if order is None:
                    odd[place] = bytes(text).decode()
        return CompactPage(lines, odd, len(self.orders))

    def _lines(self) -> bytes:
        orders = self.orders
        if None in orders:
            orders = [order for order in orders if order is not None]
        return self.decoder.encode_lines(orders)

    def _may_differ(self, lines: bytes) -> bool:
        """True if a value in *lines* may have another text than the order has."""
        zero = self.decoder.tree.lists_scalars or (b'":0' in lines and _ZERO.search(lines))
        return _NUL in lines or bool(zero and _MINUS_ZERO.search(self.body))

    def _different(self) -> Iterator[int]:
        """Indexes of the orders with -0, which is decoded as 0, or with U+0000 in a text."""
        for index, (order, text) in enumerate(zip(self.orders, self.raw(), strict=True)):
            if order is not None:
                nul = _NUL in self.decoder.encode_lines([order])
                if nul or _MINUS_ZERO.search(bytes(text)):
                    yield index


class CompactDecoder:
    """Decodes the orders of an API's pages.

    :param extra: further paths, relative to the order, for :meth:`DecodedPage.values`.
    :ivar columns: SQL type of each column of the lines.
    :ivar order_type: type that decodes an order.
    :raises ValueError: no type can be made from the mapping, so that each order would be odd.
    """

    def __init__(self, api: Api, extra: Iterable[str] = ()) -> None:
        records = api.record_path
        self._path, self._prefix = records.steps, records.inner
        self.tree = value_tree(api)
        for further in extra:
            self.tree.add(self.steps(further), _CONDITION | _NUMBER)
        self.columns = {PAGE: "BIGINT", POSITION: "BIGINT"} | self.tree.sql_columns()
        self.order_type = self.tree.order_type({"page": PAGE, "position": POSITION})
        self._order = msgspec.json.Decoder(self.order_type)
        self._page = _ListDecoder(self.order_type, records.steps)
        self._list = _ListDecoder(self.order_type, ())
        self._raw_page = _ListDecoder(Raw, records.steps)
        self.encode_lines = msgspec.json.Encoder().encode_lines

    def steps(self, path: str) -> tuple[Step, ...]:
        """The steps of *path* from an element of the list of orders."""
        return (*self._prefix, *parse_path(path).steps)

    def decode(self, body: bytes) -> DecodedPage | None:
        """Decode a page; None if it is not JSON with one list of orders."""
        try:
            return self.page_of(body, self._page.decode(body))
        except msgspec.ValidationError:
            return self.decode_each(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def decode_each(self, body: bytes) -> DecodedPage | None:
        """Decode a page order by order, as :meth:`decode`: one has not the expected kinds."""
        try:
            texts = self._raw_page.decode(body)
            page = self.page_of(body, self._one_by_one(texts))
        except (msgspec.DecodeError, RecursionError):
            return None
        return page and replace(page, raw=lambda: texts)

    def page_of(self, body: bytes, orders: list[Any]) -> DecodedPage | None:
        """The page *body*, whose *orders* are decoded; None if it has two lists of orders."""
        if has_duplicate_key(body, self._path):
            return None
        return DecodedPage(self, orders, body, partial(self._raw_page.decode, body))

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


def page_in_run(source: int, page: int) -> int:
    """The number, unique in a run, of a *page* of the source with the index *source*."""
    return source << PAGE_BITS | page


def value_tree(api: Api) -> ValueTree:
    """The values that the mapping reads of an element of the list of orders."""
    prefix, tree = api.record_path.inner, ValueTree()
    for steps, kind in _order_values(api.mapping):
        tree.add((*prefix, *steps), kind)
    for each in api.mapping.item_lists:
        for steps, kind in _record_values(each):
            tree.add((*prefix, *each.record, *steps), kind)
    return tree


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


def _order_values(mapping: Mapping) -> Iterator[tuple[Steps, Kind]]:
    """Steps from the order to the values that are read, and their kinds beside texts."""
    texts = [mapping.number, mapping.id, mapping.customer, *mapping.address.values()]
    texts += (each for name, each in mapping.header.items() if name not in AMOUNT_FIELDS)
    conditions = [mapping.counted, mapping.where, *(each.when for each in mapping.also)]
    for kind, expressions in ((_TEXT, texts), (_CONDITION, conditions)):
        for expression in expressions:
            if expression is not None:
                yield from ((path.steps, kind) for path in paths(expression))
    for amount in mapping.amounts().values():
        yield from _amount_values(amount)


def _record_values(items: ItemList) -> Iterator[tuple[Steps, Kind]]:
    """As :func:`_order_values`, from a record of a list of items."""
    for text in items.texts:
        yield from ((path.steps, _TEXT) for path in paths(text))
    for pieces in items.pieces.values():
        yield from ((path.steps, _NUMBER) for path in paths(pieces))
    if items.amount is not None:
        yield from _amount_values(items.amount)
    if items.where is not None:
        yield from ((path.steps, _CONDITION) for path in paths(items.where))


def _amount_values(amount: Expression) -> Iterator[tuple[Steps, Kind]]:
    by_value = {path.steps for path in amount_paths(amount)}
    conditions = {each.steps for path in amount_paths(amount) for each in condition_paths(path)}
    for path in paths(amount):
        kind = _CONDITION if path.steps in conditions else _TEXT
        yield path.steps, _NUMBER if path.steps in by_value else kind
