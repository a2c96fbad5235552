"""PostgreSQL 14 or newer, through psycopg.

DuckDB writes rows as CSV; ``COPY`` loads them into temporary tables of the session.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege

from orderpull.destinations.ledger import Rows
from orderpull.destinations.postgres.errors import (
    STATEMENT_ERRORS,
    first_line,
    reason_for_user,
    refused,
    unreachable,
)
from orderpull.destinations.protocol import Kind
from orderpull.destinations.server import ServerDestination
from orderpull.destinations.session import ServerSession
from orderpull.destinations.user_query import StatementRejected
from orderpull.engine import duckdb
from orderpull.errors import DestinationError, SettingsError
from orderpull.failpoints import failpoint
from orderpull.model import KEY_TEXTS, SIZES, TABLES, Column
from orderpull.scratch import ScratchFolder
from orderpull.settings import DestinationSettings
from orderpull.sqltext import quoted

OLDEST = 140000
"""The oldest supported version, as PostgreSQL numbers them."""

LIMITS = {name: SIZES[name] for name in KEY_TEXTS}
"""Bytes that keys hold: a row of a B-tree index has 2,704 bytes. Other texts have no limit."""

_TYPES = {
    "text": "text",
    "integer": "bigint",
    "boolean": "boolean",
    "time": "timestamp",
    "day": "date",
    "money": "numeric(19,4)",
    "money_sum": "numeric(38,4)",
}
_CHUNK = 1 << 18
_DEAD_AFTER = 60
"""Seconds without an acknowledgement after which the connection counts as lost."""


def postgres_destination(settings: DestinationSettings, zone: ZoneInfo) -> ServerDestination:
    """The database at ``settings.url``.

    :param zone: time zone of the rollups' days.
    :raises SettingsError: the URL cannot be read.
    """
    try:
        options = conninfo_to_dict(settings.url)
    except psycopg.ProgrammingError as error:
        raise SettingsError(
            f"destination.url cannot be read: {first_line(error)}.",
            "For example postgresql://user@host:5432/database.",
        ) from None
    where = (
        f"PostgreSQL at {options.get('host', 'localhost')}:{options.get('port', 5432)}"
        f"/{options.get('dbname', options.get('user', ''))}"
    )
    return ServerDestination(where, lambda: PostgresSession(settings, options, where), LIMITS, zone)


class PostgresSession(ServerSession):
    """A connection to one database.

    :param options: libpq's connection options, from the URL.
    :param where: the server and its database, as messages name them.
    """

    kind: Kind = "postgresql"
    enforces_keys = True
    in_bytes = ' COLLATE "C"'

    def __init__(self, settings: DestinationSettings, options: dict[str, Any], where: str) -> None:
        self.settings = settings
        self.where = where
        self.connection = self._connect(options)
        self.folder = ScratchFolder()

    def prepare(self) -> None:
        """Do nothing: an advisory lock needs no table."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run *statement*, with ``?`` for each value."""
        with self._translated_errors():
            if values:
                statement = statement.replace("%", "%%").replace("?", "%s")
            cursor = self.connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the temporary table *name* from the stage's *query*; count its rows."""
        file = self.folder.path / f"{name}.csv"
        rows = _write_csv(stage, file, columns, query)
        if not rows:
            return 0
        typed = ", ".join(f'"{column.name}" {_TYPES[column.type]}' for column in columns)
        copy = f"COPY {name} ({quoted(c.name for c in columns)}) FROM STDIN (FORMAT csv)"
        with (
            self._translated_errors(),
            self.connection.transaction(),
            self.connection.cursor() as cursor,
        ):
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({typed})")
            cursor.execute(f"TRUNCATE {name}")
            with cursor.copy(copy) as into, file.open("rb") as csv:
                while chunk := csv.read(_CHUNK):
                    into.write(chunk)
            cursor.execute(f"ANALYZE {name}")
        file.unlink()
        return rows

    def query_user(self, statement: str) -> tuple[tuple[str, ...], Rows]:
        """Run *statement* prepared: PostgreSQL then rejects several commands in one string."""
        try:
            cursor = self.connection.execute(statement, prepare=True)
            names = tuple(column.name for column in cursor.description or ())
            return names, cursor.fetchall() if cursor.description else []
        except InsufficientPrivilege as error:
            raise refused(error, self.where, self.settings) from None
        except STATEMENT_ERRORS as error:
            position = error.diag.statement_position
            raise StatementRejected(
                reason_for_user(error), int(position) - 1 if position else None
            ) from None
        except psycopg.Error as error:
            raise refused(error, self.where, self.settings) from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction; an advisory lock keeps other loaders out and readers in."""
        with self._translated_errors(), self.connection.transaction():
            self.connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('orderpull'), hashtext(current_schema()))"
            )
            yield
            failpoint("before-commit")
        failpoint("committed")

    def scrub(self, table: str) -> list[str]:
        """Write the files of *table* anew, and its statistics, which hold frequent values.

        PostgreSQL only warns if the user may not: then the table has the same file as before.
        """
        query = "SELECT pg_relation_filenode(?)"
        before = self.execute(query, [table])
        try:
            self.execute(f"VACUUM (FULL, ANALYZE) {table}")
            why = "only its owner may write it anew"
        except DestinationError as error:
            why = error.message
        if self.execute(query, [table]) != before:
            self._renew_statistics(table)
            return []
        left = f"{self.where}, table {table}: old rows stay in its files until later ones overwrite"
        return [f"{left} them ({why}). Its owner can run: VACUUM (FULL, ANALYZE) {table}"]

    def _renew_statistics(self, table: str) -> None:
        """Replace the statistics of *table* if it is empty, by those of a row that nobody sees.

        ANALYZE leaves an empty table the statistics of the rows that it had.
        """
        with self._translated_errors(), self.connection.transaction():
            if self.execute(f"SELECT 1 FROM {table} LIMIT 1"):
                return
            (key,) = (each.key for each in TABLES if each.name == table)
            blanks = ", ".join(["''"] * len(key))
            self.execute(f"INSERT INTO {table} ({quoted(key)}) VALUES ({blanks})")
            self.execute(f"ANALYZE {table}")
            self.execute(f"DELETE FROM {table} WHERE source = ''")

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self.connection.close()
        self.folder.close()

    def _connect(self, options: dict[str, Any]) -> psycopg.Connection[tuple[Any, ...]]:
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
            connection = psycopg.connect(make_conninfo(**(defaults | options)), autocommit=True)
        except psycopg.Error as error:
            raise unreachable(error, self.where, options, settings) from None
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
    def _translated_errors(self) -> Iterator[None]:
        """Turn the server's errors into sentences, without details, which quote rows."""
        try:
            yield
        except psycopg.Error as error:
            raise refused(error, self.where, self.settings) from None


def _write_csv(
    stage: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[Column], query: str
) -> int:
    r"""Write the rows of *query* as PostgreSQL reads CSV; count them.

    NULL is an empty field, an empty text is ``""``. Texts are always quoted, because ``\.`` alone
    on a line would end the data.
    """
    texts = ", ".join(column.name for column in columns if column.type == "text")
    quote = f", FORCE_QUOTE ({texts})" if texts else ""
    row = stage.execute(
        f"COPY ({query}) TO '{file}' (FORMAT csv, HEADER false, NULLSTR ''{quote})"
    ).fetchone()
    return int(row[0]) if row else 0
