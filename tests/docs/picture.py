"""The picture of the rooms in ``docs/architecture.md``: rows from the import rules, arrows from the imports.

``scripts/write-docs`` draws it. An arrow stands for direct imports; arrows that follow from others are
left out (transitive reduction), and so are those to the modules that anything may import.
"""

import tomllib
from collections import defaultdict
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "architecture.svg"

ROOMS = {
    "cli": (3.0, "commands"),
    "demo": (4.0, "the first minute"),
    "conform": (5.0, "try an API file"),
    "tableau": (0.0, "6 show: workbook"),
    "aws": (1.0, "run on Lambda"),
    "web": (2.0, "6 show: dashboard"),
    "spark": (5.0, "replay on a cluster"),
    "terminal": (3.0, "6 show: tables, progress"),
    "simulator": (4.0, "an orders API to try"),
    "operate": (3.0, "status, replay, export"),
    "forget": (2.0, "erase a person"),
    "verify": (4.0, "compare, repair"),
    "schedule": (3.0, "run by itself"),
    "digest": (2.0, "of a day or a week"),
    "notify": (3.0, "alerts"),
    "pipeline": (3.0, "one run, top to bottom"),
    "loading": (2.0, "pages, batch by batch"),
    "pulling": (4.0, "sources side by side"),
    "results": (5.0, "of a run"),
    "destinations": (1.0, "4 load: merge, commit"),
    "normalize": (2.0, "3 shape: orders, rejects"),
    "sources": (4.0, "1 ask: fetch, page"),
    "landing": (4.0, "2 keep: raw responses"),
    "settings": (4.0, "orderpull.toml"),
    "s3": (5.0, "bucket client"),
    "answers": (1.0, "5 answer: the questions"),
    "model": (2.0, "tables and columns"),
}
"""Each room's column, and its role; a number is its step in the flow of the data."""

WIDTH, HEIGHT, COLUMN, ROW, TOP = 146, 40, 160, 64, 16
Edges = dict[str, set[str]]


def layers() -> list[list[str]]:
    """Rows of rooms, the importing ones first, from the import rules of ``pyproject.toml``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (rules,) = (c for c in project["tool"]["importlinter"]["contracts"] if c["id"] == "rooms")
    rows = [layer.replace(":", "|").split("|") for layer in rules["layers"]]
    named = [[name.strip(" ()") for name in row] for row in rows]
    package = ROOT / "src" / "orderpull"
    return [
        [name for name in row if (package / name).is_dir() or (package / f"{name}.py").is_file()]
        for row in named
    ]


def imports() -> Edges:
    """Each room and the rooms that one of its modules imports directly."""
    graph = grimp.build_graph("orderpull", cache_dir=None)
    edges: Edges = defaultdict(set)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            one, other = (f"{name}.".split(".")[1] for name in (module, imported))
            if one in ROOMS and other in ROOMS and one != other:
                edges[one].add(other)
    return dict(edges)


def reduced(edges: Edges) -> Edges:
    """*edges* without those that follow from two or more others."""

    def below(room: str) -> set[str]:
        direct = edges.get(room, set())
        return direct.union(*(below(other) for other in direct))

    return {
        room: {o for o in direct if not any(o in below(via) for via in direct - {o})}
        for room, direct in edges.items()
    }


def svg() -> str:
    """The picture, the same bytes for the same imports."""
    *rows, anywhere = layers()
    rows = [[name for name in row if name in ROOMS] for row in rows]
    rows = [row for row in rows if row]
    places = {
        room: (int(ROOMS[room][0] * COLUMN) + 12, TOP + number * ROW)
        for number, row in enumerate(rows)
        for room in row
    }
    width, height = 6 * COLUMN + 10, TOP + len(rows) * ROW + 52
    arrows = [
        _arrow(places[one], places[other])
        for one, others in sorted(reduced(imports()).items())
        for other in sorted(others)
    ]
    boxes = [_box(room, places[room]) for row in rows for room in row]
    bar = height - 46
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                'font-family="system-ui, sans-serif" role="img" '
                'aria-label="The rooms of orderpull and the direction of their imports">'
            ),
            (
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
                'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 Z" fill="#64748b"/></marker></defs>'
            ),
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *arrows,
            *boxes,
            f'<rect x="12" y="{bar}" width="{width - 24}" height="32" rx="6" fill="#f1f5f9"/>',
            (
                f'<text x="{width // 2}" y="{bar + 21}" text-anchor="middle" font-size="13" '
                f'fill="#334155">imported by any room: {", ".join(sorted(anywhere))}</text>'
            ),
            "</svg>\n",
        )
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + WIDTH // 2, start[1] + HEIGHT
    x2, y2 = end[0] + WIDTH // 2, end[1] - 1
    out, into = (y2 - y1) * 19 // 20, min(24, (y2 - y1) // 2)
    return (
        f'<path d="M{x1},{y1} C{x1},{y1 + out} {x2},{y2 - into} {x2},{y2}" fill="none" '
        'stroke="#94a3b8" stroke-width="1.5" marker-end="url(#tip)"/>'
    )


def _box(room: str, place: tuple[int, int]) -> str:
    x, y = place
    role = ROOMS[room][1]
    fill, line = ("#e0f2fe", "#0284c7") if role[0].isdigit() else ("#f8fafc", "#94a3b8")
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" '
        f'stroke="{line}"/>'
        f'<text x="{x + WIDTH // 2}" y="{y + 17}" text-anchor="middle" font-size="14" '
        f'font-weight="600" fill="#0f172a">{escape(room)}</text>'
        f'<text x="{x + WIDTH // 2}" y="{y + 32}" text-anchor="middle" font-size="11" '
        f'fill="#475569">{escape(role)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
