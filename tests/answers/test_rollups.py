"""Which rows of the summaries make up a time: each day of it once, and no other."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from orderpull.answers.from_orders import Filter
from orderpull.answers.from_rollups import Days, Part, Summaries, parts
from orderpull.days import midnight

FIRST, LAST = date(2022, 11, 3), date(2026, 2, 9)
SOLD = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
BERLIN = ZoneInfo("Europe/Berlin")

days = st.dates(date(2021, 1, 1), date(2028, 12, 31))


def is_of(part: Part, day: date) -> bool:
    """Whether the rows of *day* are among those of *part*."""
    if part.days is not None:
        return (part.days.since or date.min) <= day < (part.days.until or date.max)
    first, after = part.years
    return first <= day.year and (after is None or day.year < after)


@given(since=st.none() | days, until=st.none() | days)
def test_each_day_is_counted_once(since: date | None, until: date | None) -> None:
    found = parts(Days(since, until), LAST)
    for day in SOLD:
        wanted = (since or date.min) <= day < (until or date.max)
        assert sum(part.sign for part in found if is_of(part, day)) == wanted


def test_a_year_that_is_not_over_is_taken_from_the_years() -> None:
    """This year, most of last year, and all of several are far fewer rows that way."""
    for since, until in (
        (date(2026, 1, 1), date(2026, 2, 10)),
        (date(2025, 1, 15), date(2025, 12, 20)),
        (date(2023, 1, 1), date(2026, 1, 1)),
    ):
        tables = {part.table.name: part for part in parts(Days(since, until), LAST)}
        assert "summary_year" in tables
        lines = tables.get("summary_line")
        assert lines is None or lines.sign == -1


def test_orders_of_the_far_future_do_not_end_the_world() -> None:
    for last in (date.max, date(9999, 12, 30), date.min):
        assert parts(Days(date(2026, 1, 1), None), last)
        assert parts(Days(None, date(2026, 1, 1)), last)
        assert parts(Days(date(2026, 1, 1), date(2027, 1, 1)), last)


def test_only_whole_days_of_its_zone_are_covered() -> None:
    """An hour's answer, or another zone's day, is asked of the orders themselves."""
    summaries = Summaries(BERLIN, LAST)
    begins = midnight(date(2026, 1, 5), BERLIN)
    assert summaries.covers(Filter())
    assert summaries.covers(Filter(since=begins, until=midnight(date(2026, 3, 29), BERLIN)))
    assert not summaries.covers(Filter(since=begins + timedelta(hours=1)))
    assert not summaries.covers(Filter(until=datetime(2026, 1, 5)))


def test_a_day_that_begins_twice_is_not_covered() -> None:
    """In Santiago a day of spring begins at one in the morning, and in autumn none does so twice."""
    santiago = ZoneInfo("America/Santiago")
    assert not Summaries(santiago, LAST).covers(Filter(since=midnight(date(2026, 9, 6), santiago)))
    assert Summaries(santiago, LAST).covers(Filter(since=midnight(date(2026, 9, 7), santiago)))
