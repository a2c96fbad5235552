"""Replay: every landed page once more through today's API file and settings; asks no API.

A page that is loaded already counts nothing; what changes is what a mended mapping reads anew. Into
another warehouse, all pages are loaded that its own ledger does not know yet; then the two are
compared.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Destination
from orderpull.errors import (
    DestinationError,
    LandingError,
    OrderpullError,
    PossibleLoss,
    RejectLimitExceeded,
    SettingsError,
    UsageError,
)
from orderpull.landing.protocol import LOADED, Landing, SourceLanding
from orderpull.loading import PageLoader
from orderpull.operate.compare import Comparison, compare
from orderpull.pipeline import Listener, Pipeline, RunResult
from orderpull.settings import Settings, parse_settings
from orderpull.sources.http.limits import Stop


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


@dataclass
class Rebuilt:
    """Another warehouse, rebuilt from the landing.

    :param target: where it is, for a person.
    :param result: what was loaded into it.
    :param compared: how it compares with the warehouse of the settings.
    :param uncompared: why nothing was compared, in a sentence.
    """

    target: str
    result: RunResult
    compared: Comparison | None = None
    uncompared: str = ""

    @property
    def lossy(self) -> int:
        """Answers that were incomplete when they were pulled: no fault of this load."""
        return sum(source.possible_loss for source in self.result.sources.values())

    @property
    def errors(self) -> list[OrderpullError]:
        """What kept pages from being loaded."""
        found = (self.result.error, *(source.error for source in self.result.sources.values()))
        return [each for each in found if each and not isinstance(each, PossibleLoss)]

    @property
    def exit_code(self) -> int:
        """0: all is loaded, and the same as far as it could be compared; 1: it is not."""
        if self.errors:
            return max(error.exit_code for error in self.errors)
        return 0 if self.compared is None or self.compared.equal else 1

    def as_json(self) -> dict[str, Any]:
        """As ``replay --into --json`` shows it."""
        told = self.result.as_json()
        compared = self.compared
        lacking = {
            each.source: {"origin": each.origin, "target": each.target}
            for each in (compared.lacking if compared else ())
        }
        return told | {
            "ok": self.exit_code == 0,
            "target": self.target,
            "equal": compared.equal if compared else None,
            "uncompared": self.uncompared or None,
            "lacking": lacking,
            "tables": [table.as_json() for table in compared.tables] if compared else [],
        }


def replay_into(
    settings: Settings,
    url: str,
    sources: tuple[str, ...] = (),
    *,
    accept_rejects: bool = False,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> Rebuilt:
    """Load every landed page into the warehouse at *url*, and compare it with that of *settings*.

    What the other warehouse has loaded already it does not load again, so that a killed replay goes
    on where it was.

    :param url: as ``destination.url``; the other settings of the destination hold for it too.
    :raises UsageError: it is the same warehouse. :raises LandingError: there is no page.
    """
    there = _elsewhere(settings, url)
    pipeline = Pipeline(there, sources, stop=stop, listener=listener, command="replay")
    _refuse_same(settings, pipeline.destination)
    _refuse_empty(pipeline)
    pipeline.accept_rejects = accept_rejects
    pipeline.landing = cast("Landing", _Unnoted(pipeline.landing))
    rebuilt = Rebuilt(str(pipeline.destination), pipeline.timed(pipeline.load))
    for error in rebuilt.errors:
        if isinstance(error, RejectLimitExceeded):
            error.hint = "If that is right, run the same again with --accept-rejects."
    if rebuilt.errors:
        rebuilt.uncompared = "Not all is loaded, so nothing was compared."
    else:
        _compare(rebuilt, settings, pipeline)
    return rebuilt


def _compare(rebuilt: Rebuilt, settings: Settings, pipeline: Pipeline) -> None:
    """Compare what was rebuilt with the warehouse of *settings*, if that can be opened."""
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
            error.hint = f"All is loaded; run the same again to compare. {error.hint}".strip()
            rebuilt.result.error = error


def _elsewhere(settings: Settings, url: str) -> Settings:
    """*settings* with another ``destination.url``, read as the file's would be."""
    read = parse_settings(f"[destination]\nurl = {json.dumps(url)}\n", Path("--into"))
    destination = msgspec.structs.replace(settings.destination, url=read.destination.url)
    return msgspec.structs.replace(settings, destination=destination)


def _origin(settings: Settings) -> Destination:
    return open_destination(settings.destination, settings.folder, settings.report.timezone)


def _refuse_same(settings: Settings, target: Destination) -> None:
    """Refuse to rebuild a warehouse upon itself.

    :raises UsageError: both are the same. :raises DestinationError: the target is out of reach.
    """
    there = target.identity()
    try:
        here = _origin(settings).identity()
    except (DestinationError, SettingsError):
        return
    if here == there:
        raise UsageError(
            f"{target} is the warehouse that orderpull.toml names.",
            "Name another; `orderpull replay` alone reads the pages again into this one.",
        )


def _refuse_empty(pipeline: Pipeline) -> None:
    if not any(pipeline.part(name).pages() for name in pipeline.sources):
        raise LandingError(
            f"{pipeline.landing} holds no page of {', '.join(pipeline.sources)}: there is nothing "
            "to rebuild from.",
            "Check landing.url; give the landing back from where it is backed up.",
        )


class _Unnoted:
    """A landing in which nothing is noted of what another warehouse has loaded."""

    def __init__(self, landing: Landing) -> None:
        self._landing = landing
        self._parts: dict[str, SourceLanding] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the landing has
        return getattr(self._landing, name)

    def __str__(self) -> str:
        return str(self._landing)

    def source(self, name: str) -> SourceLanding:
        """The part of the landing that one source has."""
        if name not in self._parts:
            self._parts[name] = cast("SourceLanding", _UnnotedSource(self._landing.source(name)))
        return self._parts[name]


class _UnnotedSource:
    """One source's pages; the note of what is loaded is kept here alone."""

    def __init__(self, part: SourceLanding) -> None:
        self._part = part
        self._loaded: bytes | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the part has
        return getattr(self._part, name)

    def __str__(self) -> str:
        return str(self._part)

    def note(self, name: str) -> bytes | None:
        """What was kept under *name*."""
        return self._loaded if name == LOADED else self._part.note(name)

    def keep_note(self, name: str, data: bytes) -> None:
        """Keep *data* under *name*."""
        if name == LOADED:
            self._loaded = data
        else:
            self._part.keep_note(name, data)
