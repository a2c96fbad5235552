"""Replay: every landed page once more through today's API file and settings; asks no API.

A page that is loaded already counts nothing; what changes is what a mended mapping reads anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from orderpull.loading import PageLoader
from orderpull.pipeline import Pipeline, RunResult
from orderpull.settings import Settings


@dataclass
class Replayed:
    """What a replay did, for each source: pages read again, orders whose rows changed."""

    result: RunResult
    pages: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


def replay(
    settings: Settings,
    sources: tuple[str, ...] = (),
    *,
    accept_rejects: bool = False,
    told: Callable[[str, int], None] = lambda _source, _pages: None,
) -> Replayed:
    """Load what waits, then read all landed pages again.

    :param told: is called after each batch with the source and how many pages were read.
    """
    pipeline = Pipeline(settings, sources, command="replay")
    pipeline.accept_rejects = accept_rejects
    replayed = Replayed(pipeline.result)

    def again() -> None:
        pipeline.load()
        with pipeline.destination.loader() as loader:
            for name, source in pipeline.sources.items():
                pages = PageLoader(source, pipeline.part(name), loader, pipeline.records[name])
                pages.accept_rejects = accept_rejects
                replayed.pages[name] = 0
                for count in pages.replay():
                    replayed.pages[name] += count
                    told(name, replayed.pages[name])
                replayed.changed[name] = pages.changed
                pipeline.finish(name, loader, pages)
        pipeline.destination.publish(finished=True)

    pipeline.timed(again)
    return replayed
