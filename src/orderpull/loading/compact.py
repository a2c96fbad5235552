"""Compact the landed pages that the warehouse has loaded, source by source."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orderpull.errors import Interrupted, OrderpullError
from orderpull.landing import open_landing
from orderpull.landing.compaction import Compaction, Compactor
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.pages import PendingPages
from orderpull.settings import Settings
from orderpull.sources.http.limits import Stop

log = logging.getLogger("orderpull.landing")


@dataclass(frozen=True, slots=True)
class Compactions:
    """The results by source, and the errors of those that failed."""

    sources: Mapping[str, Compaction]
    errors: Mapping[str, OrderpullError]

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``landing compact --json`` prints."""
        sources = {name: result.as_json() for name, result in self.sources.items()}
        for name, error in self.errors.items():
            sources[name]["error"] = error.message
        return {"ok": not self.errors, "sources": sources}


def compact(
    settings: Settings,
    names: tuple[str, ...] = (),
    *,
    all_pages: bool = False,
    dry_run: bool = False,
    stop: Stop | None = None,
    on_container: Callable[[str, Compaction], None] = lambda *_: None,
) -> Compactions:
    """Compact the landed pages of sources. An error of one source does not hold up the others.

    :param names: of the sources; empty for all.
    :param all_pages: compact also pages whose container is neither full nor over.
    :param dry_run: only tell what would be done.
    :param on_container: called after each container.
    """
    landing = open_landing(settings.landing, settings.folder)
    results: dict[str, Compaction] = {}
    errors: dict[str, OrderpullError] = {}
    for name in settings.chosen(names):
        compactor = _compactor(landing.source(name), settings, all_pages=all_pages)
        try:
            if dry_run:
                _foretell(compactor)
            else:
                _run(compactor, name, stop or Stop(), on_container)
        except OrderpullError as error:
            errors[name] = error
        results[name] = compactor.result
        if isinstance(errors.get(name), Interrupted):
            break
    return Compactions(results, errors)


def _compactor(landing: SourceLanding, settings: Settings, *, all_pages: bool) -> Compactor:
    through, gaps = PendingPages(landing).noted()
    waiting = frozenset(gaps)
    return Compactor(
        landing,
        lambda page: page <= through and page not in waiting,
        daily=settings.landing.keep_days is not None,
        all_pages=all_pages,
    )


def _foretell(compactor: Compactor) -> None:
    for group in compactor.plan():
        compactor.result.pages += len(group)
        compactor.result.bytes += sum(file.size for file in group)
        compactor.result.containers += 1


def _run(
    compactor: Compactor,
    name: str,
    stop: Stop,
    on_container: Callable[[str, Compaction], None],
) -> None:
    """Compact one source. :raises Interrupted: it was stopped after a container."""
    for result in compactor.run():
        on_container(name, result)
        if stop.requested:
            raise Interrupted(stop.signal)
    if compactor.result.pages:
        log.info("source=%s %d landed pages compacted, containers: %d", name,
                 compactor.result.pages, compactor.result.containers)  # fmt: skip
