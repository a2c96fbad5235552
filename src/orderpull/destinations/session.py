"""Sessions: connections to a warehouse, with all that differs between the warehouses.

A session creates the tables, or migrates them to this orderpull's schema version.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from orderpull import __version__, clock
from orderpull.destinations.ledger import Rows
from orderpull.destinations.protocol import Kind
from orderpull.engine import duckdb
from orderpull.errors import DestinationError, DestinationForeign, SchemaTooNew
from orderpull.model import SCHEMA_VERSION, TABLES, VIEWS, Column

UNNUMBERED = "0"
"""``Session.row`` of a warehouse that does not number its rows."""

log = logging.getLogger("orderpull.load")

_OURS = {table.name for table in TABLES}.union(VIEWS)


class Session(Protocol):
    """A connection to a warehouse, as the loader uses it.

    Temporary tables carry rows between the stage and the warehouse. A table has the same name on
    both sides.
    """

    kind: Kind
    where: str
    """The warehouse, as messages name it."""

    enforces_keys: bool
    """True if the warehouse rejects a second row with the same key."""

    is_stage: bool
    """True if this connection is the stage's, so that both have the same tables."""

    row: str
    """SQL of a row's own number in its table, or :data:`UNNUMBERED`."""

    in_bytes: str
    """SQL behind a text that makes its comparison one of bytes; '' where each is."""

    table_names: str
    """Query for the names of the tables and views that exist."""

    column_names: str
    """Query for table and column of each column that exists, in order."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run *statement*, with ``?`` for each value; return its rows, if it has any.

        :raises DestinationError: the server refused it, or is gone.
        """
        ...

    def version(self) -> int | None:
        """The schema version, if it can be told without a list of tables; not in a transaction."""
        return None

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that overlaps no other loader's.

        :raises DestinationBusy: another loader's took too long.
        """
        ...

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the warehouse's temporary table *name* from the stage's *query*; count its rows.

        A table without rows need not be made.
        """
        ...


class ServerSession(Session, Protocol):
    """A connection to a server."""

    # information_schema would leave out tables on which this user has no right.
    table_names: str = """
    SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
    UNION ALL SELECT viewname FROM pg_views WHERE schemaname = current_schema()"""
    # "oid" is a reserved word of Redshift.
    column_names: str = """
    SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c."oid" = a.attrelid
    JOIN pg_namespace n ON n."oid" = c.relnamespace
    WHERE n.nspname = current_schema() AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum"""
    is_stage: bool = False
    row: str = UNNUMBERED
    in_bytes: str = ""

    def prepare(self) -> None:
        """Make what :meth:`writing` needs. :raises DestinationError: it cannot be made."""
        ...

    def scrub(self, table: str) -> list[str]:
        """Remove what the server's files keep of changed rows of *table*; name what remains."""
        ...

    def query_user(self, statement: str) -> tuple[tuple[str, ...], Rows]:
        """Run a user's own single *statement*: the names of its columns, and its rows.

        :raises StatementRejected: the statement is wrong, or would write.
        :raises DestinationError: the server is gone, or takes too long.
        """
        ...

    def close(self) -> None:
        """Close the connection, and remove all that was made for this session alone."""
        ...


def make_within(session: Session, name: str, statement: str, values: Sequence[Any] = ()) -> int:
    """Make the table *name* of a stage that is the warehouse, too, from *statement*; count it."""
    ((rows,),) = session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}", values)
    return int(rows)


def pending(session: Session) -> list[str]:
    """The statements that create or migrate the tables; empty if the tables are up to date.

    :raises SchemaTooNew: a newer orderpull made the tables.
    :raises DestinationForeign: something else made tables with our names.
    """
    names = {str(name) for (name,) in session.execute(session.table_names)}
    version = _version(session, names)
    if version == SCHEMA_VERSION:
        return []
    from orderpull.destinations import schema

    if version is None:
        return list(schema.create_statements(session.kind))
    there = schema.added((str(t), str(c)) for t, c in session.execute(session.column_names))
    versions = range(version + 1, SCHEMA_VERSION + 1)
    statements = (sql for number in versions for sql in schema.MIGRATIONS[number](session.kind))
    return [sql for sql in statements if not sql.startswith(there)]


def holds_tables(session: Session) -> bool:
    """True if the tables are there, of this orderpull's version; False if nothing is there yet.

    :raises DestinationError: they are of another version.
    """
    version = _version(session, {str(name) for (name,) in session.execute(session.table_names)})
    if version is not None and version < SCHEMA_VERSION:
        raise DestinationError(
            f"{session.where} has schema version {version}; this orderpull reads {SCHEMA_VERSION}.",
            "`orderpull load` migrates the tables.",
        )
    return version is not None


def ensure_schema(session: Session) -> None:
    """Create or migrate the tables, and record the version, in one transaction."""
    if session.version() == SCHEMA_VERSION or not pending(session):
        return
    with session.writing():
        statements = pending(session)  # another process may have been first
        for statement in statements:
            session.execute(statement)
        if statements:
            session.execute(
                "INSERT INTO orderpull_schema VALUES (?, ?, ?)",
                [SCHEMA_VERSION, clock.now(), f"orderpull {__version__}"],
            )
    if session.kind in {"postgresql", "redshift"} and any(
        sql.startswith("ALTER ") for sql in statements
    ):
        log.warning(
            "the tables were updated: `orderpull grants` prints the script that gives other users "
            "their rights on new columns and views"
        )


def _version(session: Session, names: set[str]) -> int | None:
    """The schema version; None if none of our tables exists."""
    if "orderpull_schema" in names:
        version = read_version(session)
        if version is not None and version > SCHEMA_VERSION:
            raise SchemaTooNew(
                f"{session.where} has schema version {version}; this orderpull knows up to "
                f"{SCHEMA_VERSION}.",
                "Update orderpull; nothing was changed.",
            )
        if version is not None:
            return version
    taken = sorted(names & _OURS)
    if taken:
        raise DestinationForeign(
            f"{session.where} already has tables named {', '.join(taken)}, not made by orderpull.",
            "Choose another place in destination.url; this one was not touched.",
        )
    return None


def read_version(session: Session) -> int | None:
    """The schema version in ``orderpull_schema``, which must exist."""
    version = session.execute("SELECT max(version) FROM orderpull_schema")[0][0]
    return None if version is None else int(version)
