"""Ask for one page, in one of two ways that differ in what a failure may cost.

* An ordinary API can be asked again, so failures are tried again, politely and within bounds.
* A consume-once API never gives an answer twice, so each request is noted before it is sent, its
  bytes are kept as they arrive, and only what was certainly not consumed is tried again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orderpull.errors import (
    Interrupted,
    PossibleLoss,
    SourceBusy,
    SourceError,
    SourceExpired,
    SourceRefused,
    SourceUnreachable,
)
from orderpull.failpoints import failpoint
from orderpull.landing.inflight import InFlightRequest
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.endpoint import Endpoint, how, read_answer, well
from orderpull.sources.http.limits import Stop, asked_wait, backoff, points_wait
from orderpull.sources.http.transport import Answer, Progress, Request, unpacked
from orderpull.sources.paging.page_info import PageReader, Reading

log = logging.getLogger("orderpull.pull")

NOT_CONSUMED = frozenset({401, 403, 404, 429})
"""Answers of a consume-once API that certainly took no orders."""

MAX_WAIT = 900.0
"""Seconds: the longest wait an API may ask for within a run; beyond it the next run goes on."""

ROOM = 4 << 20
"""Bytes of the disk that are taken before a consume-once API is asked; or twice the largest page,
if that is more."""

_ANSWERED = range(200, 300)


@dataclass(slots=True)
class Taken:
    """What asking brought.

    :param request: what was asked, as the landing keeps it.
    :param draft: the note of the request; to be discarded once the answer is kept.
    :param loss: whether orders may be lost with it.
    :param error: what ends the pull, once the answer is kept.
    """

    request: str
    answer: Answer
    reading: Reading
    draft: InFlightRequest | None = None
    loss: bool = False
    error: SourceError | None = None


class Asking(Protocol):
    """A way of asking."""

    def ask(
        self,
        request: Request,
        page: int,
        reader: PageReader | None = None,
        tries: int | None = None,
    ) -> Taken:
        """Ask for what will be landed as *page*.

        :param reader: reads the answer, if it is no list of orders.
        :param tries: how often; as the API file says, unless given.

        :raises SourceError: nothing came that is to be kept.
        :raises Interrupted: a stop was asked for meanwhile; nothing is in flight.
        """
        ...


class Pace:
    """When the next request may go out: not too soon, and not after a stop was asked for.

    :param since: when the run's pull began, in ``time.monotonic`` seconds.
    """

    def __init__(self, endpoint: Endpoint, stop: Stop, since: float) -> None:
        self.endpoint = endpoint
        self.stop = stop
        self.since = since
        self.limit = endpoint.limit

    def turn(self) -> None:
        """Wait until a request may go out. :raises Interrupted: a stop was asked for."""
        self._pause(0)
        self.limit.wait(self._pause)

    def again(
        self, error: SourceError, asked: float | None, tried: int, tries: int | None = None
    ) -> None:
        """Wait before a request is tried again; raise *error* if it is not to be.

        :param asked: seconds that the API asks to wait.
        :param tried: how often it was tried.
        :param tries: how often it may be; as the API file says, unless given.
        :raises SourceBusy: the API asks for more than this run may wait.
        """
        if isinstance(error, SourceRefused) or tried >= (tries or self.endpoint.api.limits.tries):
            raise error
        seconds = backoff(tried) if asked is None else asked
        if seconds > self._patience():
            raise SourceBusy(
                f"{self.endpoint.where} asks to wait {seconds:.0f} s, longer than this run may.",
                "The next run goes on from here.",
            )
        log.warning("source=%s try=%d wait=%.1fs: %s",
                    self.endpoint.name, tried, seconds, error.message)  # fmt: skip
        if asked is not None and self.limit.shared:
            self.limit.rest(seconds)
        self._pause(seconds)

    def _patience(self) -> float:
        """Seconds that this run may still wait."""
        most = self.endpoint.settings.max_seconds
        return MAX_WAIT if most is None else most - (time.monotonic() - self.since)

    def pause(self, seconds: float) -> None:
        """Wait *seconds*. :raises Interrupted: a stop was asked for."""
        self._pause(seconds)

    def _pause(self, seconds: float) -> bool:
        if self.stop.wait(seconds) if seconds else self.stop.asked:
            raise Interrupted(self.stop.signal)
        return False


class AskAgain:
    """An ordinary API: what fails is asked again."""

    def __init__(self, endpoint: Endpoint, pace: Pace) -> None:
        self.endpoint = endpoint
        self.pace = pace
        self.reader = PageReader(endpoint.api)

    def ask(
        self,
        request: Request,
        page: int,  # noqa: ARG002 - nothing is noted before
        reader: PageReader | None = None,
        tries: int | None = None,
    ) -> Taken:
        """Ask until a whole list of orders comes, or tries are used up.

        What is wrong inside single orders, time and again, is theirs: the page is taken then.

        :param reader: reads the answer, if it is no list of orders.
        :param tries: how often; as the API file says, unless given.
        """
        limits, renewed = self.endpoint.api.limits, False
        tries = tries or limits.tries
        tried = 0
        while True:
            tried += 1
            self.pace.turn()
            failpoint("before-request")
            wait: float | None = None
            try:
                answer = self.endpoint.exchange(request, Progress())
            except (SourceUnreachable, SourceBusy) as not_asked:
                error: SourceError = not_asked
            else:
                failpoint("after-response")
                reading = read_answer(answer, reader or self.reader)
                if well(answer, reading) and (reading.complete or tried == tries):
                    self._rest(reading)
                    return Taken(self.endpoint.told(request), answer, reading)
                error = self.endpoint.refusal(answer, reading)
                wait = asked_wait(answer.headers, limits, reading.cost)
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authorization.renew()
                if renewed:
                    tried -= 1
                    continue
            self.pace.again(error, wait, tried, tries)

    def _rest(self, reading: Reading) -> None:
        """Wait for the budget, where the next such request would not fit into it."""
        if reading.cost is not None:
            self.pace.limit.rest(points_wait(reading.cost))


class AskOnce:
    """A consume-once API: one request in flight, noted, never repeated if it may have counted."""

    def __init__(self, endpoint: Endpoint, pace: Pace, landing: SourceLanding) -> None:
        self.endpoint = endpoint
        self.pace = pace
        self.landing = landing
        self.reader = PageReader(endpoint.api)
        self.room = ROOM

    def ask(
        self,
        request: Request,
        page: int,
        reader: PageReader | None = None,  # noqa: ARG002 - a consume-once API has orders alone
        tries: int | None = None,  # noqa: ARG002 - and is never asked for less of them
    ) -> Taken:
        """Ask until an answer comes that may have consumed orders."""
        tried, renewed = 0, False
        while True:
            tried += 1
            self.pace.turn()
            signed = self.endpoint.signed(request)
            draft = self.landing.begin_request(page, self.endpoint.told(request), self.room)
            failpoint("before-request")
            wait: float | None = None
            try:
                answer = self.endpoint.send(signed, _Noted(draft))
            except SourceUnreachable as unreachable:
                error: SourceError = unreachable
            else:
                failpoint("after-response")
                draft.mark_complete()
                if answer.status not in NOT_CONSUMED:
                    self.room = max(self.room, 2 * len(answer.body))
                    return self._taken(draft, answer)
                error = self.endpoint.refusal(answer, self.reader.read(answer.body))
                wait = asked_wait(answer.headers, self.endpoint.api.limits)
            draft.discard()
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authorization.renew()
                if renewed:
                    continue
            self.pace.again(error, wait, tried)

    def adopt(self, draft: InFlightRequest) -> Taken | None:
        """What a request that a kill left in flight brought; None if certainly nothing."""
        if draft.status in NOT_CONSUMED:
            return None
        taken = self._taken(draft, Answer(draft.status, {}, unpacked(draft.body)))
        if not taken.loss:
            taken.error = None
            return taken
        taken.answer.problem = "the process ended meanwhile"
        taken.error = PossibleLoss(
            f"A process was killed while {self.endpoint.where} answered; "
            f"{_kept(taken.answer, draft.page)}.",
            _COMPARE,
        )
        return taken

    def _taken(self, draft: InFlightRequest, answer: Answer) -> Taken:
        """What *answer* is: orders, something else in whole JSON, or a possible loss."""
        reading = self.reader.read(answer.body)
        taken = Taken(draft.request, answer, reading, draft)
        if answer.status not in _ANSWERED or not reading.complete:
            taken.loss = True
            taken.error = PossibleLoss(
                f"{self.endpoint.where} did not answer whole ({how(answer, reading)}); "
                f"{_kept(answer, draft.page)}.",
                _COMPARE,
            )
        elif not reading.legible:
            taken.error = self.endpoint.refusal(answer, reading)
        return taken


class _Noted(Progress):
    """Writes an answer into its draft as it arrives.

    A disk that cannot take it is no fault of the answer: the rest is read all the same, since the
    page may yet find its place. The draft ends there then, without a hole.
    """

    def __init__(self, draft: InFlightRequest) -> None:
        self.draft: InFlightRequest | None = draft

    def answered(self, status: int) -> None:
        failpoint("request-sent")
        self._note(lambda draft: draft.answered(status))

    def write(self, chunk: bytes) -> None:
        self._note(lambda draft: draft.write(chunk))

    def _note(self, note: Callable[[InFlightRequest], None]) -> None:
        if self.draft is None:
            return
        try:
            note(self.draft)
        except OSError as error:
            log.warning("page=%d in flight cannot be written: %s", self.draft.page, error.strerror)
            self.draft = None


def _kept(answer: Answer, page: int) -> str:
    size = len(answer.body)
    return f"{size} bytes arrived and are kept as page {page}" if size else "no byte arrived"


_COMPARE = "Orders may be lost: compare with the shop, then run again."
