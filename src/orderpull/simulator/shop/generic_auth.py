"""Authentication of the generic platform: all ways that an API file can describe."""

from typing import Literal, get_args

from orderpull.simulator.profile import Request, Response, json_response

from .clock import Clock
from .tokens import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    REFRESH_TOKEN,
    TOKEN,
    USER,
    TokenIssuer,
    basic,
    bearer,
    client,
    parameters,
)

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
