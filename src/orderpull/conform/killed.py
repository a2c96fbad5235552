"""A run that is killed at a named point: ``python -m orderpull.conform.killed POINT:N FILE``."""

import os
import signal
import sys

from orderpull.failpoints import set_action
from orderpull.pipeline import run
from orderpull.settings import read_settings


def main(point: str, file: str) -> None:
    """Run with the settings of *file*; at the n-th time that it comes to *point*, SIGKILL."""
    name, _, times = point.partition(":")
    left = int(times or 1)

    def die_there(point: str) -> None:
        nonlocal left
        left -= point == name
        if point == name and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    set_action(die_there)
    run(read_settings(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
