"""The snapshot that readers of a DuckDB warehouse open: a byte copy, renamed into place atomically.

A reader of the warehouse itself, even a read-only one, would lock every loader out. The snapshot's
name never changes, so any tool can open it. A reader that has it open keeps the file it opened.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from orderpull.engine import duckdb
from orderpull.errors import DestinationError
from orderpull.failpoints import failpoint
from orderpull.landing.files import sync
from orderpull.sqltext import literal

WITHIN_RUN_SECONDS = 60.0
FRESHNESS_BYTES_PER_SECOND = 1_000_000
"""Limit on copying if the snapshot lacks just the time of the last request, no order, no failure.
A small snapshot is renewed at each run, a snapshot of 500 MB about every nine minutes."""

_CHUNK = 16 << 20
_LAST_RUN = """SELECT run, max(batches), max(finished_at) FROM {0}.orderpull_run
               GROUP BY run ORDER BY run DESC LIMIT 1"""
_PROGRESS = """SELECT coalesce(sum(batches), 0), count(error), coalesce(sum(possible_loss), 0)
           FROM {0}.orderpull_run"""


class Snapshot:
    """The snapshot of the warehouse at *warehouse*."""

    def __init__(self, warehouse: Path) -> None:
        self.warehouse = warehouse
        self.path = warehouse.with_suffix(".snapshot.duckdb")

    def due(self, *, finished: bool) -> bool:
        """True if a new snapshot may be made now; within a run at most once a minute."""
        return self.warehouse.exists() and (finished or self._age() >= WITHIN_RUN_SECONDS)

    def make(
        self,
        connection: duckdb.DuckDBPyConnection,
        after_detaching: ExitStack,
        *,
        always: bool = False,
    ) -> None:
        """Copy the warehouse, if the snapshot is behind, or *always*.

        :param connection: has the warehouse attached as ``warehouse``; its lock keeps every other
            writer out while the bytes are copied.
        :param after_detaching: closes the copied file. Closing any descriptor of a file gives up
            all of the process's locks on it (POSIX), DuckDB's among them.
        :raises DestinationError: the copy cannot be written; the old snapshot stays.
        """
        if not (always or self._behind(connection)):
            return
        failpoint("before-snapshot")
        connection.execute("CHECKPOINT warehouse")
        try:
            source = os.open(self.warehouse, os.O_RDONLY)
            after_detaching.callback(os.close, source)
            self._copy(source)
        except OSError as error:
            raise DestinationError(
                f"The snapshot {self.path} cannot be written: {error.strerror or error}.",
                "Make room or mend the folder's rights, then run again; the orders are loaded.",
            ) from error

    def _copy(self, source: int) -> None:
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _copy_bytes(source, target)
            os.fsync(target)
        finally:
            os.close(target)
        failpoint("snapshot-copied")
        temporary.replace(self.path)
        sync(self.path.parent)
        failpoint("snapshot-placed")

    def _behind(self, connection: duckdb.DuckDBPyConnection) -> bool:
        if not self.path.exists():
            return True
        try:
            connection.execute(f"ATTACH {literal(str(self.path))} AS snapshot (READ_ONLY)")
        except duckdb.Error:
            return True
        try:
            if _differ(connection, _PROGRESS):
                return True
            interval = self.path.stat().st_size / FRESHNESS_BYTES_PER_SECOND
            return _differ(connection, _LAST_RUN) and self._age() >= interval
        except duckdb.Error:
            return True
        finally:
            connection.execute("DETACH snapshot")

    def _age(self) -> float:
        try:
            return time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return float("inf")


def _differ(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    rows = [
        connection.execute(query.format(database)).fetchone()
        for database in ("warehouse", "snapshot")
    ]
    return rows[0] != rows[1]


def _copy_bytes(source: int, target: int) -> None:
    """Copy a whole file, within the file system where it can (copy_file_range)."""
    size = os.fstat(source).st_size
    done = 0
    in_kernel = hasattr(os, "copy_file_range")
    while done < size:
        length = min(_CHUNK, size - done)
        if in_kernel:
            try:
                done += os.copy_file_range(source, target, length, done, done)
            except OSError:
                in_kernel = False
        else:
            done += os.pwrite(target, os.pread(source, length, done), done)
