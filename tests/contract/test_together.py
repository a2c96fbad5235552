"""Many at one warehouse: two loaders on one source, and readers all the while."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from orderpull import clock, load, pull, report
from orderpull.destinations.loader import Loader
from orderpull.destinations.merge.rollups import RollupWriter
from orderpull.destinations.protocol import RunRecord
from orderpull.destinations.redshift.session import RedshiftSession
from orderpull.failpoints import set_action
from orderpull.operate.replay import replay
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.contract.stored import stored_orders
from tests.warehouses import Warehouse

ORDERS, PER_CALL = 400, 50


def pulled(place: Warehouse) -> tuple[Any, dict[str, Any]]:
    """Pages that wait, and the truth about them."""
    with Simulator(SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=8)) as simulator:
        settings = place.settings(simulator.url, lock_wait=60)
        assert pull(settings).ok
        return settings, simulator.truth()["orders"]


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run *jobs* side by side; what each returned, or raised."""
    found: list[Any] = [None] * len(jobs)

    def work(nth: int) -> None:
        try:
            found[nth] = jobs[nth]()
        except BaseException as error:  # noqa: BLE001 - told by who asked
            found[nth] = error

    threads = [threading.Thread(target=work, args=(nth,)) for nth in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a deadlock"
    return found


@contextmanager
def meeting_before_the_lock(count: int) -> Any:
    """Loaders wait for each other, once each, when they are about to lock."""
    barrier, met = threading.Barrier(count), set[int]()

    def reached(point: str) -> None:
        if point == "before-lock" and threading.get_ident() not in met:
            met.add(threading.get_ident())
            barrier.wait(60)

    kept = set_action(reached)
    try:
        yield
    finally:
        set_action(kept)


@pytest.mark.parametrize("batch", [100, 25_000])
def test_two_loaders_at_once(
    batch: int, server: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They judge the same pages at the same time: one is overtaken, and judges anew."""
    monkeypatch.setattr("orderpull.loading.pages.BATCH_ORDERS", batch)
    settings, truth = pulled(server)
    server.open().preflight()
    with meeting_before_the_lock(2):
        results = at_once(lambda: load(settings), lambda: load(settings))
    assert [result.exit_code for result in results] == [0, 0], results
    assert stored_orders(server) == truth
    assert sum(result.sources["shop"].counts.inserted for result in results) == ORDERS
    runs = server.query("SELECT sum(fetched), sum(inserted), sum(pages) FROM orderpull_run")
    assert [tuple(map(int, row)) for row in runs] == [(ORDERS, ORDERS, ORDERS // PER_CALL)]
    assert server.query("SELECT count(*) FROM orderpull_page") == [(ORDERS // PER_CALL,)]


def test_without_lock_and_ledger_two_loaders_duplicate(
    redshift: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lock is for: Redshift enforces no key, and SNAPSHOT lets both insert."""

    @contextmanager
    def unlocked(session: RedshiftSession) -> Any:
        session.execute("BEGIN")
        session.execute("SELECT count(*) FROM order_header")
        barrier.wait(60)
        yield
        session.execute("COMMIT")

    barrier = threading.Barrier(2)
    settings, _ = pulled(redshift)
    redshift.open().preflight()
    with redshift.open().loader():  # makes the summaries, which would be one more lock
        pass
    monkeypatch.setattr(RollupWriter, "apply_delta", lambda *_, **__: None)
    monkeypatch.setattr(RedshiftSession, "writing", unlocked)
    monkeypatch.setattr(Loader, "_refuse_overtaken", lambda *_: None)
    monkeypatch.setattr("orderpull.pipeline.Pipeline.preflight", _learn_alone)
    at_once(lambda: load(settings), lambda: load(settings))
    ((rows, orders),) = redshift.query(
        "SELECT count(*), count(DISTINCT ordernumber) FROM order_header"
    )
    assert (rows, orders) == (2 * ORDERS, ORDERS)


def _learn_alone(pipeline: Any) -> None:
    """Preflight, without trying the lock."""
    for name in pipeline.sources:
        pipeline.landing.check(name)
    with pipeline.destination.loader() as loader:
        for name in pipeline.sources:
            pipeline._load_state(loader, name)


def test_a_run_that_ends_late_leaves_the_others_state(server: Warehouse) -> None:
    """Its row is written; what the ledger says of the source is what the last load said."""
    destination = server.open()
    destination.preflight()
    now = clock.now()
    with destination.loader() as early, destination.loader() as late:
        first = replace(late.state("shop"), cursor="old", loads=1)
        newer = replace(early.state("shop"), cursor="new", loaded_through=7, loads=1)
        early.record([RunRecord("shop", "run", now)], {"shop": newer})
        late.record([RunRecord("shop", "load", now)], {"shop": first})
        assert late.state("shop") == newer
        last = replace(newer, cursor="newest", loads=2)
        early.record([RunRecord("shop", "run", now)], {"shop": last})
        assert late.state("shop").cursor == "newest"
    assert server.query("SELECT run, command FROM orderpull_run ORDER BY 1") == [
        (1, "run"), (2, "load"), (3, "run"),
    ]  # fmt: skip


def test_what_another_loader_wrote_since_the_comparison_is_no_repeated_order(
    server: Warehouse,
) -> None:
    """The rows of both are the same ones: the loader that comes second is overtaken."""
    settings, truth = pulled(server)
    server.open().preflight()
    others: list[Any] = []

    def reached(point: str) -> None:
        if point == "judged" and not others:
            others.append(None)
            others.append(load(settings))

    kept = set_action(reached)
    try:
        result = load(settings)
    finally:
        set_action(kept)
    assert [result.exit_code, others[1].exit_code] == [0, 0], result
    assert stored_orders(server) == truth


def test_a_replay_that_is_overtaken_says_so(server: Warehouse) -> None:
    """It changes nothing, and says to run again."""
    settings, _ = pulled(server)
    assert load(settings).ok
    overtaken = threading.Event()

    def reached(point: str) -> None:
        if point == "before-lock" and not overtaken.is_set():
            overtaken.set()
            server.query("UPDATE orderpull_cursor SET loads = loads + 1")

    kept = set_action(reached)
    try:
        replayed = replay(settings)
    finally:
        set_action(kept)
    assert overtaken.is_set()
    assert "Another orderpull loaded source 'shop'" in str(replayed.result.error)


def test_readers_see_no_half_load_and_wait_for_nobody(
    server: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a load is stopped in the middle of its transaction, answers come, whole and old."""
    monkeypatch.setattr("orderpull.loading.pages.BATCH_ORDERS", 100)
    settings, truth = pulled(server)
    server.open().preflight()
    inside, go_on = threading.Event(), threading.Event()

    def reached(point: str) -> None:
        if point in {"rows-deleted", "rows-inserted", "before-commit"}:
            inside.set()
            assert go_on.wait(60)

    kept = set_action(reached)
    seen = []
    try:
        loading = threading.Thread(target=lambda: seen.append(load(settings)))
        loading.start()
        assert inside.wait(60)
        began = time.monotonic()
        answer = report(settings)
        assert answer.average["orders"] == 0
        assert time.monotonic() - began < 30, "the reader waited for the loader"
    finally:
        go_on.set()
        loading.join(120)
        set_action(kept)
    assert seen[0].ok
    assert stored_orders(server) == truth


@pytest.mark.long
def test_readers_all_the_while(server: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is of whole batches: its three parts agree, and it never goes back."""
    monkeypatch.setattr("orderpull.loading.pages.BATCH_ORDERS", PER_CALL)
    settings, _ = pulled(server)
    server.open().preflight()
    done = threading.Event()

    def read() -> list[int]:
        found = []
        while not done.is_set():
            answer = report(settings, top=1_000_000)
            assert sum(row["quantity"] for row in answer.overall) == answer.average["quantity"]
            assert sum(row["quantity"] for row in answer.by_country) == answer.average["quantity"]
            found.append(answer.average["orders"])
        return found

    def write() -> Any:
        try:
            return load(settings)
        finally:
            done.set()

    counts, result = at_once(read, write)
    assert result.ok
    assert isinstance(counts, list), counts
    assert counts == sorted(counts)
