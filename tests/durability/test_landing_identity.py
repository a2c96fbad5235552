"""Warehouse and landing belong together: pages of another landing are never taken for loaded."""

from pathlib import Path

from orderpull import load, pull, run
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.shops import rows, shop_settings


def test_another_landing_is_refused(tmp_path: Path) -> None:
    """Its pages have numbers that the ledger knows, and are not loaded: exit 2, nothing asked."""
    with Simulator(SkubanaAssessment(orders=60, per_call=10)) as simulator:
        settings = shop_settings(tmp_path, simulator.url, more="max_pages = 2")
        assert run(settings).ok
        (tmp_path / "landing").rename(tmp_path / "first")
        (tmp_path / "orders.duckdb").rename(tmp_path / "kept.duckdb")
        assert pull(settings).ok
        (tmp_path / "orders.duckdb").unlink()
        (tmp_path / "kept.duckdb").rename(tmp_path / "orders.duckdb")
        calls = simulator.connections
        for result in (run(settings), load(settings)):
            assert result.exit_code == 2
            assert "another landing" in str(result.error)
        assert simulator.connections == calls


def test_an_empty_landing_goes_on(tmp_path: Path) -> None:
    """Whoever cleared the landing pulls on: page numbers go on, and nothing is skipped."""
    with Simulator(SkubanaAssessment(orders=60, per_call=10)) as simulator:
        settings = shop_settings(tmp_path, simulator.url, more="max_pages = 3")
        assert run(settings).ok
        (tmp_path / "landing").rename(tmp_path / "first")
        assert run(settings).ok
    assert rows(tmp_path, "SELECT max(page), count(*) FROM orderpull_page") == [(6, 6)]
    assert rows(tmp_path, "SELECT count(*) FROM order_header") == [(60,)]


def test_a_new_warehouse_loads_the_whole_landing(tmp_path: Path) -> None:
    """A warehouse that is gone is built again from the landing, without asking the API."""
    with Simulator(SkubanaAssessment(orders=60, per_call=10)) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert run(settings).ok
        before = rows(tmp_path, "SELECT * EXCLUDE loaded_at FROM order_header ORDER BY ALL")
        for file in tmp_path.glob("orders.*"):
            file.unlink()
        calls = len(simulator.calls)
        assert load(settings).sources["shop"].counts.inserted == 60
        assert len(simulator.calls) == calls
    after = rows(tmp_path, "SELECT * EXCLUDE loaded_at FROM order_header ORDER BY ALL")
    assert after == before
