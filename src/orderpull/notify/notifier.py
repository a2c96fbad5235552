"""After a run: what is new is told in one message, and remembered."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from datetime import datetime
from pathlib import Path

from orderpull import clock
from orderpull.errors import LandingError, OrderpullError
from orderpull.notify import alerts
from orderpull.notify.alert_state import Open, Remembered, open_memory
from orderpull.notify.alerts import WHOLE, Trouble
from orderpull.notify.sending import Message, send
from orderpull.pipeline import RunResult
from orderpull.settings import Settings

_AGAIN = {
    "failure": "runs go well again",
    "possible loss": "no further answer was lost; what may be missing still has to be looked for",
    "staleness": "it has been read to its end",
    "rejects": "few orders are rejected again",
}


_known: dict[Path | None, Remembered] = {}
"""What this process has told, for each settings file."""


def tell(settings: Settings, result: RunResult) -> None:
    """Tell what is new in *result*, and in the ledger. Nothing is raised: what fails is logged."""
    log = logging.getLogger("orderpull.notify")
    try:
        with _remembering(settings, log) as remembered:
            _tell(settings, result, remembered, log)
    except OrderpullError as error:
        log.warning("nobody was notified: %s", error.message)
    except Exception as error:  # noqa: BLE001 - a run that went well stays one
        log.warning("nobody was notified: %s", type(error).__name__)


class _NotTold(Exception):
    """Nobody could be sent the message: the next run tells it."""


@contextmanager
def _remembering(settings: Settings, log: logging.Logger) -> Iterator[Remembered]:
    """What was told, to be changed, and kept afterwards unless nothing could be told.

    If it cannot be read or kept, this process goes by what it knows itself: better that another one
    tells something again than that nobody hears that the bucket is away.
    """
    memory = open_memory(settings)
    with ExitStack() as alone:
        try:
            alone.enter_context(memory.alone())
            remembered = memory.read()
        except (OSError, LandingError) as error:
            log.warning("what was notified before cannot be read: %s", _why(error))
            remembered = deepcopy(_known.get(settings.file, Remembered()))
        try:
            yield remembered
        except _NotTold:
            return
        _known[settings.file] = deepcopy(remembered)
        try:
            memory.keep(remembered)
        except (OSError, LandingError) as error:
            log.warning("what was notified cannot be remembered: %s", _why(error))


def _why(error: OSError | LandingError) -> str:
    if isinstance(error, LandingError):
        return error.message
    return error.strerror or type(error).__name__


def _tell(
    settings: Settings, result: RunResult, remembered: Remembered, log: logging.Logger
) -> None:
    now = clock.now()
    before = remembered.open.copy()
    for name in settings.sources:
        remembered.since.setdefault(name, now)
    seen = list(alerts.of_run(result))
    seen += alerts.of_ledger(settings, remembered.since, now)
    begun, ended = compared(remembered, seen, now, settings)
    if begun or ended:
        message = message_of(settings, begun, [(each, before[each.key]) for each in ended])
        if not send(settings, message, log):
            raise _NotTold


def compared(
    remembered: Remembered, seen: Iterable[Trouble], now: datetime, settings: Settings
) -> tuple[list[Trouble], list[Trouble]]:
    """What has to be told: what is wrong and was not told yet, and what is well and was told.

    :param remembered: is changed to what is remembered once that is told.
    """
    begun, ended = [], []
    for trouble in seen:
        known = remembered.open.pop(trouble.key, None)
        if trouble.wrong is None:
            if known and known.told:
                ended.append(trouble)
            continue
        known = Open(known.since, known.runs + 1, known.told) if known else Open(now)
        remembered.open[trouble.key] = known
        patience = settings.notify.failures if trouble.kind == "failure" else 1
        if not known.told and known.runs >= patience:
            known.told = True
            begun.append(trouble)
    return begun, ended


def message_of(
    settings: Settings, begun: list[Trouble], ended: list[tuple[Trouble, Open]]
) -> Message:
    """The message that says so, without anything secret."""
    lines = [f"{_whose(each)}{each.kind}. {each.wrong}" for each in begun]
    for each, known in ended:
        since = f"(wrong since {clock.minute(known.since)})"
        lines.append(f"{_whose(each)}{_AGAIN[each.kind]} {since}.")
    what = ", ".join(dict.fromkeys(each.kind for each in begun)) or "well again"
    return Message(f"{settings.notify.name}: {what}", "\n".join(lines), good=not begun)


def _whose(trouble: Trouble) -> str:
    return "" if trouble.source == WHOLE else f"{trouble.source}: "
