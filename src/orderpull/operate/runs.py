"""The ledger's history of runs, from any warehouse."""

from collections.abc import Sequence
from typing import Any

from orderpull.answers import ledger
from orderpull.destinations import open_destination
from orderpull.settings import Settings


def read_runs(settings: Settings, sources: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Read the last *limit* rows of ``orderpull_run``, newest first.

    :param sources: names of sources; empty for all. One that the settings no longer name may be
        in the ledger.
    :raises SettingsError: neither the ledger nor the settings know a source.
    :raises DestinationError: the warehouse cannot be read, or has no run yet.
    """
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with destination.reader() as reader:
        runs = reader.rows(ledger.runs(limit, sources))
    known = {run["source"] for run in runs}
    settings.chosen(tuple(name for name in sources if name not in known))
    return runs
