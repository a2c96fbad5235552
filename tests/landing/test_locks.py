"""One puller at a time for each source; two that begin at once agree on one landing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orderpull.errors import LandingBusy
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.lock import LockState
from tests.landing.landings import Place
from tests.landing.pages import leftovers, new_landing

HOLD = """
import sys
from pathlib import Path
from orderpull.landing.local import LocalSourceLanding
landing = LocalSourceLanding(Path(sys.argv[1]), "shop")
with landing.pulling():
    print("held", flush=True)
    sys.stdin.read()
"""

PREPARE = """
import sys
from pathlib import Path
from orderpull.landing.local import LocalSourceLanding
landing = LocalSourceLanding(Path(sys.argv[1]), "shop")
print("ready", flush=True)
sys.stdin.readline()
landing.prepare()
print(landing.identity, flush=True)
"""


@contextmanager
def program(text: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that works in *folder*."""
    with subprocess.Popen(
        [sys.executable, "-c", text, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_second_puller_is_told_who_the_first_is(tmp_path: Path) -> None:
    """The sentence names the process, and the landing is free as soon as that one is killed."""
    landing = new_landing(tmp_path)
    with program(HOLD, landing.folder) as holder:
        assert said(holder) == "held"
        assert landing.being_pulled()
        with pytest.raises(LandingBusy, match=rf"\(pid {holder.pid}\).*'shop'"), landing.pulling():
            raise AssertionError("two pull at once")
        other = LocalSourceLanding(landing.folder.parent / "other", "other")
        other.prepare()
        with other.pulling():
            pass  # another source is not concerned
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    state = landing.lock_state()
    assert (state.held, state.holder and state.holder.pid) == (False, holder.pid)
    with landing.pulling():
        me = landing.lock_state().holder
        assert me is not None
        assert (me.pid, me.host) == (os.getpid(), socket.gethostname())
    assert landing.lock_state() == LockState(held=False), "nobody was killed"


def test_looking_whether_somebody_pulls_is_in_nobodys_way(tmp_path: Path) -> None:
    """A look at the lock neither makes it nor keeps it."""
    landing = new_landing(tmp_path)
    assert not landing.being_pulled()
    assert not (landing.folder / ".lock").exists()
    with landing.pulling():
        assert landing.being_pulled()
    assert not landing.being_pulled()


def test_the_lock_is_let_go_after_an_error(place: Place) -> None:
    """An error of the pull itself comes through as it is, and the lock is free."""
    landing = place.open()
    with pytest.raises(FileNotFoundError), landing.pulling():
        raise FileNotFoundError("something else")
    assert not landing.being_pulled()
    with place.open().pulling():
        pass


def test_one_pulls_at_a_time(place: Place) -> None:
    """While one pulls, others are told so; another source is not concerned."""
    landing, other = place.open(), place.open()
    assert not landing.being_pulled()
    with landing.pulling():
        assert other.being_pulled()
        with pytest.raises(LandingBusy, match=rf"\(pid {os.getpid()}\).*'shop'"), other.pulling():
            raise AssertionError("two pull at once")
        with place.open("other").pulling():
            pass
    assert not other.being_pulled()
    with other.pulling():
        pass


def test_two_that_begin_at_once_agree_on_one_identity(tmp_path: Path) -> None:
    """Processes that make the same landing at the same moment end with the same one."""
    folder = tmp_path / "landing" / "shop"
    with program(PREPARE, folder) as one, program(PREPARE, folder) as two:
        for process in (one, two):
            assert said(process) == "ready"
        for process in (one, two):
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        told = {said(one), said(two)}
    assert told == {LocalSourceLanding(folder, "shop").identity}
    assert leftovers(LocalSourceLanding(folder, "shop")) == []
