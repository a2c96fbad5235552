"""One exchange: sent once, read as far as it comes, ended at its deadline, told in words."""

import gzip
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from orderpull.errors import SettingsError, SourceUnreachable
from orderpull.sources.http import transport
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.http.transport import Client, gunzip_prefix
from tests.sources.wire import Say, Wire, answer, hang_up, silence

GET = Request("GET", "/orders?x=1", {"Authorization": "Bearer t"})
BODY = b'[{"orderNumber": "A-1"}]' * 100


class Noted(ResponseSink):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    def answered(self, status: int) -> None:
        self.status = status

    def write(self, chunk: bytes) -> None:
        self.body += chunk


def ask(
    *says: Say, timeout: float = 5.0, times: int = 1, keep_alive: bool = False
) -> list[Response]:
    """What a client gets from a server that says these things."""
    with Wire(says) as wire:
        client = Client(wire.url, timeout, keep_alive=keep_alive)
        answers = [client.send(GET, ResponseSink()) for _ in range(times)]
        client.close()
        assert len(wire.requests) == times  # nothing is ever sent twice
        return answers


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks."""
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent + end


def then_hang_up(data: bytes) -> Say:
    def say(connection: socket.socket) -> None:
        connection.sendall(data)
        hang_up(connection)

    return say


WELL: dict[str, Say] = {
    "with its length": answer(BODY),
    "in chunks": chunked(BODY[:100], BODY[100:]),
    "until the end of the connection": then_hang_up(b"HTTP/1.0 200 OK\r\n\r\n" + BODY),
    "packed": answer(gzip.compress(BODY), "Content-Encoding: gzip"),
    "packed, and not said so": answer(gzip.compress(BODY)),
    "packed in two": answer(gzip.compress(BODY[:99]) + gzip.compress(BODY[99:])),
    "not packed, but said so": answer(BODY, "Content-Encoding: gzip"),
    "said to be in a way that nobody knows": answer(BODY, "Content-Encoding: rot13"),
}


@pytest.mark.parametrize("way", WELL)
def test_a_whole_body_is_read_however_it_comes(way: str) -> None:
    """Length, chunks, end of connection, packed or not: the same body, and no problem."""
    (got,) = ask(WELL[way])
    assert (got.status, got.body, got.problem) == (200, BODY, None)


TORN: dict[str, Say] = {
    "the body ended before its announced length": then_hang_up(answer(BODY, length=9999)),
    "it does not speak HTTP": then_hang_up(b"\x15\x03\x01\x00\x02\x02\x50\r\n"),
    "the connection was closed without an answer": hang_up,
}


@pytest.mark.parametrize("problem", TORN)
def test_a_torn_answer_is_told_in_words(problem: str) -> None:
    """What arrived is kept, and the problem is a phrase that a seller understands."""
    (got,) = ask(TORN[problem])
    assert got.problem == problem
    assert got.body in {b"", BODY}


@pytest.mark.parametrize(
    "torn",
    [
        chunked(BODY[:100], end=b"40\r\n[{"),
        chunked(BODY[:100], end=b""),
        chunked(BODY[:100], end=b"zz\r\n"),
    ],
    ids=["inside a chunk", "between chunks", "by nonsense"],
)
def test_a_body_that_breaks_off_between_chunks_is_no_whole_one(torn: bytes) -> None:
    """What came before is kept, and that it broke off is told."""
    (got,) = ask(then_hang_up(torn))
    assert got.problem
    assert got.body.startswith(BODY[:100])


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n[]",
    ],
    ids=["many headers", "a long one", "status", "version", "negative", "two lengths"],
)
def test_nonsense_in_the_head_is_an_answer_not_a_crash(head: bytes) -> None:
    """Whatever a server says, an answer comes back, never an error of the HTTP library."""
    (got,) = ask(then_hang_up(head))
    assert isinstance(got.problem, str) or got.body in {b"[]", b""}


def test_a_packed_body_that_breaks_off_is_unpacked_as_far_as_it_goes() -> None:
    """The orders in the part that came can be used."""
    packed = gzip.compress(BODY, compresslevel=0)
    (got,) = ask(then_hang_up(answer(packed[:1000], length=len(packed))))
    assert got.problem == "the body ended before its announced length"
    assert BODY.startswith(got.body)
    assert len(got.body) > 900


def test_a_broken_packing_is_kept_as_it_came() -> None:
    """Bytes that cannot be unpacked are kept, not dropped."""
    packed = bytearray(gzip.compress(BODY))
    packed[10] = 0xFF
    assert gunzip_prefix(bytes(packed)) == bytes(packed)


def test_progress_is_told_each_byte_as_it_was_sent() -> None:
    """What a kill would leave is what came: status first, then the bytes, still packed."""
    packed = gzip.compress(BODY)
    with Wire([answer(packed, "Content-Encoding: gzip", status="203 Odd")]) as wire:
        noted = Noted()
        Client(wire.url, 5, keep_alive=False).send(GET, noted)
    assert (noted.status, noted.body) == (203, packed)


def drip(pieces: Iterator[bytes], every: float) -> Say:
    """Send a piece now and then, until the other side has enough."""

    def say(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(every)

    return say


def endless(start: bytes, piece: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield piece


DRIPS: dict[str, Callable[[], Say]] = {
    "silence": lambda: silence,
    "headers": lambda: drip(endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), 0.01),
    "half a header": lambda: drip(endless(b"HTTP/1.1 200 OK\r\nX: ", b"y"), 0.01),
    "body": lambda: drip(endless(answer(b"", length=10**9), b"["), 0.01),
    "chunks": lambda: drip(endless(chunked(b"[", end=b""), b"1\r\n1\r\n"), 0.01),
    "a flood": lambda: drip(endless(answer(b"", length=10**12), b"1" * 65_536), 0.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DRIPS)
def test_no_answer_lasts_longer_than_the_timeout(kind: str) -> None:
    """Each byte starts a socket's own time-out anew; the deadline ends the exchange anyway."""
    began = time.monotonic()
    (got,) = ask(DRIPS[kind](), timeout=0.5)
    assert got.problem == "no whole answer within 0.5 s"
    assert time.monotonic() - began < 30  # bounded; how fast is no matter here


def test_an_answer_may_take_longer_than_connecting_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on connecting is none on the answer."""
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.1)

    def late(connection: socket.socket) -> None:
        time.sleep(0.5)
        connection.sendall(answer(BODY))

    first, second = ask(late, late, times=2, keep_alive=True)
    assert (first.body, first.problem) == (second.body, second.problem) == (BODY, None)


def test_a_connection_is_used_again_only_if_asked_to() -> None:
    """One connection for many requests, or a fresh one for each, as the client was made."""
    for keep_alive, connections in ((True, 1), (False, 3)):
        with Wire([answer(BODY)] * 3) as wire:
            client = Client(wire.url, 5, keep_alive=keep_alive)
            assert [client.send(GET, ResponseSink()).body for _ in range(3)] == [BODY] * 3
            client.close()
        assert wire.connections == connections
        for request in wire.requests:
            assert request.startswith(b"GET /orders?x=1 HTTP/1.1\r\n")
            expected = b"keep-alive" if keep_alive else b"close"
            assert b"\r\nConnection: " + expected + b"\r\n" in request
            packing = b"gzip" if keep_alive else b"identity"
            assert b"\r\nAccept-Encoding: " + packing + b"\r\n" in request


def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    """A server that closes between two requests costs neither a failure nor a second request."""
    first, second = ask(then_hang_up(answer(BODY)), answer(BODY), times=2, keep_alive=True)
    assert (first.problem, second.problem) == (None, None)
    assert second.body == BODY


@pytest.mark.parametrize(
    ("keep_alive", "statuses", "requests"), [(True, [200, 200], 3), (False, [200, 0], 2)]
)
def test_only_a_kept_connection_that_gives_no_answer_is_replaced(
    keep_alive: bool, statuses: list[int], requests: int
) -> None:
    """The server closes while the next request is on its way: sent again, but never by itself."""
    with Wire([answer(BODY), hang_up, answer(BODY)]) as wire:
        client = Client(wire.url, 5, keep_alive=keep_alive)
        got = [client.send(GET, ResponseSink()).status for _ in range(2)]
        client.close()
    assert (got, len(wire.requests)) == (statuses, requests)


def test_a_connection_that_the_server_gives_up_has_its_deadline_too() -> None:
    """After ``Connection: close`` the next request gets a new connection, and its deadline."""
    closing = answer(BODY, "Connection: close")
    first, second = ask(closing, DRIPS["body"](), times=2, keep_alive=True, timeout=0.5)
    assert first.problem is None
    assert second.problem == "no whole answer within 0.5 s"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Again", "308 For Ever"])
def test_no_redirect_is_followed(status: str) -> None:
    """A redirect is an answer like any other."""
    with Wire([answer(b"", "Location: /elsewhere", status=status), answer(BODY)]) as wire:
        got = Client(wire.url, 5, keep_alive=False).send(GET, ResponseSink())
        assert len(wire.requests) == 1
    assert got.status == int(status[:3])
    assert got.headers["location"] == "/elsewhere"


def test_a_prefix_in_the_base_url_comes_before_the_path() -> None:
    """``https://host/shop/`` and ``/orders`` make ``/shop/orders``."""
    with Wire([answer(b"[]")]) as wire:
        Client(wire.url + "/shop/", 5, keep_alive=False).send(GET, ResponseSink())
        assert wire.requests[0].startswith(b"GET /shop/orders?x=1 ")


def test_reaching_sends_nothing() -> None:
    """Name, port and handshake are tried; the server reads not one byte."""
    with Wire([]) as wire:
        Client(wire.url, 5, keep_alive=False).reach()
    assert wire.requests == []


@pytest.mark.parametrize("url", ["http://host:99999", "http://host:port", "http://[::1"])
def test_an_address_that_is_none_is_a_matter_of_settings(url: str) -> None:
    """A port or host that cannot be is told before anything is tried."""
    with pytest.raises(SettingsError, match="is no address") as caught:
        Client(url, 5, keep_alive=False)
    assert url in caught.value.message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://no-such-host.invalid:80", "The name 'no-such-host.invalid' is not known"),
        (f"http://{'a' * 64}.invalid", "cannot be reached"),
        ("http://127.0.0.1:1", "Nothing listens at 127.0.0.1:1"),
    ],
    ids=["unknown", "too long", "closed"],
)
def test_an_address_where_nobody_is_says_so(url: str, said: str) -> None:
    """Each way not to be reached has its sentence, with the address to check."""
    with pytest.raises(SourceUnreachable) as caught:
        Client(url, 5, keep_alive=False).reach()
    assert said in caught.value.message
    assert f"Check base_url ({url})" in caught.value.hint


def test_a_port_that_never_accepts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting is bounded where the other side says nothing at all."""
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        try:
            for one in held:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            with pytest.raises(SourceUnreachable, match=r"did not answer within 0\.3 s"):
                Client(f"http://127.0.0.1:{port}", 5, keep_alive=False).reach()
        finally:
            for one in held:
                one.close()
