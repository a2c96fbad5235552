"""Tokens that platforms give out, and the credentials that they take."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from datetime import datetime

    from orderpull.simulator.profile import Request

    from .clock import Clock

CLIENT_ID = "made-up-client"
CLIENT_SECRET = "made-up-secret"  # noqa: S105 - of no real server
USER = "reader@shop.test"
PASSWORD = "made-up-password"  # noqa: S105 - of no real server
TOKEN = "made-up-token"  # noqa: S105 - of no real server
"""What every platform takes, where it takes a token or password that never changes."""
REFRESH_TOKEN = "made-up-refresh-0"  # noqa: S105 - of no real server
"""The first refresh token; each use gives a new one in its place."""


class TokenIssuer:
    """Gives out access tokens that end after `lifetime` seconds or after `expires_after` calls."""

    def __init__(
        self, clock: Clock, *, lifetime: float | None = None, expires_after: int | None = None
    ) -> None:
        """Begin with nothing given out; None is no end."""
        self.lifetime = lifetime
        self.issued = 0
        self._clock = clock
        self._expires_after = expires_after
        self._given: dict[str, tuple[datetime, int]] = {}

    def issue(self) -> str:
        """Give out a new token."""
        self.issued += 1
        token = f"{TOKEN}-{self.issued}"
        self._given[token] = (self._clock.now, 0)
        return token

    def accept(self, token: str | None) -> bool:
        """Return whether `token` is good now, and count a call with it."""
        if token is None or token not in self._given:
            return False
        given, uses = self._given[token]
        late = self.lifetime is not None and self._clock.now >= given + timedelta(
            seconds=self.lifetime
        )
        spent = self._expires_after is not None and uses >= self._expires_after
        if late or spent:
            return False
        self._given[token] = (given, uses + 1)
        return True


def bearer(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer …`."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else None


def basic(request: Request) -> tuple[str, str] | None:
    """Return user and password of `Authorization: Basic …`."""
    kind, _, told = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(told, validate=True).decode().partition(":")
    except ValueError:
        return None
    return user, password


def parameters(request: Request) -> dict[str, Any]:
    """Return what a POST brings: a form's fields or a JSON object's members; {} for neither."""
    if "json" in request.headers.get("content-type", "") or request.body.lstrip()[:1] == b"{":
        try:
            found = json.loads(request.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))


def client(request: Request, given: dict[str, Any]) -> tuple[str, str]:
    """Return a client's id and secret, from basic authentication or from the parameters."""
    return basic(request) or (str(given.get("client_id")), str(given.get("client_secret")))
