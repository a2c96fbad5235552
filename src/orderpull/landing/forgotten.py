"""Forgotten orders of one source: keyed hashes beside the pages, which name nobody.

Whoever shapes or lands an order asks here first, so that a forgotten person never comes back. The
key is a note of its own; without it nobody can try out order numbers against the hashes.
"""

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct, field

from orderpull.errors import InvalidNote, LandingError
from orderpull.landing.page import restore_hint
from orderpull.landing.protocol import SourceLanding

NOTE, KEY = "forgotten.json", "key"
"""Names of the notes with the hashes and with their key."""

_KEY_BYTES = 32

Kind = Literal["id", "number", "text"]
"""The hashed part of an order: its id, its number without an id, its text without both."""


class Begun(Struct, frozen=True):
    """An erasure that has begun and is not finished.

    :param at: when it began, UTC.
    :param by: user and host of the command.
    :param criteria: what was searched for, without the person's data.
    """

    at: datetime
    by: str
    criteria: str


class _Note(Struct):
    orders: list[str] = field(default_factory=list)
    begun: Begun | None = None


class Forgotten:
    """The forgotten orders of one source.

    :ivar key: the landing's key; empty if nobody is forgotten.
    :ivar begun: the erasure to be finished, if there is one.
    """

    def __init__(
        self, source: str, key: bytes, orders: Iterable[str] = (), begun: Begun | None = None
    ) -> None:
        self.begun = begun
        self.key = key
        self._source = source
        self._orders = set(orders)

    def __len__(self) -> int:
        return len(self._orders)

    @classmethod
    def read(cls, landing: SourceLanding) -> "Forgotten":
        """The forgotten orders beside the pages of *landing*; empty without a note.

        :raises LandingError: the note or its key cannot be read.
        """
        try:
            note = landing.needed_note(NOTE, _Note)
        except InvalidNote:
            raise _unreadable(landing, NOTE) from None
        if note is None:
            return cls(landing.name, b"")
        key = landing.note(KEY)
        if key is None:
            raise _unreadable(landing, KEY)
        return cls(landing.name, _checked(landing, key), note.orders, note.begun)

    def keep(self, landing: SourceLanding) -> None:
        """Write the note durably."""
        note = _Note(sorted(self._orders), self.begun)
        landing.keep_note(NOTE, msgspec.json.encode(note))

    def begin(
        self,
        landing: SourceLanding,
        by: str,
        at: datetime,
        criteria: str,
        orders: Iterable[tuple[str | None, str | None, str | None]],
    ) -> None:
        """Add *orders* durably, by id, number and text; their erasure is to be finished.

        The parameters *by*, *at* and *criteria* are those of :class:`Begun`.
        """
        self.key = self.key or key_of(landing)
        new = sorted({self.hash_of(*order) for order in orders} - self._orders)
        self.begun = self.begun or Begun(at, by, criteria)
        self._orders.update(new)
        self.keep(landing)

    def finish(self, landing: SourceLanding) -> None:
        """Note durably that the erasure is finished."""
        self.begun = None
        self.keep(landing)

    def covers(self, order_id: str | None, number: str | None, text: str | None = None) -> bool:
        """True if an order with this id is forgotten; without id: this number; else: this text."""
        return bool(self._orders) and self.hash_of(order_id, number, text) in self._orders

    def hash_of(self, order_id: str | None, number: str | None, text: str | None = None) -> str:
        """The hash under which an order is forgotten. Parameters as :meth:`covers`."""
        kind: Kind = "id" if order_id else "number" if number else "text"
        value = order_id or number or text or ""
        return hmac.digest(self.key, f"{self._source}\0{kind}\0{value}".encode(), "sha256").hex()


def key_of(landing: SourceLanding) -> bytes:
    """The secret key of *landing*, made at first use.

    :raises LandingError: it cannot be written or read.
    """
    key = landing.note(KEY)
    if key is None:
        key = landing.keep_first(KEY, secrets.token_hex(_KEY_BYTES).encode())
    return _checked(landing, key)


def _checked(landing: SourceLanding, key: bytes) -> bytes:
    if len(key) != 2 * _KEY_BYTES:
        raise _unreadable(landing, KEY)
    return key


def _unreadable(landing: SourceLanding, name: str) -> LandingError:
    where = f"{landing}/{name}"
    return LandingError(
        f"{where} cannot be read: without it forgotten orders would come back.",
        restore_hint(where),
    )
