"""The trend as a drawing: where bars, lines and labels stand, in percent of its width and height.

Lengths in percent let the drawing take any width while its texts keep their size.
"""

from dataclasses import dataclass

from orderpull.web.overview import Trend

TOP, FLOOR = 9.0, 88.0
"""Where the highest value and zero stand, in percent from above."""

LABELS_AT_MOST = 6
WIDEST = 6.0
"""How wide a bar is at most, in percent."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the y axis. :param value: what it stands for. :param y: percent from above."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Column:
    """A bar, all in percent.

    :param labelled: whether its step is named under the axis. :param minor: but not on a phone.
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
    """The drawing of a trend."""

    marks: list[Mark]
    columns: list[Column]


def drawn(trend: Trend, measure: str) -> Chart:
    """*trend* as bars of orders or items."""
    values = [getattr(bar, measure) for bar in trend.bars]
    top = ceiling(max(values, default=0))
    count = len(values)
    slot = 100 / count if count else 100
    gap = min(slot * 0.22, 1.0)
    every = -(-count // LABELS_AT_MOST) if count else 1
    columns = []
    for index, value in enumerate(values):
        height = (FLOOR - TOP) * value / top
        middle, width = (index + 0.5) * slot, min(slot - gap, WIDEST)
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


def ceiling(value: int) -> int:
    """The smallest of 2, 4, 6, 8 and 10 times a power of ten that is not below *value*."""
    power = 1
    while True:
        for digit in (2, 4, 6, 8, 10):
            if digit * power >= value:
                return digit * power
        power *= 10
