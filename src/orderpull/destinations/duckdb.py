"""DuckDB, embedded: the default warehouse, one file beside ``orderpull.toml``.

The file's lock is held only while something is loaded. Readers never open it: they open the
snapshot (``snapshot.py``), so nobody waits for anybody.
"""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.merge.changes import (
    DELETES,
    insert_queries,
    ordered_between,
    stage_changes,
)
from orderpull.destinations.merge.merge import STORED_COLUMNS, plan_merge
from orderpull.destinations.merge.rollups import RollupWriter
from orderpull.destinations.merge.stored import NOT_DELETED, FetchStored, stage_vanished
from orderpull.destinations.migrations import migrate, pending
from orderpull.destinations.protocol import (
    MEMORY_LIMIT,
    Batch,
    Loader,
    MergePlan,
    QueryResult,
    Reader,
    Reject,
    RunRecord,
    SourceState,
)
from orderpull.destinations.snapshot import Snapshot
from orderpull.destinations.user_query import run_user_query, to_result
from orderpull.errors import (
    DestinationBusy,
    DestinationError,
    DestinationForeign,
)
from orderpull.failpoints import failpoint
from orderpull.model import DATA_TABLES, ORDER_ADDRESS, ORDER_ITEM, Column, Table
from orderpull.sqltext import literal

if TYPE_CHECKING:
    import sqlalchemy as sa

STORAGE_VERSION = "v1.4.0"
"""Files that DuckDB 1.4 and the tools built on it can open too."""

READING_MEMORY = "1GB"
"""What a reader takes at most. The answers of ten million orders, asked of the orders themselves,
fit in half of it only by writing to the disk meanwhile (measured)."""

# Two lookups instead of one with OR: each skips the blocks that hold none of what it looks for.
_STORED = f"""
CREATE OR REPLACE TEMP TABLE stored_order AS
SELECT {STORED_COLUMNS} FROM order_header
WHERE source = ? AND order_id IN (SELECT order_id FROM staged_order)
UNION
SELECT {STORED_COLUMNS} FROM order_header
WHERE source = ? AND ordernumber IN (SELECT ordernumber FROM staged_order)"""

_RETRY_SECONDS = 0.05
_STAGE: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": False,
    "memory_limit": MEMORY_LIMIT,
}


class DuckdbDestination:
    """A DuckDB file.

    :param path: the file.
    :param lock_wait: seconds to wait while another process holds it.
    :param zone: whose days the summaries have.
    """

    def __init__(self, path: Path, lock_wait: float, zone: ZoneInfo) -> None:
        self.path = path
        self.zone = zone
        self.lock_wait = lock_wait
        self.snapshot = Snapshot(path)

    def __str__(self) -> str:
        return str(self.path)

    def identity(self) -> str:
        """The file, links followed; a warehouse and its snapshot are one place."""
        path = self.path.resolve()
        return str(path.with_name(path.name.replace(".snapshot.duckdb", ".duckdb")))

    def preflight(self) -> None:
        """Open the file for writing, and create or migrate its tables."""
        with self._attached() as connection:
            self._ensure_schema(connection)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Hold the file for writing."""
        with self._attached() as connection:
            self._ensure_schema(connection)
            loader = DuckdbLoader(connection, self.zone)
            loader.ensure_rollups()
            yield loader

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Open the snapshot."""
        if not self.snapshot.path.exists():
            raise DestinationError(
                f"There is nothing to read yet: {self.snapshot.path} does not exist.",
                "Run `orderpull run` first.",
            )
        try:
            connection = duckdb.connect(str(self.snapshot.path), read_only=True)
        except duckdb.Error as error:
            raise DestinationError(f"{self.snapshot.path} cannot be read: {error}.") from None
        try:
            connection.execute(f"SET memory_limit = '{READING_MEMORY}'")
            connection.execute("SET TimeZone = 'UTC'")
            # It would be written among the rows: Python without a script counts as interactive.
            connection.execute("SET enable_progress_bar = false")
            yield DuckdbReader(connection, self.snapshot.path)
        finally:
            connection.close()

    def version(self) -> Hashable:
        """The snapshot's own identity: a new one is another file."""
        try:
            found = self.snapshot.path.stat()
        except OSError:
            return ()
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def publish(self, *, finished: bool) -> None:
        """Copy the file to the snapshot, if that is behind."""
        if not self.snapshot.due(finished=finished):
            return
        self.snapshot.make(self._attached)

    @contextmanager
    def _attached(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that stages in memory, with the file attached as ``warehouse``."""
        connection = duckdb.connect(":memory:", config=_STAGE)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            self._attach(connection)
            yield connection
        finally:
            connection.close()

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._refuse_special()
        options = "TYPE duckdb"
        if not self.path.exists():
            options += f", STORAGE_VERSION '{STORAGE_VERSION}'"
        attach = f"ATTACH {literal(str(self.path))} AS warehouse ({options})"
        deadline = time.monotonic() + self.lock_wait
        while True:
            try:
                connection.execute(attach)
            except duckdb.Error as error:
                if "lock" not in str(error) or time.monotonic() >= deadline:
                    raise self._told(error) from None
            else:
                connection.execute("USE warehouse")
                return
            time.sleep(_RETRY_SECONDS)

    def _refuse_special(self) -> None:
        if self.path.is_dir():
            raise DestinationForeign(
                f"{self.path} is a folder, not a DuckDB file.", "Name a file in destination.url."
            )
        if not self.path.parent.is_dir():
            raise DestinationError(
                f"The folder {self.path.parent} of the warehouse does not exist.",
                "Make it, or change destination.url.",
            )

    def _told(self, error: duckdb.Error) -> DestinationError:
        text = str(error)
        if "lock" in text:
            holder = text.partition("held in ")[2].partition(". ")[0] or "another process"
            return DestinationBusy(
                f"{self.path} is locked by {holder}, and was not let go within "
                f"{self.lock_wait:g} s.",
                "Close that program, or let it open the snapshot instead: "
                f"{self.snapshot.path.name}.",
            )
        if "not a valid DuckDB" in text or "version number" in text or "Serialization" in text:
            return DestinationForeign(
                f"{self.path} is not a DuckDB file that this orderpull can open.",
                "Choose another file in destination.url; this one was not touched.",
            )
        return DestinationError(
            f"{self.path} cannot be opened: {text.splitlines()[0].rstrip('.')}.",
            "Check destination.url and the file's rights.",
        )

    def _ensure_schema(self, connection: duckdb.DuckDBPyConnection) -> None:
        def execute(statement: str, values: Sequence[Any]) -> ledger.Rows:
            return connection.execute(statement, values).fetchall()

        names = execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'warehouse'", []
        )
        statements = pending(execute, [name for (name,) in names], "duckdb", str(self.path))
        if statements:
            with _transaction(connection):
                migrate(execute, statements)


class DuckdbReader:
    """A snapshot, open for reading."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.connection = connection
        self.path = path

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """The rows that *query* answers."""
        from orderpull.destinations.schema import compiled

        try:
            found = self.connection.execute(*compiled(query, "duckdb"))
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except duckdb.Error as error:
            raise _not_to_result(self.path, error) from error

    def query(self, query: "sa.Select[Any] | str") -> QueryResult:
        """What *query* finds; a person's own reads this file and nothing else."""
        if isinstance(query, str):
            return run_user_query(self.connection, query)
        from orderpull.destinations.schema import with_literals

        return to_result(self.connection.execute(with_literals(query, "duckdb")))

    @contextmanager
    def in_duckdb(
        self, query: "sa.Select[Any]", types: Mapping[str, str]
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """The same query, its columns cast to *types*."""
        from orderpull.destinations.schema import with_literals

        columns = ", ".join(f"{name}::{type_} AS {name}" for name, type_ in types.items())
        yield self.connection, f"SELECT {columns} FROM ({with_literals(query, 'duckdb')})"


class DuckdbLoader:
    """The file, held for writing; the stage is the same connection's temporary tables."""

    limits: Mapping[str, int] = MappingProxyType({})

    def __init__(self, connection: duckdb.DuckDBPyConnection, zone: ZoneInfo) -> None:
        self.stage = connection
        self.rollups = RollupWriter(self._execute, zone)

    def ensure_rollups(self) -> None:
        """Make the rollups anew, if they are not there or have another zone's days."""
        if not self.rollups.is_current():
            with _transaction(self.stage):
                self.rollups.rebuild()

    def state(self, source: str) -> SourceState:
        """What the ledger knows of *source*."""
        return ledger.read_state(self._execute, source)

    def plan_merge(self, batch: Batch) -> MergePlan:
        """Compare the staged tables with what is stored."""

        def stage_stored() -> None:
            self.stage.execute(_STORED, [batch.source, batch.source])

        return plan_merge(self.stage, batch, stage_stored, self._fetching(batch.source))

    def stage_vanished(
        self, source: str, page: int, listed: Sequence[str], *, partial: bool
    ) -> tuple[int, int]:
        """Stage the stored orders of *source* that are not *listed*, as deleted."""
        self.stage.execute(f"CREATE OR REPLACE TEMP TABLE stored_id AS {NOT_DELETED}", [source])
        return stage_vanished(self.stage, self._fetching(source), page, listed, partial=partial)

    def _fetching(self, source: str) -> FetchStored:
        def fetch(name: str, keys: str, statement: str, columns: Sequence[Column]) -> None:  # noqa: ARG001
            self.stage.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}", [source])

        return fetch

    def apply(self, batch: Batch, plan: MergePlan) -> None:
        """Write everything of *batch*: one transaction."""
        self.stage.execute(
            f"""CREATE OR REPLACE TEMP TABLE stored_reject AS
                SELECT {ledger.REJECT_COLUMNS} FROM orderpull_reject WHERE source = ?""",
            [batch.source],
        )
        stage_changes(self.stage, batch, plan)
        at = clock.now()
        record = batch.record
        record.run = record.run or ledger.next_run(self._execute)
        record.batches += 1
        rows = {
            table: self._staged(f"new_{table.name}", query)
            for table, query in insert_queries(batch.source, record.run, at, self.limits).items()
        }
        with _transaction(self.stage):
            failpoint("load-begun")
            self._summarise(batch.source, rows)
            failpoint("summarised")
            self._delete(batch.source)
            failpoint("rows-deleted")
            for table in rows:
                self.stage.execute(f"INSERT INTO {table.name} FROM new_{table.name}")
            failpoint("rows-inserted")
            self._assert_unique(batch.source)
            ledger.write_state(self._execute, batch.source, batch.state, at)
            ledger.write_run(self._execute, record)
            failpoint("ledger-written")

    def record(self, record: RunRecord, state: SourceState) -> None:
        """Write a run's row and a source's state."""
        record.run = record.run or ledger.next_run(self._execute)
        with _transaction(self.stage):
            ledger.write_run(self._execute, record)
            ledger.write_state(self._execute, record.source, state, clock.now())

    def rejects(self, source: str | None = None, reason: str | None = None) -> list[Reject]:
        """The open rejects."""
        return ledger.read_rejects(self._execute, source, reason)

    def _execute(self, statement: str, values: Sequence[Any]) -> ledger.Rows:
        return self.stage.execute(statement, values).fetchall()

    def _staged(self, name: str, query: str) -> int:
        """Make the temporary table *name* of what *query* finds; how many rows."""
        self.stage.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
        return self._count(name)

    def _summarise(self, source: str, rows: Mapping[Table, int]) -> None:
        self.rollups.apply_delta(
            source,
            ordered_between(self.stage),
            new_orders=rows[ORDER_ADDRESS] > 0,
            new_items=rows[ORDER_ITEM] > 0,
            deletes=self._count("to_delete") > 0,
        )

    def _delete(self, source: str) -> None:
        for delete in DELETES:
            if self._count(delete.keys):
                self.stage.execute(
                    f"DELETE FROM {delete.table.name} AS t USING {delete.keys} AS k "
                    f"WHERE t.source = ? AND t.{delete.column} = k.{delete.column}",
                    [source],
                )

    def _assert_unique(self, source: str) -> None:
        """Fail, and so roll back, if a key that was written stands twice."""
        for table in DATA_TABLES:
            key = ", ".join(name for name in table.key if name != "source")
            twice = self.stage.execute(
                f"""SELECT count(*) FROM (
                        SELECT 1 FROM {table.name} WHERE source = ? AND ordernumber IN (
                            SELECT ordernumber FROM to_write UNION SELECT ordernumber FROM to_touch)
                        GROUP BY {key} HAVING count(*) > 1)""",
                [source],
            ).fetchone()
            if twice and twice[0]:
                raise DestinationError(
                    f"{table.name} would hold {twice[0]} orders of {source!r} twice; "
                    "nothing was loaded.",
                    "Something else wrote to the warehouse; run `orderpull replay` into a new one.",
                )

    def _count(self, table: str) -> int:
        row = self.stage.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
        failpoint("before-commit")
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        if isinstance(error, duckdb.Error):
            raise _write_failed(error) from error
        raise
    failpoint("committed")


def _not_to_result(path: Path, error: duckdb.Error) -> DestinationError:
    text = str(error).splitlines()[0].rstrip(".")
    hint = (
        "Ask for a shorter time."
        if isinstance(error, duckdb.OutOfMemoryException)
        else ("If it stays so, delete that file: the next `orderpull run` makes it anew.")
    )
    return DestinationError(f"{path} does not answer: {text}.", hint)


def _write_failed(error: duckdb.Error) -> DestinationError:
    text = str(error).splitlines()[0]
    hint = "Make room on the disk." if "space" in text.lower() else "Run again."
    return DestinationError(
        f"The warehouse could not be written: {text.rstrip('.')}.",
        f"Nothing of this batch was loaded; its pages wait. {hint}",
    )
