"""Search one source for the orders of a person: in all landed pages and in the tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from orderpull.destinations.erase import stage_persons
from orderpull.forget.wanted import Wanted
from orderpull.landing.forgotten import KEY, Forgotten
from orderpull.loading.pages import PageLoader
from orderpull.normalize.normalizer import Key, StagedPage
from orderpull.normalize.salvage import is_whole
from orderpull.sources.reconcile import IdExtractor
from orderpull.sources.spec.expression import paths

_IDENTITY = """coalesce('id ' || nullif(order_id, ''), 'number ' || nullif(ordernumber, ''),
                        'text ' || raw)"""
_ROWS = """SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[]), unnest($3::VARCHAR[]),
    unnest($4::VARCHAR[]), unnest($5::VARCHAR[]), unnest($6::BOOLEAN[])"""

Identity = tuple[str | None, str | None, str | None]
"""Id, number and text of an order; the number counts without an id, the text without both."""


@dataclass(slots=True)
class Matches:
    """The orders of a person in one source.

    :param identities: id, number and text of each, by which it is forgotten.
    :param numbers: the order numbers. :param keys: place of each version in the landed pages.
    :param listings: pages with lists of all orders that name one of them.
    :param rejects: open rejects in the warehouse.
    :param through: the newest page that was searched. :param loads: state of the ledger.
    """

    identities: list[Identity] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    listings: list[int] = field(default_factory=list)
    rejects: int = 0
    through: int = 0
    loads: int = 0

    def __ior__(self, other: "Matches") -> Self:
        """Add what another search of the same source has found."""
        self.identities = [*dict.fromkeys([*self.identities, *other.identities])]
        self.numbers = [*dict.fromkeys([*self.numbers, *other.numbers])]
        self.keys |= other.keys
        self.listings = sorted({*self.listings, *other.listings})
        self.rejects = max(self.rejects, other.rejects)
        self.through, self.loads = other.through, other.loads
        return self

    @property
    def pages(self) -> list[int]:
        """Numbers of the pages with such an order, ascending."""
        return sorted({page for page, _ in self.keys}.union(self.listings))


class Search:
    """A search in the pages and tables that *pages* loads.

    :param wanted: the criteria; None: all orders that are *forgotten* already.
    """

    def __init__(self, pages: PageLoader, wanted: Wanted | None, forgotten: Forgotten) -> None:
        self._pages = pages
        self._landing = pages.landing
        self._stage = pages.loader.stage
        self._wanted = wanted
        self._forgotten = forgotten
        self._condition = "false"
        if wanted is not None:
            key = forgotten.key or self._landing.note(KEY) or b""
            self._condition = wanted.condition(self._stage, key)
        number = next(paths(pages.source.api.mapping.number), None)
        self._number_key = str(number.steps[-1]) if number else ""

    def run(self) -> Matches:
        """Search.

        :raises CorruptPage: a page has changed since it was landed.
        :raises LandingError: a page cannot be read. :raises DestinationError: the tables cannot.
        """
        self._stage.execute(
            "CREATE OR REPLACE TEMP TABLE seen (page BIGINT, position BIGINT, order_id VARCHAR, "
            "ordernumber VARCHAR, raw VARCHAR, wanted BOOLEAN)"
        )
        source = self._pages.source.name
        state, numbers = self._pages.loader.state(source), self._landing.pages()
        listings = []
        for batch in self._pages.batches(numbers):
            if batch[0].meta.kind == "listing":
                listings.append(batch[0])
            else:
                self._see_pages(batch)
        rejects = self._pages.loader.rejects(source)
        self._see_texts([(0, 0, r.order_id, r.ordernumber, r.raw) for r in rejects])
        self._see_stored()
        matches = self._matches()
        matches.rejects = sum(
            self._is_matched(r.order_id, r.ordernumber, r.raw, matches) for r in rejects
        )
        matches.listings = [each.meta.page for each in listings if self._lists(each, matches)]
        matches.through, matches.loads = max(numbers, default=0), state.loads
        return matches

    def _see_pages(self, batch: list[StagedPage]) -> None:
        normalizer = self._pages.normalizer
        normalizer.normalize(batch)
        normalizer.fill_raw(batch)
        self._stage.execute(
            f"""INSERT INTO seen SELECT page, position, order_id, ordernumber, NULL,
                {self._condition} FROM staged_order"""
        )
        self._see_texts(
            self._stage.execute(
                "SELECT page, position, order_id, ordernumber, raw FROM staged_reject"
            ).fetchall()
        )

    def _see_stored(self) -> None:
        stage_persons(self._pages.loader, self._pages.source.name)
        self._stage.execute(
            f"""INSERT INTO seen SELECT 0, 0, order_id, ordernumber, NULL, {self._condition}
                FROM stored_person"""
        )

    def _see_texts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rejected orders and fragments: page, position, id, number, text."""
        if rows:
            wanted = self._are_wanted([row[4] or "" for row in rows])
            columns = [*map(list, zip(*rows, strict=True)), wanted]
            self._stage.execute(f"INSERT INTO seen {_ROWS}", columns)

    def _are_wanted(self, texts: Sequence[str]) -> list[bool]:
        """True for each of the *texts* of rejected orders and fragments that is wanted."""
        if self._wanted is None:
            return [False] * len(texts)
        whole = {(0, at): text for at, text in enumerate(texts) if is_whole(text.encode())}
        matching = set(self._pages.normalizer.matching(whole, self._condition))
        return [
            (0, at) in matching
            or self._wanted.is_in(text, self._number_key, is_order=(0, at) in whole)
            for at, text in enumerate(texts)
        ]

    def _matches(self) -> Matches:
        """The orders that are wanted, in all their versions."""
        self._stage.execute(
            f"""CREATE OR REPLACE TEMP TABLE wanted AS
                SELECT DISTINCT {_IDENTITY} AS identity FROM seen WHERE wanted"""
        )
        if self._wanted is None:
            self._stage.execute(
                "INSERT INTO wanted SELECT unnest($1::VARCHAR[])", [list(self._forgotten_already())]
            )
        rows = self._stage.execute(
            f"""SELECT page, position, order_id, ordernumber, raw
                FROM (SELECT *, {_IDENTITY} AS identity FROM seen)
                SEMI JOIN wanted USING (identity) ORDER BY page, position"""
        ).fetchall()
        matches = Matches()
        matches.identities = [*dict.fromkeys(_identity(*row[2:]) for row in rows)]
        numbers = {str(row[3]) for row in rows if row[3]}
        matches.numbers = sorted(numbers, key=lambda each: (len(each), each))
        matches.keys = {(row[0], row[1]) for row in rows if row[0]}
        return matches

    def _forgotten_already(self) -> Iterator[str]:
        rows = self._stage.execute(
            f"SELECT DISTINCT {_IDENTITY}, order_id, ordernumber, raw FROM seen"
        ).fetchall()
        for identity, *order in rows:
            if self._forgotten.covers(*order):
                yield identity

    def _lists(self, page: StagedPage, matches: Matches) -> bool:
        """True if the list of all orders in *page* names one that is found."""
        ids = {order_id for order_id, _, _ in matches.identities if order_id}
        listed = IdExtractor(self._pages.source.api).listed(page.meta, page.body())
        return any(order_id in ids for order_id, _ in listed)

    @staticmethod
    def _is_matched(order_id: str | None, number: str | None, text: str, matches: Matches) -> bool:
        return _identity(order_id, number, text) in matches.identities


def _identity(order_id: str | None, number: str | None, text: str | None) -> Identity:
    if order_id:
        return order_id, None, None
    return (None, number, None) if number else (None, None, text)
