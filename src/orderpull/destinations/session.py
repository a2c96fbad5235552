"""Sessions: connections to a warehouse, with all that differs between the three."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb

from orderpull.destinations.ledger import Rows
from orderpull.destinations.protocol import Kind
from orderpull.model import Column


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

    table_names: str
    """Query for the names of the tables and views that exist."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run *statement*, with ``?`` for each value; return its rows, if it has any.

        :raises DestinationError: the server refused it, or is gone.
        """
        ...

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
    is_stage: bool = False

    def prepare(self) -> None:
        """Make what :meth:`writing` needs. :raises DestinationError: it cannot be made."""
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
