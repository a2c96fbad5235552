"""A question with a reader to answer it, and the choice of the tables to read."""

from collections.abc import Callable, Hashable
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.answers import ledger
from orderpull.answers.choose import (
    choose_queries,
    countries_without_orders,
    load_rollups,
    stored_countries,
)
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.from_rollups import RollupQueries
from orderpull.answers.money import revenue_of
from orderpull.answers.rates import Rates, convert
from orderpull.answers.skus import Measure
from orderpull.destinations.protocol import Reader
from orderpull.errors import SettingsError
from orderpull.web.periods import Earlier, earlier_period
from orderpull.web.question import Question

Row = dict[str, Any]
Answer = TypeVar("Answer")


class Remember(Protocol):
    """A cache of what several questions need, valid until something is loaded."""

    def __call__(self, key: Hashable, compute: Callable[[], Answer], /) -> Answer:
        """Return the answer for *key*, computing it if it is not cached."""
        ...


def _compute(_: Hashable, compute: Callable[[], Answer]) -> Answer:
    return compute()


class QueryContext:
    """A question, and a reader to answer it with; all reads see the warehouse at one instant.

    :param today: the current day in *zone*, which is ``report.timezone``.
    """

    def __init__(
        self,
        reader: Reader,
        question: Question,
        today: date,
        zone: ZoneInfo,
        remember: Remember = _compute,
        *,
        rates: Rates | None = None,
    ) -> None:
        self.reader = reader
        self.question = question
        self.today = today
        self.days = question.days(today)
        self.where = question.filter(self.days, zone)
        self.zone = zone
        self._remember = remember
        self._rates = rates
        self._money_queries: dict[Filter, OrderQueries] = {}
        self.conversion_notes: list[str] = []

    @property
    def queries(self) -> OrderQueries:
        """The queries for the orders that the question selects."""
        return self.queries_for(self.where)

    def queries_for(self, where: Filter) -> OrderQueries:
        """Choose the queries for the orders of *where*: over rollups if possible."""
        return choose_queries(self._rollups, where)

    def money_queries_for(self, where: Filter) -> OrderQueries:
        """The queries for *where* whose amounts are converted, if that is set."""
        if where not in self._money_queries:
            self._money_queries[where] = self._converted(where)
        return self._money_queries[where]

    def _converted(self, where: Filter) -> OrderQueries:
        queries = self.queries_for(where)
        if self._rates is None:
            return queries
        try:
            converted, missing = convert(queries, self.reader, where, self.zone, self._rates)
        except SettingsError as error:
            self._note_conversion(f"Amounts are not converted. {error.message} {error.hint}")
            return queries
        currency = self._rates.currency
        if where == self.where:
            self._note_conversion(f"Amounts are converted to {currency} by the day of the order.")
            for each in missing:
                self._note_conversion(each.sentence(currency))
        return converted

    def _note_conversion(self, sentence: str) -> None:
        if sentence not in self.conversion_notes:
            self.conversion_notes.append(sentence)

    @cached_property
    def money_queries(self) -> OrderQueries:
        """The queries for the orders that the question selects, with amounts converted if set."""
        return self.money_queries_for(self.where)

    @cached_property
    def revenue(self) -> list[Row]:
        """(currency, amount, orders, average_order_value): the largest amount first."""
        return revenue_of(self.reader.rows(self.money_queries.revenue(self.where)))

    @cached_property
    def currency(self) -> str | None:
        """The currency that bars show: the question's, or the one with the largest amount."""
        known = [row["currency"] for row in self.revenue]
        chosen = self.question.currency
        if chosen in known:
            return chosen
        return known[0] if known else None

    @cached_property
    def measure(self) -> Measure:
        """The measure of bars and rankings: not revenue where no order tells an amount."""
        measures: dict[str, Measure] = {"orders": "orders"}
        if self.question.measure == "revenue" and self.revenue:
            return "revenue"
        return measures.get(self.question.measure, "items")

    def stored_countries(self) -> frozenset[str]:
        """The countries that counted orders have."""
        return frozenset(stored_countries(self.reader, self._rollups))

    def absent_countries(self) -> list[dict[str, str | None]]:
        """(country, nearest) of the question's countries that no order has."""
        return countries_without_orders(self.reader, self._rollups, self.question.countries)

    def remember_for(self, where: Filter, what: str, compute: Callable[[], Answer]) -> Answer:
        """Compute *what* for *where*, once for all questions that show one measure."""
        currency = self.currency if self.measure == "revenue" else None
        return self._remember((what, where, self.measure, currency), compute)

    @cached_property
    def read_until(self) -> datetime:
        """Time (UTC) to which the newest source of the question was read; else the current time."""
        sources = self.where.sources

        def read() -> datetime:
            rows = self.reader.rows(ledger.last_pulled(sources))
            return max((row["pulled_at"] for row in rows if row["pulled_at"]), default=clock.now())

        return self._remember(("read until", sources), read)

    @cached_property
    def earlier(self) -> Earlier | None:
        """The earlier period that the question's is compared with."""
        period, compare = self.question.period, self.question.compare
        return earlier_period(period, self.days, self.read_until, self.zone, compare)

    def is_covered(self, earlier: Earlier) -> bool:
        """True if *earlier* does not begin before the first order."""
        begins = self.first_day()
        return begins is not None and begins <= earlier.first

    def first_day(self) -> date | None:
        """Day of the first order of the question's sources, in any country."""
        where = Filter(sources=self.where.sources)

        def read() -> date | None:
            first = self.reader.rows(self.queries_for(where).order_totals(where))[0]["first"]
            if isinstance(first, datetime):
                return first.replace(tzinfo=UTC).astimezone(self.zone).date()
            return first if isinstance(first, date) else None

        return self._remember(("first day", where), read)

    def sources(self) -> list[Row]:
        """(source, orders, items) of every source, whatever the question selects."""
        where = Filter()

        def read() -> list[Row]:
            return self.reader.rows(self.queries_for(where).sales_by_source(where))

        return self._remember(("sources",), read)

    def channels(self) -> list[Row]:
        """(channel, orders, items) of every channel, whatever the question selects."""
        where = Filter()

        def read() -> list[Row]:
            rows = self.reader.rows(self.queries_for(where).sales_by_channel(where))
            return sorted(rows, key=lambda row: (-row["orders"], row["channel"] or ""))

        return self._remember(("channels",), read)

    def has_channels(self) -> bool:
        """True if some counted order has a channel."""
        return any(row["channel"] for row in self.channels())

    def tells_customers(self) -> bool:
        """True if a shop tells customers: then it tells revenue, which is cheaper to see."""
        return bool(self.revenue)

    def sales_between(self, since: datetime, until: datetime) -> list[Row]:
        """The rows of ``sales_by_group`` within a day, of the question.

        Rollups know whole days only. The rows of all sources and countries are read once for all
        questions, because they cost more than an answer from the rollups.
        """
        where = Filter(since=since, until=until)
        rows = self._remember(
            ("sales", where), lambda: self.reader.rows(OrderQueries().sales_by_group(where))
        )
        countries, sources, channels = self.where.countries, self.where.sources, self.where.channels
        return [
            row
            for row in rows
            if (not countries or row["country"] in countries)
            and (not sources or row["source"] in sources)
            and (not channels or row["channel"] in channels)
        ]

    @cached_property
    def _rollups(self) -> RollupQueries | None:
        return load_rollups(self.reader, self.zone)
