"""The catalogue of damaged pages: the damage to a body, and the orders that stay whole."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Span = tuple[int, int]
QUANTITY = re.compile(rb'("quantity":)[^,}\]]+')


class Page:
    """A good body with orders, and the offsets where damage is done to it.

    The damaged order, from `start` to `end`, is the nearest to the middle that has a string. `text`
    is just inside its last string, `before` the end of the order before it, `last` that of the
    last order.
    """

    def __init__(self, body: bytes, spans: list[Span]) -> None:
        middle = len(spans) // 2
        nearest = sorted(range(len(spans)), key=lambda position: abs(position - middle))
        with_text = (each for each in nearest if b'":"' in body[slice(*spans[each])])
        self.body = body
        self.spans = spans
        self.position = next(with_text, middle)
        self.start, self.end = spans[self.position]
        self.last = spans[-1][1]
        self.before = spans[self.position - 1][1] if self.position else self.start
        quote = body.rfind(b'":"', self.start, self.end)
        self.text = self.start + 1 if quote < 0 else quote + 3


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage, and which orders stay whole: all, all before the damaged one, or others.

    `spoil` returns the damaged body of a page.
    """

    kind: str
    sentence: str
    spoil: Callable[[Page], bytes]
    intact: Literal["all", "before", "others"]

    def apply(self, body: bytes) -> bytes:
        """Return the damaged body; a body without orders loses its last byte instead."""
        spans = order_spans(body)
        return self.spoil(Page(body, spans)) if spans else body[:-1]

    def whole(self, body: bytes) -> frozenset[int]:
        """Return the positions of the orders that stay whole when this good body is damaged."""
        spans = order_spans(body)
        orders = frozenset(range(len(spans)))
        if not spans or self.intact == "all":
            return orders
        damaged = Page(body, spans).position
        return frozenset(range(damaged)) if self.intact == "before" else orders - {damaged}


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


def _after_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _cut(kind: str, sentence: str, end: Callable[[Page], bytes]) -> Damage:
    """Send the page up to some point; `end` returns that part."""
    return Damage(kind, sentence, end, "before")


def _between(kind: str, sentence: str, what: bytes) -> Damage:
    """Put `what` in place of the comma before the damaged order."""

    def spoil(page: Page) -> bytes:
        return page.body[: page.before] + what + page.body[page.start :]

    return Damage(kind, sentence, spoil, "all")


def _inside(kind: str, name: str, what: bytes) -> Damage:
    """Put `what` into the last string of the damaged order."""

    def spoil(page: Page) -> bytes:
        return page.body[: page.text] + what + page.body[page.text :]

    return Damage(kind, f"has {name} inside one order", spoil, "others")


def _not_a_number(page: Page) -> bytes:
    spoilt, count = QUANTITY.subn(rb"\1NaN", page.body[page.start : page.end], count=1)
    order = spoilt if count else b'{"quantity":NaN}'
    return page.body[: page.start] + order + page.body[page.end :]


def _lone_surrogate(page: Page) -> bytes:
    """Add a member that no loader reads, so that its orders stay as they are."""
    at = page.end - page.body[: page.end].endswith(b"}")
    return page.body[:at] + b',"note":"\\ud83d"' + page.body[at:]


def _trailing_comma(page: Page) -> bytes:
    return page.body[: page.last] + b"," + page.body[page.last :]


CATALOGUE = (
    _cut("cut-in-text", "ends inside a text", lambda page: page.body[: page.text]),
    _cut(
        "cut-in-letter",
        "ends inside a letter of two bytes",
        lambda page: page.body[: page.text] + "é".encode()[:1],
    ),
    _cut(
        "cut-between-orders",
        "ends after the comma between two orders",
        lambda page: page.body[: page.start],
    ),
    Damage(
        "no-closing-bracket",
        "lacks the closing bracket",
        lambda page: page.body[: page.last],
        "all",
    ),
    Damage("trailing-comma", "has a comma after the last order", _trailing_comma, "all"),
    _between("missing-comma", "lacks the comma between two orders", b""),
    _between(
        "garbage", "has something else between two orders", b",<b>Warning</b>: cache is stale,"
    ),
    _between("second-array", "is two arrays glued together", b"]["),
    Damage(
        "byte-order-mark",
        "begins with a byte order mark",
        lambda page: b"\xef\xbb\xbf" + page.body,
        "all",
    ),
    _inside("invalid-utf8", "a byte that is no UTF-8", b"\xff"),
    Damage("lone-surrogate", "has half a surrogate pair inside one order", _lone_surrogate, "all"),
    _inside("control-character", "a raw control character", b"\x01"),
    _inside("nul-byte", "a NUL byte", b"\0"),
    _inside("unescaped-quotes", "quotes without escape", b'the "big" shop'),
    Damage("not-a-number", "has the value NaN inside one order", _not_a_number, "others"),
)

DAMAGED: dict[str, Damage] = {damage.kind: damage for damage in CATALOGUE}
"""Each kind of damaged page by its name."""
