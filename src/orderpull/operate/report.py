"""Report: read the answers from the warehouse."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from orderpull.countries import country_meant, reader_language
from orderpull.days import midnight
from orderpull.destinations import open_destination
from orderpull.errors import RightMissing, UsageError
from orderpull.model import NO_CHANNEL, NO_COUNTRY
from orderpull.settings import Settings

if TYPE_CHECKING:
    from orderpull.answers.choose import Reader
    from orderpull.answers.rates import Rates
    from orderpull.answers.report import Report
    from orderpull.answers.skus import Measure


def report(
    settings: Settings,
    *,
    country: str | Sequence[str] = (),
    source: Sequence[str] = (),
    since: date | None = None,
    until: date | None = None,
    top: int = 10,
    by: "Measure" = "items",
    channel: Sequence[str] = (),
) -> "Report":
    """Read the answers.

    :param country: only orders to these countries, by code or name, also in its own languages;
        ``(no country)`` selects orders without one.
    :param source: only orders of these sources.
    :param since: only orders placed on this day (in ``report.timezone``) or later.
    :param until: only orders placed before the end of this day.
    :param top: number of SKUs, overall and for each country.
    :param by: what SKUs are ranked by.
    :param channel: only orders of these channels; ``(no channel)`` selects orders without one.
    :raises DestinationError: the warehouse cannot be read, or no run has loaded it yet.
    """
    countries = (country,) if isinstance(country, str) else tuple(country)
    for name in source:
        settings.chosen((name,))
    from orderpull.answers.filter import Filter
    from orderpull.answers.report import build_report

    zone = ZoneInfo(settings.report.timezone)
    where = Filter(
        sources=tuple(source),
        since=midnight(since, zone) if since else None,
        until=midnight(until + timedelta(days=1), zone) if until else None,
        channels=tuple(None if each == NO_CHANNEL else each for each in channel),
    )
    if since and until and since > until:
        raise UsageError(f"--since {since} is after --until {until}.", "Swap them.")
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    rates = rates_of(settings)

    def read(*, customers: bool) -> "Report":
        with destination.reader() as reader:
            chosen = replace(where, countries=_understood(countries, reader, zone))
            return build_report(reader, zone, chosen, top, by=by, rates=rates, customers=customers)

    try:
        return read(customers=True)
    except RightMissing:
        return read(customers=False)


def rates_of(settings: Settings) -> "Rates | None":
    """The rates that amounts are converted by; None if they are not converted."""
    from orderpull.answers.rates import Rates

    currency, file = settings.report.currency, settings.report.rates
    return Rates(currency, settings.folder / file) if currency and file else None


def _understood(
    countries: Sequence[str], reader: "Reader", zone: ZoneInfo
) -> tuple[str | None, ...]:
    """The *countries* as they are stored; None for orders without one."""
    from orderpull.answers.choose import load_rollups, stored_countries

    if not countries:
        return ()
    stored, language = stored_countries(reader, load_rollups(reader, zone)), reader_language()
    return tuple(None if c == NO_COUNTRY else country_meant(c, stored, language) for c in countries)
