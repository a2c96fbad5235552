"""Accepts TCP connections on 127.0.0.1 and gives each a thread."""

import contextlib
import socket
import threading
from collections.abc import Callable

from .wire import breaks_on_close

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
