"""Repairs: killed at each point, beside another loader, in several transactions, of forgotten pages."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orderpull import clock
from orderpull.destinations import restore
from orderpull.errors import Overtaken
from orderpull.landing.expired import delete_expired, expired_pages
from orderpull.landing.local import LocalSourceLanding
from orderpull.verify import landed, repair
from tests.failpoints import REPAIR_POINTS
from tests.operate.home import House
from tests.processes import start
from tests.rollup_oracle import differing
from tests.verify.drills import Drill, drilled

pytestmark = pytest.mark.slow


def test_killed_at_a_point(tmp_path: Path) -> None:
    """Each order is as it was or as it should be; the next load or repair does the rest."""
    with drilled("duckdb", tmp_path) as home:
        for number, point in enumerate(REPAIR_POINTS):
            drill = Drill(home, random.Random(number))
            drill.delete(5)
            drill.change(5)
            drill.falsify()
            before = everything(home)
            process = start(
                "-m",
                "orderpull",
                "verify",
                "--deep",
                "--repair",
                cwd=tmp_path,
                kill_at=f"{point}:1",
            )
            _, errors = process.communicate(timeout=120)
            assert process.returncode == -signal.SIGKILL, errors.decode()
            if point == "chunk-restored":  # the rollups are marked as outdated: any load mends them
                home.call("load")
                assert differing(home.origin.query, "UTC") == []
                drill.falsify()
                home.origin.query("DELETE FROM summary_state")  # so does the next repair
            else:
                assert everything(home) == before
            home.call("verify", "--deep", "--repair")
            assert differing(home.origin.query, "UTC") == []


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_in_several_transactions(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders that have swapped their ids are written in one."""
    monkeypatch.setattr(repair, "CHUNK", 3)
    with drilled(kind, tmp_path) as home:
        drill = Drill(home, random.Random(3))
        drill.delete(10)
        for number, id_ in (("N1", "for a moment"), ("N150", "p1"), ("N1", "p150")):
            home.origin.query(
                f"UPDATE order_header SET order_id = '{id_}' WHERE ordernumber = '{number}'"
            )
        home.call("verify", "--deep", "--repair")
        runs = home.origin.query("SELECT batches FROM orderpull_run WHERE command = 'repair'")
        assert runs[0][0] > 3
        assert differing(home.origin.query, "UTC") == []


def test_another_loader_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads between each plan of a repair and its first transaction: nothing is changed."""
    with drilled("postgresql", tmp_path) as home:
        drill = Drill(home, random.Random(4))
        drill.delete(5)
        before = everything(home)

        overtakers = [1] * repair.TRIES

        def overtaken(*arguments: Any) -> None:
            if overtakers:
                overtakers.pop()
                home.origin.query("UPDATE orderpull_cursor SET loads = loads + 1")
            restore.restore(*arguments)

        monkeypatch.setattr(repair, "restore", overtaken)
        told = home.call("verify", "--deep", "--repair", code=Overtaken.exit_code).output
        assert "loaded source 'shop'" in told
        assert everything(home) == before
        overtakers[:] = [1]
        home.call("verify", "--deep", "--repair")


def test_a_page_that_was_never_loaded(tmp_path: Path) -> None:
    """The ledger lost a page, and the tables its orders: it is loaded as if it waited."""
    with drilled("duckdb", tmp_path) as home:
        (page,) = Drill(home, random.Random(1)).pages()[:1]
        orders = {
            number
            for (number,) in home.origin.query(
                f"SELECT ordernumber FROM order_header WHERE page = {page}"
            )
        }
        for table in ("order_address", "order_item", "order_header"):
            names = ", ".join(f"'{each}'" for each in orders)
            home.origin.query(f"DELETE FROM {table} WHERE ordernumber IN ({names})")
        home.origin.query(f"DELETE FROM orderpull_page WHERE page = {page}")
        drill = Drill(home, random.Random(1))
        named = drill.verify(code=1)
        assert (f"page {page}", "missing", "landing-tables") in named
        assert {(n, "missing", "landing-tables") for n in orders} <= named
        left = drill.verify("--repair", code=1)
        assert {order for order, _, _ in left} <= {f"run {run}" for run in range(9)}


def everything(home: House) -> list[list[tuple[Any, ...]]]:
    """The orders of a warehouse."""
    return [
        sorted(home.origin.query(f"SELECT * FROM {table}"), key=str)
        for table in ("order_header", "order_address", "order_item")
    ]


def test_what_only_deleted_pages_explain_stays(tmp_path: Path) -> None:
    """After keep_days, pages that are left have old versions of orders: no repair goes back to them.

    Orders whose newest version is on such a page are repaired, be later pages deleted or not.
    """
    with drilled("duckdb", tmp_path) as home:
        drill = Drill(home, random.Random(1))
        landing = LocalSourceLanding(tmp_path / "landing" / "shop", "shop")
        kept = {landing.pages()[-1], drill.pages()[0]}
        deleted = set(landing.pages()) - kept
        assert min(deleted) < min(kept) < max(deleted)
        delete_expired(landing, expired_pages(landing), clock.now(), deleted)
        assert drill.verify(code=0) == set()
        numbers = {
            order["no"] for page in kept for order in json.loads(landing.read(page)[1])["orders"]
        }
        newest = dict(drill.run("SELECT ordernumber, page FROM order_header"))
        stale = {number for number in numbers if newest[number] in deleted}
        seen = numbers - stale
        assert stale
        assert {newest[number] for number in seen} == kept
        for number in numbers:
            drill.run(f"UPDATE order_address SET city = 'Elsewhere' WHERE ordernumber = '{number}'")
        damaged, whole = everything(home), min(seen, key=lambda number: newest[number])
        for table in ("order_header", "order_address", "order_item"):
            drill.run(f"DELETE FROM {table} WHERE ordernumber = '{whole}'")
        left = drill.verify("--repair", code=1)
        assert {order for order, _, _ in left} == stale
        cities = drill.run("SELECT ordernumber FROM order_address WHERE city = 'Elsewhere'")
        assert {number for (number,) in cities} == stale
        for before, after in zip(damaged, everything(home), strict=True):
            assert {row for row in before if row[0] not in seen} <= {*after}
            assert {row[0] for row in before} == {row[0] for row in after}


def test_a_full_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says where to make room; the other comparisons go on."""

    def full(*_: object) -> None:
        raise duckdb.IOException("Could not write file: No space left on device")

    with drilled("duckdb", tmp_path) as home:
        drill = Drill(home, random.Random(1))
        drill.delete(1)
        monkeypatch.setattr(landed, "_load_once", full)
        told = home.call("verify", "--deep", code=1).output
        assert "could not be compared: Could not write file: No space left on device." in told
        assert "TMPDIR" in told
        assert "rollups" in told
