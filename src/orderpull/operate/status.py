"""Status: the last runs, the waiting pages and the next run; without API requests or locks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import asdict

from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Destination
from orderpull.destinations.upkeep import LakeFacts
from orderpull.errors import DestinationError
from orderpull.landing import open_landing
from orderpull.landing.compaction import Compacted, compacted
from orderpull.landing.expired import expired_pages
from orderpull.loading.pages import PendingPages
from orderpull.schedule.state import ScheduleStatus, StateFile
from orderpull.settings import Settings
from orderpull.sources.paging.doubts import Doubt, doubts_of
from orderpull.sources.spec.reader import read_api
from orderpull.verify.record import LastVerified, last_verified

RUNS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The status of one source.

    :param waiting: landed pages that are not loaded.
    :param in_flight: requests whose process was killed.
    :param rejects: open rejects.
    :param next: the next run, as a sentence.
    :param in_doubt: periods of which orders may be missing.
    :param verified: the last verification; None: never.
    :param refill: first and last number of the pages whose orders still lack columns that a
        migration has added; None: none do.
    :param deleted: number of pages that ``keep_days`` has deleted, and the day before which they
        were received; None: none was.
    :param compacted: the last compaction of the landed pages; None: never.
    """

    waiting: int
    in_flight: int
    rejects: int
    next: str
    in_doubt: list[Doubt]
    verified: LastVerified | None = None
    deleted: dict[str, Any] | None = None
    refill: dict[str, int] | None = None
    compacted: Compacted | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object for this source in ``status --json``."""
        verified = self.verified and {
            "at": self.verified.at,
            "since": self.verified.since,
            "shop": self.verified.shop,
            "checked": self.verified.checked,
            "differences": self.verified.count,
            "clean_at": self.verified.clean_at,
            "error": self.verified.error,
        }
        return {
            "waiting": self.waiting,
            "in_flight": self.in_flight,
            "rejects": self.rejects,
            "next": self.next,
            "in_doubt": [doubt.as_json() for doubt in self.in_doubt],
            "verified": verified,
            "deleted": self.deleted,
            "refill": self.refill,
            "compacted": self.compacted and asdict(self.compacted),
        }


@dataclass(frozen=True, slots=True)
class Status:
    """The last runs, newest first, the sources, and the schedule if one was ever started.

    :param refused: reason for each refused row of the list of accounts, by its name.
    :param lake: the files of an Iceberg warehouse.
    """

    runs: list[dict[str, Any]]
    sources: dict[str, SourceStatus]
    schedule: ScheduleStatus | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    lake: LakeFacts | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``status --json`` prints."""
        sources = {name: source.as_json() for name, source in self.sources.items()}
        schedule = self.schedule.as_json() if self.schedule else None
        lake = {"lake": self.lake.as_json()} if self.lake else {}
        shown = {"sources": sources, "runs": self.runs, "schedule": schedule, **lake}
        return shown | ({"refused": self.refused} if self.refused else {})


def status(settings: Settings) -> Status:
    """Read the status from the landing, the warehouse and the schedule's state file."""
    landing = open_landing(settings.landing, settings.folder)
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    runs, rejects, refills = _ledger(destination)
    sources = {}
    for name, source in settings.chosen().items():
        part = landing.source(name)
        waiting = len(PendingPages(part).pages())
        drafts = 0 if part.being_pulled() else len(part.requests_in_flight())
        api = read_api(source.api, settings.folder)
        cursor = part.newest_cursor(None, 0) if api.cursor else None
        open_ = sum(row["rejects"] for row in rejects if row["source"] == name)
        steps = []
        if waiting:
            steps.append(f"load {waiting} landed page{'s' if waiting > 1 else ''}")
        if drafts:
            steps.append("keep what a killed process left (possible loss)")
        if api.consume_once:
            steps.append("ask for new orders until none come")
        elif api.cursor:
            steps.append(f"ask for orders changed since {cursor or source.start}")
        else:
            steps.append("read all orders")
        doubts = doubts_of(part)
        if doubts:
            steps.append("read again what is in doubt")
        expired = expired_pages(part)
        deleted = {"pages": expired.pages, "before": expired.before} if expired.pages else None
        next_ = ", then ".join(steps)
        sources[name] = SourceStatus(
            waiting,
            drafts,
            open_,
            next_,
            doubts,
            last_verified(part),
            deleted,
            refills.get(name),
            compacted(part),
        )
    refused = settings.accounts.refused
    return Status(runs, sources, StateFile(settings).status(), refused, _lake(destination))


def _lake(destination: Destination) -> LakeFacts | None:
    try:
        return destination.files()
    except DestinationError:
        return None


def _ledger(
    destination: Destination,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, dict[str, int]]]:
    """Read the last runs, the open rejects by source and reason, and the refill of each source."""
    from orderpull.answers import ledger

    try:
        with destination.reader() as reader:
            rejects = reader.rows(ledger.rejects_by_reason())
            refills = {
                row["source"]: {"from": row["refill_from"], "to": row["refill_to"]}
                for row in reader.rows(ledger.refills())
            }
            return reader.rows(ledger.runs(RUNS_SHOWN)), rejects, refills
    except DestinationError:
        return [], [], {}
