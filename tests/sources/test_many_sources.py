"""Hundreds of sources at once: none in another's way, and bounded in threads and memory."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orderpull import pipeline
from orderpull.destinations.loader import Loader
from orderpull.errors import DestinationError
from orderpull.landing.local import LocalSourceLanding
from orderpull.pulling import MAX_ACTIVE, THREADS
from orderpull.settings import read_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop import TOKEN
from orderpull.simulator.shop.generic import Generic
from orderpull.sources.http.limits import Stop
from tests.docs.markdown import ROOT
from tests.processes import start
from tests.sources.multi_shop import MultiShop, shops
from tests.sources.shop import SourceShop
from tests.sources.signing import WAYS

pytestmark = pytest.mark.slow

MEMORY = 700 << 20
"""Bytes that 140 sources may take; 32 MiB of JSON is the largest batch."""


def truth_of(street: MultiShop, names: list[str]) -> set[tuple[str, str, int]]:
    """Source, order and pieces of all that *names* have."""
    return {
        (name, order["number"], sum(order["items"].values()))
        for name in names
        for order in street.shops[name].truth()["orders"].values()
    }


def held(shop: SourceShop) -> set[tuple[str, str, int]]:
    """The same, of the warehouse."""
    return set(
        shop.query(
            """SELECT source, ordernumber, coalesce(sum(quantity), 0)::BIGINT FROM order_header
               LEFT JOIN order_item USING (source, ordernumber) GROUP BY 1, 2"""
        )
    )


def loaded(shop: SourceShop, name: str) -> bool:
    """Whether what was pulled of *name* is loaded, and its pull has ended."""
    landing = LocalSourceLanding(shop.folder / "landing" / name, name)
    note = landing.note("loaded.json") or b""
    return (
        landing.note("read.json") is not None
        and f'"through":{len(landing.pages())},'.encode() in note
    )


def measured(pid: int) -> tuple[int, int]:
    """Threads of a process now, and the most memory that it has had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    told = dict(line.split(":", 1) for line in lines)
    return int(told["Threads"]), int(told["VmHWM"].split()[0]) << 10


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured by Linux's /proc")
def test_more_sources_than_threads_of_which_some_are_in_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 are dead and 7 throttled: the other 131 are loaded while those still wait.

    Then somebody stops the run: exit 130, and all that was landed is there.
    """
    names = [f"s{number:03}" for number in range(138)]
    assert len(names) > THREADS
    throttled = names[0::20]
    well = [name for name in names if name not in throttled]
    street = MultiShop(
        names,
        lambda n: Generic(orders=3, seed=n, odd=False, total="body"),
        dict.fromkeys(throttled, 600.0),
    )
    with (
        Simulator(street) as simulator,
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.create_server(("127.0.0.1", 0)) as gone,
    ):
        urls = {"silent": silent, "gone": gone}
        addresses = {name: f"http://127.0.0.1:{s.getsockname()[1]}" for name, s in urls.items()}
        gone.close()
        addresses |= {name: f"{simulator.url}/{name}" for name in names}
        shop = shops(tmp_path, addresses, "timeout = 10")
        with subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "sources" / "cli_eager_load.py"), "run"],
            cwd=tmp_path, env=os.environ.copy(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                most = memory = 0
                left = set(well)
                while left and process.poll() is None:
                    threads, memory = measured(process.pid)
                    most = max(most, threads)
                    left -= {name for name in left if loaded(shop, name)}
                    time.sleep(0.2)
                assert process.poll() is None
                assert all(len(street.asked[name]) == 1 for name in throttled)
                process.send_signal(signal.SIGINT)
                said = (process.communicate(timeout=120)[1] or b"").decode()
            finally:
                process.kill()
        assert process.returncode == 130, said
    assert truth_of(street, well) == held(shop)
    assert "Nothing listens at" in said
    with capsys.disabled():
        print(f"\n{len(addresses)} sources: {most} threads, {memory >> 20} MB")  # noqa: T201
    assert most <= THREADS + 2 * MAX_ACTIVE + 2 * (os.cpu_count() or 1)
    assert memory < MEMORY


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting, measured by Linux's /proc")
def test_landed_pages_leave_no_memory_behind(tmp_path: Path) -> None:
    """180 pages of a megabyte, from 60 sources at once: 6 MB stay in use, and 70 without the setting."""
    program = ROOT / "tests" / "sources" / "pulls_of_large_pages.py"
    run = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 30 << 20


def test_waiting_sources_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may ask at a time, and the first two are told to wait: the third is pulled all the same."""
    monkeypatch.setattr(pipeline, "MAX_ACTIVE", 1)
    names = ["first", "second", "third"]
    waits = {"first": 600.0, "second": 600.0}
    street = MultiShop(names, lambda n: Generic(orders=3, seed=n), waits)
    stop = Stop()

    class Watching(pipeline.Listener):
        def on_page(self, source: str, pulled: object) -> None:
            stop.set(2)

    with Simulator(street) as simulator:
        shop = shops(tmp_path, {name: f"{simulator.url}/{name}" for name in names})
        result = pipeline.pull(shop.settings, stop=stop, listener=Watching())
    assert result.exit_code == 130
    assert shop.pages("third")


def test_one_credential_is_one_limit(tmp_path: Path) -> None:
    """Twenty sources with one token at 20 calls a second: no more than that over all."""
    names = [f"s{number:02}" for number in range(20)]
    street = MultiShop(names, lambda n: Generic(auth="bearer", orders=45, seed=n))
    with Simulator(street) as simulator:
        WAYS["bearer"].shop(tmp_path, simulator.url)
        more = f'token = "{TOKEN}"\nstart = "2020-01-01"\nrate = 20'
        urls = {name: f"{simulator.url}/{name}" for name in names}
        shop = SourceShop(tmp_path, urls, "api.toml", more)
        assert pipeline.pull(shop.settings).exit_code == 0
    times = sorted(at for asked in street.asked.values() for at in asked)
    assert len(times) > 40
    assert times[-1] - times[0] > (len(times) - 1) / 20 - 0.5
    crowded = max(sum(at <= t < at + 1 for t in times) for at in times)
    assert crowded <= 30


def test_each_credential_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """Two calls an hour, for each of ten: nobody waits for another's turn."""
    names = [f"s{number:02}" for number in range(10)]
    street = MultiShop(names, lambda n: Generic(orders=3, seed=n))
    with Simulator(street) as simulator:
        WAYS["bearer"].shop(tmp_path, simulator.url)
        text = "".join(
            f'[sources.{name}]\napi = "api.toml"\nbase_url = "{simulator.url}/{name}"\n'
            f'token = "token of {name}"\nstart = "2020-01-01"\nrate = 0.0005\nmax_pages = 1\n'
            for name in names
        )
        (tmp_path / "orderpull.toml").write_text(text, encoding="utf-8")
        assert pipeline.pull(read_settings(tmp_path / "orderpull.toml")).exit_code == 0
    assert [len(street.asked[name]) for name in names] == [1] * 10


def test_a_destination_that_fails_meanwhile_ends_the_pulls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for who is told to wait; what was pulled waits, and the next run loads it."""
    names = [f"s{number}" for number in range(6)]
    street = MultiShop(names, lambda n: Generic(orders=30, seed=n), {"s0": 600.0})
    with Simulator(street) as simulator, monkeypatch.context() as changed:
        urls = {name: f"{simulator.url}/{name}" for name in names}
        shop = shops(tmp_path, urls, "page_size = 5")

        def fails(*_: object) -> None:
            raise DestinationError("The disk of the warehouse is full.", "Make room.")

        changed.setattr(pipeline, "LOAD_WITHIN_SECONDS", 0.3)
        changed.setattr(Loader, "apply", fails)
        result = shop.run()
        assert result.exit_code == 1
        assert "What was pulled waits in the landing." in str(result.error)
        changed.undo()
        del street.slow["s0"]
        assert shop.run().exit_code == 0
    assert truth_of(street, names) == held(shop)


def test_sources_loaded_together_and_killed(tmp_path: Path) -> None:
    """A kill within the joint transaction, another after it: each source is there once."""
    names = [f"s{number}" for number in range(4)]
    street = MultiShop(names, lambda n: Generic(orders=20, seed=n))
    with Simulator(street) as simulator:
        shop = shops(tmp_path, {name: f"{simulator.url}/{name}" for name in names})
        for point in ("rows-inserted:1", "committed:1", ""):
            process = start("-m", "orderpull", "run", cwd=tmp_path, kill_at=point)
            process.communicate(timeout=120)
            assert process.returncode == (-signal.SIGKILL if point else 0)
    assert truth_of(street, names) == held(shop)
    assert shop.query(
        "SELECT count(*), count(DISTINCT loaded_at) FROM orderpull_page WHERE page = 1"
    ) == [(len(names), 1)]
