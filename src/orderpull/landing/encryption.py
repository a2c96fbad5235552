"""Encryption of bodies at rest: pages, responses in flight, exports that are being downloaded.

A body is encrypted for a public key of age, or under a key of AWS KMS. Either way the right to
write does not include the right to read: a machine that only pulls needs no private key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, Literal, Protocol

from orderpull.errors import CorruptPage, KeyMissing, SettingsError
from orderpull.settings import LandingSettings

Method = Literal["age", "kms"]
METHODS: tuple[Method, ...] = ("age", "kms")

_LENGTH = 4
"""Bytes of the length before each frame."""


class Undecryptable(Exception):
    """The ciphertext has changed since it was written. The message says what the library saw."""


class Cipher(Protocol):
    """One way to encrypt."""

    method: Method

    def __str__(self) -> str:
        """The key, for messages; never a secret."""

    def seal(self, plain: bytes) -> bytes:
        """Encrypt *plain*. :raises KeyMissing: the key cannot be used now."""

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt *sealed*.

        :raises KeyMissing: this machine has no key for it. :raises Undecryptable: it has changed.
        """

    def throwaway(self) -> "Cipher":
        """A cipher with a key of its own, which is in memory alone and ends with the process."""


@dataclass(eq=False)
class Encryption:
    """The encryption of the bodies of a landing; plain by default.

    :param settings: ``encrypt``, ``identity`` and ``region``. What was encrypted is read also where
        ``encrypt`` is not set any more.
    :raises SettingsError: one of them is wrong, or a package is missing.
    """

    settings: LandingSettings = field(default_factory=LandingSettings)

    def __post_init__(self) -> None:
        """Check the settings. :raises SettingsError: ``encrypt`` or ``identity`` is wrong."""
        _ = self._writing

    @property
    def method(self) -> Method | None:
        """The method for new bodies; None: they are not encrypted."""
        return self._writing.method if self._writing else None

    def __str__(self) -> str:
        return str(self._writing) if self._writing else "not encrypted"

    @property
    def reads(self) -> bool:
        """False if this machine can only write, because it has no identity of age."""
        return self.method != "age" or bool(self.settings.identity)

    def seal(self, plain: bytes) -> bytes:
        """Encrypt *plain*, or return it as it is. :raises KeyMissing: the key cannot be used."""
        return self._writing.seal(plain) if self._writing else plain

    def unseal(self, method: Method | None, sealed: bytes, where: str) -> bytes:
        """Decrypt *sealed*.

        :param where: its file, for messages.
        :raises KeyMissing: this machine has no key for it; it waits.
        :raises CorruptPage: it has changed since it was written.
        """
        if method is None:
            return sealed
        try:
            return self._reading(method).unseal(sealed)
        except KeyMissing as error:
            error.message = f"{where} waits, because it is encrypted: {error.message}"
            raise
        except Undecryptable as error:
            raise CorruptPage(
                f"{where} cannot be decrypted ({error}).",
                "Restore it from a backup; what came before it is loaded.",
            ) from None

    def throwaway(self) -> "Encryption":
        """Encryption of files that only this process reads."""
        other = Encryption(self.settings)
        other._writing = self._writing.throwaway() if self._writing else None
        return other

    @cached_property
    def _writing(self) -> Cipher | None:
        """The cipher of new bodies. :raises SettingsError: ``encrypt`` is wrong."""
        kind, _, key = (self.settings.encrypt or "").partition(":")
        if not kind:
            return None
        if kind == "age" and key:
            from orderpull.landing.age import AgeCipher

            return AgeCipher(key, self.settings.identity)
        if kind == "kms" and key:
            from orderpull.landing.kms import KmsCipher

            return KmsCipher(key, self.settings.region)
        raise SettingsError(
            "landing.encrypt is neither age:PUBLICKEY nor kms:KEYID.",
            "For age, `age-keygen` prints the public key, which begins with age1.",
        )

    def _reading(self, method: Method) -> Cipher:
        if self._writing is not None and self._writing.method == method:
            return self._writing
        return self._other[method]

    @cached_property
    def _other(self) -> dict[Method, Cipher]:
        """Ciphers for what was encrypted when ``encrypt`` was another."""
        from orderpull.landing.age import AgeCipher
        from orderpull.landing.kms import KmsCipher

        return {
            "age": AgeCipher("", self.settings.identity),
            "kms": KmsCipher("", self.settings.region),
        }


PLAIN = Encryption()
"""No encryption."""


def frame(data: bytes) -> bytes:
    """*data* after its length, so that several stand in one file."""
    return len(data).to_bytes(_LENGTH, "big") + data


def frames_of(file: BinaryIO) -> Iterator[bytes]:
    """The whole frames in *file*; the last one may be cut off, zeros after the last are nothing."""
    while size := int.from_bytes(file.read(_LENGTH), "big"):
        data = file.read(size)
        if len(data) < size:
            return
        yield data


def extra_missing(method: Method, package: str) -> SettingsError:
    """The error for an encrypted landing without the Python *package* for its *method*."""
    return SettingsError(
        f"The landing is encrypted, which needs the Python package {package}.",
        f"Run: pip install 'orderpull[{method}]'.",
    )
