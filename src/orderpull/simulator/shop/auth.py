"""Credentials and tokens of platforms, and the authentication of the generic platform."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl

from orderpull.simulator.profile import Request, Response, json_response

from .times import Clock

CLIENT_ID = "made-up-client"
CLIENT_SECRET = "made-up-secret"  # noqa: S105 - of no real server
USER = "reader@shop.test"
PASSWORD = "made-up-password"  # noqa: S105 - of no real server
TOKEN = "made-up-token"  # noqa: S105 - of no real server
"""Token that never expires, or password, of every platform."""
REFRESH_TOKEN = "made-up-refresh-0"  # noqa: S105 - of no real server
"""The first refresh token; each use replaces it."""


class TokenIssuer:
    """Issues access tokens that expire after `lifetime` seconds or `expires_after` calls.

    None: tokens never expire.
    """

    def __init__(
        self, clock: Clock, *, lifetime: float | None = None, expires_after: int | None = None
    ) -> None:
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


Auth = Literal[
    "none",
    "bearer",
    "headers",
    "query",
    "basic",
    "oauth2-client",
    "oauth2-refresh",
    "login-body",
    "login-header",
]
TOKEN_PATHS = ("/oauth/token", "/login")
KEY_HEADERS = {"x-key": TOKEN, "x-shop": "shop-1"}
QUERY_KEY = "api_key"
LOGIN_HEADER = "x-auth-token"


class GenericAuth:
    """Checks credentials and issues tokens for one way of authentication.

    A token comes as `Authorization: Bearer`, or alone in `token_header`.
    """

    def __init__(
        self,
        clock: Clock,
        auth: Auth,
        *,
        token_header: str | None = None,
        lifetime: float | None = 3600.0,
        expires_after: int | None = None,
    ) -> None:
        """Prepare the way `auth`. ValueError for an unknown way."""
        if auth not in get_args(Auth):
            raise ValueError(f"auth must be one of {', '.join(get_args(Auth))}, not {auth!r}")
        self._auth = auth
        self._header = None if token_header is None else token_header.lower()
        self._tokens = TokenIssuer(clock, lifetime=lifetime, expires_after=expires_after)
        self._refresh = REFRESH_TOKEN
        self._refreshed = 0

    @property
    def credentials(self) -> dict[str, str]:
        """Return what lets a client in, by the names of orderpull's settings."""
        application = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        match self._auth:
            case "none":
                return {}
            case "basic":
                return {"token": f"{USER}:{PASSWORD}"}
            case "bearer" | "headers" | "query":
                return {"token": TOKEN}
            case "oauth2-client":
                return application
            case "oauth2-refresh":
                return application | {"refresh_token": self._refresh}
        return {"user": USER, "password": PASSWORD}

    def accepts(self, request: Request) -> bool:
        """Return True if the request is authenticated."""
        match self._auth:
            case "none":
                return True
            case "bearer":
                return self._brought(request) == TOKEN
            case "headers":
                return all(request.headers.get(name) == key for name, key in KEY_HEADERS.items())
            case "query":
                return request.query.get(QUERY_KEY) == TOKEN
            case "basic":
                return basic(request) == (USER, PASSWORD)
            case _:
                return self._tokens.accept(self._brought(request))

    def _brought(self, request: Request) -> str | None:
        return bearer(request) if self._header is None else request.headers.get(self._header)

    def respond(self, request: Request) -> Response:
        """Respond to a request to one of TOKEN_PATHS."""
        sent = parameters(request)
        logs_in = self._auth.startswith("login")
        if request.path != ("/login" if logs_in else "/oauth/token") or not (
            logs_in or self._auth.startswith("oauth2")
        ):
            return json_response(404, {"error": "not_found"})
        if request.method != "POST":
            return json_response(405, {"error": "method_not_allowed"}, {"Allow": "POST"})
        if logs_in:
            return self._log_in(sent.get("username"), sent.get("password"))
        if client(request, sent) != (CLIENT_ID, CLIENT_SECRET):
            return json_response(401, {"error": "invalid_client"})
        return self._grant(sent.get("grant_type"), sent.get("refresh_token"))

    def _log_in(self, user: object, password: object) -> Response:
        if (user, password) != (USER, PASSWORD):
            return json_response(401, {"error": "wrong user name or password"})
        token = self._tokens.issue()
        if self._auth == "login-header":
            return json_response(200, {"ok": True}, {LOGIN_HEADER: token})
        return json_response(200, {"token": token})

    def _grant(self, grant: object, refresh: object) -> Response:
        rotates = self._auth == "oauth2-refresh"
        if grant != ("refresh_token" if rotates else "client_credentials"):
            return json_response(400, {"error": "unsupported_grant_type"})
        if not rotates:
            return json_response(200, self._token())
        if refresh != self._refresh:
            description = "the refresh token is unknown or was used before"
            return json_response(400, {"error": "invalid_grant", "error_description": description})
        self._refreshed += 1
        self._refresh = REFRESH_TOKEN.removesuffix("0") + str(self._refreshed)
        return json_response(200, {**self._token(), "refresh_token": self._refresh})

    def _token(self) -> dict[str, object]:
        token: dict[str, object] = {"access_token": self._tokens.issue(), "token_type": "Bearer"}
        lifetime = self._tokens.lifetime
        return token if lifetime is None else {**token, "expires_in": int(lifetime)}
