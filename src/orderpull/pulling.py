"""Pull several sources concurrently, each in its own thread."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress

from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import PullResult

MAX_ACTIVE = 32
"""Active pulls at once: each sends requests or lands pages, and holds two pages in memory."""

THREADS = 128
"""Started pulls at once. Most of them wait for a slot, a rate limit or a retry."""

POLL_SECONDS = 0.25
"""Seconds between two calls of ``on_idle``."""

MANY = 4
"""Pulls beyond which freed memory is returned at once: so few keep little, and new memory costs."""

_M_MMAP_THRESHOLD = -3
_RETURNED_FROM = 256 << 10


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

    if len(pulls) > MANY:
        return_freed_memory()
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


def return_freed_memory() -> None:
    """Let glibc return freed blocks of 256 KiB and more to the system at once.

    By default it keeps them for the next block, apart for each group of threads: a hundred sources
    then take 500 MB, not 160, for pages that are landed (measured). Other systems have no such
    setting.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _RETURNED_FROM)
