"""Who asks: the token, how it is come by, how long it is good for, and how it is sent.

A token of the settings is sent as it is. Otherwise it is got by a call: a login, or one of the
grants of OAuth 2.0 (RFC 6749). It is renewed before it runs out, and once when the API takes it no
more. A refresh token that is replaced with each use is kept before the new token is used.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from orderpull.errors import (
    SettingsError,
    SourceBusy,
    SourceRefused,
    SourceUnexpected,
    SourceUnreachable,
)
from orderpull.failpoints import failpoint
from orderpull.settings import SourceSettings
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.http.oauth import SECRETS, TokenResponse, basic, substitute, token_request
from orderpull.sources.http.token_store import KeyValueStore, TokenStore
from orderpull.sources.spec.blocks import AuthSpec, TokenSpec

RENEWAL_MARGIN = 60.0
"""Seconds that a token is renewed before it runs out, unless that is a tenth of its life."""

_REDACTED_FROM = 6
_BUSY = frozenset({408, 425, 429, *range(500, 600)})

Call = Callable[[str, Request], Response]
"""Sends a request to a base URL."""


@dataclass(slots=True)
class _Token:
    """A token that was got. :param until: when it is renewed, in ``time.monotonic`` seconds."""

    value: str
    until: float


class Authenticator:
    """What one source needs to be let in.

    :param call: sends the requests that bring a token.
    :raises SettingsError: the settings lack what the API needs, or have what it does not take.
    """

    def __init__(self, spec: AuthSpec, settings: SourceSettings, name: str, call: Call) -> None:
        self.spec = spec
        self.settings = settings
        self.name = name
        self.store: TokenStore | None = None
        self._call = call
        self._token: _Token | None = None
        self._refused: str | None = None
        self._fetched_secrets: set[str] = set()
        self._check()

    @property
    def sends_token(self) -> bool:
        """Whether requests carry a token."""
        return self.settings.token is not None or self.spec.token is not None

    @property
    def secrets(self) -> list[str]:
        """What must not be shown, the longest first."""
        values = [
            getattr(self.settings, key) for key in SECRETS if key not in {"client_id", "user"}
        ]
        known = {text for text in values if text} | self._fetched_secrets
        return sorted({t for t in known if len(t) >= _REDACTED_FROM}, key=len, reverse=True)

    @property
    def known_secrets(self) -> dict[str, str]:
        """The source's secrets by the names of their settings."""
        values = {key: getattr(self.settings, key) for key in SECRETS}
        return {key: text for key, text in values.items() if text is not None}

    def redact(self, text: str) -> str:
        """*text* without secrets, as they are, as URLs have them, and as Basic sends them."""
        forms = set()
        for secret in self.secrets:
            forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
            forms |= {basic(secret), basic(f"{secret}:")}
            forms |= {basic(f"{user}:{secret}") for user in self._users}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "•••")
        return text

    @property
    def _users(self) -> list[str]:
        """Who a secret may be sent along with."""
        return [user for user in (self.settings.client_id, self.settings.user) if user]

    @property
    def persists_tokens(self) -> bool:
        """Whether there are tokens that have to outlive this process."""
        grant = self.spec.token.grant if self.spec.token else None
        return self.settings.token is None and grant in {"refresh_token", "authorization_code"}

    def use_store(self, notes: KeyValueStore) -> None:
        """Keep tokens that have to outlive this process in *notes*, where there are such.

        :raises SettingsError: they cannot be kept.
        """
        if self.persists_tokens:
            self.store = TokenStore(notes, self.settings)

    def authenticate(self, request: Request) -> Request:
        """*request*, with what lets it in. :raises SourceError: no token could be got."""
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
        """Forget the token, which is taken no more; whether another one can be got."""
        had, self._token = self._token, None
        self._refused = had.value if had else None
        return had is not None

    def exchange_code(self, code: str, redirect_uri: str) -> None:
        """Exchange *code* for a token and keep it. :raises SourceError: the API gave none."""
        spec = self._spec()
        self._fetch_token(spec, {"grant_type": "authorization_code", "code": code,
                            "redirect_uri": redirect_uri})  # fmt: skip

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        """Where a person allows the access."""
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
                raise SettingsError(f"{where} has a token, and its API takes none.")
            if not token.strip() or not token.isprintable() or not token.isascii():
                raise SettingsError(f"{where} token is blank or holds odd characters.")
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
        """The settings that are needed and not there."""
        spec = self.spec
        needed = ["token"] if spec.kind != "none" else []
        if spec.token:
            grant = {
                "login": ["user", "password"],
                "client_credentials": ["client_id", "client_secret"],
                "refresh_token": ["client_id", "refresh_token"],
                "authorization_code": ["client_id", "client_secret"],
            }
            needed = grant[spec.token.grant]
        needed += [key for key in SECRETS if any(f"{{{key}}}" in t for t in spec.headers.values())]
        return [key for key in dict.fromkeys(needed) if getattr(self.settings, key) is None]

    def _header(self, token: str) -> str:
        spec = self.spec
        if spec.kind == "basic" or any(token.startswith(prefix) for prefix in spec.basic_for):
            return "Basic " + basic(token if ":" in token else f"{token}:")
        return f"Bearer {token}" if spec.kind == "bearer" else token

    def _current_token(self) -> str | None:
        """The token to send, got if need be."""
        if self.settings.token is not None:
            return self.settings.token
        spec = self.spec.token
        if spec is None:
            return None
        if self._token is None and (kept := self._kept_token()):
            self._token = kept
        if self._token is None or time.monotonic() >= self._token.until:
            self._fetch_token(spec, self._grant(spec))
        return self._token.value if self._token else None

    def _kept_token(self) -> _Token | None:
        """The token that an earlier run got, where tokens are kept."""
        kept = self.store.read() if self.store else {}
        token, expires = kept.get("token"), kept.get("expires_at")
        if not isinstance(token, str) or not token or token == self._refused:
            return None
        self._fetched_secrets.add(token)
        left = (
            float(expires) - time.time() - RENEWAL_MARGIN if expires is not None else float("inf")
        )
        return _Token(token, time.monotonic() + left) if left > 0 else None

    def _grant(self, spec: TokenSpec) -> dict[str, str]:
        """The fields of the call, as the grant has them."""
        if spec.grant == "login":
            return {}
        if spec.grant == "client_credentials":
            return {"grant_type": "client_credentials"}
        kept = self.store.read() if self.store else {}
        refresh = kept.get("refresh_token") or self.settings.refresh_token
        if not refresh:
            why = "its token is taken no more" if kept.get("token") else "there is no token yet"
            raise SourceRefused(f"{why}; somebody has to allow the access.", self._login)
        self._fetched_secrets.add(refresh)
        return {"grant_type": "refresh_token", "refresh_token": refresh}

    @property
    def _login(self) -> str:
        return f"Run `orderpull login {self.name}`."

    def _fetch_token(self, spec: TokenSpec, grant: Mapping[str, str]) -> None:
        """Ask for a token and keep it, with the refresh token that comes along."""
        base, path = self._split_url(spec.url)
        kept = self.store.read() if self.store else {}
        refreshing = grant.get("grant_type") == "refresh_token"
        request = token_request(spec, path, grant, self.settings)
        asked, asked_at = time.monotonic(), time.time()  # a token's life begins before it is here
        response = self._send_refresh(base, request) if refreshing else self._call(base, request)
        tokens = TokenResponse(spec, response)
        self._fetched_secrets |= {text for text in (tokens.token, tokens.refresh_token) if text}
        if response.problem or response.status in _BUSY:
            raise SourceBusy(
                f"{base}{path} gave no token ({response.problem or response.status}).",
                "Run again later.",
            )
        if response.status not in range(200, 300) or not tokens.token:
            lost = refreshing and bool(kept.get("asked"))
            raise self._token_error(f"{base}{path}", response, tokens, lost=lost)
        if not tokens.token.isprintable() or not tokens.token.isascii():
            raise SourceUnexpected(
                f"{base}{path} gave a token of odd characters.",
                "Check token in [auth.token] of the api file: where the answer has it.",
            )
        failpoint("token-received")
        seconds = tokens.seconds or spec.lifetime or float("inf")
        if self.store and (refreshing or spec.grant == "authorization_code"):
            self.store.keep({
                "token": tokens.token,
                "expires_at": None if seconds == float("inf") else asked_at + seconds,
                "refresh_token": tokens.refresh_token or kept.get("refresh_token"),
            })  # fmt: skip
        failpoint("token-kept")
        self._token = _Token(tokens.token, asked + seconds - _margin(seconds))

    def _send_refresh(self, base: str, request: Request) -> Response:
        """The answer to *request*, in which a refresh token is used.

        That is noted before: its successor is lost if a kill comes before that is kept.
        """
        if self.store is None:
            return self._call(base, request)
        kept, used = self.store.read(), True
        self.store.keep({**kept, "asked": True})
        try:
            response = self._call(base, request)
            used = bool(response.problem) or response.status not in range(400, 500)
        except SourceUnreachable:
            used = False
            raise
        finally:
            if not used:
                self.store.keep(kept)
        return response

    def _token_error(
        self, where: str, response: Response, tokens: TokenResponse, *, lost: bool
    ) -> SourceRefused:
        """The error of a call that brought no token.

        :param lost: whether a process ended, or a line broke, while the refresh token was used.
        """
        detail = self.redact(tokens.error)
        why = f"{response.status}{': ' + detail if detail else ''}"
        message = f"{where} gave no token ({why})."
        if not lost:
            return SourceRefused(message, f"Check the {self._hint(self._spec())}.")
        again = f"Set a new refresh_token in [sources.{self.name}]."
        return SourceRefused(
            f"{message} The refresh token had been used before, and the answer with its successor "
            "was lost: a process was killed, or the line broke.",
            self._login if self._spec().grant == "authorization_code" else again,
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
            raise SettingsError(f"The API of [sources.{self.name}] gives no tokens.")
        return self.spec.token

    def _split_url(self, url: str) -> tuple[str, str]:
        """Base URL and path of a call for a token."""
        if "://" not in url:
            return (self.settings.auth_url or self.settings.base_url).rstrip("/"), url
        parts = urlsplit(url)
        base = self.settings.auth_url or f"{parts.scheme}://{parts.netloc}"
        return base.rstrip("/"), parts.path


def _margin(seconds: float) -> float:
    """Seconds before its end that a token good for *seconds* is renewed."""
    return 0.0 if seconds == float("inf") else min(RENEWAL_MARGIN, seconds / 10)


def _with_param(target: str, name: str, value: str) -> str:
    """*target* with a parameter, in place of one that the API itself put into a URL it told."""
    path, _, query = target.partition("?")
    rest = [each for each in query.split("&") if each and each.partition("=")[0] != name]
    return f"{path}?{'&'.join([*rest, urlencode({name: value})])}"
