"""State of alerts, so that each is sent once: beside the settings, or in the landing on S3.

On a local disk the state is ``notified.json`` in ``schedule.folder``. With an S3 landing it is
``<landing>/.orderpull/notified.json``, because the next run may be on another machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from orderpull.landing import open_landing
from orderpull.landing.files import replace_file
from orderpull.landing.lock import folder_lock
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import Settings

NAME = "notified.json"
RESERVED_SOURCE = ".orderpull"
"""Folder of the state in an S3 landing. No source can have this name."""


class OpenAlert(Struct, rename={"sent": "told"}):
    """An alert that is open. Times are UTC.

    :param since: when the alert opened.
    :param runs: consecutive runs with the alert.
    :param sent: True once a message was sent.
    """

    since: datetime
    runs: int = 1
    sent: bool = False


class AlertState(Struct):
    """State of all alerts.

    :param open: open alerts by key.
    :param since: when each source was first seen.
    """

    open: dict[str, OpenAlert] = {}
    since: dict[str, datetime] = {}


class FolderStore:
    """Store in a local *folder*.

    :raises OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes of this machine from notifying at the same time."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with folder_lock(self.folder):
            yield

    def load(self) -> AlertState:
        """Return the stored state; an empty one if it is missing or cannot be parsed."""
        try:
            return _parse((self.folder / NAME).read_bytes())
        except FileNotFoundError:
            return AlertState()

    def save(self, state: AlertState) -> None:
        """Replace the file atomically and durably."""
        replace_file(self.folder / NAME, msgspec.json.encode(state), mode=0o600)


class LandingStore:
    """Store in a landing, without a lock: two machines at one instant may send the same alert.

    :raises LandingError: the landing cannot be used.
    """

    def __init__(self, landing: SourceLanding) -> None:
        self.landing = landing

    def lock(self) -> nullcontext[None]:
        """Hold no lock."""
        return nullcontext()

    def load(self) -> AlertState:
        """Return the stored state; an empty one if it is missing or cannot be parsed."""
        return _parse(self.landing.note(NAME) or b"")

    def save(self, state: AlertState) -> None:
        """Replace the note of the landing."""
        self.landing.keep_note(NAME, msgspec.json.encode(state))


def open_store(settings: Settings) -> FolderStore | LandingStore:
    """Open the store of these settings."""
    if settings.landing.url.startswith("s3://"):
        landing = open_landing(settings.landing, settings.folder)
        return LandingStore(landing.source(RESERVED_SOURCE))
    return FolderStore(settings.folder / settings.schedule.folder)


def _parse(data: bytes) -> AlertState:
    try:
        return msgspec.json.decode(data, type=AlertState)
    except msgspec.DecodeError:
        return AlertState()
