"""Normalize pages into temporary tables of a DuckDB connection.

``staged_order``: one row per valid order, with its items as a list.
``staged_reject``: one row per invalid order, and per fragment of a damaged page.
``excluded``: page, position and id of the staged orders and rejects that fail ``where``.
``staged_page``: the pages of which all orders are staged.

An order that is certainly fine goes the straight way: it is decoded to the values that the mapping
reads, and one statement stages it (``fine.py``). Any other order goes the careful way by its text
(``sql.py``), which defines what an order means and why it is rejected.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from orderpull.engine import duckdb
from orderpull.errors import CorruptPage
from orderpull.normalize.countries import create_countries
from orderpull.normalize.exact import ExactText
from orderpull.normalize.fine import FineSql
from orderpull.normalize.macros import MACROS
from orderpull.normalize.pages import PageTexts, StagedPage
from orderpull.normalize.scratch import LineFile
from orderpull.normalize.sql import NormalizeSql
from orderpull.normalize.staging import (
    EXCLUDED,
    FLAGS,
    STAGED_ORDER,
    STAGED_REJECT,
    declared,
    refuse_long,
    staging,
)
from orderpull.sources.compact import CompactDecoder, value_tree
from orderpull.sources.spec.api import Api

__all__ = ["Key", "Normalizer", "Normalizers", "StagedPage"]

log = logging.getLogger("orderpull.normalize")

Key = tuple[int, int]
"""Page number, and position of the order in the page."""


@dataclass(slots=True)
class CarefulOrders:
    """The orders that go the careful way.

    :param texts: their JSON texts, as received.
    :param fragments: text, reason and message of each stretch that is not an order.
    :param size: characters in the texts.
    """

    texts: dict[Key, str] = field(default_factory=dict)
    fragments: dict[Key, tuple[str, str, str]] = field(default_factory=dict)
    size: int = 0

    def add(self, page: StagedPage, texts: Mapping[int, str]) -> None:
        """Add the orders of *page* by position."""
        self.texts |= {(page.meta.page, position): text for position, text in texts.items()}
        self.size += sum(map(len, texts.values()))


@dataclass(slots=True)
class Ways:
    """Number of orders that went each way."""

    straight: int = 0
    careful: int = 0


class Normalizers:
    """The normalizers of *connection*; sources with equal API and number template share one.

    Macros and the country table are created once per connection.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._normalizers: dict[tuple[int, str], Normalizer] = {}

    def of(self, api: Api, ordernumber: str) -> "Normalizer":
        """The normalizer for *api* and *ordernumber*. Parameters as :class:`Normalizer`."""
        key = id(api), ordernumber
        if key not in self._normalizers:
            first = not self._normalizers
            self._normalizers[key] = Normalizer(self.connection, api, ordernumber, first=first)
        return self._normalizers[key]


class Normalizer:
    """Normalizes pages of one API into temporary tables of *connection*.

    :param ordernumber: template of the order number, with ``{number}`` and ``{id}``.
    :param first: the connection has no macros yet.
    :param carefully: all orders go the careful way.
    :ivar ways: number of orders that went each way.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        api: Api,
        ordernumber: str,
        *,
        first: bool = True,
        carefully: bool = False,
    ) -> None:
        self.connection = connection
        self.api = api
        self.sql = NormalizeSql(api, ordernumber)
        self.texts = PageTexts(api, self.sql.layout)
        self.exact = ExactText(value_tree(api), self.sql.by_value)
        self.decoder = None if carefully else _decoder(api)
        self.ways = Ways()
        if self.decoder is not None:
            self._fine = FineSql(api, ordernumber, self.decoder.columns).stage()
        if first:
            for macro in MACROS:
                connection.execute(macro)
            create_countries(connection)

    def normalize(self, pages: Sequence[StagedPage], only: set[Key] | None = None) -> None:
        """Replace the staged tables by the orders and rejects of *pages*.

        :param only: stage only these orders.
        :raises CorruptPage: a page has changed since it was landed.
        """
        for table, columns in _TABLES.items():
            self.connection.execute(declared(table, columns))
        careful, before = CarefulOrders(), replace(self.ways)
        with LineFile() as lines:
            for page in pages:
                if page.meta.kind != "listing":
                    lines.write(self._lines(page, only, careful))
                    careful = self._stage_if_large(pages, careful)
            odd = self._stage_straight(lines)
        for page in pages:
            careful.add(page, self.texts.at(page, odd[page.meta.page]))
            careful = self._stage_if_large(pages, careful)
        self._stage_carefully(pages, careful)
        self._finish()
        self._create_staged_pages([] if only is not None else pages)
        straight, with_care = (
            self.ways.straight - before.straight,
            self.ways.careful - before.careful,
        )
        log.debug("shaped %d orders, and %d with care", straight, with_care)

    def outline(self, texts: Sequence[bytes]) -> list[tuple[str | None, datetime | None, bool]]:
        """(ordernumber, modified_at, included) of orders by their JSON *texts* in a list of all."""
        docs = {(0, n): self.exact.rewrite(text.decode()) for n, text in enumerate(texts)}
        docs |= dict.fromkeys(self._unreadable(docs), "{}")
        query, columns = self.sql.outline(_DOCS), [*_columns(docs), [""] * len(docs)]
        return self.connection.execute(query, columns).fetchall()

    def refuse_long(self, limits: Mapping[str, int]) -> None:
        """Reject staged orders with a text over the *limits* of columns, in bytes of UTF-8."""
        if limits:
            stage_long, *refusing = refuse_long(limits)
            row = self.connection.execute(stage_long).fetchone()
            for statement in refusing if row and row[0] else ():
                self.connection.execute(statement)

    def include(self, keys: set[Key]) -> None:
        """Take the staged orders at *keys* for versions of known orders, though they fail where."""
        self.connection.execute(
            f"DELETE FROM excluded WHERE (page, position) IN ({_KEYS})", _key_columns(keys)
        )

    def fill_raw(self, pages: Sequence[StagedPage]) -> None:
        """Set the missing texts of rejects from *pages*, as received."""
        rejects = self.connection.execute(
            "SELECT page, position FROM staged_reject WHERE raw IS NULL"
        ).fetchall()
        texts = self._texts_at(pages, rejects)
        if texts:
            self.connection.execute(
                f"""UPDATE staged_reject SET raw = texts.raw
                    FROM ({_TEXTS}) AS texts(page, position, raw)
                    WHERE staged_reject.page = texts.page
                      AND staged_reject.position = texts.position""",
                _columns(texts),
            )

    def _texts_at(self, pages: Sequence[StagedPage], keys: Iterable[Key]) -> dict[Key, str]:
        """The orders of *pages* at *keys*, as received."""
        positions: dict[int, list[int]] = defaultdict(list)
        for number, position in keys:
            positions[number].append(position)
        return {
            (page.meta.page, position): text
            for page in pages
            if page.meta.page in positions
            for position, text in self.texts.at(page, positions[page.meta.page]).items()
        }

    def _lines(self, page: StagedPage, only: set[Key] | None, careful: CarefulOrders) -> bytes:
        """The orders of *page* as lines of JSON, without those that are added to *careful*."""
        plain = self.decoder is not None and only is None and self.texts.is_plain(page)
        if plain and (compact := page.compact()) is not None:
            _check_count(page, compact.orders)
            careful.add(page, self.texts.at(page, compact.odd))
            return compact.lines
        body = page.body()
        if self.decoder is not None and plain and (decoded := self.decoder.decode(body)):
            compact = decoded.compact(page.meta.page)
            _check_count(page, compact.orders)
            if compact.odd:
                raw = list(decoded.raw())
                careful.add(page, {place: bytes(raw[place]).decode() for place in compact.odd})
            return compact.lines
        return self._lines_of_pieces(page, body, only, careful)

    def _lines_of_pieces(
        self, page: StagedPage, body: bytes, only: set[Key] | None, careful: CarefulOrders
    ) -> bytes:
        """The orders of a page that has to be taken apart, as :meth:`_lines`."""
        number, problem = page.meta.page, self.texts.problem(page, body)
        texts: dict[int, str] = {}
        for position, piece in enumerate(self.texts.pieces(page, body)):
            if only is not None and (number, position) not in only:
                continue
            if piece.whole:
                texts[position] = piece.text
            else:
                careful.fragments[number, position] = (piece.text, *problem)
        if self.decoder is None:
            careful.add(page, texts)
            return b""
        decoded = self.decoder.decode_texts([text.encode() for text in texts.values()])
        compact = decoded.compact(number, list(texts))
        careful.add(page, {position: texts[position] for position in compact.odd})
        return compact.lines

    def _stage_straight(self, lines: LineFile) -> dict[int, list[int]]:
        """Stage the *lines*, and return by page the positions of the orders that are not fine."""
        odd: dict[int, list[int]] = defaultdict(list)
        if not lines.longest:
            return odd
        run = self.connection.execute
        row = run(self._fine, [lines.path, lines.longest]).fetchone()
        self.ways.straight += row[0] if row else 0
        for page, position in run(f"SELECT page, position FROM {_ODD}").fetchall():
            odd[page].append(position)
        if odd:
            row = run(f"DELETE FROM {_ODD}").fetchone()
            self.ways.straight -= row[0] if row else 0
        return odd

    def _finish(self) -> None:
        """Add the valid orders that fail ``where`` to ``excluded``, and drop the flags."""
        if self.api.mapping.where is not None:
            self.connection.execute(
                """INSERT INTO excluded SELECT page, position, order_id FROM staged_order
                   WHERE NOT included"""
            )
        for flag in FLAGS:
            self.connection.execute(f"ALTER TABLE staged_order DROP COLUMN {flag}")

    def _stage_if_large(self, pages: Sequence[StagedPage], careful: CarefulOrders) -> CarefulOrders:
        """Stage *careful* once it holds much text, and return what is left: this bounds memory."""
        if careful.size < _MUCH_TEXT:
            return careful
        self._stage_carefully(pages, careful)
        return CarefulOrders()

    def _stage_carefully(self, pages: Sequence[StagedPage], careful: CarefulOrders) -> None:
        """Add *careful* to the staged tables."""
        self.ways.careful += len(careful.texts) + len(careful.fragments)
        exact = {key: self.exact.rewrite(text) for key, text in careful.texts.items()}
        for key in self._unreadable(exact) if exact else ():
            page = next(page for page in pages if page.meta.page == key[0])
            problem = self.texts.problem(page, page.body())
            careful.fragments[key] = (careful.texts.pop(key), *problem)
            del exact[key]
        if exact:
            docs = [*_columns(exact), list(careful.texts.values())]
            self._create("raw_order", self.sql.raw_order(_DOCS), docs)
            self._create("line", self.sql.line("raw_order"))
            for statement in staging(self.sql.lines_path):
                self.connection.execute(statement)
        if careful.fragments:
            texts = list(zip(*careful.fragments.values(), strict=True))
            self.connection.execute(
                f"""INSERT INTO staged_reject
                    SELECT page, position, NULL, NULL, reason, message, '$', raw
                    FROM ({_KEYS}, unnest($3::VARCHAR[]), unnest($4::VARCHAR[]),
                          unnest($5::VARCHAR[])) AS r(page, position, raw, reason, message)""",
                [*_key_columns(careful.fragments), *texts],
            )

    def _unreadable(self, texts: dict[Key, str]) -> list[Key]:
        """Keys of texts that msgspec accepts as JSON and DuckDB does not."""
        return self.connection.execute(
            f"SELECT page, position FROM ({_TEXTS}) AS t(page, position, text) "
            "WHERE NOT json_valid(text)",
            _columns(texts),
        ).fetchall()

    def _create(self, table: str, query: str, parameters: Sequence[object] = ()) -> None:
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}", parameters)

    def _create_staged_pages(self, pages: Sequence[StagedPage]) -> None:
        numbers = [page.meta.page for page in pages]
        self._create("staged_page", "SELECT unnest($1::BIGINT[]) AS page", [numbers])


_TABLES = {
    "staged_order": STAGED_ORDER | FLAGS,
    "staged_reject": STAGED_REJECT,
    "excluded": EXCLUDED,
}
_ODD = "staged_order WHERE NOT fine"
_MUCH_TEXT = 16 << 20
_KEYS = "SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[])"
_TEXTS = f"{_KEYS}, unnest($3::VARCHAR[])"
_DOCS = f"""SELECT page, position, text::JSON AS doc, received
            FROM ({_TEXTS}, unnest($4::VARCHAR[])) AS t(page, position, text, received)"""


def _decoder(api: Api) -> CompactDecoder | None:
    """The decoder of the API's pages; None if no type can be made from the mapping."""
    try:
        return CompactDecoder(api)
    except ValueError:
        return None


def _check_count(page: StagedPage, count: int) -> None:
    """Check the number of orders. :raises CorruptPage: it is not the one that was landed."""
    if count != page.meta.orders:
        raise CorruptPage(
            f"Page {page.meta.page} of {page.meta.source} was landed with "
            f"{page.meta.orders} orders, and {count} are read.",
            "Its metadata and its body disagree: restore the file from a backup.",
        )


def _key_columns(keys: Collection[Key]) -> list[list[int]]:
    return [[key[0] for key in keys], [key[1] for key in keys]]


def _columns(texts: dict[Key, str]) -> list[object]:
    return [*_key_columns(texts), list(texts.values())]
