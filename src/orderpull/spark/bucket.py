"""A bucket: all versions of some orders, loaded on an executor as one machine would load them.

Each bucket is a warehouse in memory. The product's own loader fills it from the shaped orders, in
the order of their pages. So versions, numbers, rejects and counts follow the same rules.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from orderpull.destinations.duckdb import DuckdbDestination, DuckdbSession
from orderpull.destinations.loader import Loader
from orderpull.destinations.merge import titles
from orderpull.destinations.merge.rollup_rows import (
    DAY_KEY,
    DAY_NUMBERS,
    LINE_NUMBERS,
    SKU_KEY,
    all_rows,
    sums,
)
from orderpull.destinations.merge.rollups import Delta
from orderpull.destinations.protocol import Batch, MergePlan, RunRecord, SourceState
from orderpull.destinations.shadow import ShadowDestination
from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.batches import BatchLoader, Portion, staged_page
from orderpull.loading.pages import BATCH_ORDERS
from orderpull.model import COUNTS, LEDGER_REJECT, ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM
from orderpull.normalize.masking import Masking
from orderpull.normalize.normalizer import StagedPage
from orderpull.sources.pull import Source
from orderpull.spark import slices
from orderpull.spark.job import Job
from orderpull.spark.shaped import ShapedNormalizer, gather
from orderpull.sqltext import quoted

_PAGES = """
SELECT page, CAST(sum(n) AS BIGINT) AS rows, bool_or(listing) AS listing FROM (
    SELECT page, count(*) AS n, false AS listing FROM shaped_order WHERE source = $1 GROUP BY page
    UNION ALL
    SELECT page, count(*), false FROM shaped_reject WHERE source = $1 GROUP BY page
    UNION ALL
    SELECT page, 0, true FROM shaped_listing WHERE source = $1)
GROUP BY page ORDER BY page"""
_LISTED = "SELECT order_id FROM shaped_listed WHERE source = ? AND page = ?"
_GATHERED = """
SELECT source, page, count(*) AS gathered FROM (
    SELECT source, page FROM shaped_order UNION ALL SELECT source, page FROM shaped_reject)
GROUP BY source, page"""
_COUNTED = f"SELECT source, page, {', '.join(COUNTS)} FROM orderpull_page"


@dataclass(eq=False)
class _BucketLoader(Loader):
    """Loads without rollups, which are made once at the end."""

    def _plan_delta(self, batch: Batch, plan: MergePlan) -> Delta:
        if plan.writes or plan.deletes:
            self._stage_old_rows(batch, plan)
        return Delta()


@dataclass
class Bucket:
    """The warehouse of one bucket of *job*."""

    job: Job

    def __post_init__(self) -> None:
        zone = ZoneInfo(self.job.zone)
        original = DuckdbDestination(Path("bucket"), 0, zone, self.job.limits)
        self._shadow = ShadowDestination(original, [], empty=True)
        self._shadow.preflight()
        self.connection = self._shadow.stage.connection
        self._session = DuckdbSession(self.connection, "the bucket")
        self._loader = _BucketLoader(self._session, self.connection, self.job.limits, zone)
        self._vanished: list[tuple[str, int, int, int]] = []
        self._pages: list[slices.Slice] = []

    def close(self) -> None:
        """Free its memory."""
        self._shadow.close()

    def load(self, incoming: Iterable[slices.Slice]) -> None:
        """Load the slices of the bucket, source by source and page by page."""
        self._pages = [each for each in gather(self.connection, incoming) if each[1] == "page"]
        first = True
        for name in self.job.sources:
            pages = self.connection.execute(_PAGES, [name]).fetchall()
            if not pages:
                continue
            source, landing = self.job.source(name), self.job.landing_of(name)
            normalizer = ShapedNormalizer(self.connection, source, landing, first=first)
            self._load_source(source, landing, normalizer, pages)
            first = False

    def tables(self) -> Iterator[tuple[str, str]]:
        """Name and query of each table of results."""
        at = f"TIMESTAMP '{self.job.at:%Y-%m-%d %H:%M:%S.%f}'"
        times = {ORDER_HEADER: "loaded_at", LEDGER_REJECT: "rejected_at"}
        for table in (ORDER_ADDRESS, ORDER_ITEM, ORDER_HEADER, LEDGER_REJECT):
            replaced = f" REPLACE ({at} AS {times[table]})" if table in times else ""
            query = f"SELECT *{replaced} FROM (SELECT {quoted(table.names)} FROM {table.name})"
            yield table.name, query
        yield "page_counts", _COUNTED
        yield "page_rows", _GATHERED
        lines, orders = (
            f"({rows}) AS every" for rows in all_rows(self._session.execute, self._loader.zone)
        )
        yield "delta_sku", sums(lines, SKU_KEY, LINE_NUMBERS, ", large")
        yield "delta_day", sums(orders, DAY_KEY, DAY_NUMBERS, ", large")
        yield "delta_title", titles.recounted("", "")
        if self._vanished:
            self.connection.execute(
                """CREATE OR REPLACE TEMP TABLE vanished_count
                   (source VARCHAR, page BIGINT, vanished BIGINT, stored BIGINT)"""
            )
            self.connection.executemany(
                "INSERT INTO vanished_count VALUES (?, ?, ?, ?)", self._vanished
            )
            yield "vanished", "FROM vanished_count"
        for number, (_, _, _, data) in enumerate(self._pages):
            self.connection.register(f"page_slice_{number}", slices.decode(data))
        if self._pages:
            every = (f"FROM page_slice_{number}" for number in range(len(self._pages)))
            yield "page", " UNION ALL ".join(every)

    def _load_source(
        self,
        source: Source,
        landing: SourceLanding,
        normalizer: ShapedNormalizer,
        pages: Sequence[tuple[int, int, bool]],
    ) -> None:
        settings = source.settings
        masking = Masking.of(self.connection, source.api, landing, settings.keep_names)
        portion = Portion(
            source, landing, [], SourceState(), RunRecord(source.name, "replay", self.job.at),
            accept_rejects=True, masking=masking if masking.is_needed else None,
        )  # fmt: skip
        for numbers, listing in _batches(pages):
            staged = [_page(source, landing, number) for number in numbers]
            portion = replace(portion, pages=staged)
            loader = BatchLoader(self._loader, normalizer)
            if listing:
                loader.staged = partial(self._stage_vanished, source.name, numbers[0])
            loader.load([portion], counted=True)

    def _stage_vanished(self, source: str, page: int) -> None:
        """Stage as deleted the bucket's orders that the listing in *page* lacks."""
        listed = [row[0] for row in self.connection.execute(_LISTED, [source, page]).fetchall()]
        counts = self._loader.stage_vanished(source, page, listed, partial=False)
        self._vanished.append((source, page, *counts))


def _page(source: Source, landing: SourceLanding, number: int) -> StagedPage:
    """The page *number*, of which the bucket needs the number alone."""
    meta = PageMeta(source.name, number, "whole", 0, "", "", "", 0)
    return staged_page(source, landing, meta)


def _batches(pages: Iterable[tuple[int, int, bool]]) -> Iterator[tuple[list[int], bool]]:
    """The pages in bounded batches; a list of all orders is a batch of its own."""
    batch: list[int] = []
    orders = 0
    for page, rows, listing in pages:
        if batch and (listing or orders + rows > BATCH_ORDERS):
            yield batch, False
            batch, orders = [], 0
        if listing:
            yield [page], True
            continue
        batch.append(page)
        orders += rows
    if batch:
        yield batch, False
