"""Number of seeds that the random searches try: few by default, more under ``make search``."""

import os

FACTOR = int(os.environ.get("ORDERPULL_SEARCH", "1"))


def seeds(count: int) -> range:
    """Return *count* seeds, or ORDERPULL_SEARCH times as many."""
    return range(count * FACTOR)
