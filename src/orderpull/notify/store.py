"""Store of what was sent: beside the settings, or in the landing on S3.

On a local disk each state is a file in ``schedule.folder``. With an S3 landing it is a note in
``<landing>/.orderpull``, because the next run may be on another machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from orderpull.landing import open_landing
from orderpull.landing.files import replace_file
from orderpull.landing.lock import folder_lock
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import Settings

RESERVED_SOURCE = ".orderpull"
"""Folder of the states in an S3 landing. No source can have this name."""

State = TypeVar("State", bound=Struct)


class FolderStore(Generic[State]):
    """Store of the state *name* in a local *folder*.

    :raises OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path, name: str, kind: type[State]) -> None:
        self.folder, self.name, self.kind = folder, name, kind

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes of this machine from sending at the same time."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with folder_lock(self.folder):
            yield

    def load(self) -> State:
        """Return the stored state; an empty one if it is missing or cannot be parsed."""
        try:
            return _parse((self.folder / self.name).read_bytes(), self.kind)
        except FileNotFoundError:
            return self.kind()

    def save(self, state: State) -> None:
        """Replace the file atomically and durably."""
        replace_file(self.folder / self.name, msgspec.json.encode(state), mode=0o600)


class LandingStore(Generic[State]):
    """Store in a landing, without a lock: two machines at one instant may send the same message.

    :raises LandingError: the landing cannot be used.
    """

    def __init__(self, landing: SourceLanding, name: str, kind: type[State]) -> None:
        self.landing, self.name, self.kind = landing, name, kind

    def lock(self) -> nullcontext[None]:
        """Hold no lock."""
        return nullcontext()

    def load(self) -> State:
        """Return the stored state; an empty one if it is missing or cannot be parsed."""
        return _parse(self.landing.note(self.name) or b"", self.kind)

    def save(self, state: State) -> None:
        """Replace the note of the landing."""
        self.landing.keep_note(self.name, msgspec.json.encode(state))


def open_store(
    settings: Settings, name: str, kind: type[State]
) -> FolderStore[State] | LandingStore[State]:
    """Open the store of the state *name*, which is a *kind*."""
    if settings.landing.url.startswith("s3://"):
        landing = open_landing(settings.landing, settings.folder)
        return LandingStore(landing.source(RESERVED_SOURCE), name, kind)
    return FolderStore(settings.folder / settings.schedule.folder, name, kind)


def _parse(data: bytes, kind: type[State]) -> State:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError:
        return kind()
