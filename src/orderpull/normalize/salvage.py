"""A damaged page, taken apart: whole orders out, the rest kept as it is.

A body may be cut off half-way, hold bytes that are not UTF-8, or garbage between two orders. What
stands in the list of orders as a whole JSON value is a whole piece; every other stretch is a
fragment, kept in its own text. Nothing is made up: an object inside a spoilt order is never taken
for an order itself.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s,\]\[{}"]+', re.DOTALL)
_BLANKS = re.compile(rb"[ \t\r\n]*")
_SEPARATORS = re.compile(rb"[ \t\r\n,]*")
_MEMBER = re.compile(rb'[ \t\r\n,]*"(?:[^"\\]|\\.)*"[ \t\r\n]*:', re.DOTALL)
_UNSTRUCTURED = re.compile(rb'[^\[\]{}"]*(?=\{)')
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n,"
_OPENS = {0x5D: 0x5B, 0x7D: 0x7B}
_BRACE, _CLOSING = 0x7B, 0x5D

SCAN_BUDGET = 10
"""How many times its own length a body may be read before the rest counts as one fragment."""

_WINDOW = 1 << 16
"""Bytes in which an order should end; if it does not, and another begins there, it is spoilt."""


@dataclass(frozen=True, slots=True)
class PageLayout:
    """How orders stand in the pages of an API.

    :param path: keys that lead to the list; empty where the page is the list.
    :param inner: keys that lead from an element of the list to the order.
    :param keys: keys that an order may have, as the API's mapping names them.
    :param required_keys: those of *keys* without which nothing is taken for an order.
    """

    path: tuple[str, ...]
    inner: tuple[str, ...]
    keys: frozenset[str]
    required_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a damaged page.

    :param text: as received, made printable (:func:`printable`).
    :param whole: whether it is one JSON value.
    """

    text: str
    whole: bool


def salvage(body: bytes, layout: PageLayout) -> list[Piece]:
    """The pieces of the list of orders in *body*, in their order."""
    return [_piece(body[start:end]) for start, end in _Splitter(body, layout).spans()]


def is_whole(data: bytes) -> bool:
    """Whether *data* is one JSON value."""
    try:
        data.decode()
        msgspec.json.decode(data, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def printable(data: bytes) -> str:
    r"""*data* as a text that every warehouse can keep: ``\xNN`` for bytes that none can."""
    return data.decode(errors="backslashreplace").replace("\0", "\\x00")


def _piece(data: bytes) -> Piece:
    return (
        Piece(data.decode(), whole=True) if is_whole(data) else Piece(printable(data), whole=False)
    )


class _Splitter:
    """Finds the pieces of one body.

    After a spoilt order the next one has to be found. It must have every key that the orders
    before it had, so that a line or an address is not mistaken for it.
    """

    def __init__(self, body: bytes, layout: PageLayout) -> None:
        self.body = body
        self.layout = layout
        self.keys = layout.keys
        self.scan_budget = SCAN_BUDGET * (len(body) + _WINDOW)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Start and end of each piece."""
        start = self._list_start()
        if start is None:
            start = self._next_order(0, len(self.body))
            yield from self._fragment(0, start)
        at, size = start, len(self.body)
        while (at := _after(_SEPARATORS, self.body, at)) < size:
            if self.body[at] == _CLOSING:
                at += 1
                if again := self._another_list(at):
                    at = again
                    continue
                if self._page_ends(start, at):
                    return
                end = self._next_order(at, size)
            else:
                end = self._piece_end(at)
            yield from self._fragment(at, end)
            at = end

    def _fragment(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        piece = self.body[start:end]
        lead = len(piece) - len(piece.lstrip(_SPACE))
        if piece.strip(_SPACE):
            yield start + lead, start + len(piece.rstrip(_SPACE))

    def _list_start(self) -> int | None:
        """Where the list's first element may be."""
        if self.layout.path:
            key = re.escape(msgspec.json.encode(self.layout.path[-1]))
            match = re.search(key + rb"\s*:\s*\[", self.body)
            return match.end() if match else None
        at = _after(_BLANKS, self.body, len(_BOM) if self.body.startswith(_BOM) else 0)
        return at + 1 if self.body[at : at + 1] == b"[" else None

    def _another_list(self, closed: int) -> int:
        """Where the elements of a list begin that follows the one just closed; 0 if none does."""
        at = _after(_BLANKS, self.body, closed)
        return at + 1 if not self.layout.path and self.body[at : at + 1] == b"[" else 0

    def _page_ends(self, start: int, closed: int) -> bool:
        """Whether nothing follows the list, which was just closed, but the page's own end."""
        rest = self.body[closed:]
        self.scan_budget -= len(rest)
        if not rest.strip(b" \t\r\n]}"):
            return True
        if not self.layout.path:
            return False
        return b"{" not in rest or is_whole(self.body[:start] + b"]" + rest)

    def _piece_end(self, at: int) -> int:
        """Where the piece that begins at *at* ends."""
        end = self._order_end(at)
        whole = end > 0 and is_whole(self.body[at:end])
        if whole and self._stands_alone(at, end):
            self._learn(at, end)
            return end
        balanced = end > 0 and not whole and self._followed_well(end)
        if self.body[at] != _BRACE and (garbage := _UNSTRUCTURED.match(self.body, at)):
            begins = garbage.end()
            end = self._order_end(begins)
            if end > 0 and is_whole(self.body[begins:end]) and self._stands_alone(begins, end):
                return begins
        return self._next_order(at + 1, end if balanced else len(self.body))

    def _stands_alone(self, start: int, end: int) -> bool:
        """Whether the whole value there is an element of the list, not a part of a spoilt one.

        A member that follows it may be its own, cut off by a stray bracket.
        """
        cut_off = _MEMBER.match(self.body, end, end + _WINDOW)
        return (self._followed_well(end) and not cut_off) or self._is_order(start, end)

    def _followed_well(self, end: int) -> bool:
        at = _after(_BLANKS, self.body, end)
        return self.body[at : at + 1] in {b"", b",", b"]"}

    def _order_end(self, at: int) -> int:
        """Where the value that begins at *at* ends, however large it is; not above 0 if nowhere."""
        window = _WINDOW
        while (end := self._value_end(at, at + window)) == 0 and at + window < len(self.body):
            if self._next_order(at + 1, at + window) < at + window or self.scan_budget <= 0:
                return -1
            window *= 8
        return end

    def _value_end(self, at: int, limit: int) -> int:
        end = value_end(self.body, at, limit)
        self.scan_budget -= (end if end > 0 else min(limit, len(self.body))) - at
        return end

    def _next_order(self, at: int, limit: int) -> int:
        """Where, from *at* on, the next order begins that is whole; *limit* if none does."""
        everywhere = limit >= len(self.body)
        while self.scan_budget > 0 and (at := self.body.find(b"{", at, limit)) >= 0:
            end = self._order_end(at) if everywhere else self._value_end(at, limit)
            if end > 0 and is_whole(self.body[at:end]):
                if self._is_order(at, end) and self._stands_alone(at, end):
                    return at
                at = end
            else:
                at += 1
        return limit

    def _is_order(self, start: int, end: int) -> bool:
        return self.keys <= self._keys_of(start, end)

    def _learn(self, start: int, end: int) -> None:
        """Ask no more keys of an order than this one has."""
        self.keys = (self.keys & self._keys_of(start, end)) | self.layout.required_keys

    def _keys_of(self, start: int, end: int) -> frozenset[str]:
        value: msgspec.Raw | bytes = self.body[start:end]
        try:
            for key in self.layout.inner:
                value = _OBJECT.decode(value)[key]
            return frozenset(_OBJECT.decode(value))
        except (msgspec.DecodeError, KeyError):
            return frozenset()


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def value_end(body: bytes, at: int, limit: int = sys.maxsize) -> int:
    """Where the value that begins at *at* ends, by its brackets and quotes.

    0 if it does not end before *limit*, -1 if its brackets contradict each other.
    """
    if body[at] not in b"{[":
        match = _SCALAR.match(body, at)
        return match.end() if match else -1
    open_: list[int] = []
    for token in _TOKEN.finditer(body, at, limit):
        mark = body[token.start()]
        if mark in b"{[":
            open_.append(mark)
        elif mark in _OPENS:
            if open_.pop() != _OPENS[mark]:
                return -1
            if not open_:
                return token.end()
    return 0


def _after(pattern: re.Pattern[bytes], body: bytes, at: int) -> int:
    match = pattern.match(body, at)
    return match.end() if match else at
