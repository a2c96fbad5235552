"""Named instants at which a kill must lose nothing.

Product code says ``points.reached("page-renamed")``; it does nothing. The kill tests replace
:func:`reached` by one that ends the process with SIGKILL, so every claim of durability is tried at
the very instruction it is about.
"""

POINTS = (
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
"""Those that only a warehouse on a server has."""

LANDING_POINTS = ("lease-taken", "noted-here", "noted", "page-put")
"""Those that only a landing in a bucket has."""

BUCKET_POINTS = ("before-put", "put")
"""Those that only a warehouse has that is loaded from a bucket."""

TOKEN_POINTS = ("token-received", "token-kept")
"""Those that only a source has that gets its token by a call."""


def reached(point: str) -> None:
    """Say that *point*, one of those above, has been reached. Does nothing outside tests."""
