"""Amazon Redshift, provisioned or Serverless, through redshift_connector.

DuckDB writes rows as Parquet to a bucket; ``COPY`` loads them with an IAM role into temporary
tables. The writing transaction begins with a lock on ``orderpull_lock``, a table that no reader
uses. Without a lock, Redshift's SNAPSHOT isolation lets two loaders both insert; a lock on the
orders' own tables would block readers.
(https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html, r_LOCK.html)
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from redshift_connector.core import Connection
from redshift_connector.error import Error

from orderpull.destinations.ledger import Rows
from orderpull.destinations.protocol import Kind
from orderpull.destinations.redshift.auth import Address, Login, login
from orderpull.destinations.redshift.errors import (
    is_statement_error,
    load_refused,
    lock_refused,
    position_of,
    reason_for_user,
    refused,
    unreachable,
)
from orderpull.destinations.redshift.stage import RedshiftStage, StageFiles, parquet
from orderpull.destinations.server import ServerDestination
from orderpull.destinations.session import ServerSession
from orderpull.destinations.user_query import StatementRejected
from orderpull.engine import duckdb
from orderpull.errors import DestinationError
from orderpull.failpoints import failpoint
from orderpull.model import SIZES, Column
from orderpull.settings import DestinationSettings

_TYPES = {
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "day": "DATE",
    "money": "NUMERIC(19, 4)",
    "money_sum": "NUMERIC(38, 4)",
}
_MARGIN = 5.0
"""Seconds that the connection waits longer than the server's time limit of a statement."""

Translation = Callable[[Exception, str, DestinationSettings], DestinationError]


def redshift_destination(settings: DestinationSettings, zone: ZoneInfo) -> ServerDestination:
    """The database at ``settings.url``.

    :param zone: time zone of the rollups' days.
    :raises SettingsError: the URL, or a setting that Redshift needs, is missing or wrong.
    """
    address = Address.parse(settings.url)
    stage = RedshiftStage(settings)
    where = f"Redshift at {address.host}:{address.port}/{address.database}"

    def connect() -> RedshiftSession:
        return RedshiftSession(settings, address, stage, where)

    return ServerDestination(where, connect, SIZES, zone)


class RedshiftSession(ServerSession):
    """A connection to one database.

    :param stage: the bucket for the files of ``COPY``.
    :param where: the server and its database, as messages name them.
    """

    kind: Kind = "redshift"
    enforces_keys = False

    def __init__(
        self, settings: DestinationSettings, address: Address, stage: RedshiftStage, where: str
    ) -> None:
        self.settings = settings
        self.where = where
        self.stage = stage
        self.connection = self._connect(address)
        self.files = StageFiles(stage)
        self._set_statement_timeout(settings.timeout)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run *statement*, with ``?`` for each value."""
        with self._translated_errors():
            return self._run(statement, values)

    def upload(
        self, stage: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column], query: str
    ) -> int:
        """Make the temporary table *name* from *query*, by PUT and COPY; count its rows."""
        with parquet(stage, columns, query) as (rows, parts):
            if not rows:
                return 0
            failpoint("before-put")
            manifest = self.files.put(name, parts)
            failpoint("put")
        typed = ", ".join(f'"{column.name}" {_type(column)}' for column in columns)
        self.execute(f"DROP TABLE IF EXISTS {name}")
        self.execute(f"CREATE TEMP TABLE {name} ({typed})")
        self._copy(name, manifest)
        if (loaded := int(self.execute("SELECT pg_last_copy_count()")[0][0])) != rows:
            raise DestinationError(
                f"{self.where} loaded {loaded} of {rows} rows into {name}; nothing was changed.",
                "Run again; if it stays so, compare the bucket's region with the cluster's.",
            )
        return rows

    def query_user(self, statement: str) -> tuple[tuple[str, ...], Rows]:
        """Run a user's own single *statement*."""
        cursor = self.connection.cursor()
        with self._translated_errors():
            try:
                cursor.execute(statement)
                names = tuple(str(column[0]) for column in cursor.description or ())
                return names, [tuple(row) for row in cursor.fetchall()] if names else []
            except Error as error:
                if is_statement_error(error):
                    raise StatementRejected(reason_for_user(error), position_of(error)) from None
                raise

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that holds ``orderpull_lock``, its first statement."""
        self._set_statement_timeout(self.settings.lock_wait)
        self.execute("BEGIN")
        try:
            with self._translated_errors(lock_refused):
                self._run("LOCK orderpull_lock", ())
            self._set_statement_timeout(self.settings.timeout)
            yield
            failpoint("before-commit")
            self.execute("COMMIT")
        except BaseException:
            with suppress(DestinationError):
                self.execute("ROLLBACK")
            with suppress(DestinationError):
                self._set_statement_timeout(self.settings.timeout)
            raise
        finally:
            # The load is committed even if the bucket refuses the deletion: close() tries again.
            with suppress(DestinationError):
                self.files.clear()
        failpoint("committed")

    def prepare(self) -> None:
        """Create the table of the lock, and delete files of killed runs from the bucket."""
        if not self._has_lock():
            try:
                self.execute("CREATE TABLE IF NOT EXISTS orderpull_lock (held BOOLEAN)")
            except DestinationError:
                if not self._has_lock():  # another process may have made it at the same time
                    raise
        self.stage.sweep()

    def scrub(self, table: str) -> list[str]:
        """Free the blocks of changed rows of *table*, and delete left-over files in the bucket."""
        left = self.stage.drop_left_over()
        try:
            self.execute(f"VACUUM DELETE ONLY {table} TO 100 PERCENT")
        except DestinationError as error:
            left.append(
                f"{self.where}, table {table}: old rows stay in its blocks until Redshift vacuums "
                f"it by itself ({error.message}). Its owner can run: VACUUM DELETE ONLY {table} TO "
                "100 PERCENT"
            )
        return left

    def close(self) -> None:
        """Close the connection, and delete this session's files from the bucket."""
        try:
            self.files.clear()
        finally:
            self.connection.leave()

    def _has_lock(self) -> bool:
        query = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?"
        return bool(self.execute(query, ["orderpull_lock"]))

    def _run(self, statement: str, values: Sequence[Any]) -> Rows:
        cursor = self.connection.cursor()
        cursor.paramstyle = "qmark"
        cursor.execute(statement, list(values) if values else None)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def _copy(self, name: str, manifest: str) -> None:
        copy = (
            f"COPY {name} FROM '{manifest}' IAM_ROLE '{self.settings.iam_role}' "
            "FORMAT AS PARQUET MANIFEST"
        )
        with self._translated_errors():
            try:
                self._run(copy, ())
            except Error:
                if recorded := self._load_errors(name):
                    raise load_refused(recorded[0], name, self.where) from None
                raise

    def _load_errors(self, name: str) -> Rows:
        """Redshift's records of load errors in this session's files for table *name*.

        (https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html)
        """
        try:
            return self.execute(
                "SELECT column_name, error_message, line_number FROM sys_load_error_detail "
                "WHERE file_name LIKE ? ORDER BY line_number LIMIT 1",
                [f"%{self.files.folder}{name}-%"],
            )
        except DestinationError:
            return []

    def _set_statement_timeout(self, seconds: float) -> None:
        """Limit the time of each statement from now on."""
        self.execute(f"SET statement_timeout TO {max(1, round(seconds * 1000))}")

    def _connect(self, address: Address) -> "RedshiftConnection":
        settings = self.settings
        who = login(address, settings)
        try:
            connection = RedshiftConnection(address, who, settings.connect_timeout)
        except (Error, OSError) as error:
            raise unreachable(error, self.where, who.user, settings) from None
        connection.wait_for(max(settings.timeout, settings.lock_wait) + _MARGIN)
        return connection

    @contextmanager
    def _translated_errors(self, translate: Translation = refused) -> Iterator[None]:
        """Turn errors of the server and of the connection into sentences."""
        try:
            yield
        except (Error, OSError) as error:
            raise translate(error, self.where, self.settings) from None


class RedshiftConnection(Connection):
    """The driver's connection, with the time-outs and closed sockets that the driver neglects.

    It commits each statement outside a transaction.

    :param seconds: time limit of each wait while connecting.
    :raises Error: connecting failed. :raises OSError: the same.
    """

    def __init__(self, address: Address, who: Login, seconds: float) -> None:
        tls = address.sslmode != "disable"
        try:
            super().__init__(
                user=who.user,
                password=who.password,
                database=address.database,
                host=address.host,
                port=address.port,
                ssl=tls,
                sslmode=address.sslmode,
                timeout=ceil(seconds),
                application_name="orderpull",
            )
        except BaseException:
            self._close_socket()
            raise
        self.autocommit = True

    def wait_for(self, seconds: float) -> None:
        """Set the time limit of each wait from now on: the driver has one time-out for all."""
        self._usock.settimeout(seconds)

    def leave(self) -> None:
        """End the session, if the server still listens, and close the socket."""
        with suppress(Error, OSError):
            self.close()
        self._close_socket()

    def _close_socket(self) -> None:
        # The driver leaves the socket open if connecting fails or the server hangs up, for as long
        # as the error, and with it the connection, is referenced.
        wire = getattr(self, "_usock", None)
        if wire is not None and wire.fileno() >= 0:
            with suppress(OSError):
                os.close(wire.detach())


def _type(column: Column) -> str:
    return f"VARCHAR({column.size})" if column.type == "text" else _TYPES[column.type]
