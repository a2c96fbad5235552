"""One account at one API: its address, its secret, its requests, and what its answers amount to."""

from datetime import datetime
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
from orderpull.sources.http.auth import Authorization
from orderpull.sources.http.limits import SharedLimits
from orderpull.sources.http.transport import Answer, Client, Progress, Request, Send
from orderpull.sources.paging.flows import Ask, Params, page_size
from orderpull.sources.paging.incremental import plan
from orderpull.sources.paging.page_info import PageReader, Reading
from orderpull.sources.places import placed
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import RequestSpec
from orderpull.sources.spec.times import parse_time
from orderpull.sources.spec.validation import BODY

OK = 200
NO_CONTENT = 204
_REDIRECT = range(300, 400)
_REFUSED = range(400, 500)
_BROKEN = range(500, 600)
_TELLING = frozenset({401, 403, 404, 408, 425, 429, *_REDIRECT, *_BROKEN})
"""Statuses that say more than that there are errors in the answer."""

_LOOK = "Check base_url and api."
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
        self._given = send
        self.send: Send = send or self.client.send
        self.authorization = Authorization(api.auth, settings, name, self._call)
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

    def request(self, ask: Ask, spec: RequestSpec | None = None) -> Request:
        """The request for *ask*: without what lets it in.

        :param spec: asks for something else than orders.
        :raises SourceUnexpected: the page before told a URL of another host.
        """
        spec = spec or self.api.request
        path, params = spec.path, ask.params
        if ask.url is not None:
            return Request("GET", self._below(ask.url, path), spec.headers)
        common = {} if ask.alone else spec.query
        query = {k: str(v) for k, v in params.items() if not k.startswith(BODY)}
        encoded = urlencode({**common, **query}, safe=",*$[]:")
        target = path + ("?" + encoded if encoded else "")
        headers = spec.headers
        if spec.method == "POST":
            headers = {"Content-Type": "application/json", **headers}
        return Request(spec.method, target, headers, _body(spec, params))

    def told(self, request: Request) -> str:
        """Method and URL of *request*, as the landing keeps them: without secrets."""
        told = f"{request.method} {self.client.base_url}{request.target}"
        return self.authorization.hidden(told)

    def exchange(self, request: Request, progress: Progress) -> Answer:
        """Send *request* with what lets it in. :raises SourceError: nothing was sent."""
        return self.send(self.signed(request), progress)

    def signed(self, request: Request) -> Request:
        """*request* with what lets it in. :raises SourceError: that could not be had."""
        signed = self.authorization.signed(request)
        sign = self.api.functions.sign
        if sign is None:
            return signed
        try:
            return sign(signed, self.authorization.known_secrets)
        except Exception as error:
            raise SourceRefused(
                f"The hook's sign failed: {type(error).__name__}.", "Mend the api file's hook."
            ) from error

    def _call(self, base: str, request: Request) -> Answer:
        """Send a request for a token, to *base*."""
        if self._given:
            return self._given(request, Progress())
        client = Client(base, self.settings.timeout, keep_alive=False)
        try:
            return client.send(request, Progress())
        finally:
            client.close()

    def _below(self, url: str, path: str) -> str:
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
        if self._given:
            return
        try:
            self.client.reach()
        except SourceUnreachable as error:
            raise self.named(error) from None

    def try_once(self) -> int:
        """Ask an ordinary API for one page and keep nothing of it: the status it answers.

        :raises SourceError: it cannot be asked.
        """
        now = clock.now()
        ask = next(plan(self.api, page_size(self.api.paging, 1), self.start, now))
        try:
            answer, reading = self._asked_once(self.request(ask))
            error = None if well(answer, reading) else self.refusal(answer, reading)
            if isinstance(error, SourceExpired) and self.authorization.renew():
                answer, reading = self._asked_once(self.request(ask))
                error = None if well(answer, reading) else self.refusal(answer, reading)
        except SourceError as raised:
            raise self.named(raised) from None
        finally:
            self.client.close()
        if error is not None:
            raise self.named(error)
        return answer.status

    def _asked_once(self, request: Request) -> tuple[Answer, Reading]:
        answer = self.exchange(request, Progress())
        return answer, read_answer(answer, PageReader(self.api))

    def named(self, error: SourceError) -> SourceError:
        """*error*, its message with this source's name and URL."""
        known = self.client.base_url in str(error)
        where = "" if known else f" ({self.where})"
        error.message = f"Source {self.name!r}{where}: {error.message}"
        return error

    def refusal(self, answer: Answer, reading: Reading) -> SourceError:
        """The error that *answer* amounts to, in a sentence."""
        failure = reading.failure
        plain = failure is not None and failure.means == "refused"
        if failure and not answer.problem and not (plain and answer.status in _TELLING):
            return self._failure(reading)
        for statuses, error, sentence, hint in self._meanings(answer):
            if answer.status in statuses:
                return error(f"{self.where} answered {answer.status}: {sentence}.", hint)
        if answer.problem:
            return SourceUnexpected(
                f"{self.where}: {answer.problem}.", "Run again; check base_url and the network."
            )
        problem = reading.problem or "that is not what a list of orders comes with"
        return SourceUnexpected(f"{self.where} answered {answer.status}, but {problem}.", _LOOK)

    def _failure(self, reading: Reading) -> SourceError:
        """What an answer that says in itself that it is an error amounts to."""
        means = reading.failure.means if reading.failure else "refused"
        words = self.authorization.hidden(reading.words)[:_WORDS]
        said = f" ({words})" if words else ""
        if means == "busy":
            return SourceBusy(f"{self.where} wants to be asked later{said}.", "Set a lower rate.")
        if means == "expired":
            return SourceExpired(
                f"{self.where} does not accept the token{said}.",
                f"Check what [sources.{self.name}] signs in with, and its rights.",
            )
        return SourceRefused(f"{self.where} does not take the request{said}.", _LOOK)

    def _meanings(
        self, answer: Answer
    ) -> list[tuple[set[int] | range, type[SourceError], str, str]]:
        """What statuses mean, the first that fits: statuses, error, sentence, what to do."""
        sent = self.authorization.sends_token
        token = "token" if sent else "request, which has no token"
        return [
            ({401}, SourceExpired, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({403}, SourceRefused, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({404}, SourceRefused, "there is no such path", _LOOK),
            ({408, 425}, SourceBusy, "it was not ready for the request", "Run again later."),
            ({429}, SourceBusy, "too many requests", "Set a lower rate."),
            (_REDIRECT, SourceRefused, _moved(answer),
             "Redirects are not followed; set base_url to the new place."),
            (_REFUSED, SourceRefused, "it does not take the request", _LOOK),
            (_BROKEN, SourceBroken, "it is out of order", "Run again later."),
        ]  # fmt: skip


def read_answer(answer: Answer, reader: PageReader) -> Reading:
    """What *answer* tells; one without content is an empty page."""
    if answer.status == NO_CONTENT and not answer.body:
        answer.status = OK
        return Reading("whole", complete=True, legible=True)
    return reader.read(answer.body, answer.headers)


def well(answer: Answer, reading: Reading) -> bool:
    """Whether *answer* is a list of orders from first to last."""
    answered = answer.status == OK and not answer.problem
    return answered and reading.legible and reading.failure is None


def _body(spec: RequestSpec, params: Params) -> bytes:
    """The JSON that a POST sends, with *params* at their places."""
    return msgspec.json.encode(placed(spec.body, params)) if spec.method == "POST" else b""


def how(answer: Answer, reading: Reading) -> str:
    """How an answer came that did not come whole, in words."""
    status = f"status {answer.status}" if answer.status else "no status"
    problem = answer.problem or reading.problem
    if answer.status in _REDIRECT:
        problem = _moved(answer)
    return f"{status}; {problem}" if problem else status


def _moved(answer: Answer) -> str:
    """Where a redirect leads, without what may be a secret."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
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
