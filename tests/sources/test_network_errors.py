"""Everything that can be wrong with an endpoint: one sentence, exit 1, and the others go on."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from orderpull.pipeline import RunResult
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.sources.http import limits, transport
from tests.sources.shop import ORDINARY, SourceShop
from tests.sources.tls import certificate, shown
from tests.sources.wire import Say, Wire, answer, hang_up, silence

pytestmark = pytest.mark.slow

GOOD = SkubanaAssessment
TOKEN = "t0k3n-that-nobody-may-see"

TOKEN_HINT = "Check token of [sources.bad]"
LOOK = "Check base_url and api"
COMPARE = "compare with the shop"
MOVED = answer(b"", "Location: https://user:pw@new.test/o?token=x", status="301 Moved")

SENTENCES: dict[str, tuple[Say, str, str]] = {
    # what the server says: the sentence after the URL, what to check
    "401": (
        answer(b"{}", status="401 No"),
        "answered 401: it does not accept the token",
        TOKEN_HINT,
    ),
    "403": (
        answer(b"{}", status="403 No"),
        "answered 403: it does not accept the token",
        TOKEN_HINT,
    ),
    "404": (answer(b"", status="404 No"), "answered 404: there is no such path", LOOK),
    "400": (answer(b"", status="400 No"), "(status 400; it is empty); no byte arrived", COMPARE),
    "html": (answer(b"<html>"), "(status 200; it is HTML, not JSON); 6 bytes arrived", COMPARE),
    "object": (answer(b'{"a":1}'), "answered 200, but it is JSON without a list of orders", LOOK),
    "empty": (answer(b""), "(status 200; it is empty); no byte arrived", COMPARE),
    "timeout": (silence, "no whole answer within 0.5 s", COMPARE),
    "hang up": (hang_up, "the connection was closed without an answer", COMPARE),
    "not http": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "it does not speak HTTP", COMPARE),
    "moved": (MOVED, "(status 301; it moved to https://new.test/o)", COMPARE),
    "broken": (answer(b"", status="503 Down"), "(status 503; it is empty)", COMPARE),
}

ORDINARY_SENTENCES = {
    "400": ("answered 400: it rejects the request", "Check base_url and api"),
    "html": ("answered 200, but it is HTML, not JSON", "Check base_url and api"),
    "empty": ("answered 200, but it is empty", "Check base_url and api"),
    "timeout": (": no whole answer within 0.5 s", "check base_url and the network"),
    "hang up": (": the connection was closed without an answer", "check base_url and the network"),
    "not http": (": it does not speak HTTP", "check base_url and the network"),
    "moved": ("answered 301: it moved to https://new.test/o", "set base_url to the new address"),
    "broken": ("answered 503: it is out of order", "Run again later"),
}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between tries, and a short one for a server that never accepts."""
    monkeypatch.setattr(limits, "BACKOFF_FIRST", 0.01)
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.5)


def two_sources(
    folder: Path,
    bad_url: str,
    good_url: str,
    api: str = "skubana-assessment",
    timeout: float = 0.5,
) -> SourceShop:
    """A shop whose first source is at *bad_url*; the second one is as it should be."""
    shop = SourceShop(
        folder, {"bad": bad_url, "good": good_url}, more=f'timeout = {timeout}\ntoken = "{TOKEN}"'
    )
    text = shop.file.read_text(encoding="utf-8")
    shop.file.write_text(
        text.replace('api = "skubana-assessment"', f'api = "{api}"', 1), encoding="utf-8"
    )
    return shop


def seconds_of(kind: str) -> float:
    """The timeout for a server of this *kind*: long for one that answers, if only late."""
    return 0.5 if kind == "timeout" else 20.0


def run_both(
    folder: Path, bad_url: str, api: str = "skubana-assessment", timeout: float = 0.5
) -> tuple[str, RunResult]:
    """Run with a bad source before a good one: what the bad one said.

    :param timeout: seconds until an answer counts as missing.
    """
    with Simulator(GOOD(orders=20, per_call=20)) as good:
        shop = two_sources(folder, bad_url, good.url, api, timeout)
        result = shop.run()
        assert shop.orders() == good.truth()["orders"]
    assert result.exit_code == 1
    assert result.sources["good"].error is None
    error = result.sources["bad"].error
    assert error
    assert error.exit_code == 1
    assert TOKEN not in json.dumps(result.as_json())
    assert error.message.startswith("Source 'bad'")
    assert error.message.count(bad_url) <= 1
    return str(error), result


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_consume_once_endpoint_that_is_wrong(tmp_path: Path, kind: str) -> None:
    """Source, URL, what happened, what to do; asked once; the other source is loaded."""
    say, sentence, hint = SENTENCES[kind]
    with Wire([say] * 9) as wire:
        said, _ = run_both(tmp_path, wire.url, timeout=seconds_of(kind))
        assert len(wire.requests) == 1
    assert f"{wire.url}/orders" in said
    assert sentence in said
    assert hint in said
    assert "user:pw" not in said
    assert "token=" not in said


@pytest.mark.parametrize("kind", SENTENCES)
def test_an_ordinary_endpoint_that_is_wrong(tmp_path: Path, kind: str) -> None:
    """The same for an API that can be asked again: told after its tries, in the same words."""
    say, sentence, hint = SENTENCES[kind]
    sentence, hint = ORDINARY_SENTENCES.get(kind, (sentence, hint))
    (tmp_path / "ordinary.toml").write_text(f"{ORDINARY}[limits]\ntries = 2\n", encoding="utf-8")
    with Wire([say] * 12) as wire:
        said, result = run_both(tmp_path, wire.url, "ordinary.toml", seconds_of(kind))
        once = kind in {"401", "403", "404", "400", "moved"}
        fewer_and_further = 4 + 1 + 3 if kind == "broken" else 0
        assert len(wire.requests) == (1 if once else 2) + fewer_and_further
    assert f"{wire.url}/admin/orders" in said
    assert sentence in said
    assert hint in said
    assert result.sources["bad"].possible_loss == 0


@contextmanager
def nobody() -> Iterator[str]:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def untrusted(folder: Path) -> Iterator[str]:
    """A server whose certificate nobody vouches for."""
    with Wire([answer(b"[]")], shown(certificate(folder, "IP:127.0.0.1"))) as wire:
        yield wire.url
        assert wire.requests == []


@contextmanager
def plain(_: Path) -> Iterator[str]:
    """A server without TLS, asked for it."""
    with Simulator(GOOD()) as simulator:
        yield simulator.url.replace("http:", "https:")
        assert simulator.requests == []


UNREACHABLE: dict[str, tuple[Callable[[Path], AbstractContextManager[str]], str]] = {
    "nobody": (lambda _: nobody(), "Nothing listens at 127.0.0.1:"),
    "unknown": (
        lambda _: nullcontext("http://no-such-shop.invalid"),
        "The name 'no-such-shop.invalid' is not known",
    ),
    "untrusted": (untrusted, "The certificate of 127.0.0.1:"),
    "plain": (plain, "does not speak TLS as https needs it"),
}


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_an_address_that_cannot_be_reached(tmp_path: Path, kind: str) -> None:
    """Wrong port, wrong name, wrong certificate, no TLS: not one request, nothing in flight."""
    place, sentence = UNREACHABLE[kind]
    with place(tmp_path) as url:
        said, result = run_both(tmp_path, url)
    assert sentence in said
    assert f"Check base_url ({url}) and the network" in said
    assert result.sources["bad"].possible_loss == 0
    assert not list((tmp_path / "landing" / "bad" / "in-flight").iterdir())


def test_http_asked_of_a_tls_server_is_told(tmp_path: Path) -> None:
    """The other way round: the server speaks TLS, the settings say http."""
    with Wire([answer(b"[]")], shown(certificate(tmp_path, "IP:127.0.0.1"))) as wire:
        said, result = run_both(tmp_path, wire.url.replace("https:", "http:"))
    assert "did not answer in full (no status; " in said
    assert result.sources["bad"].possible_loss == 1


def test_a_certificate_for_another_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is vouched for, but for another host."""
    file = certificate(tmp_path, "DNS:other.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with Wire([answer(b"[]")], shown(file)) as wire:
        said, _ = run_both(tmp_path, wire.url)
        assert wire.requests == []
    assert "is not trusted: IP address mismatch" in said


def test_a_trusted_certificate_is_as_good_as_none_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS that can be verified a source is read like any other."""
    file = certificate(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    body = b'[{"orderNumber":"A-1","orderItems":[]}]'
    with Wire([answer(body), answer(b"[]")], shown(file)) as wire:
        shop = SourceShop.at(tmp_path, wire.url, f'token = "{TOKEN}"')
        pulled = shop.pull()
        assert (pulled.error, pulled.orders) == (None, 1)
        assert f"Authorization: Bearer {TOKEN}".encode() in wire.requests[0]


def test_a_handshake_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """A server that accepts and says nothing does not hold the run up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        said, _ = run_both(tmp_path, url)
    assert "did not answer within 0.5 s" in said


def test_no_token_is_told_apart_from_a_wrong_one(tmp_path: Path) -> None:
    """401 without a token says that there is none."""
    with Wire([answer(b"{}", status="401 No")]) as wire:
        pulled = SourceShop.at(tmp_path, wire.url).pull()
    assert "it does not accept the request, which has no token" in str(pulled.error)
