"""Rollup rows that make up a range of days: each of its days once, and no other day."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from orderpull.answers.filter import Filter
from orderpull.answers.from_rollups import RollupQueries
from orderpull.answers.spans import Days, Term, terms_of
from orderpull.days import midnight

FIRST, LAST = date(2022, 11, 3), date(2026, 2, 9)
SOLD = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
BERLIN = ZoneInfo("Europe/Berlin")

days = st.dates(date(2021, 1, 1), date(2028, 12, 31))


def is_of(term: Term, day: date) -> bool:
    """True if the rows of *day* are among the rows of *term*."""
    if term.days is not None:
        return (term.days.since or date.min) <= day < (term.days.until or date.max)
    first, after = term.years
    return first <= day.year and (after is None or day.year < after)


@given(since=st.none() | days, until=st.none() | days)
def test_each_day_is_counted_once(since: date | None, until: date | None) -> None:
    terms = terms_of(Days(since, until), LAST)
    for day in SOLD:
        included = (since or date.min) <= day < (until or date.max)
        assert sum(term.sign for term in terms if is_of(term, day)) == included


def test_a_year_that_is_not_over_is_taken_from_the_years() -> None:
    """This year, most of last year, and all of several are far fewer rows that way."""
    for since, until in (
        (date(2026, 1, 1), date(2026, 2, 10)),
        (date(2025, 1, 15), date(2025, 12, 20)),
        (date(2023, 1, 1), date(2026, 1, 1)),
    ):
        tables = {term.table.name: term for term in terms_of(Days(since, until), LAST)}
        assert "summary_year" in tables
        lines = tables.get("summary_line")
        assert lines is None or lines.sign == -1


def test_orders_of_the_far_future_do_not_end_the_world() -> None:
    for last in (date.max, date(9999, 12, 30), date.min):
        assert terms_of(Days(date(2026, 1, 1), None), last)
        assert terms_of(Days(None, date(2026, 1, 1)), last)
        assert terms_of(Days(date(2026, 1, 1), date(2027, 1, 1)), last)


def test_only_whole_days_of_its_zone_are_covered() -> None:
    """An hour's answer, or another zone's day, is asked of the orders themselves."""
    rollups = RollupQueries(BERLIN, LAST)
    begins = midnight(date(2026, 1, 5), BERLIN)
    assert rollups.covers(Filter())
    assert rollups.covers(Filter(since=begins, until=midnight(date(2026, 3, 29), BERLIN)))
    assert not rollups.covers(Filter(since=begins + timedelta(hours=1)))
    assert not rollups.covers(Filter(until=datetime(2026, 1, 5)))


def test_a_day_that_begins_twice_is_not_covered() -> None:
    """In Santiago a day of spring begins at one in the morning, and in autumn none does so twice."""
    santiago = ZoneInfo("America/Santiago")
    assert not RollupQueries(santiago, LAST).covers(
        Filter(since=midnight(date(2026, 9, 6), santiago))
    )
    assert RollupQueries(santiago, LAST).covers(Filter(since=midnight(date(2026, 9, 7), santiago)))
