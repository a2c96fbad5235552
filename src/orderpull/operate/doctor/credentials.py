"""Credentials that expire: tokens, AWS sessions, passwords of the warehouse, certificates."""

import base64
import os
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from orderpull.errors import OrderpullError
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import Installation
from orderpull.settings import SourceSettings
from orderpull.sources.http.token_store import TokenStore
from orderpull.sources.spec.reader import read_api
from orderpull.sources.spec.times import parse_time

SOON = timedelta(days=14)
"""Time before its expiry from which a credential is reported."""


def credentials(at: Installation) -> Iterator[Finding]:
    """Look at everything with a time of expiry that can be read without asking anybody."""
    looked = []
    for name, source in at.settings.sources.items():
        if source.token and (expires := jwt_expiry(source.token)):
            looked.append(f"token of {name}")
            yield from _expiry(
                at, f"The token of {name}", expires, f"Set a new token in [sources.{name}]."
            )
        yield from _login(at, name, source)
    if at.settings.landing.url.startswith("s3://") or at.settings.destination.stage:
        looked.append("AWS")
        yield from _aws(at)
    if at.has_tables:
        for user, until in at.facts.valid_until.items():
            looked.append(f"password of {user}")
            if until is not None:
                new = at.sql(f"ALTER USER {user} VALID UNTIL 'infinity'")
                yield from _expiry(at, f"The warehouse's password of {user}", until, new)
    yield ok(", ".join(looked) or "none that expires")


def _expiry(at: Installation, what: str, until: datetime, mend: str) -> Iterator[Finding]:
    """Report *what* if it expires soon or did."""
    if until <= at.now:
        yield problem(f"{what} expired {at.time(until)}.", mend)
    elif until - at.now <= SOON:
        yield warning(f"{what} expires {at.time(until)}.", mend)


def jwt_expiry(token: str) -> datetime | None:
    """When a JSON Web Token expires (RFC 7519); None if *token* is another, or never expires."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004
        return None
    with suppress(ValueError, TypeError, KeyError, OverflowError, OSError):
        payload = msgspec.json.decode(
            base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        )
        return datetime.fromtimestamp(payload["exp"], UTC).replace(tzinfo=None)
    return None


def _login(at: Installation, name: str, source: SourceSettings) -> Iterator[Finding]:
    """Find a source that a person has to allow again."""
    with suppress(OrderpullError):  # told by the check of the settings
        spec = read_api(source.api, at.settings.folder).auth.token
        if (
            spec is None
            or source.token
            or spec.grant not in {"authorization_code", "refresh_token"}
        ):
            return
        stored = TokenStore(at.part(name), source).read()
        login = at.command(f"login {name}")
        renewable = bool(stored.get("refresh_token") or source.refresh_token)
        if spec.grant == "refresh_token":
            login = f"Set a new refresh_token in [sources.{name}]."
        if stored.get("asked"):
            yield warning(f"{name}: a process was killed while it renewed the token.", login)
        expires = stored.get("expires_at")
        if not renewable and not stored.get("token"):
            yield problem(f"{name} has no token yet.", login)
        elif not renewable and expires is not None:
            until = datetime.fromtimestamp(float(expires), UTC).replace(tzinfo=None)
            yield from _expiry(at, f"The token of {name}, which cannot be renewed,", until, login)


def _aws(at: Installation) -> Iterator[Finding]:
    """Look for AWS credentials, and when a session of the environment expires."""
    import boto3

    if boto3.Session().get_credentials() is None:
        yield problem("boto3 finds no AWS credentials.", "aws configure, or set AWS_PROFILE")
    until = parse_time(os.environ.get("AWS_CREDENTIAL_EXPIRATION"))
    if until is not None and os.environ.get("AWS_SESSION_TOKEN"):
        yield from _expiry(at, "The AWS session of the environment", until, "aws sso login")


def web(at: Installation) -> Iterator[Finding]:
    """Look at the certificate, and at settings for other machines without a sign-in."""
    settings = at.settings.web
    opened = {"hosts": settings.hosts, "tls_certificate": settings.tls_certificate,
              "trusted_proxy": settings.trusted_proxy}  # fmt: skip
    others = [name for name, value in opened.items() if value]
    if others and not settings.signs_in:
        yield problem(
            f"{' and '.join(others)} in [web] are for other machines, and nobody can sign in: "
            "`orderpull serve` refuses.",
            at.command("password") + " prints the line that [web] lacks",
        )
    if settings.tls_certificate:
        folder = at.settings.folder
        file = folder / settings.tls_certificate
        try:
            until = certificate_expiry(
                file, folder / settings.tls_key if settings.tls_key else None
            )
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "verify_message", "") or error.strerror or str(error)
            yield problem(f"The certificate cannot be used: {reason}.", "Renew it: certbot renew",
                          at.shown(file))  # fmt: skip
        else:
            yield from _expiry(at, "The certificate", until, "certbot renew, then restart serve")
    yield ok("sign-in set" if settings.signs_in else "this machine only")


def certificate_expiry(file: Path, key: Path | None) -> datetime:
    """When the certificate in *file* expires (UTC), proven by a handshake with itself.

    :raises ssl.SSLError: it has expired already, is not valid yet, or *key* does not fit.
    :raises OSError: a file cannot be read.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, key, password="")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(file)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, True)]  # noqa: FBT003
    while ends:
        for end in tuple(ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)
                if not end.server_side:
                    peer = end.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(peer["notAfter"])), UTC).replace(
        tzinfo=None
    )
