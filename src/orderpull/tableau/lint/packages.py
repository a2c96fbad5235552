"""A workbook's file: a ``.twb`` as it is, or the one in a ``.twbx``."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from orderpull.errors import UsageError
from orderpull.tableau.lint.workbook import Finding

LARGEST = 64 * 1024 * 1024
"""No workbook's text is longer; one that says so is not read."""


@dataclass(slots=True)
class Read:
    """What a file holds. :param files: what lies beside the workbook; None: it is in no package."""

    text: bytes = b""
    files: frozenset[str] | None = None
    findings: list[Finding] = field(default_factory=list)


def read(file: Path) -> Read:
    """The workbook in *file*.

    :raises UsageError: it cannot be read, or is neither ``.twb`` nor ``.twbx``.
    """
    try:
        if file.suffix.lower() == ".twb":
            return Read(file.read_bytes())
        if file.suffix.lower() == ".twbx":
            with zipfile.ZipFile(file) as package:
                return _unpacked(package)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    except zipfile.BadZipFile:
        return Read(findings=[Finding("package-broken", file.name, "it is no whole package")])
    raise UsageError(f"{file} is neither a .twb nor a .twbx.", "Name a workbook of Tableau's.")


def _unpacked(package: zipfile.ZipFile) -> Read:
    names = package.namelist()
    found: list[Finding] = []
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            found.append(Finding("package-path", "package", f"{name} would leave the package"))
    books = [name for name in names if name.endswith(".twb") and "/" not in name]
    if len(books) != 1:
        found.append(Finding("package-workbook", "package", f"it holds {len(books)} workbooks"))
        return Read(findings=found)
    if package.getinfo(books[0]).file_size > LARGEST:
        found.append(Finding("package-size", "package", "its workbook is too long to be one"))
        return Read(findings=found)
    return Read(package.read(books[0]), frozenset(names) - {books[0]}, found)
