"""A warehouse on a server, PostgreSQL or Redshift; several loaders may work on it at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orderpull.destinations.copies import COPIES, insert_rows, make_copies
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import (
    COMPARING_MEMORY,
    DUCKDB_TYPES,
    MEMORY_LIMIT,
    Destination,
    QueryResult,
    Reader,
)
from orderpull.destinations.session import ServerSession, ensure_schema, holds_tables, pending
from orderpull.destinations.stage import Stage
from orderpull.destinations.user_query import run_through_cursor
from orderpull.engine import duckdb
from orderpull.errors import DestinationError, NothingToRead
from orderpull.model import LEDGER_SCHEMA, MASKS, TABLES, Column, Table
from orderpull.scratch import ScratchFolder
from orderpull.sqltext import quoted

if TYPE_CHECKING:
    import sqlalchemy as sa

_IDENTITY = {
    "postgresql": "SELECT pg_postmaster_start_time()::text, current_database(), current_schema()",
    "redshift": "SELECT '{where}', current_database(), current_schema()",
}
"""Queries for the identity of a server, a database and a schema."""


# A read-only transaction sees one instant of the database; on Redshift each transaction does.
_READING = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "redshift": "BEGIN READ ONLY",
}


@dataclass(eq=False)
class ServerDestination(Destination):
    """A database on a server.

    :param connect: opens a connection. :param limits: bytes that columns hold.
    :param zone: time zone of the rollups' days.
    """

    where: str
    connect: Callable[[], ServerSession]
    limits: Mapping[str, int]
    zone: ZoneInfo
    stage: Stage = field(default_factory=Stage, init=False)
    _held: ServerSession | None = field(default=None, init=False)

    def identity(self) -> str:
        """The server's own description of itself."""
        with self._session() as session:
            rows = session.execute(_IDENTITY[session.kind])
        return " ".join(str(value) for value in rows[0]).replace("{where}", self.where)

    def preflight(self) -> None:
        """Connect, create or migrate the tables, and prove that they can be written."""
        with self._session() as session:
            session.prepare()
            ensure_schema(session)
            _try_writing(session, self.stage.connection)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Connect for writing."""
        with self._session() as session:
            loader = Loader(session, self.stage.connection, self.limits, self.zone)
            loader.ensure_rollups()
            yield loader

    @contextmanager
    def inspect(self) -> Iterator[ServerSession]:
        """Connect for looking at the tables."""
        with self._session() as session:
            yield session

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Connect for reading."""
        with self._session() as session:
            if pending(session):
                raise NothingToRead(
                    f"There is nothing to read yet: {session.where} has no orders.",
                    "Run `orderpull run` first.",
                )
            session.execute(_READING[session.kind])
            try:
                yield ServerReader(session)
            finally:
                with suppress(DestinationError):
                    session.execute("ROLLBACK")

    def scrub(self) -> list[str]:
        """Remove old rows from the files of the tables with personal data."""
        with self._session() as session:
            return [*dict.fromkeys(left for table in MASKS for left in session.scrub(table))]

    def publish(self, *, finished: bool, always: bool = False) -> None:
        """Do nothing: readers see each load as soon as it is committed."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep one connection between the loads within the context."""
        with self._session() as session:
            self._held = session
            try:
                yield
            finally:
                self._held = None

    def copy_rows(
        self, connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], sources: Sequence[str]
    ) -> None:
        """Copy rows in one reading transaction, some at a time."""
        import sqlalchemy as sa

        from orderpull.answers.tables import TABLE

        make_copies(connection, tables)
        with self._session() as session:
            if not holds_tables(session):
                return
            session.execute(_READING[session.kind])
            try:
                for table in tables:
                    columns = TABLE[table.name].c
                    query = sa.select(*(columns[name] for name in table.names))
                    query = query.where(columns.source.in_(sources))
                    types = [DUCKDB_TYPES[column.type] for column in table.columns]
                    rows = ServerReader(session).query(query).rows
                    insert_rows(connection, f"{COPIES}.{table.name}", types, rows)
            finally:
                with suppress(DestinationError):
                    session.execute("ROLLBACK")

    @contextmanager
    def _session(self) -> Iterator[ServerSession]:
        if self._held is not None:
            yield self._held
            return
        session = self.connect()
        try:
            yield session
        finally:
            session.close()


class ServerReader:
    """A database, open for reading."""

    def __init__(self, session: ServerSession) -> None:
        self.session = session
        self.in_bytes = session.in_bytes

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """The rows of *query*, each as a dict."""
        from orderpull.destinations.schema import compiled

        text, values = compiled(query, self.session.kind)
        # SQLAlchemy's names are a subclass of str, which strict encoders refuse.
        names = [str(column.name) for column in query.selected_columns]
        rows = self.session.execute(text, values)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def query(self, query: "sa.Select[Any] | str") -> QueryResult:
        """Run *query*; its rows are fetched while they are read."""
        session = self.session
        if isinstance(query, str):
            return run_through_cursor(session.query_user, query)
        from orderpull.destinations.schema import with_literals

        names = tuple(column.name for column in query.selected_columns)
        return run_through_cursor(
            lambda text: (names, session.execute(text)), with_literals(query, session.kind)
        )

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of our own *statement*."""
        return self.session.execute(statement, values)

    @contextmanager
    def workbench(
        self, tables: Mapping[str, tuple[str, Sequence[Column]]]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A temporary DuckDB file with a copy of each of *tables*."""
        with _temporary_duckdb(COMPARING_MEMORY) as connection:
            for name, (statement, columns) in tables.items():
                types = {column.name: DUCKDB_TYPES[column.type] for column in columns}
                rows = run_through_cursor(
                    lambda text: ((), self.session.execute(text)), statement
                ).rows
                _copy(connection, name, types, rows)
            yield connection

    @contextmanager
    def in_duckdb(
        self, query: "sa.Select[Any]", types: Mapping[str, str]
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """A temporary DuckDB file with the rows, and the query that reads them."""
        with _temporary_duckdb() as connection:
            _copy(connection, "fetched", types, self.query(query).rows)
            yield connection, "SELECT * FROM fetched"


@contextmanager
def _temporary_duckdb(memory: str = MEMORY_LIMIT) -> Iterator[duckdb.DuckDBPyConnection]:
    with ScratchFolder() as folder:
        file = str(folder.path / "rows.duckdb")
        with duckdb.connect(file, config={"memory_limit": memory}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


def _copy(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    types: Mapping[str, str],
    rows: Iterator[tuple[Any, ...]],
) -> None:
    """Make the table *name* of *rows*."""
    columns = ", ".join(f'"{column}" {type_}' for column, type_ in types.items())
    connection.execute(f"CREATE TABLE {name} ({columns})")
    insert_rows(connection, name, list(types.values()), rows)


def _try_writing(session: ServerSession, stage: duckdb.DuckDBPyConnection) -> None:
    """Run each kind of statement of a load on each table, without changing a row.

    :param stage: where the rows of a trial upload come from.
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
    session.execute("UPDATE summary_sku SET title = title WHERE 1 = 0")
    with session.writing():
        pass
    column = LEDGER_SCHEMA.columns[0]
    session.upload(stage, "preflight", [column], f"SELECT 1::BIGINT AS {column.name}")
