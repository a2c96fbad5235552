"""The double itself: accepts clients, logs them in, and gives each a session."""

import itertools
import os
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg

from tests.doubles.redshift.backend import Backend
from tests.doubles.redshift.canned_replies import told
from tests.doubles.redshift.catalog import SERVER_VERSION, template
from tests.doubles.redshift.copy_load import Copying, Roles
from tests.doubles.redshift.copy_statement import CopyStatement
from tests.doubles.redshift.logins import Issuer, TemporaryPasswords
from tests.doubles.redshift.parquet import Unloadable
from tests.doubles.redshift.session import HangUp, Session
from tests.doubles.redshift.wire import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    PROTOCOL,
    SSL_REQUEST,
    Gone,
    Wire,
    WireError,
    texts,
    zero,
)
from tests.servers import Certificate, PostgresServer, aws_client, fresh_database

_users = itertools.count(1)
_LOGIN_SECONDS = 30


@dataclass(frozen=True)
class Template:
    """A database of a double that others may copy, and the user who owns its tables."""

    database: str
    owner: str


class RedshiftDouble:
    """A Redshift at :attr:`host` and :attr:`port`; see :func:`redshift_double`."""

    def __init__(
        self,
        postgres: PostgresServer,
        s3_endpoint: str,
        roles: Mapping[str, str | Sequence[str]],
        certificate: Certificate | None,
    ) -> None:
        self.gate: Callable[[str], None] | None = None
        """Called with each statement before it runs; may wait, raise WireError or HangUp."""
        self.gate_after: Callable[[str], None] | None = None
        """Called with each statement after it ran, before the client hears of it."""
        self.statements: list[str] = []
        """Every statement that clients sent, as often as they sent it."""
        self.postgres = postgres
        self.user = f"loader_{os.getpid()}_{next(_users)}"
        self.password = secrets.token_hex(8)
        self.roles = Roles(
            {arn: [at] if isinstance(at, str) else list(at) for arn, at in roles.items()}
        )
        self.passwords = TemporaryPasswords()
        self.issuer = Issuer(self.passwords, s3_endpoint, f"IAMR:{self.user}")
        self._s3_endpoint = s3_endpoint
        self._template = template(postgres)
        self._tls = _tls(certificate)
        self._queries = itertools.count(1)
        self._sessions: dict[bytes, Session] = {}
        self._wires: set[Wire] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = False
        self._make_user(self.user, self.password)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._start(self._accept)

    def fresh_database(self, copied: Template | None = None) -> str:
        """The name of a new database that belongs to :attr:`user`, empty or *copied*."""
        name = fresh_database(self.postgres, copied.database if copied else self._template)
        with self.postgres.connect(name) as connection:
            connection.execute(f'ALTER DATABASE {name} OWNER TO "{self.user}"'.encode())
            if copied:
                connection.execute(f'REASSIGN OWNED BY "{copied.owner}" TO "{self.user}"'.encode())
        return name

    @cached_property
    def _s3(self) -> Any:
        """One client for all COPYs: to make one takes longer than a COPY."""
        return aws_client("s3", self._s3_endpoint)

    def record(self, statement: str) -> None:
        """Note that a client sent *statement*."""
        with self._lock:
            self.statements.append(statement)

    def load(
        self, copy: CopyStatement, backend: Backend, database: str, cancelled: Callable[[], bool]
    ) -> tuple[int, int]:
        """Do a COPY; the number of its rows and its own. :raises WireError: it failed."""
        number = next(self._queries)
        try:
            rows = Copying(copy, self._s3, self.roles, cancelled).run(backend)
        except Unloadable as error:
            self._note_load_error(copy, database, number, error)
            raise WireError(
                "XX000",
                f"Load into table '{copy.table.rpartition('.')[2].strip(chr(34))}' failed.  Check "
                "'sys_load_error_detail' system table for details."
                if error.line
                else "Spectrum Scan Error",
                error.detail,
            ) from error
        return rows, number

    def drop_connections(self) -> None:
        """Break every client's connection, as when the cluster restarts."""
        with self._lock:
            wires, keys = list(self._wires), list(self._sessions)
        for wire in wires:
            wire.close()
        for key in keys:
            self._cancel(key)

    def close(self) -> None:
        """End everything: connections, threads, the issuer of passwords."""
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        for thread in list(self._threads):
            thread.join(10)
        self.issuer.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name="redshift-double")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        """One client, from its first byte to its last."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(_LOGIN_SECONDS)
        first = wire = Wire(connection)
        try:
            self._watch(wire)
            wire, parameters = self._greet(wire)
            self._watch(wire)
            if parameters:
                self._converse(wire, parameters)
        except WireError as error:
            with suppress(Gone):
                wire.put(b"E", told(error).body("FATAL"))
                wire.flush()
        except (Gone, HangUp, OSError):
            pass
        finally:
            with self._lock:
                self._wires -= {first, wire}
            wire.release()
            first.release()

    def _greet(self, wire: Wire) -> tuple[Wire, dict[str, str]]:
        """TLS if asked for; the startup parameters, none if this was a cancellation."""
        while True:
            code, rest = wire.read_startup()
            if code == SSL_REQUEST and self._tls:
                wire.put_raw(b"S")
                wire.flush()
                wire = Wire(self._tls.wrap_socket(wire.socket, server_side=True))
            elif code in {SSL_REQUEST, GSS_REQUEST}:
                wire.put_raw(b"N")
                wire.flush()
            elif code == CANCEL_REQUEST:
                self._cancel(rest)
                return wire, {}
            elif code == PROTOCOL:
                told = texts(rest)
                return wire, dict(zip(told[::2], told[1::2], strict=False))
            else:
                raise WireError("08P01", f"unsupported frontend protocol {code >> 16}")

    def _converse(self, wire: Wire, parameters: dict[str, str]) -> None:
        backend, database = self._log_in(wire, parameters)
        session = Session(wire, backend, self, database)
        with self._lock:
            self._sessions[backend.key] = session
        try:
            for name, value in {**backend.parameters, "server_version": SERVER_VERSION}.items():
                wire.put(b"S", zero(name) + zero(value))
            wire.put(b"K", backend.key)
            wire.put(b"Z", b"I")
            wire.flush()
            session.run()
        finally:
            with self._lock:
                del self._sessions[backend.key]
            backend.close()

    def _log_in(self, wire: Wire, parameters: dict[str, str]) -> tuple[Backend, str]:
        """Ask for the password, and connect to PostgreSQL as that user.

        :raises WireError: user, password or database is wrong.
        """
        wire.put(b"R", struct.pack("!I", 3))
        wire.flush()
        _, body = wire.read()
        user, password = parameters["user"], body[:-1].decode()
        database = parameters.get("database", user)
        address = (self.postgres.host, self.postgres.port)
        name = parameters.get("application_name", "")
        if user.startswith(("IAM:", "IAMA:", "IAMR:")):
            role = self.passwords.role(user, password)
            if not user.startswith("IAM:"):
                self._make_user(role, secrets.token_hex(8))
            backend = Backend(address, self.postgres.user, self.postgres.password, database, name)
            backend.query('SET SESSION AUTHORIZATION "' + role.replace('"', '""') + '"')
        else:
            backend = Backend(address, user, password, database, name)
        wire.put(b"R", struct.pack("!I", 0))
        wire.socket.settimeout(None)
        return backend, database

    def _watch(self, wire: Wire) -> None:
        with self._lock:
            self._wires.add(wire)
        if self._closing:
            raise Gone("closing")

    def _cancel(self, key: bytes) -> None:
        """Cancel what runs in the session of *key*: in the double, and in PostgreSQL."""
        with self._lock:
            session = self._sessions.get(key)
        if session is None:
            return
        session.cancelled = True
        address = (self.postgres.host, self.postgres.port)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(struct.pack("!II", 16, CANCEL_REQUEST) + key)
            connection.recv(1)

    def _make_user(self, name: str, password: str) -> None:
        """Make a user of the whole server, unless there is one."""
        quoted = '"' + name.replace('"', '""') + '"'
        with self.postgres.connect() as connection, suppress(psycopg.errors.DuplicateObject):
            connection.execute(f"CREATE ROLE {quoted} LOGIN PASSWORD '{password}'".encode())

    def _note_load_error(
        self, copy: CopyStatement, database: str, number: int, error: Unloadable
    ) -> None:
        """Tell *error* in the tables of load errors, out of reach of the client's rollback."""
        column = error.column
        name, kind, size = (column.name, column.bare[:10], column.size) if column else ("", "", "")
        with self.postgres.connect(database) as connection:
            connection.execute(
                "INSERT INTO pg_catalog.stl_load_errors (slice, starttime, query, filename, "
                "line_number, colname, type, col_length, err_code, err_reason) "
                "VALUES (0, now(), %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    number,
                    error.url[:256],
                    error.line,
                    name,
                    kind,
                    size,
                    error.number,
                    error.message[:100],
                ),
            )
            connection.execute(
                "INSERT INTO pg_catalog.sys_load_error_detail (query_id, database_name, start_time,"
                " file_name, line_number, column_name, column_type, column_length, error_code, "
                "error_message) VALUES (%s, %s, now(), %s, %s, %s, %s, %s, %s, %s)",
                (
                    number,
                    database,
                    error.url[:256],
                    error.line,
                    name,
                    kind,
                    size,
                    error.number,
                    error.message[:512],
                ),
            )


@contextmanager
def redshift_double(
    postgres: PostgresServer,
    s3_endpoint: str,
    roles: Mapping[str, str | Sequence[str]],
    certificate: Certificate | None = None,
) -> Iterator[RedshiftDouble]:
    """A running double in front of *postgres*, reading from S3 at *s3_endpoint*.

    :param roles: which role, by ARN, may read keys that begin with which ``bucket/prefix``.
    :param certificate: offer TLS with it.
    """
    double = RedshiftDouble(postgres, s3_endpoint, roles, certificate)
    try:
        yield double
    finally:
        double.close()


def _tls(certificate: Certificate | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context
