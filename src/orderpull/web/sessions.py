"""Sessions: what a browser holds so that it need not sign in again for some hours.

A session is signed, not kept: its end, a random number, and a MAC of both. Only those that were
signed out before their end are remembered. The key is this process's own, so that a restart, and
with it each change of the settings, ends all sessions.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Callable

LAST_SECONDS = 12 * 3600
ENDED_AT_MOST = 10_000


class Sessions:
    """The sessions of one process. :param now: seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, int] = {}
        self._none_until = 0
        self._lock = threading.Lock()

    def begin(self) -> str:
        """A new session."""
        payload = f"{int(self._now()) + LAST_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{payload}.{self._mac(payload)}"

    def holds(self, session: str) -> bool:
        """Whether *session* was begun here, and has not ended."""
        return self._end_of(session) is not None

    def end(self, session: str) -> None:
        """Sign *session* out. Where too many were, all are: none comes back to life."""
        until = self._end_of(session)
        if until is None:
            return
        with self._lock:
            now = self._now()
            self._ended = {each: end for each, end in self._ended.items() if end > now}
            if len(self._ended) >= ENDED_AT_MOST:
                self._none_until = max(self._none_until, *self._ended.values(), until)
                self._ended.clear()
            self._ended[session] = until

    def _end_of(self, session: str) -> int | None:
        """When *session* ends, in seconds since 1970; None if it holds no more, or never did."""
        payload, _, mac = session.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(payload).encode()):
            return None
        until = int(payload.partition(".")[0])
        if until <= max(self._now(), self._none_until) or session in self._ended:
            return None
        return until

    def _mac(self, payload: str) -> str:
        return hmac.digest(self._key, payload.encode(), "sha256").hex()
