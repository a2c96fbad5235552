"""The fail points (`orderpull.failpoints`) at which tests kill the program."""

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
"""Further fail points of a warehouse on a server."""

LANDING_POINTS = ("lease-taken", "noted-here", "noted", "page-put")
"""Further fail points of a landing in a bucket."""

CONTAINER_POINTS = (
    "container-written",
    "container-stored",
    "container-checked",
    "page-deleted",
    "compaction-ended",
)
"""Fail points of a compaction; a container in a folder also has ``container-half-written``."""

BUCKET_POINTS = ("before-put", "put")
"""Further fail points of a warehouse that is loaded from a bucket."""

LAKE_POINTS = (
    "load-begun",
    "rows-inserted",
    "table-written",
    "before-commit",
    "committed",
    "table-published",
)
"""Fail points of a load into a lake, whose tables are committed one after the other."""

ORDINARY_POINT = "page-waits"
"""Fail point of an API that returns its orders again: a page waits while the next request is out."""

REPAIR_POINTS = ("orders-deleted", "orders-restored", "chunk-restored")
"""Further fail points of `orderpull verify --repair`."""

TOKEN_POINTS = ("token-received", "token-kept")
"""Further fail points of a source that requests its token."""

FORGET_POINTS = (
    "forgotten-noted",
    "loads-overtaken",
    "persons-erased",
    "before-commit",
    "committed",
    "page-half-written",
    "page-written",
    "page-renamed",
    "page-redacted",
    "pages-renewed",
    "warehouse-copied",
    "warehouse-replaced",
    "before-snapshot",
    "snapshot-copied",
    "snapshot-placed",
    "certificate-written",
)
"""Fail points of an erasure, in the order of its steps."""
