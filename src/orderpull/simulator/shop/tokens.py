"""Tokens that platforms issue, and the credentials that they accept."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from orderpull.simulator.profile import Request

from .clock import Clock

CLIENT_ID = "made-up-client"
CLIENT_SECRET = "made-up-secret"  # noqa: S105 - of no real server
USER = "reader@shop.test"
PASSWORD = "made-up-password"  # noqa: S105 - of no real server
TOKEN = "made-up-token"  # noqa: S105 - of no real server
"""Token that never expires, or password, of every platform."""
REFRESH_TOKEN = "made-up-refresh-0"  # noqa: S105 - of no real server
"""The first refresh token; each use replaces it."""


class TokenIssuer:
    """Issues access tokens that expire after `lifetime` seconds or `expires_after` calls."""

    def __init__(
        self, clock: Clock, *, lifetime: float | None = None, expires_after: int | None = None
    ) -> None:
        """Begin without tokens; None: tokens never expire."""
        self.lifetime = lifetime
        self.issued = 0
        self._clock = clock
        self._expires_after = expires_after
        self._issued: dict[str, tuple[datetime, int]] = {}

    def issue(self) -> str:
        """Issue a token."""
        self.issued += 1
        token = f"{TOKEN}-{self.issued}"
        self._issued[token] = (self._clock.now, 0)
        return token

    def accept(self, token: str | None) -> bool:
        """Return True if `token` is valid now, and count the call."""
        if token is None or token not in self._issued:
            return False
        issued_at, uses = self._issued[token]
        late = self.lifetime is not None and self._clock.now >= issued_at + timedelta(
            seconds=self.lifetime
        )
        spent = self._expires_after is not None and uses >= self._expires_after
        if late or spent:
            return False
        self._issued[token] = (issued_at, uses + 1)
        return True


def bearer(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer …`."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else None


def basic(request: Request) -> tuple[str, str] | None:
    """Return user and password of `Authorization: Basic …`."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, password


def parameters(request: Request) -> dict[str, Any]:
    """Return the fields of a form or the members of a JSON object; {} for any other body."""
    if "json" in request.headers.get("content-type", "") or request.body.lstrip()[:1] == b"{":
        try:
            body = json.loads(request.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}
    return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))


def client(request: Request, sent: dict[str, Any]) -> tuple[str, str]:
    """Return a client's id and secret, from basic authentication or from the parameters."""
    return basic(request) or (str(sent.get("client_id")), str(sent.get("client_secret")))
