"""Settings as they may be shown: without secrets."""

import re

SECRET_KEYS = frozenset({
    "token", "password", "password_hash", "secret", "client_secret", "refresh_token",
    "urls", "identity", "catalog",
})  # fmt: skip
"""Settings whose values are redacted."""


def masked(key: str, value: object) -> object:
    """*value* for display, with secrets and passwords in URLs redacted to ``•••``."""
    if value not in (None, [], {}) and key.rsplit(".", 1)[-1] in SECRET_KEYS:
        return "•••"
    return without_password(value) if isinstance(value, str) else value


def without_password(url: str) -> str:
    """*url* with a password in its authority replaced by ``•••``."""
    return re.sub(r"(://[^/:@\s]*):[^/@\s]*@", r"\1:•••@", url)
