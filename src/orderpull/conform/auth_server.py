"""How the made-up server is signed in to: as the file says, and no other way."""

import base64
import itertools
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from orderpull.conform.inverse import put
from orderpull.conform.values import Json
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
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import HEADER, AuthSpec, TokenSpec
from orderpull.sources.spec.expression import parse_path

CREDENTIALS = {
    "user": USER,
    "password": PASSWORD,
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "token": TOKEN,
}
"""What the server lets in, by the settings it stands in."""

NEEDED = {
    "login": ("user", "password"),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
    "authorization_code": ("token",),
}
"""The settings that each grant needs; a browser is played by a token."""

GOOD_FOR = 7200
"""Seconds that a token is said to be good for."""


def credentials(api: Api) -> dict[str, str]:
    """The settings that let a source in."""
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
    known = {**CREDENTIALS, "refresh_token": REFRESH_TOKEN}
    return {name: known[name] for name in sorted(needed)}


class FakeAuthServer:
    """Gives tokens away, and says whether a request has what lets it in.

    :param expires_after: calls that a token is good for; None: any number.
    :ivar issued: tokens given away.
    """

    def __init__(self, api: Api, expires_after: int | None) -> None:
        self.auth: AuthSpec = api.auth
        self.issued = 0
        self._expires_after = expires_after
        self._uses: dict[str, int] = {}
        self._refresh = REFRESH_TOKEN
        self._made = itertools.count(1)
        if self._given is not None:
            self._uses[self._given] = 0

    @property
    def _given(self) -> str | None:
        """The token of the settings, where there is one."""
        spec = self.auth.token
        return TOKEN if spec is None or spec.grant == "authorization_code" else None

    def is_token_call(self, request: Request) -> bool:
        """Whether *request* asks for a token."""
        spec = self.auth.token
        if spec is None or request.path != _path(spec.url):
            return False
        return not spec.body or (
            _parameters(request).keys() == spec.body.keys()
            and all(
                isinstance(value, dict) or _parameters(request)[key] == _deep(value)
                for key, value in spec.body.items()
            )
        )

    def is_authenticated(self, request: Request) -> bool:
        """Whether *request* may go on; counts the call."""
        for name, text in self.auth.headers.items():
            if request.headers.get(name.lower()) != _filled(text):
                return False
        if self.auth.kind == "none":
            return True
        token = self._brought(request)
        if token is None or token not in self._uses:
            return False
        self._uses[token] += 1
        renewable = token != self._given
        spent = self._expires_after is not None and self._uses[token] > self._expires_after
        return not (renewable and spent)

    def respond(self, request: Request) -> Response:
        """Answer a call for a token."""
        spec = self.auth.token
        if spec is None or request.method != "POST":
            return json_response(405, {"error": "method_not_allowed"})
        given = _parameters(request)
        wrong = self._wrong(spec, request, given)
        if wrong:
            return json_response(400, {"error": wrong})
        self.issued += 1
        token = f"{TOKEN}-{next(self._made)}"
        self._uses[token] = 0
        body: Json = {}
        headers = {}
        if spec.token.startswith(HEADER):
            headers[spec.token.removeprefix(HEADER)] = token
        else:
            put(body, parse_path(spec.token).steps, token)
        if spec.grant != "login" or not spec.lifetime:
            put(body, parse_path(spec.expires_in).steps, GOOD_FOR)
        if spec.grant == "refresh_token":
            self._refresh = f"{REFRESH_TOKEN}-{self.issued}"
            put(body, parse_path(spec.refresh_token).steps, self._refresh)
        return json_response(200, body, headers)

    def _wrong(self, spec: TokenSpec, request: Request, given: Json) -> str | None:
        """What is wrong with a call for a token; None if nothing is."""
        wanted = _deep(spec.body) if spec.body else {k: _filled(v) for k, v in spec.form.items()}
        if any(given.get(key) != value for key, value in wanted.items()):
            return "invalid_request"
        if spec.grant == "login" or spec.body:
            return None
        if given.get("grant_type") != spec.grant:
            return "unsupported_grant_type"
        if _client(spec, request, given) != (CLIENT_ID, CLIENT_SECRET):
            return "invalid_client"
        refreshes = spec.grant == "refresh_token"
        if refreshes and given.get("refresh_token") != self._refresh:
            return "invalid_grant"
        return "invalid_scope" if spec.scope and given.get("scope") != spec.scope else None

    def _brought(self, request: Request) -> str | None:
        """The token that *request* brings, in the place where it belongs."""
        auth = self.auth
        if auth.kind == "query":
            return request.query.get(auth.param or "")
        header = request.headers.get(auth.header.lower(), "")
        if auth.kind == "header":
            return header or None
        kind, _, rest = header.partition(" ")
        if kind.lower() != auth.kind:
            return None
        return rest if auth.kind == "bearer" else _user(rest)


def _user(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode().removesuffix(":")
    except ValueError:
        return None


def _client(spec: TokenSpec, request: Request, given: Json) -> tuple[str, str]:
    if spec.client == "form":
        return str(given.get("client_id")), str(given.get("client_secret"))
    _, _, rest = request.headers.get("authorization", "").partition(" ")
    user, _, password = (_user(rest) or "").partition(":")
    return user, password


def _parameters(request: Request) -> dict[str, Any]:
    if "json" in request.headers.get("content-type", ""):
        found = msgspec.json.decode(request.body)
        return found if isinstance(found, dict) else {}
    return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))


def _deep(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _deep(each) for key, each in value.items()}
    return _filled(value) if isinstance(value, str) else value


def _filled(text: str) -> str:
    """*text* with the settings that stand in it."""
    for name, value in {**CREDENTIALS, "refresh_token": REFRESH_TOKEN}.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _path(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).path
