"""``orderpull replay --into``: another warehouse, the same orders, and the proof of it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from orderpull.landing.local import LocalSourceLanding
from orderpull.loading import pages
from orderpull.model import DATA_TABLES
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.operate.home import House, history, house
from tests.processes import start
from tests.servers import postgres_server
from tests.shops import rows, shop_settings
from tests.warehouses import Warehouse, warehouse

pytestmark = pytest.mark.slow

WAYS = [
    ("duckdb", "postgresql"),
    ("postgresql", "duckdb"),
    ("duckdb", "redshift"),
    ("redshift", "duckdb"),
]


def url_of(target: Warehouse) -> str:
    return str(target.lines.get("url") or f"duckdb:///{target.folder}/orders.duckdb")


def held(place: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """All orders of a warehouse, except when they were loaded."""
    return {
        table.name: sorted(
            place.query(
                f"SELECT {', '.join(n for n in table.names if n != 'loaded_at')} FROM {table.name}"
            ),
            key=repr,
        )
        for table in DATA_TABLES
    }


@pytest.mark.parametrize(("origin", "target"), WAYS)
@pytest.mark.parametrize("on_change", ["update", "ignore"])
def test_the_other_holds_the_same(
    origin: str, target: str, on_change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page instead of all at once, in another kind of warehouse: not a byte differs."""
    with warehouse(origin, tmp_path / "a") as here, warehouse(target, tmp_path / "b") as there:  # type: ignore[arg-type]
        home = House(here.folder, here)
        home.settings(f'on_change = "{on_change}"', there)
        home.land(*history())
        home.call("load", "--accept-rejects")
        monkeypatch.setattr(pages, "BATCH_ORDERS", 1)
        told = json.loads(home.call("replay", "--into", url_of(there), "--json").stdout)
        assert told["ok"] is told["equal"] is True
        assert told["sources"]["shop"]["pages"] == 3
        assert held(here) == held(there)
        reused = "SELECT page, position FROM orderpull_reject WHERE reason = 'number_reused'"
        assert here.query(reused) == there.query(reused)
        assert bool(here.query(reused)) is (on_change == "update")
        counts = {table["table"]: table["rows"] for table in told["tables"]}
        assert counts["orderpull_reject"]["target"] > 0
        assert counts["order_header"]["origin"] == len(held(here)["order_header"]) > 5
        again = home.call("replay", "--into", url_of(there)).stdout
        assert "had loaded every landed page already" in again
        assert f'url = "{url_of(there).partition("@")[0].rpartition(":")[0]}' in again


@pytest.mark.parametrize(("origin", "target"), WAYS[:2])
def test_a_difference_is_named_by_its_orders(origin: str, target: str, tmp_path: Path) -> None:
    """Exit 1; table, counts and order numbers, and nobody's name."""
    with house(origin, tmp_path / "a") as home, warehouse(target, tmp_path / "b") as there:  # type: ignore[arg-type]
        url = url_of(there)
        home.call("replay", "--into", url)
        there.query("UPDATE order_address SET name = 'Grace' WHERE ordernumber = '😀'")
        there.query("UPDATE order_address SET line2 = '' WHERE ordernumber = '#9'")
        there.query("DELETE FROM order_item WHERE ordernumber = '#10'")
        there.query("UPDATE orderpull_reject SET reason = 'else' WHERE ordernumber = 'B'")
        if target == "duckdb":
            there.query("UPDATE orderpull_run SET batches = batches + 1")
        shown = home.call("replay", "--into", url, code=1).stdout
        assert "order_address of shop: 2 rows differ (order #9, 😀)" in shown
        assert "order_item of shop: 2 rows differ (order #10)" in shown
        assert "orderpull_reject of shop: 1 row differs (reject 3:3)" in shown
        assert "Grace" not in shown
        told = json.loads(home.call("replay", "--into", url, "--json", code=1).stdout)
        unequal = {table["table"] for table in told["tables"] if not table["equal"]}
        assert unequal == {"order_address", "order_item", "orderpull_reject"}


def test_a_database_that_sorts_as_people_do(tmp_path: Path) -> None:
    """Its rows are compared and written in byte order all the same."""
    name = f"icu_{os.getpid()}"
    server = postgres_server()
    with server.connect() as admin:
        admin.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        )
    with house("duckdb", tmp_path / "a") as home:
        told = home.call("replay", "--into", server.url(name)).stdout
        assert "hold the same" in told
        home.call("export", str(tmp_path / "here"), "--answers", "--tables", "order_item")
        home.origin.lines["url"] = server.url(name)
        home.settings()
        home.call("export", str(tmp_path / "there"), "--answers", "--tables", "order_item")
    for file in (tmp_path / "here").iterdir():
        assert file.read_bytes() == (tmp_path / "there" / file.name).read_bytes(), file.name


def test_the_warehouse_is_lost(tmp_path: Path) -> None:
    """Nothing can be compared, which is said; all is loaded, and that is well."""
    with house("duckdb", tmp_path / "a") as home:
        before = held(home.origin)
        for file in home.folder.glob("orders*.duckdb"):
            file.unlink()
        shown = home.call("replay", "--into", "duckdb:///new.duckdb").stdout
        assert "Nothing was compared" in shown
        assert 'url = "duckdb:///new.duckdb"' in shown
        new = home.folder / "new.duckdb"
        new.rename(home.folder / "orders.duckdb")
        assert held(home.origin) == before


def test_pages_that_one_side_lacks(tmp_path: Path) -> None:
    """Who lacks which is said, and nothing else compared: exit 1. What waits here waits on."""
    with house("duckdb", tmp_path / "a") as home:
        home.land(history()[0], history()[1])
        told = json.loads(
            home.call("replay", "--into", "duckdb:///new.duckdb", "--json", code=1).stdout
        )
        assert told["lacking"] == {"shop": {"origin": "4-5", "target": ""}}
        assert told["tables"] == []
        assert "load 2 landed pages" in home.call("status").stdout
        home.call("load", "--accept-rejects")
        home.call("replay", "--into", "duckdb:///new.duckdb")
        LocalSourceLanding(home.folder / "landing" / "shop", "shop").file_of(2).unlink()
        shown = home.call("replay", "--into", "duckdb:///newer.duckdb", code=1).stdout
        assert "newer.duckdb has not loaded these pages of shop: 2." in shown


@pytest.mark.parametrize(
    "url", ["duckdb:///orders.duckdb", "duckdb:///link.duckdb", "duckdb:///orders.snapshot.duckdb"]
)
def test_the_same_file_is_refused(url: str, tmp_path: Path) -> None:
    """By its name, by a link, or by its snapshot."""
    with house("duckdb", tmp_path / "a") as home:
        (home.folder / "link.duckdb").symlink_to(home.folder / "orders.duckdb")
        told = home.call("replay", "--into", url, code=2).stderr
        assert "is the warehouse that orderpull.toml names" in told


def test_the_same_database_is_refused(tmp_path: Path) -> None:
    """By another name of its host, too; another schema of it is another warehouse."""
    with house("postgresql", tmp_path / "a") as home:
        url = url_of(home.origin).replace("127.0.0.1", "localhost")
        assert "orderpull.toml names" in home.call("replay", "--into", url, code=2).stderr
        home.origin.query("CREATE SCHEMA other")
        elsewhere = f"{url}?options=-csearch_path%3Dother"
        shown = home.call("replay", "--into", elsewhere).stdout
        assert "hold the same" in shown
        assert postgres_server().password not in shown


def test_an_environment_variable_in_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read as in the settings, and shown as it was given."""
    with house("duckdb", tmp_path / "a") as home:
        told = home.call("replay", "--into", "duckdb:///${NEW_PLACE}", code=2).stderr
        assert "NEW_PLACE" in told
        monkeypatch.setenv("NEW_PLACE", "named.duckdb")
        assert "${NEW_PLACE}" in home.call("replay", "--into", "duckdb:///${NEW_PLACE}").stdout
        assert (home.folder / "named.duckdb").exists()


def test_a_landing_without_pages(tmp_path: Path) -> None:
    """A wrong landing.url makes no empty warehouse that looks well."""
    with warehouse("duckdb", tmp_path / "a") as here:
        home = House(here.folder, here)
        home.settings()
        told = home.call("replay", "--into", "duckdb:///new.duckdb", code=2).stderr
        assert "nothing to rebuild from" in told
        assert not (here.folder / "new.duckdb").exists()


def test_too_many_rejects_stop_it_until_they_are_accepted(tmp_path: Path) -> None:
    """Exit 1 and a hint for this very command; with --accept-rejects all is the same."""
    shop = SkubanaAssessment(orders=200, per_call=200, malformed=0.5)
    with Simulator(shop) as simulator:
        home = House(tmp_path, Warehouse("duckdb", tmp_path, {}, lambda _: []))
        shop_settings(tmp_path, simulator.url)
        home.call("run", "--accept-rejects")
    stopped = home.call("replay", "--into", "duckdb:///new.duckdb", code=1)
    assert "run the same command with --accept-rejects" in stopped.stderr
    assert "Nothing was compared" in stopped.stdout
    assert "change one line" not in stopped.stdout
    shown = home.call("replay", "--into", "duckdb:///new.duckdb", "--accept-rejects").stdout
    assert "hold the same" in shown


def test_an_answer_lost_long_ago_is_no_failure_now(tmp_path: Path) -> None:
    """What was cut off when it was pulled is told, and does not make the rebuilding fail."""
    with Simulator(SkubanaAssessment(orders=60, per_call=20), faults=["reset-body@2"]) as simulator:
        home = House(tmp_path, Warehouse("duckdb", tmp_path, {}, lambda _: []))
        shop_settings(tmp_path, simulator.url)
        home.call("run", "--accept-rejects", code=1)
        home.call("run", "--accept-rejects")
    shown = home.call("replay", "--into", "duckdb:///new.duckdb", "--accept-rejects").stdout
    assert "1 response was incomplete" in shown
    assert "hold the same" in shown


@pytest.mark.parametrize(
    ("kind", "point"),
    [("duckdb", "before-commit:4"), ("postgresql", "rows-inserted:2"), ("duckdb", "committed:3")],
)
def test_killed_half_way(kind: Any, point: str, tmp_path: Path) -> None:
    """SIGKILL in the middle, then the same again: it goes on, and all is the same."""
    folder = tmp_path / "a"
    folder.mkdir()
    with (
        Simulator(SkubanaAssessment(orders=480, per_call=60, versions=0.3)) as simulator,
        warehouse(kind, tmp_path / "b") as there,
    ):
        shop_settings(folder, simulator.url)
        home = House(folder, there)
        home.call("run")
        calls = len(simulator.calls)
        arguments = ("-m", "orderpull", "replay", "--into", url_of(there))
        killed = start(*arguments, cwd=folder, kill_at=point, batch=100)
        _, errors = killed.communicate(timeout=120)
        assert killed.returncode == -signal.SIGKILL, errors.decode()
        told = json.loads(home.call("replay", "--into", url_of(there), "--json").stdout)
        assert told["equal"] is True
        ((pages,),) = rows(folder, "SELECT count(*) FROM orderpull_page")
        assert 0 < told["sources"]["shop"]["pages"] < pages
        assert len(simulator.calls) == calls
        table = next(t for t in told["tables"] if t["table"] == "order_header")
        assert rows(folder, "SELECT count(*) FROM order_header") == [(table["rows"]["target"],)]
