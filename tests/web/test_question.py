"""Questions in addresses: round trip, bounds, and periods."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from orderpull.web import periods
from orderpull.web.periods import Days
from orderpull.web.question import DEFAULT_PERIOD, SORTS, Question, read_question
from tests.web.shop import get

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(
    st.builds(
        Question,
        countries=st.lists(st.none() | words, max_size=4, unique=True).map(tuple),
        sources=st.lists(words, max_size=2, unique=True).map(tuple),
        period=st.sampled_from(list(periods.PERIODS)),
        top=st.integers(1, 200),
        search=words.map(str.strip),
        sku=words,
        by=st.sampled_from(["", *periods.STEPS]),
        measure=st.sampled_from(["items", "orders", "revenue"]),
        channels=st.lists(st.none() | words, max_size=2, unique=True).map(tuple),
        compare=st.sampled_from(list(periods.COMPARES)),
        sort=st.sampled_from(SORTS),
        every=st.booleans(),
        page=st.integers(1, 1000),
    )
)
@tried(max_examples=60, deadline=None, derandomize=True, database=None)
def test_an_address_holds_the_whole_question(question: Question) -> None:
    if "(no country)" not in question.countries:
        assert read_question(question.params(), DEFAULT_PERIOD) == question


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("top=0", "top must be a whole number from 1 to 200"),
        ("top=201", "top must be a whole number"),
        ("top=²", "top must be a whole number"),
        ("top=" + "9" * 900, "top must be a whole number"),
        ("page=-1", "page must be a whole number"),
        ("since=yesterday", "since must be a day"),
        ("since=1969-12-31", "since must be a day"),
        ("until=9999-12-31", "until must be a day"),
        ("since=2026-02-01&until=2026-01-01", "before it begins"),
        ("period=ever", "period must be one of"),
        ("by=hour", "by must be one of"),
        ("show=profit", "show must be one of"),
        ("compare=tomorrow", "compare must be one of"),
        ("sort=size", "sort must be one of"),
        ("since=2026-01-01&back=ever", "back must be one of"),
        ("since=2026-01-01&back=..tomorrow", "until must be a day"),
        ("theme=pink", "theme must be one of"),
        ("country=" + "x" * 1025, "too long"),
        ("country=%00", "odd characters"),
        ("&".join(f"country={n}" for n in range(301)), "more than 300"),
    ],
)
def test_what_is_out_of_bounds_is_said_in_words(site: str, query: str, says: str) -> None:
    answer = get(f"{site}/?{query}")
    assert answer.status == 400
    assert says in answer.data.decode()


def test_typed_days_count_where_the_choice_above_was_left() -> None:
    typed = [("was", "all"), ("period", "all"), ("since", "2026-01-01"), ("until", "")]
    assert read_question(typed).since == date(2026, 1, 1)
    chosen = [("was", "custom"), ("period", "7d"), ("since", "2026-01-01"), ("until", "")]
    assert read_question(chosen) == Question(period="7d")


@pytest.mark.parametrize(
    ("period", "today", "days", "before"),
    [
        ("today vs year", "2028-02-29", "2028-02-29 2028-02-29", "2027-02-28 2027-02-28"),
        ("30d vs year", "2026-03-01", "2026-01-31 2026-03-01", "2025-01-31 2025-03-01"),
        ("today", "2026-03-01", "2026-03-01 2026-03-01", "2026-02-28 2026-02-28"),
        ("7d", "2026-03-03", "2026-02-25 2026-03-03", "2026-02-18 2026-02-24"),
        ("month", "2026-03-31", "2026-03-01 2026-03-31", "2026-02-01 2026-02-28"),
        ("month", "2026-03-05", "2026-03-01 2026-03-05", "2026-02-01 2026-02-05"),
        ("last-month", "2026-01-15", "2025-12-01 2025-12-31", "2025-11-01 2025-11-30"),
        ("year", "2028-02-29", "2028-01-01 2028-02-29", "2027-01-01 2027-02-28"),
    ],
)
def test_periods(period: str, today: str, days: str, before: str) -> None:
    """What each means, and what it is compared with."""
    period, _, compare = period.partition(" vs ")
    found = periods.days_of(period, date.fromisoformat(today))
    assert found == Days(*map(date.fromisoformat, days.split()))
    expected = Days(*map(date.fromisoformat, before.split()))
    assert periods.days_before(period, found, compare or "before") == expected


def test_bars_stand_beside_the_same_days_before() -> None:
    """By number of days, or by date: 29 February has no day beside it, and none stands twice."""
    april = periods.Earlier(date(2026, 3, 1), date(2026, 3, 31))
    start = date(2026, 4, 1)
    assert april.days_for(date(2026, 4, 6), date(2026, 4, 12), start) == (
        date(2026, 3, 6), date(2026, 3, 12)
    )  # fmt: skip
    cut = periods.Earlier(date(2026, 2, 1), date(2026, 2, 28))
    assert cut.days_for(date(2026, 3, 29), date(2026, 3, 29), date(2026, 3, 1)) is None
    leap = periods.Earlier(date(2027, 1, 1), date(2027, 12, 31), by_date=True)
    beside = [
        leap.days_for(day, day, date(2028, 1, 1))
        for day in (date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1))
    ]
    assert beside == [(date(2027, 2, 28),) * 2, None, (date(2027, 3, 1),) * 2]
    after = periods.Earlier(date(2028, 1, 1), date(2028, 12, 31), by_date=True)
    both = after.days_for(date(2029, 2, 28), date(2029, 2, 28), date(2029, 1, 1))
    assert both == (date(2028, 2, 28), date(2028, 2, 29))


@pytest.mark.parametrize(
    "question",
    [
        Question(period="30d"),
        Question(period="all", countries=("DE",)),
        Question(period="custom", since=date(2026, 1, 1), until=date(2026, 3, 31)),
        Question(period="custom", since=date(2026, 1, 1)),
    ],
)
def test_the_chip_of_a_bar_leads_back(question: Question) -> None:
    """Also after a second choice within the first, and through the address."""
    month, day = (Days(date(2026, 2, 1), date(2026, 2, last)) for last in (28, 1))
    chosen = replace(question, **question.narrowed(month))
    assert chosen.days(date.today()) == month
    within = replace(chosen, **chosen.narrowed(day))
    again = read_question(within.params(), DEFAULT_PERIOD)
    assert again == within
    assert replace(again, **again.widened()) == question
    assert replace(again, **again.narrowed(day)) == question


@pytest.mark.parametrize(
    ("period", "read", "before"),
    [
        ("today", "2026-11-30 03:00", "2026-11-29 2026-11-29 03:00"),
        ("7d", "2026-11-30 03:00", "2026-11-17 2026-11-23 03:00"),
        ("7d", "2026-11-28 22:00", "2026-11-17 2026-11-21 22:00"),
        ("today", "2026-11-29 22:00", None),
        ("month", "2026-11-30 09:30", "2026-10-01 2026-10-30 09:30"),
        ("year", "2026-11-30 09:30", "2025-01-01 2025-11-30 09:30"),
        ("last-month", "2026-11-30 09:30", "2026-09-01 2026-09-30"),
        ("all", "2026-11-30 09:30", None),
    ],
)
def test_a_period_read_in_part_is_compared_with_as_much(
    period: str, read: str, before: str | None
) -> None:
    """Times are those of the zone: Berlin's winter time is an hour ahead of UTC."""
    zone = ZoneInfo("Europe/Berlin")

    def utc(text: str) -> datetime:
        local = datetime.fromisoformat(text).replace(tzinfo=zone)
        return local.astimezone(UTC).replace(tzinfo=None)

    days = periods.days_of(period, date(2026, 11, 30))
    expected = None
    if before:
        first, last, *time = before.split()
        until = utc(f"{last} {time[0]}") if time else None
        expected = periods.Earlier(
            date.fromisoformat(first), date.fromisoformat(last), until, period == "year"
        )
    assert periods.earlier_period(period, days, utc(read), zone) == expected
