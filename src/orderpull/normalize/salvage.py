"""A damaged page, taken apart: whole orders out, the rest kept as it is.

A body may be cut off half-way, hold bytes that are not UTF-8, or garbage between two orders. What
can be read as an order is one; every other stretch of the list is a remnant, kept in its own text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
_SPACE = b" \t\r\n,"
_CLOSES = {0x5D: 0x5B, 0x7D: 0x7B}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a damaged page.

    :param text: as received; bytes that are not UTF-8 as ``\\xNN``.
    :param whole: whether it is one JSON value.
    """

    text: str
    whole: bool


def salvage(body: bytes, list_path: tuple[str, ...], first_key: str) -> list[Piece]:
    """The pieces of the list of orders in *body*, in their order.

    :param list_path: keys that lead to the list; empty where the page is the list.
    :param first_key: a key that every order has, to find the next one after a remnant.
    """
    return [Piece(*_text(data)) for data in _pieces(body, list_path, first_key)]


def _pieces(body: bytes, list_path: tuple[str, ...], first_key: str) -> Iterator[bytes]:
    at = _list_start(body, list_path)
    if at < 0:
        if body.strip():
            yield body
        return
    if not list_path and body[: at - 1].strip(b" \t\r\n\xef\xbb\xbf"):
        yield body[: at - 1]
    while True:
        at = _skip(body, at)
        if at >= len(body):
            return
        if body[at] == 0x5D:  # ]
            rest = body[at + 1 :].strip()
            if list_path or not rest:
                return
            again = _list_start(rest, ())
            if again < 0:
                yield rest
                return
            yield from _pieces(rest, (), first_key)
            return
        end = _value_end(body, at)
        if end < 0 or not _followed_well(body, end):
            end = _next_order(body, at + 1, first_key)
        piece = body[at:end].rstrip(_SPACE)
        if piece:
            yield piece
        at = end


def _list_start(body: bytes, list_path: tuple[str, ...]) -> int:
    """Where the list's first element may be; -1 if there is no list."""
    if not list_path:
        return body.find(b"[") + 1 or -1
    key = re.escape(msgspec.json.encode(list_path[-1]))
    match = re.search(key + rb"\s*:\s*\[", body)
    return match.end() if match else -1


def _skip(body: bytes, at: int) -> int:
    while at < len(body) and body[at] in _SPACE:
        at += 1
    return at


def _value_end(body: bytes, at: int) -> int:
    """Where the value that begins at *at* ends; -1 if it does not."""
    if body[at] not in b"{[":
        match = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s,\]\[{}"]+', re.DOTALL).match(body, at)
        return match.end() if match else -1
    open_: list[int] = []
    for token in _TOKEN.finditer(body, at):
        mark = body[token.start()]
        if mark in b"{[":
            open_.append(mark)
        elif mark in _CLOSES:
            if not open_ or open_.pop() != _CLOSES[mark]:
                return -1
            if not open_:
                return token.end()
    return -1


def _followed_well(body: bytes, end: int) -> bool:
    after = body[end:].lstrip(b" \t\r\n")[:1] if end < len(body) else b""
    return after in {b"", b",", b"]"}


def _next_order(body: bytes, at: int, first_key: str) -> int:
    """Where the next whole order begins; the end of *body* if none does."""
    for match in re.compile(rb"\{").finditer(body, at):
        end = _value_end(body, match.start())
        if end < 0 or not _followed_well(body, end):
            continue
        try:
            body[match.start() : end].decode()
            keys = msgspec.json.decode(body[match.start() : end], type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if first_key in keys:
            return match.start()
    return len(body)


def _text(data: bytes) -> tuple[str, bool]:
    try:
        text = data.decode()
        msgspec.json.decode(data, type=msgspec.Raw)
    except UnicodeDecodeError:
        return data.decode(errors="backslashreplace").replace("\0", "\\x00"), False
    except (msgspec.DecodeError, RecursionError):
        return text.replace("\0", "\\x00"), False
    return text, True


def quote_numbers(text: str) -> str:
    """*text*, one JSON value, with its numbers written as texts of the same characters.

    The shaping engine prints a number its own way (``1.10`` as ``1.1``, ``1E5`` as ``100000.0``);
    an order number or SKU given as such a number keeps its own text so.
    """
    return _NUMBER.sub(lambda match: match[1] or f'"{match[0]}"', text)


_NUMBER = re.compile(r'("(?:[^"\\]|\\.)*")|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)
