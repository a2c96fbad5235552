"""How fresh and how whole the answers are, from the ledger, in words."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orderpull.answers import from_orders
from orderpull.answers.from_orders import Filter
from orderpull.destinations.protocol import Reader

LATELY = timedelta(hours=26)
"""A source that is pulled every day has been read to its end within this time."""

TO_DO = {
    "number_reused": 'Set ordernumber = "{number}~{id}" for this source, then replay.',
    "value_too_long": "Load into a warehouse that takes longer texts, or have the shop shorten it.",
    "page_damaged": "What could be saved was loaded. Look at the rest: orderpull rejects show.",
    "page_unexpected": "Look at what the API said: orderpull rejects show.",
}
"""What a person does about rejects, by reason."""

LOOK = "Have it mended in the shop, or in the API's .toml; then orderpull rejects retry."
"""What a person does about all others."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says of the sources.

    :param pulled: when each was last read to its end (UTC), None if never.
    :param last: each source's last run.
    :param rejects: how many orders are rejected, by source and reason.
    """

    pulled: dict[str, datetime | None]
    last: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    @property
    def last_pulled(self) -> datetime | None:
        """When any source was last read to its end."""
        return max((at for at in self.pulled.values() if at), default=None)

    @property
    def complete_through(self) -> datetime | None:
        """When all sources had been read to their end; None if one never was."""
        times = [at for at in self.pulled.values() if at]
        return min(times) if times and len(times) == len(self.pulled) else None

    def warnings(self, now: datetime) -> list[str]:
        """What needs a person, a sentence each."""
        found = []
        for run in self.last:
            if run["possible_loss"]:
                found.append(f"{run['source']}: orders may have been lost in run {run['run']}.")
            if run["error"]:
                found.append(f"{run['source']}: the last run failed. {run['error']}")
            elif run["finished_at"] is None:
                found.append(f"{run['source']}: run {run['run']} goes on, or was killed.")
        for source, at in self.pulled.items():
            if at is None:
                found.append(f"{source} has never been read to its end: numbers are not complete.")
            elif now - at > LATELY:
                hours = int((now - at).total_seconds() // 3600)
                told = f"{hours // 24} days" if hours >= 48 else f"{hours} hours"  # noqa: PLR2004
                found.append(f"{source} has not been read to its end for {told}.")
        return found

    @property
    def rejected(self) -> int:
        """How many orders are rejected."""
        return sum(row["rejects"] for row in self.rejects)


def read_standing(reader: Reader, chosen: Filter, sources: tuple[str, ...]) -> Standing:
    """The standing of the sources among the *chosen*.

    :param sources: those of the settings; one that never ran is not complete.
    """
    about = Filter(sources=chosen.sources)
    named = [name for name in sources if not chosen.sources or name in chosen.sources]
    pulled: dict[str, datetime | None] = dict.fromkeys(named)
    pulled |= {
        row["source"]: row["pulled_at"] for row in reader.rows(from_orders.last_pulled(about))
    }
    return Standing(
        pulled=dict(sorted(pulled.items())),
        last=reader.rows(from_orders.last_run(about)),
        rejects=reader.rows(from_orders.rejects_by_reason(about)),
    )
