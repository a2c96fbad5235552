"""Split a damaged page into whole orders and fragments.

A body may be cut off, contain bytes that are not UTF-8, or garbage between two orders. A complete
JSON value in the list of orders is a whole piece. Every other stretch is a fragment and keeps its
text. Nothing is invented: an object inside a broken order never counts as an order.
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
"""Limit of bytes read, as a multiple of the body's length; then the rest is one fragment."""

_WINDOW = 1 << 16
"""Bytes within which an order should end, unless it is broken and another begins there."""


@dataclass(frozen=True, slots=True)
class PageLayout:
    """Layout of the orders in an API's pages.

    :param path: keys to the list; empty if the page itself is the list.
    :param inner: keys from an element of the list to the order.
    :param keys: keys of an order that the API's mapping uses.
    :param required_keys: the keys without which an object does not count as an order.
    """

    path: tuple[str, ...]
    inner: tuple[str, ...]
    keys: frozenset[str]
    required_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a damaged page.

    :param text: as received, made printable (:func:`printable`).
    :param whole: true if it is one JSON value.
    """

    text: str
    whole: bool


def salvage(body: bytes, layout: PageLayout) -> list[Piece]:
    """The pieces of the list of orders in *body*, in sequence."""
    return [_piece(body[start:end]) for start, end in _Splitter(body, layout).spans()]


def is_whole(data: bytes) -> bool:
    """True if *data* is one JSON value."""
    try:
        data.decode()
        msgspec.json.decode(data, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def printable(data: bytes) -> str:
    r"""*data* as a text that every warehouse can store, with ``\xNN`` for other bytes."""
    return data.decode(errors="backslashreplace").replace("\0", "\\x00")


def _piece(data: bytes) -> Piece:
    whole = is_whole(data)
    return Piece(data.decode() if whole else printable(data), whole)


class _Splitter:
    """Finds the pieces of one body.

    The search for the next order after a broken one accepts only an object with every key of the
    orders before. A line or an address thus never counts as an order.
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
                again = _after(_BLANKS, self.body, at)
                if not self.layout.path and self.body[again : again + 1] == b"[":
                    at = again + 1  # the elements of a list that follows the one just closed
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
        """Offset after the list's opening bracket; None if there is no list."""
        if self.layout.path:
            key = re.escape(msgspec.json.encode(self.layout.path[-1]))
            match = re.search(key + rb"\s*:\s*\[", self.body)
            return match.end() if match else None
        at = _after(_BLANKS, self.body, len(_BOM) if self.body.startswith(_BOM) else 0)
        return at + 1 if self.body[at : at + 1] == b"[" else None

    def _page_ends(self, start: int, closed: int) -> bool:
        """True if only the page's own end follows the list just closed."""
        rest = self.body[closed:]
        self.scan_budget -= len(rest)
        if not rest.strip(b" \t\r\n]}"):
            return True
        if not self.layout.path:
            return False
        return b"{" not in rest or is_whole(self.body[:start] + b"]" + rest)

    def _piece_end(self, at: int) -> int:
        """End of the piece that begins at *at*."""
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
        """True if the whole value is an element of the list, not a part of a broken order.

        A member that follows the value may belong to it, cut off by a stray bracket.
        """
        cut_off = _MEMBER.match(self.body, end, end + _WINDOW)
        return (self._followed_well(end) and not cut_off) or self.keys <= self._keys_of(start, end)

    def _followed_well(self, end: int) -> bool:
        at = _after(_BLANKS, self.body, end)
        return self.body[at : at + 1] in {b"", b",", b"]"}

    def _order_end(self, at: int) -> int:
        """End of the value of any size that begins at *at*; 0 or less if it has no end."""
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
        """Start of the next whole order from *at* on; *limit* without such an order."""
        everywhere = limit >= len(self.body)
        while self.scan_budget > 0 and (at := self.body.find(b"{", at, limit)) >= 0:
            end = self._order_end(at) if everywhere else self._value_end(at, limit)
            if end > 0 and is_whole(self.body[at:end]):
                if self.keys <= self._keys_of(at, end) and self._stands_alone(at, end):
                    return at
                at = end
            else:
                at += 1
        return limit

    def _learn(self, start: int, end: int) -> None:
        """Require from later orders only keys that this order has, and the required ones."""
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
    """End of the value that begins at *at*, by its brackets and quotes.

    0 if the value does not end before *limit*, -1 if its brackets do not match.
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
