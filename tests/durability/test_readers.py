"""Readers and the loader never break each other."""

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from orderpull import Settings, pipeline, read_settings
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.durability.holder import HOLDER

READER = """
import pathlib, time
from orderpull.destinations import open_destination
from orderpull.settings import DestinationSettings
snapshot = open_destination(DestinationSettings(), pathlib.Path())
seen, reads = 0, 0
while not pathlib.Path("stop").exists():
    with snapshot.reader() as reader:
        connection = reader.connection
        now = connection.execute("SELECT orders FROM average_items_per_order").fetchone()[0]
        held = connection.execute("SELECT count(*) FROM order_header").fetchone()[0]
    assert held >= seen, f"{held} orders after {seen}"
    assert 0 < now <= held
    seen, reads = held, reads + 1
    time.sleep(0.02)
print(reads, seen)
"""

RUNS = """
from orderpull import pipeline, read_settings
for _ in range(25):
    result = pipeline.run(read_settings())
    assert result.ok, result.as_json()
"""


@pytest.mark.slow
@pytest.mark.long
def test_runs_under_readers(tmp_path: Path) -> None:
    """One reader keeps the snapshot open, one opens it in a loop: 25 runs go well, nobody errs."""
    shop = SkubanaAssessment(endless=True, per_call=20, seed=3)
    with Simulator(shop) as simulator:
        settings = _settings(tmp_path, simulator.url, "max_pages = 1")
        assert pipeline.run(settings).ok
        kept = duckdb.connect(str(tmp_path / "orders.snapshot.duckdb"), read_only=True)
        before = kept.execute("SELECT count(*) FROM order_header").fetchone()
        looping = subprocess.Popen(
            [sys.executable, "-c", READER], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        runs = subprocess.run(
            [sys.executable, "-c", RUNS], cwd=tmp_path, capture_output=True, check=False
        )
        (tmp_path / "stop").touch()
        output, errors = looping.communicate(timeout=60)
        assert looping.returncode == 0, errors
        assert kept.execute("SELECT count(*) FROM order_header").fetchone() == before
        kept.close()
    assert runs.returncode == 0, runs.stderr.decode()
    reads, seen = map(int, output.split())
    assert reads > 10
    assert seen == 26 * 20


def test_a_reader_of_the_warehouse_itself_is_named(tmp_path: Path) -> None:
    """A program has the warehouse itself open: exit 2, told which, no request."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        settings = _settings(tmp_path, simulator.url)
        assert pipeline.run(settings).ok
        held = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(", read_only=True")],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert held.stdout is not None
        assert held.stdout.readline() == "open\n"
        calls = simulator.connections
        result = pipeline.run(_settings(tmp_path, simulator.url, lock_wait=0.2))
        held.communicate("\n")
    assert result.exit_code == 2
    assert str(held.pid) in str(result.error)
    assert "orders.snapshot.duckdb" in str(result.error)
    assert simulator.connections == calls


def test_a_lock_let_go_in_time_is_waited_for(tmp_path: Path) -> None:
    """A short lock by another process delays a run and does not fail it."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        settings = _settings(tmp_path, simulator.url)
        assert pipeline.run(settings).ok
        held = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format("")],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert held.stdout is not None
        assert held.stdout.readline() == "open\n"
        threading.Timer(0.5, lambda: held.communicate("\n")).start()
        assert pipeline.run(settings).ok
    held.wait()


def test_the_snapshot_is_renewed_after_a_kill(tmp_path: Path) -> None:
    """A run that brings nothing still mends a snapshot that is missing or behind."""
    with Simulator(SkubanaAssessment(orders=30)) as simulator:
        settings = _settings(tmp_path, simulator.url)
        assert pipeline.run(settings).ok
        (tmp_path / "orders.snapshot.duckdb").write_bytes(b"half a snapshot")
        assert pipeline.run(settings).ok
    with duckdb.connect(str(tmp_path / "orders.snapshot.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM order_header").fetchone() == (30,)


def test_a_run_without_news_leaves_the_snapshot(tmp_path: Path) -> None:
    """Nothing new and nothing stale: not a byte of the snapshot is copied."""
    with Simulator(SkubanaAssessment(orders=2000, per_call=1000)) as simulator:
        settings = _settings(tmp_path, simulator.url)
        assert pipeline.run(settings).ok
        snapshot = tmp_path / "orders.snapshot.duckdb"
        inode = snapshot.stat().st_ino
        assert pipeline.run(settings).ok
    assert snapshot.stat().st_ino == inode


def _settings(folder: Path, url: str, more: str = "", lock_wait: float = 30) -> Settings:
    text = (
        f"[destination]\nlock_wait = {lock_wait}\n"
        f'[sources.shop]\napi = "skubana-assessment"\nbase_url = "{url}"\n{more}\n'
    )
    file = folder / "orderpull.toml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file)
