"""Who pulls notes it; who loads, there or elsewhere, tells the warehouse when all had been read."""

from datetime import datetime
from pathlib import Path

import pytest

from orderpull import failpoints, pipeline
from orderpull.landing import open_landing
from orderpull.landing.last_pull import NAME, LastPull, keep_last_pull, last_pull
from orderpull.landing.protocol import SourceLanding
from orderpull.operate.report import report
from orderpull.settings import Settings
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.sources.http.limits import Stop
from tests import duckdb_file
from tests.landing.landings import Place
from tests.shops import shop_settings

pytestmark = pytest.mark.slow

NOON, LATER = datetime(2026, 11, 22, 12), datetime(2026, 11, 22, 13)


def shop() -> SkubanaAssessment:
    return SkubanaAssessment(orders=60, per_call=20)


def pulled_at(folder: Path) -> list[datetime | None]:
    """What the ledger says of each run, in order."""
    found = duckdb_file.query(
        folder / "orders.duckdb", "SELECT pulled_at FROM orderpull_run ORDER BY run"
    )
    return [at for (at,) in found]


def part_of(settings: Settings) -> SourceLanding:
    return open_landing(settings.landing, settings.folder).source("shop")


def noted(settings: Settings) -> LastPull:
    found = last_pull(part_of(settings))
    assert found
    return found


def test_it_is_kept_in_every_place(place: Place) -> None:
    """A pull that failed keeps when one before it had read all; one that did not, forgets why."""
    part = place.open()
    assert last_pull(part) is None
    tried = keep_last_pull(part, None, "It did not answer.")
    assert (tried.read_at, tried.failed) == (None, "It did not answer.")
    assert tried.since is not None
    assert keep_last_pull(part, NOON) == LastPull(NOON)
    assert keep_last_pull(part, None, "401") == LastPull(NOON, failed="401")
    assert last_pull(place.open()) == LastPull(NOON, failed="401")
    assert keep_last_pull(part, None) == LastPull(NOON)
    assert keep_last_pull(part, LATER) == last_pull(part) == LastPull(LATER)
    place.put(NAME, b"{")
    assert last_pull(part) is None


def test_pulled_apart_and_loaded_the_warehouse_knows_when(tmp_path: Path) -> None:
    """And who reads it, too; also where a later pull brought nothing new."""
    with Simulator(shop()) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert pipeline.pull(settings).ok
        first = noted(settings).read_at
        pipeline.load(settings)
        assert first is not None
        assert pulled_at(tmp_path) == [first]
        assert report(settings).last_pulled == {"shop": first}
        assert pipeline.pull(settings).ok
        second = noted(settings).read_at
        pipeline.load(settings)
    assert second is not None
    assert second > first
    assert pulled_at(tmp_path) == [first, second]


def test_a_run_notes_it_too(tmp_path: Path) -> None:
    """So that whoever loads the landing into another warehouse knows as much as this one."""
    with Simulator(shop()) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        pipeline.run(settings)
    assert pulled_at(tmp_path) == [noted(settings).read_at]


def test_what_was_not_loaded_to_its_end_was_not_read_for_the_warehouse(tmp_path: Path) -> None:
    """A loader that is stopped between two batches says nothing yet; the next one does."""
    with Simulator(shop()) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        pipeline.pull(settings)
        stop = Stop()
        stop.set(15)
        pipeline.load(settings, stop=stop)
        assert pulled_at(tmp_path) == [None]
        pipeline.load(settings)
    assert pulled_at(tmp_path) == [None, noted(settings).read_at]


def test_pages_that_come_while_it_loads_wait_with_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading that ends once the loader has listed the pages is told by the next load."""
    with Simulator(shop()) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        pipeline.pull(settings)
        first = noted(settings).read_at

        def meanwhile(point: str) -> None:
            if point == "before-normalize":
                keep_last_pull(part_of(settings), LATER)

        monkeypatch.setattr(failpoints, "_action", meanwhile)
        pipeline.load(settings)
    assert noted(settings).read_at == LATER
    assert pulled_at(tmp_path) == [first]


def test_a_pull_that_fails_says_why_until_one_goes_well(tmp_path: Path) -> None:
    """The time of the one that went well stays."""
    with Simulator(shop(), faults=["401@5"]) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert pipeline.pull(settings).ok
        read_at = noted(settings).read_at
        assert not pipeline.pull(settings).ok
        assert noted(settings).read_at == read_at
        assert "401" in str(noted(settings).failed)
        assert pipeline.load(settings).sources["shop"].last_pull == noted(settings)
        assert pulled_at(tmp_path) == [read_at]
        assert pipeline.pull(settings).ok
    assert noted(settings).failed is None


def test_a_possible_loss_is_told_by_its_page_alone(tmp_path: Path) -> None:
    """It is counted when the page is loaded: once."""
    with Simulator(shop(), faults=["reset-body@2"]) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert not pipeline.pull(settings).ok
    assert noted(settings).failed is None
