"""The bar chart of the trend: positions in percent of its width and height.

Lengths in percent let the chart take any width while its texts keep their size.
"""

from dataclasses import dataclass

from orderpull.web.overview import Trend

TOP, FLOOR = 9.0, 88.0
"""Positions of the highest value and of zero, in percent from the top."""

MAX_LABELS = 6
MAX_BAR_WIDTH = 6.0
"""In percent."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A grid line at *value*. :param y: percent from the top."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Column:
    """A bar; lengths are in percent.

    :param labelled: its step is named under the axis.
    :param minor: the label is hidden on a phone.
    """

    x: float
    y: float
    width: float
    height: float
    middle: float
    labelled: bool
    minor: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a trend."""

    marks: list[Mark]
    columns: list[Column]


def draw(trend: Trend, measure: str) -> Chart:
    """Draw *trend* as bars of orders or items."""
    values = [getattr(bar, measure) for bar in trend.bars]
    top = axis_end(max(values, default=0))
    count = len(values)
    slot = 100 / count if count else 100
    gap = min(slot * 0.22, 1.0)
    every = -(-count // MAX_LABELS) if count else 1
    columns = []
    for index, value in enumerate(values):
        height = (FLOOR - TOP) * value / top
        middle, width = (index + 0.5) * slot, min(slot - gap, MAX_BAR_WIDTH)
        columns.append(
            Column(
                x=round(middle - width / 2, 3),
                y=round(FLOOR - height, 2),
                width=round(width, 3),
                height=round(height, 2),
                middle=round(middle, 2),
                labelled=index % every == every // 2,
                minor=index // every % 2 == 1,
            )
        )
    marks = [Mark(top * part // 2, round(FLOOR - (FLOOR - TOP) * part / 2, 2)) for part in range(3)]
    return Chart(marks, columns)


def axis_end(value: int) -> int:
    """The end of the axis: the smallest of 2, 4, 6, 8, 10 times a power of ten from *value* up."""
    power = 1
    while True:
        for digit in (2, 4, 6, 8, 10):
            if digit * power >= value:
                return digit * power
        power *= 10
