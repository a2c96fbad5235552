"""What a page is asked: the query string of its address, read, bounded, and written again.

All that is chosen stands in the address, so that it can be shared, kept and gone back to.
"""

from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from orderpull.answers.from_orders import Filter
from orderpull.days import EARLIEST, LATEST, midnight
from orderpull.errors import UsageError
from orderpull.model import NO_COUNTRY
from orderpull.web.periods import PERIODS, STEPS, Days, before, named

CUSTOM = "custom"
TOP_AT_MOST = 200
PAGE_AT_MOST = 100_000
CHOICES_AT_MOST = 300
TEXT_AT_MOST = 1024
DEFAULT_TOP = 10
MEASURES = ("items", "orders")
THEMES = ("light", "dark")

Params = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is chosen.

    :param countries: only these; None is the orders without one.
    :param period: one of ``PERIODS``, or ``custom`` with *since* and *until*.
    :param top: how many SKUs, overall and for each country.
    :param search: only SKUs that hold this text.
    :param sku: the SKU whose orders are shown.
    :param by: the step of the trend; None: one that fits.
    :param measure: what bars are as long as.
    :param every: whether all countries are shown, not only the largest.
    :param page: of a long table, from 1.
    """

    countries: tuple[str | None, ...] = ()
    sources: tuple[str, ...] = ()
    period: str = "all"
    since: date | None = None
    until: date | None = None
    top: int = DEFAULT_TOP
    search: str = ""
    sku: str = ""
    by: str = ""
    measure: str = "items"
    every: bool = False
    page: int = 1
    theme: str = ""

    def days(self, today: date) -> Days:
        """The days that are chosen, if it is *today*."""
        if self.period == CUSTOM:
            return Days(self.since, self.until)
        return named(self.period, today)

    def filter(self, today: date, zone: ZoneInfo) -> Filter:
        """What is asked of the warehouse."""
        return self._filter(self.days(today), zone)

    def filter_before(self, today: date, zone: ZoneInfo) -> tuple[Days, Filter] | None:
        """The period that this one is compared with, if there is one."""
        days = before(self.period, self.days(today))
        return (days, self._filter(days, zone)) if days else None

    def _filter(self, days: Days, zone: ZoneInfo) -> Filter:
        return Filter(
            countries=self.countries,
            sources=self.sources,
            since=midnight(days.first, zone) if days.first else None,
            until=midnight(days.last + timedelta(days=1), zone) if days.last else None,
        )

    def params(self) -> Params:
        """The query string's pairs; what is as by default is left out."""
        pairs = [("country", country or NO_COUNTRY) for country in self.countries]
        pairs += [("source", source) for source in self.sources]
        standard = Question()
        for name in ("period", "since", "until", "top", "search", "sku", "by", "measure", "every",
                     "page", "theme"):  # fmt: skip
            value = getattr(self, name)
            if value != getattr(standard, name):
                key = {"search": "q", "measure": "show"}.get(name, name)
                pairs.append((key, "1" if value is True else str(value)))
        return pairs

    def url(self, path: str = "/", **changed: Any) -> str:  # noqa: ANN401 - any of the fields
        """The address of *path* with this question, changed. It begins at its first page."""
        pairs = replace(self, **{"page": 1, **changed}).params()
        return path + ("?" + urlencode(pairs, quote_via=quote) if pairs else "")

    def toggled(self, country: str | None) -> "tuple[str | None, ...]":
        """The countries, with *country* added or taken out."""
        if country in self.countries:
            return tuple(each for each in self.countries if each != country)
        return (*self.countries, country)


def read_question(pairs: Params) -> Question:
    """The question that the query string's *pairs* ask. Keys that are not known are nothing.

    :raises UsageError: a value is out of bounds; the message says which and what it may be.
    """
    for key, value in pairs:
        if len(value) > TEXT_AT_MOST or any(ord(c) < 32 and c not in "\t\r\n" for c in value):  # noqa: PLR2004
            raise UsageError(
                f"What the address says of {_known(key)} is too long or holds odd characters."
            )
    countries = _several(pairs, "country")
    one = dict(pairs)
    since, until = _day(one, "since"), _day(one, "until")
    period = one.get("period") or (CUSTOM if since or until else "all")
    if one.get("was") == period != CUSTOM and (since or until):
        period = CUSTOM  # Days were typed, and the choice above them was left as it was.
    _among("period", period, (*PERIODS, CUSTOM))
    if period != CUSTOM or not (since or until):
        since = until = None
        period = "all" if period == CUSTOM else period
    if since and until and since > until:
        raise UsageError(f"The period begins on {since} and ends on {until}, before that.")
    return Question(
        countries=tuple(None if each == NO_COUNTRY else each for each in countries),
        sources=tuple(_several(pairs, "source")),
        period=period,
        since=since,
        until=until,
        top=_count(one, "top", DEFAULT_TOP, TOP_AT_MOST),
        search=one.get("q", "").strip(),
        sku=one.get("sku", ""),
        by=_among("by", one.get("by", ""), ("", *STEPS)),
        measure=_among("show", one.get("show") or "items", MEASURES),
        every=bool(one.get("every")),
        page=_count(one, "page", 1, PAGE_AT_MOST),
        theme=_among("theme", one.get("theme", ""), ("", *THEMES)),
    )


def _several(pairs: Params, key: str) -> list[str]:
    found = list(dict.fromkeys(value for name, value in pairs if name == key and value))
    if len(found) > CHOICES_AT_MOST:
        raise UsageError(f"More than {CHOICES_AT_MOST} values of {key} cannot be asked for.")
    return found


def _day(one: dict[str, str], key: str) -> date | None:
    text = one.get(key, "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not EARLIEST <= day <= LATEST:
        raise UsageError(f"{key} is no day from {EARLIEST} to {LATEST}, written like 2026-01-31.")
    return day


def _count(one: dict[str, str], key: str, standard: int, most: int) -> int:
    text = one.get(key, "").strip() or str(standard)
    value = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(most)) + 1 else 0
    if not 1 <= value <= most:
        raise UsageError(f"{key} is a whole number from 1 to {most}.")
    return value


def _among(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{key} is one of: {', '.join(each for each in known if each)}.")
    return value


def _known(key: str) -> str:
    names = {field.name for field in fields(Question)} | {"country", "source", "q", "show"}
    return key if key in names else "something"
