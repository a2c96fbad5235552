"""The careful way: orders by their texts, which says why and where one is wrong."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from orderpull.engine import duckdb
from orderpull.normalize.exact import ExactText
from orderpull.normalize.macros import macros_of
from orderpull.normalize.pages import PageTexts, StagedPage
from orderpull.normalize.sql import NormalizeSql
from orderpull.sources.compact import value_tree
from orderpull.sources.spec.api import Api

Key = tuple[int, int]
"""Number of the page in the run (:attr:`StagedPage.number`), and position of the order in it."""

KEYS = "SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[])"
TEXTS = f"{KEYS}, unnest($3::VARCHAR[])"
_DOCS = f"""SELECT page, position, text::JSON AS doc, received
            FROM ({TEXTS}, unnest($4::VARCHAR[])) AS t(page, position, text, received)"""
_MUCH_TEXT = 16 << 20


class CarefulWay:
    """Collects orders of one API by their texts, and adds them to the staged tables.

    :param texts: splits pages, and names what is wrong with one.
    :ivar count: number of orders and fragments so far.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, api: Api, sql: NormalizeSql, texts: PageTexts
    ) -> None:
        self.count = 0
        self._connection = connection
        self._sql = sql
        self._page_texts = texts
        self._exact = ExactText(value_tree(api), sql.by_value, sql.whole)
        self._has_macros = False
        self.clear()

    def clear(self) -> None:
        """Forget what was added and not staged."""
        self._texts: dict[Key, str] = {}
        self._fragments: dict[Key, tuple[str, str, str]] = {}
        self._pages: dict[int, StagedPage] = {}
        self._size = 0

    def add(self, page: StagedPage, texts: Mapping[int, str]) -> None:
        """Add orders of *page*, as received, by position."""
        self._pages[page.number] = page
        self._texts |= {(page.number, position): text for position, text in texts.items()}
        self._size += sum(map(len, texts.values()))

    def add_fragment(self, key: Key, text: str, problem: tuple[str, str]) -> None:
        """Add a stretch of a page that is not an order; *problem*: reason and message."""
        self._fragments[key] = (text, *problem)

    def stage_if_large(self) -> None:
        """Stage what was added once it is much text, which bounds the memory."""
        if self._size > _MUCH_TEXT:
            self.stage()

    def stage(self) -> None:
        """Add the orders and fragments to the staged tables."""
        self.count += len(self._texts) + len(self._fragments)
        exact = {key: self._exact.rewrite(text) for key, text in self._texts.items()}
        for key in self._unreadable(exact) if exact else ():
            page = self._pages[key[0]]
            problem = self._page_texts.problem(page, page.body())
            self.add_fragment(key, self._texts.pop(key), problem)
            del exact[key]
        if exact:
            self._create_macros()
            docs = [*text_columns(exact), list(self._texts.values())]
            self._create("raw_order", self._sql.raw_order(_DOCS), docs)
            self._create("line", self._sql.line("raw_order"))
            for statement in self._sql.staging():
                self._connection.execute(statement)
        if self._fragments:
            texts = list(zip(*self._fragments.values(), strict=True))
            self._connection.execute(
                f"""INSERT INTO staged_reject
                    SELECT source_of(page), page_of(page), position, NULL, NULL, reason, message,
                        '$', raw
                    FROM ({KEYS}, unnest($3::VARCHAR[]), unnest($4::VARCHAR[]),
                          unnest($5::VARCHAR[])) AS r(page, position, raw, reason, message)""",
                [*key_columns(self._fragments), *texts],
            )
        self.clear()

    def outline(
        self, texts: Sequence[bytes], *, whole: bool
    ) -> list[tuple[str | None, datetime | None, bool]]:
        """(ordernumber, modified_at, included) of orders by their JSON *texts*."""
        self._create_macros()
        docs = {(0, n): self._exact.rewrite(text.decode()) for n, text in enumerate(texts)}
        docs |= dict.fromkeys(self._unreadable(docs), "{}")
        query, columns = (
            self._sql.outline(_DOCS, whole=whole),
            [*text_columns(docs), [""] * len(docs)],
        )
        return self._connection.execute(query, columns).fetchall()

    def matching(self, texts: dict[Key, str], condition: str) -> list[Key]:
        """Keys of the JSON *texts* whose orders, valid or not, match the SQL *condition*."""
        exact = {key: self._exact.rewrite(text) for key, text in texts.items()}
        for key in self._unreadable(exact) if exact else ():
            del exact[key]
        if not exact:
            return []
        self._create_macros()
        query = f"SELECT page, position FROM ({self._sql.raw_order(_DOCS)}) WHERE {condition}"
        return self._connection.execute(query, [*text_columns(exact), [""] * len(exact)]).fetchall()

    def _unreadable(self, texts: dict[Key, str]) -> list[Key]:
        """Keys of texts that msgspec accepts as JSON and DuckDB does not."""
        return self._connection.execute(
            f"SELECT page, position FROM ({TEXTS}) AS t(page, position, text) "
            "WHERE NOT json_valid(text)",
            text_columns(texts),
        ).fetchall()

    def _create_macros(self) -> None:
        """Create the macros of the careful way, at its first use."""
        if not self._has_macros:
            orders, lines = self._sql.raw_order(_DOCS), self._sql.line("raw_order")
            for macro in macros_of(orders, lines, *self._sql.staging()):
                self._connection.execute(macro)
            self._has_macros = True

    def _create(self, table: str, query: str, parameters: Sequence[object] = ()) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}", parameters)


def key_columns(keys: Collection[Key]) -> list[list[int]]:
    """The parameters of :data:`KEYS`."""
    return [[key[0] for key in keys], [key[1] for key in keys]]


def text_columns(texts: dict[Key, str]) -> list[object]:
    """The parameters of :data:`TEXTS`."""
    return [*key_columns(texts), list(texts.values())]
