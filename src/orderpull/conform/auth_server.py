"""The authentication of the mirror: as the API file says, and in no other way."""

from urllib.parse import urlsplit

import msgspec

from orderpull.conform.values import Json, put
from orderpull.simulator import Request, Response
from orderpull.simulator.profile import json_response
from orderpull.simulator.shop import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    REFRESH_TOKEN,
    TOKEN,
    USER,
)
from orderpull.simulator.shop.auth import TokenIssuer, basic, bearer, parameters
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import HEADER, AuthSpec, TokenSpec
from orderpull.sources.spec.expression import parse_path

CREDENTIALS = {
    "user": USER,
    "password": PASSWORD,
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "token": TOKEN,
    "refresh_token": REFRESH_TOKEN,
}
"""The values that the server accepts, by setting."""

NEEDED = {
    "login": ("user", "password"),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
    "authorization_code": ("token",),
}
"""The settings that each grant needs; a token stands for a browser login."""

GOOD_FOR = 7200
"""Lifetime of a token in its response, in seconds."""


def credentials(api: Api) -> dict[str, str]:
    """Return the settings with which a source is authenticated."""
    auth = api.auth
    needed = set[str]()
    if auth.token:
        needed.update(NEEDED[auth.token.grant])
    elif auth.kind != "none":
        needed.add("token")
    texts = [*auth.headers.values()]
    if auth.token:
        texts += [*auth.token.form.values(), msgspec.json.encode(auth.token.body).decode()]
    needed.update(name for name in CREDENTIALS if any(f"{{{name}}}" in text for text in texts))
    return {name: CREDENTIALS[name] for name in sorted(needed)}


class FakeAuthServer:
    """Issues tokens from *tokens*, and checks the credentials of requests."""

    def __init__(self, api: Api, tokens: TokenIssuer) -> None:
        self.auth: AuthSpec = api.auth
        self._tokens = tokens
        granted = api.auth.token is not None and api.auth.token.grant != "authorization_code"
        self._settings_tokens = set() if granted else {TOKEN}
        self._refresh = REFRESH_TOKEN

    def is_token_call(self, request: Request) -> bool:
        """Return True if *request* is for a token."""
        spec = self.auth.token
        if spec is None or request.path != urlsplit(spec.url).path:
            return False
        return not spec.body or (
            parameters(request).keys() == spec.body.keys()
            and all(
                isinstance(value, dict) or parameters(request)[key] == _deep(value)
                for key, value in spec.body.items()
            )
        )

    def is_authenticated(self, request: Request) -> bool:
        """Return True if *request* is authenticated, and count the call."""
        for name, text in self.auth.headers.items():
            if request.headers.get(name.lower()) != _filled(text):
                return False
        if self.auth.kind == "none":
            return True
        token = self._brought(request)
        return token in self._settings_tokens or self._tokens.accept(token)

    def respond(self, request: Request) -> Response:
        """Respond to a token request."""
        spec = self.auth.token
        if spec is None or request.method != "POST":
            return json_response(405, {"error": "method_not_allowed"})
        wrong = self._wrong(spec, request, parameters(request))
        if wrong:
            return json_response(400, {"error": wrong})
        token = self._tokens.issue()
        body: Json = {}
        headers = {}
        if spec.token.startswith(HEADER):
            headers[spec.token.removeprefix(HEADER)] = token
        else:
            put(body, parse_path(spec.token).steps, token)
        if spec.grant != "login" or not spec.lifetime:
            put(body, parse_path(spec.expires_in).steps, GOOD_FOR)
        if spec.grant == "refresh_token":
            self._refresh = f"{REFRESH_TOKEN}-{self._tokens.issued}"
            put(body, parse_path(spec.refresh_token).steps, self._refresh)
        return json_response(200, body, headers)

    def _wrong(self, spec: TokenSpec, request: Request, sent: Json) -> str | None:
        """Return the OAuth error code of an invalid token request; None for a valid one."""
        expected = _deep(spec.body) if spec.body else {k: _filled(v) for k, v in spec.form.items()}
        if any(sent.get(key) != value for key, value in expected.items()):
            return "invalid_request"
        if spec.grant == "login" or spec.body:
            return None
        if sent.get("grant_type") != spec.grant:
            return "unsupported_grant_type"
        if _client(spec, request, sent) != (CLIENT_ID, CLIENT_SECRET):
            return "invalid_client"
        refreshes = spec.grant == "refresh_token"
        if refreshes and sent.get("refresh_token") != self._refresh:
            return "invalid_grant"
        return "invalid_scope" if spec.scope and sent.get("scope") != spec.scope else None

    def _brought(self, request: Request) -> str | None:
        """Return the token of *request*, from the field that the file names."""
        auth = self.auth
        if auth.kind == "query":
            return request.query.get(auth.param or "")
        header = request.headers.get(auth.header.lower(), "")
        if auth.kind == "header":
            return header or None
        if auth.kind == "bearer":
            return bearer(request)
        credentials = basic(request)
        return credentials and ":".join(filter(None, credentials))


def _client(spec: TokenSpec, request: Request, sent: Json) -> tuple[str, str] | None:
    if spec.client == "form":
        return str(sent.get("client_id")), str(sent.get("client_secret"))
    return basic(request)


def _deep(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _deep(each) for key, each in value.items()}
    return _filled(value) if isinstance(value, str) else value


def _filled(text: str) -> str:
    """Return *text* with its setting placeholders replaced."""
    for name, value in CREDENTIALS.items():
        text = text.replace(f"{{{name}}}", value)
    return text
