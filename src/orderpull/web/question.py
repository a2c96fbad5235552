"""The question of a page: parsed from the query string, checked, and written back.

The address holds the whole question, so it can be shared, bookmarked, and returned to.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from orderpull.answers.filter import Filter
from orderpull.countries import country_as_stored
from orderpull.days import EARLIEST, LATEST, midnight
from orderpull.errors import UsageError
from orderpull.model import NO_CHANNEL, NO_COUNTRY
from orderpull.web.periods import COMPARES, PERIODS, STEPS, Days, days_of

CUSTOM = "custom"
MAX_TOP = 200
MAX_PAGE = 100_000
MAX_CHOICES = 300
MAX_TEXT = 1024
DEFAULT_TOP = 10
DEFAULT_PERIOD = "30d"
"""Period of a page whose address names none. Programs and files get all orders then."""
MEASURES = ("items", "orders", "revenue")
FILE_PATHS = ("/csv/", "/xlsx/")
"""Beginnings of the addresses of files."""
SKU_TABLES = ("orders", "sku-trend", "sku-countries", "sku-channels")
"""Files about the question's SKU."""

SORTS = ("change", "share")
THEMES = ("light", "dark")
SUBJECTS = {
    "/sku": ("sku",),
    "/orders": ("sku",),
    "/order": ("sku", "order", "shop"),
    **{kind + table: ("sku",) for kind in FILE_PATHS for table in SKU_TABLES},
}
"""The fields of a question that only some paths have."""
IN_ADDRESS = (
    "period", "since", "until", "back", "compare", "top", "search", "sku", "order", "shop", "by",
    "measure", "currency", "sort", "every", "page", "theme",
)  # fmt: skip
"""The fields in an address, after the lists, in their order."""
KEYS = {"search": "q", "measure": "show"}
"""Names in addresses that differ from those of the fields."""

Params = list[tuple[str, str]]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Question:
    """The filter and the display options of a page.

    :param countries: only these countries; None selects orders without a country.
    :param channels: only these channels; None selects orders without a channel.
    :param period: one of ``PERIODS``, or ``custom`` with *since* and *until*.
    :param back: the period from which one bar was chosen: named, or ``first..last``.
    :param compare: one of ``COMPARES``.
    :param top: number of SKUs, overall and for each country.
    :param search: only SKUs that contain this text.
    :param sku: the SKU whose orders are shown.
    :param order: number or id of the order that is shown. :param shop: its source.
    :param by: step of the trend; '' chooses a step by the length of the period.
    :param measure: measure that bars show.
    :param currency: currency of bars that show revenue; '' chooses the one with most.
    :param sort: order of the movers, one of ``SORTS``.
    :param every: show all countries, not only the largest.
    :param page: page of a long table, from 1.
    """

    countries: tuple[str | None, ...] = ()
    sources: tuple[str, ...] = ()
    channels: tuple[str | None, ...] = ()
    period: str = DEFAULT_PERIOD
    since: date | None = None
    until: date | None = None
    back: str = ""
    compare: str = "before"
    top: int = DEFAULT_TOP
    search: str = ""
    sku: str = ""
    order: str = ""
    shop: str = ""
    by: str = ""
    measure: str = "items"
    currency: str = ""
    sort: str = "change"
    every: bool = False
    page: int = 1
    theme: str = ""

    def days(self, today: date) -> Days:
        """The selected days, seen from *today*."""
        if self.period == CUSTOM:
            return Days(self.since, self.until)
        return days_of(self.period, today)

    def filter(self, days: Days, zone: ZoneInfo) -> Filter:
        """Convert to a filter of the warehouse's orders on *days*."""
        return Filter(
            countries=self.countries,
            sources=self.sources,
            channels=self.channels,
            since=midnight(days.first, zone) if days.first else None,
            until=midnight(days.last + timedelta(days=1), zone) if days.last else None,
        )

    def params(self) -> Params:
        """The pairs of the query string, without defaults."""
        pairs = [("country", country or NO_COUNTRY) for country in self.countries]
        pairs += [("source", source) for source in self.sources]
        pairs += [("channel", channel or NO_CHANNEL) for channel in self.channels]
        default = Question()
        for name in IN_ADDRESS:
            value = getattr(self, name)
            if value != getattr(default, name):
                pairs.append((KEYS.get(name, name), "1" if value is True else str(value)))
        return pairs

    def url(self, path: str = "/", **changed: Any) -> str:  # noqa: ANN401 - any of the fields
        """The address of *path* with this question, changed by *changed*, from its first page.

        That of a file always names the period. The SKU and the order are in the addresses of pages
        that show them.
        """
        other = {
            name: "" for name in ("sku", "order", "shop") if name not in SUBJECTS.get(path, ())
        }
        question = replace(self, **{"page": 1, **changed, **other})
        pairs = question.params()
        if path.startswith(FILE_PATHS) and question.period == DEFAULT_PERIOD:
            pairs.append(("period", question.period))
        return path + ("?" + urlencode(pairs, quote_via=quote) if pairs else "")

    def narrowed(self, days: Days) -> dict[str, Any]:
        """The changes that show only *days*, and keep the way back to the period shown."""
        if (self.since, self.until) == (days.first, days.last):
            return self.widened()
        shown = f"{self.since or ''}..{self.until or ''}" if self.period == CUSTOM else self.period
        back = self.back or shown
        return {"period": CUSTOM, "since": days.first, "until": days.last, "back": back}

    def widened(self) -> dict[str, Any]:
        """The changes that show the period before one bar was chosen; else all time."""
        first, dots, last = self.back.partition("..")
        if not dots:
            return {"period": self.back or "all", "since": None, "until": None, "back": ""}
        since, until = (date.fromisoformat(day) if day else None for day in (first, last))
        return {"period": CUSTOM, "since": since, "until": until, "back": ""}

    def toggled(self, country: str | None) -> "tuple[str | None, ...]":
        """The countries, with *country* added or removed."""
        return _toggled(self.countries, country)

    def toggled_channel(self, channel: str | None) -> "tuple[str | None, ...]":
        """The channels, with *channel* added or removed."""
        return _toggled(self.channels, channel)


def _toggled(chosen: "tuple[str | None, ...]", one: str | None) -> "tuple[str | None, ...]":
    return tuple(each for each in chosen if each != one) if one in chosen else (*chosen, one)


def read_question(pairs: Params, period: str = "all") -> Question:
    """Parse the *pairs* of a query string; unknown keys are ignored.

    :param period: the period if *pairs* name none.
    :raises UsageError: a value is out of bounds; the message names its bounds.
    """
    question, problems = parse_question(pairs, period)
    for problem in problems.values():
        raise problem
    return question


def parse_question(
    pairs: Params, period: str = DEFAULT_PERIOD
) -> tuple[Question, dict[str, UsageError]]:
    """Parse the *pairs* of a query string, with defaults in place of values out of bounds.

    Returns the question, and the problems by key; those of days have the key ``days``.

    :raises UsageError: a text is too long, or there are too many. No form sends that.
    """
    for key, value in pairs:
        _check_text(key, value)
    problems: dict[str, UsageError] = {}

    def valid(key: str, read: Callable[[], Value], default: Value) -> Value:
        try:
            return read()
        except UsageError as error:
            problems.setdefault(key, error)
            return default

    one, default = dict(pairs), Question()
    span = valid("days", lambda: _span(one, period), Span(period))
    return Question(
        countries=tuple(dict.fromkeys(map(_country, _texts(pairs, "country")))),
        sources=tuple(_texts(pairs, "source")),
        channels=tuple(None if c == NO_CHANNEL else c for c in _texts(pairs, "channel")),
        period=span.period,
        since=span.since,
        until=span.until,
        back=valid("back", lambda: _back(one, span), ""),
        compare=valid(
            "compare",
            lambda: _one_of("compare", one.get("compare") or "before", tuple(COMPARES)),
            default.compare,
        ),
        top=valid("top", lambda: _count(one, "top", DEFAULT_TOP, MAX_TOP), DEFAULT_TOP),
        search=one.get("q", "").strip(),
        sku=one.get("sku", ""),
        order=one.get("order", "").strip(),
        shop=one.get("shop", ""),
        by=valid("by", lambda: _one_of("by", one.get("by", ""), ("", *STEPS)), ""),
        measure=valid(
            "show", lambda: _one_of("show", one.get("show") or "items", MEASURES), default.measure
        ),
        currency=one.get("currency", ""),
        sort=valid("sort", lambda: _one_of("sort", one.get("sort") or "change", SORTS), "change"),
        every=bool(one.get("every")),
        page=valid("page", lambda: _count(one, "page", 1, MAX_PAGE), 1),
        theme=valid("theme", lambda: _one_of("theme", one.get("theme", ""), ("", *THEMES)), ""),
    ), problems


class Span(NamedTuple):
    """A period, with its days if it is ``custom``."""

    period: str
    since: date | None = None
    until: date | None = None


def _check_text(key: str, value: str) -> None:
    if len(value) > MAX_TEXT or any(ord(c) < 32 and c not in "\t\r\n" for c in value):  # noqa: PLR2004
        raise UsageError(f"The value of {_name_of(key)} is too long or holds odd characters.")


def _span(one: dict[str, str], default: str) -> Span:
    since, until = _day(one, "since"), _day(one, "until")
    period = one.get("period") or (CUSTOM if since or until else default)
    if one.get("was") == period != CUSTOM and (since or until):
        period = CUSTOM  # The user typed days and left the period as it was.
    _one_of("period", period, (*PERIODS, CUSTOM))
    if period != CUSTOM or not (since or until):
        return Span(default if period == CUSTOM else period)
    if since and until and since > until:
        raise UsageError(f"The period ends on {until}, before it begins on {since}.")
    return Span(period, since, until)


def _back(one: dict[str, str], span: Span) -> str:
    text = one.get("back", "")
    if not text or span.period != CUSTOM:
        return ""
    first, dots, last = text.partition("..")
    if not dots:
        return _one_of("back", text, tuple(PERIODS))
    days = {"since": first, "until": last}
    return f"{_day(days, 'since') or ''}..{_day(days, 'until') or ''}"


def _country(text: str) -> str | None:
    return None if text == NO_COUNTRY else country_as_stored(text)


def _texts(pairs: Params, key: str) -> list[str]:
    values = list(dict.fromkeys(value for name, value in pairs if name == key and value))
    if len(values) > MAX_CHOICES:
        raise UsageError(f"The address has more than {MAX_CHOICES} values of {key}.")
    return values


def _day(one: dict[str, str], key: str) -> date | None:
    text = one.get(key, "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not EARLIEST <= day <= LATEST:
        raise UsageError(
            f"{key} must be a day from {EARLIEST} to {LATEST}, written like 2026-01-31."
        )
    return day


def _count(one: dict[str, str], key: str, default: int, maximum: int) -> int:
    text = one.get(key, "").strip() or str(default)
    value = (
        int(text) if text.isascii() and text.isdigit() and len(text) < len(str(maximum)) + 1 else 0
    )
    if not 1 <= value <= maximum:
        raise UsageError(f"{key} must be a whole number from 1 to {maximum}.")
    return value


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"{key} must be one of: {', '.join(each for each in choices if each)}.")
    return value


def _name_of(key: str) -> str:
    """*key* if it is one of ours; other keys are not repeated in a message."""
    names = {field.name for field in fields(Question)} | {"country", "source", "channel"}
    names |= set(KEYS.values())
    return key if key in names else "a parameter"
