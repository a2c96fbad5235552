"""One run from top to bottom: preflight, load pending pages, pull, load.

Preflight proves that responses can be landed and loaded. Only then does a request go to an orders
endpoint, and only after the pending pages are loaded.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypedDict, Unpack

from orderpull import clock, telemetry
from orderpull.destinations import open_destination
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Command, Destination, RunRecord, SourceState
from orderpull.errors import (
    DestinationError,
    Interrupted,
    LandingBusy,
    LandingError,
    LandingMismatch,
    OrderpullError,
    PossibleLoss,
    SourceError,
    SourceUnexpected,
)
from orderpull.failpoints import failpoint
from orderpull.landing import open_landing
from orderpull.landing.expired import Expired, expired_pages
from orderpull.landing.last_pull import keep_last_pull, last_pull
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.pages import BATCH_ORDERS, PageLoader, PendingPages
from orderpull.loading.refill import refill
from orderpull.loading.together import load_together
from orderpull.normalize.normalizer import Normalizers
from orderpull.normalize.page_redactor import redacting
from orderpull.pulling import MAX_ACTIVE, pull_at_once
from orderpull.results import Listener, RunResult, SourceResult
from orderpull.settings import Settings
from orderpull.sources.handover import Handover
from orderpull.sources.http.limits import SharedLimits, Stop
from orderpull.sources.http.messages import Send
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.reconcile import MissingOrder, MissingOrders, numbers_of
from orderpull.sources.spec.reader import read_api

__all__ = [
    "Listener",
    "Pipeline",
    "RunOptions",
    "RunResult",
    "SourceResult",
    "load",
    "preflight",
    "pull",
    "run",
]
log = logging.getLogger("orderpull.run")

LOAD_WITHIN_SECONDS = 60.0
"""Interval of the loads of all sources during a long pull."""

LOAD_FROM_ORDERS = BATCH_ORDERS * 9 // 10
"""New orders from which a source is loaded during its pull: as many as make a large batch."""


class RunOptions(TypedDict, total=False):
    """Options of a run.

    :param stop: stops the run after the current page, once set.
    :param send: replaces the network in tests.
    :param accept_rejects: load even batches with more rejects than ``reject_limit``.
    """

    stop: Stop | None
    listener: Listener | None
    send: Send | None
    accept_rejects: bool


def run(
    settings: Settings, sources: Iterable[str] = (), **options: Unpack[RunOptions]
) -> RunResult:
    """Preflight, load pending pages, pull, load.

    :param sources: names of sources; empty for all.
    :param options: see :class:`RunOptions`.
    :raises SettingsError: the settings are wrong.
    """
    pipeline = Pipeline(settings, sources, **options)
    return pipeline.timed(pipeline.run)


def pull(
    settings: Settings, sources: Iterable[str] = (), **options: Unpack[RunOptions]
) -> RunResult:
    """Preflight, then pull into the landing without loading. Parameters as :func:`run`."""
    pipeline = Pipeline(settings, sources, **options)
    return pipeline.timed(pipeline.pull)


def load(
    settings: Settings, sources: Iterable[str] = (), **options: Unpack[RunOptions]
) -> RunResult:
    """Load the pending pages without API requests. Parameters as :func:`run`."""
    pipeline = Pipeline(settings, sources, command="load", **options)
    return pipeline.timed(pipeline.load)


def preflight(settings: Settings, sources: Iterable[str] = ()) -> "Pipeline":
    """Check destination and landing of a run, without a request for orders.

    :raises OrderpullError: a check failed.
    """
    pipeline = Pipeline(settings, sources)
    pipeline.preflight()
    return pipeline


class Pipeline:
    """The parts of one run, and its result so far. Parameters as :func:`run`.

    :param detached: the warehouse is not the one of the settings; the landing stays unchanged.
    """

    def __init__(
        self,
        settings: Settings,
        names: Iterable[str] = (),
        *,
        stop: Stop | None = None,
        listener: Listener | None = None,
        send: Send | None = None,
        command: Command = "run",
        accept_rejects: bool = False,
        detached: bool = False,
    ) -> None:
        chosen = settings.chosen(tuple(names))
        self.settings = settings
        self.stop = stop or Stop()
        self.listener = listener or Listener()
        self.accept_rejects = accept_rejects
        self.detached = detached
        self.landing = open_landing(settings.landing, settings.folder)
        self.destination: Destination = open_destination(
            settings.destination, settings.folder, settings.report.timezone
        )
        limits = SharedLimits()
        wanted = {name: (source.api, source.billing_country) for name, source in chosen.items()}
        apis = {
            (api, billing): read_api(api, settings.folder, billing_country=billing)
            for api, billing in set(wanted.values())
        }
        self.sources = {
            name: Source(name, source, apis[wanted[name]], send=send, limits=limits)
            for name, source in chosen.items()
        }
        for index, source in enumerate(self.sources.values()):
            source.index = index
            source.redacting = partial(redacting, source.api, source.settings.ordernumber)
        self.pending = {
            name: PendingPages(self.landing_of(name), detached=detached) for name in chosen
        }
        self.handover = Handover()
        self.result = RunResult({name: SourceResult() for name in chosen})
        self.began = clock.now()
        self.records = {name: RunRecord(name, command, self.began) for name in chosen}
        self.command = command
        self.span = telemetry.Span()
        self.starts: dict[str, ResumePoint] = {}
        self._normalizers: Normalizers | None = None
        self._possible_loss: dict[str, set[int]] = {name: set() for name in chosen}
        self._missing: set[str] = set()
        self._refilled: set[str] = set()
        self._lacking: dict[str, list[str]] = {}
        self._landed = dict.fromkeys(chosen, 0)
        self._taken = dict.fromkeys(chosen, 0)

    def timed(self, do: Callable[[], None]) -> RunResult:
        """Call *do*, and return the result with the seconds and the error of the run, if any."""
        start = time.monotonic()
        try:
            telemetry.start(*self.settings.telemetry.collector)
            with telemetry.span("run", command=self.command, sources=len(self.sources)) as span:
                self.span = span
                self._do(do)
                span.set(exit_code=self.result.exit_code)
        except OrderpullError as error:
            self.result.error = error
        finally:
            self.destination.close()
            self.handover.close()
        self.result.seconds = time.monotonic() - start
        return self.result

    def _do(self, do: Callable[[], None]) -> None:
        """Call *do*, and keep the error that stopped the run."""
        try:
            do()
        except OrderpullError as error:
            self.span.fail(error)
            self.result.error = error

    def run(self) -> None:
        """Preflight, load pending pages, pull, load."""
        with self._ready():
            if any(self.waiting(name) for name in self.sources):
                self._load_all()
        for source in self.sources.values():
            source.handover = self.handover
        with _exit_1_after_pull():
            self._pull_all(loading=True)
            self._finish_loading(fetch_missing=True)
        self._raise_if_stopped()

    def pull(self) -> None:
        """Preflight, then pull without loading."""
        self.preflight()
        self._pull_all(loading=False)
        for name, result in self.result.sources.items():
            result.waiting = len(self.waiting(name))
        self._raise_if_stopped()

    def load(self) -> None:
        """Preflight, then load the pending pages."""
        with self._ready():
            self._finish_loading()
        self._raise_if_stopped()

    def fetch_again(self, name: str, orders: Mapping[str, MissingOrder], *, listing: bool) -> None:
        """Fetch *orders* of source *name* anew, and load them.

        :param orders: orders by id; the note of them lasts until they are landed.
        :param listing: list all orders, too, so that deleted ones are marked.
        """
        with self._ready():
            self._finish_loading()
        landing, source = self.landing_of(name), self.sources[name]
        MissingOrders.add(landing, orders)
        failpoint("orders-to-fetch-noted")
        with _exit_1_after_pull():
            if orders:
                pulled = source.pull(landing, self.starts[name], self.stop, part="missing")
                self._pulled(name, pulled)
            if listing and not self.result.sources[name].error:
                pulled = source.pull(landing, self.starts[name], self.stop, part="listing")
                self._pulled(name, pulled)
            self._finish_loading(fetch_missing=True)
        self._raise_if_stopped()

    def preflight(self) -> None:
        """Check destination and landing, and read the state of each source from the ledger."""
        with self._ready():
            pass

    def recover(self) -> None:
        """Land what a kill has left in flight, without a request.

        :raises OrderpullError: it cannot be landed.
        """
        for name, source in self.sources.items():
            landing = self.landing_of(name)
            if source.api.consume_once and landing.requests_in_flight():
                error = source.pull(landing, self.starts[name], self.stop, part="recovery").error
                if error and not isinstance(error, PossibleLoss):
                    raise error

    def finish(self, loader: Loader, *sources: PageLoader, finished: bool = True) -> None:
        """Write the results of *sources* into the ledger, in one transaction."""
        records, states = [], {}
        for pages in sources:
            name = pages.source.name
            if finished:
                self.records[name].finished_at = clock.now()
            records.append(self.records[name])
            states[name] = pages.state_with(self.result.sources[name].cursor)
        loader.record(records, states)

    def landing_of(self, name: str) -> SourceLanding:
        """The landing of source *name*."""
        return self.landing.source(name)

    def waiting(self, name: str) -> list[int]:
        """Pages that are landed and not loaded, by the last known state of the ledger."""
        return self.pending[name].pages()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Preflight; the destination stays open for the loads within the context."""
        with ExitStack() as held:
            self._check_writable(held)
            with self.destination.loader() as loader:
                for name, state in loader.states(list(self.sources)).items():
                    self._load_state(name, state)
            yield

    def _check_writable(self, held: ExitStack) -> None:
        try:
            held.enter_context(self.destination.held())
            self.destination.preflight()
        except DestinationError as error:
            waiting = sum(len(self.waiting(name)) for name in self.sources)
            pages = "1 landed page waits" if waiting == 1 else f"{waiting} landed pages wait"
            error.message = f"{error.message} Nothing was asked of any API; {pages}."
            raise
        if self.detached:
            return  # nothing is pulled, so that nothing will be landed
        for name, source in self.sources.items():
            self.landing.check(name)
            source.authenticator.use_store(self.landing_of(name))

    def _load_state(self, name: str, state: SourceState) -> None:
        landing = self.landing_of(name)
        other = state.landing not in {"", landing.identity}
        if other and any(page <= state.loaded_through for page in landing.pages()):
            raise LandingMismatch(
                f"The warehouse has loaded pages of source {name!r} from another landing than "
                f"{landing}.",
                "Give back the landing that belongs to it, or rename the source.",
            )
        if self.detached or self.settings.landing.keep_days or not state.loaded_through:
            expired = expired_pages(landing)
            if state.loaded_through < expired.through:
                self._lacks(name, expired)
        self.pending[name].note(state.loaded_through, state.gaps)
        self.starts[name] = ResumePoint(state.cursor, state.loaded_through)
        cursor = state.cursor
        if self.sources[name].api.cursor:
            cursor = landing.newest_cursor(cursor, state.loaded_through)
        self.result.sources[name].cursor = cursor

    def _lacks(self, name: str, expired: Expired) -> None:
        """Tell that the warehouse lacks orders of source *name* whose pages are deleted.

        :raises LandingError: the warehouse is to be made anew from the landing.
        """
        text = (
            f"The landing of source {name!r} has deleted {expired} (keep_days), which this "
            "warehouse has not loaded."
        )
        if self.detached:
            raise LandingError(
                text, "It cannot be made from the landing: copy the old warehouse instead."
            )
        self._lacking[name] = [f"{text} Orders may be missing from it."]
        self.result.sources[name].notes = [*self._lacking[name]]

    def _pull_all(self, *, loading: bool) -> None:
        """Pull all sources concurrently, and load during the pull if *loading*."""
        loaded_at, stop = time.monotonic(), self.stop.child(threading.Semaphore(MAX_ACTIVE))

        def load_meanwhile() -> None:
            nonlocal loaded_at
            if time.monotonic() - loaded_at >= LOAD_WITHIN_SECONDS:
                self._load_all()
                self.destination.publish(finished=False)
                loaded_at = time.monotonic()
            else:
                self._load_full_batches(loaded_at + LOAD_WITHIN_SECONDS)

        pulls = {
            name: partial(self._pull_one, name, source, stop)
            for name, source in self.sources.items()
        }
        self.listener.on_start(self.sources)
        on_idle = load_meanwhile if loading else _do_nothing
        pull_at_once(pulls, self._pulled, on_idle, stop)

    def _pull_one(self, name: str, source: Source, stop: Stop) -> PullResult:
        """Pull source *name*, in a thread of its own."""

        def on_page(pulled: PullResult) -> None:
            self._landed[name] = pulled.orders
            self.listener.on_page(name, pulled)

        with telemetry.span("source", parent=self.span, source=name) as span:
            try:
                source.reach()
                pulled = source.pull(self.landing_of(name), self.starts[name], stop, on_page)
            except (SourceError, LandingError) as error:
                pulled = PullResult(cursor=self.result.sources[name].cursor, error=error)
            span.set(pages=len(pulled.pages), orders=pulled.orders)
            span.set(possible_loss=len(pulled.possible_loss))
            if pulled.error:
                span.fail(pulled.error)
            return pulled

    def _load_full_batches(self, until: float) -> None:
        """Load sources while one has enough new orders, and while the clock is before *until*."""
        full = self._sources_to_load()
        if not full:
            return
        with self.destination.held(), self.handover.loading():
            while full and time.monotonic() < until and not self.stop.requested:
                self._load_all(full, whole_batches=True)
                full = self._sources_to_load()

    def _sources_to_load(self) -> list[str]:
        """The sources of which many orders were landed since they were last loaded."""
        return [name for name in self.sources if self._fresh(name) >= LOAD_FROM_ORDERS]

    def _fresh(self, name: str) -> int:
        """The number of orders that were landed since source *name* was last loaded."""
        return self._landed[name] - self._taken[name]

    def _fetch_missing(self) -> None:
        """Fetch the orders that the lists of this run have and the warehouse lacks."""
        for name, source in self.sources.items():
            if name in self._missing and not self.stop.requested:
                landing, start = self.landing_of(name), self.starts[name]
                self._pulled(name, source.pull(landing, start, self.stop, part="missing"))

    def _pulled(self, name: str, pulled: PullResult) -> None:
        """Record the result of a pull."""
        self.listener.on_source_done(name, pulled)
        result = self.result.sources[name]
        result.cursor, result.notes = pulled.cursor, [*self._lacking.get(name, []), *pulled.notes]
        result.pages = max(result.pages, len(pulled.pages))
        self._possible_loss[name].update(pulled.possible_loss)
        result.possible_loss = len(self._possible_loss[name])
        if pulled.finished_at:
            self.records[name].pulled_at = pulled.finished_at
        if pulled.error and not isinstance(pulled.error, Interrupted):
            self._failed(name, pulled.error)
        self._note_pull(name, pulled)

    def _note_pull(self, name: str, pulled: PullResult) -> None:
        """Write the result of a pull beside the pages, for the process that loads them."""
        if isinstance(pulled.error, LandingBusy):
            return  # the process that pulls the source writes its own result
        is_failure = not isinstance(pulled.error, Interrupted | PossibleLoss | None)
        failed = str(pulled.error) if is_failure else None
        try:
            note = keep_last_pull(self.landing_of(name), pulled.finished_at, failed)
        except LandingError as error:
            if pulled.error is None:
                self._failed(name, error)
        else:
            self.result.sources[name].last_pull = note

    def _failed(self, name: str, error: OrderpullError) -> None:
        self.result.sources[name].error = error
        error.exit_code = 1
        self.records[name].error = error.message

    def page_loader(
        self, name: str, loader: Loader, known: SourceState | None = None
    ) -> PageLoader:
        """A loader for the pages of source *name*. All loaders of a stage share normalizers."""
        if self._normalizers is None or self._normalizers.connection is not loader.stage:
            self._normalizers = Normalizers(loader.stage)
        return PageLoader(
            self.sources[name],
            self.pending[name],
            loader,
            self.records[name],
            self._normalizers,
            accept_rejects=self.accept_rejects,
            known=known,
        )

    def _finish_loading(self, *, fetch_missing: bool = False) -> None:
        """Load what still waits, and publish it."""
        with self.destination.held():
            self._load_all(finished=True)
            if not (fetch_missing and self._missing):
                self.destination.publish(finished=True)
                return
        self._fetch_missing()
        self._finish_loading()

    def _load_all(
        self, names: Collection[str] = (), *, finished: bool = False, whole_batches: bool = False
    ) -> None:
        """Load the pages that wait.

        :param names: of these sources; empty for all.
        :param whole_batches: leave what makes no large batch to the next load.
        """
        fresh = {name: self._fresh(name) for name in names or self.sources}
        for name, orders in fresh.items():
            self._taken[name] += orders
        with self.destination.loader() as loader:
            chosen = [name for name in names or self.sources if finished or self.waiting(name)]
            states = loader.states(chosen)
            sources = [self.page_loader(name, loader, states[name]) for name in chosen]
            self._load_together(loader, sources)
            done = [pages for pages in sources if pages.left == []]
            for pages in done:
                self._load_one(pages)
                self._refill(pages, finished=finished)
            self.finish(loader, *done, finished=finished)
            for pages in sources:
                if pages not in done:
                    self._load_one(pages, fresh[pages.source.name] if whole_batches else 0)
                    self._refill(pages, finished=finished)
                    self.finish(loader, pages, finished=finished)
            for pages in sources if finished else ():
                self._expire(pages.source.name, pages)

    def _load_together(self, loader: Loader, sources: Sequence[PageLoader]) -> None:
        """Load the sources of which few pages wait; the others stay as they are."""
        for joint in load_together(loader, sources):
            for pages in joint:
                name = pages.source.name
                self.result.sources[name].counts = self.records[name].counts
                self.listener.on_batch_loaded(name, self.result.sources[name])
            if self.stop.requested:
                return

    def _load_one(self, pages: PageLoader, fresh: int = 0) -> None:
        """Load what waits of a source; an error of the source is in its result.

        :param fresh: number of the orders to load in large batches alone; 0: load all.
        """
        try:
            self._load_waiting(pages.source.name, pages, fresh)
        except DestinationError:
            raise
        except OrderpullError as error:
            self._failed(pages.source.name, error)

    def _load_waiting(self, name: str, pages: PageLoader, fresh: int) -> None:
        result, record = self.result.sources[name], self.records[name]
        # Read before the pages are listed, so that the list includes all pages of that pull.
        result.last_pull = result.last_pull or last_pull(self.landing_of(name))
        try:
            for _ in pages.load():
                result.counts = record.counts
                self.listener.on_batch_loaded(name, result)
                if self.stop.requested:
                    break
                if fresh and pages.left and (rest := fresh - pages.orders) < LOAD_FROM_ORDERS:
                    self._taken[name] -= max(0, rest)
                    break
            else:
                if result.last_pull and not record.pulled_at:
                    record.pulled_at = result.last_pull.read_at
        finally:
            result.pages = record.pages
            self._possible_loss[name].update(pages.possible_loss)
            result.possible_loss = record.possible_loss = len(self._possible_loss[name])
            result.waiting = len(self.waiting(name) if pages.left is None else pages.left)
        if pages.possible_loss and result.error is None:
            self._failed(
                name,
                PossibleLoss(
                    f"Orders may be lost with {len(pages.possible_loss)} answers of source "
                    f"{name!r}.",
                    "Compare with the shop; `orderpull rejects list` shows what was kept of them.",
                ),
            )

        if pages.can_fetch_missing:
            self._missing.add(name)
        elif pages.missing and result.error is None:
            orders = (
                "1 order that is"
                if len(pages.missing) == 1
                else (f"{len(pages.missing)} orders that are")
            )
            self._failed(
                name,
                SourceUnexpected(
                    f"Source {name!r} lists {orders} not stored: {numbers_of(pages.missing)}.",
                    "Add ids to [reconcile] of its api file, so that they can be fetched.",
                ),
            )

    def _refill(self, pages: PageLoader, *, finished: bool) -> None:
        """Shape some loaded pages again after a migration, once a run; a replay shapes all."""
        name = pages.source.name
        if not finished or self.detached or self.command == "replay" or self.stop.requested:
            return
        if name in self._refilled or self.result.sources[name].error:
            return
        self._refilled.add(name)
        try:
            given_up = refill(pages)
        except DestinationError:
            raise
        except OrderpullError as error:
            self._failed(name, error)
        else:
            if given_up:
                self._note_given_up(name, given_up)

    def _note_given_up(self, name: str, numbers: Sequence[int]) -> None:
        """Tell which pages of source *name* could not be shaped again."""
        listed = "page" if len(numbers) == 1 else "pages"
        listed += f" {', '.join(map(str, numbers[:3]))}{' and more' if numbers[3:] else ''}"
        note = (
            f"Orders of {listed} have no new columns: damaged, or too many rejects. `orderpull "
            "replay` names the reason."
        )
        self._lacking.setdefault(name, []).append(note)
        self.result.sources[name].notes.append(note)

    def _expire(self, name: str, pages: PageLoader) -> None:
        """Delete the landed pages of source *name* that ``keep_days`` lets go."""
        keep_days = self.settings.landing.keep_days
        if keep_days is None or self.detached or self.stop.requested:
            return
        try:
            if deleted := pages.expire(keep_days):
                log.info("source=%s %d landed pages deleted: loaded, and received more than "
                         "%d days ago", name, deleted, keep_days)  # fmt: skip
        except LandingBusy as error:  # the next run goes on
            log.info("source=%s no landed page deleted: %s", name, error.message)
        except LandingError as error:
            if self.result.sources[name].error is None:
                self._failed(name, error)

    def _raise_if_stopped(self) -> None:
        if self.stop.requested:
            raise Interrupted(self.stop.signal)


@contextmanager
def _exit_1_after_pull() -> Iterator[None]:
    """Give errors exit code 1 instead of 2, because the API has sent pages that wait."""
    try:
        yield
    except (DestinationError, LandingError) as error:
        error.exit_code = 1
        error.hint = f"{error.hint} What was pulled waits in the landing.".strip()
        raise


def _do_nothing() -> None:
    pass
