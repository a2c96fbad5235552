"""Amazon's runtime, ended by SIGKILL at the n-th time that a named point is reached.

Usage: python killed.py POINT:N HANDLER
"""

import os
import signal
import sys

from awslambdaric.__main__ import main

from orderpull.failpoints import set_action

name, _, times = sys.argv[1].partition(":")
left = int(times)


def die_there(point: str) -> None:
    global left  # noqa: PLW0603 - one process, one countdown
    if point != name:
        return
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


set_action(die_there)
main([sys.argv[0], sys.argv[2]])
