"""Pull several sources at once, each in a thread of its own, none in another's way."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext

from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import Pulled

AT_ONCE = 32
"""Sources that ask, or keep what came, at once: each holds one page."""

THREADS = 128
"""Sources that are under way at once. Most of them wait for their turn, or because they were told
to, and meanwhile others ask."""

LOOK = 0.25
"""Seconds between two looks at whether there is something to load."""


def pull_at_once(
    pulls: Mapping[str, Callable[[], Pulled]],
    ended: Callable[[str, Pulled], None],
    meanwhile: Callable[[], None],
    stop: Stop,
) -> None:
    """Do *pulls*, many at once; whatever is raised ends them all.

    :param ended: is told what became of each, in the caller's thread.
    :param meanwhile: is called there again and again while pulls go on.
    :param stop: asked for, pulls that have not begun do not. It has the seats, of which each pull
        holds one but while it waits.
    """

    def begin(pull: Callable[[], Pulled]) -> Pulled | None:
        with stop.seats or nullcontext():
            return None if stop.asked else pull()

    with ThreadPoolExecutor(min(THREADS, max(1, len(pulls))), "pull") as threads:
        running: dict[Future[Pulled | None], str] = {
            threads.submit(begin, pull): name for name, pull in pulls.items()
        }
        try:
            while running:
                done, _ = wait(running, LOOK, FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    if (pulled := future.result()) is not None:
                        ended(name, pulled)
                if running:
                    meanwhile()
        except BaseException:
            stop.ask(0)
            raise
