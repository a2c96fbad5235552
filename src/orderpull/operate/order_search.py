"""Search landed pages for an order, by a look at the bytes of a page before it is decoded."""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import is_first_of

_THREADS = 4
_AT_ONCE = 16
"""Pages that are read side by side, and then decoded together."""

_BEFORE, _AFTER = rb'(?<=[\s:,\["])', rb'(?=[\s,}\]"])'
_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/"}
"""Escapes of JSON for characters that may stand in an order number."""


def can_filter(api: Api, ordernumber: str) -> tuple[bool, bool]:
    """Two truths: an order's number, and its id, stand in a page as they do in the tables.

    :param ordernumber: template of the number.
    """
    as_received = api.functions.page is None
    number = is_first_of(api.mapping.number)
    id_ = is_first_of(api.mapping.id) if api.mapping.id is not None else number
    return as_received and number and ordernumber == "{number}", as_received and id_


class Needle:
    """A whole value to find in JSON: a string, however JSON may write it, or a number."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        self._value = re.compile(_BEFORE + b"".join(map(_spellings, text)) + _AFTER)
        plain = text.isascii() and not _SHORT.keys() & set(text)
        self._sign = b"\\u00" if plain else b"\\"

    def is_in(self, body: bytes) -> bool:
        """True if *body* holds the text, as it is or with escapes."""
        if b"\\u0000" in body:  # the tables leave it out of a text
            return True
        seen = self._bytes in body or self._sign in body
        return seen and self._value.search(body) is not None


def _spellings(character: str) -> bytes:
    """Pattern of the ways to write *character* in a JSON text."""
    data = character.encode("utf-16-be")
    units = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    escape = b"".join(b"\\\\u(?i:%04x)" % unit for unit in units)
    ways = [re.escape(character.encode()), escape]
    if character in _SHORT:
        ways.append(re.escape(_SHORT[character].encode()))
    return b"(?:%b)" % b"|".join(ways)


@dataclass
class Searched:
    """The pages that a search has read so far.

    :param body_bytes: of the pages' bodies.
    :param deleted: pages that ``keep_days`` has deleted, which nobody can search.
    """

    pages: int = 0
    body_bytes: int = 0
    deleted: int = 0


class Mentioning:
    """The pages that may hold an order.

    :param texts: texts of which such a page has one; None: any page with orders may hold it.
    :param known: pages that hold it in any case, as the ledger knows.
    """

    def __init__(self, texts: Sequence[str] | None, known: AbstractSet[int]) -> None:
        self._needles = None if texts is None else [Needle(text) for text in texts]
        self._known = known

    def among(
        self, landing: SourceLanding, numbers: Iterable[int], searched: Searched
    ) -> Iterator[list[PageMeta]]:
        """Such pages among *numbers*, some at a time.

        :param searched: counts the pages that are read.
        :raises CorruptPage: a page has changed since it was landed.
        :raises KeyMissing: a page is encrypted, and this machine has no key for it.
        """

        def look(number: int) -> tuple[PageMeta, bool]:
            meta, body = landing.read(number)
            return meta, meta.kind != "listing" and self._may_hold(meta.page, body)

        rest = iter(numbers)
        with ThreadPoolExecutor(_THREADS, "history") as pool:
            while some := list(islice(rest, _AT_ONCE)):
                looked = list(pool.map(look, some))
                searched.pages += len(looked)
                searched.body_bytes += sum(meta.size for meta, _ in looked)
                if candidates := [meta for meta, held in looked if held]:
                    yield candidates

    def _may_hold(self, page: int, body: bytes) -> bool:
        if self._needles is None or page in self._known:
            return True
        return any(needle.is_in(body) for needle in self._needles)
