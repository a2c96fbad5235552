"""Redact the forgotten orders in a page, before it is landed or after.

A page with a forgotten order becomes the texts of its orders, one after the other: what else the
response said, such as a list of customers, is left out.
"""

import logging
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property

from msgspec.structs import replace

from orderpull import clock
from orderpull.engine import duckdb
from orderpull.landing.forgotten import Forgotten
from orderpull.landing.page import PageMeta, digest, join_pieces
from orderpull.landing.protocol import SourceLanding
from orderpull.normalize.masking import redacted
from orderpull.normalize.normalizer import Normalizer, StagedPage
from orderpull.normalize.pages import PageTexts
from orderpull.normalize.redact import OrderRedactor
from orderpull.normalize.sql import NormalizeSql
from orderpull.sources.compact import CompactDecoder
from orderpull.sources.page_writer import Redact
from orderpull.sources.reconcile import IdExtractor
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import Path

log = logging.getLogger("orderpull.pull")

_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "512MB", "threads": 1}


@dataclass(frozen=True, slots=True)
class _Order:
    """An order or fragment of a page. :param text: as received, for one without id and number."""

    position: int
    order_id: str | None
    number: str | None
    text: str | None


class PageRedactor:
    """Redacts the pages of one source.

    :param ordernumber: template of the order number.
    """

    def __init__(self, api: Api, ordernumber: str, forgotten: Forgotten) -> None:
        self._forgotten = forgotten
        self._api = api
        self._ordernumber = ordernumber
        self._redactor = OrderRedactor(api)
        self._texts = PageTexts(api, NormalizeSql(api, ordernumber).layout)
        self._closing = ExitStack()

    def close(self) -> None:
        """Free the memory."""
        self._closing.close()

    def redact(self, meta: PageMeta, body: bytes) -> tuple[PageMeta, bytes] | None:
        """The page without the persons of forgotten orders; None if it has no such order."""
        if meta.kind == "listing":
            return self._redact_listing(meta, body)
        if self._surely_none(meta, body):
            return None
        positions = {
            order.position
            for order in self._orders(StagedPage(meta, lambda: body))
            if self._forgotten.covers(order.order_id, order.number, order.text)
        }
        return self.redact_at(meta, body, positions) if positions else None

    def redact_at(
        self, meta: PageMeta, body: bytes, positions: Collection[int]
    ) -> tuple[PageMeta, bytes]:
        """The page without the persons of the orders at *positions*."""
        pieces = self._texts.pieces(StagedPage(meta, lambda: body), body)
        texts = [
            (self._redacted(piece.text) if position in positions else piece.text, piece.whole)
            for position, piece in enumerate(pieces)
        ]
        return _with_pieces(meta, [(text.encode(), whole) for text, whole in texts])

    def _surely_none(self, meta: PageMeta, body: bytes) -> bool:
        """True if the ids of all orders can be decoded at once, and no one is forgotten.

        This takes a hundredth of the time of shaping the page.
        """
        mapping, order = self._api.mapping, self._api.order
        plain = self._texts.is_plain(StagedPage(meta, lambda: body))
        if not plain or self._decoder is None or not isinstance(mapping.id or mapping.number, Path):
            return False
        decoded = self._decoder.decode(body)
        if decoded is None:
            return False
        ids = decoded.values(order.id or order.number)
        if decoded.compact(meta.page).odd or None in ids:
            return False
        return not any(self._forgotten.covers(str(order_id), None) for order_id in ids)

    @cached_property
    def _decoder(self) -> CompactDecoder | None:
        try:
            return CompactDecoder(self._api)
        except ValueError:  # no type can be made from the mapping
            return None

    @cached_property
    def _normalizer(self) -> Normalizer:
        connection = duckdb.connect(":memory:", config=_CONFIG)
        self._closing.callback(connection.close)
        connection.execute("SET TimeZone = 'UTC'")
        return Normalizer(connection, self._api, self._ordernumber)

    def _orders(self, page: StagedPage) -> list[_Order]:
        """The orders and fragments of *page*."""
        self._normalizer.normalize([page])
        self._normalizer.fill_raw([page])
        rows = self._normalizer.connection.execute(
            """SELECT position, order_id, ordernumber, NULL FROM staged_order
               UNION ALL SELECT position, order_id, ordernumber, raw FROM staged_reject"""
        ).fetchall()
        return [_Order(*row) for row in rows]

    def _redact_listing(self, meta: PageMeta, body: bytes) -> tuple[PageMeta, bytes] | None:
        records = IdExtractor(self._api).listed(meta, body)
        if not any(self._forgotten.covers(order_id, None) for order_id, _ in records):
            return None
        texts = [
            self._redacted(bytes(raw).decode()).encode()
            if self._forgotten.covers(order_id, None)
            else bytes(raw)
            for order_id, raw in records
        ]
        return _with_pieces(meta, [(text, True) for text in texts])

    def _redacted(self, text: str) -> str:
        return redacted(self._redactor, self._forgotten.key, text)


@contextmanager
def redacting(api: Api, ordernumber: str, landing: SourceLanding) -> Iterator[Redact | None]:
    """A redactor for the pages of *landing* within the context; None if nobody is forgotten.

    :raises LandingError: the forgotten orders cannot be read.
    """
    forgotten = Forgotten.read(landing)
    if forgotten.begun:
        log.warning("source=%s an erasure, begun %s, is not finished: `orderpull run` finishes it",
                    landing.name, clock.minute(forgotten.begun.at))  # fmt: skip
    if not len(forgotten):
        yield None
        return
    with closing(PageRedactor(api, ordernumber, forgotten)) as redactor:
        yield redactor.redact


def _with_pieces(meta: PageMeta, pieces: list[tuple[bytes, bool]]) -> tuple[PageMeta, bytes]:
    body = join_pieces(pieces)
    changed = replace(meta, redacted=True, parts=[], sha256=digest(body), size=len(body))
    return changed, body
