"""Pull several sources at once, each in a thread of its own, none in another's way."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from orderpull.sources.limits import Stop
from orderpull.sources.pull import Pulled

AT_ONCE = 32
"""Sources that are pulled at once. Most of them wait for an answer, or because they were told to;
each holds one page."""

LOOK = 0.25
"""Seconds between two looks at whether there is something to load."""


def pull_at_once(
    pulls: Mapping[str, Callable[[], Pulled]],
    ended: Callable[[str, Pulled], None],
    meanwhile: Callable[[], None],
    stop: Stop,
) -> None:
    """Do *pulls*, up to :data:`AT_ONCE` at once; whatever is raised ends them all.

    :param ended: is told what became of each, in the caller's thread.
    :param meanwhile: is called there again and again while pulls go on.
    :param stop: asked for, pulls that have not begun do not.
    """

    def begin(pull: Callable[[], Pulled]) -> Pulled | None:
        return None if stop.asked else pull()

    with ThreadPoolExecutor(min(AT_ONCE, max(1, len(pulls))), "pull") as threads:
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
