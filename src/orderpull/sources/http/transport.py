"""The HTTP transport: one exchange with a deadline, without retries and without redirects.

A repeated GET to a consume-once API loses a batch of orders. The default retries of an HTTP library
lost four batches after one connection reset, so ``fetch.py`` decides on retries. The one exception
is a connection kept alive, never used for such an API, that the server closed meanwhile.
"""

import os
import select
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from urllib.parse import urlsplit

from orderpull import __version__
from orderpull.errors import SettingsError, SourceUnreachable
from orderpull.sources.http.messages import Request, Response, ResponseSink

CONNECT_SECONDS = 10.0
_CHUNK = 1 << 18
_AT_ONCE = 64 << 20
"""Largest body that is received into one buffer, if no sink keeps its pieces as they arrive."""

_GZIP = b"\x1f\x8b"


class Client:
    """Sends requests to one base URL.

    :param base_url: scheme, host, port and prefix.
    :param timeout: seconds for one exchange, from connecting to the last byte.
    :param keep_alive: reuse one connection for several requests.
    :raises SettingsError: *base_url* has an invalid host or port.
    """

    def __init__(self, base_url: str, timeout: float, *, keep_alive: bool) -> None:
        try:
            parts = urlsplit(base_url)
            port = parts.port
        except ValueError as error:
            raise SettingsError(f"base_url {base_url!r} is no address: {error}.") from None
        self.base_url = base_url.rstrip("/")
        self.prefix = parts.path.rstrip("/")
        self.secure = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = port or (443 if self.secure else 80)
        self.timeout = timeout
        self.keep_alive = keep_alive
        self._connection: HTTPConnection | None = None
        self._has_answered = False

    def reach(self) -> None:
        """Resolve the host name, connect and perform the TLS handshake, without an HTTP request.

        The first request may use that connection.

        :raises SourceUnreachable: the message names the step that failed.
        """
        connection = self._connect(time.monotonic() + self.timeout)
        if self.keep_alive:
            self.close()
            self._connection, self._has_answered = connection, False
        else:
            connection.close()

    def send(self, request: Request, sink: ResponseSink) -> Response:
        """Send *request* once and return its response, complete or not.

        A server may close a connection that is kept alive at any time. If it does so instead of
        answering, the request is sent once more on another connection (RFC 9112, 9.3.1).

        :raises SourceUnreachable: no connection, so nothing was sent.
        """
        deadline = time.monotonic() + self.timeout
        reused = self._reusable_connection()
        kept_alive = self._has_answered
        response = self._send_on(reused, request, sink, deadline) if reused else None
        closed = response and not response.status and response.problem in _CLOSED_MEANWHILE
        if response is None or (kept_alive and closed):
            response = self._send_on(self._connect(deadline), request, sink, deadline)
        return response

    def _send_on(
        self, connection: HTTPConnection, request: Request, sink: ResponseSink, deadline: float
    ) -> Response:
        """Send *request* on *connection*, and keep or close the connection."""
        response = Response()
        with _deadline(connection, deadline) as late:
            self._exchange(connection, request, sink, response, deadline)
        if late.is_set() or response.problem == _LATE:
            response.problem = f"no whole answer within {self.timeout:g} s"
        if self.keep_alive and response.problem is None and connection.sock is not None:
            self._connection, self._has_answered = connection, True
        else:
            connection.close()
        return response

    def close(self) -> None:
        """Close the connection that is kept alive."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _reusable_connection(self) -> HTTPConnection | None:
        """The connection of the previous request, if the server has not closed it."""
        connection, self._connection = self._connection, None
        if connection is None or not _is_readable(connection.sock):
            return connection
        connection.close()
        return None

    def _exchange(
        self,
        connection: HTTPConnection,
        request: Request,
        sink: ResponseSink,
        response: Response,
        deadline: float,
    ) -> None:
        chunks: list[bytes] = []
        try:
            connection.request(
                request.method,
                self.prefix + request.target,
                body=request.body or None,
                headers=_headers(request, keep_alive=self.keep_alive),
            )
            with connection.getresponse() as received:
                response.status = received.status
                response.headers = _by_name(received.headers)
                sink.answered(received.status)
                for chunk in _pieces(received, at_once=self.keep_alive):
                    chunks.append(chunk)
                    sink.write(chunk)
                    if time.monotonic() > deadline:
                        raise TimeoutError
                if received.length:
                    raise IncompleteRead(b"", received.length)
        except (HTTPException, OSError, ValueError, AttributeError) as error:
            response.problem = _failure_text(error)
        response.body = gunzip_prefix(b"".join(chunks))

    def _connect(self, deadline: float) -> HTTPConnection:
        seconds = max(0.1, min(CONNECT_SECONDS, deadline - time.monotonic()))
        where = f"{self.host}:{self.port}"
        connection: HTTPConnection
        if self.secure:
            certificates = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
            context = _tls_context(*certificates)
            connection = HTTPSConnection(self.host, self.port, timeout=seconds, context=context)
        else:
            connection = HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            connection.close()
            raise _unreachable(error, where, self.base_url) from None
        connection.sock.settimeout(self.timeout)  # per read; _deadline limits the whole exchange
        return connection


@cache
def _tls_context(*_certificates: str | None) -> ssl.SSLContext:
    """The TLS settings, with the trusted certificates of the machine, which take long to read."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _pieces(received: HTTPResponse, *, at_once: bool) -> Iterator[bytes]:
    """The pieces of a body as they arrive; one piece if it is to be read *at_once*."""
    length = received.length or 0
    if at_once and 0 < length <= _AT_ONCE:
        yield received.read(length)
    while piece := received.read1(_CHUNK):
        yield piece


def _is_readable(sock: socket.socket) -> bool:
    """True if something came on an idle connection; as a rule that the server has closed it."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _by_name(headers: Message) -> dict[str, str]:
    """The values of *headers* by lower-case name; those of one name are joined (RFC 9110, 5.3)."""
    values: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        values[key] = f"{values[key]}, {value}" if key in values else value
    return values


def gunzip_prefix(body: bytes) -> bytes:
    """Decompress *body* if it is gzip; a truncated body is decompressed as far as possible.

    A corrupt body is returned unchanged. The first bytes of *body* decide, because the header
    ``Content-Encoding`` may be wrong and is unknown after a kill.
    """
    if not body.startswith(_GZIP):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(body) + gunzip_prefix(unpacker.unused_data)
    except zlib.error:
        return body


def _headers(request: Request, *, keep_alive: bool) -> dict[str, str]:
    return {
        "Accept": "application/json",
        # A truncated response of a consume-once API must stay readable, so it is not compressed.
        "Accept-Encoding": "gzip" if keep_alive else "identity",
        "Connection": "keep-alive" if keep_alive else "close",
        "User-Agent": f"orderpull/{__version__}",
        **request.headers,
    }


@contextmanager
def _deadline(connection: HTTPConnection, deadline: float) -> Iterator[threading.Event]:
    """Shut *connection* down at *deadline*; the yielded event is set when that happens.

    A socket's timeout restarts with every byte, so it never ends a response that drips slowly.
    The shutdown uses a duplicate of the descriptor, because TLS sockets are not thread-safe.
    """
    late = threading.Event()
    if connection.sock is None:
        yield late
        return
    twin = socket.socket(fileno=os.dup(connection.sock.fileno()))

    def cut() -> None:
        late.set()
        with suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        twin.close()


_LATE = "no answer in time"
_CLOSED = "the connection was closed without an answer"
_RESET = "the connection was reset"
_CLOSED_MEANWHILE = frozenset({_CLOSED, _RESET})


def _failure_text(error: Exception) -> str:
    """The failure of an exchange, in words for people who do not know HTTP."""
    text = f"{type(error).__name__} {error}"
    if isinstance(error, TimeoutError) or "timed out" in text:
        return _LATE
    if "IncompleteRead" in text:
        return "the body ended before its announced length"
    if "RemoteDisconnected" in text or "without response" in text:
        return _CLOSED
    if "BadStatusLine" in text:
        return "it does not speak HTTP"
    if "Reset" in text or "Broken" in text:
        return _RESET
    return f"the answer could not be read ({type(error).__name__})"


def _unreachable(error: Exception, where: str, base_url: str) -> SourceUnreachable:
    hint = f"Check base_url ({base_url}) and the network."
    if isinstance(error, socket.gaierror):
        return SourceUnreachable(f"The name {where.rpartition(':')[0]!r} is not known.", hint)
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = error.verify_message or "it cannot be verified"
        return SourceUnreachable(f"The certificate of {where} is not trusted: {problem}.", hint)
    if isinstance(error, ssl.SSLError):
        return SourceUnreachable(f"{where} does not speak TLS as https needs it.", hint)
    if isinstance(error, ConnectionRefusedError):
        return SourceUnreachable(f"Nothing listens at {where}.", hint)
    if isinstance(error, TimeoutError):
        return SourceUnreachable(f"{where} did not answer within {CONNECT_SECONDS:g} s.", hint)
    return SourceUnreachable(f"{where} cannot be reached ({error}).", hint)
