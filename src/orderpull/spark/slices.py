"""Slices: rows of one task for one bucket, as one value of Spark's shuffle.

Spark moves a slice as one binary value, Arrow's stream format compressed with zstd. So the types
stay as they are, and the JVM copies no row one by one.
"""

from collections.abc import Iterable, Iterator, Sequence

import duckdb as _whole  # noqa: F401 - which gives connections their methods for Arrow
import numpy as np
import pyarrow as pa

from orderpull.engine import duckdb
from orderpull.normalize.staging import EXCLUDED, STAGED_ORDER, STAGED_REJECT

SCHEMA = pa.schema(
    [("bucket", pa.int32()), ("kind", pa.string()), ("source", pa.string()), ("data", pa.binary())]
)
"""The columns of a slice in Spark."""

SPARK_SCHEMA = "bucket int, kind string, source string, data binary"

ORDER_NODE = "coalesce(order_id, ordernumber)"
REJECT_NODE = "coalesce(order_id, ordernumber, raw)"

KINDS = {
    "order": (STAGED_ORDER, ORDER_NODE),
    "reject": (STAGED_REJECT, REJECT_NODE),
    "excluded": (EXCLUDED, "order_id"),
}
"""The kinds of slices that go into buckets: columns, and what an order is known by."""

STAGED = {"order": "staged_order", "reject": "staged_reject", "excluded": "excluded"}
"""The stage's table of each of these kinds."""

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")

Slice = tuple[int, str, str, bytes]
"""Bucket, kind, source, data."""


def bucket_of(node: str, buckets: int) -> str:
    """SQL of the column ``bucket``: that of what is known by *node* in a source."""
    place = f"md5_number_lower(source || chr(0) || coalesce({node}, '')) % {buckets}"
    return f"CAST({place} AS INTEGER) AS bucket"


def encode(table: pa.Table) -> bytes:
    """*table* as the data of a slice."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def decode(data: bytes) -> pa.Table:
    """The rows of a slice's *data*."""
    return pa.ipc.open_stream(data).read_all()


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """The rows of *query*."""
    connection.execute("SELECT 1").fetchall()  # ends what an earlier fetchone() left open
    return connection.sql(query).to_arrow_table()


def cut(
    connection: duckdb.DuckDBPyConnection, kind: str, source: str, query: str
) -> Iterator[Slice]:
    """The slices of the rows of *query*, by its column ``bucket``."""
    table = rows(connection, f"FROM ({query}) ORDER BY bucket")
    numbers, start = table["bucket"].to_numpy(), 0
    ends = [*(np.flatnonzero(np.diff(numbers)) + 1), len(table)] if len(table) else []
    table = table.drop_columns(["bucket"])
    for end in map(int, ends):
        yield int(numbers[start]), kind, source, encode(table.slice(start, end - start))
        start = end


def to_batches(slices: Iterable[Slice], size: int = 16 << 20) -> Iterator[pa.RecordBatch]:
    """*slices* as Arrow batches for Spark, of about *size* bytes each."""
    waiting: list[Slice] = []
    held = 0
    for each in slices:
        waiting.append(each)
        held += len(each[3])
        if held >= size:
            yield _batch(waiting)
            waiting, held = [], 0
    if waiting:
        yield _batch(waiting)


def from_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[Slice]:
    """The slices in Spark's *batches*."""
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in SCHEMA.names)
        yield from zip(*columns, strict=True)


def _batch(slices: Sequence[Slice]) -> pa.RecordBatch:
    columns = zip(*slices, strict=True)
    arrays = [pa.array(values, f.type) for values, f in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
