"""Verify the sources: every comparison, then repairs if asked for, then every comparison again."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from orderpull import clock
from orderpull.destinations import open_destination
from orderpull.errors import Interrupted, OrderpullError, UsageError
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.sources.http.limits import SharedLimits, Stop
from orderpull.sources.http.messages import Send
from orderpull.sources.pull import Source
from orderpull.sources.spec.reader import read_api
from orderpull.verify.result import MAX_LISTED, Verified
from orderpull.verify.scope import Comparison, Scope
from orderpull.verify.tables import Tables

COMPARISONS: tuple[Comparison, ...] = (Tables(),)
"""All comparisons, in the order of the data."""

SINCE = "30d"
"""The span of time that is compared by default."""


@dataclass
class Options:
    """What to verify, and how.

    :param since: compare what was landed or changed since then; None: everything.
    :param deep: compare everything, by every value.
    :param offline: send no request to an API.
    :param send: replaces the network in tests.
    """

    since: datetime | None = None
    deep: bool = False
    offline: bool = False
    stop: Stop = field(default_factory=Stop)
    send: Send | None = None


def verify(
    settings: Settings, names: Sequence[str] = (), options: Options | None = None
) -> Verified:
    """Compare shop, landing, tables and rollups of the sources *names*; empty: all sources.

    Nothing is changed, but for the snapshot of a DuckDB warehouse: it is renewed first, so that the
    warehouse itself is compared and not an old copy.

    :raises DestinationError: the warehouse cannot be read.
    """
    options = options or Options()
    began, start = clock.now(), time.monotonic()
    since = None if options.deep else options.since
    with ExitStack() as stack:
        scopes = _scopes(settings, names, since, options)
        destination = scopes[0].destination
        stack.callback(destination.close)
        destination.publish(finished=True, always=True)
        reader = stack.enter_context(destination.reader())
        for scope in scopes:
            _compare(replace(scope, opened=reader), options)
    results = {scope.name: scope.result for scope in scopes}
    return Verified(began, since, results, time.monotonic() - start)


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
            f"--since {text} is neither a length of time nor a day.",
            "Write it like 30d or 2026-01-01.",
        ) from None


def _scopes(
    settings: Settings, names: Sequence[str], since: datetime | None, options: Options
) -> list[Scope]:
    """A scope for each source, which share the warehouse and the limits of requests."""
    landing = open_landing(settings.landing, settings.folder)
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    limits = SharedLimits()
    scopes = []
    for name, each in settings.chosen(tuple(names)).items():
        api = read_api(each.api, settings.folder, billing_country=each.billing_country)
        source = Source(name, each, api, send=options.send, limits=limits)
        part = landing.source(name)
        scopes.append(Scope(settings, source, part, destination, since, options.deep, options.stop))
    return scopes


def _compare(scope: Scope, options: Options) -> None:
    """Run every comparison for one source; an error of one does not stop the others."""
    result = scope.result
    for comparison in COMPARISONS:
        if comparison.asks and options.offline:
            continue
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
