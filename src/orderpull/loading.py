"""Load one source's landed pages in bounded batches, one transaction each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

import msgspec

from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Batch, MergePlan, Reject, RunRecord, SourceState
from orderpull.destinations.stage import more_memory, ran_out_of_memory
from orderpull.engine import duckdb
from orderpull.errors import DestinationError, Overtaken, RejectLimitExceeded
from orderpull.failpoints import failpoint
from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import LOADED, SourceLanding
from orderpull.model import COUNTS
from orderpull.normalize.masking import Masking
from orderpull.normalize.normalizer import Key, Normalizer, Normalizers, StagedPage
from orderpull.sources.paging.flows import Pager
from orderpull.sources.pull import Source
from orderpull.sources.reconcile import IdExtractor, MissingOrder, MissingOrders, fetching
from orderpull.sources.spec.times import parse_time

BATCH_BYTES = 128 << 20
BATCH_ORDERS = 50_000
"""Limits of a batch, which bound the memory of a load: bytes of JSON, and orders."""

FEW_VANISHED = 10
"""Number of orders that may vanish at once, whatever the reject limit."""

LIMIT_APPLIES_FROM = 100
"""Number of orders in a batch from which the reject limit applies."""


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

    def pages(self) -> list[int]:
        """Numbers of the pending pages."""
        data = self._noted if self.detached else self.landing.note(LOADED)
        try:
            noted = msgspec.json.decode(data or b"")
        except msgspec.DecodeError:
            noted = {"through": 0, "gaps": []}
        return [*noted["gaps"], *self.landing.pages(after=noted["through"])]


@dataclass(eq=False)
class PageLoader:
    """Loads one source's pages through the open *loader* of a destination.

    :param normalizers: normalizers of the loader's stage, shared with other sources.
    :param accept_rejects: load even batches with more rejects than ``reject_limit``.
    """

    source: Source
    pending: PendingPages
    loader: Loader
    run: RunRecord
    normalizers: Normalizers
    accept_rejects: bool = field(default=False, kw_only=True)
    possible_loss: set[int] = field(default_factory=set, init=False)
    missing: dict[str, MissingOrder] = field(default_factory=dict, init=False)
    changed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.landing = self.pending.landing
        self.state = self._read_state()

    def _read_state(self) -> SourceState:
        """Read the source's state in the ledger; only then, who is forgotten.

        Whoever forgets adds to the note before it raises ``loads``. So a batch is masked by all
        that were forgotten, or is overtaken.
        """
        self._masking: Masking | None = None
        return self.loader.state(self.source.name)

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
        while True:
            try:
                yield from self._load_waiting(among)
            except Overtaken:
                before, self.state = self.state, self._read_state()
                if self.state.loads == before.loads:  # no other load: a retry would fail again
                    raise
            else:
                return

    def _load_waiting(self, among: Collection[int] | None) -> Iterator[None]:
        waiting = [*self.state.gaps, *self.landing.pages(after=self.state.loaded_through)]
        if among is not None:
            waiting = [number for number in waiting if number in among]
        for pages in self._batches(waiting):
            numbers = {page.meta.page for page in pages}
            rest = [number for number in waiting if number not in numbers]
            cursors = [page.meta.cursor_after for page in pages if page.meta.cursor_after]
            through = max(self.state.loaded_through, *numbers)
            gaps = tuple(number for number in rest if number < through)
            after = replace(
                self.state,
                landing=self.landing.identity,
                loaded_through=through,
                gaps=gaps,
                cursor=cursors[-1] if cursors else self.state.cursor,
            )
            self._load(pages, after, counted=True)
            waiting = rest
            self.possible_loss |= {page.meta.page for page in pages if page.meta.possible_loss}
            self.pending.note(through, gaps)
            yield

    def replay(self) -> Iterator[int]:
        """Load every loaded page again, and yield the number of pages after each batch.

        A page that the ledger does not know, such as one from a backup, is counted.
        """
        through, gaps = self.state.loaded_through, self.state.gaps
        known = self.loader.pages(self.source.name)
        loaded = [n for n in self.landing.pages() if n <= through and n not in gaps]
        for counted in (True, False):
            for pages in self._batches([n for n in loaded if (n not in known) == counted]):
                self._load(pages, self.state, counted=counted)
                yield len(pages)

    def retry(self, rejects: Sequence[Reject]) -> None:
        """Normalize *rejects* again, under today's mapping and settings."""
        keys = {(reject.page, reject.position) for reject in rejects}
        for pages in self._batches(sorted({page for page, _ in keys})):
            self._load(pages, self.state, counted=False, only=keys)

    def judge(self, page: int, position: int) -> str:
        """Load one order of a landed page, and say what became of it.

        :return: a name of :data:`COUNTS`; '' if it is no order, by the API file's ``where``.
        """
        before, meta = asdict(self.run.counts), self.landing.meta(page)
        self._load([self.staged(meta)], self.state, counted=True, only={(page, position)})
        after = asdict(self.run.counts)
        return next((name for name in COUNTS[1:] if after[name] > before[name]), "")

    def state_with(self, cursor: str | None) -> SourceState:
        """The source's new state for the ledger."""
        return replace(
            self.state,
            landing=self.landing.identity,
            cursor=cursor or self.state.cursor,
            loads=self.state.loads + 1,
        )

    def _batches(self, numbers: Sequence[int]) -> Iterator[list[StagedPage]]:
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
        number = meta.page
        return StagedPage(
            meta, lambda: self.landing.read(number)[1], lambda: self.source.handed_over(number)
        )

    def _load(
        self,
        pages: list[StagedPage],
        after: SourceState,
        *,
        counted: bool,
        only: set[Key] | None = None,
    ) -> None:
        """Load one batch, with *after* as the source's new state; with more memory if need be."""
        try:
            self._load_batch(pages, after, counted=counted, only=only)
        except (duckdb.Error, DestinationError) as error:
            if not ran_out_of_memory(error):
                raise
            with more_memory(self.loader.stage):
                self._load_batch(pages, after, counted=counted, only=only)

    def _load_batch(
        self, pages: list[StagedPage], after: SourceState, *, counted: bool, only: set[Key] | None
    ) -> None:
        """Normalize, merge and commit one batch."""
        failpoint("before-normalize")
        waiting_pages = self._stage(pages, only)
        if only is None and pages[0].meta.kind == "listing":
            self._stage_vanished(pages[0], counted=counted)
        self.normalizer.refuse_long(self.loader.limits)
        failpoint("normalized")
        batch = Batch(
            source=self.source.name,
            pages=[page.meta for page in pages],
            counted=counted,
            ignore_changes=self.source.settings.on_change == "ignore",
            state=replace(after, loads=self.state.loads + 1),
            record=deepcopy(self.run),
            keep_address=self.source.settings.keep_address,
        )
        plan = self.loader.plan_merge(batch)
        if batch.keep_address:
            self.masking.mask_kept_addresses()
        self.normalizer.fill_raw([*pages, *waiting_pages])
        self._reject_lost_numbers(plan)
        self.masking.mask_rejects()
        failpoint("judged")
        if self._over_limit(plan):
            batch.record.accepted_rejects = True
        if counted:
            batch.record.pages += len(pages)
            batch.record.counts.add(plan.counts)
        self.loader.apply(batch, plan)
        self.run.assign(batch.record)
        self.state = batch.state
        self.changed += plan.counts.inserted + plan.counts.updated

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

    def _stage(self, pages: list[StagedPage], only: set[Key] | None) -> list[StagedPage]:
        """Stage *pages* and the orders waiting for a number; return the pages of those orders.

        Orders rejected as ``number_reused`` are evaluated again with every batch, without being
        counted twice. When the number becomes free, the newest version is loaded.
        """
        staged = {page.meta.page for page in pages} if only is None else set()
        has_ids = self.source.api.mapping.id is not None
        rejects = self.loader.rejects(self.source.name, "number_reused") if has_ids else []
        reused = {(reject.page, reject.position) for reject in rejects}
        elsewhere = {key for key in reused if key[0] not in staged and key not in (only or ())}
        numbers = sorted({page for page, _ in elsewhere if self.landing.has(page)})
        waiting_pages = [self.staged(self.landing.meta(number)) for number in numbers]
        stage = self.loader.stage
        if waiting_pages:
            self.normalizer.normalize(waiting_pages, elsewhere)
            stage.execute("CREATE OR REPLACE TEMP TABLE waiting_orders AS FROM staged_order")
        self.normalizer.normalize(pages, only)
        if waiting_pages:
            stage.execute("INSERT INTO staged_order BY NAME FROM waiting_orders")
        if reused:
            self.normalizer.include(reused)
        self.masking.mask_orders()
        return waiting_pages

    def _over_limit(self, plan: MergePlan) -> bool:
        """True if a batch has more rejects than the limit and a person accepts them.

        :raises RejectLimitExceeded: nobody accepts them.
        """
        counts, limit = plan.counts, self.source.settings.reject_limit
        if counts.fetched < LIMIT_APPLIES_FROM or counts.rejected <= limit * counts.fetched:
            return False
        if self.accept_rejects:
            return True
        first = self.loader.stage.execute(
            "SELECT reason, count(*) FROM staged_reject GROUP BY reason ORDER BY 2 DESC LIMIT 3"
        ).fetchall()
        reasons = ", ".join(f"{reason} ({count})" for reason, count in first)
        raise RejectLimitExceeded(
            f"{counts.rejected} of {counts.fetched} orders of source {self.source.name!r} cannot "
            f"be shaped ({reasons}); the limit is {limit:.0%}. That batch was not loaded.",
            "If that is right, run `orderpull load --accept-rejects`; else mend the api file.",
        )

    def _reject_lost_numbers(self, plan: MergePlan) -> None:
        """Stage a reject for each stored order that loses its number, with its text as received.

        If the landing lacks the order's page, the text is empty.
        """
        for page, group in groupby(sorted(plan.lost_number), key=lambda row: row[0]):
            lost = list(group)
            orders = {order_id: number for _, order_id, number, _ in lost}
            positions: dict[str, int] = {}
            raw: dict[int, str] = {}
            if self.landing.has(page):
                staged = self.staged(self.landing.meta(page))
                positions = self._positions(staged, {row[3] for row in lost})
                raw = self.normalizer.texts.at(staged, [positions.get(o, 0) for o in orders])
            for order_id, number in orders.items():
                position = positions.get(order_id, 0)
                self.loader.stage.execute(
                    """INSERT INTO staged_reject VALUES (?, ?, ?, ?, 'number_reused',
                       'another order has its number; tell them apart with the setting '
                       || 'ordernumber = "{number}~{id}"', '$', ?)""",
                    [page, position, number, order_id, raw.get(position, "")],
                )

    def _positions(self, page: StagedPage, hashes: set[str]) -> dict[str, int]:
        """Position by order id in a page that is not part of the batch.

        :param hashes: content hashes of the wanted versions; without one the newest is taken.
        """
        with duckdb.connect() as scratch:
            scratch.execute("SET TimeZone = 'UTC'")
            Normalizer(scratch, self.source.api, self.source.settings.ordernumber).normalize([page])
            rows = scratch.execute(
                """SELECT order_id, max_by(position, {'wanted': list_contains($1, content_hash),
                                                      'm': coalesce(modified_at, '-infinity'),
                                                      'p': position})
                   FROM staged_order GROUP BY order_id""",
                [list(hashes)],
            ).fetchall()
        return dict(rows)
