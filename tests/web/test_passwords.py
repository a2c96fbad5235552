"""Passwords and their hashes, sessions, and the waits of who guesses."""

import base64
import hashlib

import pytest
from click.testing import CliRunner

from orderpull import parse_settings
from orderpull.cli import main
from orderpull.errors import SettingsError
from orderpull.operate.setup import with_origins
from orderpull.web import login_throttle, sessions
from orderpull.web.login_throttle import Patience
from orderpull.web.passwords import hashed, matches
from orderpull.web.sessions import Sessions

PASSWORD = "four words of mine"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def test_a_hash_is_of_its_password_alone() -> None:
    """Salted, and the same as scrypt's by other means; NFC and NFD are one password."""
    kept = hashed("Schlüssel 1")
    assert kept != hashed("Schlüssel 1")
    assert matches("Schlüssel 1", kept)
    assert matches("Schlu\u0308ssel 1", kept)
    for wrong in ("schlüssel 1", "Schlüssel 1 ", "", "x" * 2000):
        assert not matches(wrong, kept)
    _, _, cost, salt, found = kept.split("$")
    assert cost == "ln=15,r=8,p=3"
    again = hashlib.scrypt(
        "Schlüssel 1".encode(), salt=base64.b64decode(salt + "=="), n=2**15, r=8, p=3,
        maxmem=2**26, dklen=32,
    )  # fmt: skip
    assert base64.b64encode(again).decode().rstrip("=") == found


def test_the_command_prints_a_line_that_lets_in() -> None:
    """What it prints is read as a setting; the password is not in it, and is not echoed."""
    told = CliRunner().invoke(main, ["password"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert told.exit_code == 0
    assert PASSWORD not in told.output
    settings = parse_settings("[web]\n" + told.stdout)
    assert matches(PASSWORD, settings.web.password_hash or "")
    assert PASSWORD not in str(with_origins(settings))
    assert ("web.password_hash", "•••") in [row[:2] for row in with_origins(settings)]
    short = CliRunner().invoke(main, ["password"], input="short\nshort\n")
    assert (short.exit_code, short.stdout) == (2, "")
    unlike = CliRunner().invoke(main, ["password"], input="one password\nanother one\n")
    assert unlike.exit_code == 1
    assert "scrypt" not in unlike.output


WRONG = {
    'password_hash = "secret"': "no hash of a password",
    f'password_hash = "{hashlib.sha256(b"x").hexdigest()}"': "no hash of a password",
    'token = "short"': "fewer than 24 characters",
    'trusted_proxy = ["0.0.0.0/0"]': "no address and no network",
    'trusted_proxy = ["::/0"]': "no address and no network",
    'trusted_proxy = ["proxy.example"]': "no address and no network",
    'proxy_header = "X-Forwarded-User"': "needs trusted_proxy",
    'trusted_proxy = ["::1"]\nproxy_header = "X-Forwarded-For"': "no header that only a proxy",
    'trusted_proxy = ["::1"]\nproxy_header = "Cookie"': "no header that only a proxy",
    'trusted_proxy = ["::1"]\nproxy_header = "X User"': "no header that only a proxy",
    'tls_key = "key.pem"': "needs tls_certificate",
    'pasword_hash = "x"': "Did you mean web.password_hash?",
}


@pytest.mark.parametrize("lines", WRONG)
def test_settings_that_would_let_in_the_wrong_are_refused(lines: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings("[web]\n" + lines)
    assert WRONG[lines] in str(caught.value)


def test_a_session_ends_by_time_by_leaving_and_with_its_process() -> None:
    clock = Clock()
    kept = Sessions(clock)
    one, two = kept.begin(), kept.begin()
    assert kept.holds(one)
    assert not Sessions(clock).holds(one)
    kept.end(one)
    assert not kept.holds(one)
    assert kept.holds(two)
    clock.at += sessions.LAST_SECONDS
    assert not kept.holds(two)


def test_a_session_cannot_be_made_or_changed() -> None:
    clock = Clock()
    kept = Sessions(clock)
    session = kept.begin()
    until, chance, mac = session.split(".")
    later = str(int(until) + 1)
    forged = [
        "",
        ".",
        "..",
        later,
        f"{later}.{chance}.{mac}",
        f"{until}.{chance}.",
        f"{until}.{mac}",
    ]
    forged += [session[:-1], session + "0", session.upper(), f".{session}", f"é.{chance}.{mac}"]
    forged += [f"{until}.x.{mac}", f"{until}.{chance}.{'0' * 64}"]
    assert [each for each in forged if kept.holds(each)] == []


def test_sessions_that_were_left_stay_left_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "ENDED_AT_MOST", 3)
    clock = Clock()
    kept = Sessions(clock)
    left = [kept.begin() for _ in range(5)]
    for each in left:
        kept.end(each)
    assert [each for each in left if kept.holds(each)] == []
    clock.at += 1
    assert kept.holds(kept.begin())


def tries(patience_: Patience, clock: Clock, address: str, seconds: int) -> int:
    """How many tries *address* has in *seconds*, if it tries ten times each second."""
    made = 0
    for _ in range(seconds * 10):
        made += patience_.wait(address) == 0
        clock.at += 0.1
    return made


def test_who_guesses_waits_longer_and_longer_but_not_for_ever() -> None:
    clock = Clock()
    waits = Patience(clock)
    assert [waits.wait("192.0.2.1") for _ in range(login_throttle.TRIES)] == [
        0.0
    ] * login_throttle.TRIES
    assert waits.wait("192.0.2.1") == 1.0
    assert waits.wait("192.0.2.2") == 0.0
    assert tries(waits, clock, "192.0.2.1", 3600) < 70
    clock.at += login_throttle.LONGEST_SECONDS
    assert waits.wait("192.0.2.1") == 0.0
    waits.right("192.0.2.1")
    assert [waits.wait("192.0.2.1") for _ in range(login_throttle.TRIES)] == [
        0.0
    ] * login_throttle.TRIES


def test_many_addresses_try_little_faster_than_one_and_this_machine_always_may() -> None:
    clock = Clock()
    waits = Patience(clock)
    made = sum(waits.wait(f"198.51.{n // 250}.{n % 250}") == 0 for n in range(1000))
    assert made == login_throttle.TOGETHER
    assert waits.wait("203.0.113.1") > 0
    assert waits.wait("127.0.0.1") == 0
    assert waits.wait("::1") == 0
    clock.at += 60
    made = sum(waits.wait(f"2001:db8:{n:x}::1") == 0 for n in range(1000))
    assert made == 60 * login_throttle.TOGETHER_PER_SECOND


def test_a_network_of_ipv6_is_one_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    waits = Patience(clock)
    assert sum(waits.wait(f"2001:db8::{n:x}") == 0 for n in range(20)) == login_throttle.TRIES
    monkeypatch.setattr(login_throttle, "ADDRESSES_AT_MOST", 10)
    for n in range(100):
        clock.at += 10
        waits.wait(f"10.0.0.{n}")
    assert len(waits._wrong) == 10
