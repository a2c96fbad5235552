"""Load one batch of pages in one transaction: pages of one source, or of several of one API."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

from orderpull import telemetry
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import (
    Batch,
    Counts,
    MergePlan,
    RunRecord,
    Share,
    SourceState,
)
from orderpull.destinations.stage import more_memory, ran_out_of_memory
from orderpull.engine import duckdb
from orderpull.errors import DestinationError, RejectLimitExceeded
from orderpull.failpoints import failpoint
from orderpull.landing.forgotten import key_of
from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import SourceLanding
from orderpull.normalize.masking import Masking
from orderpull.normalize.normalizer import Key, Normalizer, StagedPage
from orderpull.sources.pull import Source

LIMIT_APPLIES_FROM = 100
"""Number of orders in a batch from which the reject limit applies."""


@dataclass(eq=False)
class Portion:
    """A source's part of a batch, as it is loaded.

    :param after: the source's new state; ``loads`` is still the number that was read.
    :param run: the source's row of the run; it has the counts of the batch once that is loaded.
    :param accept_rejects: load even more rejects than ``reject_limit``.
    :param masking: keeps persons out of the tables, if any have to be; such a portion is alone.
    :ivar counts: the orders by outcome, once they are judged.
    """

    source: Source
    landing: SourceLanding
    pages: Sequence[StagedPage]
    after: SourceState
    run: RunRecord
    accept_rejects: bool
    masking: Masking | None = None
    counts: Counts = field(default_factory=Counts, init=False)

    def share(self, *, counted: bool) -> Share:
        """The portion as the destination loads it. :param counted: add its pages to the run."""
        record, metas = deepcopy(self.run), [page.meta for page in self.pages]
        record.pages += len(metas) if counted else 0
        after = replace(self.after, loads=self.after.loads + 1)
        return Share(self.source.name, metas, after, record)


@dataclass(eq=False)
class BatchLoader:
    """Loads batches through the open *loader* of a destination.

    :param normalizer: the normalizer of the pages' API.
    :param staged: called when the orders of a batch are staged.
    """

    loader: Loader
    normalizer: Normalizer
    staged: Callable[[], None] = lambda: None

    def load(
        self, portions: Sequence[Portion], *, counted: bool, only: set[Key] | None = None
    ) -> None:
        """Load *portions* in one transaction; with more memory if need be.

        Their sources have equal settings for changed orders and for addresses.

        :param counted: the pages are new to the ledger.
        :param only: load only these orders, of one source.
        :raises RejectLimitExceeded: a source has too many rejects; nothing is loaded.
        :raises CorruptPage: a page has changed since it was landed.
        :raises Overtaken: another loader has loaded one of the sources meanwhile.
        """
        pages = sum(len(portion.pages) for portion in portions)
        with telemetry.span("batch", sources=len(portions), pages=pages, again=not counted) as span:
            try:
                self._load(portions, counted=counted, only=only)
            except (duckdb.Error, DestinationError) as error:
                if not ran_out_of_memory(error):
                    raise
                with more_memory(self.loader.stage):
                    self._load(portions, counted=counted, only=only)
            for portion in portions:
                span.add_orders(portion.source.name, asdict(portion.counts))

    def _load(self, portions: Sequence[Portion], *, counted: bool, only: set[Key] | None) -> None:
        """Normalize, merge and commit one batch."""
        failpoint("before-normalize")
        pages = [page for portion in portions for page in portion.pages]
        if len(portions) == 1:
            waiting_pages = self._stage(portions[0], only)
        else:
            waiting_pages = []
            self.normalizer.normalize(pages)
        self.staged()
        self.normalizer.refuse_long(self.loader.limits)
        failpoint("normalized")
        settings = portions[0].source.settings
        batch = Batch(
            shares=[portion.share(counted=counted) for portion in portions],
            counted=counted,
            ignore_changes=settings.on_change == "ignore",
            keep_address=settings.keep_address,
        )
        plan = self.loader.plan_merge(batch)
        masking = portions[0].masking
        if batch.keep_address and masking:
            masking.mask_kept_addresses()
        self.normalizer.fill_raw([*pages, *waiting_pages])
        for portion, share in zip(portions, batch.shares, strict=True):
            self._reject_lost_numbers(portion, plan)
            portion.counts = plan.counts[share.source]
            if counted:
                share.record.counts.add(portion.counts)
        if masking:
            masking.mask_rejects()
        failpoint("judged")
        for portion, share in zip(portions, batch.shares, strict=True):
            if self._over_limit(portion):
                share.record.accepted_rejects = True
        self.loader.apply(batch, plan)
        for portion, share in zip(portions, batch.shares, strict=True):
            portion.run.assign(share.record)
            portion.after = share.state

    def _stage(self, portion: Portion, only: set[Key] | None) -> list[StagedPage]:
        """Stage *portion* and the orders waiting for a number; return the pages of those orders.

        Orders rejected as ``number_reused`` are evaluated again with every batch, without being
        counted twice. When the number becomes free, the newest version is loaded.
        """
        source, landing, pages = portion.source, portion.landing, portion.pages
        staged = {page.number for page in pages} if only is None else set()
        has_ids = source.api.mapping.id is not None
        rejects = self.loader.rejects(source.name, "number_reused") if has_ids else []
        reused = {(source.page_in_run(each.page), each.position): each.page for each in rejects}
        elsewhere = {key for key in reused if key[0] not in staged and key not in (only or ())}
        numbers = sorted({page for key in elsewhere if landing.has(page := reused[key])})
        waiting_pages = [staged_page(source, landing, landing.meta(n)) for n in numbers]
        stage = self.loader.stage
        if waiting_pages:
            self.normalizer.normalize(waiting_pages, elsewhere)
            stage.execute("CREATE OR REPLACE TEMP TABLE waiting_orders AS FROM staged_order")
        self.normalizer.normalize(pages, only)
        if waiting_pages:
            stage.execute("INSERT INTO staged_order BY NAME FROM waiting_orders")
        if reused:
            self.normalizer.include(set(reused))
        if portion.masking:
            portion.masking.mask_orders()
        return waiting_pages

    def _over_limit(self, portion: Portion) -> bool:
        """True if a batch has more rejects than the limit and a person accepts them.

        :raises RejectLimitExceeded: nobody accepts them.
        """
        source, counts = portion.source, portion.counts
        limit = source.settings.reject_limit
        if counts.fetched < LIMIT_APPLIES_FROM or counts.rejected <= limit * counts.fetched:
            return False
        if portion.accept_rejects:
            return True
        first = self.loader.stage.execute(
            """SELECT reason, count(*) FROM staged_reject WHERE source = ?
               GROUP BY reason ORDER BY 2 DESC LIMIT 3""",
            [source.name],
        ).fetchall()
        reasons = ", ".join(f"{reason} ({count})" for reason, count in first)
        raise RejectLimitExceeded(
            f"{counts.rejected} of {counts.fetched} orders of source {source.name!r} cannot "
            f"be shaped ({reasons}); the limit is {limit:.0%}. That batch was not loaded.",
            "If that is right, run `orderpull load --accept-rejects`; else mend the api file.",
        )

    def _reject_lost_numbers(self, portion: Portion, plan: MergePlan) -> None:
        """Stage a reject for each stored order that loses its number, with its text as received.

        If the landing lacks the order's page, the text is empty.
        """
        source, landing = portion.source, portion.landing
        lost_numbers = [row[1:] for row in plan.lost_number if row[0] == source.name]
        for page, group in groupby(sorted(lost_numbers), key=lambda row: row[0]):
            lost = list(group)
            orders = {order_id: number for _, order_id, number, _ in lost}
            positions: dict[str, int] = {}
            raw: dict[int, str] = {}
            if landing.has(page):
                staged = staged_page(source, landing, landing.meta(page))
                positions = self._positions(source, staged, {row[3] for row in lost})
                raw = self.normalizer.texts.at(staged, [positions.get(o, 0) for o in orders])
            for order_id, number in orders.items():
                position = positions.get(order_id, 0)
                self.loader.stage.execute(
                    """INSERT INTO staged_reject VALUES (?, ?, ?, ?, ?, 'number_reused',
                       'another order has its number; tell them apart with the setting '
                       || 'ordernumber = "{number}~{id}"', '$', ?)""",
                    [source.name, page, position, number, order_id, raw.get(position, "")],
                )

    def _positions(self, source: Source, page: StagedPage, hashes: set[str]) -> dict[str, int]:
        """Position by order id in a page that is not part of the batch.

        :param hashes: content hashes of the wanted versions; without one the newest is taken.
        """
        with duckdb.connect() as scratch:
            scratch.execute("SET TimeZone = 'UTC'")
            Normalizer(scratch, source.api, source.settings.ordernumber).normalize([page])
            rows = scratch.execute(
                """SELECT order_id, max_by(position, {'wanted': list_contains($1, content_hash),
                                                      'm': coalesce(modified_at, '-infinity'),
                                                      'p': position})
                   FROM staged_order GROUP BY order_id""",
                [list(hashes)],
            ).fetchall()
        return dict(rows)


def staged_page(source: Source, landing: SourceLanding, meta: PageMeta) -> StagedPage:
    """The landed page of *source* with the metadata *meta*, to be normalized."""
    number = meta.page
    return StagedPage(
        meta,
        lambda: landing.read(number)[1],
        lambda: source.handed_over(number),
        source.name,
        source.index,
        lambda: key_of(landing),
    )
