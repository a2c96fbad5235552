"""A warehouse that cannot be used: exit 2, a clear sentence, and nothing asked of the API."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orderpull import run
from orderpull.model import SCHEMA_VERSION
from orderpull.simulator import Call, Simulator, SkubanaAssessment
from tests.shops import rows, shop_settings


def a_folder(file: Path) -> None:
    file.mkdir()


def a_text(file: Path) -> None:
    file.write_text("not a database\n" * 1000)


def an_sqlite_database(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()


def half_a_database(file: Path) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range FROM range(100000)")
    file.write_bytes(file.read_bytes()[:3000])


def somebody_elses_tables(file: Path) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE order_item (a INTEGER)")


def a_newer_schema(file: Path) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TABLE orderpull_schema (version BIGINT, migrated_at TIMESTAMP, made_by VARCHAR)"
        )
        connection.execute(
            f"INSERT INTO orderpull_schema VALUES ({SCHEMA_VERSION + 1}, NULL, 'newer')"
        )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_folder, "is a folder"),
        (a_text, "not a DuckDB file"),
        (an_sqlite_database, "not a DuckDB file"),
        (half_a_database, "cannot"),
        (somebody_elses_tables, "already has tables named order_item"),
        (a_newer_schema, "Update orderpull"),
    ],
)
def test_a_wrong_file(make: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    """It is named, it is not touched, and the consume-once endpoint is not even connected to."""
    file = tmp_path / "orders.duckdb"
    make(file)
    before = file.read_bytes() if file.is_file() else b""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        result = run(shop_settings(tmp_path, simulator.url))
    assert result.exit_code == 2
    assert said in str(result.error)
    assert str(file) in str(result.error)
    assert "0 landed pages wait" in str(result.error)
    assert simulator.connections == 0
    assert file.is_dir() or file.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("duckdb:////proc/orders.duckdb", "cannot be opened"),
        ("duckdb:///nowhere/orders.duckdb", "does not exist"),
    ],
)
def test_a_place_that_cannot_be_written(url: str, said: str, tmp_path: Path) -> None:
    """The same for a folder that is not there, or that takes no file."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        result = run(shop_settings(tmp_path, simulator.url, destination=f'url = "{url}"'))
    assert result.exit_code == 2
    assert said in str(result.error)
    assert simulator.connections == 0


def test_pages_that_wait_are_counted(tmp_path: Path) -> None:
    """Told how many landed pages wait while the warehouse is out of reach."""
    file = tmp_path / "orders.duckdb"
    with Simulator(SkubanaAssessment(orders=30, per_call=10)) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        lost_before_loading(simulator, file)
        assert run(settings).exit_code == 1
        result = run(settings)
        assert result.exit_code == 2
        assert "3 landed pages wait" in str(result.error)


@pytest.mark.slow
def test_a_warehouse_that_fails_after_the_pull(tmp_path: Path) -> None:
    """Exit 1, all pages wait, and once it is mended a plain run loads them all."""
    file = tmp_path / "orders.duckdb"
    with Simulator(SkubanaAssessment(orders=30, per_call=10)) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        lost_before_loading(simulator, file)
        result = run(settings)
        assert result.exit_code == 1
        assert "waits in the landing" in str(result.error)
        file.unlink()
        result = run(settings)
        truth = simulator.truth()
    assert result.exit_code == 0
    assert result.sources["shop"].counts.inserted == 30
    held = rows(tmp_path, "SELECT ordernumber FROM order_header")
    assert {row[0] for row in held} == set(truth["orders"])


def lost_before_loading(simulator: Simulator, file: Path) -> None:
    """Have the warehouse overwritten by garbage while the last page is answered."""

    def spoil(call: Call) -> None:
        if call.number == 3:
            file.write_bytes(b"garbage" * 4096)

    simulator._gate = spoil
