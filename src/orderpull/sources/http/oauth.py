"""The request to an OAuth token endpoint, and its response."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """The values in the response of a token endpoint; None if absent.

    :param seconds: lifetime of the token.
    :param error: the API's error code and description, each cut to 80 characters.
    """

    token: str | None
    refresh_token: str | None
    seconds: float | None
    error: str


def read_token(spec: TokenSpec, response: Response) -> TokenResponse:
    """Read the *response* of a token endpoint, which may be an error."""
    header = spec.token.removeprefix(HEADER).lower() if spec.token.startswith(HEADER) else None
    errors = ("error", "error_description", "message")
    paths = dict.fromkeys([spec.expires_in, spec.refresh_token, *errors])
    if header is None:
        paths |= {spec.token: None}
    values: dict[str, Any] = {}
    with suppress(msgspec.DecodeError):
        extracted = JsonExtractor(None, list(paths)).decode(response.body)
        values = {path: extracted.get(path) for path in paths}
    texts = {path: value for path, value in values.items() if isinstance(value, str) and value}
    seconds: float | None = None
    with suppress(KeyError, TypeError, ValueError):
        seconds = float(values[spec.expires_in])
    return TokenResponse(
        response.headers.get(header) if header else texts.get(spec.token),
        texts.get(spec.refresh_token),
        seconds,
        "; ".join(texts[key][:80] for key in errors if key in texts),
    )
