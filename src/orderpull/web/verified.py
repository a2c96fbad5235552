"""The last verification of each source, read from the notes in the landing."""

import threading
import time

from orderpull.errors import LandingError
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.verify.record import LastVerified, last_verified

READ_SECONDS = 30.0
"""Time for which the notes are not read again: in a bucket each costs a request."""


class Verifications:
    """The notes of all sources of *settings*. Threads share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._notes: dict[str, LastVerified] = {}

    def all(self) -> dict[str, LastVerified]:
        """The last verification of each source that has one; empty if no note can be read."""
        with self._lock:
            if time.monotonic() - self._read_at >= READ_SECONDS:
                self._notes = self._read()
                self._read_at = time.monotonic()
            return self._notes

    def _read(self) -> dict[str, LastVerified]:
        try:
            landing = open_landing(self._settings.landing, self._settings.folder)
            notes = {name: last_verified(landing.source(name)) for name in self._settings.sources}
        except LandingError:  # the pages live on the warehouse, which may be elsewhere
            return {}
        return {name: note for name, note in notes.items() if note}
