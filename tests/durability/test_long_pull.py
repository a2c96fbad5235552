"""A pull that goes on for long is loaded meanwhile, and a load that fails then loses nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orderpull import Settings, pipeline, run
from orderpull.loading.pages import PendingPages
from orderpull.simulator import Call, Simulator, SkubanaAssessment
from tests.durability.holder import HOLDER
from tests.shops import rows, shop_settings


@pytest.fixture(autouse=True, params=["each page in time", "each page a batch"])
def _load_after_each_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    by_time = request.param == "each page in time"
    monkeypatch.setattr(pipeline, "LOAD_WITHIN_SECONDS", 0.0 if by_time else 3600.0)
    monkeypatch.setattr(pipeline, "LOAD_FROM_ORDERS", 10**9 if by_time else 10)


def all_loaded(settings: Settings, within: float = 30.0) -> bool:
    """Whether every landed page is loaded by and by, while the next answer is waited for."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not PendingPages(pipeline.Pipeline(settings).landing_of("shop")).pages():
            return True
        time.sleep(0.05)
    return False


def test_pages_are_loaded_while_others_are_pulled(tmp_path: Path) -> None:
    """When the fourth page is asked for, three are in the warehouse; counts add up at the end."""
    loaded: list[bool] = []

    def look(call: Call) -> None:
        if call.number == 4:
            loaded.append(all_loaded(settings))

    with Simulator(SkubanaAssessment(orders=60, per_call=10), gate=look) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        result = run(settings)
    assert result.ok
    assert loaded == [True]
    assert result.sources["shop"].counts.inserted == 60
    assert result.sources["shop"].pages == 6
    [(run_number, pages, batches)] = rows(tmp_path, "SELECT run, pages, batches FROM orderpull_run")
    assert (run_number, pages) == (1, 6)
    assert 2 <= batches <= 6


def test_a_lock_taken_meanwhile_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """Exit 1, the pages wait; a plain re-run brings every order once."""
    held: list[subprocess.Popen[str]] = []

    def lock(call: Call) -> None:
        if call.number == 2 and not held:
            assert all_loaded(settings)
            process = subprocess.Popen(
                [sys.executable, "-c", HOLDER.format("")],
                cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            held.append(process)

    with Simulator(SkubanaAssessment(orders=60, per_call=10), gate=lock) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        result = run(settings)
        assert result.exit_code == 1
        assert "is locked by" in str(result.error)
        held[0].communicate("\n")
        assert run(settings).ok
        truth = simulator.truth()
    numbers = rows(tmp_path, "SELECT ordernumber FROM order_header")
    assert sorted(row[0] for row in numbers) == sorted(truth["orders"])
