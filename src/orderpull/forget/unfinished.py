"""Finish, after a run, the erasures that a killed command has begun.

The run itself brings nobody back: what is forgotten was noted before anything else. Orders come
first, so that an erasure that takes long or fails holds none up.
"""

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from orderpull.errors import LandingBusy, OrderpullError
from orderpull.landing import open_landing
from orderpull.landing.forgotten import Forgotten
from orderpull.results import RunResult
from orderpull.settings import Settings

log = logging.getLogger("orderpull.forget")

AT_ONCE = 16
"""Notes that are read at once: in a bucket each is a request."""


def finish_erasures(settings: Settings, result: RunResult) -> None:
    """Finish the erasures that are begun in the sources of *result*, and note it there.

    Nothing is done after a run that failed or was stopped, nor in a source that another process
    pulls or erases in. An error becomes that of the source.
    """
    if result.error is not None:
        return
    names = [
        name for name, each in result.sources.items() if not isinstance(each.error, LandingBusy)
    ]
    begun = _begun(settings, names, result)
    if begun:
        _finish(settings, begun, result)


def _begun(settings: Settings, names: Collection[str], result: RunResult) -> list[str]:
    """Return the sources of *names* in which an erasure is begun."""
    landing = open_landing(settings.landing, settings.folder)

    def has_begun(name: str) -> bool:
        try:
            return Forgotten.read(landing.source(name)).begun is not None
        except OrderpullError as error:
            _failed(result, name, error)
            return False

    with ThreadPoolExecutor(AT_ONCE) as threads:
        states = threads.map(has_begun, names)
        return [name for name, begun in zip(names, states, strict=True) if begun]


def _finish(settings: Settings, names: list[str], result: RunResult) -> None:
    from orderpull.forget.forget import forget

    try:
        made = forget(settings, tuple(names))
    except LandingBusy as error:
        log.info("The unfinished erasure is left to another process: %s", error.message)
        return
    except OrderpullError as error:
        for name in names:
            _failed(result, name, error)
        return
    if made.certificate is None:  # another process was faster
        return
    for name in names:
        done = f"An erasure that was not finished is finished now; certificate: {made.file}."
        result.sources[name].notes.append(done)
    if made.certificate.left:
        left = "The erasure is finished, but a copy of the person is left."
        _failed(result, names[0], OrderpullError(left, f"{made.file} names it."))


def _failed(result: RunResult, name: str, error: OrderpullError) -> None:
    """Make *error* that of the source, unless it has one."""
    if result.sources[name].error is None:
        error.exit_code = 1
        result.sources[name].error = error
