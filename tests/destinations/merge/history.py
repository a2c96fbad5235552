"""Small histories of a shop, told to a real warehouse, and an oracle that judges them again.

The oracle is plain Python over the whole history at once; it knows no batches and no SQL.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Counts, Kind, RunRecord
from orderpull.loading.pages import PageLoader, PendingPages
from orderpull.loading.together import load_together
from orderpull.model import DATA_TABLES
from orderpull.normalize.normalizer import Normalizers
from orderpull.settings import SourceSettings
from orderpull.sources.pull import Source
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from orderpull.sqltext import quoted
from tests.normalize.helpers import land, named_api, new_landing
from tests.warehouses import warehouse

if TYPE_CHECKING:
    from orderpull.landing.local import LocalSourceLanding

TEA = """
title = "Tea shop"
[request]
path = "/orders"
[records]
path = "orders"
[order]
id = "id"
number = "no"
status = "state"
where = "not(in(state, 'trash'))"
ordered_at = "placed"
modified_at = "changed"
[order.address]
name = "to"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = ("inserted", "updated", "unchanged", "stale", "rejected")


@dataclass(frozen=True)
class Served:
    """One occurrence of an order in a page.

    :param id: its id.
    :param number: its number.
    :param pieces: what tells contents apart.
    :param placed: day on which it was placed; None: not told.
    :param changed: day on which it was changed; None: not told.
    :param bad: whether it cannot be shaped, though id and number can be read.
    :param trash: whether it is no order any more.
    """

    id: str
    number: str
    pieces: int = 1
    placed: int | None = 0
    changed: int | None = None
    bad: bool = False
    trash: bool = False

    def as_json(self) -> dict[str, Any]:
        """As the API serves it."""
        return {
            "id": self.id,
            "no": self.number,
            "state": "trash" if self.trash else "open",
            "placed": _day(self.placed),
            "changed": _day(self.changed),
            "to": "Ada",
            "lines": [{"sku": "TEA", "n": "some" if self.bad else self.pieces}],
        }

    @property
    def content(self) -> "Served":
        """What of it is kept."""
        return replace(self, bad=False)


Page = Sequence[Served]


def _day(day: int | None) -> str | None:
    return None if day is None else (START + timedelta(days=day)).isoformat()


class History:
    """One source: its landing, its part of a warehouse.

    :ivar counts: of the last load.
    """

    def __init__(
        self,
        folder: Path,
        loader: Loader,
        name: str = "shop",
        api: Api | None = None,
        index: int = 0,
        **settings: Any,
    ) -> None:
        self.name = name
        self.index = index
        self.api = api or _tea()
        if self.api.auth.kind != "none":
            settings["token"] = "t"
        if self.api.cursor:
            settings["start"] = "2026-01-01"
        # A history may spoil half of its orders.
        settings.setdefault("reject_limit", 1.0)
        self.settings = SourceSettings(api="tea.toml", base_url="http://shop.test", **settings)
        self.landing: LocalSourceLanding = new_landing(folder, name)
        self.loader = loader
        self.pages = 0
        self.counts = Counts()

    def serve(self, *pages: Page) -> None:
        """Land *pages*, and load nothing."""
        for page in pages:
            body = json.dumps({"orders": [served.as_json() for served in page]})
            self.serve_body(body.encode())

    def serve_body(self, body: bytes) -> None:
        """Land one page as it is."""
        self.pages += 1
        land(self.landing, self.api, body, self.pages)

    def load(self) -> Counts:
        """Load what waits: what became of it."""
        return self.load_with()

    def load_with(self, *others: "History") -> Counts:
        """Load what waits, together with what waits of *others*; what became of it."""
        sources = [each.page_loader("load") for each in (self, *others)]
        for joint in load_together(self.loader, sources) if others else ():
            assert len(joint) > 1
            assert not any(pages.waiting() for pages in joint)
        for pages in sources:
            for _ in pages.load():
                pass
        for history, pages in zip((self, *others), sources, strict=True):
            history.counts = pages.run.counts
        return self.counts

    def take(self, *pages: Page) -> Counts:
        """Land *pages* and load them."""
        self.serve(*pages)
        return self.load()

    def replay(self) -> int:
        """Read every page again: how many orders changed."""
        pages = self.page_loader("replay")
        for _ in pages.replay():
            pass
        return pages.changed

    def retry(self) -> None:
        """Shape every reject again."""
        self.page_loader("retry").retry(self.loader.rejects(self.name))

    def page_loader(self, command: Any) -> PageLoader:
        """Loads the pages. :param command: what loads them, for the ledger."""
        source = Source(self.name, self.settings, self.api)
        source.index = self.index
        record = RunRecord(self.name, command, datetime.now(UTC).replace(tzinfo=None))
        pending, normalizers = PendingPages(self.landing), _normalizers(self.loader)
        return PageLoader(source, pending, self.loader, record, normalizers)

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """Rows of *table* that are this shop's, in an order that is always the same."""
        found = self._asked(f"SELECT {columns} FROM {table} WHERE source = ?")
        return sorted(found, key=lambda row: [(value is None, str(value)) for value in row])

    def orders(self) -> dict[str, tuple[str, int | None, int]]:
        """For each id its number, its pieces and the page it stands by."""
        rows = self._asked(
            """SELECT order_id, h.ordernumber, i.quantity, page FROM order_header AS h
               LEFT JOIN order_item AS i
                    ON i.source = h.source AND i.ordernumber = h.ordernumber
               WHERE h.source = ?"""
        )
        assert len(rows) == len({row[0] for row in rows})
        return {row[0]: row[1:] for row in rows}

    def counted(self) -> set[str]:
        """The ids of the orders that count."""
        return {i for i, counted in self.rows("order_header", "order_id, counted") if counted}

    def _asked(self, query: str) -> list[tuple[Any, ...]]:
        """What the warehouse answers, the shop's name the one value."""
        return self.loader.session.execute(query, [self.name])

    def rejects(self) -> dict[str, tuple[str, str, int, int]]:
        """For each id its number, the reason, the page and the place in it."""
        found = self.loader.rejects(self.name)
        assert len(found) == len({reject.reject_key for reject in found})
        return {
            r.order_id or r.reject_key: (r.ordernumber or "", r.reason, r.page, r.position)
            for r in found
        }

    def checksum(self) -> list[list[tuple[Any, ...]]]:
        """Everything in the tables but when and with which page it came; every reject."""
        tables = [
            self.rows(
                table.name,
                quoted(name for name in table.names if name not in {"page", "loaded_at"}),
            )
            for table in DATA_TABLES
        ]
        kept = ("reject_key", "ordernumber", "order_id", "reason", "message", "path", "raw")
        return [*tables, self.rows("orderpull_reject", quoted(kept))]


@cache
def _tea() -> Api:
    """One object: normalizers are shared by sources of the same one."""
    return parse_api(TEA, "tea.toml")


def _normalizers(loader: Loader) -> Normalizers:
    """Return the normalizers of all loads through *loader*, which last as long as it does."""
    if loader not in _made:
        _made[loader] = Normalizers(loader.stage)
    return _made[loader]


_made: WeakKeyDictionary[Loader, Normalizers] = WeakKeyDictionary()


@contextmanager
def open_loader(kind: Kind, folder: Path) -> Iterator[Loader]:
    """The loader of a fresh warehouse of *kind*."""
    with warehouse(kind, folder, prepared=True) as made, made.open().loader() as loader:
        yield loader


def skubana() -> Api:
    """An API without ids and without times."""
    return named_api("skubana-assessment")


@dataclass
class Truth:
    """What a warehouse must hold after a history.

    :param orders: for each id its number, its pieces and its page.
    :param rejects: for each id its number, the reason, its page and its place there.
    :param counted: the ids of the orders that count.
    """

    orders: dict[str, tuple[str, int | None, int]] = field(default_factory=dict)
    rejects: dict[str, tuple[str, str, int, int]] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)


Placed = tuple[int, int, Served]
"""Page, position, what was served there."""


def placed(pages: Iterable[Page]) -> list[Placed]:
    """Every occurrence with its place."""
    return [
        (number, position, served)
        for number, page in enumerate(pages, start=1)
        for position, served in enumerate(page)
    ]


def heard(occurrences: Iterable[Placed]) -> Iterator[Placed]:
    """All but what is in the trash when no good version of it has come yet."""
    known = set()
    for occurrence in occurrences:
        served = occurrence[2]
        if not served.trash or served.id in known:
            yield occurrence
        if not served.trash and not served.bad:
            known.add(served.id)


def truth(pages: Iterable[Page]) -> Truth:
    """The newest version of each id; of two with one number, the one that was placed first."""
    latest: dict[str, Placed] = {}
    bad: dict[str, Placed] = {}
    for occurrence in heard(placed(pages)):
        served = occurrence[2]
        if served.bad:
            bad[served.id] = occurrence
        elif served.id not in latest or _version(occurrence) > _version(latest[served.id]):
            latest[served.id] = occurrence
    found = Truth()
    by_number = defaultdict(list)
    for occurrence in latest.values():
        by_number[occurrence[2].number].append(occurrence)
    for number, claims in by_number.items():
        keeper = min(claims, key=_claim)
        for page, position, served in claims:
            if (page, position) == keeper[:2]:
                found.orders[served.id] = (number, served.pieces, page)
                found.counted |= set() if served.trash else {served.id}
            else:
                found.rejects[served.id] = (number, "number_reused", page, position)
    _add_bad(found, bad, latest)
    return found


def truth_first_stays(pages: Iterable[Page]) -> Truth:
    """With ``on_change = "ignore"``: who comes first with an id and a number of his own."""
    found = Truth()
    bad: dict[str, Placed] = {}
    numbers: set[str] = set()
    for occurrence in heard(placed(pages)):
        page, _, served = occurrence
        if served.bad:
            bad[served.id] = occurrence
            continue
        if served.id not in found.orders and served.number not in numbers and not served.trash:
            found.orders[served.id] = (served.number, served.pieces, page)
            found.counted.add(served.id)
            numbers.add(served.number)
    _add_bad(found, {key: each for key, each in bad.items() if key not in found.orders}, {})
    return found


def _add_bad(found: Truth, bad: dict[str, Placed], good: dict[str, Placed]) -> None:
    """Add the rejects of *bad* versions, each id's latest, that none of *good* came after."""
    for page, position, served in bad.values():
        if served.id not in good or good[served.id][:2] < (page, position):
            found.rejects[served.id] = (served.number, "quantity_invalid", page, position)


def _version(occurrence: Placed) -> tuple[float, int, int]:
    page, position, served = occurrence
    return (float("-inf") if served.changed is None else served.changed, page, position)


def _claim(occurrence: Placed) -> tuple[float, int, str]:
    served = occurrence[2]
    return (float("inf") if served.placed is None else served.placed, len(served.id), served.id)


class Clerk:
    """Judges occurrence by occurrence, as they come, for the counts."""

    def __init__(self) -> None:
        self.kept: dict[str, Placed] = {}
        self.pages: list[Page] = []

    def take(self, *pages: Page) -> dict[str, int]:
        """How many of *pages*' orders are inserted, updated, unchanged, stale, rejected."""
        first = len(self.pages)
        self.pages += pages
        outcomes: dict[tuple[int, int], str] = {}
        for occurrence in heard(placed(self.pages)):
            page, position, served = occurrence
            if page > first:
                outcomes[page, position] = self._outcome(occurrence, served)
        for place in self._losers():
            if place in outcomes:
                outcomes[place] = "rejected"
        found = list(outcomes.values())
        return {outcome: found.count(outcome) for outcome in OUTCOMES}

    def _outcome(self, occurrence: Placed, served: Served) -> str:
        if served.bad:
            return "rejected"
        before = self.kept.get(served.id)
        if before is None or _version(occurrence) > _version(before):
            self.kept[served.id] = occurrence
        if before is None:
            return "inserted"
        if before[2].content == served.content:
            return "unchanged"
        return "updated" if _version(occurrence) > _version(before) else "stale"

    def _losers(self) -> list[tuple[int, int]]:
        by_number = defaultdict(list)
        for occurrence in self.kept.values():
            by_number[occurrence[2].number].append(occurrence)
        return [
            occurrence[:2]
            for claims in by_number.values()
            for occurrence in claims
            if occurrence is not min(claims, key=_claim)
        ]
