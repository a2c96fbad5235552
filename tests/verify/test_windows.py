"""Random histories of a shop, as they were loaded: whatever span of time is compared, nothing differs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

from orderpull.destinations.duckdb import DuckdbDestination
from orderpull.settings import Settings
from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import Source
from orderpull.verify.landing import LandingTables
from orderpull.verify.result import Difference
from orderpull.verify.scope import Scope
from tests.destinations.merge.drawn import histories
from tests.destinations.merge.history import History, Page
from tests.normalize import helpers
from tests.sources.random.seeds import FACTOR
from tests.warehouses import warehouse

pytestmark = pytest.mark.slow
FIRST_DAY = datetime(2026, 7, 1)

some = hypothesis_settings(
    max_examples=2 * FACTOR,
    derandomize=FACTOR == 1,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest version wins; numbers are reused, some orders are bad, some in the trash."""

    @given(loads=histories(renumbered=True, bad=False, reused=True))
    @some
    def holds(loads: list[list[Page]]) -> None:
        differ(tmp_path, monkeypatch, loads)

    holds()


def test_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some orders are bad; each keeps its number."""

    @given(loads=histories(renumbered=False, bad=True, reused=False))
    @some
    def holds(loads: list[list[Page]]) -> None:
        differ(tmp_path, monkeypatch, loads)

    holds()


def test_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with on_change = "ignore"."""

    @given(loads=histories(renumbered=True, bad=True, reused=True))
    @some
    def holds(loads: list[list[Page]]) -> None:
        differ(tmp_path, monkeypatch, loads, on_change="ignore")

    holds()


names = iter(range(10**6))


def differ(
    folder: Path, monkeypatch: pytest.MonkeyPatch, loads: list[list[Page]], **settings: Any
) -> None:
    """Load *loads*, one page a day; fail if anything differs since the day of any page."""
    here = folder / str(next(names))
    with warehouse("duckdb", here, prepared=True) as made:
        destination = made.open()
        assert isinstance(destination, DuckdbDestination)
        with destination.loader() as loader:
            history = History(here, loader, **settings)
            for pages in loads:
                for page in pages:
                    day = FIRST_DAY + timedelta(days=history.pages)
                    monkeypatch.setattr(helpers, "RECEIVED", f"{day:%Y-%m-%d}T08:00:00Z")
                    history.serve(page)
                history.load()
        destination.publish(finished=True)
        spans = [None, *(FIRST_DAY + timedelta(days=day) for day in range(1, history.pages + 1))]
        for since in spans:
            assert list(differences(history, destination, since)) == [], since
        destination.close()


def differences(
    history: History, destination: DuckdbDestination, since: datetime | None
) -> Iterator[Difference]:
    source = Source(history.name, history.settings, history.api)
    scope = Scope(Settings(), source, history.landing, destination, since, False, Stop())
    with destination.reader() as reader:
        scope.opened = reader
        yield from LandingTables().compare(scope)
