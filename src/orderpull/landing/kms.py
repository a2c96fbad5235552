"""Encryption under a key of AWS KMS: AES-256-GCM with data keys that KMS wraps.

::

    orderpull-kms-1 LF | length of the wrapped key, 2 bytes | wrapped key | nonce, 12 bytes | body

A data key is used for an hour, or longer while KMS cannot be reached: a response that has arrived
must be kept. Writing needs ``kms:GenerateDataKey``, reading
``kms:Decrypt``.
"""

import os
import threading
import time
from contextlib import nullcontext, suppress
from functools import cached_property
from typing import Any

from orderpull.errors import KeyMissing
from orderpull.landing.encryption import Cipher, Method, Undecryptable, extra_missing

_MAGIC = b"orderpull-kms-1\n"
_NONCE = 12
_CONTEXT = {"orderpull": "landing"}
"""Encryption context, which CloudTrail shows with each use of the key."""

KEY_SECONDS = 3600.0
"""Seconds for which a data key encrypts."""

_NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsCipher(Cipher):
    """AES-256-GCM under data keys of KMS.

    :param key: id, ARN or alias of the key; '' to read alone, since a wrapped key names its own.
    :param region: None: the AWS tools' default.
    :raises SettingsError: the package boto3 or cryptography is missing.
    """

    method: Method = "kms"

    def __init__(self, key: str, region: str | None) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise extra_missing("kms", "cryptography") from None
        self._aes = AESGCM
        self._key = key
        self._region = region
        self._wrapped, self._data_key, self._until = b"", b"", 0.0
        self._known: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return f"KMS, {self._key}"

    def seal(self, plain: bytes) -> bytes:
        """Encrypt *plain* under the data key of this hour."""
        with self._lock:
            if time.monotonic() >= self._until:
                with suppress(KeyMissing) if self._data_key else nullcontext():
                    self._renew()  # if KMS is away, the key of the last hour serves on
            wrapped, key = self._wrapped, self._data_key
        nonce = os.urandom(_NONCE)
        head = _MAGIC + len(wrapped).to_bytes(2, "big") + wrapped
        return head + nonce + self._aes(key).encrypt(nonce, plain, head)

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt *sealed*, with the data key that KMS unwraps."""
        from cryptography.exceptions import InvalidTag

        start = len(_MAGIC) + 2
        end = start + int.from_bytes(sealed[len(_MAGIC) : start], "big")
        if not sealed.startswith(_MAGIC) or len(sealed) < end + _NONCE:
            raise Undecryptable("its beginning is missing")
        key = self._unwrap(sealed[start:end])
        nonce, rest = sealed[end : end + _NONCE], sealed[end + _NONCE :]
        try:
            return self._aes(key).decrypt(nonce, rest, sealed[:end])
        except InvalidTag:
            raise Undecryptable("it is not what was encrypted") from None

    def throwaway(self) -> "KmsCipher":
        """A cipher with a data key that KMS does not know."""
        other = KmsCipher("", None)
        other._data_key, other._until = os.urandom(32), float("inf")
        other._known[b""] = other._data_key
        return other

    def _renew(self) -> None:
        answer = self._call("GenerateDataKey", KeyId=self._key, KeySpec="AES_256")
        self._wrapped, self._data_key = answer["CiphertextBlob"], answer["Plaintext"]
        self._known[self._wrapped] = self._data_key
        self._until = time.monotonic() + KEY_SECONDS

    def _unwrap(self, wrapped: bytes) -> bytes:
        with self._lock:
            if wrapped not in self._known:
                answer = self._call("Decrypt", CiphertextBlob=wrapped)
                self._known[wrapped] = answer["Plaintext"]
            return self._known[wrapped]

    def _call(self, action: str, **parameters: object) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        method = {"GenerateDataKey": "generate_data_key", "Decrypt": "decrypt"}[action]
        try:
            answer: dict[str, Any] = getattr(self._client, method)(
                EncryptionContext=_CONTEXT, **parameters
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "no reason given")
            if code in _NOT_OURS:
                raise Undecryptable(f"KMS says {code}") from None
            raise KeyMissing(
                f"KMS refuses {action} ({code}).",
                f"Check landing.encrypt and region, and the right kms:{action} on that key.",
            ) from None
        except BotoCoreError as error:
            raise KeyMissing(
                f"KMS cannot be used ({type(error).__name__}).",
                "Check landing.region, AWS's credentials and the network.",
            ) from None
        return answer

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        try:
            import boto3
        except ImportError:
            raise extra_missing("kms", "boto3") from None
        return boto3.Session(region_name=self._region).client("kms")
