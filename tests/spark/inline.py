"""A cluster without Spark: the same functions on the same slices, in this process."""

import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from orderpull.spark import numbers, replay, slices
from orderpull.spark.cluster import Cluster
from orderpull.spark.job import Job, Task
from orderpull.spark.shape import shape
from orderpull.spark.sink import BucketWriter

if TYPE_CHECKING:
    from pyspark.sql.datasource import WriterCommitMessage


class Inline(Cluster):
    """Executes as a cluster of three cores would, without Java."""

    @contextmanager
    def session(self) -> Iterator[Any]:
        yield SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=3))


def run_inline(spark: Any, job: Job, tasks: Iterable[Task]) -> None:
    """What ``cluster.run`` does, with every task tried twice, as after a kill."""
    job = pickle.loads(pickle.dumps(job))
    made: list[slices.Slice] = []
    for task in tasks:
        row = {"source": task.source, "pages": list(task.pages)}
        batch = pa.RecordBatch.from_pylist([row])
        list(shape(job, [batch]))
        made += slices.from_batches(shape(job, [batch]))
    links = [each for each in made if each[1] == "link"]
    orders = [each for each in made if each[1] != "link"]
    found = [
        data
        for _, mine in _by_bucket(links, job.buckets)
        for _, _, _, data in slices.from_batches(numbers.shared(slices.to_batches(mine)))
    ]
    if moved := numbers.moves(found, job.buckets):
        orders = list(slices.from_batches(numbers.move(moved, slices.to_batches(orders))))
    writer = BucketWriter(job)
    messages: list[WriterCommitMessage | None] = []
    for _, mine in _by_bucket(orders, job.buckets):
        writer.write(slices.to_batches(mine))
        messages.append(writer.write(slices.to_batches(mine)))
    writer.commit(messages)


def _by_bucket(made: list[slices.Slice], buckets: int) -> Iterator[tuple[int, list[slices.Slice]]]:
    for bucket in range(buckets):
        yield bucket, [each for each in made if each[0] == bucket]


def use_inline(monkeypatch: pytest.MonkeyPatch) -> Inline:
    """Let replays run in this process."""
    monkeypatch.setattr(replay, "run", run_inline)
    return Inline()
