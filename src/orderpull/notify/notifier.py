"""Notifier: after a run, send the new alerts and the recoveries in one message."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from datetime import datetime
from pathlib import Path

from orderpull import clock
from orderpull.errors import LandingError, OrderpullError
from orderpull.notify.alert_state import NAME, AlertState, OpenAlert
from orderpull.notify.alerts import WHOLE_RUN, Alert
from orderpull.notify.sending import Message, send_each
from orderpull.notify.store import open_store
from orderpull.settings import Settings

_RECOVERIES = {
    "failure": "runs succeed again",
    "possible loss": "no further response was lost; still look for the missing orders",
    "staleness": "it has been read to its end",
    "rejects": "few orders are rejected again",
    "differences": "nothing differs any more",
}

_log = logging.getLogger("orderpull.notify")
_last_states: dict[Path | None, AlertState] = {}
"""Last state of this process by settings file, for stores that cannot be read."""


class _NotSent(Exception):
    """No address took the message; the next run sends it."""


Current = Callable[[dict[str, datetime], datetime], Iterable[Alert]]
"""Gives the current alerts, from the times at which sources were first seen, and the time now."""


def notify(settings: Settings, current: Current) -> None:
    """Send what changed with the *current* alerts. Every error is logged."""
    try:
        with _alert_state(settings) as state:
            _notify(settings, current, state)
    except OrderpullError as error:
        _log.warning("no notification was sent: %s", error.message)
    except Exception as error:  # noqa: BLE001 - a run that succeeded must not fail here
        _log.warning("no notification was sent: %s", type(error).__name__)


@contextmanager
def _alert_state(settings: Settings) -> Iterator[AlertState]:
    """Yield the state to be changed, and save it unless the message could not be sent.

    If the store fails, this process uses its own last state. Another process may then repeat an
    alert, which is better than silence about the failing store.
    """
    store = open_store(settings, NAME, AlertState)
    with ExitStack() as lock:
        try:
            lock.enter_context(store.lock())
            state = store.load()
        except (OSError, LandingError) as error:
            _log.warning("the state of alerts cannot be read: %s", _reason(error))
            state = deepcopy(_last_states.get(settings.file, AlertState()))
        try:
            yield state
        except _NotSent:
            return
        _last_states[settings.file] = deepcopy(state)
        try:
            store.save(state)
        except (OSError, LandingError) as error:
            _log.warning("the state of alerts cannot be saved: %s", _reason(error))


def _reason(error: OSError | LandingError) -> str:
    if isinstance(error, LandingError):
        return error.message
    return error.strerror or type(error).__name__


def _notify(settings: Settings, current: Current, state: AlertState) -> None:
    now = clock.now()
    before = state.open.copy()
    for name in settings.sources:
        state.since.setdefault(name, now)
    alerts = current(state.since, now)
    opened, closed = update(state, alerts, now, settings.notify.failures)
    if opened or closed:
        message = message_of(settings, opened, [(each, before[each.key]) for each in closed])
        sent = send_each(settings, message)
        for number, (name, done) in enumerate(sent, start=1):
            if not done:
                _log.warning("notification %d of %d (%s) was not sent", number, len(sent), name)
        if not any(done for _, done in sent):
            raise _NotSent


def update(
    state: AlertState, current: Iterable[Alert], now: datetime, failures: int
) -> tuple[list[Alert], list[Alert]]:
    """Apply the *current* alerts to *state*.

    :param failures: consecutive failed runs before a failure is sent.
    :returns: alerts to send, and sent alerts that have recovered.
    """
    opened, closed = [], []
    for alert in current:
        previous = state.open.pop(alert.key, None)
        if alert.problem is None:
            if previous and previous.sent:
                closed.append(alert)
            continue
        entry = OpenAlert(now)
        if previous:
            entry = OpenAlert(previous.since, previous.runs + 1, previous.sent)
        state.open[alert.key] = entry
        if not entry.sent and entry.runs >= (failures if alert.kind == "failure" else 1):
            entry.sent = True
            opened.append(alert)
    return opened, closed


def message_of(
    settings: Settings, opened: list[Alert], closed: list[tuple[Alert, OpenAlert]]
) -> Message:
    """Return the message about *opened* and *closed* alerts."""
    lines = [f"{_prefix(each)}{each.kind}. {each.problem}" for each in opened]
    for each, entry in closed:
        since = f"(problem since {clock.minute(entry.since)})"
        lines.append(f"{_prefix(each)}{_RECOVERIES[each.kind]} {since}.")
    subject = ", ".join(dict.fromkeys(each.kind for each in opened)) or "recovered"
    title = f"{settings.notify.name}: {subject}"
    return Message(title, "\n".join(lines), "warning" if opened else "success")


def _prefix(alert: Alert) -> str:
    return "" if alert.source == WHOLE_RUN else f"{alert.source}: "
