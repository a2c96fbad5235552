"""The last run and verification of each source, and whether the schedule is alive."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from orderpull import clock
from orderpull.errors import UsageError
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import Installation
from orderpull.schedule.state import ScheduleStatus
from orderpull.schedule.trigger import Every, Trigger, trigger_of, verify_trigger
from orderpull.verify.record import last_verified

LATE = timedelta(minutes=10)
"""A run may begin that much later than planned, or half of its interval if that is longer."""


def runs(at: Installation) -> Iterator[Finding]:
    """Look at the last run of each source."""
    if not at.has_tables:
        return
    last = {run["source"]: run for run in at.facts.runs if run["source"] in at.sources}
    stale = clock.duration(at.settings.notify.stale)
    for source, run in last.items():
        command = at.command(f"runs --source {source}")
        if run["error"]:
            yield warning(f"The last run of {source} failed: {run['error']}", command)
        elif run["finished_at"] is None and not at.locks[source].held:
            began = at.time(run["started_at"])
            yield warning(f"The run of {source} that began {began} was killed.",
                          at.command(f"run {source}"))  # fmt: skip
        elif run["pulled_at"] is not None and at.now - run["pulled_at"] > stale:
            read = at.time(run["pulled_at"])
            yield warning(f"{source} was last read to its end {read}.", at.command(f"run {source}"))
    if at.facts.runs:
        newest = max(run["started_at"] for run in at.facts.runs)
        yield ok(f"the last began {at.time(newest)}")


def schedule(at: Installation) -> Iterator[Finding]:
    """Compare the last start of a run with the times that are set."""
    status, trigger = at.schedule, _trigger(at)
    if status is None and trigger is None:
        return
    if status and status.is_stalled(at.now):
        pid, silent = status.state.pid, at.time(status.state.heartbeat)
        yield problem(
            f"pid {pid} has written no heartbeat since {silent}: it is stuck.",
            f"kill {pid} && {at.command('schedule')}",
        )
        return
    due = _missed(at, status, trigger)
    if due is None:
        yield ok(_alive(at, status, trigger))
    elif status is None:
        yield problem(f"No run began at {at.time(due)} ({trigger}).",
                      "systemctl status orderpull.timer; crontab -l")  # fmt: skip
    else:
        gone = "" if status.running else f"; it ended {at.time(status.state.heartbeat)}"
        yield problem(f"No run began at {at.time(due)} ({trigger}){gone}.", at.command("schedule"))


def verify(at: Installation) -> Iterator[Finding]:
    """Look at the last verification of each source, and whether the next is late."""
    times = verify_trigger(at.settings)
    names = at.settings.verify.sources or at.sources
    for source in at.sources:
        last, command = last_verified(at.part(source)), at.command(f"verify {source}")
        if last is None:
            if times is not None and source in names:
                yield warning(f"{source} was never verified.", command)
        elif not last.clean:
            level = problem if last.error is None else warning
            repair = f"{command} --repair" if last.error is None else command
            yield level(f"{source}: {last.sentence}", repair)
        elif times is not None and source in names:
            due = times.after(last.at)
            if at.now > due + max(LATE, (times.after(due) - due) / 2):
                yield warning(f"{source} was not verified at {at.time(due)}.", command)
        if last is not None and last.clean:
            yield ok(f"{source} {at.time(last.at)}")


def _missed(
    at: Installation, status: ScheduleStatus | None, trigger: Trigger | None
) -> datetime | None:
    """The time at which a run should have begun and did not; None if there is no such."""
    begun = [run["started_at"] for run in (at.facts.runs if at.has_tables else [])]
    if status and status.state.began:
        begun.append(status.state.began)
    goes_on = status is not None and status.running and status.state.next is None
    if trigger is None or goes_on or not begun:
        return None
    due = _next(trigger, max(begun))
    allowed = max(LATE, (_next(trigger, due) - due) / 2)
    return due if at.now > due + allowed else None


def _next(trigger: Trigger, last: datetime) -> datetime:
    """When the run after *last* should begin."""
    return last + trigger.length if isinstance(trigger, Every) else trigger.after(last)


def _alive(at: Installation, status: ScheduleStatus | None, trigger: Trigger | None) -> str:
    """Describe a schedule without a fault."""
    if status is None:
        return f"{trigger}, {'by another program' if at.has_tables else 'not begun'}"
    state = "running" if status.running else f"ended {at.time(status.state.heartbeat)}"
    return f"{status.state.trigger}, {state}"


def _trigger(at: Installation) -> Trigger | None:
    """The trigger of the settings; None without one."""
    try:
        return trigger_of(at.settings)
    except UsageError:
        if at.settings.schedule.every or at.settings.schedule.cron:
            raise
        return None
