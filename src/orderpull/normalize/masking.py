"""Keep persons out of staged orders: forgotten ones always, all of them by ``keep_names``."""

import hmac
import re
from dataclasses import dataclass
from typing import Literal

from orderpull.engine import duckdb
from orderpull.landing.forgotten import Forgotten, key_of
from orderpull.landing.protocol import SourceLanding
from orderpull.normalize.person_text import PERSON_TEXT
from orderpull.normalize.redact import HIDDEN, OrderRedactor
from orderpull.normalize.staging import HASHED
from orderpull.sources.spec.api import Api

KeepNames = bool | Literal["hash"]
"""``keep_names``: true: as given; false: NULL; ``hash``: a keyed hash."""

_MARK = re.compile(r"\(erased [0-9a-f]{16}\)")
_QUOTING = frozenset({"time_invalid", "total_invalid", "amount_invalid", "quantity_invalid"})
_BLOCK = 64
_INNER, _OUTER = 0x36, 0x5C
_NULLED = ", ".join(f"{name} = NULL" for name in (*HIDDEN, "customer"))
_ANY_HIDDEN = f"coalesce({', '.join(HIDDEN)}, customer) IS NOT NULL"
# HMAC-SHA256 (RFC 2104), whose two pads of the key come as $1 and $2.
# A stored hash that ``keep_address`` has put back stays.
_HASHED = ", ".join(
    f"""{name} = CASE WHEN regexp_full_match({name}, '[0-9a-f]{{64}}') THEN {name} ELSE
        sha256($2::BLOB || unhex(sha256($1::BLOB || encode({PERSON_TEXT.format(name)})))) END"""
    for name in HIDDEN
)
_REHASH = f"UPDATE staged_order SET content_hash = md5(json_array({HASHED})::VARCHAR)"
_AT_KEYS = "WHERE (page, position) IN (SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[]))"


@dataclass(frozen=True, slots=True)
class Masking:
    """Masks the staged tables of one source.

    :param forgotten: the source's forgotten orders.
    :param key: the landing's key; '' if nobody is masked.
    """

    connection: duckdb.DuckDBPyConnection
    api: Api
    forgotten: Forgotten
    keep_names: KeepNames = True
    key: bytes = b""

    @classmethod
    def of(
        cls,
        connection: duckdb.DuckDBPyConnection,
        api: Api,
        landing: SourceLanding,
        keep_names: KeepNames,
    ) -> "Masking":
        """The mask for the orders of *landing* in the stage *connection*.

        :raises LandingError: the forgotten orders cannot be read.
        """
        forgotten = Forgotten.read(landing)
        key = key_of(landing) if len(forgotten) or keep_names is not True else b""
        return cls(connection, api, forgotten, keep_names, key)

    @property
    def is_needed(self) -> bool:
        """False if nobody has to be kept out."""
        return self.keep_names is not True or len(self.forgotten) > 0

    def mask_orders(self) -> None:
        """Mask ``staged_order``."""
        self.mask_names()
        self.mask_forgotten()

    def mask_kept_addresses(self) -> None:
        """Mask what ``keep_address`` has put back; an order's hash is that of what came."""
        self.mask_names(rehash=False)
        self.mask_forgotten(rehash=False)

    def mask_names(self, *, rehash: bool = True) -> None:
        """Mask all orders by ``keep_names``."""
        run = self.connection.execute
        if self.keep_names is False:
            run(f"UPDATE staged_order SET {_NULLED} WHERE {_ANY_HIDDEN}")
        elif self.keep_names == "hash":
            run(f"UPDATE staged_order SET {_HASHED} WHERE {_ANY_HIDDEN}", pads(self.key))
        if rehash and self.keep_names is not True:
            run(_REHASH)

    def mask_forgotten(self, *, rehash: bool = True) -> None:
        """Take the persons out of forgotten orders."""
        run = self.connection.execute
        if not len(self.forgotten):
            return
        rows = run("SELECT page, position, order_id, ordernumber FROM staged_order").fetchall()
        keys = [row[:2] for row in rows if self.forgotten.covers(*row[2:])]
        if keys:
            columns = [list(column) for column in zip(*keys, strict=True)]
            run(f"UPDATE staged_order SET {_NULLED} {_AT_KEYS}", columns)
            if rehash:
                run(f"{_REHASH} {_AT_KEYS}", columns)

    def mask_rejects(self) -> None:
        """Mask the texts in ``staged_reject``."""
        if not self.is_needed:
            return
        rows = self.connection.execute(
            "SELECT rowid, order_id, ordernumber, raw, reason, message FROM staged_reject"
        ).fetchall()
        redactor = OrderRedactor(self.api)
        masked = [
            (row, redacted(redactor, self.key, raw or ""), unquoted(reason, message))
            for row, order_id, number, raw, reason, message in rows
            if self.keep_names is not True or self.forgotten.covers(order_id, number, raw)
        ]
        if masked:
            self.connection.execute(
                """UPDATE staged_reject SET raw = t.raw, message = t.message
                   FROM (SELECT unnest($1::BIGINT[]) AS row, unnest($2::VARCHAR[]) AS raw,
                                unnest($3::VARCHAR[]) AS message) AS t
                   WHERE staged_reject.rowid = t.row""",
                [list(column) for column in zip(*masked, strict=True)],
            )


def redacted(redactor: OrderRedactor, key: bytes, raw: str) -> str:
    """The text *raw* of an order or fragment without personal data.

    What is not JSON becomes a mark that differs for each text. The mark itself stays as it is.
    """
    if not raw or _MARK.fullmatch(raw):
        return raw
    text = redactor.redact(raw)
    if text is None:
        text = f"(erased {hmac.digest(key, raw.encode(), 'sha256').hex()[:16]})"
    return text


def unquoted(reason: str, message: str) -> str:
    """The *message* of a reject without the text of the order that it may quote."""
    subject, verb, _ = message.partition(" is ")
    return f"{subject}{verb}not valid" if reason in _QUOTING and verb else message


def customer_pads(key: bytes, source: str) -> list[bytes | None]:
    """The pads of *key* for the customers of *source*; none without a key."""
    if not key:
        return [None, None]
    inner, outer = pads(key)
    return [inner + f"{source}\0".encode(), outer]


def pads(key: bytes) -> list[bytes]:
    """The inner and the outer pad of HMAC's *key*, of at most 64 bytes."""
    padded = key.ljust(_BLOCK, b"\0")
    return [bytes(byte ^ pad for byte in padded) for pad in (_INNER, _OUTER)]
