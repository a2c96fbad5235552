"""A lake as a destination: loads through the stage's connection, readers with one of their own."""

import fcntl
import os
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orderpull.destinations import ledger
from orderpull.destinations.copies import COPIES, make_copies
from orderpull.destinations.duckdb import DuckdbReader
from orderpull.destinations.iceberg.catalog import Lake, parse_lake
from orderpull.destinations.iceberg.commits import Commits
from orderpull.destinations.iceberg.workspace import DATABASE, Workspace
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import LARGE_MEMORY, Destination, Kind, Reader
from orderpull.destinations.session import UNNUMBERED, ensure_schema, holds_tables
from orderpull.destinations.stage import Stage, make_table
from orderpull.destinations.upkeep import LakeFacts, Upkeep
from orderpull.engine import duckdb
from orderpull.errors import DestinationBusy, NothingToRead
from orderpull.model import SCHEMA_VERSION, Column, Table
from orderpull.settings import DestinationSettings
from orderpull.sqltext import literal, quoted

_RETRY_SECONDS = 0.05


def iceberg_destination(
    settings: DestinationSettings, folder: Path, zone: ZoneInfo
) -> "IcebergDestination":
    """The lake at ``settings.url``; a relative path is a folder in *folder*.

    :param zone: time zone of the rollups' days.
    :raises SettingsError: the URL, or the catalog's settings, are missing or wrong.
    """
    return IcebergDestination(parse_lake(settings, folder), settings.lock_wait, zone)


class IcebergSession:
    """The lake, open for writing through the stage's connection.

    :param workspace: its tables in that connection. :param lock_wait: seconds to wait for others.
    """

    kind: Kind = "iceberg"
    enforces_keys = False
    is_stage = True
    row = UNNUMBERED
    in_bytes = ""
    table_names = "SELECT unnest(?)"
    column_names = f"""
    SELECT table_name, column_name FROM duckdb_columns()
    WHERE database_name = '{DATABASE}' AND schema_name = 'main'
    ORDER BY table_name, column_index"""

    def __init__(self, workspace: Workspace, lock_wait: float) -> None:
        self.workspace = workspace
        self.lake = workspace.commits.lake
        self.where = self.lake.where
        self.lock_wait = lock_wait

    def version(self) -> int | None:
        """The schema version; None if there are no tables of ours."""
        if "orderpull_schema" not in self.workspace.commits.state:
            return None
        ((version,),) = self.execute("SELECT max(version) FROM orderpull_schema")
        return None if version is None else int(version)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> ledger.Rows:
        """Run *statement*, with ``?`` for each value; return its rows.

        Views are no part of the lake: each reader makes them for itself.
        """
        if statement is self.table_names:
            return [(name,) for name in sorted(self.workspace.names())]
        if statement is self.column_names:
            self.workspace.show()
        if statement.startswith(("CREATE OR REPLACE VIEW", "CREATE INDEX")):
            return []
        return self.workspace.execute(statement, values)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction over all tables, committed at the end of the context."""
        with self.locked():
            self.workspace.refresh()
            self.workspace.commits.publish()
            try:
                yield
                self.workspace.commit()
            except BaseException:
                self.workspace.reset()
                self.workspace.refresh()
                raise

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the temporary table *name* from *query*; count its rows."""
        del columns
        return make_table(stage, name, query)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other loaders of this machine out; those of other machines meet at the commit.

        :raises DestinationBusy: another one took longer than ``lock_wait``.
        """
        if self.lake.folder is None:
            yield
            return
        self.lake.folder.mkdir(exist_ok=True)
        file = os.open(self.lake.folder / "loaders.lock", os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + self.lock_wait
        try:
            while not _lock(file):
                if time.monotonic() >= deadline:
                    raise DestinationBusy(
                        f"Another process loads into {self.where}, and did not end within "
                        f"{self.lock_wait:g} s.",
                        "Run again later; destination.lock_wait is how long to wait.",
                    )
                time.sleep(_RETRY_SECONDS)
            yield
        finally:
            os.close(file)


class IcebergDestination(Destination):
    """A lake.

    :param lake: where it is. :param lock_wait: seconds to wait while another process loads.
    :param zone: time zone of the rollups' days.
    """

    limits: dict[str, int] = {}  # noqa: RUF012 - it is never changed

    def __init__(self, lake: Lake, lock_wait: float, zone: ZoneInfo) -> None:
        self.lake = lake
        self.where = lake.where
        self.zone = zone
        self.lock_wait = lock_wait
        self.commits = Commits(lake)
        self.stage = Stage()
        self._opened: tuple[duckdb.DuckDBPyConnection, Workspace] | None = None

    def identity(self) -> str:
        """The folder, links resolved, or the place; and the namespace."""
        place = self.lake.folder.resolve() if self.lake.folder else self.where
        return f"{place} {self.lake.namespace}"

    def preflight(self) -> None:
        """Open the catalog, and create or migrate the tables."""
        self._session(prepared=True)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Open the lake for writing."""
        session = self._session(prepared=True)
        loader = Loader(session, self.stage.connection, self.limits, self.zone)
        loader.ensure_rollups()
        yield loader

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do nothing: a load does not keep others out before it commits."""
        yield

    @contextmanager
    def inspect(self) -> Iterator[IcebergSession]:
        """A session that shows the tables as they are now."""
        yield self._session()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Open the newest state for reading, with the answers' views."""
        from orderpull.destinations.schema import create_views

        commits = Commits(self.lake)
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")
            connection.execute(f"SET memory_limit = '{LARGE_MEMORY}'")
            workspace = Workspace(connection, commits)
            workspace.refresh()
            if not commits.state:
                raise NothingToRead(
                    f"There is nothing to read yet: {self.where} has no orders.",
                    "Run `orderpull run` first.",
                )
            workspace.show()
            for statement in create_views("duckdb"):
                connection.execute(statement)
            connection.execute(f"SET allowed_paths = [{', '.join(workspace.paths())}]")
            yield DuckdbReader(connection, Path(self.where))

    def version(self) -> Hashable:
        """The snapshot of the head; each commit makes another one."""
        self.commits.refresh()
        return self.commits.head_id

    def publish(self, *, finished: bool, always: bool = False) -> None:
        """Do nothing: readers see each load as soon as it is committed."""

    def copy_rows(
        self, connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], sources: Sequence[str]
    ) -> None:
        """Copy rows of the newest state."""
        make_copies(connection, tables)
        commits = Commits(self.lake)
        workspace = Workspace(connection, commits)
        named = ", ".join(map(literal, sources))
        try:
            workspace.refresh()
            if holds_tables(IcebergSession(workspace, self.lock_wait)):
                workspace.show(table.name for table in tables)
                for table in tables:
                    names = quoted(table.names)
                    connection.execute(
                        f"INSERT INTO {COPIES}.{table.name} ({names}) SELECT {names} "
                        f"FROM {table.name} WHERE source IN ({named})"
                    )
        finally:
            connection.execute("USE memory")
            connection.execute(f"DETACH {DATABASE}")

    def scrub(self) -> list[str]:
        """Expire all old snapshots, and delete their files and those of killed loads."""
        from orderpull.destinations.iceberg.upkeep import UNKNOWN_AFTER, clean

        alone = self.lake.folder is not None  # the lock keeps everybody else out
        with self.exclusive() as commits:
            return clean(commits, timedelta(0), timedelta(0) if alone else UNKNOWN_AFTER).left

    @contextmanager
    def exclusive(self) -> Iterator[Commits]:
        """The tables at their newest state, without another loader of this machine meanwhile."""
        session = self._session(prepared=True)
        with session.locked():
            session.workspace.refresh()
            session.workspace.commits.publish()
            yield session.workspace.commits
            session.workspace.refresh()

    def compact(self, keep: timedelta) -> Upkeep:
        """Fold small files, expire snapshots older than *keep*, delete what nothing needs."""
        from orderpull.destinations.iceberg.upkeep import clean, fold

        with self.exclusive() as commits:
            folded = fold(self._workspace())
            done = clean(commits, keep)
        done.folded = folded
        return done

    def files(self) -> LakeFacts | None:
        """Number and size of the data files; None: there are no tables yet."""
        from orderpull.destinations.iceberg.upkeep import read_lake_facts

        self.commits.refresh()
        return read_lake_facts(self.commits) if self.commits.state else None

    def close(self) -> None:
        """Free the stage, and the connections of the catalog."""
        self._opened = None
        super().close()

    def _session(self, *, prepared: bool = False) -> IcebergSession:
        """A session of the newest state. :param prepared: create or migrate the tables first."""
        session = IcebergSession(self._workspace(), self.lock_wait)
        session.workspace.refresh()
        if prepared and session.version() != SCHEMA_VERSION:
            ensure_schema(session)
        return session

    def _workspace(self) -> Workspace:
        connection = self.stage.connection
        if self._opened is None or self._opened[0] is not connection:
            self._opened = connection, Workspace(connection, self.commits)
        return self._opened[1]


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
