"""Sessions: signed cookies that keep a browser signed in for some hours.

A session is not stored: it holds its expiry, a random number, and a MAC of both. Only sessions that
are revoked before their expiry are remembered. The key belongs to this process, so a restart ends
all sessions; a change of the settings needs a restart.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Callable

SESSION_SECONDS = 12 * 3600
MAX_REVOKED = 10_000


class Sessions:
    """The sessions of one process. :param now: clock, in seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._revoked: dict[str, int] = {}
        self._revoked_until = 0
        self._lock = threading.Lock()

    def create(self) -> str:
        """Create a session."""
        payload = f"{int(self._now()) + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{payload}.{self._mac(payload)}"

    def is_valid(self, session: str) -> bool:
        """True if *session* was created here, has not expired, and is not revoked."""
        return self._expiry_of(session) is not None

    def revoke(self, session: str) -> None:
        """Revoke *session*.

        Beyond :data:`MAX_REVOKED`, every session that expires no later than the last of them is
        revoked, which bounds memory and never revives a revoked session.
        """
        expiry = self._expiry_of(session)
        if expiry is None:
            return
        with self._lock:
            now = self._now()
            self._revoked = {each: end for each, end in self._revoked.items() if end > now}
            if len(self._revoked) >= MAX_REVOKED:
                self._revoked_until = max(self._revoked_until, *self._revoked.values(), expiry)
                self._revoked.clear()
            self._revoked[session] = expiry

    def _expiry_of(self, session: str) -> int | None:
        """Expiry of *session*, in seconds since 1970; None if it is not valid."""
        payload, _, mac = session.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(payload).encode()):
            return None
        expiry = int(payload.partition(".")[0])
        if expiry <= max(self._now(), self._revoked_until) or session in self._revoked:
            return None
        return expiry

    def _mac(self, payload: str) -> str:
        return hmac.digest(self._key, payload.encode(), "sha256").hex()
