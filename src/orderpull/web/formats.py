"""Numbers, dates and texts as they are shown, in the way of the reader's language."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_locale_identifier, parse_locale
from babel.dates import format_date, format_skeleton, format_time
from babel.localedata import exists
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape

from orderpull.model import NO_COUNTRY
from orderpull.web.periods import Days, Step

NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
JOINERS = "\u200c\u200d"
LANGUAGES_AT_MOST = 10
WORDS_KEPT = 20_000
"""Numbers and days as they were last written: a page has hundreds, and most of them again."""

CODE_LENGTH = 2
"""Of ISO 3166-1 alpha-2."""


@cache
def _locale(identifier: str) -> Locale:
    return Locale.parse(identifier)


def locale_of(accept_language: str) -> Locale:
    """The first language of an Accept-Language header that is known; else English."""
    wanted = []
    for part in accept_language.split(",")[:LANGUAGES_AT_MOST]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((-float(weight or 1), tag.strip()))
        except ValueError:
            continue
    for _, tag in sorted(wanted, key=lambda pair: pair[0]):
        try:
            parts = parse_locale(tag, sep="-")
        except ValueError:
            continue
        for identifier in (get_locale_identifier(parts), parts[0]):
            if exists(identifier):
                return _known(identifier)
    return _locale("en")


def _known(identifier: str) -> Locale:
    try:
        return _locale(identifier)
    except (ValueError, UnknownLocaleError):
        return _locale("en")


@dataclass(frozen=True, slots=True)
class Formats:
    """How one reader sees numbers and dates.

    :param locale: by the language of the browser. :param zone: ``report.timezone``.
    """

    locale: Locale
    zone: ZoneInfo

    def number(self, value: float | None) -> str:
        """A whole number, grouped."""
        return NOTHING if value is None else _number(value, None, self.locale)

    def average(self, value: float | None) -> str:
        """A number with two places."""
        if value is None:
            return NOTHING
        return _number(round(value, 2), "#,##0.00", self.locale)

    def share(self, value: float) -> str:
        """A share as a percentage; small ones with a place."""
        places = "#,##0.0 %" if 0 < abs(value) < 0.1 else "#,##0 %"  # noqa: PLR2004
        return _percent(value, places, self.locale)

    def change(self, value: float) -> str:
        """A change as a percentage, with its sign."""
        return _percent(value, f"+#,##0.0 %;{MINUS}#,##0.0 %", self.locale)

    def day(self, day: date) -> str:
        """A day."""
        return _day(day, self.locale)

    def days(self, days: Days) -> str:
        """From when until when."""
        if days.first and days.last:
            if days.first == days.last:
                return self.day(days.first)
            return f"{self.day(days.first)} {NOTHING} {self.day(days.last)}"
        if days.first:
            return f"since {self.day(days.first)}"
        return f"until {self.day(days.last)}" if days.last else "all time"

    def step(self, days: Days, step: Step) -> str:
        """A bar's label under the axis."""
        first = days.first or date.min
        skeleton = {"day": "MMMd", "week": "MMMd", "month": "yMMM", "year": "y"}[step]
        return _skeleton(skeleton, first, self.locale)

    def instant(self, instant: datetime | None) -> str:
        """A time (UTC in, the report's time zone out)."""
        if instant is None:
            return NOTHING
        local = instant.replace(tzinfo=UTC).astimezone(self.zone)
        clock = format_time(local, "short", tzinfo=self.zone, locale=self.locale)
        return f"{self.day(local.date())}, {clock}"


@lru_cache(WORDS_KEPT)
def _number(value: float, pattern: str | None, locale: Locale) -> str:
    return str(format_decimal(value, format=pattern, locale=locale))


@lru_cache(WORDS_KEPT)
def _percent(value: float, pattern: str, locale: Locale) -> str:
    return str(format_percent(value, format=pattern, locale=locale))


@lru_cache(WORDS_KEPT)
def _day(day: date, locale: Locale) -> str:
    return str(format_date(day, "medium", locale=locale))


@lru_cache(WORDS_KEPT)
def _skeleton(skeleton: str, day: date, locale: Locale) -> str:
    return str(format_skeleton(skeleton, day, locale=locale))


@lru_cache(WORDS_KEPT)
def country_name(country: str | None) -> str:
    """How *country* is shown: by its English name, if it is the code of one."""
    if country is None:
        return NO_COUNTRY
    name = _locale("en").territories.get(country) if len(country) == CODE_LENGTH else None
    return str(name or visible(country))


def with_commands(sentence: str) -> Markup:
    """*sentence*, with what stands between backticks as code."""
    parts = [escape(part) for part in sentence.split("`")]
    pieces = [
        Markup("<code>{}</code>").format(part) if place % 2 and place < len(parts) - 1 else part
        for place, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def visible(text: str) -> str:
    """*text* so that blanks at its ends and odd characters can be seen."""
    shown = "".join(
        char if char.isprintable() or char in JOINERS else f"\\x{ord(char):02x}" for char in text
    )
    return f"'{shown}'" if text != text.strip() else shown


def ago(instant: datetime, now: datetime) -> str:
    """How long ago, in words."""
    seconds = (now - instant).total_seconds()
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
