"""The request to an OAuth token endpoint, and its response."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from orderpull.settings import SourceSettings
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.paging.json_extract import JsonExtractor
from orderpull.sources.spec.blocks import HEADER, TokenSpec

SECRETS = ("token", "password", "client_secret", "refresh_token", "client_id", "user")
"""Settings that may replace a name in braces in headers and token requests."""


def token_request(
    spec: TokenSpec, path: str, grant: Mapping[str, str], settings: SourceSettings
) -> Request:
    """The token request to *path*. :param grant: the grant's form fields of OAuth 2.0."""
    if spec.body:
        body = msgspec.json.encode(_substitute_deep(spec.body, settings))
        return Request("POST", path, {"Content-Type": "application/json"}, body)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    form = {**grant, **{key: substitute(text, settings) for key, text in spec.form.items()}}
    if spec.scope and spec.grant != "authorization_code":
        form["scope"] = spec.scope
    if spec.grant != "login":
        identity, secret = settings.client_id or "", settings.client_secret
        if spec.client == "basic":
            headers["Authorization"] = "Basic " + basic(f"{identity}:{secret or ''}")
        else:
            form["client_id"] = identity
            form |= {"client_secret": secret} if secret else {}
    return Request("POST", path, headers, urlencode(form).encode())


def substitute(text: str, settings: SourceSettings) -> str:
    """*text* with each name in braces replaced by its setting."""
    for key in SECRETS:
        text = text.replace(f"{{{key}}}", getattr(settings, key) or "")
    return text


def basic(pair: str) -> str:
    """*pair* (``user:password``) encoded for the header ``Authorization: Basic`` (RFC 7617)."""
    return base64.b64encode(pair.encode()).decode()


def _substitute_deep(value: Any, settings: SourceSettings) -> Any:  # noqa: ANN401 - JSON
    """*value* with :func:`substitute` applied to all its texts."""
    if isinstance(value, dict):
        return {key: _substitute_deep(each, settings) for key, each in value.items()}
    return substitute(value, settings) if isinstance(value, str) else value


class TokenResponse:
    """The response of a token endpoint."""

    def __init__(self, spec: TokenSpec, response: Response) -> None:
        self._spec = spec
        self._headers = response.headers
        paths = [spec.expires_in, spec.refresh_token, "error", "error_description", "message"]
        if not spec.token.startswith(HEADER):
            paths.append(spec.token)
        self._values: dict[str, object] = {}
        try:
            extracted = JsonExtractor(None, list(dict.fromkeys(paths))).decode(response.body)
            self._values = {path: extracted.get(path) for path in paths}
        except msgspec.DecodeError:
            pass

    @property
    def token(self) -> str | None:
        """The token; None if absent."""
        if self._spec.token.startswith(HEADER):
            return self._headers.get(self._spec.token.removeprefix(HEADER).lower())
        value = self._values.get(self._spec.token)
        return value if isinstance(value, str) and value else None

    @property
    def refresh_token(self) -> str | None:
        """The next refresh token; None if absent."""
        value = self._values.get(self._spec.refresh_token)
        return value if isinstance(value, str) and value else None

    @property
    def seconds(self) -> float | None:
        """Lifetime of the token; None if the response does not contain a number."""
        value = self._values.get(self._spec.expires_in)
        try:
            return float(value) if isinstance(value, int | float | str) else None
        except ValueError:
            return None

    @property
    def error(self) -> str:
        """The API's error code and description, each cut to 80 characters."""
        texts = [self._values.get(key) for key in ("error", "error_description", "message")]
        return "; ".join(text[:80] for text in texts if isinstance(text, str))
