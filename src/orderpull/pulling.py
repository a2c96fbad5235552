"""Pull several sources concurrently, each in its own thread."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext

from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import PullResult

MAX_ACTIVE = 32
"""Active pulls at once: each sends requests or lands pages, and holds two pages in memory."""

THREADS = 128
"""Started pulls at once. Most of them wait for a slot, a rate limit or a retry."""

POLL_SECONDS = 0.25
"""Seconds between two calls of ``on_idle``."""


def pull_at_once(
    pulls: Mapping[str, Callable[[], PullResult]],
    ended: Callable[[str, PullResult], None],
    on_idle: Callable[[], None],
    stop: Stop,
) -> None:
    """Run *pulls* concurrently; an exception stops all of them.

    :param ended: called in the caller's thread with the name and result of each pull.
    :param on_idle: called in the caller's thread every :data:`POLL_SECONDS` during pulls.
    :param stop: cancellation token. Once set, pulls that have not started are skipped. Its
        semaphore limits active pulls; a pull releases its slot while it sleeps.
    """

    def begin(pull: Callable[[], PullResult]) -> PullResult | None:
        with stop.slots or nullcontext():
            return None if stop.requested else pull()

    with ThreadPoolExecutor(min(THREADS, max(1, len(pulls))), "pull") as threads:
        running: dict[Future[PullResult | None], str] = {
            threads.submit(begin, pull): name for name, pull in pulls.items()
        }
        try:
            while running:
                done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    if (pulled := future.result()) is not None:
                        ended(name, pulled)
                if running:
                    on_idle()
        except BaseException:
            stop.set(0)
            raise
