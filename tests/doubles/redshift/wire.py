"""PostgreSQL's wire protocol, version 3: messages in, messages out.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field

PROTOCOL = 196608
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

_MOST_BYTES = 1 << 30


class Gone(ConnectionError):
    """The other side closed the connection, perhaps in the middle of a message."""


@dataclass
class WireError(Exception):
    """An error as the protocol tells it: SQLSTATE, sentence, and what else is known."""

    code: str
    message: str
    detail: str = ""
    hint: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    """All fields as received, if the error came over the wire."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self, severity: str = "ERROR") -> bytes:
        """The body of an ErrorResponse."""
        told = {"S": severity, "V": severity, "C": self.code, "M": self.message}
        told |= {"D": self.detail} if self.detail else {}
        told |= {"H": self.hint} if self.hint else {}
        told |= {key: self.fields[key] for key in "PWn" if key in self.fields}
        return b"".join(k.encode() + v.encode() + b"\0" for k, v in told.items()) + b"\0"

    @classmethod
    def read(cls, body: bytes) -> "WireError":
        """The error in the body of an ErrorResponse."""
        parts = [part.decode("utf-8", "replace") for part in body.split(b"\0") if part]
        fields = {part[0]: part[1:] for part in parts}
        return cls(
            fields.get("C", "XX000"),
            fields.get("M", ""),
            fields.get("D", ""),
            fields.get("H", ""),
            fields,
        )


class Wire:
    """One end of a connection that speaks in messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = connection.makefile("rb")
        self._unsent: list[bytes] = []

    def read(self) -> tuple[bytes, bytes]:
        """The next message: its kind, one byte, and its body. :raises Gone: there is none."""
        kind = self._exactly(1)
        (length,) = struct.unpack("!I", self._exactly(4))
        return kind, self._exactly(length - 4)

    def read_startup(self) -> tuple[int, bytes]:
        """The first message, which has no kind: its code, and the rest."""
        length, code = struct.unpack("!II", self._exactly(8))
        return code, self._exactly(length - 8)

    def put(self, kind: bytes, body: bytes = b"") -> None:
        """Add a message to those that :meth:`flush` sends."""
        self._unsent.append(kind + struct.pack("!I", len(body) + 4) + body)
        if len(self._unsent) > 500:
            self.flush()

    def put_raw(self, data: bytes) -> None:
        """Add bytes that are no message with a kind."""
        self._unsent.append(data)

    def flush(self) -> None:
        """Send what was put. :raises Gone: nobody is there."""
        data, self._unsent = b"".join(self._unsent), []
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def close(self) -> None:
        """Close, whatever the other side is doing; a reader in another thread wakes up."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self.socket.close()

    def release(self) -> None:
        """Close the reader, too; for the thread that reads."""
        self.close()
        with suppress(OSError, ValueError):
            self._reader.close()

    def _exactly(self, count: int) -> bytes:
        if not 0 <= count <= _MOST_BYTES:
            raise Gone(f"a message of {count} bytes")
        try:
            data = self._reader.read(count)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error
        if len(data) != count:
            raise Gone("closed")
        return data


def text(body: bytes, at: int = 0) -> tuple[str, int]:
    """The zero-terminated text at *at*, and where the next field begins."""
    end = body.index(b"\0", at)
    return body[at:end].decode(), end + 1


def texts(body: bytes) -> list[str]:
    """All zero-terminated texts up to an empty one."""
    return [part.decode() for part in body.rstrip(b"\0").split(b"\0")]


def row_values(body: bytes) -> list[str | None]:
    """The values of a DataRow in text format."""
    (count,) = struct.unpack_from("!H", body)
    at, values = 2, list[str | None]()
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            values.append(None)
        else:
            values.append(body[at : at + length].decode())
            at += length
    return values


def zero(value: str) -> bytes:
    """*value* as the protocol writes texts."""
    return value.encode() + b"\0"
