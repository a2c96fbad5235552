"""Encrypted store of tokens that outlive a run, beside a source's pages in the landing.

Some APIs rotate refresh tokens: each use replaces the token, and a lost successor ends the access.
So tokens are stored durably in the landing, which the next run reads on any machine. The encryption
key is derived from a secret in the settings; the landing alone reveals nothing.
"""

import base64
import hashlib
import threading
from functools import lru_cache
from typing import Any

import msgspec

from orderpull.errors import SettingsError
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import SourceSettings

NOTE = "token"


class TokenStore:
    """The stored tokens of one source.

    :raises SettingsError: the settings have no secret to derive a key from, or the package
        ``cryptography`` is missing.
    """

    def __init__(self, landing: SourceLanding, settings: SourceSettings) -> None:
        secret = settings.client_secret or settings.refresh_token
        if secret is None:
            raise SettingsError(
                "Tokens cannot be stored without a client_secret.", 'Add client_secret = "${NAME}".'
            )
        try:
            from cryptography.fernet import Fernet
        except ImportError:
            raise SettingsError(
                "This API's tokens must be stored encrypted, which needs the package cryptography.",
                "Install it: pip install 'orderpull[oauth]'.",
            ) from None
        self._fernet = Fernet(_key(secret))
        self._settings_hash = hashlib.sha256((settings.refresh_token or "").encode()).hexdigest()
        self._landing = landing
        self._tokens: dict[str, Any] | None = None

    def read(self) -> dict[str, Any]:
        """The stored tokens; empty if the secret or refresh token in the settings has changed."""
        if self._tokens is None:
            self._tokens = self._decrypt(self._landing.note(NOTE))
        return self._tokens

    def write(self, tokens: dict[str, Any]) -> None:
        """Store *tokens* durably."""
        data = msgspec.json.encode(tokens | {"given": self._settings_hash})
        self._landing.keep_note(NOTE, self._fernet.encrypt(data))
        self._tokens = tokens

    def _decrypt(self, data: bytes | None) -> dict[str, Any]:
        from cryptography.fernet import InvalidToken

        if not data:
            return {}
        try:
            tokens: dict[str, Any] = msgspec.json.decode(self._fernet.decrypt(data))
        except (InvalidToken, msgspec.DecodeError):
            return {}
        return tokens if tokens.get("given") == self._settings_hash else {}


_key_lock = threading.Lock()


def _key(secret: str) -> bytes:
    """Derive the key from *secret*, one at a time because each derivation takes 16 MB."""
    with _key_lock:
        return _derive_key(secret)


@lru_cache(maxsize=256)
def _derive_key(secret: str) -> bytes:
    key = hashlib.scrypt(secret.encode(), salt=b"orderpull tokens", n=2**14, r=8, p=1, dklen=32)
    return base64.urlsafe_b64encode(key)
