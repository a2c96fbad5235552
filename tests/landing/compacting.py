"""Compaction in tests: of all pages but the newest, as if each were loaded."""

from collections.abc import Iterator
from contextlib import contextmanager

from orderpull import failpoints
from orderpull.landing.compaction import Compaction, Compactor
from orderpull.landing.protocol import SourceLanding

PROGRAM = """
import sys
from pathlib import Path
from orderpull.landing import open_landing
from orderpull.settings import LandingSettings
from tests.landing.compacting import compact
url, endpoint = sys.argv[1:]
settings = LandingSettings(url=url, endpoint=endpoint or None)
compact(open_landing(settings, Path()).source("shop"))
"""
"""Compacts the source ``shop`` of the landing at a URL, of a store at an endpoint."""


class Killed(BaseException):
    """Ends what it is raised in, as a kill would."""


def compact(
    landing: SourceLanding, waiting: tuple[int, ...] = (), *, daily: bool = False, due: bool = False
) -> Compaction:
    """Compact *landing*.

    :param waiting: pages that are not loaded. :param due: only what is full or over.
    """
    compactor = Compactor(landing, lambda page: page not in waiting, daily=daily, all_pages=not due)
    for _ in compactor.run():
        pass
    return compactor.result


@contextmanager
def killed_at(step: int | str) -> Iterator[None]:
    """Raise :class:`Killed` at the fail point of that number or name."""
    reached: list[str] = []

    def count(point: str) -> None:
        reached.append(point)
        if step in {point, len(reached)}:
            raise Killed(point)

    before = failpoints.set_action(count)
    try:
        yield
    finally:
        failpoints.set_action(before)
