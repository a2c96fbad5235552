"""Freshness and completeness of the answers, read from the ledger, and warnings about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orderpull.answers import ledger
from orderpull.web.context import QueryContext
from orderpull.web.overview import read_rejects

STALE_AFTER = timedelta(hours=26)
"""A source that is pulled once a day is read to its end within this time."""

REJECTS_STAND_OUT = 0.01
"""Share of rejected orders from which each page says so. Fewer are a number beside "Runs"."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """State of the sources, as the ledger has it.

    :param pulled: for each source the time it was last read to its end (UTC); None: never.
    :param last: the last run of each source.
    :param rejects: the number of open rejects, by source and reason.
    :param inserted: number of orders that runs have inserted.
    """

    pulled: dict[str, datetime | None]
    last: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    inserted: int = 0

    @property
    def last_pulled(self) -> datetime | None:
        """Time at which a source was last read to its end."""
        return max((time for time in self.pulled.values() if time), default=None)

    @property
    def complete_through(self) -> datetime | None:
        """Time up to which every source was read to its end; None if one never was."""
        times = [time for time in self.pulled.values() if time]
        return min(times) if times and len(times) == len(self.pulled) else None

    @property
    def rejected(self) -> int:
        """Number of rejected orders."""
        return sum(row["rejects"] for row in self.rejects)

    @property
    def rejects_stand_out(self) -> bool:
        """True if the rejected orders are many enough to be told at the head of each page."""
        return self.rejected >= self.inserted * REJECTS_STAND_OUT

    def warnings(self, now: datetime) -> list[str]:
        """Sentences about everything that a person must look into."""
        warnings = []
        for run in self.last:
            if run["possible_loss"]:
                warnings.append(f"{run['source']}: orders may have been lost in run {run['run']}.")
            if run["error"]:
                warnings.append(f"{run['source']}: the last run failed. {run['error']}")
            elif run["finished_at"] is None:
                warnings.append(f"{run['source']}: run {run['run']} goes on, or was killed.")
        for source, pulled_at in self.pulled.items():
            if pulled_at is None:
                warnings.append(
                    f"{source} has never been read to its end: numbers are not complete."
                )
            elif now - pulled_at > STALE_AFTER:
                hours = int((now - pulled_at).total_seconds() // 3600)
                age = f"{hours // 24} days" if hours >= 48 else f"{hours} hours"  # noqa: PLR2004
                warnings.append(f"{source} has not been read to its end for {age}.")
        return warnings


def read_freshness(context: QueryContext, configured: Sequence[str]) -> Freshness:
    """Read the freshness of the question's sources.

    :param configured: sources of the settings. A source without a run counts as never pulled.
    """
    reader, selected = context.reader, context.where.sources
    pulled: dict[str, datetime | None] = {
        name: None for name in configured if not selected or name in selected
    }
    rows = reader.rows(ledger.last_pulled(selected))
    pulled |= {row["source"]: row["pulled_at"] for row in rows}
    return Freshness(
        pulled=dict(sorted(pulled.items())),
        last=reader.rows(ledger.last_run(selected)),
        rejects=read_rejects(context),
        inserted=reader.rows(ledger.inserted(selected))[0]["orders"],
    )
