"""DuckDB, embedded: the default warehouse, one file beside ``orderpull.toml``.

The file is locked only while a load is going on. Readers open the snapshot (``snapshot.py``)
instead, so readers and loaders never wait for each other.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orderpull.destinations import ledger
from orderpull.destinations.copies import COPIES, make_copies
from orderpull.destinations.loader import Loader
from orderpull.destinations.older_snapshot import add_missing_columns
from orderpull.destinations.protocol import (
    COMPARING_MEMORY,
    LARGE_MEMORY,
    Destination,
    Kind,
    QueryResult,
    Reader,
)
from orderpull.destinations.rewrite import rewrite
from orderpull.destinations.session import ensure_schema, holds_tables, read_version
from orderpull.destinations.snapshot import Snapshot
from orderpull.destinations.stage import Stage, execute_largely, make_table
from orderpull.destinations.user_query import run_user_query, to_result
from orderpull.engine import duckdb
from orderpull.errors import (
    DestinationBusy,
    DestinationError,
    DestinationForeign,
    NothingToRead,
)
from orderpull.failpoints import failpoint
from orderpull.model import Column, Table
from orderpull.sqltext import literal, quoted

if TYPE_CHECKING:
    import sqlalchemy as sa

STORAGE_VERSION = "v1.4.0"
"""Files that DuckDB 1.4 and the tools built on it can open too."""

ROW_GROUP_SIZE = 24_576
"""Rows of a row group, a multiple of 2,048. DuckDB writes the full groups of a transaction to the
file at once. A batch fills none of the default size (122,880), and is written twice in part."""

_RETRY_SECONDS = 0.05


class DuckdbSession:
    """The file, attached to the stage for writing: stage and warehouse are one connection.

    :param connection: the stage, with the file attached as ``warehouse``.
    :param where: the file, as messages name it.
    """

    kind: Kind = "duckdb"
    enforces_keys = False
    is_stage = True
    row = "rowid"
    in_bytes = ""
    table_names = (
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'warehouse'"
    )
    column_names = (
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = 'warehouse' ORDER BY table_name, column_index"
    )

    def __init__(self, connection: duckdb.DuckDBPyConnection, where: str) -> None:
        self.connection = connection
        self.where = where

    def version(self) -> int | None:
        """The schema version; None if there is no table of it. A list of tables takes 10 ms."""
        try:
            return read_version(self)
        except duckdb.CatalogException:
            return None

    def execute(self, statement: str, values: Sequence[Any] = ()) -> ledger.Rows:
        """Run *statement*, with ``?`` for each value; return its rows."""
        return self.connection.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction; the file's lock keeps other loaders out."""
        self.connection.execute("BEGIN")
        try:
            yield
            failpoint("before-commit")
            self.connection.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                raise _write_failed(error) from error
            raise
        failpoint("committed")

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the temporary table *name* from *query*; count its rows."""
        del columns
        return make_table(stage, name, query)


class DuckdbDestination(Destination):
    """A DuckDB file.

    :param path: the file.
    :param lock_wait: seconds to wait while another process holds it.
    :param zone: time zone of the rollups' days.
    :param limits: bytes that columns hold, for a copy of a warehouse that has limits.
    """

    def __init__(
        self, path: Path, lock_wait: float, zone: ZoneInfo, limits: Mapping[str, int] | None = None
    ) -> None:
        self.path = path
        self.limits = limits or {}
        self.where = str(path)
        self.zone = zone
        self.lock_wait = lock_wait
        self.snapshot = Snapshot(path)
        self.stage = Stage()
        self._is_held = False
        self._after_detaching = ExitStack()

    def identity(self) -> str:
        """The path, links resolved; a warehouse and its snapshot have the same one."""
        path = self.path.resolve()
        return str(path.with_name(path.name.replace(".snapshot.duckdb", ".duckdb")))

    def preflight(self) -> None:
        """Open the file for writing, and create or migrate its tables."""
        with self.held():
            pass

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Open the file for writing; its lock keeps every other process out."""
        with self.held():
            session = DuckdbSession(self.stage.connection, self.where)
            loader = Loader(session, self.stage.connection, self.limits, self.zone)
            loader.ensure_rollups()
            yield loader

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open for writing, and locked, within the context."""
        if self._is_held:
            yield
            return
        connection = self.stage.connection
        try:
            self._attach(connection)
            self._is_held = True
            ensure_schema(DuckdbSession(connection, self.where))
            yield
            connection.execute("USE memory")
            connection.execute("DETACH warehouse")
        except BaseException:
            self.stage.close()  # which detaches in any case
            raise
        finally:
            self._is_held = False
            self._after_detaching.close()

    @contextmanager
    def inspect(self, *, copy: bool = False) -> Iterator[DuckdbSession]:
        """Open the file read-only, without waiting; loaders wait meanwhile.

        :param copy: open the snapshot instead.
        """
        path = self.snapshot.path if copy else self.path
        if not path.exists():
            raise DestinationError(f"{path} does not exist.", "Run `orderpull run`.")
        with duckdb.connect(":memory:") as connection:
            try:
                connection.execute(f"ATTACH {literal(str(path))} AS warehouse (READ_ONLY)")
            except duckdb.Error as error:
                raise self._open_failed(error, path) from None
            connection.execute("USE warehouse")
            connection.execute("SET TimeZone = 'UTC'")
            yield DuckdbSession(connection, str(path))

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Open the snapshot."""
        with self._reading(lambda: duckdb.connect(str(self.snapshot.path), read_only=True)) as it:
            yield it

    @contextmanager
    def fresh_reader(self) -> Iterator[Reader]:
        """Renew the snapshot, and open it.

        It is attached to a database of its own: where this process has an older snapshot open,
        DuckDB would give that one for the same path.
        """
        self.publish(finished=True, always=True)
        with self._reading(self._attach_snapshot, COMPARING_MEMORY) as it:
            yield it

    @contextmanager
    def _reading(
        self, connect: Callable[[], duckdb.DuckDBPyConnection], memory: str = LARGE_MEMORY
    ) -> Iterator[Reader]:
        if not self.snapshot.path.exists():
            kind = DestinationError if self.path.exists() else NothingToRead
            raise kind(
                f"There is nothing to read yet: {self.snapshot.path} does not exist.",
                "Run `orderpull run` first.",
            )
        connection = self._open_snapshot(connect)
        try:
            connection.execute(f"SET memory_limit = '{memory}'")
            connection.execute("SET TimeZone = 'UTC'")
            # Else DuckDB prints the bar among the rows: Python without a script is interactive.
            connection.execute("SET enable_progress_bar = false")
            add_missing_columns(connection)
            yield DuckdbReader(connection, self.snapshot.path)
        finally:
            connection.close()

    def _attach_snapshot(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:")
        try:
            connection.execute(f"SET temp_directory = {literal(f'{self.snapshot.path}.tmp')}")
            connection.execute(f"ATTACH {literal(str(self.snapshot.path))} AS copy (READ_ONLY)")
            connection.execute("USE copy")
        except duckdb.Error:
            connection.close()
            raise
        return connection

    def _open_snapshot(
        self, connect: Callable[[], duckdb.DuckDBPyConnection]
    ) -> duckdb.DuckDBPyConnection:
        """Open the snapshot; open it again if a new one took its place meanwhile.

        DuckDB 2.0 opens the path three times (seen with strace). A header of the old file, with
        the blocks of the new one, is an error or a wrong answer.
        """
        while True:
            before = self.version()
            try:
                connection = connect()
            except duckdb.Error as error:
                if self.version() == before:
                    text = f"{self.snapshot.path} cannot be read: {error}."
                    raise DestinationError(text) from None
            else:
                if self.version() == before:
                    return connection
                connection.close()

    def version(self) -> Hashable:
        """The identity of the snapshot's file; each new snapshot is another file."""
        try:
            status = self.snapshot.path.stat()
        except OSError:
            return ()
        return status.st_dev, status.st_ino, status.st_mtime_ns

    def publish(self, *, finished: bool, always: bool = False) -> None:
        """Copy the file to the snapshot, if the snapshot is behind."""
        if self.snapshot.due(finished=finished):
            with self.held():
                self.snapshot.make(self.stage.connection, self._after_detaching, always=always)

    def copy_rows(
        self, connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], sources: Sequence[str]
    ) -> None:
        """Copy rows from the file itself, which is open for reading alone meanwhile."""
        if not self.path.exists():
            make_copies(connection, tables)
            return
        self._attach(connection, reading=True)
        named = ", ".join(map(literal, sources))
        try:
            if holds_tables(DuckdbSession(connection, self.where)):
                for table in tables:
                    connection.execute(
                        f"CREATE TABLE {COPIES}.{table.name} AS SELECT {quoted(table.names)} "
                        f"FROM {table.name} WHERE source IN ({named})"
                    )
            else:
                make_copies(connection, tables)
        except duckdb.Error as error:
            raise _read_failed(self.path, error) from error
        finally:
            connection.execute("USE memory")
            connection.execute("DETACH warehouse")

    def scrub(self) -> list[str]:
        """Write the file anew, because DuckDB keeps changed rows in free blocks; copy it."""
        with self.held():
            rewrite(self.stage.connection, self.path, STORAGE_VERSION)
        self.publish(finished=True, always=True)
        return []

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, reading: bool = False) -> None:
        """Attach the file as ``warehouse``. :param reading: for reading alone."""
        self._refuse_special()
        options = "READ_ONLY" if reading else f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}"
        if not self.path.exists():
            options += f", STORAGE_VERSION '{STORAGE_VERSION}'"
        attach = f"ATTACH {literal(str(self.path))} AS warehouse (TYPE duckdb, {options})"
        deadline = time.monotonic() + self.lock_wait
        while True:
            try:
                connection.execute(attach)
            except duckdb.Error as error:
                if "lock" not in str(error) or time.monotonic() >= deadline:
                    raise self._open_failed(error) from None
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

    def _open_failed(self, error: duckdb.Error, path: Path | None = None) -> DestinationError:
        text, path = str(error), path or self.path
        if "lock" in text:
            holder = text.partition("held in ")[2].partition(". ")[0] or "another process"
            busy = DestinationBusy(
                f"{path} is locked by {holder}, and was not let go within {self.lock_wait:g} s.",
                "Close that program, or let it open the snapshot instead: "
                f"{self.snapshot.path.name}.",
            )
            busy.holder = holder
            return busy
        if "not a valid DuckDB" in text or "version number" in text or "Serialization" in text:
            return DestinationForeign(
                f"{path} is not a DuckDB file that this orderpull can open.",
                "Choose another file in destination.url; this one was not touched.",
            )
        return DestinationError(
            f"{path} cannot be opened: {text.splitlines()[0].rstrip('.')}.",
            "Check destination.url and the file's rights.",
        )


class DuckdbReader:
    """A snapshot, open for reading."""

    in_bytes = ""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.connection = connection
        self.path = path

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """The rows of *query*, each as a dict."""
        from orderpull.destinations.schema import compiled

        try:
            executed = self.connection.execute(*compiled(query, "duckdb"))
            names = [column[0] for column in executed.description]
            return [dict(zip(names, row, strict=True)) for row in executed.fetchall()]
        except duckdb.Error as error:
            raise _read_failed(self.path, error) from error

    def query(self, query: "sa.Select[Any] | str") -> QueryResult:
        """Run *query*; a user's own SQL can read this file only."""
        if isinstance(query, str):
            return run_user_query(self.connection, query)
        from orderpull.destinations.schema import with_literals

        return to_result(self.connection.execute(with_literals(query, "duckdb")))

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of our own *statement*."""
        try:
            return execute_largely(self.connection, statement, values).fetchall()
        except duckdb.Error as error:
            raise _read_failed(self.path, error) from error

    @contextmanager
    def workbench(
        self, tables: Mapping[str, tuple[str, Sequence[Column]]]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """This connection, with a view for each of *tables*."""
        for name, (statement, _) in tables.items():
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {statement}")
        yield self.connection

    @contextmanager
    def in_duckdb(
        self, query: "sa.Select[Any]", types: Mapping[str, str]
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """This connection, and *query* with its columns cast to *types*."""
        from orderpull.destinations.schema import with_literals

        columns = ", ".join(f"{name}::{type_} AS {name}" for name, type_ in types.items())
        yield self.connection, f"SELECT {columns} FROM ({with_literals(query, 'duckdb')})"


def _read_failed(path: Path, error: duckdb.Error) -> DestinationError:
    text = str(error).splitlines()[0].rstrip(".")
    hint = "If it stays so, delete that file: the next `orderpull run` makes it anew."
    if isinstance(error, duckdb.OutOfMemoryException):
        hint = "Ask for a shorter time."
    return DestinationError(f"{path} does not answer: {text}.", hint)


def _write_failed(error: duckdb.Error) -> DestinationError:
    text = str(error).splitlines()[0]
    hint = "Make room on the disk." if "space" in text.lower() else "Run again."
    return DestinationError(
        f"The warehouse could not be written: {text.rstrip('.')}.",
        f"Nothing of this batch was loaded; its pages wait. {hint}",
    )
