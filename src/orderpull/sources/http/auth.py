"""Authentication: fetch, renew, store and send the token of a source.

A token in the settings is sent unchanged. Otherwise a login or a grant of OAuth 2.0 (RFC 6749)
fetches a token. A token is renewed before it expires, and once when the API rejects it. A rotated
refresh token is stored before the new access token is used.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from orderpull import telemetry
from orderpull.errors import (
    SettingsError,
    SourceBusy,
    SourceRefused,
    SourceUnexpected,
    SourceUnreachable,
)
from orderpull.failpoints import failpoint
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import SourceSettings
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.http.oauth import (
    SECRETS,
    TokenResponse,
    basic,
    read_token,
    substitute,
    token_request,
)
from orderpull.sources.http.token_store import TokenStore
from orderpull.sources.spec.blocks import AuthSpec, Grant, TokenSpec

RENEWAL_MARGIN = 60.0
"""A token is renewed 60 s before it expires, or 10 % of its lifetime if that is shorter."""

_PUBLIC = {"client_id", "user"}
"""Settings that Basic authentication combines with a secret."""

_SHORTEST_SECRET = 6
"""Shorter secrets are not redacted, because they would match in ordinary text."""

_BUSY = frozenset({408, 425, 429, *range(500, 600)})

Call = Callable[[str, Request], Response]
"""Sends a request to the base URL and returns the response."""


_GRANTS: dict[Grant, tuple[str, ...]] = {
    "login": ("user", "password"),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "refresh_token"),
    "authorization_code": ("client_id", "client_secret"),
}


def needed_settings(spec: AuthSpec, *, with_token: bool = False) -> list[str]:
    """Names of the settings that let a source in.

    :param with_token: the settings have a token, even if the API hands out tokens.
    """
    needed = ["token"] if spec.kind != "none" else []
    if spec.token and not with_token:
        needed = [*_GRANTS[spec.token.grant]]
    needed += [key for key in SECRETS if any(f"{{{key}}}" in t for t in spec.headers.values())]
    return list(dict.fromkeys(needed))


class Authenticator:
    """Adds the credentials of one source to its requests.

    :param call: sends token requests.
    :raises SettingsError: the settings lack a credential, or contain one that the API cannot use.
    """

    def __init__(self, spec: AuthSpec, settings: SourceSettings, name: str, call: Call) -> None:
        self.spec = spec
        self.settings = settings
        self.name = name
        self.store: TokenStore | None = None
        self._call = call
        self._token: str | None = None
        self._renew_at = 0.0  # in time.monotonic seconds
        self._rejected: str | None = None
        self._fetched_secrets: set[str] = set()
        self._check()

    @property
    def sends_token(self) -> bool:
        """True if requests carry a token."""
        return self.settings.token is not None or self.spec.token is not None

    @property
    def known_secrets(self) -> dict[str, str]:
        """The source's secrets, by setting."""
        values = {key: getattr(self.settings, key) for key in SECRETS}
        return {key: text for key, text in values.items() if text is not None}

    def redact(self, text: str) -> str:
        """Replace secrets in *text*, in plain, URL-encoded and Basic form."""
        public = {key: text for key, text in self.known_secrets.items() if key in _PUBLIC}
        known = {text for key, text in self.known_secrets.items() if key not in public}
        forms = set()
        for secret in known | self._fetched_secrets:
            if len(secret) >= _SHORTEST_SECRET:
                forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
                forms |= {basic(secret), basic(f"{secret}:")}
                forms |= {basic(f"{user}:{secret}") for user in public.values() if user}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "•••")
        return text

    @property
    def persists_tokens(self) -> bool:
        """True if the grant's tokens must outlive this process."""
        grant = self.spec.token.grant if self.spec.token else None
        return self.settings.token is None and grant in {"refresh_token", "authorization_code"}

    def use_store(self, landing: SourceLanding) -> None:
        """Store tokens in *landing* if they must outlive this process.

        :raises SettingsError: as :class:`TokenStore`.
        """
        if self.persists_tokens:
            self.store = TokenStore(landing, self.settings)

    def authenticate(self, request: Request) -> Request:
        """Add the credentials to *request*. :raises SourceError: no token could be fetched."""
        headers = {
            name: substitute(text, self.settings) for name, text in self.spec.headers.items()
        }
        token, spec = self._current_token(), self.spec
        target = request.target
        if token is not None and spec.kind == "query" and spec.param:
            target = _with_param(target, spec.param, token)
        elif token is not None and spec.kind != "none":
            headers[spec.header] = self._header(token)
        return replace(request, target=target, headers={**request.headers, **headers})

    def renew(self) -> bool:
        """Drop the rejected token; true if the next request fetches another."""
        self._rejected, self._token = self._token, None
        return self._rejected is not None

    def exchange_code(self, code: str, redirect_uri: str) -> None:
        """Exchange *code* for a token and store it. :raises SourceError: the exchange failed."""
        spec = self._spec()
        self._fetch_token(spec, {"grant_type": "authorization_code", "code": code,
                            "redirect_uri": redirect_uri})  # fmt: skip

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        """URL of the page where a person grants the access."""
        spec = self._spec()
        base, path = self._split_url(spec.authorize or "")
        query = {
            "client_id": self.settings.client_id or "",
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": state,
        }
        scope = f"&scope={quote(spec.scope, safe='+')}" if spec.scope else ""
        return f"{base}{path}?{urlencode(query)}{scope}"

    def _check(self) -> None:
        spec, settings, where = self.spec, self.settings, f"[sources.{self.name}]"
        token = settings.token
        if token is not None:
            if spec.kind == "none" and not spec.headers:
                raise SettingsError(f"{where} has a token, but its API does not use tokens.")
            if not token.strip() or not token.isprintable() or not token.isascii():
                raise SettingsError(
                    f"{where} token is blank or contains non-printable or non-ASCII characters."
                )
            return
        missing = self._missing()
        if not missing or (spec.optional and missing == ["token"]):
            return
        names = " and ".join(key for key in missing if key != "token")
        raise SettingsError(
            f"{where} has no {'token' if spec.kind != 'none' else names}, and its API needs one.",
            'Add token = "${NAME}"' + (f", or {names} to get one." if names else "."),
        )

    def _missing(self) -> list[str]:
        """Names of required settings that are absent."""
        return [key for key in needed_settings(self.spec) if getattr(self.settings, key) is None]

    def _header(self, token: str) -> str:
        spec = self.spec
        if spec.kind == "basic" or any(token.startswith(prefix) for prefix in spec.basic_for):
            return "Basic " + basic(token if ":" in token else f"{token}:")
        return f"Bearer {token}" if spec.kind == "bearer" else token

    def _current_token(self) -> str | None:
        """The token to send; fetched if there is no valid one."""
        if self.settings.token is not None:
            return self.settings.token
        spec = self.spec.token
        if spec is None:
            return None
        if self._token is None:
            self._use_stored_token()
        if self._token is None or time.monotonic() >= self._renew_at:
            self._fetch_token(spec, self._grant(spec))
        return self._token

    def _stored(self) -> dict[str, Any]:
        """The tokens in the store; empty without a store."""
        return self.store.read() if self.store else {}

    def _use_stored_token(self) -> None:
        """Use the token that an earlier run stored, if it is valid."""
        stored = self._stored()
        token, expires = stored.get("token"), stored.get("expires_at")
        if not isinstance(token, str) or not token or token == self._rejected:
            return
        self._fetched_secrets.add(token)
        seconds = float("inf") if expires is None else float(expires) - time.time() - RENEWAL_MARGIN
        if seconds > 0:
            self._token, self._renew_at = token, time.monotonic() + seconds

    def _grant(self, spec: TokenSpec) -> dict[str, str]:
        """The form fields of the grant."""
        if spec.grant == "login":
            return {}
        if spec.grant == "client_credentials":
            return {"grant_type": "client_credentials"}
        stored = self._stored()
        refresh = stored.get("refresh_token") or self.settings.refresh_token
        if not refresh:
            why = "the API rejects its token" if stored.get("token") else "there is no token yet"
            raise SourceRefused(f"{why}; somebody has to allow the access.", self._login_hint)
        self._fetched_secrets.add(refresh)
        return {"grant_type": "refresh_token", "refresh_token": refresh}

    @property
    def _login_hint(self) -> str:
        return f"Run `orderpull login {self.name}`."

    def _fetch_token(self, spec: TokenSpec, grant: Mapping[str, str]) -> None:
        """Fetch a token and store it, together with its refresh token."""
        base, path = self._split_url(spec.url)
        stored = self._stored()
        refreshing = grant.get("grant_type") == "refresh_token"
        request = token_request(spec, path, grant, self.settings)
        # A lifetime counts from the request, so that a slow response does not prolong it.
        sent, sent_at = time.monotonic(), time.time()
        host = urlsplit(base).hostname or ""
        with telemetry.span("token", source=self.name, grant=spec.grant, host=host) as span:
            send = self._send_refresh if refreshing else self._call
            response = send(base, request)
            span.set(status=response.status, bytes=len(response.body))
        tokens = read_token(spec, response)
        self._fetched_secrets |= {text for text in (tokens.token, tokens.refresh_token) if text}
        if response.problem or response.status in _BUSY:
            raise SourceBusy(
                f"{base}{path} returned no token ({response.problem or response.status}).",
                "Run again later.",
            )
        if response.status not in range(200, 300) or not tokens.token:
            lost = refreshing and bool(stored.get("asked"))
            raise self._token_error(f"{base}{path}", response, tokens, lost=lost)
        if not tokens.token.isprintable() or not tokens.token.isascii():
            raise SourceUnexpected(
                f"{base}{path} returned a token with characters that a header cannot contain.",
                "Check token in [auth.token] of the api file: the path of the token.",
            )
        failpoint("token-received")
        seconds = tokens.seconds or spec.lifetime or float("inf")
        if self.store and (refreshing or spec.grant == "authorization_code"):
            self.store.write({
                "token": tokens.token,
                "expires_at": None if seconds == float("inf") else sent_at + seconds,
                "refresh_token": tokens.refresh_token or stored.get("refresh_token"),
            })  # fmt: skip
        failpoint("token-kept")
        self._token = tokens.token
        self._renew_at = sent + seconds - min(RENEWAL_MARGIN, seconds / 10)

    def _send_refresh(self, base: str, request: Request) -> Response:
        """Send *request*, which uses a refresh token, and note its use before.

        A kill before the response is stored loses the successor; the note lets the next run say so.
        """
        if self.store is None:
            return self._call(base, request)
        stored, used = self.store.read(), True
        self.store.write({**stored, "asked": True})
        try:
            response = self._call(base, request)
            used = bool(response.problem) or response.status not in range(400, 500)
        except SourceUnreachable:
            used = False
            raise
        finally:
            if not used:
                self.store.write(stored)
        return response

    def _token_error(
        self, where: str, response: Response, tokens: TokenResponse, *, lost: bool
    ) -> SourceRefused:
        """The error of a token request that failed.

        :param lost: an earlier use of the refresh token ended without a stored response.
        """
        detail = self.redact(tokens.error)
        why = f"{response.status}{': ' + detail if detail else ''}"
        message = f"{where} returned no token ({why})."
        if not lost:
            return SourceRefused(message, f"Check the {self._hint(self._spec())}.")
        new_token = f"Set a new refresh_token in [sources.{self.name}]."
        return SourceRefused(
            f"{message} The refresh token had been used before, and the response with its "
            "successor was lost: a process was killed, or the connection broke.",
            self._login_hint if self._spec().grant == "authorization_code" else new_token,
        )

    def _hint(self, spec: TokenSpec) -> str:
        return {
            "login": "user and password",
            "client_credentials": "client_id and client_secret",
            "refresh_token": f"client_id, client_secret and refresh_token of [sources.{self.name}]",
            "authorization_code": f"client_id and client_secret, then run `orderpull login "
            f"{self.name}` again",
        }[spec.grant]

    def _spec(self) -> TokenSpec:
        if self.spec.token is None:
            raise SettingsError(f"The API of [sources.{self.name}] has no [auth.token].")
        return self.spec.token

    def _split_url(self, url: str) -> tuple[str, str]:
        """Base URL and path of a token request."""
        if "://" not in url:
            return (self.settings.auth_url or self.settings.base_url).rstrip("/"), url
        parts = urlsplit(url)
        base = self.settings.auth_url or f"{parts.scheme}://{parts.netloc}"
        return base.rstrip("/"), parts.path


def _with_param(target: str, name: str, value: str) -> str:
    """*target* with the parameter *name*, which replaces one that the API's own URL contains."""
    path, _, query = target.partition("?")
    rest = [each for each in query.split("&") if each and each.partition("=")[0] != name]
    return f"{path}?{'&'.join([*rest, urlencode({name: value})])}"
