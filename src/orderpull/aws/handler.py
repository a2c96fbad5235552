"""Handler of the function: ``orderpull.aws.handler.handler``.

- ``{"do": "run"}`` or ``{}``: pull and load, as ``orderpull run``.
- ``{"do": "dispatch", "tick": "…"}``: send one message for each source to the queue.
- Messages of that queue: pull these sources into the landing.
- ``{"do": "load"}``: load the pending pages of all sources in turn.
- ``{"do": "digest"}``: send the digest of the last period, unless it was sent.

``"sources": ["shop"]`` selects sources. A failure of the whole invocation is raised, so that Lambda
counts an error. A source that fails is counted in a metric, and the others continue.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from orderpull import notify, pipeline, telemetry
from orderpull.aws.deadline import load_seconds, request_seconds, stop_after
from orderpull.aws.fanout import dispatch, pull_queued, split_readable
from orderpull.aws.metrics import count, log, metrics, record_age, record_load
from orderpull.aws.settings_source import load_settings
from orderpull.digest.delivery import deliver
from orderpull.errors import Interrupted, OrderpullError, UsageError
from orderpull.landing import open_landing
from orderpull.landing.last_pull import LastPull, last_pull
from orderpull.loading.pages import PendingPages
from orderpull.pipeline import Pipeline, RunResult, SourceResult
from orderpull.settings import Settings

FLUSH_SECONDS = 2.0
"""Longest wait for telemetry to be sent; Lambda freezes the process after the response."""

LOAD_GROUP = 25
"""Sources loaded through one connection. The remaining time is checked between groups."""

Event = Mapping[str, Any]
Response = dict[str, Any]


@log.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Event, context: LambdaContext) -> Response:
    """Handle *event*.

    :raises OrderpullError: the whole invocation failed.
    """
    if not os.access(".", os.W_OK):
        # DuckDB spills to the current folder, and Lambda's code folder is read-only.
        os.chdir(tempfile.gettempdir())
    try:
        response = _do(event, context.get_remaining_time_in_millis() / 1000)
    except Exception as error:
        count("FailedRuns", 1)
        if isinstance(error, OrderpullError):
            log.error(error.message, extra={"kind": type(error).__name__, "hint": error.hint})
        raise
    finally:
        left = context.get_remaining_time_in_millis() / 1000 - 1
        telemetry.flush(max(0.0, min(FLUSH_SECONDS, left)))
    count("FailedRuns", 0)
    return response


def _do(event: Event, remaining: float) -> Response:
    settings = load_settings()
    if "Records" in event:
        return pull_queued(settings, event["Records"], remaining)
    if (task := str(event.get("do", "run"))) == "dispatch":
        return dispatch(_chosen(settings, event), event.get("tick"))
    if task == "digest":
        delivery = deliver(settings, once=True)
        if delivery.error is not None:
            raise delivery.error
        return delivery.as_json()
    tasks: dict[str, Callable[[Settings, list[str], float], RunResult]] = {
        "run": run, "load": load
    }  # fmt: skip
    if task not in tasks:
        raise UsageError(
            f"The event's task {task!r} is unknown.", "Use run, dispatch, load or digest."
        )
    try:
        result = tasks[task](settings, _chosen(settings, event), remaining)
    except OrderpullError as error:
        result = RunResult(error=error)
    record_load(result)
    notify.after_run(settings, result, even_stopped=True)
    record_age(_last_pulls(settings, result))
    if result.error and not isinstance(result.error, Interrupted):
        raise result.error
    needs_a_person = (s.error or s.possible_loss for s in result.sources.values())
    return result.as_json() | {"ok": not any(needs_a_person)}


def run(settings: Settings, names: list[str], remaining: float) -> RunResult:
    """Pull until it is time to load, then load. The next invocation continues."""
    sources = settings.chosen(tuple(names)).values()
    with stop_after(request_seconds(remaining, load_seconds(remaining), sources)) as stop:
        work = Pipeline(settings, names, stop=stop)
        return work.timed(work.run)


def load(settings: Settings, names: list[str], remaining: float) -> RunResult:
    """Load the pending pages, source after source. The next invocation continues.

    Sources with pending pages come first, so that each one gets its turn.
    """
    readable, unreadable = split_readable(settings, names)
    total = RunResult({name: SourceResult(error=error) for name, error in unreadable.items()})
    names = _pending_first(settings, readable)
    with stop_after(load_seconds(remaining)) as stop:
        for first in range(0, len(names), LOAD_GROUP):
            if stop.requested:
                total.error = Interrupted(stop.signal)
                break
            result = pipeline.load(settings, names[first : first + LOAD_GROUP], stop=stop)
            total.sources |= result.sources
            total.seconds += result.seconds
            total.error = result.error
            if result.error:
                break
    return total


def _last_pulls(settings: Settings, result: RunResult) -> Iterator[LastPull | None]:
    """Yield the last pull of each source, from *result* or else from the landing."""
    landing = open_landing(settings.landing, settings.folder)
    for name in settings.chosen():
        last = result.sources[name].last_pull if name in result.sources else None
        yield last or last_pull(landing.source(name))


def _pending_first(settings: Settings, names: list[str]) -> list[str]:
    if len(names) <= LOAD_GROUP:
        return names
    landing = open_landing(settings.landing, settings.folder)
    return sorted(names, key=lambda name: not PendingPages(landing.source(name)).pages())


def _chosen(settings: Settings, event: Event) -> list[str]:
    return list(settings.chosen(tuple(event.get("sources", ()))))
