"""One account at one API: its address, its secret, its requests, and what its answers amount to."""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from orderpull import clock
from orderpull.errors import (
    SettingsError,
    SourceBroken,
    SourceBusy,
    SourceError,
    SourceExpired,
    SourceRefused,
    SourceUnexpected,
    SourceUnreachable,
)
from orderpull.settings import SourceSettings
from orderpull.sources.http.auth import Authenticator
from orderpull.sources.http.limits import SharedLimits
from orderpull.sources.http.messages import Request, Response, ResponseSink, Send
from orderpull.sources.http.transport import Client
from orderpull.sources.paging.flows import PageRequest, Params, page_size
from orderpull.sources.paging.incremental import incremental_flow
from orderpull.sources.paging.page_info import PageInfo, PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import BODY, RequestSpec
from orderpull.sources.spec.times import parse_time

OK = 200
NO_CONTENT = 204
_REDIRECT = range(300, 400)
_REFUSED = range(400, 500)
_BROKEN = range(500, 600)
_SPECIFIC = frozenset({401, 403, 404, 408, 425, 429, *_REDIRECT, *_BROKEN})
"""Statuses that say more than that there are errors in the answer."""

_CHECK_URL = "Check base_url and api."
_WORDS = 160
"""Characters of an API's own words that are told."""


class Endpoint:
    """One account at one API.

    :param send: replaces the network, in tests: a plain function from request to answer.
    :param limits: the limits that the run's sources share.
    :raises SettingsError: the settings do not fit the API.
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
        self.send: Send = send or self.client.send
        self.authenticator = Authenticator(api.auth, settings, name, self._call)
        self.size = _size(name, settings, api)
        if settings.reconcile and api.reconcile is None:
            raise SettingsError(
                f"[sources.{name}] reconcile: this API has no way to list all orders.",
                "Add [reconcile] to a copy of its api file, if it has.",
            )
        self.start = _start(name, settings, api)
        credential = settings.token or settings.client_id or settings.user or ""
        self.limit = (limits or SharedLimits()).of(
            self.client.host, credential, settings.rate or api.limits.rate, api.limits.burst
        )

    @property
    def where(self) -> str:
        """The endpoint, as errors name it."""
        return self.client.base_url + self.api.request.path

    def request(self, ask: PageRequest, spec: RequestSpec | None = None) -> Request:
        """The request for *ask*: without what lets it in.

        :param spec: asks for something else than orders.
        :raises SourceUnexpected: the page before told a URL of another host.
        """
        spec = spec or self.api.request
        path, params = spec.path, ask.params
        if ask.url is not None:
            return Request("GET", self._resolve_next(ask.url, path), spec.headers)
        common = {} if ask.alone else spec.query
        query = {k: str(v) for k, v in params.items() if not k.startswith(BODY)}
        encoded = urlencode({**common, **query}, safe=",*$[]:")
        target = path + ("?" + encoded if encoded else "")
        headers = spec.headers
        if spec.method == "POST":
            headers = {"Content-Type": "application/json", **headers}
        return Request(spec.method, target, headers, _body(spec, params))

    def describe(self, request: Request) -> str:
        """Method and URL of *request*, as the landing keeps them: without secrets."""
        told = f"{request.method} {self.client.base_url}{request.target}"
        return self.authenticator.redact(told)

    def exchange(self, request: Request, progress: ResponseSink) -> Response:
        """Send *request* with what lets it in. :raises SourceError: nothing was sent."""
        return self.send(self.authenticated(request), progress)

    def authenticated(self, request: Request) -> Request:
        """*request* with what lets it in. :raises SourceError: that could not be had."""
        signed = self.authenticator.authenticate(request)
        sign = self.api.functions.sign
        if sign is None:
            return signed
        try:
            return sign(signed, self.authenticator.known_secrets)
        except Exception as error:
            raise SourceRefused(
                f"The hook's sign failed: {type(error).__name__}.", "Mend the api file's hook."
            ) from error

    def _call(self, base: str, request: Request) -> Response:
        """Send a request for a token, to *base*."""
        if self._injected_send:
            return self._injected_send(request, ResponseSink())
        client = Client(base, self.settings.timeout, keep_alive=False)
        try:
            return client.send(request, ResponseSink())
        finally:
            client.close()

    def _resolve_next(self, url: str, path: str) -> str:
        """The target of *url*, which a page told, below the base URL."""
        base = self.client.base_url
        try:
            parts = urlsplit(urljoin(base + path, url))
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, port = urlsplit(""), 0
        at_home = parts.hostname == self.client.host and (
            port == self.client.port or {port, self.client.port} == {80, 443}
        )
        prefix = self.client.prefix
        if not at_home or not (parts.path + "/").startswith(prefix + "/"):
            raise SourceUnexpected(
                f"The next page's URL leads to another place: {parts.hostname or 'no host'}.",
                "The token is not sent there. Set base_url to the address that the API names.",
            )
        return parts.path.removeprefix(prefix) + ("?" + parts.query if parts.query else "")

    def reach(self) -> None:
        """DNS, TCP, TLS, and no HTTP. :raises SourceUnreachable: one of them failed."""
        if self._injected_send:
            return
        try:
            self.client.reach()
        except SourceUnreachable as error:
            raise self.with_source(error) from None

    def probe(self) -> int:
        """Ask an ordinary API for one page and keep nothing of it: the status it answers.

        :raises SourceError: it cannot be asked.
        """
        now = clock.now()
        ask = next(incremental_flow(self.api, page_size(self.api.paging, 1), self.start, now))
        try:
            response, info = self._fetch_once(self.request(ask))
            error = None if is_ok(response, info) else self.error_for(response, info)
            if isinstance(error, SourceExpired) and self.authenticator.renew():
                response, info = self._fetch_once(self.request(ask))
                error = None if is_ok(response, info) else self.error_for(response, info)
        except SourceError as raised:
            raise self.with_source(raised) from None
        finally:
            self.client.close()
        if error is not None:
            raise self.with_source(error)
        return response.status

    def _fetch_once(self, request: Request) -> tuple[Response, PageInfo]:
        response = self.exchange(request, ResponseSink())
        return response, read_answer(response, PageParser(self.api))

    def with_source(self, error: SourceError) -> SourceError:
        """*error*, its message with this source's name and URL."""
        known = self.client.base_url in str(error)
        where = "" if known else f" ({self.where})"
        error.message = f"Source {self.name!r}{where}: {error.message}"
        return error

    def error_for(self, response: Response, info: PageInfo) -> SourceError:
        """The error that *answer* amounts to, in a sentence."""
        failure = info.error
        plain = failure is not None and failure.means == "refused"
        if failure and not response.problem and not (plain and response.status in _SPECIFIC):
            return self._declared_error(info)
        for statuses, error, sentence, hint in self._status_errors(response):
            if response.status in statuses:
                return error(f"{self.where} answered {response.status}: {sentence}.", hint)
        if response.problem:
            return SourceUnexpected(
                f"{self.where}: {response.problem}.", "Run again; check base_url and the network."
            )
        problem = info.problem or "that is not what a list of orders comes with"
        return SourceUnexpected(
            f"{self.where} answered {response.status}, but {problem}.", _CHECK_URL
        )

    def _declared_error(self, info: PageInfo) -> SourceError:
        """What an answer that says in itself that it is an error amounts to."""
        means = info.error.means if info.error else "refused"
        text = self.authenticator.redact(info.error_message)[:_WORDS]
        detail = f" ({text})" if text else ""
        if means == "busy":
            return SourceBusy(f"{self.where} wants to be asked later{detail}.", "Set a lower rate.")
        if means == "expired":
            return SourceExpired(
                f"{self.where} does not accept the token{detail}.",
                f"Check what [sources.{self.name}] signs in with, and its rights.",
            )
        return SourceRefused(f"{self.where} does not take the request{detail}.", _CHECK_URL)

    def _status_errors(
        self, response: Response
    ) -> list[tuple[set[int] | range, type[SourceError], str, str]]:
        """What statuses mean, the first that fits: statuses, error, sentence, what to do."""
        sent = self.authenticator.sends_token
        token = "token" if sent else "request, which has no token"
        return [
            ({401}, SourceExpired, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({403}, SourceRefused, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({404}, SourceRefused, "there is no such path", _CHECK_URL),
            ({408, 425}, SourceBusy, "it was not ready for the request", "Run again later."),
            ({429}, SourceBusy, "too many requests", "Set a lower rate."),
            (_REDIRECT, SourceRefused, _moved(response),
             "Redirects are not followed; set base_url to the new place."),
            (_REFUSED, SourceRefused, "it does not take the request", _CHECK_URL),
            (_BROKEN, SourceBroken, "it is out of order", "Run again later."),
        ]  # fmt: skip


def read_answer(response: Response, reader: PageParser) -> PageInfo:
    """What *answer* tells; one without content is an empty page."""
    if response.status == NO_CONTENT and not response.body:
        response.status = OK
        return PageInfo("whole", is_json=True, has_records=True)
    return reader.parse(response.body, response.headers)


def is_ok(response: Response, info: PageInfo) -> bool:
    """Whether *answer* is a list of orders from first to last."""
    answered = response.status == OK and not response.problem
    return answered and info.has_records and info.error is None


def set_body_fields(body: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """*body* with those of *values* at their places that belong into it: ``$.variables.after``."""
    made = dict(copy.deepcopy(body))
    for place, value in values.items():
        if place.startswith(BODY):
            *way, last = place.removeprefix(BODY).split(".")
            at = made
            for key in way:
                at = at.setdefault(key, {})
            at[last] = value
    return made


def _body(spec: RequestSpec, params: Params) -> bytes:
    """The JSON that a POST sends, with *params* at their places."""
    return msgspec.json.encode(set_body_fields(spec.body, params)) if spec.method == "POST" else b""


def failure_text(response: Response, info: PageInfo) -> str:
    """How an answer came that did not come whole, in words."""
    status = f"status {response.status}" if response.status else "no status"
    problem = response.problem or info.problem
    if response.status in _REDIRECT:
        problem = _moved(response)
    return f"{status}; {problem}" if problem else status


def _moved(response: Response) -> str:
    """Where a redirect leads, without what may be a secret."""
    try:
        parts = urlsplit(response.headers.get("location", ""))
        host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
        place = host + parts.path
    except ValueError:
        place = ""
    return f"it moved to {place or 'another place'}"


def _size(name: str, settings: SourceSettings, api: Api) -> int | None:
    size, most = settings.page_size, api.paging.max_size
    if size is not None and api.paging.size_param is None:
        raise SettingsError(f"[sources.{name}] page_size: this API has no page size.")
    if size is not None and most is not None and size > most:
        raise SettingsError(f"[sources.{name}] page_size is {size}; this API allows {most}.")
    return size


def _start(name: str, settings: SourceSettings, api: Api) -> datetime | None:
    if api.cursor is None:
        return None
    if settings.start is None:
        raise SettingsError(
            f"[sources.{name}] has no start, and its API is read from a time on.",
            'Add start = "2026-01-01": orders changed since then are pulled.',
        )
    start = parse_time(settings.start)
    if start is None:
        raise SettingsError(
            f"[sources.{name}] start is {settings.start!r}: expected a date or an ISO 8601 time."
        )
    return start
