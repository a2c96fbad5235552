"""Templates, and formats of numbers, dates and texts by the language of the browser."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_locale_identifier, parse_locale
from babel.dates import format_date, format_skeleton, format_time
from babel.localedata import exists
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from orderpull import __version__
from orderpull.model import NO_CHANNEL, NO_COUNTRY
from orderpull.web.periods import COMPARES, PERIODS, STEPS, Days
from orderpull.web.question import Question

WEB_FOLDER = Path(__file__).parent
STATIC_FOLDER = WEB_FOLDER / "static"

NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
JOINERS = "\u200c\u200d"
MAX_LANGUAGES = 10
CACHE_SIZE = 20_000
"""Entries of each format cache: a page formats hundreds of values, most of them repeatedly."""

CODE_LENGTH = 2
"""Length of an ISO 3166-1 alpha-2 code."""


@cache
def static_version() -> str:
    """Hash of all static files. Their addresses end with it, so browsers may keep them."""
    files = sorted(path for path in STATIC_FOLDER.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest()[:12]


@cache
def _locale(identifier: str) -> Locale:
    """The locale of *identifier*; English if it is unknown."""
    try:
        return Locale.parse(identifier)
    except (ValueError, UnknownLocaleError):
        return Locale.parse("en")


def locale_of(accept_language: str) -> Locale:
    """The first supported language of an Accept-Language header; else English."""
    languages = []
    for part in accept_language.split(",")[:MAX_LANGUAGES]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            languages.append((-float(weight or 1), tag.strip()))
        except ValueError:
            continue
    for _, tag in sorted(languages, key=lambda pair: pair[0]):
        try:
            parts = parse_locale(tag, sep="-")
        except ValueError:
            continue
        for identifier in (get_locale_identifier(parts), parts[0]):
            if exists(identifier):
                return _locale(identifier)
    return _locale("en")


_number, _percent = lru_cache(CACHE_SIZE)(format_decimal), lru_cache(CACHE_SIZE)(format_percent)
_money = lru_cache(CACHE_SIZE)(format_currency)
_day, _skeleton = lru_cache(CACHE_SIZE)(format_date), lru_cache(CACHE_SIZE)(format_skeleton)


@cache
def _percent_pattern(locale: Locale) -> str:
    """The percentages of *locale* with one decimal: it places the sign and the blank."""
    pattern: str = locale.percent_formats[None].pattern
    return re.sub(r"[#,0]+0", lambda whole: f"{whole[0]}.0", pattern)


@dataclass(frozen=True, slots=True)
class Formats:
    """Formats numbers and dates for one reader.

    :param locale: locale of the browser's language.
    :param zone: time zone of ``report.timezone``.
    """

    locale: Locale
    zone: ZoneInfo

    def number(self, value: float | None) -> str:
        """Format a whole number with group separators."""
        return NOTHING if value is None else _number(value, locale=self.locale)

    def average(self, value: float | None) -> str:
        """Format a number with two decimals."""
        if value is None:
            return NOTHING
        return _number(round(value, 2), "#,##0.00", self.locale)

    def share(self, value: float) -> str:
        """Format a share as a percentage with one decimal, so that a column of them aligns."""
        return _percent(value, _percent_pattern(self.locale), self.locale)

    def change(self, value: float) -> str:
        """Format a change as a percentage with its sign."""
        pattern = _percent_pattern(self.locale)
        return _percent(value, f"+{pattern};{MINUS}{pattern}", self.locale)

    def money(self, amount: Decimal | float | None, currency: str | None) -> str:
        """Format an amount; without its currency, if that is not known."""
        if amount is None:
            return NOTHING
        if not currency:
            return self.average(float(amount))
        return _money(amount, currency, locale=self.locale)

    def difference(self, value: float) -> str:
        """Format a difference with its sign."""
        return _number(value, f"+#,##0;{MINUS}#,##0", self.locale)

    def day(self, day: date) -> str:
        """Format a day."""
        return _day(day, "medium", self.locale)

    def time(self, instant: datetime) -> str:
        """Format the time of day of a UTC time, in the report's time zone."""
        local = instant.replace(tzinfo=UTC).astimezone(self.zone)
        return format_time(local, "short", tzinfo=self.zone, locale=self.locale)

    def days(self, days: Days) -> str:
        """Format a range of days."""
        if days.first and days.last:
            if days.first == days.last:
                return self.day(days.first)
            return f"{self.day(days.first)} {NOTHING} {self.day(days.last)}"
        if days.first:
            return f"since {self.day(days.first)}"
        return f"until {self.day(days.last)}" if days.last else "all time"

    def step(self, first: date, step: str, *, dated: bool = False) -> str:
        """Format the label of a bar that begins on *first*; if *dated*, always with its year."""
        skeleton = {"day": "MMMd", "week": "MMMd", "month": "yMMM", "year": "y"}[step]
        skeleton = "yMMMd" if dated else skeleton
        return _skeleton(skeleton, first, locale=self.locale)

    def received(self, text: str) -> str:
        """Format the time of a landed page, as its note has it."""
        return self.instant(datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None))

    def value(self, value: object) -> str:
        """Format a value of a table."""
        if isinstance(value, datetime):
            return self.instant(value)
        return NOTHING if value is None else visible(str(value))

    def instant(self, instant: datetime | None) -> str:
        """Format a UTC time in the report's time zone."""
        if instant is None:
            return NOTHING
        local = instant.replace(tzinfo=UTC).astimezone(self.zone)
        return f"{self.day(local.date())}, {self.time(instant)}"


@lru_cache(CACHE_SIZE)
def country_name(country: str | None) -> str:
    """English name of *country* if it is a country code, else *country* itself."""
    if country is None:
        return NO_COUNTRY
    name = _locale("en").territories.get(country) if len(country) == CODE_LENGTH else None
    return str(name or visible(country))


def channel_name(channel: str | None) -> str:
    """Name of *channel*; a phrase for orders without one."""
    return NO_CHANNEL if channel is None else visible(channel)


def with_commands(sentence: str) -> Markup:
    """Mark text between backticks in *sentence* as code."""
    parts = [escape(part) for part in sentence.split("`")]
    pieces = [
        Markup("<code>{}</code>").format(part) if index % 2 and index < len(parts) - 1 else part
        for index, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def visible(text: str) -> str:
    """Make odd characters and blanks at the ends of *text* visible."""
    shown = "".join(
        char if char.isprintable() or char in JOINERS else f"\\x{ord(char):02x}" for char in text
    )
    return f"'{shown}'" if text != text.strip() else shown


class Renderer:
    """Renders templates to HTML responses."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(WEB_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            version=__version__,
            files=static_version(),
            standard=Question(),
            periods=PERIODS,
            compares=COMPARES,
            steps=STEPS,
        )
        self._environment.filters.update(
            channel=channel_name, country=country_name, command=with_commands, sku=visible
        )

    def page(
        self,
        request: Request,
        template: str,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **values: Any,  # noqa: ANN401 - any value of a template
    ) -> HTMLResponse:
        """Render *template* with *values*, the path, the status and the user."""
        html = self._environment.get_template(template).render(
            path=request.url.path, user=request.scope.get("user"), status=status, **values
        )
        return HTMLResponse(html, status, headers)
