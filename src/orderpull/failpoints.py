"""Fail points: named instants at which a kill must lose nothing.

``failpoint("page-renamed")`` does nothing unless a test has set an action. The kill tests set one
that ends the process with SIGKILL, so that each claim of durability is tried at the instruction it
is about. (The technique is that of FreeBSD's ``fail(9)`` and of MongoDB's fail points.)
"""

import os
import signal
from collections.abc import Callable

FAILPOINTS = (
    "before-request",
    "request-sent",
    "after-response",
    "page-half-written",
    "page-written",
    "page-renamed",
    "page-landed",
    "before-normalize",
    "normalized",
    "judged",
    "load-begun",
    "summarised",
    "rows-deleted",
    "rows-inserted",
    "ledger-written",
    "before-commit",
    "committed",
    "before-snapshot",
    "snapshot-copied",
    "snapshot-placed",
)

SERVER_POINTS = ("before-copy", "copied", "before-lock")
"""Fail points of a warehouse on a server alone."""

LANDING_POINTS = ("lease-taken", "noted-here", "noted", "page-put")
"""Fail points of a landing in a bucket alone."""

BUCKET_POINTS = ("before-put", "put")
"""Fail points of a warehouse that is loaded from a bucket alone."""

TOKEN_POINTS = ("token-received", "token-kept")
"""Fail points of a source that gets its token by a request alone."""


_action: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Run the action that a test has set, if any, with *name*: one of the names above."""
    if _action is not None:
        _action(name)


def set_action(action: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Run *action* at every fail point from now on; None: do nothing. Return the one before."""
    global _action
    before, _action = _action, action
    return before


def kill_at(point: str, count: int = 1) -> None:
    """End this process with SIGKILL at the *count*-th time that it reaches *point*."""
    left = count

    def count_down(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if reached == point and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    set_action(count_down)
