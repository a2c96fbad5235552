"""Encryption by age (age-encryption.org): for public keys, read with a private key."""

import re
from typing import Any

from orderpull.errors import KeyMissing, SettingsError
from orderpull.landing.encryption import Cipher, Method, Undecryptable, extra_missing

_SEPARATOR = re.compile(r"[\s,]+")
_NO_KEY = "No matching keys found"
"""The words of pyrage if no identity fits."""


class AgeCipher(Cipher):
    """age with X25519 keys.

    :param recipients: public keys, separated by commas; '' to read alone.
    :param identity: private keys, separated by commas or blanks; None to write alone.
    :raises SettingsError: a key is wrong, none of the identities fits a recipient, or the package
        pyrage is missing.
    """

    method: Method = "age"

    def __init__(self, recipients: str, identity: str | None) -> None:
        try:
            import pyrage
        except ImportError:
            raise extra_missing("age", "pyrage") from None
        self._pyrage = pyrage
        self._name = recipients
        self._recipients = [self._recipient(text) for text in _split(recipients)]
        self._identities = [self._identity(text) for text in _split(identity or "")]
        own = {str(each.to_public()) for each in self._identities}
        if own and self._recipients and own.isdisjoint(map(str, self._recipients)):
            raise SettingsError(
                "landing.identity is not the private key of a public key in landing.encrypt: what "
                "is landed now could not be read here.",
                "Give the identity that belongs to it, or several, separated by commas.",
            )

    def __str__(self) -> str:
        return f"age, {self._name}"

    def seal(self, plain: bytes) -> bytes:
        """Encrypt *plain* for all recipients."""
        return bytes(self._pyrage.encrypt(plain, self._recipients))

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt *sealed* with any of the identities."""
        if not self._identities:
            raise KeyMissing(
                "this machine has no private key (landing.identity is not set).",
                'Set identity = "${NAME}" in [landing], with the key in that variable. A machine '
                "without it runs `orderpull pull`.",
            )
        try:
            return bytes(self._pyrage.decrypt(sealed, self._identities))
        except self._pyrage.DecryptError as error:
            if str(error) == _NO_KEY:
                raise KeyMissing(
                    "landing.identity is not a private key for it.",
                    "Add the identity it was encrypted for; several are separated by commas.",
                ) from None
            raise Undecryptable(str(error)) from None

    def throwaway(self) -> "AgeCipher":
        """A cipher with a new identity."""
        identity = self._pyrage.x25519.Identity.generate()
        return AgeCipher(str(identity.to_public()), str(identity))

    def _recipient(self, text: str) -> Any:  # noqa: ANN401 - pyrage has no types
        try:
            return self._pyrage.x25519.Recipient.from_str(text)
        except self._pyrage.RecipientError:
            private = text.upper().startswith("AGE-SECRET-KEY-")
            raise SettingsError(
                "landing.encrypt has a private key of age."
                if private
                else f"landing.encrypt has {text[:70]!r}, which is no public key of age.",
                "A public key begins with age1; the private one belongs in landing.identity."
                if private
                else "`age-keygen` makes a pair of keys; the public one begins with age1.",
            ) from None

    def _identity(self, text: str) -> Any:  # noqa: ANN401 - pyrage has no types
        try:
            return self._pyrage.x25519.Identity.from_str(text)
        except self._pyrage.IdentityError:
            raise SettingsError(
                "landing.identity is no private key of age.",
                "It begins with AGE-SECRET-KEY-; the file of `age-keygen` has it in its last line.",
            ) from None


def _split(text: str) -> list[str]:
    return [each for each in _SEPARATOR.split(text) if each]
