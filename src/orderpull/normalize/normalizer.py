"""Pages in, staged orders and rejects out, in temporary tables of a DuckDB connection.

``staged_order``: one row for each order that could be shaped, its items a list.
``staged_reject``: one row for each that could not, and for each fragment of a damaged page.
``staged_page``: the pages that are staged whole, not just some of their orders.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from orderpull.errors import CorruptPage
from orderpull.normalize.countries import create_countries
from orderpull.normalize.macros import MACROS
from orderpull.normalize.numbers import NumberQuoter
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
    :param fragments: for each stretch that is no order its text, reason and sentence.
    """

    texts: dict[Key, str] = field(default_factory=dict)
    fragments: dict[Key, tuple[str, str, str]] = field(default_factory=dict)

    def keep_only(self, keys: set[Key]) -> None:
        """Forget what is not at one of *keys*."""
        self.texts = {key: text for key, text in self.texts.items() if key in keys}
        self.fragments = {key: fragment for key, fragment in self.fragments.items() if key in keys}


class Normalizers:
    """The normalizers of *connection*: one for all sources with the same API and order numbers.

    Macros, the country table and the empty tables are created once for each connection.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._known: list[tuple[Api, str, Normalizer]] = []

    def of(self, api: Api, ordernumber: str) -> "Normalizer":
        """The normalizer for *api* and *ordernumber*, as :class:`Normalizer` has them."""
        for known, number, normalizer in self._known:
            if known is api and number == ordernumber:
                return normalizer
        normalizer = Normalizer(self.connection, api, ordernumber, len(self._known))
        self._known.append((api, ordernumber, normalizer))
        return normalizer


class Normalizer:
    """Normalizes pages of one API into temporary tables of *connection*.

    :param ordernumber: how the number is made: a text with ``{number}`` and ``{id}``.
    :param number: of this normalizer, where a connection has several.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, api: Api, ordernumber: str, number: int = 0
    ) -> None:
        self.connection = connection
        self.api = api
        self.sql = NormalizeSql(api, ordernumber)
        self.texts = PageTexts(api, self.sql.layout)
        self.quoted = NumberQuoter(self.sql.by_value)
        self._empty = f"empty_raw_order_{number}"
        if number == 0:
            for macro in MACROS:
                connection.execute(macro)
            create_countries(connection)
        self._create(self._empty, self.sql.raw_order(_no_docs()))

    def normalize(self, pages: Sequence[StagedPage], only: set[Key] | None = None) -> None:
        """Fill ``staged_order``, ``staged_reject`` and ``staged_page`` anew from *pages*.

        :param only: keep just these orders.
        :raises CorruptPage: a page's bytes are not those that were landed.
        """
        self._create("raw_order", f"FROM {self._empty}")
        extracted = ExtractedOrders()
        orders = [page for page in pages if page.meta.kind != "listing"]
        readable = [page for page in orders if self._readable(page, extracted)]
        for page in self._read(readable):
            self._extract_in_python(page, page.body(), extracted)
        if only is not None:
            self._keep_only(only)
            extracted.keep_only(only)
        self._insert_texts("raw_order", extracted.texts)
        self.connection.execute("DELETE FROM raw_order WHERE NOT included")
        self._create("line", self.sql.line("raw_order"))
        self._reread_inexact(pages)
        self._stage(pages, extracted)
        self._create_staged_pages([] if only is not None else pages)

    def refuse_long(self, limits: Mapping[str, int]) -> None:
        """Make a reject of each staged order that holds a text longer than the warehouse takes.

        :param limits: bytes in UTF-8 that a column takes.
        """
        for statement in refuse_long(limits):
            self.connection.execute(statement)

    def raw_texts(self, page: StagedPage, positions: Iterable[int]) -> dict[int, str]:
        """The orders at *positions* of *page*, as received."""
        return self.texts.at(page, positions)

    def fill_raw(self, pages: Sequence[StagedPage]) -> None:
        """Give each reject its order's text, as received."""
        positions: dict[int, list[int]] = defaultdict(list)
        for number, position in self.connection.execute(
            "SELECT page, position FROM staged_reject WHERE raw IS NULL"
        ).fetchall():
            positions[number].append(position)
        rows = [
            (page.meta.page, position, text)
            for page in pages
            if page.meta.page in positions
            for position, text in self.raw_texts(page, positions[page.meta.page]).items()
        ]
        if rows:
            self.connection.execute(
                f"""UPDATE staged_reject SET raw = texts.raw
                    FROM ({_TEXTS}) AS texts(page, position, raw)
                    WHERE staged_reject.page = texts.page
                      AND staged_reject.position = texts.position""",
                [list(column) for column in zip(*rows, strict=True)],
            )

    def _create(self, table: str, query: str) -> None:
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")

    def _readable(self, page: StagedPage, extracted: ExtractedOrders) -> bool:
        """Whether the engine can read *page*; if not, its orders are extracted in Python."""
        body = page.body()
        readable = self.texts.readable(page, body)
        if not readable:
            self._extract_in_python(page, body, extracted)
        return readable

    def _read(self, pages: list[StagedPage]) -> list[StagedPage]:
        """Read whole pages; returns those that the engine refuses."""
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
        if rows is None or rows[0] != expected:
            self._find_corrupt(pages)

    def _find_corrupt(self, pages: list[StagedPage]) -> None:
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
        """Read orders with inexact numbers again, those numbers written as texts."""
        inexact = self.connection.execute(
            """SELECT page, position FROM raw_order WHERE inexact
               UNION SELECT page, position FROM line WHERE inexact ORDER BY ALL"""
        ).fetchall()
        if not inexact:
            return
        positions: dict[int, list[int]] = defaultdict(list)
        for number, position in inexact:
            positions[number].append(position)
        texts = {
            (page.meta.page, position): self.quoted(text)
            for page in pages
            if page.meta.page in positions
            for position, text in self.raw_texts(page, positions[page.meta.page]).items()
        }
        self._delete(inexact)
        self._create("reread_order", f"FROM {self._empty}")
        self._insert_texts("reread_order", texts)
        self.connection.execute("DELETE FROM reread_order WHERE NOT included")
        self.connection.execute("INSERT INTO raw_order FROM reread_order")
        self.connection.execute(f"INSERT INTO line {self.sql.line('reread_order')}")
        self.connection.execute("DROP TABLE reread_order")

    def _delete(self, keys: list[Key]) -> None:
        for table in ("raw_order", "line"):
            self.connection.execute(
                f"""DELETE FROM {table} USING ({_KEYS}) AS gone(page, position)
                    WHERE {table}.page = gone.page AND {table}.position = gone.position""",
                _places(keys),
            )

    def _keep_only(self, only: set[Key]) -> None:
        self.connection.execute(
            f"""DELETE FROM raw_order WHERE NOT EXISTS (
                    SELECT 1 FROM ({_KEYS}) AS kept(page, position)
                    WHERE raw_order.page = kept.page AND raw_order.position = kept.position)""",
            _places(only),
        )

    def _insert_texts(self, table: str, texts: dict[Key, str]) -> None:
        if texts:
            query = self.sql.raw_order(self.sql.texts())
            self.connection.execute(f"INSERT INTO {table} {query}", _columns(texts))

    def _stage(self, pages: Sequence[StagedPage], extracted: ExtractedOrders) -> None:
        """The staged tables, from what was read."""
        for statement in staging(self.sql.lines_path):
            self.connection.execute(statement)
        if extracted.fragments:
            texts = list(zip(*extracted.fragments.values(), strict=True))
            self.connection.execute(
                f"""INSERT INTO staged_reject
                    SELECT page, position, NULL, NULL, reason, message, '$', raw
                    FROM ({_KEYS}, unnest($3::VARCHAR[]), unnest($4::VARCHAR[]),
                          unnest($5::VARCHAR[])) AS r(page, position, raw, reason, message)""",
                [*_places(extracted.fragments), *texts],
            )
        self.fill_raw(pages)

    def _create_staged_pages(self, pages: Sequence[StagedPage]) -> None:
        self.connection.execute("CREATE OR REPLACE TEMP TABLE staged_page (page BIGINT)")
        if pages:
            numbers = [page.meta.page for page in pages]
            self.connection.execute(
                "INSERT INTO staged_page SELECT unnest($1::BIGINT[])", [numbers]
            )


_KEYS = "SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[])"
_TEXTS = f"{_KEYS}, unnest($3::VARCHAR[])"


def _places(keys: Collection[Key]) -> list[list[int]]:
    return [[key[0] for key in keys], [key[1] for key in keys]]


def _columns(texts: dict[Key, str]) -> list[object]:
    return [*_places(texts), list(texts.values())]


def _no_docs() -> str:
    return "SELECT 0::BIGINT AS page, 0::BIGINT AS position, NULL::JSON AS doc LIMIT 0"
