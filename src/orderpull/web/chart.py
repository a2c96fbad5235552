"""The bar chart of the trend: positions in percent of its width and height.

Lengths in percent let the chart take any width while its texts keep their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from orderpull.web.trend import Trend

TOP, FLOOR = 9.0, 88.0
"""Positions of the highest value and of zero, in percent from the top."""

MAX_LABELS = 7
MAX_STEPS = 5
"""Most steps of the axis."""

MAX_BAR_WIDTH = 6.0
"""In percent."""

DATED_STEPS = ("day", "week")
"""Steps of the trend whose labels have no year by themselves."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A grid line at *value*. :param y: percent from the top."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Column:
    """A bar; lengths are in percent.

    :param labelled: its step is named under the axis.
    :param dated: its label needs the year.
    :param minor: the label is hidden on a phone.
    """

    x: float
    y: float
    width: float
    height: float
    middle: float
    labelled: bool
    dated: bool
    minor: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a trend.

    :param earlier: path of the line of the period before, in a square of 100; '' without one.
    """

    marks: list[Mark]
    columns: list[Column]
    earlier: str


def draw(trend: Trend, measure: str) -> Chart:
    """Draw *trend* as bars of orders or items, and the period before as a line over them."""
    values = [max(getattr(bar, measure), 0) for bar in trend.bars]
    before = [getattr(bar, f"before_{measure}") for bar in trend.bars]
    most = ceil(max([*values, *(value for value in before if value is not None)], default=0))
    step = axis_step(most)
    steps = max(1, -(-most // step))
    count = len(values)
    slot = 100 / count if count else 100
    gap = min(slot * 0.22, 1.0)
    every = -(-count // MAX_LABELS) if count else 1
    columns = []
    year_told = year_told_on_phones = trend.bars[-1].first_day.year if trend.bars else 0
    for index, bar in enumerate(trend.bars):
        height = (FLOOR - TOP) * values[index] / (steps * step)
        middle, width = (index + 0.5) * slot, min(slot - gap, MAX_BAR_WIDTH)
        labelled, year = index % every == every // 2, bar.first_day.year
        minor = index // every % 3 != 0
        is_new = year != year_told or (year != year_told_on_phones and not minor)
        columns.append(
            Column(
                x=round(middle - width / 2, 3),
                y=round(FLOOR - height, 2),
                width=round(width, 3),
                height=round(height, 2),
                middle=round(middle, 2),
                labelled=labelled,
                dated=labelled and trend.step in DATED_STEPS and is_new,
                minor=minor,
            )
        )
        year_told = year if labelled else year_told
        year_told_on_phones = year if labelled and not minor else year_told_on_phones
    marks = [
        Mark(step * part, round(FLOOR - (FLOOR - TOP) * part / steps, 2))
        for part in range(steps + 1)
    ]
    return Chart(marks, columns, _steps(before, steps * step))


def _steps(values: Sequence[float | None], top: int) -> str:
    """Path of a line with a step for each of *values*, and a gap for each None."""
    path, drawing = [], False
    for index, value in enumerate(values):
        if value is not None:
            height = round(FLOOR - (FLOOR - TOP) * max(value, 0) / top, 2)
            left, right = (round(100 * edge / len(values), 2) for edge in (index, index + 1))
            path.append(f"V{height:g}H{right:g}" if drawing else f"M{left:g} {height:g}H{right:g}")
        drawing = value is not None
    return "".join(path)


def axis_step(value: int) -> int:
    """Step of an axis to *value*: the smallest whole 1, 2, 2.5 or 5 times a power of ten.

    The axis has :data:`MAX_STEPS` steps at most.
    """
    power = 1
    while True:
        for tenths in (10, 20, 25, 50):
            step, rest = divmod(tenths * power, 10)
            if not rest and step * MAX_STEPS >= value:
                return step
        power *= 10
