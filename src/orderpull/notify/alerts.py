"""Alerts that a run and the ledger raise or clear."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from orderpull import clock
from orderpull.answers import ledger
from orderpull.destinations import open_destination
from orderpull.errors import (
    DestinationError,
    Interrupted,
    LandingBusy,
    OrderpullError,
    PossibleLoss,
)
from orderpull.pipeline import RunResult, SourceResult
from orderpull.settings import Settings
from orderpull.verify.result import Verified

Kind = Literal["failure", "possible loss", "staleness", "rejects", "differences"]

WHOLE_RUN = ""
"""Source of an alert on the whole run. No source has this name."""

MAX_NAMED = 5
"""Differences that a message names."""

DAY = timedelta(days=1)
MIN_ORDERS = 20
"""Orders of a day from which on the share of rejects is evaluated."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Result of one check of a source.

    :param problem: sentence about the problem; None if the check passed.
    """

    kind: Kind
    source: str
    problem: str | None

    @property
    def key(self) -> str:
        """Key of the alert in the state."""
        return f"{self.kind}/{self.source}"


def after_run(
    settings: Settings, result: RunResult, since: dict[str, datetime], now: datetime
) -> list[Alert]:
    """Return the alerts of a run and of the ledger. Parameters as of these."""
    return [*of_run(result), *of_ledger(settings, since, now)]


def of_verified(verified: Verified) -> Iterator[Alert]:
    """Yield an alert for each source of which orders differ, and its end where none does.

    A verification that did not come to its end knows nothing of a recovery.
    """
    for name, source in verified.sources.items():
        count = len(source.differences)
        if count:
            numbers = ", ".join(
                dict.fromkeys(each.order for each in source.differences[:MAX_NAMED])
            )
            amount = "1 difference" if count == 1 else f"{count:,} differences"
            more = ", …" if count > MAX_NAMED else ""
            problem = f"Verifying found {amount} ({numbers}{more}). `orderpull verify` lists them."
            yield Alert("differences", name, problem)
        elif source.error is None:
            yield Alert("differences", name, None)


def of_run(result: RunResult) -> Iterator[Alert]:
    """Yield the alerts of a run: failures and possible losses.

    An interruption is no failure. If the run failed as a whole, only its failed sources count,
    because the others were not finished.
    """
    stopped = isinstance(result.error, Interrupted)
    yield Alert("failure", WHOLE_RUN, None if stopped else _text(result.error))
    for name, source in result.sources.items():
        if result.error is None or source.error is not None or _pull_failure(source):
            yield from _of_source(name, source)


def _of_source(name: str, source: SourceResult) -> Iterator[Alert]:
    if isinstance(source.error, LandingBusy):
        return  # Another run pulls this source and will raise its alerts.
    lost = source.possible_loss
    responses = "1 response" if lost == 1 else f"{lost} responses"
    problem = f"Orders may be lost with {responses} of the API. Compare with the shop."
    yield Alert("possible loss", name, problem if lost else None)
    if not isinstance(source.error, PossibleLoss):
        yield Alert("failure", name, _text(source.error) or _pull_failure(source))


def _pull_failure(source: SourceResult) -> str | None:
    """Return the error of the last pull from the landing, for runs that only load."""
    return source.last_pull.failed if source.last_pull else None


def of_ledger(settings: Settings, since: dict[str, datetime], now: datetime) -> list[Alert]:
    """Return the alerts of the ledger: staleness, and the share of rejects within a day.

    :param since: when each source was first seen. The age of a source that was never read starts
        there.
    """
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    try:
        with destination.reader() as reader:
            pulled = {row["source"]: row["pulled_at"] for row in reader.rows(ledger.last_pulled())}
            counts = reader.rows(ledger.fetched_since(now - DAY))
    except DestinationError:
        return []
    limit = clock.duration(settings.notify.stale)
    alerts = [
        _staleness(name, pulled.get(name), since[name], now, limit) for name in settings.sources
    ]
    for row in counts:
        if row["source"] in settings.sources and row["fetched"] >= MIN_ORDERS:
            alerts += _rejects(row["source"], row["rejected"], row["fetched"], settings)
    return alerts


def _staleness(
    name: str, pulled: datetime | None, since: datetime, now: datetime, limit: timedelta
) -> Alert:
    if now - (pulled or since) <= limit:
        return Alert("staleness", name, None)
    last = f"since {clock.minute(pulled)}" if pulled else "yet"
    return Alert("staleness", name, f"It has not been read to its end {last}.")


def _rejects(name: str, rejected: int, fetched: int, settings: Settings) -> Iterator[Alert]:
    """Yield an alert above the limit, and its end at half of the limit, so that it cannot flap."""
    limit, share = settings.notify.rejects, rejected / fetched
    if share > limit:
        problem = f"{rejected:,} of {fetched:,} orders within a day were rejected."
        yield Alert("rejects", name, f"{problem} `orderpull rejects list` says why.")
    elif share <= limit / 2:
        yield Alert("rejects", name, None)


def _text(error: OrderpullError | None) -> str | None:
    return str(error) if error is not None else None
