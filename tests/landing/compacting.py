"""Compaction in tests: of all pages but the newest, as if each were loaded."""

from collections.abc import Iterator
from contextlib import contextmanager

from orderpull import failpoints
from orderpull.landing.compaction import Compaction, Compactor
from orderpull.landing.protocol import SourceLanding


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
