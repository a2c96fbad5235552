"""The handler of the function: ``orderpull.aws.handler.handler``.

==============================================  =================================================
event                                           what it does
==============================================  =================================================
``{"do": "run"}``, or none                      pull and load, as ``orderpull run``
``{"do": "dispatch", "tick": "…"}``             a message for each source, for the workers
messages of that queue                          pull these sources into the landing, load nothing
``{"do": "load"}``                              load what waits, of all sources one after the other
==============================================  =================================================

``"sources": ["shop"]`` names some of them. What fails as a whole is raised, so that Lambda counts
it as an error; a source that fails is a metric, and the others go on.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from orderpull import notify, pipeline
from orderpull.aws.deadline import Remaining, stopping_after
from orderpull.aws.fanout import apart, dispatch, pull_queued
from orderpull.aws.freshness import stale_seconds
from orderpull.aws.metrics import count, log, metrics, tell_age, tell_loaded
from orderpull.aws.settings_source import settings_in_force
from orderpull.errors import Interrupted, OrderpullError, UsageError
from orderpull.landing import open_landing
from orderpull.landing.last_pull import LastPull, last_pull
from orderpull.loading import Waiting
from orderpull.pipeline import Pipeline, RunResult, SourceResult
from orderpull.settings import Settings

LOADED_TOGETHER = 25
"""Sources that are loaded through one connection, before the time that is left is looked at."""

Event = Mapping[str, Any]
Answer = dict[str, Any]


@log.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Event, context: LambdaContext) -> Answer:
    """Do what *event* says. :raises OrderpullError: nothing of it could be done."""
    _leave_read_only_folder()
    try:
        answer = _do(event, Remaining.of(context))
    except Exception as error:
        count("FailedRuns", 1)
        if isinstance(error, OrderpullError):
            log.error(error.message, extra={"kind": type(error).__name__, "hint": error.hint})
        raise
    count("FailedRuns", 0)
    return answer


def _do(event: Event, remaining: Remaining) -> Answer:
    settings = settings_in_force()
    if "Records" in event:
        return pull_queued(settings, event["Records"], remaining)
    if (wanted := str(event.get("do", "run"))) == "dispatch":
        return dispatch(_chosen(settings, event), event.get("tick"))
    tasks: dict[str, Callable[[Settings, list[str], Remaining], RunResult]] = {
        "run": run, "load": load
    }  # fmt: skip
    if wanted not in tasks:
        raise UsageError(
            f"The event asks to {wanted!r}, which is not known.", "Known: run, dispatch, load."
        )
    try:
        result = tasks[wanted](settings, _chosen(settings, event), remaining)
    except OrderpullError as error:
        result = RunResult(error=error)
    tell_loaded(result)
    notify.after_run(settings, result, even_stopped=True)
    tell_age(stale_seconds(_last_pulls(settings, result)))
    if result.error and not isinstance(result.error, Interrupted):
        raise result.error
    return result.as_json() | {"ok": not _needs_a_person(result)}


def run(settings: Settings, names: list[str], remaining: Remaining) -> RunResult:
    """Pull until it is time to load, load, and leave the rest to the next invocation."""
    with stopping_after(remaining.to_run(settings.chosen(tuple(names)).values())) as stop:
        work = Pipeline(settings, names, stop=stop)
        return work.timed(work.run)


def load(settings: Settings, names: list[str], remaining: Remaining) -> RunResult:
    """Load what waits, source after source, and leave the rest to the next invocation.

    The sources with pages that wait come first, so that none is put off for ever.
    """
    readable, unreadable = apart(settings, names)
    done = RunResult({name: SourceResult(error=error) for name, error in unreadable.items()})
    names = _waiting_first(settings, readable)
    with stopping_after(remaining.to_load) as stop:
        for first in range(0, len(names), LOADED_TOGETHER):
            if stop.asked:
                done.error = Interrupted(stop.signal)
                break
            result = pipeline.load(settings, names[first : first + LOADED_TOGETHER], stop=stop)
            done.sources |= result.sources
            done.seconds += result.seconds
            done.error = result.error
            if result.error:
                break
    return done


def _last_pulls(settings: Settings, result: RunResult) -> Iterator[LastPull | None]:
    """The last pull of each source; the landing is asked where *result* does not know it."""
    landing = open_landing(settings.landing, settings.folder)
    for name in settings.chosen():
        known = result.sources[name].last_pull if name in result.sources else None
        yield known or last_pull(landing.source(name))


def _waiting_first(settings: Settings, names: list[str]) -> list[str]:
    if len(names) <= LOADED_TOGETHER:
        return names
    landing = open_landing(settings.landing, settings.folder)
    return sorted(names, key=lambda name: not Waiting(landing.source(name)).pages())


def _chosen(settings: Settings, event: Event) -> list[str]:
    return list(settings.chosen(tuple(event.get("sources", ()))))


def _needs_a_person(result: RunResult) -> bool:
    """Whether anything but the time that was up ended it."""
    return any(source.error or source.possible_loss for source in result.sources.values())


def _leave_read_only_folder() -> None:
    """DuckDB puts what memory does not hold into the working folder, and Lambda's is read only."""
    if not os.access(".", os.W_OK):
        os.chdir(tempfile.gettempdir())
