"""Shape pages on an executor: the statement of one machine, its orders cut into slices."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from orderpull.destinations.stage import Stage, more_memory, ran_out_of_memory
from orderpull.engine import duckdb
from orderpull.errors import ClusterError
from orderpull.landing.forgotten import key_of
from orderpull.landing.page import PageMeta
from orderpull.loading.pages import BATCH_ORDERS
from orderpull.normalize.normalizer import Normalizer, Normalizers, StagedPage
from orderpull.sources.pull import Source
from orderpull.sources.reconcile import IdExtractor
from orderpull.sources.spec.times import parse_time
from orderpull.spark import slices
from orderpull.spark.failures import carried
from orderpull.spark.job import Job
from orderpull.sqltext import literal

BATCH_BYTES = 64 << 20
"""Bytes of pages that a task shapes at a time; an executor may run several tasks."""

LINKS = f"""
SELECT DISTINCT source, ordernumber, {slices.ORDER_NODE} AS node FROM staged_order
UNION
SELECT source, ordernumber, {slices.REJECT_NODE} FROM staged_reject WHERE ordernumber IS NOT NULL"""
"""The numbers that orders have. Orders that share one have to meet in one bucket."""

_MADE = """
SELECT page, count(*) FROM (SELECT page FROM staged_order UNION ALL SELECT page FROM staged_reject)
GROUP BY page"""


@dataclass
class Shaper:
    """Shapes the pages of one job in this process; it is kept between tasks."""

    job: Job

    def __post_init__(self) -> None:
        self.stage = Stage()
        self.normalizers = Normalizers(self.stage.connection)
        self.sources: dict[str, Source] = {}

    def shape(self, name: str, numbers: Iterable[int]) -> Iterator[slices.Slice]:
        """Shape the pages *numbers* of source *name*."""
        if name not in self.sources:
            self.sources[name] = self.job.source(name)
        source, landing = self.sources[name], self.job.landing_of(name)
        normalizer = self.normalizers.of(source.api, source.settings.ordernumber)
        batch: list[StagedPage] = []
        size = orders = 0
        for number in numbers:
            meta, body = landing.read(number)
            if meta.kind == "listing":
                yield from self._listed(source, meta, body)
                body = b""
            batch.append(
                StagedPage(
                    meta,
                    partial(bytes, body),
                    source=name,
                    index=source.index,
                    key=partial(key_of, landing),
                )
            )
            size, orders = size + len(body), orders + meta.orders
            if size >= BATCH_BYTES or orders >= BATCH_ORDERS:
                yield from self._batch(source, normalizer, batch)
                batch, size, orders = [], 0, 0
        if batch:
            yield from self._batch(source, normalizer, batch)

    def _batch(
        self, source: Source, normalizer: Normalizer, pages: list[StagedPage]
    ) -> Iterator[slices.Slice]:
        connection, buckets = self.stage.connection, self.job.buckets
        try:
            self._normalize(normalizer, pages)
        except duckdb.Error as error:
            if not ran_out_of_memory(error):
                raise
            with more_memory(connection):
                self._normalize(normalizer, pages)
        for kind, (_, node) in slices.KINDS.items():
            query = f"SELECT *, {slices.bucket_of(node, buckets)} FROM {slices.STAGED[kind]}"
            yield from slices.cut(connection, kind, source.name, query)
        if source.api.mapping.id is not None:
            query = f"SELECT *, {slices.bucket_of('ordernumber', buckets)} FROM ({LINKS})"
            yield from slices.cut(connection, "link", source.name, query)
        place = pages[0].meta.page % buckets
        yield place, "page", source.name, slices.encode(self._described(pages))

    def _normalize(self, normalizer: Normalizer, pages: list[StagedPage]) -> None:
        normalizer.normalize(pages)
        normalizer.refuse_long(self.job.limits)
        normalizer.fill_raw(pages)

    def _described(self, pages: Iterable[StagedPage]) -> pa.Table:
        """The ledger's facts about *pages*, and the number of rows that were made of each."""
        made = dict(self.stage.connection.execute(_MADE).fetchall())
        metas = [page.meta for page in pages]
        return pa.table(
            {
                "source": pa.array([m.source for m in metas], pa.string()),
                "page": pa.array([m.page for m in metas], pa.int64()),
                "received_at": pa.array(
                    [parse_time(m.received_at) for m in metas], pa.timestamp("us")
                ),
                "sha256": pa.array([m.sha256 for m in metas], pa.string()),
                "bytes": pa.array([m.size for m in metas], pa.int64()),
                "state": pa.array([m.state for m in metas], pa.string()),
                "possible_loss": pa.array([m.possible_loss for m in metas], pa.bool_()),
                "cursor_after": pa.array([m.cursor_after for m in metas], pa.string()),
                "made": pa.array([made.get(m.page, 0) for m in metas], pa.int64()),
            }
        )

    def _listed(self, source: Source, meta: PageMeta, body: bytes) -> Iterator[slices.Slice]:
        """The ids of a list of all orders, for each bucket those that belong there.

        :raises ClusterError: the list may leave old orders out, and no bucket sees the oldest.
        """
        if source.api.reconcile is not None and source.api.reconcile.partial:
            raise ClusterError(
                f"Page {meta.page} of source {source.name!r} lists a part of all orders "
                "([reconcile] partial), which Spark's executors cannot compare one by one.",
                "Use `orderpull replay --into` on one machine for this source.",
            )
        connection, buckets = self.stage.connection, self.job.buckets
        there = pa.table({"source": [source.name], "page": [meta.page]})
        for bucket in range(buckets):
            yield bucket, "listing", source.name, slices.encode(there)
        ids = [order_id for order_id, _ in IdExtractor(source.api).listed(meta, body)]
        connection.register("listed_ids", pa.table({"order_id": pa.array(ids, pa.string())}))
        query = f"""SELECT *, {slices.bucket_of("order_id", buckets)} FROM (
            SELECT {literal(source.name)} AS source, {meta.page} AS page, order_id
            FROM listed_ids)"""
        yield from slices.cut(connection, "listed", source.name, query)
        connection.unregister("listed_ids")


_shapers: dict[Path, Shaper] = {}


def shape(job: Job, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Shape the pages of the tasks in Spark's *batches*; yield their slices."""
    with carried():
        if job.parts not in _shapers:
            for other in _shapers.values():
                other.stage.close()
            _shapers.clear()
            _shapers[job.parts] = Shaper(job)
        shaper = _shapers[job.parts]
        for batch in batches:
            for task in batch.to_pylist():
                yield from slices.to_batches(shaper.shape(task["source"], task["pages"]))
