"""Bring orders that share a number into one bucket, where one of them gets it.

A bucket is chosen by an order's id, and which order owns a number is decided among all that ever
had it. Such orders are few. They are found on the executors and moved at the driver's word.
"""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa

from orderpull.engine import duckdb
from orderpull.spark import slices
from orderpull.spark.failures import carried

_SHARED = """
SELECT source, list(DISTINCT node) AS nodes FROM link
GROUP BY source, ordernumber HAVING count(DISTINCT node) > 1"""
_TOUCHED = "SELECT 1 FROM incoming AS s SEMI JOIN moved AS m ON {same} LIMIT 1"
_REST = "FROM incoming AS s ANTI JOIN moved AS m ON {same}"
_MOVED = "SELECT s.*, m.bucket FROM incoming AS s JOIN moved AS m ON {same}"

Moves = Mapping[tuple[str, str], int]
"""The bucket of an order, by source and node, that goes elsewhere than its hash says."""


def shared(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the orders that share a number, from all links in Spark's *batches*."""
    with carried(), duckdb.connect() as connection:
        connection.execute("CREATE TABLE link (source VARCHAR, ordernumber VARCHAR, node VARCHAR)")
        for _, _, _, data in slices.from_batches(batches):
            connection.register("incoming", slices.decode(data))
            connection.execute("INSERT INTO link FROM incoming")
            connection.unregister("incoming")
        table = slices.rows(connection, _SHARED)
        if len(table):
            yield from slices.to_batches([(0, "shared", "", slices.encode(table))])


def moves(links: Iterable[bytes], buckets: int) -> Moves:
    """The new buckets of the orders in *links*: all that are linked go to that of the first."""
    first: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while (above := first.setdefault(node, node)) != node:
            first[node] = first[above]
            node = above
        return node

    for data in links:
        for row in slices.decode(data).to_pylist():
            nodes = [(row["source"], node) for node in row["nodes"]]
            for node in nodes[1:]:
                ends = sorted((root(nodes[0]), root(node)))
                first[ends[1]] = ends[0]
    with duckdb.connect() as connection:
        roots = {root(node) for node in list(first)}
        connection.register(
            "linked",
            pa.table({"source": pa.array([s for s, _ in roots], pa.string()),
                      "node": pa.array([n for _, n in roots], pa.string())}),
        )  # fmt: skip
        place = slices.bucket_of("node", buckets)
        rows = connection.execute(f"SELECT source, node, {place} FROM linked").fetchall()
    bucket = {(source, node): number for source, node, number in rows}
    return {node: bucket[root(node)] for node in list(first)}


def move(moved: Moves, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut the slices in Spark's *batches* anew, if they hold orders that go elsewhere."""
    with carried(), duckdb.connect() as connection:
        keys = list(moved)
        table = pa.table({"source": pa.array([s for s, _ in keys], pa.string()),
                          "node": pa.array([n for _, n in keys], pa.string()),
                          "bucket": pa.array(list(moved.values()), pa.int32())})  # fmt: skip
        connection.register("moves", table)
        connection.execute("CREATE TABLE moved AS FROM moves")
        yield from slices.to_batches(_moved(connection, slices.from_batches(batches)))


def _moved(
    connection: duckdb.DuckDBPyConnection, incoming: Iterable[slices.Slice]
) -> Iterator[slices.Slice]:
    nodes = {kind: node for kind, (_, node) in slices.KINDS.items()} | {"listed": "order_id"}
    for bucket, kind, source, data in incoming:
        if kind not in nodes:
            yield bucket, kind, source, data
            continue
        same = f"m.source = s.source AND m.node = {nodes[kind]}"
        connection.register("incoming", slices.decode(data))
        if not connection.execute(_TOUCHED.format(same=same)).fetchall():
            yield bucket, kind, source, data
        else:
            rest = slices.rows(connection, _REST.format(same=same))
            yield bucket, kind, source, slices.encode(rest)
            yield from slices.cut(connection, kind, source, _MOVED.format(same=same))
        connection.unregister("incoming")
