"""A connection to a server, as what is common to PostgreSQL and Redshift needs it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb

from orderpull.destinations import ledger
from orderpull.destinations.protocol import Kind
from orderpull.model import Column


class Session(Protocol):
    """A connection to a server."""

    kind: Kind
    where: str
    """The server and its database, as messages name them."""

    enforces_keys: bool
    """Whether the server itself refuses a row that stands twice."""

    def prepare(self) -> None:
        """Make what :meth:`writing` needs. :raises DestinationError: it cannot be made."""
        ...

    def execute(self, statement: str, values: Sequence[Any] = ()) -> ledger.Rows:
        """Run *statement*, ``?`` for each value; its rows, if it has some.

        :raises DestinationError: the server refused it, or is gone.
        """
        ...

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the temporary table *name* of what *query* finds in the stage; how many rows.

        A table without rows need not be made.
        """
        ...

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that no other loader's overlaps.

        :raises DestinationBusy: another loader's took too long.
        """
        ...

    def query_user(self, statement: str) -> tuple[tuple[str, ...], ledger.Rows]:
        """Run a reader's own single *statement*: the names of its columns, and its rows.

        :raises StatementRejected: the statement is wrong, or would write.
        :raises DestinationError: the server is gone, or takes too long.
        """
        ...

    def close(self) -> None:
        """Let go of the server, and of all that was made for this session alone."""
        ...
