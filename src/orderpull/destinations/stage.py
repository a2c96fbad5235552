"""The stage: a DuckDB in memory, in which a run shapes and merges its orders."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from orderpull.destinations.protocol import DUCKDB_TYPES, LARGE_MEMORY, MEMORY_LIMIT, STAGE_MEMORY
from orderpull.engine import duckdb
from orderpull.model import Column
from orderpull.scratch import ScratchFolder

# One thread loads for a tenth less CPU than two, and a fifth less memory (measured); another core
# pulls meanwhile. With 24 MB the commit of a full batch is a checkpoint, without a log before it.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": False,
    "memory_limit": STAGE_MEMORY,
    "threads": 1,
    "checkpoint_threshold": "24MB",
}


class Stage:
    """One connection, opened at first use and kept until :meth:`close`.

    Opening it takes 30 ms, and its macros and tables need not be made again for each load of a run.
    """

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._folder: ScratchFolder | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection, with times in UTC. What memory does not hold goes to a private folder."""
        if self._connection is None:
            self._folder = ScratchFolder()
            config = _CONFIG | {"temp_directory": str(self._folder.path)}
            self._connection = duckdb.connect(":memory:", config=config)
            self._connection.execute("SET TimeZone = 'UTC'")
        return self._connection

    def close(self) -> None:
        """Close the connection and free its memory."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None


def ran_out_of_memory(error: BaseException) -> bool:
    """True if *error*, or what it was raised from, is DuckDB's own limit of memory."""
    return isinstance(error.__cause__ or error, duckdb.OutOfMemoryException)


@contextmanager
def more_memory(stage: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Allow the stage :data:`MEMORY_LIMIT` within the context; begin it outside of a transaction.

    The rollups of ten million orders need more than a batch does (measured).
    """
    stage.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    yield
    with suppress(duckdb.Error):  # more is in use than the limit: it stays
        stage.execute(f"SET memory_limit = '{STAGE_MEMORY}'")


def execute_largely(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[object] = ()
) -> duckdb.DuckDBPyConnection:
    """Execute *statement*; with :data:`LARGE_MEMORY` from then on, if it needs more than it has."""
    try:
        return connection.execute(statement, values)
    except duckdb.OutOfMemoryException:
        connection.execute(f"SET memory_limit = '{LARGE_MEMORY}'")
        return connection.execute(statement, values)


def make_table(
    stage: duckdb.DuckDBPyConnection, name: str, query: str, values: Sequence[object] = ()
) -> int:
    """Make the temporary table *name* from *query*; count its rows."""
    row = stage.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}", values).fetchone()
    return int(row[0]) if row else 0


def stage_rows(
    stage: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
) -> int:
    """Make the temporary table *name* with *columns* and *rows*; count them."""
    lists = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in columns]
    unnested = ", ".join(f"unnest(?::{DUCKDB_TYPES[c.type]}[]) AS {c.name}" for c in columns)
    return make_table(stage, name, f"SELECT {unnested}", lists)


def count_rows(stage: duckdb.DuckDBPyConnection, table: str) -> int:
    """The number of rows in *table*."""
    row = stage.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0
