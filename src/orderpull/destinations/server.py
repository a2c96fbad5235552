"""A warehouse on a server, which many may load at once: what PostgreSQL and Redshift share."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from zoneinfo import ZoneInfo

import duckdb

from orderpull.destinations.ledger import quoted
from orderpull.destinations.loader import ServerLoader
from orderpull.destinations.migrations import migrate, pending
from orderpull.destinations.protocol import MEMORY_LIMIT, Loader, Reader
from orderpull.destinations.reader import ServerReader
from orderpull.destinations.session import Session
from orderpull.errors import DestinationError
from orderpull.model import LEDGER_SCHEMA, TABLES

_STAGE: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": False,
    "memory_limit": MEMORY_LIMIT,
}

_IDENTITY = {
    "postgresql": "SELECT pg_postmaster_start_time()::text, current_database(), current_schema()",
    "redshift": "SELECT '{where}', current_database(), current_schema()",
}
"""What tells a server, a database and a schema from every other."""


# Redshift's transactions see one instant in any case.
_READING = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "redshift": "BEGIN READ ONLY",
}


class ServerDestination:
    """A database on a server.

    :param connect: connects anew. :param limits: bytes that columns take.
    :param zone: whose days the summaries have.
    """

    def __init__(
        self, where: str, connect: Callable[[], Session], limits: Mapping[str, int], zone: ZoneInfo
    ) -> None:
        self.where = where
        self.connect = connect
        self.limits = limits
        self.zone = zone

    def __str__(self) -> str:
        return self.where

    def identity(self) -> str:
        """What the server says that it is."""
        with self._session() as session:
            found = session.execute(_IDENTITY[session.kind])
        return " ".join(str(value) for value in found[0]).replace("{where}", self.where)

    def preflight(self) -> None:
        """Connect, create or migrate the tables, and prove that they can be written."""
        with self._session() as session:
            session.prepare()
            self._ensure_schema(session)
            _try_writing(session)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Connect for writing; many may at once."""
        with self._session() as session, duckdb.connect(":memory:", config=_STAGE) as stage:
            stage.execute("SET TimeZone = 'UTC'")
            loader = ServerLoader(stage, session, self.limits, self.zone)
            loader.ensure_rollups()
            yield loader

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Connect for reading."""
        with self._session() as session:
            if pending(session.execute, _names(session), session.kind, session.where):
                raise DestinationError(
                    f"There is nothing to read yet: {session.where} has no orders.",
                    "Run `orderpull run` first.",
                )
            with _one_instant(session):
                yield ServerReader(session)

    def version(self) -> None:
        """None: readers see what was loaded as soon as it is."""

    def publish(self, *, finished: bool) -> None:
        """Nothing: readers see what was loaded as soon as it is."""

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self.connect()
        try:
            yield session
        finally:
            session.close()

    def _ensure_schema(self, session: Session) -> None:
        def statements() -> list[str]:
            return pending(session.execute, _names(session), session.kind, session.where)

        if statements():
            with session.writing():
                if todo := statements():  # another process may have been first
                    migrate(session.execute, todo)


def _names(session: Session) -> list[str]:
    """The tables and views of the schema that this session works in."""
    # information_schema would leave out what this user has no right to.
    rows = session.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
        "UNION ALL SELECT viewname FROM pg_views WHERE schemaname = current_schema()"
    )
    return [str(row[0]) for row in rows]


@contextmanager
def _one_instant(session: Session) -> Iterator[None]:
    """A transaction that sees one instant of the database, and in which nothing can be written."""
    session.execute(_READING[session.kind])
    try:
        yield
    finally:
        with suppress(DestinationError):
            session.execute("ROLLBACK")


def _try_writing(session: Session) -> None:
    """Do to each table what a load does to it, with no row.

    :raises DestinationError: the server refuses one of these.
    """
    for table in TABLES:
        names = quoted(table.names)
        session.execute(f"SELECT {names} FROM {table.name} WHERE 1 = 0")
        if table is LEDGER_SCHEMA:  # only who migrates writes there
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
