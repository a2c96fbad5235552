"""A warehouse on a server, PostgreSQL or Redshift; several loaders may work on it at once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from zoneinfo import ZoneInfo

import duckdb

from orderpull.destinations.ledger import quoted
from orderpull.destinations.loader import Loader
from orderpull.destinations.migrations import ensure_schema, pending
from orderpull.destinations.protocol import Reader
from orderpull.destinations.reader import ServerReader
from orderpull.destinations.session import ServerSession
from orderpull.destinations.stage import Stage
from orderpull.errors import DestinationError
from orderpull.model import LEDGER_SCHEMA, TABLES

_IDENTITY = {
    "postgresql": "SELECT pg_postmaster_start_time()::text, current_database(), current_schema()",
    "redshift": "SELECT '{where}', current_database(), current_schema()",
}
"""Queries for the identity of a server, a database and a schema."""


# The tables and views of the session's schema; information_schema would leave out those on which
# this user has no right.
_TABLE_NAMES = """
SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
UNION ALL SELECT viewname FROM pg_views WHERE schemaname = current_schema()"""

# Redshift's transactions see one instant in any case.
_READING = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "redshift": "BEGIN READ ONLY",
}


class ServerDestination:
    """A database on a server.

    :param connect: opens a connection. :param limits: bytes that columns hold.
    :param zone: time zone of the rollups' days.
    """

    def __init__(
        self,
        where: str,
        connect: Callable[[], ServerSession],
        limits: Mapping[str, int],
        zone: ZoneInfo,
    ) -> None:
        self.where = where
        self.connect = connect
        self.limits = limits
        self.zone = zone
        self._stage = Stage()

    def __str__(self) -> str:
        return self.where

    def identity(self) -> str:
        """The server's own description of itself."""
        with self._session() as session:
            rows = session.execute(_IDENTITY[session.kind])
        return " ".join(str(value) for value in rows[0]).replace("{where}", self.where)

    def preflight(self) -> None:
        """Connect, create or migrate the tables, and prove that they can be written."""
        with self._session() as session:
            session.prepare()
            ensure_schema(session, _TABLE_NAMES)
            _try_writing(session)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Connect for writing."""
        with self._session() as session:
            loader = Loader(session, self._stage.connection, self.limits, self.zone)
            loader.ensure_rollups()
            yield loader

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Connect for reading."""
        with self._session() as session:
            if pending(session, _TABLE_NAMES):
                raise DestinationError(
                    f"There is nothing to read yet: {session.where} has no orders.",
                    "Run `orderpull run` first.",
                )
            with _one_instant(session):
                yield ServerReader(session)

    def version(self) -> None:
        """None: a reader sees each load as soon as it is committed."""

    def publish(self, *, finished: bool) -> None:
        """Do nothing: readers see each load as soon as it is committed."""

    def close(self) -> None:
        """Close the stage; it opens again when it is needed."""
        self._stage.close()

    @contextmanager
    def _session(self) -> Iterator[ServerSession]:
        session = self.connect()
        try:
            yield session
        finally:
            session.close()


@contextmanager
def _one_instant(session: ServerSession) -> Iterator[None]:
    """A read-only transaction that sees one instant of the database."""
    session.execute(_READING[session.kind])
    try:
        yield
    finally:
        with suppress(DestinationError):
            session.execute("ROLLBACK")


def _try_writing(session: ServerSession) -> None:
    """Run each kind of statement of a load on each table, without changing a row.

    :raises DestinationError: the server refuses a statement.
    """
    for table in TABLES:
        names = quoted(table.names)
        session.execute(f"SELECT {names} FROM {table.name} WHERE 1 = 0")
        if table is LEDGER_SCHEMA:  # written by migrations alone
            continue
        session.execute(f"DELETE FROM {table.name} WHERE 1 = 0")
        session.execute(
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {table.name} WHERE 1 = 0"
        )
    session.execute("UPDATE summary_state SET day_rows = day_rows WHERE 1 = 0")
    with session.writing():
        pass
    with duckdb.connect() as stage:
        column = LEDGER_SCHEMA.columns[0]
        session.upload(stage, "preflight", [column], f"SELECT 1::BIGINT AS {column.name}")
