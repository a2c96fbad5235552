"""Processes as the operating system accounts for them: CPU, wall time and peak of memory."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TICK = os.sysconf("SC_CLK_TCK")

# Linux hands the peak of a process on to the programs that it starts: so a small one starts them.
_LAUNCHER = """
import json, os, subprocess, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    began = time.monotonic()
    process = subprocess.Popen(**asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall, cpu = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    print(json.dumps([output, status, wall, cpu, usage.ru_maxrss / 1024]), flush=True)
"""
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""As installed by pip: a program that compiles its libraries at each start is not what is meant."""


@dataclass(frozen=True)
class Usage:
    """A finished process with its children: CPU and wall seconds, peak RSS in MiB."""

    output: str
    status: int
    wall: float
    cpu: float
    rss: float


class Launcher:
    """Runs commands one after another, each by a process that is small itself."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, command: Sequence[str], folder: Path, **environment: str) -> Usage:
        """Run *command* in *folder* to its end."""
        asked = {"args": command, "cwd": str(folder), "env": {**_ENVIRONMENT, **environment}}
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None  # noqa: S101 - it was asked for
        assert stdout is not None  # noqa: S101 - it was asked for
        stdin.write(f"{json.dumps(asked)}\n")
        stdin.flush()
        return Usage(*json.loads(stdout.readline()))


def cpu_of(process: int) -> float:
    """CPU seconds of the running *process* so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_of(process: int) -> float:
    """MiB that the running *process* has had resident at most."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
