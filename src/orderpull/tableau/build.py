"""Build: a workbook for the warehouse of the settings, live or with an extract."""

import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orderpull.errors import OrderpullError, SettingsError, UsageError
from orderpull.settings import Settings
from orderpull.tableau.connection import EXTRACT, LiveConnection, live_connection
from orderpull.tableau.lint import check
from orderpull.tableau.workbook import Target, workbook

_CHUNK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time that every member of a package bears, so that the same content gives the same bytes."""


@dataclass(frozen=True, slots=True)
class Built:
    """A workbook that was written. :param rows: of each table in its extract."""

    file: Path
    size: int
    live: LiveConnection | None
    rows: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As ``tableau build --json`` shows it."""
        return {
            "file": str(self.file),
            "bytes": self.size,
            "live": f"{self.live.kind}://{self.live.host}" if self.live else None,
            "rows": self.rows,
        }


def build(
    settings: Settings,
    file: Path,
    *,
    extract: bool | None = None,
    target: Target = "18.1",
    names: bool = False,
    force: bool = False,
) -> Built:
    """Write the workbook to *file*: wholly or not at all.

    :param extract: True: with an extract, as ``.twbx``; False: live, as ``.twb``; None: live where
        the warehouse is on a server.
    :param names: whether a live one has columns about a person, too, hidden.
    :raises UsageError: *file* is there, cannot be written, or is not called as what it becomes.
    :raises SettingsError: the warehouse cannot be read live.
    """
    live = live_connection(settings)
    packed = live is None if extract is None else extract
    if live is None and not packed:
        raise SettingsError(
            "Tableau cannot read a DuckDB file live by itself.",
            "Use --extract; docs/tableau.md tells of a connector that can.",
        )
    _named(file, packed=packed)
    if file.exists() and not force:
        raise UsageError(f"{file} is there already.", "Use --force to replace it.")
    text = checked(workbook(live, extract=packed, target=target, names=names), packed=packed)
    with _told(file), TemporaryDirectory(prefix=".orderpull-", dir=file.parent) as folder:
        made = Path(folder) / file.name
        rows = {}
        if packed:
            hyper = Path(folder) / "orders.hyper"
            rows = _extracted(settings, hyper, beside_live=live is not None)
            pack(made, text, hyper)
        else:
            made.write_bytes(text)
        _sync(made)
        made.replace(file)
        return Built(file, file.stat().st_size, live, rows)


def checked(text: bytes, *, packed: bool) -> bytes:
    """*text*, once the checker has found nothing in it.

    :raises UsageError: something in the settings would make a workbook that is wrong.
    """
    found = check(text, frozenset({EXTRACT}) if packed else None)
    if found:
        raise UsageError(
            f"The workbook would be wrong: {found[0]}.",
            "Look at destination.url and at tableau.schema.",
        )
    return text


def pack(file: Path, text: bytes, hyper: Path) -> None:
    """Put the workbook and its extract into a ``.twbx``."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr(_member(f"{file.stem}.twb"), text)
        with (
            hyper.open("rb") as source,
            package.open(_member(EXTRACT), "w", force_zip64=True) as to,
        ):
            shutil.copyfileobj(source, to, _CHUNK)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


def _extracted(settings: Settings, hyper: Path, *, beside_live: bool) -> dict[str, int]:
    try:
        from orderpull.tableau.extract import write_extract
    except ModuleNotFoundError as error:
        raise OrderpullError(*without_engine(str(error.name))) from None
    return write_extract(settings, hyper, beside_live=beside_live)


def without_engine(package: str) -> tuple[str, str]:
    """What is missing for an extract, and what to do about it."""
    missing = f"An extract needs the Python package {package}, which is not installed."
    if sys.platform == "linux" and platform.machine() != "x86_64":
        return (
            f"{missing} Tableau makes it for Windows, macOS and Linux on x86_64 alone.",
            "Build the extract on such a machine.",
        )
    return missing, "Run: pip install 'orderpull[hyper]'."


def _named(file: Path, *, packed: bool) -> None:
    wanted = ".twbx" if packed else ".twb"
    if file.suffix.lower() != wanted:
        what = "A workbook with an extract" if packed else "A live workbook"
        raise UsageError(f"{what} is a {wanted} file; {file.name} is not.", f"Name a {wanted}.")


def _sync(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}.",
            "Mend the folder or its rights, or name another file.",
        ) from None
