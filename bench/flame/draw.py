"""Where the time of a first load goes, as a flame graph: ``make bench-flame``.

py-spy samples Python and native frames of a run that has one core, so that DuckDB works on the
thread that calls it. Writes ``docs/bench-flame.svg`` (a small file: narrow frames are left out) and
prints the shares of the widest functions of orderpull.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from bench.home import write_settings
from bench.shop import served
from bench.workload import render

ROOT = Path(__file__).resolve().parents[2]
SAMPLER = ROOT / "build/flame/bin/py-spy"
WIDTH, HEIGHT, LETTER = 1000, 17, 6.2
NARROW = 0.006
"""Share of all samples below which a frame is left out."""

DEEPEST = 26
"""Frames of a stack from the first of orderpull's rooms on."""

COLOURS = {".py": "#f2b35d", ".so": "#d96b5f", "": "#c9c9c9"}
"""Of Python code, of native code, and of the rest."""


@dataclass
class Frame:
    """A frame, with the samples of it and of all that it calls."""

    name: str
    samples: int = 0
    calls: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, stack: list[str], samples: int) -> None:
        """Add *samples* of *stack* below this frame."""
        self.samples += samples
        if stack:
            name = stack[0]
            self.calls.setdefault(name, Frame(name)).add(stack[1:], samples)


def stacks(text: str) -> Iterator[tuple[list[str], int]]:
    """The stacks of py-spy's raw format, from the first frame of orderpull's work on."""
    for line in text.splitlines():
        path, _, samples = line.rpartition(" ")
        frames = [_short(frame) for frame in path.split(";")]
        first = next((n for n, f in enumerate(frames) if re.search(r"pipeline\.py|pulling", f)), 0)
        yield frames[first:][:DEEPEST], int(samples)


def _short(frame: str) -> str:
    """*frame* without line number, path and template arguments."""
    frame = re.sub(r":\d+\)$", ")", frame)
    frame = re.sub(r"\(.*?([^/ ]+\.so)[^)]*\)$", r"(\1)", frame)
    while (shorter := re.sub(r"<[^<>]*>", "", frame)) != frame and "frozen" not in frame:
        frame = shorter
    return frame


def sample(orders: int) -> str:
    """What py-spy says of a first load of *orders* orders."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    home = Path(tempfile.mkdtemp(prefix="orderpull-flame-"))
    try:
        data = Path(f"build/bench/orders-{orders}")
        render(data, orders, 1000)
        with served(data) as url:
            write_settings(home, {"shop": url})
            command = [
                str(SAMPLER), "record", "--native", "--rate=100", "--format=raw",
                f"--output={home / 'stacks'}", "--", sys.executable, "-m", "orderpull", "run",
                "--json",
            ]  # fmt: skip
            subprocess.run(command, cwd=home, capture_output=True, check=True)
        return (home / "stacks").read_text()
    finally:
        shutil.rmtree(home)


def drawn(root: Frame) -> str:
    """The flame graph as text of an SVG file; the outermost frames are above."""
    boxes, lowest = list[str](), 0

    def draw(frame: Frame, left: float, depth: int) -> None:
        nonlocal lowest
        lowest = max(lowest, depth)
        for below in sorted(frame.calls.values(), key=lambda each: -each.samples):
            width = below.samples / root.samples * WIDTH
            if below.samples < NARROW * root.samples:
                continue
            kind = next((c for end, c in COLOURS.items() if f"{end})" in below.name), "#c9c9c9")
            name = escape(below.name)
            shown = escape(below.name.partition(" (")[0][: max(0, int(width / LETTER) - 1)])
            share = below.samples / root.samples
            boxes.append(
                f'<g><title>{name}: {share:.1%}</title><rect x="{left:.1f}" y="{depth * HEIGHT}" '
                f'width="{max(0.5, width - 0.5):.1f}" height="{HEIGHT - 1}" fill="{kind}"/>'
                f'<text x="{left + 3:.1f}" y="{depth * HEIGHT + 12}">{shown}</text></g>'
            )
            draw(below, left, depth + 1)
            left += width

    draw(root, 0, 0)
    size = f"0 0 {WIDTH} {(lowest + 1) * HEIGHT}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img"'
    style = 'font-family="monospace" font-size="10"'
    return "\n".join((f"{head} {style}>", "<title>First load</title>", *boxes, "</svg>\n"))


def shares(root: Frame) -> Counter[str]:
    """Samples of each function of orderpull, with all that it calls."""
    found: Counter[str] = Counter()

    def walk(frame: Frame, above: frozenset[str]) -> None:
        for below in frame.calls.values():
            if "orderpull/" in below.name and below.name not in above:
                found[below.name] += below.samples
            walk(below, above | {below.name})

    walk(root, frozenset())
    return found


def main() -> None:
    """Sample, draw, and print the shares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--stacks", type=Path, help="draw these stacks in py-spy's raw format")
    asked = parser.parse_args()
    text = asked.stacks.read_text() if asked.stacks else sample(asked.orders)
    root = Frame("")
    for stack, samples in stacks(text):
        root.add(stack, samples)
    (ROOT / "docs/bench-flame.svg").write_text(drawn(root), encoding="utf-8")
    print("| function | share |\n|---|---|")
    for name, samples in shares(root).most_common(25):
        print(f"| {name} | {samples / root.samples:.0%} |")


if __name__ == "__main__":
    main()
