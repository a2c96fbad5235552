"""The catalogue of damaged pages: the damage to a body, and the orders that stay whole."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]
QUANTITY = re.compile(rb'("quantity":)[^,}\]]+')


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage, done at one order near the middle of the page (the struck order)."""

    kind: str
    sentence: str
    spoil: Callable[[bytes, Sequence[Span], int], bytes]
    kept: Callable[[int, int], range | frozenset[int]]

    def apply(self, body: bytes) -> bytes:
        """Return the damaged body; a body without orders loses its last byte instead."""
        spans = order_spans(body)
        return self.spoil(body, spans, struck(body, spans)) if spans else body[:-1]

    def whole(self, body: bytes) -> frozenset[int]:
        """Return the positions of the orders that stay whole when this good body is damaged."""
        spans = order_spans(body)
        return frozenset(self.kept(len(spans), struck(body, spans))) if spans else frozenset()


def order_spans(body: bytes) -> list[Span]:
    """Return start and end, in bytes, of each element of the first array of a valid JSON body."""
    text = body.decode("latin-1")  # one character a byte, and JSON's own signs stay what they are
    decoder = json.JSONDecoder(strict=False)
    spans: list[Span] = []
    at = text.find("[") + 1
    while at:
        at = _after_blanks(text, at)
        if at >= len(text) or text[at] == "]":
            break
        _, end = decoder.raw_decode(text, at)
        spans.append((at, end))
        at = _after_blanks(text, end)
        if text[at : at + 1] != ",":
            break
        at += 1
    return spans


def struck(body: bytes, spans: Sequence[Span]) -> int:
    """Return the position of the struck order: the nearest to the middle that has a string."""
    middle = len(spans) // 2
    nearest = sorted(range(len(spans)), key=lambda position: abs(position - middle))
    return next(
        (position for position in nearest if b'":"' in body[slice(*spans[position])]), middle
    )


def _after_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _in_last_text(body: bytes, span: Span) -> int:
    """Return the offset just inside the last string of an order, or inside the order itself."""
    at = body.rfind(b'":"', *span)
    return span[0] + 1 if at < 0 else at + 3


def _insert(what: bytes) -> Callable[[bytes, Sequence[Span], int], bytes]:
    def spoil(body: bytes, spans: Sequence[Span], position: int) -> bytes:
        at = _in_last_text(body, spans[position])
        return body[:at] + what + body[at:]

    return spoil


def _cut_in_text(body: bytes, spans: Sequence[Span], position: int) -> bytes:
    return body[: _in_last_text(body, spans[position])]


def _cut_in_letter(body: bytes, spans: Sequence[Span], position: int) -> bytes:
    return _cut_in_text(body, spans, position) + "é".encode()[:1]


def _cut_between(body: bytes, spans: Sequence[Span], position: int) -> bytes:
    return body[: spans[position][0]]


def _between(what: bytes) -> Callable[[bytes, Sequence[Span], int], bytes]:
    """Put `what` in place of the comma before the struck order."""

    def spoil(body: bytes, spans: Sequence[Span], position: int) -> bytes:
        start = spans[position][0]
        end_before = spans[position - 1][1] if position else start
        return body[:end_before] + what + body[start:]

    return spoil


def _not_a_number(body: bytes, spans: Sequence[Span], position: int) -> bytes:
    start, end = spans[position]
    spoilt, count = QUANTITY.subn(rb"\1NaN", body[start:end], count=1)
    return body[:start] + (spoilt if count else b'{"quantity":NaN}') + body[end:]


def _unclosed(body: bytes, spans: Sequence[Span], _: int) -> bytes:
    return body[: spans[-1][1]]


def _trailing_comma(body: bytes, spans: Sequence[Span], _: int) -> bytes:
    end = spans[-1][1]
    return body[:end] + b"," + body[end:]


def _with_mark(body: bytes, _: Sequence[Span], __: int) -> bytes:
    return b"\xef\xbb\xbf" + body


def _all(orders: int, _: int) -> range:
    return range(orders)


def _before(_: int, position: int) -> range:
    return range(position)


def _others(orders: int, position: int) -> frozenset[int]:
    return frozenset(range(orders)) - {position}


CATALOGUE = (
    Damage("cut-in-text", "ends inside a text", _cut_in_text, _before),
    Damage("cut-in-letter", "ends inside a letter of two bytes", _cut_in_letter, _before),
    Damage("cut-between-orders", "ends after the comma between two orders", _cut_between, _before),
    Damage("no-closing-bracket", "lacks the closing bracket", _unclosed, _all),
    Damage("trailing-comma", "has a comma after the last order", _trailing_comma, _all),
    Damage("missing-comma", "lacks the comma between two orders", _between(b""), _all),
    Damage(
        "garbage",
        "has something else between two orders",
        _between(b",<b>Warning</b>: cache is stale,"),
        _all,
    ),
    Damage("second-array", "is two arrays glued together", _between(b"]["), _all),
    Damage("byte-order-mark", "begins with a byte order mark", _with_mark, _all),
    Damage(
        "invalid-utf8", "has a byte that is no UTF-8 inside one order", _insert(b"\xff"), _others
    ),
    Damage(
        "lone-surrogate", "has half a surrogate pair inside one order", _insert(b"\\ud83d"), _others
    ),
    Damage(
        "control-character",
        "has a raw control character inside one order",
        _insert(b"\x01"),
        _others,
    ),
    Damage("nul-byte", "has a NUL byte inside one order", _insert(b"\0"), _others),
    Damage(
        "unescaped-quotes",
        "has quotes without escape inside one order",
        _insert(b'the "big" shop'),
        _others,
    ),
    Damage("not-a-number", "has the value NaN inside one order", _not_a_number, _others),
)

DAMAGED: dict[str, Damage] = {damage.kind: damage for damage in CATALOGUE}
"""Each kind of damaged page by its name."""
