"""Verify the sources: every comparison, then repairs if asked for, then every comparison again."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from orderpull import clock
from orderpull.destinations import open_destination
from orderpull.errors import Interrupted, LandingError, OrderpullError, UsageError
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.sources.http.limits import SharedLimits, Stop
from orderpull.sources.http.messages import Send
from orderpull.sources.pull import Source
from orderpull.sources.spec.reader import read_api
from orderpull.verify.landing import LandingTables
from orderpull.verify.once import ConsumedOnce
from orderpull.verify.record import keep_verified
from orderpull.verify.result import MAX_LISTED, Verified
from orderpull.verify.rollups import Rollups
from orderpull.verify.scope import Comparison, Scope
from orderpull.verify.shop import ShopAndTables
from orderpull.verify.tables import Tables

COMPARISONS: tuple[Comparison, ...] = (
    ConsumedOnce(),
    ShopAndTables(),
    LandingTables(),
    Tables(),
    Rollups(),
)
"""All comparisons, in the order of the data."""


@dataclass
class Options:
    """Extent and manner of a verification.

    :param since: compare what was landed or changed since then; None: everything.
    :param deep: compare everything, by every value.
    :param offline: send no request to an API.
    :param repair: put right what can be, and verify again.
    :param delete_extra: remove what no landed page holds, too.
    :param max_calls: most requests to the API of each source; None: no limit.
    :param send: replaces the network in tests.
    """

    since: datetime | None = None
    deep: bool = False
    offline: bool = False
    repair: bool = False
    delete_extra: bool = False
    max_calls: int | None = None
    stop: Stop = field(default_factory=Stop)
    send: Send | None = None


def verify(
    settings: Settings, names: Sequence[str] = (), options: Options | None = None
) -> Verified:
    """Compare shop, landing, tables and rollups of the sources *names*; empty: all sources.

    Without a repair nothing is changed, but for the snapshot of a DuckDB warehouse: it is renewed
    first, so that the warehouse itself is compared and not an old copy.

    :raises DestinationError: the warehouse cannot be read.
    """
    options = options or Options()
    verified = _verify(settings, names, options)
    if options.repair and any(source.needs_repair for source in verified.sources.values()):
        verified = _repaired(settings, names, options, verified)
    _keep(settings, verified)
    return verified


def by_settings(settings: Settings, stop: Stop) -> Verified:
    """Verify as ``[verify]`` of *settings* says."""
    block = settings.verify
    since = clock.now() - clock.duration(block.since)
    options = Options(since, block.deep, offline=not block.shop, stop=stop)
    return verify(settings, block.sources, options)


def _keep(settings: Settings, verified: Verified) -> None:
    """Write a note on each source's result, unless the verification was stopped."""
    landing = open_landing(settings.landing, settings.folder)
    for name, source in verified.sources.items():
        if not isinstance(source.error, Interrupted):
            try:
                keep_verified(landing.source(name), verified, name)
            except LandingError as error:
                source.error = source.error or error


def _verify(settings: Settings, names: Sequence[str], options: Options) -> Verified:
    began, start = clock.now(), time.monotonic()
    with ExitStack() as stack:
        scopes = _scopes(settings, names, options)
        destination = scopes[0].destination
        stack.callback(destination.close)
        reader = stack.enter_context(destination.fresh_reader())
        for scope in scopes:
            _compare(replace(scope, opened=reader), options)
    results = {scope.name: scope.result for scope in scopes}
    return Verified(began, scopes[0].since, results, time.monotonic() - start)


def _repaired(
    settings: Settings, names: Sequence[str], options: Options, first: Verified
) -> Verified:
    """Repair the differences of the *first* verification, and verify again."""
    errors: dict[str, OrderpullError] = {}
    calls: dict[str, int] = {}
    with ExitStack() as stack:
        scopes = _scopes(settings, names, options)
        stack.callback(scopes[0].destination.close)
        for scope in scopes:
            before = scope.result = first.sources[scope.name]
            try:
                for comparison in _comparisons(options) if before.needs_repair else ():
                    comparison.repair(scope, before.differences)
            except OrderpullError as error:
                errors[scope.name] = error
            calls[scope.name] = before.calls
    verified = _verify(settings, names, options)
    for name, source in verified.sources.items():
        source.repaired = len({*first.sources[name].differences} - {*source.differences})
        source.error = errors.get(name) or source.error
        source.calls += calls[name]
    return verified


def since_of(text: str, now: datetime) -> datetime:
    """The time that a length such as ``30d`` before *now*, or a day such as ``2026-01-01``, means.

    :raises UsageError: *text* is neither.
    """
    try:
        return now - clock.duration(text)
    except UsageError:
        pass
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time())
    except ValueError:
        raise UsageError(
            f"--since {text} is neither a length of time, of at most a year, nor a day.",
            "Write it like 30d or 2026-01-01; --deep compares everything.",
        ) from None


def _scopes(settings: Settings, names: Sequence[str], options: Options) -> list[Scope]:
    """A scope for each source, which share the warehouse and the limits of requests."""
    since = None if options.deep else options.since
    landing = open_landing(settings.landing, settings.folder)
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    limits = SharedLimits()
    scopes = []
    for name, each in settings.chosen(tuple(names)).items():
        api = read_api(each.api, settings.folder, billing_country=each.billing_country)
        source = Source(name, each, api, send=options.send, limits=limits)
        part = landing.source(name)
        scope = Scope(settings, source, part, destination, since, options.deep, options.stop)
        scope.delete_extra = options.delete_extra
        scope.max_calls = options.max_calls
        scopes.append(scope)
    return scopes


def _comparisons(options: Options) -> list[Comparison]:
    return [each for each in COMPARISONS if not (each.asks and options.offline)]


def _compare(scope: Scope, options: Options) -> None:
    """Run every comparison for one source; an error of one does not stop the others."""
    result = scope.result
    for comparison in _comparisons(options):
        try:
            for number, difference in enumerate(comparison.compare(scope)):
                if number == MAX_LISTED:
                    more = f"{comparison.where}: more than {MAX_LISTED:,} orders differ."
                    result.notes.append(more)
                    break
                result.differences.append(difference)
        except Interrupted as error:
            result.error = error
            return
        except OrderpullError as error:
            result.error = result.error or error
