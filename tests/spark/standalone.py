"""A Spark cluster on 127.0.0.1: a master and workers, each a JVM of its own, ended by their pids."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orderpull.spark.cluster import Cluster

START_SECONDS = 300


def descendants(pid: int) -> list[int]:
    """Process *pid* and all that it has started, by their parents."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of *pids* and of their children that have ended."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, stat[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def kill_all(pid: int) -> None:
    """End process *pid* and all that it has started with SIGKILL."""
    for each in descendants(pid):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


@dataclass
class Standalone:
    """The cluster. :ivar workers: the workers' processes by name."""

    folder: Path
    port: int
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    master: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def start_worker(self, name: str) -> None:
        """Start a worker of one core, and wait until the master knows it."""
        work = str(self.folder / f"work-{name}")
        process = self._start(
            name, "worker.Worker", self.url, "--host", "127.0.0.1", "--cores", "1",
            "--memory", "1500m", "--work-dir", work, "--webui-port", "0",
        )  # fmt: skip
        self.workers[name] = process
        self._await(name, process, "Successfully registered with master")

    def start_master(self) -> None:
        self.master = self._start(
            "master", "master.Master", "--host", "127.0.0.1", "--port", str(self.port),
            "--webui-port", "0",
        )  # fmt: skip
        self._await("master", self.master, "I have been elected leader")

    def kill_worker(self, name: str) -> None:
        """End a worker with its executors and their Python processes, at once."""
        process = self.workers.pop(name)
        kill_all(process.pid)
        process.wait()

    def stop(self) -> None:
        for name in list(self.workers):
            self.kill_worker(name)
        if self.master:
            kill_all(self.master.pid)
            self.master.wait()

    def pids(self) -> list[int]:
        """All processes of the workers."""
        return [pid for worker in self.workers.values() for pid in descendants(worker.pid)]

    def _start(self, name: str, kind: str, *arguments: str) -> "subprocess.Popen[bytes]":
        spec = find_spec("pyspark")
        assert spec
        assert spec.submodule_search_locations
        home = spec.submodule_search_locations[0]
        command = [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{kind}", *arguments]
        env = os.environ | {
            "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": home, "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_MEMORY": "256m", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def _await(self, name: str, process: "subprocess.Popen[bytes]", words: str) -> None:
        until = time.monotonic() + START_SECONDS
        log = self.folder / f"{name}.log"
        while words not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < until, f"{name} did not start"
            time.sleep(0.5)


@contextmanager
def standalone(folder: Path, workers: int = 2) -> Iterator[Standalone]:
    """A master with *workers*."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cluster = Standalone(folder, port)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start_master()
        for number in range(workers):
            cluster.start_worker(f"worker-{number}")
        yield cluster


@dataclass
class KeptSession(Cluster):
    """One session for several replays, because its start takes longer than they do."""

    kept: Any = None

    @contextmanager
    def session(self) -> Iterator[Any]:
        if self.kept is None:
            self._stack = ExitStack()
            self.kept = self._stack.enter_context(super().session())
        yield self.kept

    def close(self) -> None:
        if self.kept is not None:
            self._stack.close()
