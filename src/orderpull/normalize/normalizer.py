"""Normalize pages into temporary tables of a DuckDB connection.

``staged_order``: one row per valid order, with its items as a list.
``staged_reject``: one row per invalid order, and per fragment of a damaged page.
``excluded``: page, position and id of the staged orders and rejects that fail ``where``.
``staged_page``: the pages of which all orders are staged.

The pages may be of several sources of one API.

An order that is certainly fine goes the straight way: it is decoded to the values that the mapping
reads, and one statement stages it (``fine.py``). Any other order goes the careful way by its text
(``sql.py``), which defines what an order means and why it is rejected.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from orderpull.engine import duckdb
from orderpull.errors import CorruptPage
from orderpull.normalize.careful import KEYS, TEXTS, CarefulWay, Key, key_columns, text_columns
from orderpull.normalize.countries import create_countries
from orderpull.normalize.fine import FineSql
from orderpull.normalize.macros import macros_of, source_macros
from orderpull.normalize.masking import customer_pads
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
)
from orderpull.sources.compact import CompactDecoder, CompactPage
from orderpull.sources.spec.api import Api

__all__ = ["Key", "Normalizer", "Normalizers", "StagedPage"]

log = logging.getLogger("orderpull.normalize")


@dataclass(slots=True)
class Ways:
    """Number of orders that went each way."""

    straight: int = 0
    careful: int = 0


class Normalizers:
    """The normalizers of *connection*; sources with equal API and number template share one.

    The table of countries is created once per connection.
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
    :param first: the connection has no table of countries yet.
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
        self._careful = CarefulWay(connection, api, self.sql, self.texts)
        self.decoder = None if carefully else _decoder(api)
        self.ways = Ways()
        if self.decoder is not None:
            self._fine = FineSql(api, ordernumber, self.decoder.columns).stage()
            for macro in macros_of(self._fine):
                connection.execute(macro)
        if first:
            create_countries(connection)

    def normalize(self, pages: Sequence[StagedPage], only: set[Key] | None = None) -> None:
        """Replace the staged tables by the orders and rejects of *pages*.

        :param only: stage only these orders.
        :raises CorruptPage: a page has changed since it was landed.
        """
        self._careful.clear()  # of a batch that broke off
        for macro in source_macros({page.index: page.source for page in pages} or {0: ""}):
            self.connection.execute(macro)
        self._set_keys(pages)
        for table, columns in _TABLES.items():
            self.connection.execute(declared(table, columns))
        with LineFile() as lines:
            for page in pages:
                if page.meta.kind != "listing":
                    lines.write(self._lines(page, only))
                    self._careful.stage_if_large()
            odd = self._stage_straight(lines)
        for page in pages:
            self._careful.add(page, self.texts.at(page, odd[page.number]))
            self._careful.stage_if_large()
        self._careful.stage()
        self.ways.careful = self._careful.count
        self._finish()
        self._create_staged_pages([] if only is not None else pages)
        log.debug("%d orders straight and %d carefully so far", *astuple(self.ways))

    def _set_keys(self, pages: Sequence[StagedPage]) -> None:
        """Set the keys under which customers are hashed, if the API tells them."""
        if self.api.mapping.customer is None:
            return
        keys = {page.index: (page.key(), page.source) for page in pages}
        padded = [
            customer_pads(*keys.get(index, (b"", ""))) for index in range(max(keys, default=0) + 1)
        ]
        for name, pads in zip(("inner", "outer"), zip(*padded, strict=True), strict=True):
            self.connection.execute(f"SET VARIABLE customer_{name} = $1", [list(pads)])

    def outline(
        self, texts: Sequence[bytes], *, whole: bool = False
    ) -> list[tuple[str | None, datetime | None, bool]]:
        """(ordernumber, modified_at, included) of orders by their JSON *texts*.

        :param whole: they have all their fields; a list of all orders may leave some out.
        """
        return self._careful.outline(texts, whole=whole)

    def matching(self, texts: dict[Key, str], condition: str) -> list[Key]:
        """Keys of the JSON *texts* whose orders, valid or not, match the SQL *condition*."""
        return self._careful.matching(texts, condition)

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
            f"""DELETE FROM excluded WHERE (source, page, position) IN (
                SELECT (source_of(page), page_of(page), position) FROM ({KEYS}) AS k(page, position)
            )""",
            key_columns(keys),
        )

    def fill_raw(self, pages: Sequence[StagedPage]) -> None:
        """Set the missing texts of rejects from *pages*, as received."""
        rejects = self.connection.execute(
            "SELECT number_of(source, page), position FROM staged_reject WHERE raw IS NULL"
        ).fetchall()
        texts = self._texts_at(pages, rejects)
        if texts:
            self.connection.execute(
                f"""UPDATE staged_reject SET raw = texts.raw
                    FROM ({TEXTS}) AS texts(page, position, raw)
                    WHERE number_of(staged_reject.source, staged_reject.page) = texts.page
                      AND staged_reject.position = texts.position""",
                text_columns(texts),
            )

    def _texts_at(self, pages: Sequence[StagedPage], keys: Iterable[Key]) -> dict[Key, str]:
        """The orders of *pages* at *keys*, as received."""
        positions: dict[int, list[int]] = defaultdict(list)
        for number, position in keys:
            positions[number].append(position)
        return {
            (page.number, position): text
            for page in pages
            if page.number in positions
            for position, text in self.texts.at(page, positions[page.number]).items()
        }

    def _lines(self, page: StagedPage, only: set[Key] | None) -> bytes:
        """The orders of *page* as lines of JSON, without those that go the careful way."""
        plain = self.decoder is not None and only is None and self.texts.is_plain(page)
        if plain and (compact := page.compact()) is not None:
            return self._compact_lines(page, compact)
        body = page.body()
        if self.decoder is not None and plain and (decoded := self.decoder.decode(body)):
            return self._compact_lines(page, decoded.compact(page.number))
        return self._lines_of_pieces(page, body, only)

    def _compact_lines(self, page: StagedPage, compact: CompactPage) -> bytes:
        """The lines of *compact*; its odd orders go the careful way."""
        _check_count(page, compact.orders)
        self._careful.add(page, compact.odd)
        return compact.lines

    def _lines_of_pieces(self, page: StagedPage, body: bytes, only: set[Key] | None) -> bytes:
        """The orders of a page that has to be taken apart, as :meth:`_lines`."""
        number, problem = page.number, self.texts.problem(page, body)
        texts: dict[int, str] = {}
        for position, piece in enumerate(self.texts.pieces(page, body)):
            if only is not None and (number, position) not in only:
                continue
            if piece.whole:
                texts[position] = piece.text
            else:
                self._careful.add_fragment((number, position), piece.text, problem)
        if self.decoder is None:
            self._careful.add(page, texts)
            return b""
        decoded = self.decoder.decode_texts([text.encode() for text in texts.values()])
        compact = decoded.compact(number, list(texts))
        self._careful.add(page, compact.odd)
        return compact.lines

    def _stage_straight(self, lines: LineFile) -> dict[int, list[int]]:
        """Stage the *lines*, and return by page the positions of the orders that are not fine."""
        odd: dict[int, list[int]] = defaultdict(list)
        if not lines.longest:
            return odd
        run = self.connection.execute
        row = run(self._fine, [lines.path, lines.longest]).fetchone()
        self.ways.straight += row[0] if row else 0
        at = "number_of(source, page), position"
        for page, position in run(f"SELECT {at} FROM {_ODD}").fetchall():
            odd[page].append(position)
        if odd:
            row = run(f"DELETE FROM {_ODD}").fetchone()
            self.ways.straight -= row[0] if row else 0
        return odd

    def _finish(self) -> None:
        """Add the valid orders that fail ``where`` to ``excluded``, and drop the flags."""
        if self.api.mapping.where is not None:
            self.connection.execute(
                """INSERT INTO excluded SELECT source, page, position, order_id
                   FROM staged_order WHERE NOT included"""
            )
        for flag in FLAGS:
            self.connection.execute(f"ALTER TABLE staged_order DROP COLUMN {flag}")

    def _create(self, table: str, query: str, parameters: Sequence[object] = ()) -> None:
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}", parameters)

    def _create_staged_pages(self, pages: Sequence[StagedPage]) -> None:
        self._create(
            "staged_page",
            """SELECT source_of(n) AS source, page_of(n) AS page
               FROM (SELECT unnest($1::BIGINT[]) AS n)""",
            [[page.number for page in pages]],
        )


_TABLES = {
    "staged_order": STAGED_ORDER | FLAGS,
    "staged_reject": STAGED_REJECT,
    "excluded": EXCLUDED,
}
_ODD = "staged_order WHERE NOT fine"


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
