"""Fail points: named places in the code where a kill must lose no order.

``failpoint("page-renamed")`` does nothing unless a test has set an action. The action of the kill
tests ends the process with SIGKILL, which tests durability at exactly that instruction. FreeBSD's
``fail(9)`` and MongoDB's fail points work in the same way.
"""

import os
import signal
from collections.abc import Callable

_action: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Call the action that a test has set, if any, with *name*."""
    if _action is not None:
        _action(name)


def set_action(action: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Set the *action* for every fail point (None: no action), and return the previous one."""
    global _action
    before, _action = _action, action
    return before


def kill_at(point: str, count: int = 1) -> None:
    """End this process with SIGKILL when it reaches *point* for the *count*-th time."""
    left = count

    def count_down(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if reached == point and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    set_action(count_down)
