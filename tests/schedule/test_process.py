"""`orderpull schedule` as a process: one at a time, no overlap, and it ends when told to."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from orderpull.schedule.state import StateFile
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.cli.conversation import conversation
from tests.docs.markdown import ROOT, marked
from tests.shops import rows, shop_settings

LONG = 60.0
"""Seconds after which a test gives up; nothing here takes nearly as long."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orderpull", *arguments]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``orderpull schedule ARGUMENTS``; what it says on stderr is in the file ``told``."""
    with (folder / "told").open("a") as told:
        process = subprocess.Popen(
            command("schedule", *arguments), cwd=folder, stderr=told, text=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(fulfilled: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def called(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, timeout=LONG, check=False
    )


def status(folder: Path) -> dict:
    found = json.loads(called(folder, "status", "--json").stdout)["schedule"]
    assert isinstance(found, dict)
    return found


def noted(folder: Path) -> dict:
    """The schedule's note, as it lies on the disk: asked often, and at once."""
    file = folder / ".orderpull" / "schedule.json"
    return json.loads(file.read_text()) if file.exists() else {}


def ended(process: "subprocess.Popen[str]", number: int) -> int:
    process.send_signal(number)
    return process.wait(LONG)


@pytest.mark.slow
def test_on_a_terminal_each_run_and_the_next_one_are_shown(tmp_path: Path) -> None:
    """A line for each source: its counts, or that it failed; then when it goes on."""
    with Simulator(SkubanaAssessment(orders=60, malformed=2, seed=2)) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert settings.file is not None
        bad = '[sources.bad]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'
        settings.file.write_text(bad + settings.file.read_text())
        with conversation(tmp_path, "schedule", "--every", "1s") as talk:
            talk.waits_for("Running every 1s - Ctrl-C ends it.\n")
            talk.waits_for("  bad  failed\n")
            talk.waits_for("  shop  60 orders: 58 inserted, 2 rejected\n")
            talk.waits_for("Nothing listens").waits_for("next run ")
            talk.waits_for("  shop  nothing new\n").waits_for("next run ")
            talk.types("\x03", "")
            assert talk.ends() == 130


@pytest.mark.slow
def test_it_runs_again_and_again_and_status_tells(tmp_path: Path) -> None:
    """Three orders' pages for each run: all come, none twice; status tells before, meanwhile, after."""
    with Simulator(SkubanaAssessment(orders=60, per_call=10, seed=2)) as simulator:
        shop_settings(tmp_path, simulator.url, "max_pages = 2")
        with running(tmp_path, "--every", "2s") as process:
            until(lambda: simulator.truth()["handed_out"] == 60 and len(simulator.calls) > 7)
            assert ended(process, signal.SIGTERM) == 143
        with running(tmp_path, "--every", "1h") as process:
            until(lambda: noted(tmp_path).get("next") and noted(tmp_path)["pid"] == process.pid)
            told = status(tmp_path)
            assert told["running"] is True
            assert told["pid"] == process.pid
            assert told["rhythm"] == "every 1h"
            assert told["since"] <= told["last_began"] <= told["last_ended"] <= told["next"]
            shown = json.loads(marked(ROOT / "docs" / "commands.md", "json: status, schedule").text)
            assert list(told) == list(shown)
            assert f"running (pid {process.pid}, since" in called(tmp_path, "status").stdout
            assert ended(process, signal.SIGTERM) == 143
        after = status(tmp_path)
        assert (after["running"], after["pid"], after["next"]) == (False, None, None)
        assert "not running; last active" in called(tmp_path, "status").stdout
    assert rows(tmp_path, "SELECT count(*), count(DISTINCT ordernumber) FROM order_header") == [
        (60, 60)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_while_it_waits(tmp_path: Path, number: int) -> None:
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        shop_settings(tmp_path, simulator.url)
        with running(tmp_path, "--every", "1d") as process:
            until(lambda: noted(tmp_path).get("next"))
            assert ended(process, number) == 128 + number
    assert "Traceback" not in (tmp_path / "told").read_text()


ELSEWHERE = """
import signal
from orderpull.cli import main
from orderpull.schedule.loop import Schedule
start = Schedule.start
def started(schedule, *arguments):
    start(schedule, *arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
Schedule.start = started
main(["schedule", "--every", "1d"])
"""
"""A schedule whose main thread takes no SIGTERM, once it waits: the system gives it to another."""


@pytest.mark.slow
def test_a_signal_that_another_thread_got_ends_it_too(tmp_path: Path) -> None:
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        shop_settings(tmp_path, simulator.url)
        process = subprocess.Popen([sys.executable, "-c", ELSEWHERE], cwd=tmp_path, text=True)
        try:
            until(lambda: noted(tmp_path).get("next"))
            assert ended(process, signal.SIGTERM) == 143
        finally:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_it_ends_after_the_page_in_hand(tmp_path: Path) -> None:
    """A pull without end is under way: what was handed out is loaded, and none is lost."""
    shop = SkubanaAssessment(endless=True, per_call=20, seed=4)
    with Simulator(shop, faults=["slow:bytes=400:delay=0.02"]) as simulator:
        shop_settings(tmp_path, simulator.url)
        with running(tmp_path, "--every", "1h") as process:
            until(lambda: len(simulator.calls) >= 3)
            assert ended(process, signal.SIGTERM) == 143
        truth = simulator.truth()
        assert truth["lost"] == []
        assert rows(tmp_path, "SELECT count(*) FROM order_header") == [(len(truth["orders"]),)]
    assert status(tmp_path)["last_exit_code"] == 143


@pytest.mark.slow
def test_of_two_one_runs(tmp_path: Path) -> None:
    """Started at the same instant; the other says who runs, asks nothing and ends with exit 2."""
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        shop_settings(tmp_path, simulator.url)
        with running(tmp_path, "--every", "1h") as one, running(tmp_path, "--every", "1h") as two:
            until(lambda: one.poll() is not None or two.poll() is not None)
            loser, winner = (one, two) if one.poll() is not None else (two, one)
            assert loser.returncode == 2
            assert winner.poll() is None
            assert f"Another schedule (pid {winner.pid}) runs" in (tmp_path / "told").read_text()
            beside = called(tmp_path, "serve", "--port", "0", "--with-schedule", "1h")
            assert beside.returncode == 2
            assert f"(pid {winner.pid})" in beside.stderr
            assert beside.stdout == ""
            assert ended(winner, signal.SIGTERM) == 143
        with running(tmp_path, "--every", "1h") as third:
            until(lambda: noted(tmp_path)["pid"] == third.pid)


@pytest.mark.slow
def test_one_that_was_killed_is_followed_by_another(tmp_path: Path) -> None:
    """A lock ends with its process, however that ends."""
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        shop_settings(tmp_path, simulator.url)
        with running(tmp_path, "--every", "1h") as process:
            until(lambda: noted(tmp_path))
            process.kill()
            process.wait()
        assert status(tmp_path)["running"] is False
        with running(tmp_path, "--every", "1h") as process:
            until(lambda: noted(tmp_path)["pid"] == process.pid)
            assert status(tmp_path)["running"] is True


@pytest.mark.slow
def test_a_run_longer_than_its_interval_does_not_overlap(tmp_path: Path) -> None:
    """Each run takes some two intervals: the runs of the ledger follow one another."""
    asking = threading.Lock()
    overlapped = []

    def gate(_: object) -> None:
        if not asking.acquire(blocking=False):
            overlapped.append(True)
        time.sleep(0.5)
        asking.release()

    with Simulator(SkubanaAssessment(orders=1000, per_call=10), gate=gate) as simulator:
        shop_settings(tmp_path, simulator.url, "max_pages = 4")
        with running(tmp_path, "--every", "1s") as process:
            until(lambda: len(simulator.calls) >= 14)
            assert ended(process, signal.SIGTERM) == 143
    assert not overlapped
    runs = rows(tmp_path, "SELECT started_at, finished_at FROM orderpull_run ORDER BY run")
    assert len(runs) >= 3
    assert all(end <= begin for (_, end), (begin, _) in pairwise(runs))
    assert all((begin - end).total_seconds() < 1 for (_, end), (begin, _) in pairwise(runs))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    shop_settings(tmp_path, "http://127.0.0.1:9")
    (tmp_path / ".orderpull").write_text("a file")
    done = called(tmp_path, "schedule", "--every", "5m")
    assert done.returncode == 2
    assert "folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """What a power failure may leave of it."""
    settings = shop_settings(tmp_path, "http://127.0.0.1:9")
    assert StateFile(settings).status() is None
    (tmp_path / ".orderpull").mkdir()
    for text in ("", "{", '{"pid": "x"}'):
        (tmp_path / ".orderpull" / "schedule.json").write_text(text)
        assert StateFile(settings).status() is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Nothing says how often"),
        (["--every", "often"], "no length of time"),
        (["--every", "5m", "--cron", "* * * * *"], "not both"),
        (["--cron", "0 0 31 2 *"], "no cron expression"),
        (["--every", "7m", "--print", "cron"], "Cron cannot run anything every 7m"),
        (["--cron", "0 6 L * *", "--print", "systemd"], "are not written for systemd"),
    ],
)
def test_what_cannot_be_scheduled_is_said_at_once(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    shop_settings(tmp_path, "http://127.0.0.1:9")
    done = called(tmp_path, "schedule", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
