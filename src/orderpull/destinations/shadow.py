"""A shadow: a copy in memory of some sources' rows, into which a load changes nothing elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orderpull.destinations.copies import COPIES, make_copies
from orderpull.destinations.duckdb import DuckdbSession
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import MEMORY_LIMIT, Destination, Reader
from orderpull.destinations.session import Session
from orderpull.destinations.stage import Stage
from orderpull.engine import duckdb
from orderpull.model import DATA_TABLES, LEDGER_SCHEMA, LEDGER_TABLES, TABLES, Table
from orderpull.sqltext import quoted

COPIED = (*DATA_TABLES, *(table for table in LEDGER_TABLES if table is not LEDGER_SCHEMA))
"""The tables that a load reads."""


class ShadowDestination(Destination):
    """The rows of *sources*, as *original* holds them when the shadow is opened.

    Loads go into the tables of the database ``warehouse`` of :attr:`stage`; the rows as they were
    stay in :data:`COPIES`. Rollups begin empty. Rows that memory does not hold are in the private
    folder of the stage.

    :param empty: begin without rows.
    """

    def __init__(
        self, original: Destination, sources: Sequence[str], *, empty: bool = False
    ) -> None:
        self.original = original
        self.where = original.where
        self.zone = original.zone
        self.limits = original.limits
        self.stage = Stage()
        self._sources = sources
        self._empty = empty
        self._opened = False

    def identity(self) -> str:
        """The identity of the original."""
        return self.original.identity()

    def preflight(self) -> None:
        """Copy the rows, at the first call."""
        if self._opened:
            return
        connection = self.stage.connection
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"ATTACH ':memory:' AS {COPIES}")
        if self._empty:
            make_copies(connection, COPIED)
        else:
            self.original.copy_rows(connection, COPIED, self._sources)
        connection.execute("ATTACH ':memory:' AS warehouse")
        connection.execute("USE warehouse")
        make_copies(connection, TABLES, "warehouse")
        for table in COPIED:
            names = quoted(table.names)
            connection.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {COPIES}.{table.name}"
            )
        connection.execute("INSERT INTO summary_state VALUES (?, 0, 0, 0, 0)", [self.zone.key])
        self._opened = True

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """A loader into the copy, with the limits of the original."""
        self.preflight()
        yield Loader(self._session, self.stage.connection, self.limits, self.zone)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do nothing: nobody else has the copy."""
        yield

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A reader of the original."""
        with self.original.reader() as reader:
            yield reader

    def copy_rows(
        self, connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], sources: Sequence[str]
    ) -> None:
        """Copy rows of the original."""
        self.original.copy_rows(connection, tables, sources)

    @contextmanager
    def inspect(self) -> Iterator[Session]:
        """A session of the original."""
        with self.original.inspect() as session:
            yield session

    def publish(self, *, finished: bool, always: bool = False) -> None:
        """Do nothing: nobody reads the copy."""

    def close(self) -> None:
        """Free the copy."""
        self.stage.close()
        self.original.close()

    @property
    def _session(self) -> DuckdbSession:
        return DuckdbSession(self.stage.connection, self.where)
