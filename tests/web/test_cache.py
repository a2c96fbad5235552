"""The cache of the pages: single flight, new snapshots, failures, concurrent connections."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.destinations.duckdb import DuckdbDestination
from orderpull.errors import DestinationError, UsageError
from orderpull.web import cache
from orderpull.web.cache import SingleFlightCache, WarehouseCache
from tests.warehouses import warehouse
from tests.web.shop import Order, fill, finished_run, get, rows_of, serving, settings_in

pytestmark = pytest.mark.slow


def orders(reader: Any) -> int:
    return int(reader.rows(OrderQueries().order_totals(Filter()))[0]["orders"])


def test_a_new_snapshot_is_read_and_an_old_one_kept_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is opened once, however often it is asked; a new one replaces it."""
    opened = 0
    reader = DuckdbDestination.reader

    def counted(destination: DuckdbDestination) -> Any:
        nonlocal opened
        opened += 1
        return reader(destination)

    monkeypatch.setattr(DuckdbDestination, "reader", counted)
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("1")], [finished_run(1)]))
    cached = WarehouseCache(settings)
    assert [cached.read(orders) for _ in range(3)] == [1, 1, 1]
    assert opened == 1
    fill(settings, rows_of([Order("2")], [finished_run(2)]))
    assert [cached.read(orders) for _ in range(3)] == [2, 2, 2]
    assert opened == 2


def test_after_a_failure_it_is_opened_anew(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("1")], [finished_run(1)]))
    cached = WarehouseCache(settings)

    def fails(reader: Any) -> None:
        reader.connection.close()
        raise DestinationError("gone")

    with pytest.raises(DestinationError, match="gone"):
        cached.read(fails)
    assert cached.read(orders) == 1


def test_where_there_is_nothing_it_says_so_until_there_is(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    cached = WarehouseCache(settings)
    for _ in range(2):
        with pytest.raises(DestinationError, match="nothing to read yet"):
            cached.read(orders)
    fill(settings, rows_of([Order("1")], [finished_run(1)]))
    assert cached.read(orders) == 1


def test_a_server_answers_several_at_once(tmp_path: Path) -> None:
    """Each waits within its question until the other is in its own."""
    with warehouse("postgresql", tmp_path) as place:
        place.open().preflight()
        cached = WarehouseCache(place.settings("http://127.0.0.1:9"))
        both = threading.Barrier(2, timeout=30)
        threads = [
            threading.Thread(target=lambda: cached.read(lambda _: both.wait())) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not both.broken
        assert cached.read(orders) == 0


def test_what_many_ask_at_once_is_computed_once() -> None:
    answers = SingleFlightCache(2)
    begun, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        begun.set()
        assert go_on.wait(30)
        return 7

    found: list[int] = []
    asking = [
        threading.Thread(target=lambda: found.append(answers.get("a", compute))) for _ in "1234"
    ]
    for thread in asking:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in asking:
        thread.join()
    assert (found, len(calls)) == ([7] * 4, 1)

    def fail() -> int:
        raise UsageError("no")

    with pytest.raises(UsageError):
        answers.get("b", fail)
    assert answers.get("b", lambda: 8) == 8
    assert answers.get("c", lambda: 9) == 9
    assert answers.get("a", lambda: 10) == 10  # The oldest made room.


def test_a_new_load_is_seen_and_nothing_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page asked again is answered from the cache; after a load it shows the new orders."""
    monkeypatch.setattr(cache, "CHECK_SECONDS", 0.05)
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("1", items={"PEN": 2})], [finished_run()]))
    with serving(settings) as site:
        assert b"in 1 order<" in get(f"{site}/orders?sku=PEN&period=all").data
        fill(settings, rows_of([Order("2", items={"PEN": 3})], [finished_run(2)]))
        deadline = time.monotonic() + 30
        while b"in 2 orders<" not in get(f"{site}/orders?sku=PEN&period=all").data:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (tmp_path / "orders.snapshot.duckdb").unlink()
        while get(f"{site}/").status != 503:
            assert time.monotonic() < deadline
            time.sleep(0.02)
