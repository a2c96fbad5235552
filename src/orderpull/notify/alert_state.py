"""What was told, so that nothing is told twice: beside the settings, or with a landing on S3.

On a machine it is ``notified.json`` in ``schedule.folder``. Where the landing is a bucket it is
kept there, as ``<landing>/.orderpull/notified.json``: the next run may be on another machine.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from orderpull.landing import open_landing
from orderpull.landing.files import sync_folder, write_all
from orderpull.landing.lock import alone
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import Settings

NAME = "notified.json"
OURS = ".orderpull"
"""Where it is in a bucket; no source can be called that."""


class Open(Struct):
    """A trouble that was seen and has not gone. Times are UTC.

    :param since: when it was first seen.
    :param runs: in how many runs in a row.
    :param told: whether a message was sent.
    """

    since: datetime
    runs: int = 1
    told: bool = False


class Remembered(Struct):
    """All that is remembered.

    :param open: troubles by their keys. :param since: when each source was first heard of.
    """

    open: dict[str, Open] = {}
    since: dict[str, datetime] = {}


class Memory(Protocol):
    """Where it is kept."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one here who tells."""
        yield

    def read(self) -> Remembered:
        """What was kept; nothing, if that cannot be understood."""
        ...

    def keep(self, remembered: Remembered) -> None:
        """Keep it, wholly or not at all."""
        ...


class FolderMemory(Memory):
    """It is kept in a *folder* of this machine. :raises OSError: that cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one on this machine who tells."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self.folder):
            yield

    def read(self) -> Remembered:
        """What was kept."""
        try:
            return _understood((self.folder / NAME).read_bytes())
        except FileNotFoundError:
            return Remembered()

    def keep(self, remembered: Remembered) -> None:
        """Keep it, durably."""
        temporary = self.folder / f"{NAME}.tmp"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(file, msgspec.json.encode(remembered))
            os.fsync(file)
        finally:
            os.close(file)
        temporary.replace(self.folder / NAME)
        sync_folder(self.folder)


class LandingMemory(Memory):
    """It is kept with a landing. :raises LandingError: that cannot be used."""

    def __init__(self, landing: SourceLanding) -> None:
        self.landing = landing

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Two machines that tell at the same instant may tell the same."""
        yield

    def read(self) -> Remembered:
        """What was kept."""
        data = self.landing.note(NAME)
        return Remembered() if data is None else _understood(data)

    def keep(self, remembered: Remembered) -> None:
        """Keep it."""
        self.landing.keep_note(NAME, msgspec.json.encode(remembered))


def open_memory(settings: Settings) -> Memory:
    """Where these settings keep it."""
    if settings.landing.url.startswith("s3://"):
        return LandingMemory(open_landing(settings.landing, settings.folder).source(OURS))
    return FolderMemory(settings.folder / settings.schedule.folder)


def _understood(data: bytes) -> Remembered:
    try:
        return msgspec.json.decode(data, type=Remembered)
    except msgspec.DecodeError:
        return Remembered()
