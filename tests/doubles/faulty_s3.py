"""A line to an S3 that notes what is asked, and fails when and as it is told."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_OURS = {"transfer-encoding", "connection", "content-length"}


@dataclass(frozen=True)
class Asked:
    """A request on the line, before it goes to S3."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """``LIST``, or the method."""
        return "LIST" if "list-type=2" in self.path else self.method


Fault = Callable[[Asked], str | None]
"""Says what happens to a request: None passes it on; the words are those of :class:`Line`."""


class Line:
    """A line to the S3 at *url*.

    The words of a fault: ``500``, ``503 SlowDown`` and the like answer so without asking S3;
    ``reset`` breaks off without asking; ``silent`` never answers; ``lost`` asks, and breaks off
    instead of answering; ``lost 500`` asks, and answers 500; ``cut`` answers the half. By so many
    ``seconds_later`` the answers say that it is.
    """

    def __init__(self, url: str) -> None:
        self.asked: list[Asked] = []
        self.fault: Fault = lambda _: None
        self.seconds_later = 0.0
        self.ended = threading.Event()
        self.real = urlsplit(url)
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def count(self, operation: str) -> int:
        """How often *operation* was asked for."""
        return sum(asked.operation == operation for asked in self.asked)


def once(word: str, when: Callable[[Asked], bool]) -> Fault:
    """The fault *word*, for the first request that is as *when* says."""
    done = threading.Event()

    def fault(asked: Asked) -> str | None:
        if done.is_set() or not when(asked):
            return None
        done.set()
        return word

    return fault


def put_of(part: str) -> Callable[[Asked], bool]:
    """Whether something whose key holds *part* is put."""
    return lambda asked: asked.method == "PUT" and part in asked.path


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, line: Line) -> None:
        self.line = line
        super().__init__(("127.0.0.1", 0), _Passing)

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that were broken off on purpose."""


class _Passing(BaseHTTPRequestHandler):
    """One connection: passes requests on, unless the line's fault says otherwise."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def pass_on(self) -> None:
        """Pass one request on, or fail."""
        line = self.server.line
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
        line.asked.append(asked)
        word = line.fault(asked)
        if word == "silent":
            line.ended.wait(30)
        if word in {"silent", "reset"}:
            self._break_off()
        elif word is None or word.startswith(("lost", "cut")):
            self._answer(asked, word or "")
        else:
            self._refuse(word)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on  # noqa: N815

    def _answer(self, asked: Asked, word: str) -> None:
        real = self.server.line.real
        connection = http.client.HTTPConnection(str(real.hostname), real.port, timeout=30)
        connection.request(asked.method, asked.path, asked.body, asked.headers)
        got = connection.getresponse()
        data = got.read()
        connection.close()
        if word == "lost":
            self._break_off()
        elif word.startswith("lost "):
            self._refuse(word.removeprefix("lost "))
        else:
            self._send(got, data, cut=word == "cut")

    def _send(self, got: http.client.HTTPResponse, data: bytes, *, cut: bool) -> None:
        self.send_response_only(got.status)
        for name, value in got.getheaders():
            if name.lower() == "date":
                date = parsedate_to_datetime(value).timestamp() + self.server.line.seconds_later
                self.send_header(name, formatdate(date, usegmt=True))
            elif name.lower() not in _OURS:
                self.send_header(name, value)
        size = got.getheader("Content-Length") if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", str(size or 0))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._break_off()

    def _refuse(self, word: str) -> None:
        status, _, code = word.partition(" ")
        body = f"<Error><Code>{code or 'InternalError'}</Code><Message>no</Message></Error>"
        self.send_response(int(status))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def _break_off(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
