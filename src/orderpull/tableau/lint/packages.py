"""Reading of workbook files: a ``.twb``, or the one inside a ``.twbx``."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from orderpull.errors import UsageError
from orderpull.tableau.lint.workbook import Finding

MAX_BYTES = 64 * 1024 * 1024
"""Largest size of a ``.twb`` inside a package; a larger one is not unpacked."""


@dataclass(slots=True)
class WorkbookFile:
    """Content of a workbook file.

    :param text: the workbook's XML; empty if it could not be read.
    :param files: names of the other files of its package; None without a package.
    """

    text: bytes = b""
    files: frozenset[str] | None = None
    findings: list[Finding] = field(default_factory=list)


def read(file: Path) -> WorkbookFile:
    """Read the workbook in *file*.

    :raises UsageError: *file* cannot be read, or is neither ``.twb`` nor ``.twbx``.
    """
    try:
        if file.suffix.lower() == ".twb":
            return WorkbookFile(file.read_bytes())
        if file.suffix.lower() == ".twbx":
            with zipfile.ZipFile(file) as package:
                return _unpack(package)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    except zipfile.BadZipFile:
        finding = Finding("package-broken", file.name, "it is not a complete package")
        return WorkbookFile(findings=[finding])
    raise UsageError(f"{file} is neither a .twb nor a .twbx.", "Name a workbook of Tableau's.")


def _unpack(package: zipfile.ZipFile) -> WorkbookFile:
    names = package.namelist()
    findings: list[Finding] = []
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            findings.append(Finding("package-path", "package", f"{name} is outside the package"))
    workbooks = [name for name in names if name.endswith(".twb") and "/" not in name]
    if len(workbooks) != 1:
        message = f"it contains {len(workbooks)} workbooks"
        findings.append(Finding("package-workbook", "package", message))
        return WorkbookFile(findings=findings)
    if package.getinfo(workbooks[0]).file_size > MAX_BYTES:
        findings.append(Finding("package-size", "package", "its workbook is too large"))
        return WorkbookFile(findings=findings)
    return WorkbookFile(package.read(workbooks[0]), frozenset(names) - {workbooks[0]}, findings)
