"""Passwords and their hashes, sessions, and the waits of who guesses."""

import base64
import hashlib

import pytest
from click.testing import CliRunner

from orderpull import parse_settings
from orderpull.cli import main
from orderpull.errors import SettingsError
from orderpull.operate.setup import with_origins
from orderpull.web import auth, login_throttle
from orderpull.web.auth import Sessions
from orderpull.web.login_throttle import FREE_ATTEMPTS, LoginThrottle
from orderpull.web.passwords import hash_password, verify_password

pytestmark = pytest.mark.slow

PASSWORD = "four words of mine"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def test_a_hash_is_of_its_password_alone() -> None:
    """Salted, and the same as scrypt's by other means; NFC and NFD are one password."""
    kept = hash_password("Schlüssel 1")
    assert kept != hash_password("Schlüssel 1")
    assert verify_password("Schlüssel 1", kept)
    assert verify_password("Schlu\u0308ssel 1", kept)
    for wrong in ("schlüssel 1", "Schlüssel 1 ", "", "x" * 2000):
        assert not verify_password(wrong, kept)
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
    assert verify_password(PASSWORD, settings.web.password_hash or "")
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
    one, two = kept.create(), kept.create()
    assert kept.is_valid(one)
    assert not Sessions(clock).is_valid(one)
    kept.revoke(one)
    assert not kept.is_valid(one)
    assert kept.is_valid(two)
    clock.at += auth.SESSION_SECONDS
    assert not kept.is_valid(two)


def test_a_session_cannot_be_made_or_changed() -> None:
    clock = Clock()
    kept = Sessions(clock)
    session = kept.create()
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
    assert [each for each in forged if kept.is_valid(each)] == []


def test_sessions_that_were_left_stay_left_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "MAX_REVOKED", 3)
    clock = Clock()
    kept = Sessions(clock)
    left = [kept.create() for _ in range(5)]
    for each in left:
        kept.revoke(each)
    assert [each for each in left if kept.is_valid(each)] == []
    clock.at += 1
    assert kept.is_valid(kept.create())


def attempts(throttle: LoginThrottle, clock: Clock, address: str, seconds: int) -> int:
    """Attempts allowed to *address* in *seconds*, if it tries ten times a second."""
    made = 0
    for _ in range(seconds * 10):
        made += throttle.attempt(address) == 0
        clock.at += 0.1
    return made


def test_who_guesses_waits_longer_and_longer_but_not_for_ever() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    assert [throttle.attempt("192.0.2.1") for _ in range(FREE_ATTEMPTS)] == [0.0] * FREE_ATTEMPTS
    assert throttle.attempt("192.0.2.1") == 1.0
    assert throttle.attempt("192.0.2.2") == 0.0
    assert attempts(throttle, clock, "192.0.2.1", 3600) < 70
    clock.at += login_throttle.MAX_LOCKOUT_SECONDS
    assert throttle.attempt("192.0.2.1") == 0.0
    throttle.succeed("192.0.2.1")
    assert [throttle.attempt("192.0.2.1") for _ in range(FREE_ATTEMPTS)] == [0.0] * FREE_ATTEMPTS


def test_many_addresses_try_little_faster_than_one_and_this_machine_always_may() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    made = sum(throttle.attempt(f"198.51.{n // 250}.{n % 250}") == 0 for n in range(1000))
    assert made == login_throttle.GLOBAL_BURST
    assert throttle.attempt("203.0.113.1") > 0
    assert throttle.attempt("127.0.0.1") == 0
    assert throttle.attempt("::1") == 0
    clock.at += 60
    made = sum(throttle.attempt(f"2001:db8:{n:x}::1") == 0 for n in range(1000))
    assert made == 60 * login_throttle.GLOBAL_PER_SECOND


def test_a_network_of_ipv6_is_one_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    assert sum(throttle.attempt(f"2001:db8::{n:x}") == 0 for n in range(20)) == FREE_ATTEMPTS
    monkeypatch.setattr(login_throttle, "MAX_ADDRESSES", 10)
    for n in range(100):
        clock.at += 10
        throttle.attempt(f"10.0.0.{n}")
    assert len(throttle._failures) == 10
