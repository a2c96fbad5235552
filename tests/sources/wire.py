"""A server that says exactly the bytes it is told to, for what no well-behaved server does."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

Say = bytes | Callable[[socket.socket], None]
"""Bytes to send, or something to do with the connection."""


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer, as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def hang_up(connection: socket.socket) -> None:
    """End the connection in order."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()  # a request that is on its way already is not served either


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side goes."""
    connection.recv(1)


class Wire:
    """Serves one connection after the other; each request gets the next of *says*.

    :ivar requests: what was asked, as raw bytes.
    :ivar connections: how many connections sent something, or shook hands.
    """

    def __init__(self, says: Iterable[Say], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._says = iter(says)
        self._tls = tls
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._socket.settimeout(0.02)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(10)
        self._socket.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            connection.settimeout(5)
            with suppress(OSError), connection:
                self._serve(self._tls.wrap_socket(connection, True) if self._tls else connection)

    def _serve(self, connection: socket.socket) -> None:
        first = True
        with suppress(OSError), connection:
            while request := self._request(connection):
                self.connections += first
                first = False
                self.requests.append(request)
                say = next(self._says, hang_up)
                if callable(say):
                    say(connection)
                else:
                    connection.sendall(say)

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65_536)
            if not piece:
                return b""
            data += piece
        return data
