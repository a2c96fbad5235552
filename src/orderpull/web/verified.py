"""The last verification of each source, read from the notes in the landing."""

import threading
import time
from collections.abc import Collection, Mapping

from orderpull.errors import OrderpullError
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.verify.record import LastVerified, last_verified

READ_SECONDS = 30.0
"""Time for which the notes are not read again: in a bucket each costs a request."""

WAIT_SECONDS = 0.3
"""Time that a page waits for the notes; after it the page shows those that were read before."""

NAMED_SOURCES = 3
"""Sources that a sentence names before it counts the others."""

Notes = Mapping[str, LastVerified]


class Verifications:
    """The notes of all sources of *settings*. Threads share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._notes: Notes = {}
        self._reading: threading.Thread | None = None

    def of(self, sources: Collection[str]) -> Notes:
        """The last verification of each of *sources* that has one; of all if *sources* is empty.

        They are read in a thread, so that no page waits long for a slow bucket.
        """
        with self._lock:
            if self._reading is None and time.monotonic() - self._read_at >= READ_SECONDS:
                self._reading = threading.Thread(target=self._read, name="notes", daemon=True)
                self._reading.start()
            reading = self._reading
        if reading:
            reading.join(WAIT_SECONDS)
        return {name: note for name, note in self._notes.items() if not sources or name in sources}

    def _read(self) -> None:
        notes: dict[str, LastVerified] = {}
        try:
            landing = open_landing(self._settings.landing, self._settings.folder)
            for name in self._settings.sources:
                if note := last_verified(landing.source(name)):
                    notes[name] = note
        except OrderpullError:  # the pages live on the warehouse, which may be elsewhere
            notes = {}
        finally:
            with self._lock:
                self._notes, self._reading = notes, None
                self._read_at = time.monotonic()


def what_differs(notes: Notes) -> str | None:
    """A sentence about the differences in *notes*; None if nothing differs."""
    differ = [name for name, note in notes.items() if note.count]
    if not differ:
        return None
    count = sum(note.count for note in notes.values())
    named = ", ".join(differ[:NAMED_SOURCES])
    more = f" and {len(differ) - NAMED_SOURCES} more" if len(differ) > NAMED_SOURCES else ""
    return f"{count:,} {'difference' if count == 1 else 'differences'} in {named}{more}."
