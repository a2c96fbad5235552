"""A run that is killed at a named point: ``python -m orderpull.conform.killed POINT:N FILE``."""

import sys

from orderpull.failpoints import kill_at
from orderpull.pipeline import run
from orderpull.settings import read_settings


def main(point: str, file: str) -> None:
    """Run with the settings of *file*; at the n-th time that it comes to *point*, SIGKILL."""
    name, _, times = point.partition(":")
    kill_at(name, int(times or 1))
    run(read_settings(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
