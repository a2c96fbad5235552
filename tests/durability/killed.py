"""Runs ``orderpull`` and kills it with SIGKILL at the n-th time that it reaches a named point.

Usage: python killed.py POINT:N ORDERPULL-ARGUMENTS...
"""

import os
import signal
import sys

from orderpull import loading
from orderpull.cli import main
from orderpull.failpoints import set_action

name, _, times = sys.argv[1].partition(":")
left = int(times or 1)


def die_there(point: str) -> None:
    global left  # noqa: PLW0603 - one process, one countdown
    if point != name:
        return
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


set_action(die_there)
loading.BATCH_ORDERS = int(os.environ.get("ORDERPULL_TEST_BATCH", loading.BATCH_ORDERS))
sys.argv = ["orderpull", *sys.argv[2:]]
main()
