"""Pull one source: ask, keep what came, go on - in that order, always.

Two ways of asking differ in what a failure may cost:

* an ordinary API can be asked again, so failures are retried, politely and within bounds;
* a consume-once API never returns an answer twice, so each request is noted before it is sent,
  its bytes are kept as they arrive, and only what was certainly not consumed is tried again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from orderpull import clock, points
from orderpull.errors import (
    Interrupted,
    OrderpullError,
    PossibleLoss,
    SettingsError,
    SourceBusy,
    SourceError,
    SourceRefused,
    SourceUnexpected,
    SourceUnreachable,
)
from orderpull.landing.draft import Draft
from orderpull.landing.local import SourceLanding
from orderpull.landing.page import PageMeta, State, digest
from orderpull.settings import SourceSettings
from orderpull.sources.auth import auth_headers
from orderpull.sources.limits import RateLimit, Stop, asked_wait, backoff
from orderpull.sources.paging import Ask, Plan, plan
from orderpull.sources.reading import PageReader, Reading, is_whole, parse_time
from orderpull.sources.spec import Api
from orderpull.sources.transport import Answer, Client, Progress, Request, Send

log = logging.getLogger("orderpull.pull")

NOT_CONSUMED = frozenset({401, 403, 404, 429})
"""Answers of a consume-once API that certainly took no orders."""

MAX_WAIT = 900.0
"""Seconds: the longest wait an API may ask for within a run; beyond it the next run goes on."""


@dataclass
class Pulled:
    """What pulling one source brought.

    :param pages: numbers of the pages landed, adopted ones too.
    :param orders: orders in them, as far as they are whole.
    :param possible_loss: numbers of the pages with which orders may have been lost.
    :param cursor: how far the API has been read.
    :param finished_at: when it had been read to its end (UTC); None if it was not.
    :param error: what stopped it.
    """

    pages: list[int] = field(default_factory=list)
    orders: int = 0
    possible_loss: list[int] = field(default_factory=list)
    cursor: str | None = None
    finished_at: datetime | None = None
    error: OrderpullError | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a pull begins.

    :param cursor: how far the API has been read.
    :param loaded_through: the highest page number that the ledger knows.
    """

    cursor: str | None = None
    loaded_through: int = 0


class Source:
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
        self.client = Client(
            settings.base_url, settings.timeout, keep_alive=not api.consume_once
        )
        self.send: Send = send or self.client.send
        self.size = _size(name, settings, api)
        self.start = _start(name, settings, api)

    def pull(
        self,
        landing: SourceLanding,
        start: Start,
        stop: Stop,
        told: Callable[[Pulled], None] = lambda _: None,
    ) -> Pulled:
        """Bring what the API has into *landing*; never raises for a fault of the source.

        :param stop: asked to stop, the pull ends after the page in hand.
        :param told: is called after each page.
        :raises LandingError: a page could not be kept; what was kept before stays.
        """
        return _Pull(self, landing, start, stop, told).run()

    def reach(self) -> None:
        """DNS, TCP, TLS, and no HTTP. :raises SourceUnreachable: one of them failed."""
        self.client.reach()

    def try_once(self) -> int:
        """Ask an ordinary API for one page and keep nothing: the status it answers.

        :raises SourceError: it cannot be asked.
        """
        since = self.start or clock.now()
        ask = next(plan(self.api, 1 if self.api.paging.size_param else None, since, clock.now()))
        answer = self.send(self.request(ask), Progress())
        if answer.problem or answer.status != 200:  # noqa: PLR2004 - HTTP's OK
            raise refusal(self, answer)
        reading = PageReader(self.api).read(answer.body)
        if reading.state != "whole":
            raise SourceUnexpected(f"{self.where} answered, but {reading.problem}.", _LOOK)
        return answer.status

    def request(self, ask: Ask) -> Request:
        """The request for *ask*."""
        spec = self.api.request
        query = urlencode({**spec.query, **ask.query}, safe=",*$[]:")
        target = spec.path + ("?" + query if query else "")
        return Request(spec.method, target, {**spec.headers, **self.auth})

    @property
    def where(self) -> str:
        """The endpoint, as errors name it."""
        return self.settings.base_url.rstrip("/") + self.api.request.path


class _Pull:
    """One pull of one source, under way."""

    def __init__(
        self,
        source: Source,
        landing: SourceLanding,
        start: Start,
        stop: Stop,
        told: Callable[[Pulled], None],
    ) -> None:
        self.source = source
        self.landing = landing
        self.stop = stop
        self.told = told
        self.start = start
        self.pulled = Pulled(cursor=landing.newest_cursor(start.cursor, start.loaded_through))
        self.reader = PageReader(source.api)
        self.limit = RateLimit(source.settings.rate or source.api.limits.rate)
        self.next_page = landing.next_page(start.loaded_through + 1)
        self.began = time.monotonic()

    def run(self) -> Pulled:
        try:
            with self.landing.pulling():
                self._adopt()
                if not self.pulled.possible_loss:
                    self._walk(self._plan())
        except SourceError as error:
            self.pulled.error = error
        except Interrupted as error:
            self.pulled.error = error
        finally:
            self.source.client.close()
        return self.pulled

    def _plan(self) -> Plan:
        api, until = self.source.api, clock.now()
        if api.cursor is None:
            return plan(api, self.source.size, None, until)
        overlap = self.source.settings.overlap
        back = timedelta(seconds=api.cursor.overlap if overlap is None else overlap)
        cursor = parse_time(self.pulled.cursor)
        since = cursor - back if cursor else self.source.start
        return plan(api, self.source.size, since, until)

    def _walk(self, steps: Plan) -> None:
        try:
            ask = next(steps)
            while True:
                if self._enough():
                    return
                self._pause(0)
                self.limit.wait(self._wait)
                reading = self._take(ask)
                ask = steps.send(reading)
        except StopIteration as end:
            self.pulled.finished_at = clock.now()
            if isinstance(end.value, datetime):
                self.pulled.cursor = clock.iso(end.value)
                self.landing.keep_cursor(self.pulled.cursor, self.next_page - 1)

    def _enough(self) -> bool:
        """Whether this run has pulled as much as it may."""
        settings = self.source.settings
        pages, seconds = settings.max_pages, settings.max_seconds
        full = pages is not None and len(self.pulled.pages) >= pages
        late = seconds is not None and time.monotonic() - self.began >= seconds
        if full or late:
            reason = f"{pages} pages" if full else f"{seconds:g} seconds"
            log.info("source=%s stopped after %s, as set; the next run goes on",
                     self.source.name, reason)
        return full or late

    def _wait(self, seconds: float) -> bool:
        self._pause(seconds)
        return False

    def _pause(self, seconds: float) -> None:
        """Wait. :raises Interrupted: a stop was asked for."""
        if self.stop.wait(seconds) if seconds else self.stop.asked:
            raise Interrupted(self.stop.signal)

    def _take(self, ask: Ask) -> Reading:
        """Ask for one page, keep it, and read it."""
        request = self.source.request(ask)
        ask_once = self._ask_once if self.source.api.consume_once else self._ask_again
        answer, reading, draft = ask_once(request)
        known = ask.seen is not None and ask.seen.issuperset(reading.versions)
        if reading.orders and not known:
            self._keep(request, answer, reading, self._cursor(ask, reading))
        if draft:
            draft.discard()
        return reading

    def _cursor(self, ask: Ask, reading: Reading) -> str | None:
        """How far the API has been read once this page is kept, where the page itself tells."""
        if ask.sorted_from is None or not reading.sorted_from(ask.sorted_from):
            return None
        return clock.iso(reading.newest) if reading.newest else None

    def _keep(
        self,
        request: Request,
        answer: Answer,
        reading: Reading,
        cursor: str | None = None,
        *,
        loss: bool = False,
    ) -> None:
        """Land a page. When this returns, it is on the disk."""
        problem = "; ".join(part for part in (answer.problem, reading.problem) if part)
        meta = PageMeta(
            source=self.source.name,
            page=self.next_page,
            state=reading.state,
            status=answer.status,
            request=f"{request.method} {self.source.client.base_url}{request.target}",
            received_at=clock.iso(clock.now()),
            sha256=digest(answer.body),
            size=len(answer.body),
            orders=reading.orders,
            possible_loss=loss,
            problem=problem or None,
            cursor_after=cursor,
        )
        self._land(meta, answer.body)

    def _land(self, meta: PageMeta, body: bytes) -> None:
        self.landing.land(meta, body)
        self.next_page = meta.page + 1
        self.pulled.pages.append(meta.page)
        self.pulled.orders += meta.orders
        self.pulled.cursor = meta.cursor_after or self.pulled.cursor
        if meta.possible_loss:
            self.pulled.possible_loss.append(meta.page)
        log.info("source=%s page=%d state=%s orders=%d bytes=%d",
                 meta.source, meta.page, meta.state, meta.orders, meta.size)
        self.told(self.pulled)

    # An ordinary API: what fails is asked again.

    def _ask_again(self, request: Request) -> tuple[Answer, Reading, None]:
        tries = self.source.api.limits.tries
        for tried in range(1, tries + 1):
            points.reached("before-request")
            wait: float | None = None
            try:
                answer = self.source.send(request, Progress())
            except SourceUnreachable as unreachable:
                error: SourceError = unreachable
            else:
                points.reached("after-response")
                reading = self.reader.read(answer.body)
                if answer.status == 200 and not answer.problem and reading.state == "whole":  # noqa: PLR2004
                    return answer, reading, None
                error = refusal(self.source, answer, reading)
                wait = asked_wait(answer.headers, self.source.api.limits)
            if isinstance(error, SourceRefused) or tried == tries:
                raise error
            self._retry(error, wait, tried)
        raise AssertionError

    def _retry(self, error: SourceError, asked: float | None, tried: int) -> None:
        seconds = backoff(tried) if asked is None else asked
        if seconds > self._patience():
            raise SourceBusy(
                f"{self.source.where} asks to wait {seconds:.0f} s, longer than this run may.",
                "The next run goes on from here.",
            )
        log.warning("source=%s try=%d wait=%.1fs: %s",
                    self.source.name, tried, seconds, error.message)
        self._pause(seconds)

    def _patience(self) -> float:
        """Seconds that this run may still wait."""
        most = self.source.settings.max_seconds
        return MAX_WAIT if most is None else most - (time.monotonic() - self.began)

    # A consume-once API: a request is noted, sent once, and its bytes are kept as they arrive.

    def _ask_once(self, request: Request) -> tuple[Answer, Reading, Draft]:
        tries = self.source.api.limits.tries
        for tried in range(1, tries + 1):
            draft = self._draft(request)
            points.reached("before-request")
            wait: float | None = None
            try:
                answer = self.source.send(request, _Kept(draft))
            except SourceUnreachable as unreachable:
                error: SourceError = unreachable
            else:
                points.reached("after-response")
                reading = self.reader.read(answer.body)
                if 200 <= answer.status < 300 and is_whole(answer.body):  # noqa: PLR2004
                    if reading.state == "unexpected":
                        self._keep(request, answer, reading)
                        draft.discard()
                        raise refusal(self.source, answer, reading)
                    return answer, reading, draft
                if answer.status not in NOT_CONSUMED:
                    self._lost(request, answer, reading, draft)
                error = refusal(self.source, answer, reading)
                wait = asked_wait(answer.headers, self.source.api.limits)
            draft.discard()
            if isinstance(error, SourceRefused) or tried == tries:
                raise error
            self._retry(error, wait, tried)
        raise AssertionError

    def _draft(self, request: Request) -> Draft:
        text = f"{request.method} {self.source.client.base_url}{request.target}"
        return self.landing.draft(self.next_page, text)

    def _lost(
        self, request: Request, answer: Answer, reading: Reading, draft: Draft
    ) -> None:
        """Keep what arrived, note that orders may be lost, and end this source's run."""
        self._keep(request, answer, _salvageable(reading), loss=True)
        draft.discard()
        kept = f"{len(answer.body)} bytes are kept" if answer.body else "nothing arrived"
        raise PossibleLoss(
            f"{self.source.where} did not answer whole "
            f"({_how(answer, reading)}); {kept} as page {self.pulled.pages[-1]}.",
            "Orders may be lost: compare with the shop, then run again.",
        )

    def _adopt(self) -> None:
        """Make pages of what a kill left in flight."""
        for draft in self.landing.drafts():
            if draft.page < self.next_page and draft.page in self.landing.pages(draft.page - 1):
                draft.discard()
                continue
            reading = self.reader.read(draft.body)
            whole = 200 <= draft.status < 300 and is_whole(draft.body)  # noqa: PLR2004
            consumed = not whole and draft.status not in NOT_CONSUMED
            answer = Answer(draft.status, {}, draft.body, "the process ended meanwhile")
            request = Request("", "", {})
            if whole and not reading.orders and reading.state == "whole":
                draft.discard()
                continue
            if whole or consumed:
                state = reading if whole else _salvageable(reading)
                self._adopt_one(draft, answer, state, loss=consumed)
            draft.discard()
        if self.pulled.possible_loss:
            raise PossibleLoss(
                f"A process was killed while {self.source.where} answered; what had arrived is "
                f"kept as page {self.pulled.possible_loss[-1]}.",
                "Orders may be lost: compare with the shop, then run again.",
            )

    def _adopt_one(self, draft: Draft, answer: Answer, reading: Reading, *, loss: bool) -> None:
        method, _, url = draft.request.partition(" ")
        target = url.removeprefix(self.source.client.base_url)
        self._keep(Request(method, target, {}), answer, reading, loss=loss)


class _Kept(Progress):
    """Writes an answer into its draft as it arrives."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def answered(self, status: int) -> None:
        points.reached("request-sent")
        self.draft.answered(status)

    def write(self, chunk: bytes) -> None:
        self.draft.write(chunk)


def refusal(source: Source, answer: Answer, reading: Reading | None = None) -> SourceError:
    """The error that *answer* amounts to, in a sentence."""
    where, status = source.where, answer.status
    if status in {401, 403}:
        return SourceRefused(
            f"{where} answered {status}: it does not accept the token.",
            f"Check token of [sources.{source.name}] and its rights.",
        )
    if status == 404:  # noqa: PLR2004
        return SourceRefused(f"{where} answered 404: there is no such path.", _LOOK)
    if 300 <= status < 400:  # noqa: PLR2004
        target = answer.headers.get("location", "another place")
        return SourceRefused(f"{where} answered {status}: it moved to {target}.",
                             "Redirects are not followed; set base_url to the new place.")
    if status == 429:  # noqa: PLR2004
        return SourceBusy(f"{where} answered 429: too many requests.", "Set a lower rate.")
    if status >= 500:  # noqa: PLR2004
        return SourceBusy(f"{where} answered {status}: it is out of order.", "Run again later.")
    if status >= 400:  # noqa: PLR2004
        return SourceRefused(f"{where} answered {status}: it does not take the request.", _LOOK)
    if answer.problem:
        return SourceUnexpected(f"{where}: {answer.problem}.", "Run again; check the network.")
    problem = reading.problem if reading else "its answer is odd"
    return SourceUnexpected(f"{where} answered {status}, but {problem}.", _LOOK)


_LOOK = "Check base_url and api."


def _how(answer: Answer, reading: Reading) -> str:
    status = f"status {answer.status}" if answer.status else "no status"
    return "; ".join([status, *(p for p in (answer.problem, reading.problem) if p)])


def _salvageable(reading: Reading) -> Reading:
    """A page that did not come whole is damaged, whatever its JSON."""
    state: State = "damaged"
    return Reading(state, problem=reading.problem)


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
