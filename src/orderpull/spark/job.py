"""A job: what each executor needs to know, and the tasks into which a landing is divided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from orderpull.landing import open_landing
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import LandingSettings, SourceSettings
from orderpull.sources.pull import Source
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import AuthSpec

_SECRETS = dict.fromkeys(
    ("token", "user", "password", "client_id", "client_secret", "refresh_token")
)


@dataclass(frozen=True)
class Task:
    """Pages of one source that one task of the cluster shapes."""

    source: str
    pages: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """A replay, as it is sent to the executors: without the credentials of shops and warehouse.

    :param run: id of the replay; a replay of the same pages into the same place has the same.
    :param at: time of the load (UTC), the same in all rows.
    :param folder: where relative paths start. :param zone: IANA name of the rollups' time zone.
    :param sources: settings and API of each source, in the order of their indexes.
    :param limits: bytes that the warehouse's columns hold.
    :param buckets: number of buckets, into which the orders are divided by a hash of their ids.
    :param parts: folder for the executors' files, which each machine sees.
    """

    run: str
    at: datetime
    folder: Path
    zone: str
    landing: LandingSettings
    sources: Mapping[str, tuple[SourceSettings, Api]]
    limits: Mapping[str, int]
    buckets: int
    parts: Path

    def source(self, name: str) -> Source:
        """The source *name*, which can read its pages and nothing else."""
        settings, api = self.sources[name]
        source = Source(name, settings, api)
        source.index = list(self.sources).index(name)
        return source

    def landing_of(self, name: str) -> SourceLanding:
        """The landing of source *name*."""
        return open_landing(self.landing, self.folder).source(name)


def without_secrets(settings: SourceSettings, api: Api) -> tuple[SourceSettings, Api]:
    """*settings* and *api* for reading pages alone."""
    return replace(settings, **_SECRETS), replace(api, auth=AuthSpec())


def divided(pages: Mapping[str, Sequence[int]], slots: int) -> Iterator[Task]:
    """The tasks for *pages* by source: consecutive pages, the same for the same landing.

    :param slots: number of tasks that the cluster runs at a time.
    """
    count = sum(map(len, pages.values()))
    size = max(1, min(LARGEST_TASK, -(-count // (TASKS_A_SLOT * slots))))
    for source, numbers in pages.items():
        for start in range(0, len(numbers), size):
            yield Task(source, tuple(numbers[start : start + size]))


LARGEST_TASK = 500
"""Pages of a task, at most: what a lost executor has to do again."""

TASKS_A_SLOT = 4
"""Tasks for each slot, at least, so that no slot is idle for long at the end."""
