"""What can be wrong with a source, and what one run says of it: it is, it is not, or nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from orderpull import clock
from orderpull.answers import from_orders
from orderpull.answers.from_orders import Filter
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

Kind = Literal["failure", "possible loss", "staleness", "rejects"]

WHOLE = ""
"""Stands for the source where the whole run is meant. No source is called that."""

DAY = timedelta(days=1)
ENOUGH = 20
"""Orders that came within a day; of fewer, a share says nothing."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that may be wrong with a source.

    :param wrong: the sentence that says what is; None: it is well.
    """

    kind: Kind
    source: str
    wrong: str | None

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.kind}/{self.source}"


def of_run(result: RunResult) -> Iterator[Trouble]:
    """What a run says by itself: what failed, and what may be lost.

    That a run was stopped is no failure; of its sources only those that failed say something.
    """
    stopped = isinstance(result.error, Interrupted)
    yield Trouble("failure", WHOLE, None if stopped else _told(result.error))
    for name, source in result.sources.items():
        if result.error is None or source.error is not None or _failed_to_pull(source):
            yield from _of_source(name, source)


def _of_source(name: str, source: SourceResult) -> Iterator[Trouble]:
    if isinstance(source.error, LandingBusy):
        return  # Another run pulls it, and will say how that went.
    lost = source.possible_loss
    answers = "1 answer" if lost == 1 else f"{lost} answers"
    loss = f"Orders may be lost with {answers} of the API. Compare with the shop." if lost else None
    yield Trouble("possible loss", name, loss)
    if not isinstance(source.error, PossibleLoss):
        yield Trouble("failure", name, _told(source.error) or _failed_to_pull(source))


def _failed_to_pull(source: SourceResult) -> str | None:
    """What the landing says was wrong with the last pull: a run that only loads did none itself."""
    return source.last_pull.failed if source.last_pull else None


def of_ledger(settings: Settings, since: dict[str, datetime], now: datetime) -> list[Trouble]:
    """What the ledger says: how long ago each source was read, and what was rejected in a day.

    :param since: when each source was first heard of; one that was never read is stale from there.
    """
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    try:
        with destination.reader() as reader:
            pulled = {
                row["source"]: row["pulled_at"]
                for row in reader.rows(from_orders.last_pulled(Filter()))
            }
            counted = reader.rows(from_orders.counted_since(now - DAY))
    except DestinationError:
        return []
    stale = clock.duration(settings.notify.stale)
    found = [_stale(name, pulled.get(name), since[name], now, stale) for name in settings.sources]
    for row in counted:
        if row["source"] in settings.sources and row["fetched"] >= ENOUGH:
            found += _rejects(row["source"], row["rejected"], row["fetched"], settings)
    return found


def _stale(
    name: str, pulled: datetime | None, since: datetime, now: datetime, most: timedelta
) -> Trouble:
    if now - (pulled or since) <= most:
        return Trouble("staleness", name, None)
    told = f"since {clock.minute(pulled)}" if pulled else "yet"
    return Trouble("staleness", name, f"It has not been read to its end {told}.")


def _rejects(name: str, rejected: int, fetched: int, settings: Settings) -> Iterator[Trouble]:
    """It is too much above the limit, and well again from half of it: no message for each wave."""
    limit, share = settings.notify.rejects, rejected / fetched
    if share > limit:
        told = f"{rejected:,} of {fetched:,} orders within a day were rejected."
        yield Trouble("rejects", name, f"{told} `orderpull rejects list` says why.")
    elif share <= limit / 2:
        yield Trouble("rejects", name, None)


def _told(error: OrderpullError | None) -> str | None:
    return str(error) if error is not None else None
