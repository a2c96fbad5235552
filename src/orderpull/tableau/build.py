"""Build a workbook for the warehouse of the settings, live or with an extract."""

import os
import platform
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from orderpull.errors import OrderpullError, SettingsError, UsageError
from orderpull.settings import Settings
from orderpull.tableau.connection import EXTRACT, live_connection
from orderpull.tableau.lint import check
from orderpull.tableau.workbook import Target, workbook

_CHUNK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Fixed time of package members, for reproducible bytes."""


@dataclass(frozen=True, slots=True)
class Built:
    """A written workbook, as ``tableau build --json`` prints it.

    :param bytes: size of the file.
    :param live: kind and host of the live connection; None for an extract alone.
    :param rows: number of rows by table of its extract.
    """

    file: str
    bytes: int
    live: str | None
    rows: dict[str, int]


def build(
    settings: Settings,
    file: Path,
    *,
    extract: bool | None = None,
    target: Target = "18.1",
    names: bool = False,
    force: bool = False,
) -> Built:
    """Write the workbook to *file* atomically.

    :param extract: True for an extract in a ``.twbx``; False for a live ``.twb``; None for live if
        the warehouse is on a server.
    :param names: True to include columns about a person in a live workbook, hidden.
    :raises UsageError: *file* exists, cannot be written, or has the wrong suffix.
    :raises SettingsError: the warehouse cannot be read live.
    """
    live = live_connection(settings)
    packed = live is None if extract is None else extract
    if live is None and not packed:
        raise SettingsError(
            "Tableau cannot read a DuckDB file live by itself.",
            "Use --extract; docs/tableau.md names a connector that can.",
        )
    _check_suffix(file, packed=packed)
    if file.exists() and not force:
        raise UsageError(f"{file} exists already.", "Use --force to replace it.")
    text = linted(workbook(live, extract=packed, target=target, names=names), packed=packed)
    rows: dict[str, int] = {}
    try:
        with TemporaryDirectory(prefix=".orderpull-", dir=file.parent) as folder:
            temporary = Path(folder) / file.name
            if packed:
                hyper = Path(folder) / "orders.hyper"
                rows = _write_extract(settings, hyper, beside_live=live is not None)
                pack(temporary, text, hyper)
            else:
                temporary.write_bytes(text)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(file)
        address = f"{live.kind}://{live.host}" if live else None
        return Built(str(file), file.stat().st_size, address, rows)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}.",
            "Check the folder and its rights, or name another file.",
        ) from None


def linted(text: bytes, *, packed: bool) -> bytes:
    """Return *text* if lint finds no fault.

    :raises UsageError: the settings lead to a faulty workbook.
    """
    findings = check(text, frozenset({EXTRACT}) if packed else None)
    if findings:
        raise UsageError(
            f"The workbook would be wrong: {findings[0]}.",
            "Look at destination.url and at tableau.schema.",
        )
    return text


def pack(file: Path, text: bytes, hyper: Path) -> None:
    """Write the workbook and its extract into a ``.twbx``."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr(_member(f"{file.stem}.twb"), text)
        with (
            hyper.open("rb") as source,
            package.open(_member(EXTRACT), "w", force_zip64=True) as target,
        ):
            shutil.copyfileobj(source, target, _CHUNK)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


def _write_extract(settings: Settings, hyper: Path, *, beside_live: bool) -> dict[str, int]:
    try:
        from orderpull.tableau.extract import write_extract
    except ModuleNotFoundError as error:
        raise OrderpullError(*without_engine(str(error.name))) from None
    return write_extract(settings, hyper, beside_live=beside_live)


def without_engine(package: str) -> tuple[str, str]:
    """Return message and hint for a missing *package* of the Hyper engine."""
    missing = f"An extract needs the Python package {package}, which is not installed."
    if sys.platform == "linux" and platform.machine() != "x86_64":
        return (
            f"{missing} Tableau provides it only for Windows, macOS and Linux on x86_64.",
            "Build the extract on such a machine.",
        )
    return missing, "Run: pip install 'orderpull[hyper]'."


def _check_suffix(file: Path, *, packed: bool) -> None:
    suffix = ".twbx" if packed else ".twb"
    if file.suffix.lower() != suffix:
        kind = "A workbook with an extract" if packed else "A live workbook"
        raise UsageError(f"{kind} is a {suffix} file; {file.name} is not.", f"Name a {suffix}.")
