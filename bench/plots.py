"""Draw the figures of ``make bench`` as lines: ``python -m bench.plots [RESULTS.json]``.

Writes ``docs/bench-*.svg``: small files without scripts or fonts. Both axes are logarithmic.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from math import log10
from pathlib import Path
from typing import NamedTuple

from bench.run import CHANGED

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = Path(__file__).with_name("results.json")
LEFT, TOP, WIDTH, HEIGHT = 56, 34, 400, 230
RIGHT = 150
"""Room for the names of the lines."""

COLOURS = {"orderpull": "#1b6ca8", "dlt, lean": "#c0392b", "reference": "#2e8b57"}
OTHER = "#7f7f7f"
STYLE = 'role="img" font-family="system-ui, sans-serif" font-size="12"'
LINE = 15


class Plot(NamedTuple):
    """A chart: file, title, figure, and the steps drawn."""

    name: str
    title: str
    figure: str
    unit: str
    steps: tuple[str, ...]


PLOTS = (
    Plot("time", "First load: CPU seconds, by orders loaded", "cpu", "s", ("first load",)),
    Plot("memory", "First load: peak memory, by orders loaded", "rss", "MiB", ("first load",)),
    Plot(
        "changes",
        "Small runs: CPU seconds, by orders held",
        "cpu",
        "s",
        (f"{CHANGED:,} changed", "nothing new"),
    ),
)


class Scale:
    """A logarithmic axis from *start* over *length* pixels, up if that is negative."""

    def __init__(self, values: Iterable[float], start: float, length: float) -> None:
        each = list(values)
        self.low, self.high = log10(min(each) * 0.9), log10(max(each) * 1.1)
        self.start, self.length = start, length

    def __call__(self, value: float) -> float:
        """Where *value* lies."""
        share = (log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * self.length, 1)

    def ticks(self) -> list[float]:
        """Round numbers within the axis: of 1, 2 and 5 if there is room for all of them."""
        found: list[float] = []
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [
                step * 10.0**power
                for power in range(int(self.low) - 1, int(self.high) + 2)
                for step in steps
                if self.low <= log10(step * 10.0**power) <= self.high
            ]
            if all(abs(self(b) - self(a)) > 2 * LINE for a, b in pairwise(found)):
                break
        return found


def lines_of(plot: Plot, results: list[dict[str, float | str]]) -> dict[str, dict[int, float]]:
    """The points of each line, by its name."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in results:
        if row["what"] in plot.steps:
            name = str(row["system"])
            name += f": {row['what']}" if len(plot.steps) > 1 else ""
            found[name][int(row["orders"])] = float(row[plot.figure])
    return found


def svg(plot: Plot, lines: dict[str, dict[int, float]]) -> str:
    """The chart as text of an SVG file."""
    across = Scale((x for line in lines.values() for x in line), LEFT, WIDTH)
    up = Scale((y for line in lines.values() for y in line.values()), TOP + HEIGHT, -HEIGHT)
    size = f"{LEFT + WIDTH + RIGHT + (60 if len(plot.steps) > 1 else 0)} {TOP + HEIGHT + 40}"
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" {STYLE}>',
        f"<title>{plot.title}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{plot.title}</text>',
    ]
    for x in across.ticks():
        drawn.append(f'<path d="M{across(x)} {TOP}v{HEIGHT}" stroke="#e3e3e3"/>')
        drawn.append(_text(across(x), TOP + HEIGHT + 18, f"{x:,.0f}", "middle"))
    for y in up.ticks():
        drawn.append(f'<path d="M{LEFT} {up(y)}h{WIDTH}" stroke="#e3e3e3"/>')
        drawn.append(_text(LEFT - 6, up(y) + 4, f"{y:g} {plot.unit}", "end"))
    lowest = 0.0
    last = {name: up(line[max(line)]) for name, line in lines.items()}
    for name in sorted(lines, key=lambda name: last[name]):
        system, _, step = name.partition(": ")
        colour = COLOURS.get(system, OTHER)
        dashes = ' stroke-dasharray="6 4"' if step in plot.steps[1:] else ""
        points = [(across(x), up(y)) for x, y in sorted(lines[name].items())]
        path = " ".join(f"{x},{y}" for x, y in points)
        stroke = f'stroke="{colour}" stroke-width="2"{dashes}'
        drawn.append(f'<polyline points="{path}" fill="none" {stroke}/>')
        drawn.extend(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points)
        lowest = max(lowest + LINE, last[name])
        drawn.append(_text(LEFT + WIDTH + 8, lowest + 4, name, "start", colour))
    return "\n".join((*drawn, "</svg>\n"))


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#444") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def main() -> None:
    """Draw all charts."""
    file = Path(sys.argv[1]) if sys.argv[1:] else RESULTS
    results = json.loads(file.read_text())
    for plot in PLOTS:
        lines = lines_of(plot, results)
        (DOCS / f"bench-{plot.name}.svg").write_text(svg(plot, lines), encoding="utf-8")


if __name__ == "__main__":
    main()
