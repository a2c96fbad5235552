"""Addresses that an API blanks later are kept, however the pages come to be loaded together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orderpull import clock, pipeline
from orderpull.operate.replay import replay, replay_into
from tests.contract.list_shop import Listed
from tests.warehouses import Warehouse, warehouse

BLANK = {"country": "DE", "line": None, "name": None, "city": None}


@pytest.fixture(params=["duckdb", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    with warehouse(request.param, tmp_path / "here") as made:
        yield made


def addresses(place: Warehouse) -> dict[str, tuple[str, str]]:
    rows = place.query("SELECT ordernumber, line1, name FROM order_address")
    return {number: (line, name) for number, line, name in rows}


def moved(line: str) -> dict[str, str]:
    return {"country": "DE", "line": line, "name": "Ada", "city": "Ulm"}


@pytest.mark.slow
def test_an_address_is_kept_though_it_is_blanked_before_it_was_loaded(place: Warehouse) -> None:
    """Two pulls, then one load; the same read again, here and elsewhere."""
    listed = Listed(place, 3, "keep_address = true\n")
    for change in ({}, {"to": moved("Gasse 2")}, {"to": BLANK, "state": "sent"}):
        if change:
            listed.shop.place(2, **change)
        assert pipeline.pull(listed.settings, send=listed.shop.send).ok
    assert pipeline.load(listed.settings).ok
    should = {"N-1": ("Weg 1", "Ada"), "N-2": ("Gasse 2", "Ada"), "N-3": ("Weg 3", "Ada")}
    assert addresses(place) == should
    assert replay(listed.settings).result.ok
    assert addresses(place) == should
    rebuilt = replay_into(listed.settings, "duckdb:///other.duckdb")
    assert rebuilt.compared is not None
    assert rebuilt.compared.equal


@pytest.mark.slow
def test_an_older_address_does_not_come_back(
    place: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is stored and what is read again the newer is kept."""
    now = datetime.now(UTC).replace(tzinfo=None)
    ticks = iter(range(1, 10_000))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=next(ticks)))
    listed = Listed(place, 2, "keep_address = true\nfull_reread_days = 0.0001\n")
    older = listed.shop.orders[1]
    listed.shop.place(1, to=moved("Gasse 1"))
    assert listed.run().ok
    listed.shop.place(1, to=BLANK, state="sent")
    listed.shop.orders[99] = older  # the list still has the first version, too
    assert listed.run().ok
    assert listed.states()["N-1"] == ("sent", True)
    assert addresses(place)["N-1"] == ("Gasse 1", "Ada")
