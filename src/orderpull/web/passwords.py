"""Passwords, kept as scrypt's hash: made, and compared.

The text is that of the password hashing competition's string format. The cost is what OWASP's
password storage cheat sheet asks for where a try may take 32 MB: N = 2^15, r = 8, p = 3.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import unicodedata

from orderpull.settings import PASSWORD_HASH

LN, R, P = 15, 8, 3
AT_LEAST, AT_MOST = 8, 1024
"""Characters of a password."""

_one_at_a_time = threading.Lock()
"""So that many who try at once take the memory of one."""


def hashed(password: str) -> str:
    """The hash of *password*, with a salt of its own."""
    salt = secrets.token_bytes(16)
    found = _scrypt(password, salt, LN, R, P)
    return f"$scrypt$ln={LN},r={R},p={P}${_text(salt)}${_text(found)}"


def matches(password: str, kept: str) -> bool:
    """Whether *kept* is the hash of *password*; takes as long for a wrong one as for the right."""
    parts = PASSWORD_HASH.fullmatch(kept)
    if parts is None or len(password) > AT_MOST:
        return False
    ln, r, p = (int(number) for number in parts.groups()[:3])
    salt, expected = (_bytes(text) for text in parts.groups()[3:])
    with _one_at_a_time:
        found = _scrypt(password, salt, ln, r, p)
    return hmac.compare_digest(found, expected)


def _scrypt(password: str, salt: bytes, ln: int, r: int, p: int) -> bytes:
    """The same for a password typed on another keyboard: letters are composed first."""
    typed = unicodedata.normalize("NFC", password).encode()
    memory = 128 * r * (2**ln + p + 2)
    return hashlib.scrypt(typed, salt=salt, n=2**ln, r=r, p=p, maxmem=memory, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
