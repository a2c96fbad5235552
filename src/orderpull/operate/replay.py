"""Replay: load every landed page again, under today's API file and settings.

The landing is the only input; no API gets a request. Pages that were loaded before are not counted
again; only rows that the API file now maps differently change. A replay into another warehouse
loads the pages that its ledger lacks, and then compares the two.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

import msgspec

from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Destination
from orderpull.destinations.shadow import ShadowDestination
from orderpull.errors import (
    DestinationError,
    LandingError,
    OrderpullError,
    PossibleLoss,
    RejectLimitExceeded,
    SettingsError,
    UsageError,
)
from orderpull.forget.unfinished import finish_erasures
from orderpull.landing.expired import expired_pages
from orderpull.operate.changes import SourceChanges, changes_in
from orderpull.operate.compare import Comparison, compare
from orderpull.pipeline import Pipeline, RunOptions, RunResult
from orderpull.settings import Settings, parse_settings


@dataclass
class Replayed:
    """The result of a replay: pages read and orders changed, by source."""

    result: RunResult
    pages: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


@dataclass
class Foretold:
    """The result of a replay that wrote nothing.

    :param changes: what the replay would change, by source; none if the warehouse cannot be read.
    """

    replayed: Replayed
    changes: dict[str, SourceChanges] = field(default_factory=dict)

    @property
    def errors(self) -> list[OrderpullError]:
        """The errors with which the replay would end."""
        result = self.replayed.result
        errors = (result.error, *(source.error for source in result.sources.values()))
        return [error for error in errors if error]

    def as_json(self, *, names: bool) -> dict[str, Any]:
        """Return the object that ``replay --dry-run --json`` prints."""
        result = self.replayed.result
        sources = {
            name: {
                "pages": self.replayed.pages.get(name, 0),
                **changes.as_json(names=names),
                "error": str(error) if (error := result.sources[name].error) else None,
                "notes": result.sources[name].notes,
            }
            for name, changes in self.changes.items()
        }
        stopped = {"error": str(result.error)} if result.error else {}
        return {"ok": result.ok, "written": False, "sources": sources, **stopped}


def replay(
    settings: Settings,
    sources: tuple[str, ...] = (),
    *,
    accept_rejects: bool = False,
    on_batch: Callable[[str, int], None] = lambda _source, _pages: None,
) -> Replayed:
    """Load the waiting pages, then load all landed pages again; finish begun erasures.

    :param on_batch: called after each batch with the source and its number of pages so far.
    """
    pipeline = Pipeline(settings, sources, command="replay", accept_rejects=accept_rejects)
    replayed = Replayed(pipeline.result)
    pipeline.timed(lambda: _replay_all(pipeline, replayed, on_batch))
    finish_erasures(settings, replayed.result)
    return replayed


def dry_run(
    settings: Settings, sources: tuple[str, ...] = (), *, accept_rejects: bool = False
) -> Foretold:
    """Replay into a copy of the warehouse in memory; return what would change there.

    Parameters as :func:`replay`. Warehouse, ledger and landing stay as they are. If the replay
    stops with an error, the changes are those before it.
    """
    pipeline = Pipeline(
        settings, sources, command="replay", accept_rejects=accept_rejects, detached=True
    )
    foretold = Foretold(Replayed(pipeline.result))
    shadow = ShadowDestination(pipeline.destination, list(pipeline.sources))
    pipeline.destination = shadow

    def foretell() -> None:
        try:
            _replay_all(pipeline, foretold.replayed, lambda _source, _pages: None)
        finally:
            shadow.preflight()
            foretold.changes = changes_in(shadow.stage.connection, list(pipeline.sources))

    pipeline.timed(foretell)
    return foretold


def _replay_all(
    pipeline: Pipeline, replayed: Replayed, on_batch: Callable[[str, int], None]
) -> None:
    """Load the waiting pages, then load all landed pages again."""
    pipeline.load()
    with pipeline.destination.loader() as loader:
        for name in pipeline.sources:
            if (expired := expired_pages(pipeline.landing_of(name))).pages:
                note = f"{expired} are deleted (keep_days); their orders stay as they are."
                pipeline.result.sources[name].notes.append(note)
            pages = pipeline.page_loader(name, loader)
            replayed.pages[name] = 0
            for count in pages.replay():
                replayed.pages[name] += count
                on_batch(name, replayed.pages[name])
            replayed.changed[name] = pages.changed
            pipeline.finish(loader, pages)
    pipeline.destination.publish(finished=True)


@dataclass
class Rebuilt:
    """The result of loading the landing into another warehouse.

    :param target: description of the other warehouse.
    :param result: counts and errors of the load.
    :param compared: comparison with the warehouse of the settings.
    :param uncompared: the reason, as a sentence, if nothing was compared.
    """

    target: str
    result: RunResult
    compared: Comparison | None = None
    uncompared: str = ""

    @property
    def lossy(self) -> int:
        """Number of responses that were incomplete when pulled; not an error of this load."""
        return sum(source.possible_loss for source in self.result.sources.values())

    @property
    def errors(self) -> list[OrderpullError]:
        """The errors that stopped the load."""
        errors = (self.result.error, *(source.error for source in self.result.sources.values()))
        return [each for each in errors if each and not isinstance(each, PossibleLoss)]

    @property
    def exit_code(self) -> int:
        """The exit code: 0 if all is loaded and no difference was found."""
        if self.errors:
            return max(error.exit_code for error in self.errors)
        return 0 if self.compared is None or self.compared.equal else 1

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``replay --into --json`` prints."""
        result = self.result.as_json()
        compared = self.compared
        missing = {
            each.source: {"origin": each.origin, "target": each.target}
            for each in (compared.missing if compared else ())
        }
        sides = zip(("origin", "target"), compared.unfilled if compared else ([], []), strict=True)
        unfilled = {
            side: {each.source: {"from": each.first, "to": each.last} for each in pages}
            for side, pages in sides
        }
        return result | {
            "ok": self.exit_code == 0,
            "target": self.target,
            "equal": compared.equal if compared else None,
            "uncompared": self.uncompared or None,
            "lacking": missing,
            "unfilled": unfilled,
            "tables": [table.as_json() for table in compared.tables] if compared else [],
        }


def replay_into(
    settings: Settings,
    url: str,
    sources: tuple[str, ...] = (),
    **options: Unpack[RunOptions],
) -> Rebuilt:
    """Load every landed page into the warehouse at *url*, and compare it with that of *settings*.

    Pages that the other warehouse has loaded are skipped, so a killed replay continues where it
    stopped.

    :param options: see :class:`RunOptions`.
    :param url: like ``destination.url``; the other settings of the destination apply to it too.
    :raises UsageError: *url* is the warehouse of *settings*.
    :raises LandingError: the landing has no page.
    """
    read = parse_settings(f"[destination]\nurl = {json.dumps(url)}\n", Path("--into"))
    destination = msgspec.structs.replace(settings.destination, url=read.destination.url)
    target = msgspec.structs.replace(settings, destination=destination)
    pipeline = Pipeline(target, sources, command="replay", detached=True, **options)
    _refuse_same(settings, pipeline.destination)
    if not any(pipeline.landing_of(name).pages() for name in pipeline.sources):
        raise LandingError(
            f"{pipeline.landing} holds no page of {', '.join(pipeline.sources)}: there is nothing "
            "to rebuild from.",
            "Check landing.url, or restore the landing from its backup.",
        )
    rebuilt = Rebuilt(str(pipeline.destination), pipeline.timed(pipeline.load))
    for error in rebuilt.errors:
        if isinstance(error, RejectLimitExceeded):
            error.hint = "If that is right, run the same command with --accept-rejects."
    if rebuilt.errors:
        rebuilt.uncompared = "Nothing was compared, because not all pages were loaded."
    else:
        _compare(rebuilt, settings, pipeline)
    return rebuilt


def _compare(rebuilt: Rebuilt, settings: Settings, pipeline: Pipeline) -> None:
    """Compare the rebuilt warehouse with the one of *settings*, if that can be opened."""
    with ExitStack() as opened:
        try:
            ours = opened.enter_context(_origin(settings).reader())
        except (DestinationError, SettingsError) as error:
            rebuilt.uncompared = f"Nothing was compared: {error.message}"
            return
        try:
            theirs = opened.enter_context(pipeline.destination.reader())
            rebuilt.compared = compare(ours, theirs, list(pipeline.sources))
        except DestinationError as error:
            error.exit_code = 1
            hint = f"All pages are loaded; run the same command again to compare. {error.hint}"
            error.hint = hint.strip()
            rebuilt.result.error = error


def _origin(settings: Settings) -> Destination:
    return open_destination(settings.destination, settings.folder, settings.report.timezone)


def _refuse_same(settings: Settings, target: Destination) -> None:
    """Refuse to load a warehouse into itself.

    :raises UsageError: both are the same. :raises DestinationError: the target cannot be reached.
    """
    target_identity = target.identity()
    try:
        identity = _origin(settings).identity()
    except (DestinationError, SettingsError):
        return
    if identity == target_identity:
        raise UsageError(
            f"{target} is the warehouse that orderpull.toml names.",
            "Name another one; `orderpull replay` without --into reloads this one.",
        )
