"""A client's own connection to the real PostgreSQL behind the double."""

import socket
import struct
from collections.abc import Iterable, Iterator

from scramp import ScramClient  # type: ignore[import-untyped] # redshift_connector brings it

from tests.doubles.redshift.wire import PROTOCOL, Gone, Wire, WireError, row_values, zero

SETTINGS = {
    "client_encoding": "UTF8",
    "default_transaction_isolation": "repeatable read",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
}
_OK, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 10, 11, 12


class Backend:
    """One PostgreSQL session.

    :raises WireError: PostgreSQL refuses the login.
    """

    def __init__(
        self, address: tuple[str, int], user: str, password: str, database: str, name: str = ""
    ) -> None:
        self.wire = Wire(socket.create_connection(address, timeout=30))
        self.wire.socket.settimeout(None)
        self.key = b""
        self.status = b"I"
        self.parameters: dict[str, str] = {}
        try:
            self._log_in(user, password, database, name)
        except BaseException:
            self.wire.release()
            raise

    @property
    def in_transaction(self) -> bool:
        """Whether the client began a transaction, sound or failed."""
        return self.status != b"I"

    def ask(self, kind: bytes, body: bytes, until: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Send one message; the answers up to the first whose kind is in *until*, or an error."""
        self.wire.put(kind, body)
        if kind not in {b"Q", b"S"}:
            self.wire.put(b"H")
        self.wire.flush()
        while True:
            answer, content = self.wire.read()
            if answer == b"Z":
                self.status = content
            yield answer, content
            if answer in until or (answer == b"E" and until != b"Z"):
                return

    def query(self, sql: str) -> list[list[str | None]]:
        """Run *sql* for the double itself; its rows, as texts. :raises WireError: it failed."""
        rows: list[list[str | None]] = []
        failure: WireError | None = None
        for kind, body in self.ask(b"Q", zero(sql), b"Z"):
            if kind == b"D":
                rows.append(row_values(body))
            elif kind == b"E":
                failure = WireError.read(body)
        if failure:
            raise failure
        return rows

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> int:
        """Run the ``COPY … FROM STDIN`` in *sql* and feed it *chunks*; how many rows it took.

        :raises WireError: PostgreSQL did not take them.
        """
        for kind, body in self.ask(b"Q", zero(sql), b"GZ"):
            if kind == b"E":
                list(self._rest())
                raise WireError.read(body)
        for chunk in chunks:
            self.wire.put(b"d", chunk)
            self.wire.flush()
        self.wire.put(b"c")
        self.wire.flush()
        count, failure = 0, None
        for kind, body in self._rest():
            if kind == b"C":
                count = int(body[:-1].split()[-1])
            elif kind == b"E":
                failure = WireError.read(body)
        if failure:
            raise failure
        return count

    def spoil(self) -> None:
        """Let the open transaction fail, as it does on the real server after any error."""
        if self.in_transaction:
            for _ in self.ask(b"Q", zero("this is not SQL"), b"Z"):
                pass

    def close(self) -> None:
        """End the session; PostgreSQL rolls back what is open."""
        try:
            self.wire.put(b"X")
            self.wire.flush()
        except Gone:
            pass
        self.wire.release()

    def _rest(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            kind, body = self.wire.read()
            if kind == b"Z":
                self.status = body
            yield kind, body
            if kind == b"Z":
                return

    def _log_in(self, user: str, password: str, database: str, name: str) -> None:
        told = {"user": user, "database": database, "application_name": name, **SETTINGS}
        body = struct.pack("!I", PROTOCOL)
        body += b"".join(zero(key) + zero(value) for key, value in told.items()) + b"\0"
        self.wire.put_raw(struct.pack("!I", len(body) + 4) + body)
        self.wire.flush()
        scram = ScramClient(["SCRAM-SHA-256"], user, password or " ")
        while True:
            kind, content = self.wire.read()
            if kind == b"E":
                raise WireError.read(content)
            if kind == b"R":
                self._authenticate(scram, content)
            elif kind == b"S":
                key, value = content[:-1].split(b"\0")
                self.parameters[key.decode()] = value.decode()
            elif kind == b"K":
                self.key = content
            elif kind == b"Z":
                return

    def _authenticate(self, scram: ScramClient, content: bytes) -> None:
        (step,) = struct.unpack_from("!I", content)
        if step == _SASL:
            first = scram.get_client_first().encode()
            self.wire.put(b"p", zero("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first)
        elif step == _SASL_CONTINUE:
            scram.set_server_first(content[4:].decode())
            self.wire.put(b"p", scram.get_client_final().encode())
        elif step == _SASL_FINAL:
            scram.set_server_final(content[4:].decode())
            return
        elif step != _OK:
            raise WireError("28000", f"PostgreSQL asks for authentication {step}.")
        self.wire.flush()
