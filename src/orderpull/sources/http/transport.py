"""One HTTP exchange: connect, send, read, under deadlines, never twice and never elsewhere.

No retries and no redirects happen here: with a consume-once API every repeated GET burns a batch
(urllib3's defaults were measured to burn four on one reset).
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
    :param keep_alive: whether one connection may serve several requests.
    :raises SettingsError: *base_url* has no such host or port.
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
        """Look up the name, connect, and shake hands over TLS; send nothing.

        :raises SourceUnreachable: one of them failed; the message says which.
        """
        connection = self._connect(time.monotonic() + self.timeout)
        connection.close()

    def send(self, request: Request, sink: ResponseSink) -> Response:
        """Send *request* once and read its answer, as far as it comes.

        :raises SourceUnreachable: nothing was sent.
        """
        deadline = time.monotonic() + self.timeout
        connection = self._kept() or self._connect(deadline)
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
        """Let go of the connection that was kept."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _kept(self) -> HTTPConnection | None:
        """The connection of the request before, if the other side still holds it too."""
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
        connection.timeout = self.timeout  # of each later wait; the deadline ends them all
        return connection


def gunzip_prefix(body: bytes) -> bytes:
    """*body* without gzip, as far as it goes: what is cut off or broken is kept as it is.

    Told by its first bytes, which no JSON has: headers are not always true, and are lost in a kill.
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
        # A body cut off half-way is worth keeping only if it can be read half-way.
        "Accept-Encoding": "gzip" if keep_alive else "identity",
        "Connection": "keep-alive" if keep_alive else "close",
        "User-Agent": f"orderpull/{__version__}",
        **request.headers,
    }


@contextmanager
def _deadline(connection: HTTPConnection, deadline: float) -> Iterator[threading.Event]:
    """Shut the connection down at *deadline*, whatever it is waiting for.

    A socket's time-out starts anew with every byte, so it alone never ends a drip of headers.
    The shutdown goes through a duplicate of the descriptor: TLS objects bear no second thread.
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


def _failure_text(error: Exception) -> str:
    """How an exchange ended, in words that a seller understands."""
    text = f"{type(error).__name__} {error}"
    if isinstance(error, (TimeoutError, ReadTimeoutError)) or "timed out" in text:
        return _LATE
    if "IncompleteRead" in text:
        return "the body ended before its announced length"
    if "RemoteDisconnected" in text or "without response" in text:
        return "the connection was closed without an answer"
    if "BadStatusLine" in text:
        return "it does not speak HTTP"
    if "Reset" in text or "Broken" in text:
        return "the connection was reset"
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
