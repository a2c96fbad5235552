"""Stopping: by a signal, by a second one, and by the limits that a run was given."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orderpull.errors import PossibleLoss
from orderpull.simulator import Call, Replay, Simulator, SkubanaAssessment
from tests.sources.shop import SourceShop, enveloped, record

pytestmark = pytest.mark.slow

PATIENCE = 60


def endless() -> SkubanaAssessment:
    """Orders for ever, 20 at once."""
    return SkubanaAssessment(per_call=20, endless=True, seed=5)


class Gate:
    """Counts the calls at the simulator's door, and may hold one back.

    :param hold: the number of the call that gets no answer before :meth:`open`.
    """

    def __init__(self, hold: int | None = None) -> None:
        self._hold = hold
        self._came = threading.Condition()
        self._opened = threading.Event()
        self._calls = 0

    def __call__(self, call: Call) -> None:
        with self._came:
            self._calls += 1
            self._came.notify_all()
        if call.number == self._hold:
            self._opened.wait(PATIENCE)

    def wait_for(self, calls: int) -> None:
        """Wait until so many calls have come."""
        with self._came:
            assert self._came.wait_for(lambda: self._calls >= calls, PATIENCE)

    def open(self) -> None:
        self._opened.set()


@contextmanager
def running(shop: SourceShop) -> Iterator[subprocess.Popen[str]]:
    """``orderpull run --json`` as a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "orderpull", "run", "--json"],
        cwd=shop.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_stops_after_the_page_in_hand(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The answer under way is read and kept, all is loaded, and the next run goes on from there."""
    gate = Gate(hold=4)
    with Simulator(endless(), gate=gate) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url)
        with running(shop) as process:
            gate.wait_for(4)
            process.send_signal(number)
            assert process.stderr
            while "Stopping after the page in hand" not in process.stderr.readline():
                assert process.poll() is None
            gate.open()
            out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert len(simulator.requests) == 4
        told = json.loads(out)
        assert told["ok"] is False
        assert told["sources"]["shop"]["fetched"] == 80
        assert told["sources"]["shop"]["possible_loss"] == 0
        assert len(shop.pages()) == 4
        assert shop.in_flight() == []
        shop.more = "max_pages = 2"
        shop.__post_init__()
        assert shop.run().exit_code == 0
        assert len(simulator.requests) == 6
        assert shop.orders() == simulator.truth()["orders"]


def test_a_second_signal_ends_at_once_and_the_next_run_tells_what_may_be_lost(
    tmp_path: Path,
) -> None:
    """An answer that never comes holds the first signal up, not the second."""
    gate = Gate(hold=3)
    with Simulator(endless(), gate=gate) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, "max_pages = 2")
        assert shop.run().exit_code == 0
        with running(shop) as process:
            gate.wait_for(3)
            process.send_signal(signal.SIGINT)
            assert process.stderr
            while "again to end at once" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGINT
        gate.open()
        assert shop.in_flight() == ["000000000003.part"]

        result = shop.run_one()
        assert isinstance(result.error, PossibleLoss)
        assert "A process was killed during a response of http" in str(result.error)
        assert result.possible_loss == 1
        assert len(simulator.requests) == 3
        result = shop.run_one()
        assert (result.error, result.possible_loss) == (None, 0)
        lost = set(simulator.requests[2].orders)
        held = set(shop.orders())
        handed_out = {number for call in simulator.requests for number in call.orders}
        assert handed_out - held == lost
    assert shop.query("SELECT sum(possible_loss) FROM orderpull_run") == [(1,)]


def test_a_signal_ends_a_wait(tmp_path: Path) -> None:
    """A run that was told to come back in ten minutes does not sleep through a signal."""
    gate = Gate()
    faults = ["429:retry-after=600"]
    with Simulator(endless(), faults, gate=gate) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url)
        with running(shop) as process:
            assert process.stderr
            while "wait=600.0s" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        assert process.returncode == 143
        assert len(simulator.requests) == 1
        assert (shop.pages(), shop.in_flight()) == ([], [])


def test_max_pages_ends_an_endless_api_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """So many pages, exit 0; the next run brings the next ones."""
    with Simulator(endless()) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, "max_pages = 3")
        for runs in (1, 2):
            result = shop.run()
            assert result.exit_code == 0
            assert result.sources["shop"].pages == 3
            assert len(simulator.requests) == 3 * runs
        assert shop.orders() == simulator.truth()["orders"]
    assert len(shop.orders()) == 120


def test_max_seconds_ends_an_endless_api_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """Time is up after a page: exit 0, all that came is loaded."""
    with Simulator(endless(), latency=0.05) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, "max_seconds = 0.2")
        for _ in range(2):
            before = len(simulator.requests)
            assert shop.run().exit_code == 0
            assert 1 <= len(simulator.requests) - before <= 4
        assert shop.orders() == simulator.truth()["orders"]
        assert shop.query("SELECT max(pulled_at) FROM orderpull_run") == [(None,)]


def test_a_limit_ends_an_ordinary_api_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pages by position have no place to go on from: the limit is kept, exit 0, and it is said."""
    orders = [{"orderNumber": f"A-{number}", "orderItems": []} for number in range(60)]
    bodies = [enveloped(orders[at : at + 20], 60) for at in (0, 20, 40)]
    with Simulator(Replay(record(tmp_path / "rec", bodies, 20))) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, "max_pages = 2", api="ordinary.toml")
        pulled = shop.pull()
        assert len(simulator.requests) == 2
    assert (pulled.error, pulled.finished_at, pulled.orders) == (None, None, 40)
    assert (
        "stopped after 2 pages, as set; the next run starts again at the same page" in caplog.text
    )
