"""Land pages of a megabyte for 60 sources at once, and print how many bytes stay in use for them."""

import resource
import sys
import threading
from functools import partial
from pathlib import Path

from orderpull.landing.local import LocalSourceLanding
from orderpull.pulling import MAX_ACTIVE, pull_at_once
from orderpull.sources.http.limits import Stop
from orderpull.sources.page_writer import PageWriter, PullResult

PAGE = b"".join(b'{"id":%d,"city":"Town %d"},' % (n, n * 7919) for n in range(34_000))


def pull(folder: Path, name: str) -> PullResult:
    """Land three pages of source *name*, each while the next one "comes"."""
    result, landing = PullResult(), LocalSourceLanding(folder / name, name)
    landing.prepare()
    writer = PageWriter(landing, 1, result, lambda _: None)
    for number in range(3):
        with writer.meanwhile():
            body = PAGE[number:]
        writer.hold(body, state="whole", status=200, request="GET /", orders=0)
    writer.close()
    return result


def resident() -> int:
    """The bytes that this process has resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


before = resident()
held: list[int] = []
pulls = {f"s{n}": partial(pull, Path(sys.argv[1]), f"s{n}") for n in range(60)}
stop = Stop().child(threading.Semaphore(MAX_ACTIVE))
pull_at_once(pulls, lambda *_: held.append(resident() - before), lambda: None, stop)
print(held[-1])  # noqa: T201
