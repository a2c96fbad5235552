"""One account at one API: its address, its secret, its requests, and what its answers amount to."""

from datetime import datetime
from urllib.parse import urlencode, urlsplit

from orderpull import clock
from orderpull.errors import (
    SettingsError,
    SourceBusy,
    SourceError,
    SourceRefused,
    SourceUnexpected,
    SourceUnreachable,
)
from orderpull.settings import SourceSettings
from orderpull.sources.auth import auth_headers
from orderpull.sources.moving import plan
from orderpull.sources.paging import Ask
from orderpull.sources.reading import PageReader, Reading
from orderpull.sources.spec import Api
from orderpull.sources.times import parse_time
from orderpull.sources.transport import Answer, Client, Progress, Request, Send

OK = 200
_REDIRECT = range(300, 400)
_REFUSED = range(400, 500)
_BROKEN = range(500, 600)
_LOOK = "Check base_url and api."


class Endpoint:
    """One account at one API.

    :param send: replaces the network, in tests: a plain function from request to answer.
    :raises SettingsError: the settings do not fit the API.
    """

    def __init__(
        self, name: str, settings: SourceSettings, api: Api, *, send: Send | None = None
    ) -> None:
        self.name = name
        self.settings = settings
        self.api = api
        self.auth = auth_headers(api.auth, settings.token, name)
        self.client = Client(settings.base_url, settings.timeout, keep_alive=not api.consume_once)
        self.send: Send = send or self.client.send
        self.size = _size(name, settings, api)
        self.start = _start(name, settings, api)

    @property
    def where(self) -> str:
        """The endpoint, as errors name it."""
        return self.client.base_url + self.api.request.path

    def request(self, ask: Ask) -> Request:
        """The request for *ask*."""
        spec = self.api.request
        query = urlencode({**spec.query, **ask.query}, safe=",*$[]:")
        target = spec.path + ("?" + query if query else "")
        return Request(spec.method, target, {**spec.headers, **self.auth})

    def told(self, request: Request) -> str:
        """Method and URL of *request*, as the landing keeps them: without secrets."""
        return f"{request.method} {self.client.base_url}{request.target}"

    def reach(self) -> None:
        """DNS, TCP, TLS, and no HTTP. :raises SourceUnreachable: one of them failed."""
        try:
            self.client.reach()
        except SourceUnreachable as error:
            raise self.named(error) from None

    def try_once(self) -> int:
        """Ask an ordinary API for one page and keep nothing: the status it answers.

        :raises SourceError: it cannot be asked.
        """
        now = clock.now()
        ask = next(plan(self.api, 1 if self.api.paging.size_param else None, self.start, now))
        answer = self.send(self.request(ask), Progress())
        reading = PageReader(self.api).read(answer.body)
        if answer.problem or answer.status != OK or not reading.legible:
            raise self.named(self.refusal(answer, reading))
        return answer.status

    def named(self, error: SourceError) -> SourceError:
        """*error*, its message with this source's name and URL."""
        known = self.client.base_url in str(error)
        where = "" if known else f" ({self.where})"
        error.message = f"Source {self.name!r}{where}: {error.message}"
        return error

    def refusal(self, answer: Answer, reading: Reading) -> SourceError:
        """The error that *answer* amounts to, in a sentence."""
        for statuses, error, sentence, hint in self._meanings(answer):
            if answer.status in statuses:
                return error(f"{self.where} answered {answer.status}: {sentence}.", hint)
        if answer.problem:
            return SourceUnexpected(
                f"{self.where}: {answer.problem}.", "Run again; check base_url and the network."
            )
        problem = reading.problem or "that is not what a list of orders comes with"
        return SourceUnexpected(f"{self.where} answered {answer.status}, but {problem}.", _LOOK)

    def _meanings(
        self, answer: Answer
    ) -> list[tuple[set[int] | range, type[SourceError], str, str]]:
        """What statuses mean, the first that fits: statuses, error, sentence, what to do."""
        token = "token" if self.auth else "request, which has no token"
        return [
            ({401, 403}, SourceRefused, f"it does not accept the {token}",
             f"Check token of [sources.{self.name}] and its rights."),
            ({404}, SourceRefused, "there is no such path", _LOOK),
            ({408, 425}, SourceBusy, "it was not ready for the request", "Run again later."),
            ({429}, SourceBusy, "too many requests", "Set a lower rate."),
            (_REDIRECT, SourceRefused, _moved(answer),
             "Redirects are not followed; set base_url to the new place."),
            (_REFUSED, SourceRefused, "it does not take the request", _LOOK),
            (_BROKEN, SourceBusy, "it is out of order", "Run again later."),
        ]  # fmt: skip


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
