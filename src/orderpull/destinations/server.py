"""What PostgreSQL and Redshift have in common: a server that many may load at once.

Orders are staged and judged here, in a DuckDB in memory; what is stored of them is fetched by key.
What changes is uploaded into temporary tables, and then written in one transaction that holds a
lock no reader asks for. There the ledger says whether another loader has written since this one
looked; if so, nothing is changed, and what is left to do is judged anew.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import duckdb

from orderpull import clock, points
from orderpull.destinations import ledger
from orderpull.destinations.asking import FETCHED_AT_ONCE, through_cursor
from orderpull.destinations.changes import DELETES, inserts, plan
from orderpull.destinations.ledger import quoted
from orderpull.destinations.migrating import migrate, pending
from orderpull.destinations.protocol import (
    Answer,
    Batch,
    Judged,
    Kind,
    Loader,
    Reader,
    Reject,
    RunRecord,
    SourceState,
)
from orderpull.destinations.verdict import KNOWN, judge
from orderpull.errors import DestinationError, Overtaken
from orderpull.model import (
    DATA_TABLES,
    LEDGER_REJECT,
    LEDGER_SCHEMA,
    ORDER_HEADER,
    TABLES,
    Column,
    Table,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

MEMORY_LIMIT = "512MB"
_STAGE: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": False,
    "memory_limit": MEMORY_LIMIT,
}
_DUCKDB = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "money": "DECIMAL(19,4)",
}


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

    def close(self) -> None:
        """Let go of the server, and of all that was made for this session alone."""
        ...


@runtime_checkable
class Asking(Protocol):
    """A session that takes a reader's own SQL."""

    def ask(self, statement: str) -> tuple[tuple[str, ...], ledger.Rows]:
        """Run a single *statement*: the names of its columns, and its rows.

        :raises Refused: the statement is wrong, or would write.
        :raises DestinationError: the server is gone, or takes too long.
        """
        ...


class ServerDestination:
    """A database on a server.

    :param connect: connects anew. :param limits: bytes that columns take.
    """

    def __init__(
        self, where: str, connect: Callable[[], Session], limits: Mapping[str, int]
    ) -> None:
        self.where = where
        self.connect = connect
        self.limits = limits

    def __str__(self) -> str:
        return self.where

    def place(self) -> str:
        """What the server says that it is."""
        with self._session() as session:
            found = session.execute(_PLACE[session.kind])
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
            yield ServerLoader(stage, session, self.limits)

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


class ServerReader:
    """A database, open for reading."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """The rows that *query* answers."""
        from orderpull.destinations.schema import compiled

        text, values = compiled(query, self.session.kind)
        names = [column.name for column in query.selected_columns]
        rows = self.session.execute(text, values)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def query(self, query: "sa.Select[Any] | str") -> Answer:
        """What *query* finds, fetched from the server piece by piece."""
        session = self.session
        if isinstance(query, str):
            if not isinstance(session, Asking):
                raise DestinationError(f"{session.where} takes no SQL of your own yet.")
            return through_cursor(session.ask, query)
        from orderpull.destinations.schema import literal

        names = tuple(column.name for column in query.selected_columns)
        return through_cursor(
            lambda text: (names, session.execute(text)), literal(query, session.kind)
        )

    @contextmanager
    def in_duckdb(
        self, query: "sa.Select[Any]", types: Mapping[str, str]
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """The rows, fetched into a DuckDB file that is removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="orderpull-") as folder:
            file = str(Path(folder) / "rows.duckdb")
            with duckdb.connect(file, config={"memory_limit": MEMORY_LIMIT}) as connection:
                names = ", ".join(f"{name} {type_}" for name, type_ in types.items())
                connection.execute(f"CREATE TABLE fetched ({names})")
                unnested = ", ".join(f"unnest(?::{type_}[])" for type_ in types.values())
                rows = self.query(query).rows
                while some := list(islice(rows, FETCHED_AT_ONCE)):
                    lists = [list(values) for values in zip(*some, strict=True)]
                    connection.execute(f"INSERT INTO fetched SELECT {unnested}", lists)
                yield connection, "SELECT * FROM fetched"


class ServerLoader:
    """A database, connected for writing; the stage is a DuckDB in memory."""

    def __init__(
        self, stage: duckdb.DuckDBPyConnection, session: Session, limits: Mapping[str, int]
    ) -> None:
        self.stage = stage
        self.session = session
        self.limits = limits

    def state(self, source: str) -> SourceState:
        """What the ledger knows of *source*."""
        return ledger.read_state(self.session.execute, source)

    def judge(self, batch: Batch) -> Judged:
        """Compare the staged tables with what is stored."""

        def create_known() -> None:
            rows: ledger.Rows = []
            if self._upload("staged_key", _KEY, f"SELECT {_KEY_NAMES} FROM staged_order"):
                rows = self.session.execute(_STORED, [batch.source, batch.source])
            self._stage("known", KNOWN, ORDER_HEADER, rows)

        return judge(self.stage, batch, create_known)

    def apply(self, batch: Batch, judged: Judged) -> None:
        """Write everything of *batch*: upload, then one transaction."""
        stored = self.session.execute(
            f"SELECT {ledger.KNOWN_REJECT} FROM orderpull_reject WHERE source = ?", [batch.source]
        )
        self._stage("known_reject", ledger.KNOWN_REJECT, LEDGER_REJECT, stored)
        plan(self.stage, batch, judged)
        at = clock.now()
        record = batch.record
        record.run = record.run or ledger.next_run(self.session.execute)
        record.batches += 1
        keys = self._upload_keys()
        rows = self._upload_rows(inserts(batch.source, record.run, at, self.limits))
        points.reached("before-lock")
        with self.session.writing():
            points.reached("load-begun")
            self._refuse_overtaken(batch)
            self._delete(batch.source, keys)
            points.reached("rows-deleted")
            self._insert(rows)
            points.reached("rows-inserted")
            if not self.session.enforces_keys:
                self._assert_unique(batch.source, rows)
            ledger.write_state(self.session.execute, batch.source, batch.state, at)
            ledger.write_run(self.session.execute, record)
            points.reached("ledger-written")

    def record(self, record: RunRecord, state: SourceState) -> None:
        """Write a run's row, and a source's state unless another loader wrote meanwhile."""
        execute = self.session.execute
        with self.session.writing():
            record.run = record.run or ledger.next_run(execute)
            ledger.write_run(execute, record)
            if self.state(record.source).loads + 1 == state.loads:
                ledger.write_state(execute, record.source, state, clock.now())

    def rejects(self, source: str | None = None, reason: str | None = None) -> list[Reject]:
        """The open rejects."""
        return ledger.read_rejects(self.session.execute, source, reason)

    def _upload(self, name: str, columns: Sequence[Column], query: str) -> int:
        points.reached("before-copy")
        rows = self.session.upload(self.stage, name, columns, query)
        points.reached("copied")
        return rows

    def _upload_keys(self) -> set[str]:
        """The key tables of the stage that are not empty, uploaded."""
        uploaded = set()
        for delete in DELETES:
            column = next(c for c in delete.table.columns if c.name == delete.column)
            if delete.keys not in uploaded and self._upload(
                delete.keys, [column], f"SELECT DISTINCT {column.name} FROM {delete.keys}"
            ):
                uploaded.add(delete.keys)
        return uploaded

    def _upload_rows(self, queries: Mapping[Table, str]) -> list[Table]:
        """The tables that get new rows, these uploaded."""
        return [
            table
            for table, query in queries.items()
            if self._upload(f"new_{table.name}", table.columns, query)
        ]

    def _refuse_overtaken(self, batch: Batch) -> None:
        if self.state(batch.source).loads + 1 != batch.state.loads:
            raise Overtaken(
                f"Another orderpull loaded source {batch.source!r} into {self.session.where} "
                "meanwhile; nothing was changed.",
                "Run again.",
            )

    def _delete(self, source: str, keys: set[str]) -> None:
        for delete in DELETES:
            if delete.keys in keys:
                table, column = delete.table.name, delete.column
                self.session.execute(
                    f"DELETE FROM {table} USING {delete.keys} AS k "
                    f"WHERE {table}.source = ? AND {table}.{column} = k.{column}",
                    [source],
                )

    def _insert(self, tables: Sequence[Table]) -> None:
        for table in tables:
            names = quoted(table.names)
            self.session.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_{table.name}"
            )

    def _assert_unique(self, source: str, written: Sequence[Table]) -> None:
        """Fail, and so roll back, if a key that was written stands twice."""
        for table in DATA_TABLES:
            if table not in written:
                continue
            key = quoted(table.key)
            twice = self.session.execute(
                f"SELECT count(*) FROM (SELECT {key} FROM {table.name} WHERE source = ? "
                f"AND ordernumber IN (SELECT ordernumber FROM new_{table.name}) "
                f"GROUP BY {key} HAVING count(*) > 1) AS twice",
                [source],
            )[0][0]
            if twice:
                raise DestinationError(
                    f"{table.name} would hold {twice} orders of {source!r} twice; "
                    "nothing was loaded.",
                    "Something else wrote to these tables; `orderpull replay --into` makes them "
                    "anew.",
                )

    def _stage(self, name: str, columns: str, table: Table, rows: ledger.Rows) -> None:
        """Make the temporary table *name* of the stage, of *columns* of *table*."""
        types = {column.name: _DUCKDB[column.type] for column in table.columns}
        names = columns.split(", ")
        lists = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in names]
        unnested = ", ".join(f"unnest(?::{types[name]}[]) AS {name}" for name in names)
        self.stage.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {unnested}", lists)


_KEY = [c for c in ORDER_HEADER.columns if c.name in {"order_id", "ordernumber"}]
_KEY_NAMES = ", ".join(column.name for column in _KEY)
_OF_HEADER = ", ".join(f"h.{name}" for name in KNOWN.split(", "))

# Two lookups by key instead of one with OR, which would read the whole table each time.
_STORED = f"""
SELECT {_OF_HEADER} FROM order_header AS h
WHERE h.source = ? AND h.order_id IN (SELECT order_id FROM staged_key)
UNION
SELECT {_OF_HEADER} FROM order_header AS h
WHERE h.source = ? AND h.ordernumber IN (SELECT ordernumber FROM staged_key)"""


def _names(session: Session) -> list[str]:
    """The tables and views of the schema that this session works in."""
    # information_schema would leave out what this user has no right to.
    rows = session.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() "
        "UNION ALL SELECT viewname FROM pg_views WHERE schemaname = current_schema()"
    )
    return [str(row[0]) for row in rows]


_PLACE = {
    "postgresql": "SELECT pg_postmaster_start_time()::text, current_database(), current_schema()",
    "redshift": "SELECT '{where}', current_database(), current_schema()",
}
"""What tells a server, a database and a schema from every other."""


# Redshift's transactions see one instant in any case.
_READING = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "redshift": "BEGIN READ ONLY",
}


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
    with session.writing():
        pass
    with duckdb.connect() as stage:
        column = LEDGER_SCHEMA.columns[0]
        session.upload(stage, "preflight", [column], f"SELECT 1::BIGINT AS {column.name}")
