"""Normalize pages into temporary tables of a DuckDB connection.

``staged_order``: one row per valid order, with its items as a list.
``staged_reject``: one row per invalid order, and per fragment of a damaged page.
``excluded``: page, position and id of the staged orders and rejects that fail ``where``.
``staged_page``: the pages of which all orders are staged.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from orderpull.errors import CorruptPage
from orderpull.normalize.countries import create_countries
from orderpull.normalize.macros import MACROS
from orderpull.normalize.numbers import number_quoter
from orderpull.normalize.pages import PageTexts, StagedPage
from orderpull.normalize.sql import NormalizeSql
from orderpull.normalize.staging import refuse_long, staging
from orderpull.sources.spec.api import Api

__all__ = ["Key", "Normalizer", "Normalizers", "StagedPage"]

_MIB = 1 << 20
Key = tuple[int, int]
"""Page number, and position of the order in the page."""


@dataclass(slots=True)
class ExtractedOrders:
    """Orders extracted in Python, from pages that DuckDB cannot read.

    :param texts: orders' JSON texts, numbers quoted.
    :param fragments: text, reason and message of each stretch that is not an order.
    """

    texts: dict[Key, str] = field(default_factory=dict)
    fragments: dict[Key, tuple[str, str, str]] = field(default_factory=dict)

    def keep_only(self, keys: set[Key]) -> None:
        """Drop all orders and fragments except those at *keys*."""
        self.texts = {key: text for key, text in self.texts.items() if key in keys}
        self.fragments = {key: fragment for key, fragment in self.fragments.items() if key in keys}


class Normalizers:
    """The normalizers of *connection*; sources with equal API and number template share one.

    Macros, the country table and the empty tables are created once per connection.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._normalizers: dict[tuple[int, str], Normalizer] = {}

    def of(self, api: Api, ordernumber: str) -> "Normalizer":
        """The normalizer for *api* and *ordernumber*. Parameters as :class:`Normalizer`."""
        key = id(api), ordernumber
        if key not in self._normalizers:
            number = len(self._normalizers)
            self._normalizers[key] = Normalizer(self.connection, api, ordernumber, number)
        return self._normalizers[key]


class Normalizer:
    """Normalizes pages of one API into temporary tables of *connection*.

    :param ordernumber: template of the order number, with ``{number}`` and ``{id}``.
    :param number: index of this normalizer on the connection.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, api: Api, ordernumber: str, number: int = 0
    ) -> None:
        self.connection = connection
        self.api = api
        self.sql = NormalizeSql(api, ordernumber)
        self.texts = PageTexts(api, self.sql.layout)
        self.quoted = number_quoter(self.sql.by_value)
        self._empty = f"empty_raw_order_{number}"
        if number == 0:
            for macro in MACROS:
                connection.execute(macro)
            create_countries(connection)
        self._create(self._empty, self.sql.raw_order(_NO_DOCS))

    def normalize(self, pages: Sequence[StagedPage], only: set[Key] | None = None) -> None:
        """Replace the staged tables by the orders and rejects of *pages*.

        :param only: stage only these orders.
        :raises CorruptPage: a page has changed since it was landed.
        """
        self._create("raw_order", f"FROM {self._empty}")
        extracted = ExtractedOrders()
        orders = [page for page in pages if page.meta.kind != "listing"]
        readable = [page for page in orders if self._readable(page, extracted)]
        for page in self._read(readable):
            self._extract_in_python(page, page.body(), extracted)
        if only is not None:
            self._delete("raw_order", "NOT IN", only)
            extracted.keep_only(only)
        self._insert_texts("raw_order", extracted.texts)
        self._create("line", self.sql.line("raw_order"))
        self._reread_inexact(pages)
        self._stage(pages, extracted)
        self._create_staged_pages([] if only is not None else pages)

    def outline(self, texts: Sequence[bytes]) -> list[tuple[str | None, datetime | None, bool]]:
        """(ordernumber, modified_at, included) of orders by their JSON *texts* in a list of all."""
        docs = {(0, n): self.quoted(text.decode()) for n, text in enumerate(texts)}
        docs |= dict.fromkeys(self._unreadable(docs), "{}")
        return self.connection.execute(self.sql.outline(_DOCS), _columns(docs)).fetchall()

    def refuse_long(self, limits: Mapping[str, int]) -> None:
        """Reject staged orders with a text over the *limits* of columns, in bytes of UTF-8."""
        for statement in refuse_long(limits):
            self.connection.execute(statement)

    def include(self, keys: set[Key]) -> None:
        """Take the staged orders at *keys* for versions of known orders, though they fail where."""
        self._delete("excluded", "IN", keys)

    def fill_raw(self, pages: Sequence[StagedPage]) -> None:
        """Set the text of each reject from *pages*, as received."""
        rejects = self.connection.execute(
            "SELECT page, position FROM staged_reject WHERE raw IS NULL"
        ).fetchall()
        texts = self._raw_texts(pages, rejects)
        if texts:
            self.connection.execute(
                f"""UPDATE staged_reject SET raw = texts.raw
                    FROM ({_TEXTS}) AS texts(page, position, raw)
                    WHERE staged_reject.page = texts.page
                      AND staged_reject.position = texts.position""",
                _columns(texts),
            )

    def _raw_texts(self, pages: Sequence[StagedPage], keys: Iterable[Key]) -> dict[Key, str]:
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

    def _create(self, table: str, query: str) -> None:
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")

    def _readable(self, page: StagedPage, extracted: ExtractedOrders) -> bool:
        """True if DuckDB can read *page*; if not, extract its orders in Python."""
        body = page.body()
        readable = self.texts.readable(page, body)
        if not readable:
            self._extract_in_python(page, body, extracted)
        return readable

    def _read(self, pages: list[StagedPage]) -> list[StagedPage]:
        """Read whole pages, and return those that DuckDB cannot read."""
        if not pages:
            return []
        try:
            self._read_files(pages)
        except duckdb.Error:
            if len(pages) == 1:
                return pages
            half = len(pages) // 2
            return self._read(pages[:half]) + self._read(pages[half:])
        return []

    def _read_files(self, pages: list[StagedPage]) -> None:
        largest = max(page.meta.size for page in pages)
        rows = self.connection.execute(
            f"INSERT INTO raw_order {self.sql.raw_order(self.sql.pages())}",
            [[str(page.file) for page in pages], max(_MIB, 2 * largest)],
        ).fetchone()
        expected = sum(page.meta.orders for page in pages)
        if rows is not None and rows[0] == expected:
            return
        counts = dict(
            self.connection.execute("SELECT page, count(*) FROM raw_order GROUP BY page").fetchall()
        )
        for page in pages:
            count = counts.get(page.meta.page, 0)
            if count != page.meta.orders:
                raise CorruptPage(
                    f"Page {page.meta.page} of {page.meta.source} was landed with "
                    f"{page.meta.orders} orders, and {count} are read.",
                    "Its metadata and its body disagree: restore the file from a backup.",
                )

    def _extract_in_python(self, page: StagedPage, body: bytes, extracted: ExtractedOrders) -> None:
        number, problem = page.meta.page, self.texts.problem(page, body)
        texts: dict[Key, str] = {}
        for position, piece in enumerate(self.texts.pieces(page, body)):
            if piece.whole:
                texts[number, position] = piece.text
            else:
                extracted.fragments[number, position] = (piece.text, *problem)
        for key in self._unreadable(texts):
            extracted.fragments[key] = (texts.pop(key), *problem)
        extracted.texts.update((key, self.quoted(text)) for key, text in texts.items())

    def _unreadable(self, texts: dict[Key, str]) -> list[Key]:
        """Keys of texts that msgspec accepts as JSON and DuckDB does not."""
        return self.connection.execute(
            f"SELECT page, position FROM ({_TEXTS}) AS t(page, position, text) "
            "WHERE NOT json_valid(text)",
            _columns(texts),
        ).fetchall()

    def _reread_inexact(self, pages: Sequence[StagedPage]) -> None:
        """Read orders with inexact numbers again, with those numbers in quotes."""
        inexact = self.connection.execute(
            """SELECT page, position FROM raw_order WHERE inexact
               UNION SELECT page, position FROM line WHERE inexact ORDER BY ALL"""
        ).fetchall()
        if not inexact:
            return
        texts = {key: self.quoted(t) for key, t in self._raw_texts(pages, inexact).items()}
        for table in ("raw_order", "line"):
            self._delete(table, "IN", inexact)
        self._create("reread_order", f"FROM {self._empty}")
        self._insert_texts("reread_order", texts)
        self.connection.execute("INSERT INTO raw_order FROM reread_order")
        self.connection.execute(f"INSERT INTO line {self.sql.line('reread_order')}")
        self.connection.execute("DROP TABLE reread_order")

    def _delete(self, table: str, condition: str, keys: Collection[Key]) -> None:
        """Delete the rows whose page and position are ``IN`` or ``NOT IN`` *keys*."""
        self.connection.execute(
            f"DELETE FROM {table} WHERE (page, position) {condition} ({_KEYS})", _key_columns(keys)
        )

    def _insert_texts(self, table: str, texts: dict[Key, str]) -> None:
        if texts:
            query = self.sql.raw_order(_DOCS)
            self.connection.execute(f"INSERT INTO {table} {query}", _columns(texts))

    def _stage(self, pages: Sequence[StagedPage], extracted: ExtractedOrders) -> None:
        """Create the staged tables from ``raw_order``, ``line`` and the fragments."""
        for statement in staging(self.sql.lines_path):
            self.connection.execute(statement)
        if extracted.fragments:
            texts = list(zip(*extracted.fragments.values(), strict=True))
            self.connection.execute(
                f"""INSERT INTO staged_reject
                    SELECT page, position, NULL, NULL, reason, message, '$', raw
                    FROM ({_KEYS}, unnest($3::VARCHAR[]), unnest($4::VARCHAR[]),
                          unnest($5::VARCHAR[])) AS r(page, position, raw, reason, message)""",
                [*_key_columns(extracted.fragments), *texts],
            )
        self.fill_raw(pages)

    def _create_staged_pages(self, pages: Sequence[StagedPage]) -> None:
        self.connection.execute(
            "CREATE OR REPLACE TEMP TABLE staged_page AS SELECT unnest($1::BIGINT[]) AS page",
            [[page.meta.page for page in pages]],
        )


_KEYS = "SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[])"
_TEXTS = f"{_KEYS}, unnest($3::VARCHAR[])"
_DOCS = f"SELECT page, position, text::JSON AS doc FROM ({_TEXTS}) AS t(page, position, text)"
_NO_DOCS = "SELECT 0::BIGINT AS page, 0::BIGINT AS position, NULL::JSON AS doc LIMIT 0"


def _key_columns(keys: Collection[Key]) -> list[list[int]]:
    return [[key[0] for key in keys], [key[1] for key in keys]]


def _columns(texts: dict[Key, str]) -> list[object]:
    return [*_key_columns(texts), list(texts.values())]
