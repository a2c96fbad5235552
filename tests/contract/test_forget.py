"""Forget a person: nothing of them stays anywhere, and every sale still counts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderpull import clock
from orderpull.cli import main
from orderpull.failpoints import set_action
from orderpull.operate.replay import replay
from tests.forget.person import (
    NAME,
    OTHER,
    PERSON,
    counted,
    everything,
    forget,
    person_shop,
    persons,
    raw,
    to,
)
from tests.rollup_oracle import differing
from tests.traces import traces
from tests.warehouses import Warehouse, warehouse


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds pass between two looks at the clock, so that each run finds a listing due."""
    now = datetime.now(UTC).replace(tzinfo=None)
    ticks = iter(range(1, 10_000))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=2 * next(ticks)))


@pytest.fixture
def temporary(place: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test alone, where left-over folders are deleted."""
    del place  # its server has to be there first
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def customers(place: Warehouse) -> dict[str, str | None]:
    """The hash of each order's customer."""
    return dict(place.query("SELECT ordernumber, customer FROM order_header"))


def test_nothing_of_the_person_stays(place: Warehouse, temporary: Path) -> None:
    """Neither a replay, nor a new version, nor a rebuilt warehouse brings anything back."""
    listed = person_shop(place)
    file = place.folder / "listed.toml"
    mapped = 'customer = "customer.email"\n[order.address]'
    file.write_text(file.read_text(encoding="utf-8").replace("[order.address]", mapped), "utf-8")
    assert listed.run().error is None
    (known,) = {customers(place)[number] for number in ("N-2", "N-6")}
    assert known
    del listed.shop.orders[6]
    assert listed.run().error is None
    assert listed.states()["N-6"] == ("deleted at source", False)
    before = counted(place)
    assert {text for _, text in traces(PERSON, everything(place, temporary))} == {*PERSON}

    planned = json.loads(forget(listed, "--name", NAME.upper(), "--dry-run", "--json").output)
    assert planned["sources"]["shop"]["count"] == 4
    assert planned["sources"]["shop"]["rejects"] == 1
    assert traces(PERSON, everything(place, temporary))
    done = json.loads(forget(listed, "--name", f" {NAME.lower()} ", "--yes", "--json").output)
    assert sorted(done["orders"]["shop"]) == ["N-2", "N-3", "N-5", "N-6"]
    assert done["left"] == []
    assert traces(PERSON, everything(place, temporary)) == []
    assert counted(place) == before
    assert differing(place.query, "UTC") == []
    assert persons(place)["N-2"] == persons(place)["N-6"] == (None, None, None)
    assert known not in customers(place).values()
    assert persons(place)["N-4"] == (OTHER, "Elsewhere 1", "1")

    assert replay(listed.settings).changed == {"shop": 0}
    listed.shop.place(2, to=to(phone="0"), state="sent", **raw())
    listed.shop.place(5, to=to(), lines=[{"sku": "A", "n": 2}], **raw())
    assert listed.run().error is None
    assert listed.states()["N-2"] == ("sent", True)
    assert "N-5" in listed.states()
    assert traces(PERSON, everything(place, temporary)) == []
    assert differing(place.query, "UTC") == []
    forget(listed, "--yes")
    assert replay(listed.settings).changed == {"shop": 0}
    assert known not in customers(place).values()
    with warehouse("duckdb", place.folder / "anew") as anew:
        url = f"duckdb:///{anew.folder}/orders.duckdb"
        target = CliRunner().invoke(
            main, ["--config", str(listed.settings.file), "replay", "--into", url, "--json"]
        )
        assert json.loads(target.output)["equal"], target.output
    assert traces(PERSON, everything(place, temporary)) == []


@pytest.mark.slow
def test_statistics_of_rejects_that_are_gone(tmp_path: Path) -> None:
    """PostgreSQL keeps the frequent values of a table that has become empty."""
    with warehouse("postgresql", tmp_path, prepared=True) as server:
        server.query(
            f"""INSERT INTO orderpull_reject (source, reject_key, raw)
                SELECT 'shop', n::text, '{PERSON[1]}' FROM generate_series(1, 20) AS n"""
        )
        for statement in ("ANALYZE orderpull_reject", "DELETE FROM orderpull_reject"):
            server.query(statement)
        assert traces(PERSON, everything(server)) == [("pg_stats", PERSON[1])]
        destination = server.open()
        assert destination.scrub() == []
        destination.close()
        assert traces(PERSON, everything(server)) == []
        assert server.query("SELECT 1 FROM orderpull_reject") == []


def test_a_load_that_goes_on_meanwhile_brings_nobody_back(
    place: Warehouse, temporary: Path
) -> None:
    """It has the orders in memory when they are forgotten, and is overtaken."""
    if place.kind == "duckdb":
        pytest.skip("a load holds the file's lock")
    listed = person_shop(place)

    def reached(point: str) -> None:
        if point == "judged":
            set_action(None)
            in_use = place.kind == "redshift"  # the load's own files in the bucket
            forget(listed, "--name", NAME, "--yes", code=int(in_use))

    set_action(reached)
    try:
        assert listed.run().error is None
    finally:
        set_action(None)
    assert persons(place)["N-2"] == (None, None, None)
    assert persons(place)["N-4"] == (OTHER, "Elsewhere 1", "1")
    assert traces(PERSON, everything(place, temporary)) == []
    assert replay(listed.settings).changed == {"shop": 0}
