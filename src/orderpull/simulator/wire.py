"""TCP connections: accepting, reading requests, sending responses by script, resets."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from .faults import Script
from .profile import Request

LONGEST_LINE = 65_536
TLS_HANDSHAKE = b"\x16"
NO_HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
DELIVERY_SECONDS = 2.0
READING_SECONDS = 0.05


class BadRequestError(Exception):
    """The bytes are not an HTTP request that the simulator can read."""


def first_byte(connection: socket.socket) -> bytes:
    """Wait for the first byte and leave it there; b'' when the client goes without one."""
    try:
        return connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return b""


def read_request(stream: BinaryIO) -> Request | None:
    """Read one request; None at the end of the connection.

    BadRequestError when it is not HTTP, breaks off, or has a body in chunks.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):
        raise BadRequestError
    method, target, version = parts
    headers = dict(_headers(stream))
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal():
        raise BadRequestError
    body = stream.read(int(length))
    if len(body) < int(length):
        raise BadRequestError
    keep_alive = version != "HTTP/1.0" and headers.get("connection", "").lower() != "close"
    return Request(method, target, headers, body, keep_alive)


def _headers(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    while (line := stream.readline(LONGEST_LINE)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not line.endswith(b"\n"):
            raise BadRequestError
        yield name.strip().lower(), value.strip()


def refuse(connection: socket.socket) -> None:
    """Answer 400 to what is no HTTP request."""
    with contextlib.suppress(OSError):  # the client may be gone already
        connection.sendall(NO_HTTP)
        connection.recv(LONGEST_LINE, socket.MSG_DONTWAIT)  # closed unread, it would be reset


def send_script(connection: socket.socket, script: Script, stopping: threading.Event) -> int:
    """Play the script and return how many bytes of the body were sent.

    Ends early, without an error, when the client goes or `stopping` is set.
    """
    sent = 0
    with contextlib.suppress(OSError):
        for piece in _pieces(script.head, script.piece if script.drip_head else 0):
            _send(connection, piece, script.delay if script.drip_head else 0.0, stopping)
        for piece in _pieces(script.body, script.piece):
            _send(connection, piece, script.delay, stopping)
            sent += len(piece)
        if script.ending == "silence":
            while connection.recv(LONGEST_LINE):
                pass
        if script.ending == "reset":
            if script.head:
                wait_for_delivery(connection)
            break_on_close(connection)
    return sent


def wait_for_delivery(connection: socket.socket) -> None:
    """Wait until the client's side has all that was sent: a reset throws away the rest."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while _unacknowledged(connection) and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(READING_SECONDS)  # some systems also throw away what the client has not read yet


def break_on_close(connection: socket.socket) -> None:
    """Make the closing of the connection send RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def breaks_on_close(connection: socket.socket) -> bool:
    """Return whether `break_on_close` was called."""
    on, seconds = struct.unpack("ii", connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
    return bool(on) and seconds == 0


def _pieces(data: bytes, size: int) -> list[bytes]:
    if not data:
        return []
    step = size or len(data)
    return [data[at : at + step] for at in range(0, len(data), step)]


def _send(connection: socket.socket, piece: bytes, delay: float, stopping: threading.Event) -> None:
    if delay and stopping.wait(delay):
        raise ConnectionAbortedError
    connection.sendall(piece)


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many sent bytes are not acknowledged (0 where the system does not tell)."""
    try:
        import fcntl  # not on every system
        import termios

        pending = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (ImportError, OSError):
        return 0
    return int(struct.unpack("i", pending)[0])


HOST = "127.0.0.1"
WAKE_SECONDS = 0.02
JOIN_SECONDS = 10.0


class Listener:
    """A listening socket; `serve(connection, number)` serves each connection in a thread.

    Connections count from 1, those too that never send a byte. An exception in `serve` ends its
    connection only; `stop` raises the first one.
    """

    def __init__(self, port: int, serve: Callable[[socket.socket, int], None]) -> None:
        """Bind and listen; port 0 takes a free one. OSError when the port is taken."""
        self.connections = 0
        self.stopping = threading.Event()
        self._serve = serve
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []
        self._socket = socket.create_server((HOST, port), backlog=512)
        self._socket.settimeout(WAKE_SECONDS)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="simulator", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """Give up a listener that was never started."""
        self._socket.close()

    def stop(self) -> None:
        """Count those still queued, close all connections and wait for their threads."""
        self.stopping.set()
        self._thread.join()
        self._socket.close()
        with self._lock:
            left = dict(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left.values():
            thread.join(JOIN_SECONDS)
        if self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                if self.stopping.is_set():
                    return
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            thread = threading.Thread(
                target=self._run, args=(connection, self.connections), daemon=True
            )
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _run(self, connection: socket.socket, number: int) -> None:
        try:
            self._serve(connection, number)
        except Exception as error:  # noqa: BLE001 - raised again by stop()
            self._failures.append(error)
        finally:
            with self._lock:
                del self._open[connection]
            _close(connection)


def _close(connection: socket.socket) -> None:
    if not breaks_on_close(connection):
        with contextlib.suppress(OSError):  # the client may be gone already
            connection.shutdown(socket.SHUT_WR)
    connection.close()
