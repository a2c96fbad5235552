"""The snapshot of a DuckDB warehouse: there, whole, and not behind the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from orderpull.destinations.duckdb import DuckdbDestination
from orderpull.engine import duckdb
from orderpull.model import TABLES
from orderpull.operate.doctor.facts import PROGRESS
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import Installation
from orderpull.sqltext import literal, quoted

_HEADER_BYTES = 12_288
"""Bytes before the first block of a DuckDB file."""


def snapshot(at: Installation) -> Iterator[Finding]:
    """Compare the snapshot with the warehouse; a server does without one."""
    file = at.file
    if file is None or not file.path.exists():
        return
    path = file.snapshot.path
    yield from _rests(at, file)
    if not path.exists():
        if at.has_tables and at.facts.runs:
            what = "There is no snapshot: nothing can be read."
            yield problem(what, at.command("load"), at.shown(path))
        return
    again = f"rm {at.quoted(path)} && {at.command('load')}"
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    try:
        with _opened(path) as connection:
            if lost := _lost_bytes(connection, path):
                what = f"It is cut off: {lost:,} bytes are missing."
                yield problem(what, again, at.shown(path))
                return
            _read(connection, deep=at.deep)
            progress = connection.execute(PROGRESS).fetchone()
    except duckdb.CatalogException:  # the warehouse lacks the table, too, which is told there
        progress = None
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        yield problem(f"It cannot be read: {reason}.", again, at.shown(path))
        return
    behind = at.has_tables and at.busy is None and progress != at.facts.progress
    if behind and progress is not None:
        yield warning(
            f"It is of {at.time(made)} and behind the warehouse: readers see old orders.",
            at.command("load"),
            at.shown(path),
        )
    yield ok(f"{at.shown(path)}, of {at.time(made)}")


def _rests(at: Installation, file: DuckdbDestination) -> Iterator[Finding]:
    """Name a copy that a killed process left."""
    rest = file.snapshot.path.with_name(f".{file.snapshot.path.name}.tmp")
    if rest.exists() and at.busy is None:
        yield warning(
            "Rest of a snapshot that was being written; the next one replaces it.",
            f"rm {at.quoted(rest)}",
            at.shown(rest),
        )


def _lost_bytes(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Bytes that *path* is shorter than the blocks in use need."""
    ((size, blocks),) = connection.execute(
        "SELECT block_size, used_blocks FROM pragma_database_size() "
        "WHERE database_name = 'snapshot'"
    ).fetchall()
    for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        info = f"SELECT max(block_id) + 1 FROM pragma_storage_info({literal(table)})"
        blocks = max(blocks, *(last or 0 for (last,) in connection.execute(info).fetchall()))
    return max(0, _HEADER_BYTES + int(blocks) * int(size) - path.stat().st_size)


def _read(connection: duckdb.DuckDBPyConnection, *, deep: bool) -> None:
    """Count the rows of each table. :param deep: read every value.

    :raises duckdb.Error: a block cannot be read.
    """
    for table in TABLES:
        rows = "count(*)" if not deep else f"sum(hash({quoted(table.names)}))"
        connection.execute(f"SELECT {rows} FROM {table.name}").fetchall()


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH {literal(str(path))} AS snapshot (READ_ONLY)")
        connection.execute("USE snapshot")
        yield connection
