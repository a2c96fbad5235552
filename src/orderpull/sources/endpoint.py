"""Endpoint: one account at one API. It builds requests and turns responses into errors."""

import copy
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import msgspec
from msgspec.structs import replace

from orderpull.errors import (
    SettingsError,
    SourceBroken,
    SourceBusy,
    SourceError,
    SourceExpired,
    SourceMissing,
    SourceRefused,
    SourceUnexpected,
    SourceUnreachable,
)
from orderpull.settings import SourceSettings
from orderpull.sources.http.auth import Authenticator
from orderpull.sources.http.limits import SharedLimits
from orderpull.sources.http.messages import Request, Response, ResponseSink, Send
from orderpull.sources.http.transport import Client
from orderpull.sources.paging.flows import PageRequest
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import (
    BODY,
    LINK,
    ChildrenSpec,
    ErrorSpec,
    RequestSpec,
)
from orderpull.sources.spec.times import parse_time

log = logging.getLogger("orderpull.pull")

OK = 200
NO_CONTENT = 204
_REDIRECT = range(300, 400)
_CLIENT_ERROR = range(400, 500)
_SERVER_ERROR = range(500, 600)
_ANY_STATUS = frozenset({"busy", "expired"})
"""Meanings of an ``[[errors]]`` block that are more specific than any status."""

_CHECK_URL = "Check base_url and api."
_MAX_MESSAGE = 160
"""Longest part of an API's error message that is shown, in characters."""


class Endpoint:
    """One account at one API.

    :ivar notes: what a person should know of the responses, each once.
    :param send: replaces the network in tests: a function from request to response.
    :param limits: rate limits that the run's sources share.
    :raises SettingsError: the settings do not match the API.
    """

    def __init__(
        self,
        name: str,
        settings: SourceSettings,
        api: Api,
        *,
        send: Send | None = None,
        limits: SharedLimits | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.api = api
        self.client = Client(settings.base_url, settings.timeout, keep_alive=not api.consume_once)
        self._injected_send = send
        self.notes: list[str] = []
        self.send: Send = send or self.client.send
        self.authenticator = Authenticator(api.auth, settings, name, self._call)
        self.size = _size(name, settings, api)
        if settings.reconcile and api.reconcile is None:
            raise SettingsError(
                f"[sources.{name}] reconcile: this API has no way to list all orders.",
                "Add [reconcile] to a copy of its api file if the API can list all orders.",
            )
        self.start = _start(name, settings, api)
        credential = settings.token or settings.client_id or settings.user or ""
        self.limit = (limits or SharedLimits()).of(
            self.client.host, credential, settings.rate or api.limits.rate, api.limits.burst
        )

    @property
    def where(self) -> str:
        """URL of the endpoint for error messages."""
        return self.client.base_url + self.api.request.path

    def request(self, page_request: PageRequest, spec: RequestSpec | None = None) -> Request:
        """Build the HTTP request for *page_request*, without authentication.

        :param spec: a request block other than ``[request]``.
        :raises SourceUnexpected: the URL of the next page is on another host.
        """
        spec = spec or self.api.request
        path, params = spec.path, page_request.params
        if page_request.url is not None:
            changes: dict[str, Any] = {**params}
            if self.api.ids and page_request.ids_only:
                changes |= self.api.ids.query
            target = set_query(self._resolve(page_request.url, path), changes)
            return Request("GET", target, spec.headers)
        common = {} if page_request.alone else spec.query
        query = {k: str(v) for k, v in params.items() if not k.startswith(BODY)}
        encoded = urlencode({**common, **query}, safe=",*$[]:")
        target = path + ("?" + encoded if encoded else "")
        headers = spec.headers
        if spec.method == "POST":
            headers = {"Content-Type": "application/json", **headers}
            body = msgspec.json.encode(set_body_fields(spec.body, params))
            return Request("POST", target, headers, body)
        return Request("GET", target, headers)

    def child_request(self, block: ChildrenSpec, key: str) -> RequestSpec:
        """The request block for the child list with *key*.

        :raises SourceUnexpected: the key is a URL on another host.
        """
        spec = block.request
        query, body = spec.query, spec.body
        if block.key_param and block.key_param.startswith(BODY):
            body = set_body_fields(body, {block.key_param: key})
        elif block.key_param:
            query = query | {block.key_param: key}
        path = spec.path.replace(LINK, quote(key, safe=""))
        if spec.path == LINK:
            path, _, own = self._resolve(key, self.api.request.path).partition("?")
            query = dict(parse_qsl(own, keep_blank_values=True)) | query
        return replace(spec, path=path, query=query, body=body)

    def address(self, request: Request) -> str:
        """URL of *request* for error messages, without query and secrets."""
        path = request.target.partition("?")[0]
        return self.authenticator.redact(self.client.base_url + path)

    def without_ids(self, following: str | None) -> str | None:
        """*following*, the cursor or URL of the next page, without the query of ``[ids]``."""
        if not following or not self.api.ids or self.api.paging.kind not in {"next", "link"}:
            return following
        own = self.api.request.query
        return set_query(following, {name: own.get(name) for name in self.api.ids.query})

    def describe(self, request: Request) -> str:
        """Method and URL of *request* without secrets, for the landing and the log."""
        return self.authenticator.redact(f"{request.method} {self.client.base_url}{request.target}")

    def authenticate(self, request: Request) -> Request:
        """Add credentials and the hook's signature to *request*.

        :raises SourceError: no token could be fetched, or the hook failed.
        """
        request = self.authenticator.authenticate(request)
        sign = self.api.functions.sign
        return sign(request, self.authenticator.known_secrets) if sign else request

    def _call(self, base: str, request: Request) -> Response:
        """Send a token request to the base URL *base*."""
        if self._injected_send:
            return self._injected_send(request, ResponseSink())
        client = Client(base, self.settings.timeout, keep_alive=False)
        try:
            return client.send(request, ResponseSink())
        finally:
            client.close()

    def _resolve(self, url: str, path: str) -> str:
        """The target of *url*, found in a response of *path*, relative to the base URL.

        :raises SourceUnexpected: *url* is on another host or outside the base URL.
        """
        base = self.client.base_url
        try:
            parts = urlsplit(urljoin(base + path, url))
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, port = urlsplit(""), 0
        same_host = parts.hostname == self.client.host and (
            port == self.client.port or {port, self.client.port} == {80, 443}
        )
        prefix = self.client.prefix
        if not same_host or not (parts.path + "/").startswith(prefix + "/"):
            raise SourceUnexpected(
                f"A link leads outside base_url ({parts.hostname or 'no host'}).",
                "It is not requested, to protect the token. Set base_url to the API's address.",
            )
        return parts.path.removeprefix(prefix) + ("?" + parts.query if parts.query else "")

    def reach(self) -> None:
        """Check DNS, TCP and TLS without HTTP. :raises SourceUnreachable: a check failed."""
        if self._injected_send:
            return
        try:
            self.client.reach()
        except SourceUnreachable as error:
            raise self.with_source(error) from None

    def check_headers(self, response: Response) -> None:
        """Note a header of *response* with another value than the one in ``[response]``."""
        for name, wanted in self.api.response.headers.items():
            value = response.headers.get(name.lower())
            if value is not None and value != wanted:
                self.note(f"the API answers with {name} {value!r}, not {wanted!r}: look whether "
                          "this API file still fits.")  # fmt: skip

    def note(self, text: str) -> None:
        """Log *text* and add it to the notes, once."""
        text = self.authenticator.redact(text)
        if text not in self.notes:
            self.notes.append(text)
            log.warning("source=%s %s", self.name, text)

    def with_source(self, error: SourceError) -> SourceError:
        """Add this source's name and URL to the message of *error*."""
        where = "" if self.client.base_url in str(error) else f" ({self.where})"
        error.message = f"Source {self.name!r}{where}: {error.message}"
        return error

    def error_for(
        self, response: Response, info: PageInfo, request: Request | None = None
    ) -> SourceError:
        """The exception for a response that is not a list of orders.

        :param request: the request; None: that of ``[request]``.
        """
        block, where = info.error, self.address(request) if request else self.where
        declared = block and (response.status == OK or block.means in _ANY_STATUS)
        if block and declared and not response.problem:
            return self._declared_error(block, info.error_message, where)
        detail = self.detail(info.error_message or _plain_text(response))
        for statuses, error, sentence, hint in self._status_errors(response):
            if response.status in statuses:
                return error(f"{where} answered {response.status}: {sentence}{detail}.", hint)
        if response.problem:
            return SourceUnexpected(
                f"{where}: {response.problem}.", "Run again; check base_url and the network."
            )
        if info.hook_error:
            return info.hook_error
        problem = info.problem or "a list of orders needs status 200"
        return SourceUnexpected(f"{where} answered {response.status}, but {problem}.", _CHECK_URL)

    def detail(self, message: str) -> str:
        """The API's own *message* in brackets, without secrets; empty without one."""
        text = self.authenticator.redact(" ".join(message.split()))[:_MAX_MESSAGE]
        return f" ({text})" if text else ""

    def _declared_error(self, block: ErrorSpec, message: str, where: str) -> SourceError:
        """The exception for a response whose body declares an error."""
        detail = self.detail(message)
        if block.means == "busy":
            return SourceBusy(f"{where} requests a later retry{detail}.", "Set a lower rate.")
        if block.means == "broken":
            return SourceBroken(f"{where} fails for this request{detail}.", "Run again later.")
        if block.means == "expired":
            return SourceExpired(
                f"{where} does not accept the token{detail}.",
                f"Check the credentials of [sources.{self.name}] and their rights.",
            )
        return SourceRefused(f"{where} rejects the request{detail}.", block.hint or _CHECK_URL)

    def _status_errors(
        self, response: Response
    ) -> list[tuple[set[int] | range, type[SourceError], str, str]]:
        """Statuses, exception, sentence and hint; the first matching row applies."""
        sent = self.authenticator.sends_token
        token = "token" if sent else "request, which has no token"
        return [
            ({401}, SourceExpired, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({403}, SourceRefused, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({404, 410}, SourceMissing, "there is no such path", _CHECK_URL),
            ({408, 425}, SourceBusy, "it was not ready for the request", "Run again later."),
            ({429}, SourceBusy, "too many requests", "Set a lower rate."),
            ({402, 423}, SourceRefused, "the account is locked or a payment is due",
             "Sign in to the shop's own pages, which say why."),
            (_REDIRECT, SourceRefused, _redirect_text(response),
             "Redirects are not followed; set base_url to the new address."),
            (_CLIENT_ERROR, SourceRefused, "it rejects the request", _CHECK_URL),
            (_SERVER_ERROR, SourceBroken, "it is out of order", "Run again later."),
        ]  # fmt: skip


def parse_response(response: Response, parser: PageParser) -> PageInfo:
    """Parse *response*; a 204 No Content counts as an empty page."""
    if response.status == NO_CONTENT and not response.body:
        response.status = OK
        return PageInfo("whole", is_json=True, has_records=True)
    return parser.parse(response.body, response.headers)


def is_ok(response: Response, info: PageInfo) -> bool:
    """True if *response* is a complete list of orders."""
    complete = response.status == OK and not response.problem
    accepted = info.error is None or info.error.means == "partial"
    return complete and info.has_records and accepted


def set_body_fields(body: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of *body* with the *values* whose request field is in the body."""
    filled = dict(copy.deepcopy(body))
    for field, value in values.items():
        if field.startswith(BODY):
            *parents, last = field.removeprefix(BODY).split(".")
            target = filled
            for key in parents:
                target = target.setdefault(key, {})
            target[last] = value
    return filled


def with_fields(
    request: RequestSpec, query: Mapping[str, str], body: Mapping[str, Any]
) -> RequestSpec:
    """*request* with further values by query parameter and by request field of the body."""
    return replace(
        request, query={**request.query, **query}, body=set_body_fields(request.body, body)
    )


def set_query(target: str, values: Mapping[str, Any]) -> str:
    """*target*, a path with a query, in which *values* replace parameters; None removes one."""
    if not values:
        return target
    path, _, query = target.partition("?")
    kept = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True)
            if key not in values]  # fmt: skip
    added = [(key, str(value)) for key, value in values.items() if value is not None]
    return f"{path}?{urlencode(kept + added, safe=',*$[]:')}"


def failure_text(response: Response, info: PageInfo) -> str:
    """The failure of an incomplete response, in words."""
    status = f"status {response.status}" if response.status else "no status"
    problem = response.problem or info.problem
    if response.status in _REDIRECT:
        problem = _redirect_text(response)
    return f"{status}; {problem}" if problem else status


def _plain_text(response: Response) -> str:
    """The body of a client error, if it is a text for people or JSON; empty for HTML."""
    body = " ".join(response.body[:10_000].decode(errors="replace").split())
    is_text = response.status in _CLIENT_ERROR and body.isprintable() and body[:1] != "<"
    return body if is_text and body not in ("{}", "[]") else ""


def _redirect_text(response: Response) -> str:
    """The target of a redirect, without its query, which may contain a secret."""
    try:
        parts = urlsplit(response.headers.get("location", ""))
        host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
        target = host + parts.path
    except ValueError:
        target = ""
    return f"it moved to {target or 'another address'}"


def _size(name: str, settings: SourceSettings, api: Api) -> int | None:
    size, largest = settings.page_size, api.paging.max_size
    if size is not None and api.paging.size_param is None:
        raise SettingsError(f"[sources.{name}] page_size: this API has no page size.")
    if size is not None and largest is not None and size > largest:
        raise SettingsError(f"[sources.{name}] page_size is {size}; this API allows {largest}.")
    return size


def _start(name: str, settings: SourceSettings, api: Api) -> datetime | None:
    if api.cursor is None:
        return None
    if settings.start is None:
        raise SettingsError(
            f"[sources.{name}] has no start, but its API is read by modification time.",
            'Add start = "2026-01-01": orders changed since then are pulled.',
        )
    start = parse_time(settings.start)
    if start is None:
        raise SettingsError(
            f"[sources.{name}] start is {settings.start!r}: expected a date or an ISO 8601 time."
        )
    return start
