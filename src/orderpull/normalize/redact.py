"""Redact the text of an order: keep only what its counted columns need.

A text or number that the mapping does not read becomes an empty text, an object or list becomes
empty. So do the fields of the columns with personal data (``model.MASKS``). Kinds stay, so that the
text gives the same order without its person, or the same reject.
"""

from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from orderpull.model import MASKS, ORDER_ADDRESS
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import EACH, Step, paths

HIDDEN = MASKS[ORDER_ADDRESS.name].hidden
"""The columns of an order that tell who a person is and where the person lives."""

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])


@dataclass(slots=True)
class _Kept:
    """A value to keep.

    :ivar is_value: a text, number or truth value that the mapping reads here.
    :ivar below: what is kept of an object or list, by key or index.
    """

    is_value: bool = False
    below: dict[Step, "_Kept"] = field(default_factory=dict)

    def add(self, steps: tuple[Step, ...]) -> None:
        """Keep the value at *steps*."""
        node = self
        for step in steps:
            node = node.below.setdefault(step, _Kept())
        node.is_value = True


class OrderRedactor:
    """Redacts the texts of an API's orders, as elements of a page's list."""

    def __init__(self, api: Api) -> None:
        prefix, mapping = api.record_path.inner, api.mapping
        counted = [each for name, each in mapping.address.items() if name not in HIDDEN]
        counted += [mapping.number, *mapping.header.values()]
        conditions = [mapping.counted, mapping.where, *(each.when for each in mapping.also)]
        counted += [each for each in (mapping.id, *conditions) if each]
        self._kept = _Kept()
        for expression in counted:
            for path in paths(expression):
                self._kept.add((*prefix, *path.steps))
        for items in mapping.item_lists:
            for expression in items.expressions():
                for path in paths(expression):
                    self._kept.add((*prefix, *items.record, *path.steps))

    def redact(self, text: str) -> str | None:
        """The order *text*, redacted; None if it is not JSON, or nested too deep."""
        try:
            return _redacted(Raw(text.encode()), self._kept).decode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None


def _redacted(value: Raw, kept: _Kept | None) -> bytes:
    text = bytes(value).strip()
    below = kept.below if kept else {}
    match text[:1]:
        case b"{":
            members = _OBJECT.decode(text).items() if kept else ()
            return (
                b"{"
                + b",".join(
                    msgspec.json.encode(key) + b":" + _redacted(member, below.get(key))
                    for key, member in members
                )
                + b"}"
            )
        case b"[":
            elements = _LIST.decode(text) if kept else ()
            return (
                b"["
                + b",".join(
                    _redacted(element, below.get(EACH, below.get(index)))
                    for index, element in enumerate(elements)
                )
                + b"]"
            )
        case b"t" | b"f" | b"n":
            return text
    if kept and kept.is_value:
        return text
    # The kind of a value in place of an object or list is in the reason of a reject.
    return b"0" if kept and text[:1] != b'"' else b'""'
