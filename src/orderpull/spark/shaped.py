"""A normalizer for orders that another machine has shaped; it stages them page by page."""

from collections.abc import Iterable, Sequence

from orderpull.engine import duckdb
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.batches import staged_page
from orderpull.normalize.macros import source_macros
from orderpull.normalize.normalizer import Key, Normalizer, StagedPage
from orderpull.normalize.staging import declared
from orderpull.sources.pull import Source
from orderpull.spark import slices

_FURTHER = {
    "listing": {"source": "VARCHAR", "page": "BIGINT"},
    "listed": {"source": "VARCHAR", "page": "BIGINT", "order_id": "VARCHAR"},
}
_COLUMNS = {kind: columns for kind, (columns, _) in slices.KINDS.items()} | _FURTHER
_OF_PAGES = """INSERT INTO {staged} FROM shaped_{kind}
    WHERE source = ? AND page IN (SELECT unnest(?::BIGINT[]))"""
_AT_KEYS = """ AND (number_of(source, page), position) IN
    (SELECT (unnest(?::BIGINT[]), unnest(?::BIGINT[])))"""


def gather(
    connection: duckdb.DuckDBPyConnection, incoming: Iterable[slices.Slice]
) -> list[slices.Slice]:
    """Make the tables ``shaped_*`` of *incoming*; return the slices of other kinds."""
    others = []
    for kind, columns in _COLUMNS.items():
        connection.execute(declared(f"shaped_{kind}", columns))
    for each in incoming:
        if each[1] not in _COLUMNS:
            others.append(each)
            continue
        connection.register("incoming", slices.decode(each[3]))
        connection.execute(f"INSERT INTO shaped_{each[1]} BY NAME FROM incoming")
        connection.unregister("incoming")
    return others


class ShapedNormalizer(Normalizer):
    """Stages what :func:`gather` has gathered of *source*.

    :param landing: where the text of an order that loses its number is read again.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        landing: SourceLanding,
        *,
        first: bool,
    ) -> None:
        super().__init__(connection, source.api, source.settings.ordernumber, first=first)
        self.source = source
        self.landing = landing

    def normalize(self, pages: Sequence[StagedPage], only: set[Key] | None = None) -> None:
        """Replace the staged tables by the shaped orders and rejects of *pages*."""
        run = self.connection.execute
        for macro in source_macros({self.source.index: self.source.name}):
            run(macro)
        values: list[object] = [self.source.name, [page.meta.page for page in pages]]
        if only is not None:
            values += [[page for page, _ in only], [position for _, position in only]]
        for kind, (columns, _) in slices.KINDS.items():
            staged = slices.STAGED[kind]
            run(declared(staged, columns))
            query = _OF_PAGES.format(staged=staged, kind=kind)
            run(query + (_AT_KEYS if only is not None else ""), values)
        self._create_staged_pages([] if only is not None else pages)

    def fill_raw(self, pages: Sequence[StagedPage]) -> None:  # noqa: ARG002
        """Set the missing texts of rejects; only these pages are read from the landing."""
        rows = self.connection.execute(
            "SELECT DISTINCT page FROM staged_reject WHERE raw IS NULL"
        ).fetchall()
        metas = [self.landing.meta(page) for (page,) in rows]
        super().fill_raw([staged_page(self.source, self.landing, meta) for meta in metas])
