"""Locks: who holds one, and which were left by a killed process."""

from collections.abc import Iterator
from datetime import timedelta

from orderpull.landing.lock import Holder, look_at
from orderpull.operate.doctor.finding import Finding, ok, warning
from orderpull.operate.doctor.installation import Installation
from orderpull.schedule.state import LOCK_FILE, StateFile

LONG_LOAD = timedelta(minutes=10)
"""Longest transaction of a loader that is not reported; other loaders wait for it."""


def locks(at: Installation) -> Iterator[Finding]:
    """Look at the locks of landing, schedule and warehouse."""
    held = []
    for source, state in at.locks.items():
        where = f"lock of {source} in {at.shown(str(at.part(source)))}"
        if state.held:
            held.append(f"{source} is pulled by {_who(at, state.holder)}")
        elif state.holder is not None:
            yield warning(
                f"Left by {_who(at, state.holder)}, which was killed. It holds nothing up.",
                at.command(f"run {source}"),
                where,
            )
    schedule = look_at(StateFile(at.settings).folder / LOCK_FILE)
    if schedule.held:
        held.append(f"the schedule is {_who(at, schedule.holder)}")
    elif schedule.holder is not None:
        yield warning(
            f"Left by {_who(at, schedule.holder)}, which was killed. Nothing runs by itself.",
            at.command("schedule"),
            "lock of the schedule",
        )
    yield from _warehouse(at, is_loading=bool(held))
    yield ok("; ".join(held) or "none held")


def _warehouse(at: Installation, *, is_loading: bool) -> Iterator[Finding]:
    """Look at the lock of the warehouse."""
    if not at.has_tables:
        return
    if at.busy is not None and not is_loading:
        seconds = at.settings.destination.lock_wait
        yield warning(
            f"Held open by {at.busy.holder}: a run waits for it, at most {seconds:g} s.",
            at.busy.hint,
            at.shown(str(at.destination)),
        )
    for lock in at.facts.lock:
        if lock.since is not None and at.now - lock.since > LONG_LOAD:
            state = f", {lock.state}" if lock.state else ""
            yield warning(
                f"Session {lock.pid} ({lock.program or 'unnamed'}{state}) has held the loaders' "
                f"lock since {at.time(lock.since)}.",
                at.sql(f"SELECT pg_terminate_backend({lock.pid})"),
                at.facts.where,
            )


def _who(at: Installation, holder: Holder | None) -> str:
    """Describe *holder*."""
    if holder is None:
        return "an unknown process"
    host = f" on {holder.host}" if holder.host else ""
    since = f" since {at.time(holder.since)}" if holder.since else ""
    return f"{holder}{host}{since}"
