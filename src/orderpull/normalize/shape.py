"""Pages in, staged orders and rejects out, in temporary tables of a DuckDB connection.

``staged_order``: one row for each order that could be shaped, its items a list.
``staged_reject``: one row for each that could not, and for each remnant of a damaged page.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from orderpull.errors import CorruptPage
from orderpull.landing.page import PageMeta
from orderpull.model import MAX_QUANTITY
from orderpull.normalize.salvage import quote_numbers, salvage
from orderpull.normalize.sql import MACROS, ShapingSql, literal
from orderpull.sources.reading import PageReader
from orderpull.sources.spec import Api

_MIB = 1 << 20
_HASHED = (
    "ordernumber order_id status counted ordered_at modified_at currency total channel "
    "country line1 line2 name postalcode stateprovince city items"
).split()

_MINUS_ZERO = re.compile(rb"-0(?=\s*[,}\]])")
"""A number that the engine reads as 0, so that its own text would be lost."""

Key = tuple[int, int]
"""An order's place: page number, position in the page."""


@dataclass(frozen=True, slots=True)
class StagedPage:
    """A page to be shaped.

    :param meta: its metadata.
    :param file: its file, on this machine.
    :param body: gives its body, hash checked.
    """

    meta: PageMeta
    file: Path
    body: Callable[[], bytes]


class Shaper:
    """Shapes pages of one API into temporary tables of *connection*.

    :param ordernumber: how the number is made: a text with ``{number}`` and ``{id}``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, api: Api, ordernumber: str) -> None:
        self.connection = connection
        self.api = api
        self.sql = ShapingSql(api, ordernumber)
        self._reader = PageReader(api)
        for macro in MACROS:
            connection.execute(macro)
        _create_countries(connection)

    def shape(self, pages: Sequence[StagedPage], only: set[Key] | None = None) -> None:
        """Fill ``staged_order`` and ``staged_reject`` anew from *pages*.

        :param only: keep just these orders.
        :raises CorruptPage: a page's bytes are not those that were landed.
        """
        self._create()
        texts: dict[Key, str] = {}
        remnants: list[tuple[int, int, str]] = []
        readable: list[StagedPage] = []
        for page in pages:
            body = page.body()
            if page.meta.state == "whole" and not _MINUS_ZERO.search(body):
                readable.append(page)
            else:
                self._take_apart(page, body, texts, remnants)
        for page in self._read(readable):
            self._take_apart(page, page.body(), texts, remnants)
        if only is not None:
            self._keep_only(only, texts)
            remnants = [remnant for remnant in remnants if remnant[:2] in only]
        texts |= self._own_text(pages)
        self._insert_texts(texts, remnants)
        self._lines()
        self._finish(pages, remnants)

    def raw_texts(self, page: StagedPage, positions: Iterable[int]) -> dict[int, str]:
        """The orders at *positions* of *page*, as received."""
        body = page.body()
        if page.meta.state == "whole":
            records = self._reader.records(body)
            return {position: bytes(records[position]).decode() for position in positions}
        pieces = self._pieces(page, body)
        return {position: pieces[position][0] for position in positions}

    def _create(self) -> None:
        run = self.connection.execute
        run("DROP TABLE IF EXISTS remnant")
        empty = ShapingSql.texts().replace("$1", "[]").replace("$2", "[]").replace("$3", "[]")
        run(f"CREATE OR REPLACE TEMP TABLE base AS {self.sql.base(empty)}")

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
            f"INSERT INTO base {self.sql.base(self.sql.pages())}",
            [[str(page.file) for page in pages], max(_MIB, 2 * largest)],
        ).fetchone()
        expected = sum(page.meta.orders for page in pages)
        if rows is None or rows[0] != expected:
            counts = dict(self.connection.execute(
                "SELECT page, count(*) FROM base GROUP BY page").fetchall())
            for page in pages:
                if counts.get(page.meta.page, 0) != page.meta.orders:
                    raise CorruptPage(
                        f"Page {page.meta.page} of {page.meta.source} was landed with "
                        f"{page.meta.orders} orders, and {counts.get(page.meta.page, 0)} are read.",
                        "Its metadata and its body disagree: restore the file from a backup.",
                    )

    def _pieces(self, page: StagedPage, body: bytes) -> list[tuple[str, bool]]:
        """The list's elements of a page that is not whole, or not to be read by the engine."""
        if page.meta.state == "unexpected":
            return [(body.decode(errors="backslashreplace").replace("\0", "\\x00"), False)]
        if page.meta.state == "whole":
            return [(bytes(raw).decode(), True) for raw in self._reader.records(body)]
        path = self.api.record_path
        return [(p.text, p.whole) for p in salvage(body, path.steps, self.sql.first_key)]

    def _take_apart(
        self,
        page: StagedPage,
        body: bytes,
        texts: dict[Key, str],
        remnants: list[tuple[int, int, str]],
    ) -> None:
        number = page.meta.page
        for position, (text, whole) in enumerate(self._pieces(page, body)):
            if whole and self._readable(text):
                texts[number, position] = quote_numbers(text)
            else:
                remnants.append((number, position, text))

    def _readable(self, text: str) -> bool:
        row = self.connection.execute("SELECT json_valid(?)", [text]).fetchone()
        return row is not None and bool(row[0])

    def _own_text(self, pages: Sequence[StagedPage]) -> dict[Key, str]:
        """Take out of ``base`` the orders whose own text the engine would change.

        Returns them with their numbers quoted, to be read again.
        """
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE line AS {self.sql.line()}")
        found = self.connection.execute(
            """SELECT page, position FROM base WHERE inexact
               UNION SELECT page, position FROM line WHERE inexact ORDER BY ALL"""
        ).fetchall()
        if not found:
            return {}
        positions: dict[int, list[int]] = defaultdict(list)
        for number, position in found:
            positions[number].append(position)
        self._delete([(number, position) for number, position in found])
        by_number = {page.meta.page: page for page in pages}
        return {
            (number, position): quote_numbers(text)
            for number, places in positions.items()
            for position, text in self.raw_texts(by_number[number], places).items()
        }

    def _delete(self, keys: list[Key]) -> None:
        self.connection.execute(
            """DELETE FROM base USING (SELECT unnest($1::BIGINT[]) AS page,
                                              unnest($2::BIGINT[]) AS position) AS gone
               WHERE base.page = gone.page AND base.position = gone.position""",
            [[key[0] for key in keys], [key[1] for key in keys]],
        )

    def _keep_only(self, only: set[Key], texts: dict[Key, str]) -> None:
        for key in [key for key in texts if key not in only]:
            del texts[key]
        self.connection.execute(
            """DELETE FROM base WHERE (page, position) NOT IN (
                   SELECT (unnest($1::BIGINT[]), unnest($2::BIGINT[])))""",
            [[key[0] for key in only], [key[1] for key in only]],
        )

    def _insert_texts(self, texts: dict[Key, str], remnants: list[tuple[int, int, str]]) -> None:
        if texts:
            keys = list(texts)
            columns = [[k[0] for k in keys], [k[1] for k in keys], [texts[k] for k in keys]]
            self.connection.execute(f"INSERT INTO base {self.sql.base(self.sql.texts())}", columns)
        self.connection.execute(
            """CREATE OR REPLACE TEMP TABLE remnant AS
               SELECT unnest($1::BIGINT[]) AS page, unnest($2::BIGINT[]) AS position""",
            [[r[0] for r in remnants], [r[1] for r in remnants]],
        )

    def _lines(self) -> None:
        run = self.connection.execute
        run(f"CREATE OR REPLACE TEMP TABLE line AS {self.sql.line()}")
        run(f"""CREATE OR REPLACE TEMP TABLE item AS
            WITH summed AS (
                SELECT page, position, sku, sum(quantity) AS quantity,
                       arg_min(wrong, number) FILTER (wrong IS NOT NULL) AS wrong,
                       min(number) FILTER (wrong IS NOT NULL) AS wrong_at
                FROM line GROUP BY ALL)
            SELECT page, position,
                list({{'sku': sku, 'quantity': TRY_CAST(quantity AS BIGINT)}} ORDER BY sku) AS items,
                TRY_CAST(sum(quantity) AS BIGINT) AS item_quantity,
                sum(quantity) > {MAX_QUANTITY} AS too_many,
                arg_min(wrong, wrong_at) FILTER (wrong IS NOT NULL) AS wrong
            FROM summed GROUP BY ALL""")

    def _finish(self, pages: Sequence[StagedPage], remnants: list[tuple[int, int, str]]) -> None:
        run = self.connection.execute
        too_many = _too_many(self.sql.lines_path)
        run(f"""CREATE OR REPLACE TEMP TABLE shaped AS
            SELECT base.* EXCLUDE (wrong, lines, inexact, country),
                coalesce(c.code, base.country) AS country,
                coalesce(items, []) AS items, coalesce(item_quantity, 0) AS item_quantity,
                coalesce(base.wrong, item.wrong, CASE WHEN too_many THEN {too_many} END) AS wrong
            FROM base LEFT JOIN item USING (page, position)
            LEFT JOIN country_code AS c ON c.given = upper(trim(base.country))""")
        hashed = ", ".join(f"{name} := {name}" for name in _HASHED)
        run(f"""CREATE OR REPLACE TEMP TABLE staged_order AS
            SELECT * EXCLUDE (wrong), md5(to_json(struct_pack({hashed}))::VARCHAR) AS content_hash
            FROM shaped WHERE wrong IS NULL""")
        run("""CREATE OR REPLACE TEMP TABLE staged_reject AS
            SELECT page, position, CASE WHEN NOT is_blank(ordernumber) THEN ordernumber END AS ordernumber,
                   CASE WHEN NOT is_blank(order_id) THEN order_id END AS order_id,
                   wrong.reason AS reason, wrong.message AS message, wrong.path AS path,
                   NULL::VARCHAR AS raw
            FROM shaped WHERE wrong IS NOT NULL""")
        run("""UPDATE staged_reject SET ordernumber = NULL WHERE reason IN ('number_invalid', 'number_missing')""")
        run("""UPDATE staged_reject SET order_id = NULL WHERE reason IN ('id_invalid', 'id_missing', 'number_invalid')""")
        self._insert_remnants(pages, remnants)
        self.fill_raw(pages)
        for table in ("base", "line", "item", "shaped", "remnant"):
            run(f"DROP TABLE {table}")

    def _insert_remnants(
        self, pages: Sequence[StagedPage], remnants: list[tuple[int, int, str]]
    ) -> None:
        problems = {page.meta.page: _problem(page.meta) for page in pages}
        for number, position, text in remnants:
            reason, message = problems[number]
            self.connection.execute(
                "INSERT INTO staged_reject VALUES (?, ?, NULL, NULL, ?, ?, '$', ?)",
                [number, position, reason, message, text],
            )

    def fill_raw(self, pages: Sequence[StagedPage]) -> None:
        """Give each reject its order's text, as received."""
        places: dict[int, list[int]] = defaultdict(list)
        for number, position in self.connection.execute(
            "SELECT page, position FROM staged_reject WHERE raw IS NULL"
        ).fetchall():
            places[number].append(position)
        rows = [
            (page.meta.page, position, text.replace("\0", "\\x00"))
            for page in pages
            if page.meta.page in places
            for position, text in self.raw_texts(page, places[page.meta.page]).items()
        ]
        if rows:
            self.connection.execute(
                """UPDATE staged_reject SET raw = given.raw FROM (SELECT unnest($1::BIGINT[]) AS page,
                       unnest($2::BIGINT[]) AS position, unnest($3::VARCHAR[]) AS raw) AS given
                   WHERE staged_reject.page = given.page
                     AND staged_reject.position = given.position""",
                [list(column) for column in zip(*rows, strict=True)],
            )


def _problem(meta: PageMeta) -> tuple[str, str]:
    """Reason and sentence for what is left of a page."""
    why = f": {meta.problem}" if meta.problem else ""
    if meta.state == "unexpected":
        return "page_unexpected", f"the page holds no list of orders{why}"
    if meta.state == "whole":
        return "order_unreadable", "the order's JSON is beyond what can be read"
    return "page_damaged", f"what is left of a damaged page{why}"


def _too_many(path: str) -> str:
    return (
        "{'reason': 'quantity_invalid', 'message': 'the quantities add up to more than 2^53', "
        f"'path': {literal(path)}}}"
    )


@cache
def _countries() -> list[tuple[str, str]]:
    text = (resources.files("orderpull.normalize") / "countries.csv").read_text(encoding="utf-8")
    return [(row["given"], row["code"]) for row in csv.DictReader(text.splitlines())]


def _create_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """``country_code``: every name, ISO-3 and ISO-2 code that certainly means one country."""
    given, codes = zip(*_countries(), strict=True)
    connection.execute(
        """CREATE TEMP TABLE IF NOT EXISTS country_code AS
           SELECT upper(unnest($1::VARCHAR[])) AS given, unnest($2::VARCHAR[]) AS code""",
        [list(given), list(codes)],
    )
