"""Orders that an older orderpull loaded get the columns that a migration adds, run by run."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from orderpull import clock, pipeline
from orderpull.model import SCHEMA_VERSION
from orderpull.operate.replay import replay, replay_into
from orderpull.operate.status import status
from orderpull.terminal.runs import show_rebuilt
from orderpull.verify.verify import Options, verify
from tests.contract import list_shop
from tests.contract.list_shop import Listed
from tests.processes import start
from tests.rollup_oracle import differing
from tests.warehouses import Warehouse, aged

ORDERS, PER_PAGE = 14, 5
MAPPED = {
    "[order.address]": 'currency = "money"\ntotal = "total"\ncustomer = "mail"\n[order.address]',
    "[order.lines]": '[order.lines]\ntitle = "title"\namount = "came_to"\nreturned = "back"',
}
POINTS = (
    ("before-commit", 1),  # of the migration
    ("before-commit", 2),  # of the rollups
    ("load-begun", 1),
    ("summarised", 1),
    ("rows-deleted", 1),
    ("rows-inserted", 1),
    ("ledger-written", 1),
    ("committed", 1),
)
GONE, CHANGED = 3, 5
"""Orders that were deleted, and changed, before the migration."""


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds pass between two looks at the clock, so that each run finds a listing due."""
    now = datetime.now(UTC).replace(tzinfo=None)
    ticks = iter(range(1, 10_000))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=2 * next(ticks)))


def money(number: int) -> dict[str, Any]:
    """What a later API file reads of an order."""
    lines = [
        {"sku": "A", "n": number, "title": f"Pen {number}", "came_to": f"{number}.25", "back": 1},
        {"sku": "B", "n": 1, "title": "Ink", "came_to": None, "back": None},
    ]
    mail = f"{number % 3}@x.example"
    return {"money": "EUR", "total": f"{number}.5", "mail": mail, "lines": lines}


def older(place: Warehouse, more: str = "") -> Listed:
    """A warehouse of schema 4, whose API file read no money; today's file does."""
    listed = Listed(place, 0, f'reconcile = "1s"\n{more}')
    for number in range(1, ORDERS + 1):
        listed.shop.place(number, **money(number))
    assert listed.run().ok
    del listed.shop.orders[GONE]
    listed.shop.place(CHANGED, **money(CHANGED), state="sent")
    assert listed.run().ok
    listed.run()
    for statement in aged(4):
        place.query(statement)
    text = list_shop.API
    for before, after in MAPPED.items():
        text = text.replace(before, after)
    (place.folder / "listed.toml").write_text(text, encoding="utf-8")
    return listed


def check_filled(place: Warehouse, *, first_stays: bool = False) -> None:
    """Each order has what today's API file reads, and a customer is the same for all its orders."""
    rows = place.query(
        "SELECT h.ordernumber, h.status, h.total, h.currency, h.customer, i.title, i.amount, "
        "i.returned FROM order_header h JOIN order_item i ON i.ordernumber = h.ordernumber "
        "WHERE i.sku = 'A'"
    )
    assert len(rows) == ORDERS
    customers: dict[int, set[str]] = {}
    for number, state, total, currency, customer, title, amount, returned in rows:
        n = int(number[2:])
        word = {GONE: "deleted at source", CHANGED: "sent"}.get(n, "paid")
        assert state == ("paid" if first_stays else word)
        expected = (Decimal(f"{n}.5"), "EUR", f"Pen {n}", Decimal(f"{n}.25"), 1)
        assert (total, currency, title, amount, returned) == expected
        customers.setdefault(n % 3, set()).add(customer)
    assert [len(each) for each in customers.values()] == [1, 1, 1]
    assert all(len(each) == 32 for one in customers.values() for each in one)


def check_well(listed: Listed) -> None:
    """Nothing differs: not from the landing, nor from a warehouse that was made anew."""
    result = verify(listed.settings, options=Options(deep=True, offline=True)).sources["shop"]
    assert (result.differences, result.error) == ([], None)
    again = replay_into(listed.settings, f"duckdb:///{listed.place.folder}/anew.duckdb")
    assert again.exit_code == 0, again.as_json()
    assert again.compared
    assert again.compared.equal


def left(listed: Listed) -> dict[str, int] | None:
    """What ``status`` says is still to be filled."""
    return status(listed.settings).sources["shop"].refill


def test_each_run_fills_some(place: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old rows, a deleted order's too; sums and values are right in between, and in the end."""
    monkeypatch.setattr("orderpull.loading.refill.REFILL_ORDERS", PER_PAGE)
    listed = older(place)
    steps = []
    for _ in range(9):
        result = listed.run()
        assert result.ok, result.as_json()
        assert differing(place.query, "UTC") == []
        steps.append(left(listed))
        if steps[-1] is None:
            break
        if len(steps) == 1:
            found = verify(listed.settings, options=Options(deep=True, offline=True))
            assert found.sources["shop"].differences == []
            assert "still lack the columns" in " ".join(found.sources["shop"].notes)
    assert len(steps) > 3
    assert steps[-1] is None
    check_filled(place)
    check_well(listed)
    hashes = "SELECT ordernumber, content_hash FROM order_header ORDER BY 1"
    before = place.query(hashes)
    assert listed.run().ok
    assert place.query(hashes) == before


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_replay_fills_all(
    place: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once, and under ``on_change = "ignore"`` the first versions.

    Another warehouse that is made meanwhile differs, and why is said.
    """
    listed = older(place, 'on_change = "ignore"\n')
    with monkeypatch.context() as patch:
        patch.setattr("orderpull.loading.refill.REFILL_ORDERS", PER_PAGE)
        assert pipeline.load(listed.settings).ok
    noted = left(listed)
    assert noted is not None
    other = f"duckdb:///{place.folder}/other.duckdb"
    rebuilt = replay_into(listed.settings, other)
    assert rebuilt.exit_code == 1
    assert rebuilt.as_json()["unfilled"] == {"origin": {"shop": noted}, "target": {}}
    show_rebuilt(rebuilt, other, Console(width=400))
    told = capsys.readouterr().out
    assert f"pages {noted['from']} to {noted['to']} of shop still lack the columns" in told
    assert "run `orderpull replay` first" in told
    assert replay(listed.settings).result.ok
    assert left(listed) is None
    check_filled(place, first_stays=True)
    check_well(listed)


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_pages_that_cannot_be_read_end_nothing(place: Warehouse) -> None:
    """A page that is damaged is told and passed by; one that is gone is passed by."""
    listed = older(place)
    pages = sorted((place.folder / "landing" / "shop").rglob("*.zst"))
    pages[0].write_bytes(pages[0].read_bytes()[:-9])
    pages[1].unlink()
    result = listed.run()
    assert result.ok, result.as_json()
    assert "page 1 have no new columns" in " ".join(result.sources["shop"].notes)
    assert left(listed) is None
    filled = place.query("SELECT page FROM order_header WHERE total IS NOT NULL")
    assert len(filled) == ORDERS - 7  # the others came with these two pages alone
    assert not {(1,), (2,)} & {*filled}
    assert differing(place.query, "UTC") == []


@pytest.mark.slow
def test_killed_at_each_step(
    place: Warehouse, record_property: Callable[[str, object], None]
) -> None:
    """Migration, rollups and refill, killed one after the other: whole in the end."""
    listed = older(place)
    for point, time in POINTS:
        process = start(
            "-m", "orderpull", "load", cwd=place.folder, kill_at=f"{point}:{time}", batch=PER_PAGE
        )
        _, errors = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, (point, time, errors.decode())
        current = place.query("SELECT max(version) FROM orderpull_schema")
        if current == [(SCHEMA_VERSION,)] and place.query("SELECT 1 FROM summary_state"):
            assert differing(place.query, "UTC") == []
    record_property("kill matrix", {
        "killed at": ", ".join(point for point, _ in POINTS), "times": "migration",
        "handed out": ORDERS, "in tables": ORDERS, "lost": 0, "allowed": 0, "by": place.kind,
    })  # fmt: skip
    assert pipeline.load(listed.settings).ok  # which renews the snapshot, too
    while left(listed):
        assert pipeline.load(listed.settings).ok
    check_filled(place)
    assert differing(place.query, "UTC") == []
    check_well(listed)
