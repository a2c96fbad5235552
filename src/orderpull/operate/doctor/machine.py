"""The machine: versions, clocks, and room on the disks."""

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from orderpull import __version__, clock
from orderpull.engine import duckdb
from orderpull.errors import CorruptPage
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import TOLERANCE, Installation
from orderpull.scratch import left_over
from orderpull.sources.spec.times import parse_time

LOW_BYTES, FULL_BYTES = 1 << 30, 64 << 20
"""Free bytes of a disk below which runs may fail soon, and below which they will."""

_FEW = 3

SET_CLOCK = "timedatectl set-ntp true"


def versions(_: Installation) -> Iterator[Finding]:
    """Name the versions of what does the work."""
    python = platform.python_version()
    yield ok(f"orderpull {__version__}, Python {python}, DuckDB {duckdb.__version__}")


def clocks(at: Installation) -> Iterator[Finding]:
    """Compare the clocks, and look for times in the future, which a clock set back leaves."""
    compared = []
    if (store := at.store_clock) is not None:
        compared.append(str(at.landing))
        yield from _difference("the store", (store - clock.now()).total_seconds())
    yield from _apis(at, compared)
    for what, instant in _past_times(at):
        if instant is not None and instant > at.tolerated:
            yield problem(
                f"The clock was set back, or was ahead: {what} at {at.time(instant)}, and "
                f"now it is {at.time(at.now)}.",
                SET_CLOCK,
            )
    if at.has_tables and at.facts.kind != "duckdb":
        compared.append(at.facts.where)
        yield from _difference(at.facts.where, at.facts.ahead)
    yield ok("no time is in the future" + "".join(f"; as at {where}" for where in compared))


def _apis(at: Installation, compared: list[str]) -> Iterator[Finding]:
    """Compare the clock of each API, by the header Date of its newest page."""
    for source, pages in at.pages.items():
        with suppress(CorruptPage):
            ahead = at.part(source).meta(pages[-1]).clock_ahead if pages else None
            if ahead is not None:
                compared.append(f"the API of {source}")
                yield from _difference(
                    f"the API of {source}",
                    ahead,
                    f"{SET_CLOCK}, or if that is right and the API's clock is wrong: "
                    f"overlap = {2 * abs(ahead)} in [sources.{source}]",
                    f"page {pages[-1]} of {source}",
                )


def _difference(
    whose: str, ahead: float, mend: str = SET_CLOCK, seen: str = ""
) -> Iterator[Finding]:
    """Report the clock of *whose*, which is *ahead* seconds ahead of this machine's.

    :param seen: what shows it.
    """
    if abs(ahead) > TOLERANCE.total_seconds():
        side = "ahead of" if ahead > 0 else "behind"
        yield warning(
            f"The clock of {whose} is {abs(ahead):,.0f} s {side} this machine's.", mend, seen
        )


def _past_times(at: Installation) -> Iterator[tuple[str, datetime | None]]:
    """Times that were now once, each with what happened then."""
    for source, pages in at.pages.items():
        if pages:
            with suppress(CorruptPage):  # which the check of the landing names
                received = parse_time(at.part(source).meta(pages[-1]).received_at)
                yield f"page {pages[-1]} of {source} was received", received
    if at.schedule:
        yield "the schedule wrote its state", at.schedule.state.heartbeat
    if not at.has_tables:
        return
    newest = max(at.facts.runs, key=lambda run: run["started_at"], default=None)
    if newest:
        yield f"run {newest['run']} of {newest['source']} began", newest["started_at"]


def disk(at: Installation) -> Iterator[Finding]:
    """Measure the room at landing, warehouse and temporary folder, once for each disk."""
    disks: dict[int, list[tuple[str, Path, int]]] = {}
    for what, folder, needed in _folders(at):
        there = _nearest(folder)
        disks.setdefault(there.stat().st_dev, []).append((what, there, needed))
        if not os.access(there, os.W_OK):
            look = f"ls -ld {at.quoted(there)}"
            yield problem("This user may not write there.", look, f"{at.shown(there)} ({what})")
    for folders in disks.values():
        yield _room(at, folders)
    if rests := left_over():
        many = "1 folder" if len(rests) == 1 else f"{len(rests)} folders"
        remove = f"rm -r {' '.join(map(str, rests))}"
        if len(rests) > _FEW:
            some = f"-maxdepth 1 -name 'orderpull-????????' -user {os.geteuid()} -mmin +60"
            remove = f"find {rests[0].parent} {some} -exec rm -r {{}} +"
        yield warning(f"{many} of killed processes, which may hold names.", remove)


def _room(at: Installation, folders: Sequence[tuple[str, Path, int]]) -> Finding:
    """Judge the room on a disk.

    :param folders: on it: name, path, and bytes that the next snapshot needs there.
    """
    what, folder, _ = max(folders, key=lambda each: each[2])
    needed, free = sum(each[2] for each in folders), _free(folder)
    look = f"Make room: du -xh {at.quoted(folder)} | sort -h | tail"
    where = f"{at.shown(folder)} ({what})"
    if free < needed:
        text = f"{_size(free)} are free, and the next snapshot needs {_size(needed)}."
        return problem(text, look, where)
    if free < LOW_BYTES:
        level = problem if free < FULL_BYTES else warning
        return level(f"{_size(free)} are free.", look, where)
    return ok(f"{_size(free)} free for {', '.join(name for name, _, _ in folders)}")


def _folders(at: Installation) -> Iterator[tuple[str, Path, int]]:
    """Name and path of each folder, and the bytes that a snapshot needs there."""
    if at.folder is not None:
        yield "landing", at.folder, 0
    if at.file is not None:
        file = at.file.path
        yield "warehouse", file.parent, file.stat().st_size if file.exists() else 0
    yield "temporary files", Path(tempfile.gettempdir()), 0


def _nearest(folder: Path) -> Path:
    """*folder*, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _free(folder: Path) -> int:
    """Bytes that this user may still write."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def _size(size: float) -> str:
    """*size* in bytes, for a person."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"  # noqa: PLR2004
        size /= 1000
    return f"{size:,.1f} TB"
