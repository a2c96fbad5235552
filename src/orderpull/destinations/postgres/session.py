"""PostgreSQL 14 or newer, through psycopg.

Rows go as CSV, written by DuckDB, through ``COPY`` into temporary tables of the session.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege

from orderpull.destinations.ledger import Rows, quoted
from orderpull.destinations.postgres.errors import (
    READERS_OWN,
    first_line,
    refused,
    said_to_reader,
    unreachable,
)
from orderpull.destinations.protocol import Kind
from orderpull.destinations.server import ServerDestination
from orderpull.destinations.session import ServerSession
from orderpull.destinations.user_query import StatementRejected
from orderpull.errors import DestinationError, SettingsError
from orderpull.failpoints import failpoint
from orderpull.model import KEY_TEXTS, SIZES, Column
from orderpull.settings import DestinationSettings

OLDEST = 140000
"""The oldest server version that is tried, as PostgreSQL numbers them."""

LIMITS = {name: SIZES[name] for name in KEY_TEXTS}
"""A row of a B-tree index has 2,704 bytes at most; other texts may be of any length."""

_TYPES = {
    "text": "text",
    "integer": "bigint",
    "boolean": "boolean",
    "time": "timestamp",
    "day": "date",
    "money": "numeric(19,4)",
}
_CHUNK = 1 << 18
_DEAD_AFTER = 60
"""Seconds after which a server that acknowledges nothing is given up."""


def postgres_destination(settings: DestinationSettings, zone: ZoneInfo) -> ServerDestination:
    """The database at ``settings.url``.

    :param zone: whose days the summaries have.
    :raises SettingsError: the URL cannot be read.
    """
    try:
        given = conninfo_to_dict(settings.url)
    except psycopg.ProgrammingError as error:
        raise SettingsError(
            f"destination.url cannot be read: {first_line(error)}.",
            "For example postgresql://user@host:5432/database.",
        ) from None
    where = (
        f"PostgreSQL at {given.get('host', 'localhost')}:{given.get('port', 5432)}"
        f"/{given.get('dbname', given.get('user', ''))}"
    )
    return ServerDestination(where, lambda: PostgresSession(settings, given, where), LIMITS, zone)


class PostgresSession(ServerSession):
    """A connection to one database.

    :param given: what the URL says, by libpq's names.
    :param where: the server and its database, as messages name them.
    """

    kind: Kind = "postgresql"
    enforces_keys = True

    def __init__(self, settings: DestinationSettings, given: dict[str, Any], where: str) -> None:
        self.settings = settings
        self.where = where
        self.connection = self._connect(given)
        self.folder = tempfile.TemporaryDirectory(prefix="orderpull-")

    def prepare(self) -> None:
        """Nothing: an advisory lock needs no table."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run *statement*, with ``?`` for each value."""
        with self._told():
            found = self.connection.execute(_marked(statement, values), values or None)
            return found.fetchall() if found.description else []

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the temporary table *name* of what *query* finds in the stage."""
        file = Path(self.folder.name) / f"{name}.csv"
        rows = _write_csv(stage, file, columns, query)
        if not rows:
            return 0
        typed = ", ".join(f'"{column.name}" {_TYPES[column.type]}' for column in columns)
        copy = f"COPY {name} ({quoted(c.name for c in columns)}) FROM STDIN (FORMAT csv)"
        with self._told(), self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({typed})")
            cursor.execute(f"TRUNCATE {name}")
            with cursor.copy(copy) as into, file.open("rb") as csv:
                while chunk := csv.read(_CHUNK):
                    into.write(chunk)
            cursor.execute(f"ANALYZE {name}")
        file.unlink()
        return rows

    def query_user(self, statement: str) -> tuple[tuple[str, ...], Rows]:
        """Run one *statement*: prepared, so that the server takes no second one along with it."""
        try:
            found = self.connection.execute(statement, prepare=True)
            names = tuple(column.name for column in found.description or ())
            return names, found.fetchall() if found.description else []
        except InsufficientPrivilege as error:
            raise refused(error, self.where, self.settings) from None
        except READERS_OWN as error:
            raise StatementRejected(said_to_reader(error), _position(error)) from None
        except psycopg.Error as error:
            raise refused(error, self.where, self.settings) from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction; an advisory lock keeps other loaders out and readers in."""
        with self._told(), self.connection.transaction():
            self.connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('orderpull'), hashtext(current_schema()))"
            )
            yield
            failpoint("before-commit")
        failpoint("committed")

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self.connection.close()
        self.folder.cleanup()

    def _connect(self, given: dict[str, Any]) -> psycopg.Connection[tuple[Any, ...]]:
        settings = self.settings
        defaults: dict[str, Any] = {
            "application_name": "orderpull",
            "connect_timeout": max(2, round(settings.connect_timeout)),  # libpq: 1 means 2
            "keepalives_idle": _DEAD_AFTER // 2,
            "tcp_user_timeout": _DEAD_AFTER * 1000,
            "client_encoding": "utf8",
        }
        if settings.password is not None:
            defaults["password"] = settings.password
        try:
            connection = psycopg.connect(make_conninfo(**(defaults | given)), autocommit=True)
        except psycopg.Error as error:
            raise unreachable(error, self.where, given, settings) from None
        if connection.info.server_version < OLDEST:
            version = connection.info.server_version // 10000
            connection.close()
            raise DestinationError(
                f"{self.where} is version {version}; orderpull needs {OLDEST // 10000} or newer."
            )
        for name, value in (
            ("TimeZone", "UTC"),
            ("lock_timeout", str(round(settings.lock_wait * 1000) or 1)),
            ("statement_timeout", str(round(settings.timeout * 1000))),
        ):
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the server's errors into sentences; never its details, they quote rows."""
        try:
            yield
        except psycopg.Error as error:
            raise refused(error, self.where, self.settings) from None


def _position(error: psycopg.Error) -> int | None:
    """Where in the statement it is, in characters from 0."""
    position = error.diag.statement_position
    return int(position) - 1 if position else None


def _marked(statement: str, values: Sequence[Any]) -> str:
    """*statement* with psycopg's marks for values."""
    return statement.replace("%", "%%").replace("?", "%s") if values else statement


def _write_csv(
    stage: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[Column], query: str
) -> int:
    r"""Write what *query* finds as PostgreSQL reads CSV; how many rows.

    NULL is nothing, an empty text is ``""``; a text is always quoted, so that ``\.`` alone on a
    line is no end of the data.
    """
    texts = ", ".join(column.name for column in columns if column.type == "text")
    quote = f", FORCE_QUOTE ({texts})" if texts else ""
    told = stage.execute(
        f"COPY ({query}) TO '{file}' (FORMAT csv, HEADER false, NULLSTR ''{quote})"
    )
    row = told.fetchone()
    return int(row[0]) if row else 0
