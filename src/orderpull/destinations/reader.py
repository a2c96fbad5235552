"""Read from a server, in pieces of bounded size."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orderpull.destinations.protocol import MEMORY_LIMIT, QueryResult
from orderpull.destinations.session import ServerSession
from orderpull.destinations.user_query import FETCH_SIZE, run_through_cursor

if TYPE_CHECKING:
    import sqlalchemy as sa


class ServerReader:
    """A database, open for reading."""

    def __init__(self, session: ServerSession) -> None:
        self.session = session

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

    @contextmanager
    def in_duckdb(
        self, query: "sa.Select[Any]", types: Mapping[str, str]
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """A temporary DuckDB file with the rows, and the query that reads them."""
        with tempfile.TemporaryDirectory(prefix="orderpull-") as folder:
            file = str(Path(folder) / "rows.duckdb")
            with duckdb.connect(file, config={"memory_limit": MEMORY_LIMIT}) as connection:
                names = ", ".join(f"{name} {type_}" for name, type_ in types.items())
                connection.execute(f"CREATE TABLE fetched ({names})")
                unnested = ", ".join(f"unnest(?::{type_}[])" for type_ in types.values())
                rows = self.query(query).rows
                while some := list(islice(rows, FETCH_SIZE)):
                    lists = [list(values) for values in zip(*some, strict=True)]
                    connection.execute(f"INSERT INTO fetched SELECT {unnested}", lists)
                yield connection, "SELECT * FROM fetched"
