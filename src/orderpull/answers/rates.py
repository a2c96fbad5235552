"""Exchange rates: read from a file, and applied to the orders of a question.

A rate is the number of units of a currency that one unit of the base currency is worth, in both
kinds of files: the columns ``date,currency,rate``, whose base is ``[report] currency``; and the
history of the European Central Bank as published, whose base is the euro.
"""

import csv
import re
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orderpull.answers.conversion import Conversion, Factor, LocalDays
from orderpull.answers.filter import Filter
from orderpull.days import EARLIEST
from orderpull.errors import SettingsError

if TYPE_CHECKING:
    from orderpull.answers.choose import Reader
    from orderpull.answers.from_orders import OrderQueries

OLDEST = timedelta(days=7)
"""Age up to which a rate counts: banks publish none on weekends and holidays."""

_EXACT = Decimal("1e-12")
_TOO_LARGE = 10**6
_DATES = ("date", "Date")

Published = dict[str, tuple[list[date], list[Decimal]]]
"""By currency, the days of its rates in their order, and the rates."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The target of a conversion, and the file with the rates."""

    currency: str
    file: Path

    def factors(self, wanted: Iterable[tuple[date, str]]) -> list[Factor]:
        """(day, currency, factor) of the *wanted* days and currencies that have a rate.

        The rate is the last one published on or before that day, at most seven days old.

        :raises SettingsError: the file cannot be read, or a line of it is wrong.
        """
        pairs = sorted(set(wanted))
        try:
            published, base = self._read({currency for _, currency in pairs})
        except csv.Error as error:
            raise SettingsError(f"{self.file} is no CSV file: {error}.") from None
        factors = []
        for day, currency in pairs:
            rate = _last(published, currency, day) if currency != base else Decimal(1)
            own = _last(published, self.currency, day) if self.currency != base else Decimal(1)
            if rate and own:
                factors.append((day, currency, self._factor(own / rate, day, currency)))
        return factors

    def _factor(self, factor: Decimal, day: date, currency: str) -> Decimal:
        rounded = factor.quantize(_EXACT)
        if not 0 < rounded < _TOO_LARGE:
            raise SettingsError(
                f"{self.file}: one {currency} would be {factor:f} {self.currency} on {day}.",
                "A rate says how many units of the currency one unit of report.currency is worth.",
            )
        return rounded

    def _read(self, currencies: set[str]) -> tuple[Published, str]:
        """The rates of *currencies*, and their base."""
        lines = csv.reader(_text_of(self.file).splitlines())
        header = [cell.strip() for cell in next(lines, [])]
        if [name.lower() for name in header] == ["date", "currency", "rate"]:
            rows, base = self._by_line(lines), self.currency
        elif (
            len(header) > 1 and header[0] in _DATES and all(map(_is_code, filter(None, header[1:])))
        ):
            rows, base = self._by_column(lines, header, {*currencies, self.currency}), "EUR"
        else:
            raise SettingsError(
                f"{self.file} begins with neither date,currency,rate nor Date,USD,JPY,….",
                "docs/settings.md has both formats.",
            )
        published: dict[str, dict[date, Decimal]] = {}
        for number, day, currency, rate in rows:
            known = published.setdefault(currency, {}).setdefault(day, rate)
            if known != rate:
                raise self._wrong(number, f"{currency} has a second rate on {day}")
        by_day = {currency: sorted(rates.items()) for currency, rates in published.items()}
        return {
            currency: ([day for day, _ in rates], [rate for _, rate in rates])
            for currency, rates in by_day.items()
        }, base

    def _by_line(self, lines: Iterator[list[str]]) -> Iterator[tuple[int, date, str, Decimal]]:
        for number, cells in enumerate(lines, start=2):
            if any(cells):
                if len(cells) != 3:  # noqa: PLR2004
                    raise self._wrong(number, f"{len(cells)} columns in place of 3")
                day, currency, rate = map(str.strip, cells)
                if not _is_code(currency.upper()):
                    raise self._wrong(number, f"{currency!r} is no currency")
                yield number, self._day(day, number), currency.upper(), self._rate(rate, number)

    def _by_column(
        self, lines: Iterator[list[str]], header: Sequence[str], currencies: set[str]
    ) -> Iterator[tuple[int, date, str, Decimal]]:
        columns = [(index, name) for index, name in enumerate(header) if name in currencies]
        for number, cells in enumerate(lines, start=2):
            day = self._day(cells[0].strip(), number) if any(cells) else None
            for index, currency in columns if day else ():
                text = cells[index].strip() if index < len(cells) else ""
                if day and text not in ("", "N/A"):
                    yield number, day, currency, self._rate(text, number)

    def _day(self, text: str, number: int) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise self._wrong(number, f"{text!r} is no date like 2026-01-31") from None

    def _rate(self, text: str, number: int) -> Decimal:
        try:
            rate = Decimal(text)
        except InvalidOperation:
            rate = Decimal(0)
        if not rate.is_finite() or rate <= 0:
            raise self._wrong(number, f"{text!r} is no rate above 0")
        return rate

    def _wrong(self, number: int, what: str) -> SettingsError:
        return SettingsError(f"{self.file}, line {number}: {what}.", "Correct that line.")


def _text_of(file: Path) -> str:
    """The text of *file*, or of the only file in it if it is a zip archive."""
    try:
        if file.suffix.lower() == ".zip":
            with zipfile.ZipFile(file) as archive:
                (name,) = archive.namelist()
                return archive.read(name).decode("utf-8-sig")
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no {file}, which report.rates names.",
            "A relative path starts at the folder of the settings file.",
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SettingsError(f"{file}, which report.rates names, cannot be read: {error}.") from None


def _is_code(text: str) -> bool:
    return re.fullmatch(r"[A-Z]{3}", text) is not None


def _last(published: Published, currency: str, day: date) -> Decimal | None:
    """The last rate of *currency* on or before *day*; None if it is too old."""
    days, rates = published.get(currency, ([], []))
    index = bisect_right(days, day) - 1
    return rates[index] if index >= 0 and day - days[index] <= OLDEST else None


@dataclass(frozen=True, slots=True)
class Unconverted:
    """Orders in one currency without a rate. :param days: number of days; None: without a date."""

    currency: str
    orders: int
    days: int = 0
    first_day: date | None = None
    last_day: date | None = None

    def as_json(self) -> dict[str, Any]:
        """The object of ``report --json``."""
        return {
            "currency": self.currency,
            "orders": self.orders,
            "days": self.days,
            "first_day": self.first_day and self.first_day.isoformat(),
            "last_day": self.last_day and self.last_day.isoformat(),
        }

    def sentence(self, target: str) -> str:
        """Say it in a sentence. :param target: the currency of the conversion."""
        orders = "1 order" if self.orders == 1 else f"{self.orders:,} orders"
        stay = f"{orders} in {self.currency} {'is' if self.orders == 1 else 'are'} not converted"
        if self.first_day is None:
            return f"{stay} to {target}: no date."
        if self.first_day == self.last_day:
            when = f"on {self.first_day}"
        else:
            when = f"on {self.days:,} days from {self.first_day} to {self.last_day}"
        return f"{stay} to {target}: no rate {when}, nor in the seven days before."


def convert(
    queries: "OrderQueries", reader: "Reader", where: Filter, zone: ZoneInfo, rates: Rates
) -> tuple["OrderQueries", list[Unconverted]]:
    """The *queries* with amounts converted by *rates*, and the orders of *where* without a rate.

    :param zone: the time zone of days. The result answers *where*, and no larger choice of orders.
    :raises SettingsError: the file of rates cannot be read, or a line of it is wrong.
    """
    totals = reader.rows(queries.order_totals(where))[0]
    days = LocalDays(zone, totals["first"] or EARLIEST, totals["last"] or EARLIEST)
    rows = reader.rows(queries.foreign_orders(where, rates.currency, days))
    factors = rates.factors((row["day"], row["currency"]) for row in rows if row["day"])
    known = {(day, currency) for day, currency, _ in factors}
    missing = [row for row in rows if (row["day"], row["currency"]) not in known]
    conversion = Conversion(rates.currency, days, tuple(factors))
    return replace(queries, conversion=conversion), _unconverted(missing)


def _unconverted(rows: Iterable[dict[str, Any]]) -> list[Unconverted]:
    """Sum *rows* (day, currency, orders) by currency; orders without a date apart."""
    by: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        by.setdefault((row["currency"], row["day"] is None), []).append(row)
    unconverted = []
    for (currency, undated), some in sorted(by.items(), key=lambda item: item[0]):
        days = [row["day"] for row in some if not undated]
        orders = sum(row["orders"] for row in some)
        span = (min(days), max(days)) if days else (None, None)
        unconverted.append(Unconverted(currency, orders, len(days), *span))
    return unconverted
