"""The consoles for stdout and stderr, and the style of tables and times shared by all output."""

import os
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orderpull import clock

UNLIMITED_WIDTH = 10_000
"""Columns of a screen that fits any row."""


def stdout() -> Console:
    """Return the console for answers: wide enough for every row, unless it is a terminal's."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    return Console(highlight=False, soft_wrap=True, width=UNLIMITED_WIDTH)


def stderr() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_indented(console: Console, text: str, style: str = "") -> None:
    """Print *text*, which is not rich's markup, indented in each line of a terminal."""
    if console.is_terminal:
        console.print(Padding(Text(text, style=style), (0, 0, 0, 2)))
    else:
        console.print(Text(f"  {text}", style=style))


def new_table(
    *columns: str,
    title: str | None = None,
    right: Collection[str] = (),
    **options: Any,  # noqa: ANN401 - options of rich's columns
) -> Table:
    """Return a table of *columns* without rows, in the style of all tables.

    :param title: in rich's markup.
    :param right: columns of numbers, aligned to the right.
    """
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", **options)
    return table


def with_age(instant: datetime | None, timezone: str, *, brief: bool = False) -> str:
    """Return *instant* (naive, UTC) in *timezone* with its age; if *brief*, only its age."""
    if instant is None:
        return "never to its end"
    moment = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    age = clock.ago(instant, clock.now())
    return age if brief else f"{moment:%Y-%m-%d %H:%M %Z} ({age})"
