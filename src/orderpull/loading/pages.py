"""Load one source's landed pages in bounded batches, one transaction each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial

import msgspec

from orderpull import clock
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Reject, RunRecord, SourceState
from orderpull.errors import CommitRefused, Overtaken, RejectLimitExceeded
from orderpull.failpoints import failpoint
from orderpull.landing.expired import delete_expired, expired_pages
from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import LOADED, SourceLanding
from orderpull.loading.batches import BatchLoader, Portion, staged_page
from orderpull.model import COUNTS
from orderpull.normalize.masking import Masking
from orderpull.normalize.normalizer import Key, Normalizer, Normalizers, StagedPage
from orderpull.sources.paging.flows import Pager
from orderpull.sources.pull import Source
from orderpull.sources.reconcile import IdExtractor, MissingOrder, MissingOrders, fetching
from orderpull.sources.spec.times import parse_time

BATCH_BYTES = 256 << 20
BATCH_ORDERS = 100_000
"""Limits of a batch, which bound the memory of a load: bytes of JSON, and orders."""

COMMITS_TRIED = 10
"""Times that a batch is loaded again because another process wrote to the lake meanwhile."""

FEW_VANISHED = 10
"""Number of orders that may vanish at once, whatever the reject limit."""


def fit(pages: Collection[StagedPage]) -> bool:
    """True if *pages* are no more than a batch takes."""
    size = sum(page.meta.size for page in pages)
    return size <= BATCH_BYTES and sum(page.meta.orders for page in pages) <= BATCH_ORDERS


class PendingPages:
    """Landed pages that are not loaded yet.

    The ledger decides which. A note beside the pages copies the ledger's last state, so that the
    pages can be listed while the warehouse is unreachable.

    :param detached: keep the note in memory, for a load into another warehouse.
    """

    def __init__(self, landing: SourceLanding, *, detached: bool = False) -> None:
        self.landing = landing
        self.detached = detached
        self._noted = b""

    def note(self, through: int, gaps: Sequence[int]) -> None:
        """Write the ledger's state: the highest page loaded, and the *gaps* below it."""
        data = msgspec.json.encode({"through": through, "gaps": list(gaps)})
        if self.detached:
            self._noted = data
        elif self.landing.note(LOADED) != data:
            self.landing.keep_note(LOADED, data)

    def noted(self) -> tuple[int, list[int]]:
        """The highest page that is noted as loaded, and the pending pages below it."""
        data = self._noted if self.detached else self.landing.note(LOADED)
        try:
            noted = msgspec.json.decode(data or b"")
        except msgspec.DecodeError:
            return 0, []
        return noted["through"], noted["gaps"]

    def pages(self) -> list[int]:
        """Numbers of the pending pages."""
        through, gaps = self.noted()
        return [*gaps, *self.landing.pages(after=through)]


@dataclass(eq=False)
class PageLoader:
    """Loads one source's pages through the open *loader* of a destination.

    :param normalizers: normalizers of the loader's stage, shared with other sources.
    :param accept_rejects: load even batches with more rejects than ``reject_limit``.
    :param known: the source's state in the ledger, if it was read already.
    :ivar left: numbers of the waiting pages, as last listed; None: not listed yet.
    :ivar orders: number of orders in the waiting pages that were loaded.
    """

    source: Source
    pending: PendingPages
    loader: Loader
    run: RunRecord
    normalizers: Normalizers
    accept_rejects: bool = field(default=False, kw_only=True)
    known: InitVar[SourceState | None] = field(default=None, kw_only=True)
    possible_loss: set[int] = field(default_factory=set, init=False)
    missing: dict[str, MissingOrder] = field(default_factory=dict, init=False)
    changed: int = field(default=0, init=False)
    left: list[int] | None = field(default=None, init=False)
    orders: int = field(default=0, init=False)

    def __post_init__(self, known: SourceState | None) -> None:
        self.landing = self.pending.landing
        self.state = self._read_state(known)

    def _read_state(self, known: SourceState | None = None) -> SourceState:
        """Read the source's state in the ledger; only then, who is forgotten.

        Whoever forgets adds to the note before it raises ``loads``. So a batch is masked by all
        that were forgotten, or is overtaken.
        """
        self._masking: Masking | None = None
        return known or self.loader.state(self.source.name)

    @property
    def masking(self) -> Masking:
        """The mask that keeps persons out of the tables, read at first use."""
        if self._masking is None:
            names = self.source.settings.keep_names
            self._masking = Masking.of(self.loader.stage, self.source.api, self.landing, names)
        return self._masking

    @property
    def normalizer(self) -> Normalizer:
        """The normalizer for the source's pages, created on first use."""
        return self.normalizers.of(self.source.api, self.source.settings.ordernumber)

    def load(self, among: Collection[int] | None = None) -> Iterator[None]:
        """Load the pending pages, and yield after each batch.

        Pages that another process loads at the same time are skipped.

        :param among: load no other pages than these.
        :raises RejectLimitExceeded: a batch has too many rejects; the batches before it are loaded.
        :raises CorruptPage: a page has changed since it was landed; no later page is loaded.
        """
        refused = 0
        while True:
            try:
                yield from self._load_waiting(among)
            except Overtaken as error:
                refused += isinstance(error, CommitRefused)
                before, self.state = self.state, self._read_state()
                others = isinstance(error, CommitRefused) and refused <= COMMITS_TRIED
                if self.state.loads == before.loads and not others:  # it would fail again
                    raise
            else:
                return

    def _load_waiting(self, among: Collection[int] | None) -> Iterator[None]:
        waiting = self.waiting()
        if among is not None:
            waiting = [number for number in waiting if number in among]
        for pages in self.batches(waiting):
            portion = self.portion(pages, waiting)
            self._load(portion, counted=True)
            self.note_loaded(portion)
            numbers = {page.meta.page for page in pages}
            waiting = [number for number in waiting if number not in numbers]
            yield

    def waiting(self) -> list[int]:
        """List the landed pages that are not loaded, by the ledger's state."""
        self.left = [*self.state.gaps, *self.landing.pages(after=self.state.loaded_through)]
        return self.left

    def whole_portion(self) -> Portion | None:
        """The portion of all waiting pages; None if they do not make one batch."""
        waiting = self.waiting()
        batches = self.batches(waiting)
        pages = next(batches, [])
        whole = len(pages) == len(waiting) > 0 and pages[0].meta.kind != "listing"
        return self.portion(pages, waiting) if whole else None

    def portion(self, pages: Sequence[StagedPage], waiting: Sequence[int]) -> Portion:
        """The portion of *pages*, which are among the *waiting* ones, with the state after it."""
        numbers = {page.meta.page for page in pages}
        cursors = [page.meta.cursor_after for page in pages if page.meta.cursor_after]
        through = max(self.state.loaded_through, *numbers)
        after = replace(
            self.state,
            landing=self.landing.identity,
            loaded_through=through,
            gaps=tuple(n for n in waiting if n not in numbers and n < through),
            cursor=cursors[-1] if cursors else self.state.cursor,
        )
        return self._portion(pages, after)

    def note_loaded(self, portion: Portion) -> None:
        """Take over the state after *portion*, whose pages waited and are loaded."""
        self._take_over(portion)
        self.orders += sum(page.meta.orders for page in portion.pages)
        loaded = {page.meta.page for page in portion.pages}
        self.left = [number for number in self.left or () if number not in loaded]
        self.possible_loss |= {p.meta.page for p in portion.pages if p.meta.possible_loss}
        self.pending.note(self.state.loaded_through, self.state.gaps)

    def _take_over(self, portion: Portion) -> None:
        self.state = portion.after
        self.changed += portion.counts.inserted + portion.counts.updated

    def replay(self) -> Iterator[int]:
        """Load every loaded page again, and yield the number of pages after each batch.

        A page that the ledger does not know, such as one from a backup, is counted.
        """
        through, gaps = self.state.loaded_through, self.state.gaps
        known = self.loader.pages(self.source.name)
        loaded = [n for n in self.landing.pages() if n <= through and n not in gaps]
        for counted in (True, False):
            for pages in self.batches([n for n in loaded if (n not in known) == counted]):
                self.load_again(pages, counted=counted)
                yield len(pages)
        self.state = replace(self.state, refill=None)

    def retry(self, rejects: Sequence[Reject]) -> None:
        """Normalize *rejects* again, under today's mapping and settings."""
        keys = {(self.source.page_in_run(each.page), each.position) for each in rejects}
        for pages in self.batches(sorted({reject.page for reject in rejects})):
            self.load_again(pages, counted=False, only=keys)

    def judge(self, page: int, position: int) -> str:
        """Load one order of a landed page, and say what became of it.

        :return: a name of :data:`COUNTS`; '' if it is no order, by the API file's ``where``.
        """
        before, meta = asdict(self.run.counts), self.landing.meta(page)
        key = self.source.page_in_run(page), position
        self.load_again([self.staged(meta)], counted=True, only={key})
        after = asdict(self.run.counts)
        return next((name for name in COUNTS[1:] if after[name] > before[name]), "")

    def expire(self, keep_days: int) -> int:
        """Delete loaded pages that were received more than *keep_days* ago, once a day; count them.

        A page stays if it waits, if a reject needs it, or if it is the newest one.

        :raises LandingError: a page cannot be deleted.
        """
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        before, done = midnight - timedelta(days=keep_days), expired_pages(self.landing)
        if done.finished and done.before >= f"{before:%Y-%m-%d}":
            return 0
        if self.state.landing != self.landing.identity:
            return 0
        *landed, _ = self.landing.pages() or [0]
        if not landed:
            return 0
        old = self.loader.pages_before(self.source.name, before, landed[0])
        loaded = {page for page in landed if page <= self.state.loaded_through}
        return delete_expired(
            self.landing, done, before, loaded.intersection(old).difference(self.state.gaps)
        )

    def state_with(self, cursor: str | None) -> SourceState:
        """The source's new state for the ledger."""
        return replace(
            self.state,
            landing=self.landing.identity,
            cursor=cursor or self.state.cursor,
            loads=self.state.loads + 1,
        )

    def batches(self, numbers: Sequence[int]) -> Iterator[list[StagedPage]]:
        """The pages *numbers* in bounded batches; a list of all orders is a batch of its own."""
        batch: list[StagedPage] = []
        size = orders = 0
        for number in numbers:
            meta = self.landing.meta(number)
            if meta.kind == "listing":  # compared with stored orders: load earlier pages first
                if batch:
                    yield batch
                yield [self.staged(meta)]
                batch, size, orders = [], 0, 0
                continue
            full = size + meta.size > BATCH_BYTES or orders + meta.orders > BATCH_ORDERS
            if batch and full:
                yield batch
                batch, size, orders = [], 0, 0
            batch.append(self.staged(meta))
            size, orders = size + meta.size, orders + meta.orders
        if batch:
            yield batch

    def staged(self, meta: PageMeta) -> StagedPage:
        """The page of *meta*, to be normalized."""
        return staged_page(self.source, self.landing, meta)

    def _portion(self, pages: Sequence[StagedPage], after: SourceState) -> Portion:
        masking = self.masking if self.masking.is_needed else None
        return Portion(
            self.source, self.landing, pages, after, self.run, self.accept_rejects, masking
        )

    def _load(self, portion: Portion, *, counted: bool, only: set[Key] | None = None) -> None:
        """Load one batch of this source alone."""
        first, batches = portion.pages[0], BatchLoader(self.loader, self.normalizer)
        if only is None and first.meta.kind == "listing":
            batches.staged = partial(self._stage_vanished, first, counted=counted)
        batches.load([portion], counted=counted, only=only)

    def load_again(
        self,
        pages: Sequence[StagedPage],
        *,
        counted: bool,
        only: set[Key] | None = None,
        after: SourceState | None = None,
    ) -> None:
        """Load *pages* that do not wait.

        :param after: the ledger's state of the source afterwards; None: as it is.
        """
        portion = self._portion(pages, after or self.state)
        self._load(portion, counted=counted, only=only)
        self._take_over(portion)

    def _stage_vanished(self, page: StagedPage, *, counted: bool) -> None:
        """Stage as deleted the stored orders that the listing in *page* lacks.

        :raises RejectLimitExceeded: they are more than ``reject_limit``.
        """
        ids = IdExtractor(self.source.api)
        listed = dict(ids.listed(page.meta, page.body()))
        spec = self.source.api.reconcile
        vanished, stored = self.loader.stage_vanished(
            self.source.name, page.meta.page, [*listed], partial=spec is not None and spec.partial
        )
        if counted and not self.pending.detached:
            self._note_missing(listed)
        limit = max(FEW_VANISHED, self.source.settings.reject_limit * stored)
        if counted and vanished > limit and not self.accept_rejects:
            raise RejectLimitExceeded(
                f"Source {self.source.name!r} lists {vanished} of {stored} stored orders no more, "
                "which is more than reject_limit. They were not marked as deleted.",
                "If they are gone, run `orderpull load --accept-rejects`.",
            )

    def _note_missing(self, listed: Mapping[str, msgspec.Raw]) -> None:
        """Note which *listed* orders are neither stored, nor rejected, nor excluded.

        Those that were changed after the cursor come with the next run.
        """
        source, note = self.source, MissingOrders.read(self.landing)
        stored = self.loader.stage.execute("SELECT order_id FROM stored_id").fetchall()
        known = {order_id for (order_id,) in stored}
        known |= {r.order_id or r.ordernumber for r in self.loader.rejects(source.name)}
        excluded = [i for i in note.excluded if i in listed and i not in known]
        known.update(excluded)
        ids = [order_id for order_id in listed if order_id not in known]
        cursor = self.landing.newest_cursor(self.state.cursor, self.state.loaded_through)
        since, until = source.start, parse_time(cursor) or self.run.started_at
        outline = self.normalizer.outline([bytes(listed[i]) for i in ids]) if ids else []
        self.missing = {
            order_id: MissingOrder(number or order_id, modified_at)
            for order_id, (number, modified_at, included) in zip(ids, outline, strict=True)
            if included and (modified_at is None or (since or modified_at) <= modified_at < until)
        }
        MissingOrders(self.missing if self.can_fetch_missing else {}, excluded).keep(self.landing)
        failpoint("missing-noted")

    @property
    def can_fetch_missing(self) -> bool:
        """True if the API returns the missing orders by id or by time."""
        api = self.source.api
        return bool(self.missing) and fetching(api, Pager(api.paging), self.missing) is not None
