"""Password hashes: scrypt, in the string format of the Password Hashing Competition.

The cost follows OWASP's password storage cheat sheet for 32 MB a hash: N = 2^15, r = 8, p = 3.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import unicodedata

from orderpull.settings import PASSWORD_HASH

LN, R, P = 15, 8, 3
MIN_LENGTH, MAX_LENGTH = 8, 1024
"""Length of a password, in characters."""

_one_at_a_time = threading.Lock()
"""Lock that bounds the memory of parallel sign-ins to that of one hash."""


def hash_password(password: str) -> str:
    """Hash *password* with a new random salt."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, LN, R, P)
    return f"$scrypt$ln={LN},r={R},p={P}${_text(salt)}${_text(digest)}"


def verify_password(password: str, password_hash: str) -> bool:
    """True if *password_hash* is the hash of *password*; compares in constant time."""
    parts = PASSWORD_HASH.fullmatch(password_hash)
    if parts is None or len(password) > MAX_LENGTH:
        return False
    ln, r, p = (int(number) for number in parts.groups()[:3])
    salt, expected = (_bytes(text) for text in parts.groups()[3:])
    with _one_at_a_time:
        digest = _scrypt(password, salt, ln, r, p)
    return hmac.compare_digest(digest, expected)


def _scrypt(password: str, salt: bytes, ln: int, r: int, p: int) -> bytes:
    """Hash *password* in Unicode NFC, so that every keyboard gives the same hash."""
    typed = unicodedata.normalize("NFC", password).encode()
    memory = 128 * r * (2**ln + p + 2)
    return hashlib.scrypt(typed, salt=salt, n=2**ln, r=r, p=p, maxmem=memory, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
