"""A replay on a real cluster of two workers: exact, whoever is killed, and fit to go on from."""

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orderpull import Settings, pipeline, read_settings
from orderpull.spark.attempts import clean
from orderpull.spark.replay import replay
from tests.spark.shop import Row, hashes, new_shop, stored
from tests.spark.standalone import KeptSession, Standalone, standalone

pytestmark = pytest.mark.long
VERSIONS = int(os.environ.get("ORDERPULL_SPARK_VERSIONS", "50000"))


def of_parquet(folder: Path) -> Callable[[str], list[Row]]:
    """Queries the tables in *folder*."""
    connection = duckdb.connect()
    for table in folder.iterdir():
        if table.is_dir():
            files = f"read_parquet('{table}/*.parquet')"
            connection.execute(f"CREATE VIEW {table.name} AS FROM {files}")
    return lambda statement: connection.execute(statement).fetchall()


def of_duckdb(file: Path) -> Callable[[str], list[Row]]:
    connection = duckdb.connect(str(file), read_only=True)
    return lambda statement: connection.execute(statement).fetchall()


@contextmanager
def killing(cluster: Standalone, name: str, when: Callable[[], bool]) -> Any:
    """Kill worker *name* with its Python processes as soon as *when* is true."""
    killed = threading.Event()

    def watch() -> None:
        while not killed.is_set():
            if when():
                cluster.kill_worker(name)
                killed.set()
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
        assert killed.is_set(), "the job was over before the kill"
    finally:
        killed.set()
        thread.join()


def test_two_workers_make_what_one_machine_makes(tmp_path: Path, record_property: Any) -> None:
    """The same rows as plain dicts; with a worker killed in the map, and in the write stage."""
    shop = new_shop(tmp_path / "shop", VERSIONS)
    expected = shop.truth.tables()
    settings: Settings = read_settings(shop.folder / "orderpull.toml")
    parts = shop.folder / ".orderpull-spark"

    def tasks_done() -> bool:
        tracker = session.kept.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(s) for s in tracker.getActiveStageIds()]
        return any(s.numCompletedTasks >= 1 and s.numTasks > 2 for s in stages if s)

    def part_written() -> bool:
        return any(parts.glob("*/parts/order_item/*.parquet"))

    with standalone(tmp_path) as cluster:
        session = KeptSession(cluster.url)
        try:
            again = partial(replay, cluster=session, accept_rejects=True)
            result = again(settings, "parquet:one")
            assert sum(r.counts.fetched for r in result.records.values()) == shop.truth.fetched
            assert hashes(stored(of_parquet(shop.folder / "one"))) == hashes(expected)
            assert not again(settings, "parquet:one").records
            with killing(cluster, "worker-1", tasks_done):
                again(settings, "parquet:two")
            assert hashes(stored(of_parquet(shop.folder / "two"))) == hashes(expected)
            cluster.start_worker("worker-2")
            with killing(cluster, "worker-0", part_written):
                again(settings, "duckdb:///three.duckdb")
            assert hashes(stored(of_duckdb(shop.folder / "three.duckdb"))) == hashes(expected)
            assert not parts.exists()
            assert clean(parts) == []
        finally:
            session.close()
    more = [order | {"changed": "2026-11-01T00:00:00Z"} for order in _first_page(shop)]
    shop.land(more)
    (shop.folder / "orderpull.toml").write_text(
        '[destination]\nurl = "duckdb:///three.duckdb"\n'
        + (shop.folder / "orderpull.toml").read_text()
    )
    settings = read_settings(shop.folder / "orderpull.toml")
    loaded = pipeline.load(settings)
    assert loaded.ok
    assert loaded.sources["shop"].pages == 1
    now = hashes(shop.truth.tables())
    assert hashes(stored(of_duckdb(shop.folder / "three.duckdb"))) == now


def _first_page(shop: Any) -> list[dict[str, Any]]:
    _, body = shop.landing.read(1)
    return list(json.loads(body)["orders"])
