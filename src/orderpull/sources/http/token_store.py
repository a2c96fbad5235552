"""Tokens that have to outlive a run, kept beside a source's pages, encrypted.

A refresh token that is replaced with each use is worthless once its successor is lost, so it is
kept - durably, before it is used - where the next run finds it, whichever machine that is on. The
key is made of the settings' own secret: who can read the landing alone learns nothing.
"""

import base64
import hashlib
import threading
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from orderpull.errors import SettingsError
from orderpull.settings import SourceSettings

NOTE = "token"


class KeyValueStore(Protocol):
    """Where notes are kept: a source's landing."""

    def note(self, name: str) -> bytes | None:
        """What was kept under *name*."""
        ...

    def keep_note(self, name: str, data: bytes) -> None:
        """Keep *data* under *name*, durably."""
        ...


class TokenStore:
    """The tokens of one source.

    :param notes: where they are kept.
    :raises SettingsError: there is no secret to make a key of, or the package for it is missing.
    """

    def __init__(self, notes: KeyValueStore, settings: SourceSettings) -> None:
        secret = settings.client_secret or settings.refresh_token
        if secret is None:
            raise SettingsError(
                "Tokens cannot be kept without a client_secret.", 'Add client_secret = "${NAME}".'
            )
        try:
            from cryptography.fernet import Fernet
        except ImportError:
            raise SettingsError(
                "This API's tokens have to be kept, encrypted.",
                "Install it: pip install 'orderpull[oauth]'.",
            ) from None
        self._box = Fernet(_key(secret))
        self._settings_hash = hashlib.sha256((settings.refresh_token or "").encode()).hexdigest()
        self._notes = notes
        self._known: dict[str, Any] | None = None

    def read(self) -> dict[str, Any]:
        """What was kept; nothing if the settings have another secret or refresh token by now."""
        if self._known is None:
            self._known = self._opened(self._notes.note(NOTE))
        return self._known

    def keep(self, tokens: dict[str, Any]) -> None:
        """Keep *tokens*; when this returns they are durable."""
        data = msgspec.json.encode(tokens | {"given": self._settings_hash})
        self._notes.keep_note(NOTE, self._box.encrypt(data))
        self._known = tokens

    def _opened(self, data: bytes | None) -> dict[str, Any]:
        from cryptography.fernet import InvalidToken

        if not data:
            return {}
        try:
            kept: dict[str, Any] = msgspec.json.decode(self._box.decrypt(data))
        except (InvalidToken, msgspec.DecodeError):
            return {}
        return kept if kept.get("given") == self._settings_hash else {}


_ONE_AT_A_TIME = threading.Lock()


def _key(secret: str) -> bytes:
    """The key made of *secret*: 16 MB of memory while it is made, whatever the sources."""
    with _ONE_AT_A_TIME:
        return _derived(secret)


@lru_cache(maxsize=256)
def _derived(secret: str) -> bytes:
    key = hashlib.scrypt(secret.encode(), salt=b"orderpull tokens", n=2**14, r=8, p=1, dklen=32)
    return base64.urlsafe_b64encode(key)
