"""The HTTP transport: one exchange with a deadline, without retries and without redirects.

A repeated GET to a consume-once API loses a batch of orders. urllib3's default retries lost four
batches after one connection reset, so ``fetch.py`` decides on retries. The one exception is a
connection kept alive, never used for such an API, that the server closed meanwhile.
"""

import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from orderpull import __version__
from orderpull.errors import SettingsError, SourceUnreachable
from orderpull.sources.http.messages import Request, Response, ResponseSink

CONNECT_SECONDS = 10.0
_CHUNK = 65_536
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

    def reach(self) -> None:
        """Resolve the host name, connect and perform the TLS handshake, without an HTTP request.

        :raises SourceUnreachable: the message names the step that failed.
        """
        connection = self._connect(time.monotonic() + self.timeout)
        connection.close()

    def send(self, request: Request, sink: ResponseSink) -> Response:
        """Send *request* once and return its response, complete or not.

        A server may close a connection that is kept alive at any time. If it does so instead of
        answering, the request is sent once more on another connection (RFC 9112, 9.3.1).

        :raises SourceUnreachable: no connection, so nothing was sent.
        """
        deadline = time.monotonic() + self.timeout
        reused = self._reusable_connection()
        response = self._send_on(reused, request, sink, deadline) if reused else None
        if response is None or (not response.status and response.problem in _CLOSED_MEANWHILE):
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
        if self.keep_alive and response.problem is None:
            self._connection = connection
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
        if connection is None or connection.is_connected:
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
                preload_content=False,
                enforce_content_length=True,
            )
            received = connection.getresponse()
            response.status = received.status
            response.headers = {name.lower(): value for name, value in received.headers.items()}
            sink.answered(received.status)
            while chunk := received.read1(_CHUNK, decode_content=False):
                chunks.append(chunk)
                sink.write(chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError
        except (HTTPError, HTTPException, OSError, ValueError, AttributeError) as error:
            response.problem = _failure_text(error)
        response.body = gunzip_prefix(b"".join(chunks))

    def _connect(self, deadline: float) -> HTTPConnection:
        seconds = max(0.1, min(CONNECT_SECONDS, deadline - time.monotonic()))
        where = f"{self.host}:{self.port}"
        connection: HTTPConnection
        if self.secure:
            context = ssl.create_default_context()
            connection = HTTPSConnection(self.host, self.port, timeout=seconds, ssl_context=context)
        else:
            connection = HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.connect()
        except (HTTPError, OSError) as error:
            connection.close()
            raise _unreachable(error, where, self.base_url) from None
        connection.timeout = self.timeout  # per read; _deadline limits the whole exchange
        return connection


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
    if isinstance(error, (TimeoutError, ReadTimeoutError)) or "timed out" in text:
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
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    text = f"{error} {cause}"
    hint = f"Check base_url ({base_url}) and the network."
    if isinstance(cause, socket.gaierror) or "NameResolution" in type(error).__name__:
        return SourceUnreachable(f"The name {where.rpartition(':')[0]!r} is not known.", hint)
    if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE" in text:
        problem = getattr(cause, "verify_message", "") or "it cannot be verified"
        return SourceUnreachable(f"The certificate of {where} is not trusted: {problem}.", hint)
    if isinstance(cause, ssl.SSLError) or "SSL" in text:
        return SourceUnreachable(f"{where} does not speak TLS as https needs it.", hint)
    if isinstance(error, NewConnectionError) and "refused" in text:
        return SourceUnreachable(f"Nothing listens at {where}.", hint)
    if "timed out" in text:
        return SourceUnreachable(f"{where} did not answer within {CONNECT_SECONDS:g} s.", hint)
    return SourceUnreachable(f"{where} cannot be reached ({cause}).", hint)
