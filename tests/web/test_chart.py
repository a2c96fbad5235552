"""The chart: round steps of the axis, seven labels, and years where they change."""

from datetime import date, timedelta

import pytest

from orderpull.web.chart import MAX_STEPS, axis_step, draw
from orderpull.web.trend import Bar, Trend


@pytest.mark.parametrize(
    ("most", "marks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (7, [0, 2, 4, 6, 8]),
        (11, [0, 5, 10, 15]),
        (110, [0, 25, 50, 75, 100, 125]),
        (2_100, [0, 500, 1_000, 1_500, 2_000, 2_500]),
    ],
)
def test_an_axis_ends_just_above_its_highest_bar(most: int, marks: list[int]) -> None:
    day = date(2026, 1, 1)
    drawn = draw(Trend("day", [Bar(day, day, 0, most)], 0), "items")
    assert [mark.value for mark in drawn.marks] == marks
    assert all(axis_step(n) * MAX_STEPS >= n for n in range(3_000))


def test_the_period_before_is_a_line_with_gaps() -> None:
    """A step for each bar; the axis reaches to the higher of both."""
    day = date(2026, 1, 1)
    bars = [Bar(day, day, 0, 1, day, day, 0, before) for before in (40, 0)]
    drawn = draw(Trend("day", [bars[0], Bar(day, day, 0, 1), *bars], 0), "items")
    assert drawn.marks[-1].value == 40
    assert drawn.earlier == "M0 9H25M50 9H75V88H100"
    assert draw(Trend("day", [Bar(day, day, 0, 1)], 0), "items").earlier == ""


def labels(days: int, last: date) -> list[tuple[date, bool]]:
    first = last - timedelta(days=days - 1)
    bars = [Bar(day, day, 1, 1) for n in range(days) for day in [first + timedelta(days=n)]]
    columns = draw(Trend("day", bars, 0), "orders").columns
    return [(bar.first_day, c.dated) for bar, c in zip(bars, columns, strict=True) if c.labelled]


def test_each_of_seven_days_has_its_label_and_of_many_some() -> None:
    assert len(labels(7, date(2026, 11, 30))) == 7
    assert 4 <= len(labels(30, date(2026, 11, 30))) <= 7
    assert not any(dated for _, dated in labels(30, date(2026, 11, 30)))


def test_labels_have_their_year_where_it_changes() -> None:
    """The first label of an earlier year, and the first of the next."""
    years = [(day.year, dated) for day, dated in labels(90, date(2027, 1, 31))]
    assert years[0] == (2026, True)
    assert next(dated for year, dated in years if year == 2027)
    assert sum(dated for _, dated in years) <= 3
