"""Random histories of a shop of whose pages some are deleted: what only these explain stays."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orderpull import clock
from orderpull.destinations.duckdb import DuckdbDestination
from orderpull.landing.expired import Expired, delete_expired
from orderpull.settings import Settings
from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import Source
from orderpull.verify.landing import LandingTables
from orderpull.verify.result import Difference
from orderpull.verify.scope import Scope
from tests.destinations.merge.history import History, Page, Served
from tests.sources.random.seeds import seeds
from tests.warehouses import warehouse

pytestmark = pytest.mark.slow

SHOPS = "abcdefghijkl"
"""Shops that have nothing to do with each other, told to one source: one load tries them all."""


@pytest.mark.parametrize(
    ("first", "renumbered", "bad", "settings"),
    [(22, True, False, {}), (12, False, True, {}), (1, True, True, {"on_change": "ignore"})],
    ids=["renumbered", "bad", "first stays"],
)
def test_nothing_differs_and_a_repair_changes_nothing(
    first: int, renumbered: bool, bad: bool, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Pages go by keep_days, which leaves those with rejects, or are lost; each order is repaired."""
    for seed in seeds(1):
        rng = random.Random(first + seed)
        pages = list(drawn(rng, renumbered=renumbered, bad=bad))
        for lost in (False, True) if seed else (False,):
            play(tmp_path / f"{seed}-{lost}", rng, pages, settings, lost=lost)


def play(
    folder: Path, rng: random.Random, pages: list[Page], settings: dict[str, Any], *, lost: bool
) -> None:
    """Load *pages* in some batches, delete about half of them, verify, and repair."""
    with warehouse("duckdb", folder, prepared=True) as made:
        destination = made.open()
        assert isinstance(destination, DuckdbDestination)
        with destination.loader() as loader:
            history = History(folder, loader, **settings)
            while history.pages < len(pages):
                history.take(*pages[history.pages :][: rng.randint(1, 3)])
            needed = {reject.page for reject in loader.rejects(history.name)}
            before = history.checksum()
        destination.publish(finished=True)
        old = [page for page in range(1, history.pages) if lost or page not in needed]
        gone = {page for page in old if rng.random() < 0.5}
        if lost:
            history.landing.delete_pages(sorted(gone))
        else:
            delete_expired(history.landing, Expired(), clock.now(), gone)
        source = Source(history.name, history.settings, history.api)
        scope = Scope(Settings(), source, history.landing, destination, None, True, Stop())
        with destination.reader() as reader:
            scope.opened = reader
            named = {each.order for each in LandingTables().compare(scope)}
            numbers = reader.execute("SELECT ordernumber FROM order_header", [])
        assert named == ({f"page {page}" for page in gone} if lost else set())
        scope.opened = None
        everything = [Difference(number, "different", "tables") for (number,) in numbers]
        LandingTables().repair(scope, everything)
        with destination.loader() as loader:
            history.loader = loader
            assert history.checksum() == before
        destination.close()


def drawn(rng: random.Random, *, renumbered: bool, bad: bool) -> Iterator[Page]:
    """Pages with versions of three orders of each shop.

    :param renumbered: their numbers change and are reused. :param bad: some cannot be shaped.
    """
    orders = [(shop, order) for shop in SHOPS for order in ("7", "8", "10")]
    placed = {order: rng.choice([None, 0, 1, 2, 3]) for order in orders}
    for _ in range(rng.randint(3, 6)):
        page = []
        for shop, order in orders:
            if rng.random() < 2 / 9:
                is_bad = bad and rng.random() < 0.06
                page.append(
                    Served(
                        id=shop + order,
                        number=shop + (rng.choice("ABC") if renumbered else order),
                        pieces=rng.randint(1, 2),
                        placed=placed[shop, order],
                        changed=rng.choice([None, 0, 1, 2, 3]),
                        bad=is_bad,
                        trash=not is_bad and rng.random() < 0.2,
                    )
                )
        yield page
