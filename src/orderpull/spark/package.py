"""An archive of orderpull and all that it needs to shape and load, for executors that lack it.

It is made of what is installed here; no registry is asked. Executors need the same system, the same
kind of processor and the same minor version of Python.
"""

import re
import tarfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import orderpull
from orderpull.errors import UsageError

_EXTRAS = frozenset({"age", "kms", "s3", "spark"})
"""The extras of orderpull that executors need: what reads a landing."""

_ON_EACH_EXECUTOR = frozenset({"pyspark", "py4j"})
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


def package(file: Path) -> int:
    """Write the archive *file*, a ``.tar.gz``; return its size in bytes.

    :raises UsageError: it cannot be written, or has another ending.
    """
    if not file.name.endswith((".tar.gz", ".tgz")):
        raise UsageError(f"{file} does not end with .tar.gz, by which Spark knows an archive.")
    unfinished = file.with_name(f".{file.name}.part")
    try:
        with tarfile.open(unfinished, "w:gz", compresslevel=1) as archive:
            for path, name in sorted(_contents()):
                archive.add(path, name, recursive=False)
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None
    return file.stat().st_size


def _contents() -> Iterator[tuple[Path, str]]:
    """Each file, and its name in the archive."""
    ours = Path(orderpull.__file__).parent
    for path in ours.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path, f"orderpull/{path.relative_to(ours)}"
    for name in _needed():
        for file in metadata.distribution(name).files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and path.is_file():
                yield path, str(file)


def _needed() -> set[str]:
    """The installed distributions that orderpull needs on an executor."""
    names: set[str] = set()
    waiting = [("orderpull", _EXTRAS)]
    while waiting:
        name, extras = waiting.pop()
        for requirement in metadata.distribution(name).requires or ():
            match, wanted = _NAME.match(requirement), set(_EXTRA.findall(requirement))
            needed = match[0].lower().replace("_", "-") if match else ""
            if not needed or (wanted and not wanted & extras):
                continue
            if needed not in names | _ON_EACH_EXECUTOR and _is_installed(needed):
                names.add(needed)
                waiting.append((needed, frozenset()))
    return names


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
