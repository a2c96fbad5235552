"""A bucket of S3, or of a store that speaks S3: objects put, got and listed; faults as sentences.

What a call may do twice, botocore tries again within bounds. A put under a condition may then find
its own first attempt: it is known by the sha256 that lies with every object.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from orderpull.errors import OrderpullError

CONNECT_SECONDS, READ_SECONDS, TRIES = 5.0, 30.0, 5
"""Deadlines for connecting and for each wait for bytes, and how often a call is tried."""

FIRST_SECONDS, FIRST_TRIES = 4.0, 2
"""The same for the first call of a run: whoever waits at a terminal is told within seconds."""

_CONFLICT_TRIES = 5
_SERVER_ERROR = 500
_DELETED_AT_ONCE = 1000
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_PRECONDITION_FAILED = frozenset({"PreconditionFailed", "412"})
_CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_NO_RANGE = frozenset({"InvalidRange", "416"})
_NOT_KNOWN = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
     "ExpiredTokenException", "TokenRefreshRequired", "InvalidClientTokenId"}
)  # fmt: skip
_NOT_ALLOWED = frozenset(
    {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"}
)


class PreconditionFailed(Exception):
    """A put under a condition: the object is there already, or is not what it was."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it was got.

    :param etag: by which this very content is known again.
    :param age: seconds since it was put, by the store's own clock.
    """

    data: bytes
    etag: str
    metadata: Mapping[str, str]
    age: float


class S3Client:
    """Where buckets are, and how boto3 talks to it.

    :param endpoint: its address; None: Amazon's own S3.
    :param region: None: as the AWS tools have it.
    :param sse: how objects are encrypted, as S3 names it; None: as the bucket says.
    :param kms_key: with which key.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        region: str | None = None,
        sse: str | None = None,
        kms_key: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        parameters = {"ServerSideEncryption": sse, "SSEKMSKeyId": kms_key}
        self.encryption = {key: value for key, value in parameters.items() if value}
        self._region = region

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """For everything but the first call."""
        return self.new_client(TRIES, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)

    def new_client(self, tries: int, **timeouts: float) -> Any:  # noqa: ANN401 - boto3 has no types
        """A client that tries each call *tries* times, with *timeouts* as botocore names them."""
        elsewhere: dict[str, Any] = {}
        if self.endpoint:
            # What Amazon's own S3 knows and others may not: bucket names as hosts, checksums.
            elsewhere = {
                "s3": {"addressing_style": "path"},
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            }
        retries = {"mode": "standard", "total_max_attempts": tries}
        config = Config(retries=retries, user_agent_extra="orderpull", **timeouts, **elsewhere)
        return self._session.client("s3", endpoint_url=self.endpoint, config=config)

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 has no types
        return boto3.Session(region_name=self._region)


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What a bucket is used for, so that its faults are told in those words.

    :param name: "The landing".
    :param block: the block of the settings that it is set in.
    :param url: the setting that names it.
    :param guide: the page of the docs that says what it needs.
    :param error: what is raised where the bucket does not do what it is asked.
    """

    name: str
    block: str
    url: str
    guide: str
    error: type[OrderpullError]


class Bucket:
    """The objects of bucket *name* below *prefix*; keys are given without it.

    Every method raises the error of *context* where the bucket does not do what it is asked.
    """

    def __init__(self, s3: S3Client, name: str, prefix: str, context: ErrorContext) -> None:
        self.name = name
        self.prefix = prefix
        self.context = context
        self._s3 = s3

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def subfolder(self, folder: str) -> "Bucket":
        """The objects in *folder* alone."""
        return Bucket(self._s3, self.name, self.prefix + folder, self.context)

    def reach(self) -> None:
        """Ask for something small, patient for seconds only."""
        timeouts = {"connect_timeout": FIRST_SECONDS, "read_timeout": FIRST_SECONDS}
        with self._translated_errors("list"):
            self._s3.new_client(FIRST_TRIES, **timeouts).list_objects_v2(
                Bucket=self.name, Prefix=self.prefix, MaxKeys=1
            )

    def get(self, key: str, first: int | None = None) -> Object | None:
        """The object *key*, or its *first* bytes; None if there is none."""
        parameters = {"Range": f"bytes=0-{first - 1}"} if first else {}
        with self._translated_errors("read"):
            for tried in range(1, TRIES + 1):
                try:
                    got = self._s3.client.get_object(
                        Bucket=self.name, Key=self.prefix + key, **parameters
                    )
                    return _object(got, got["Body"].read())
                except boto.ClientError as error:
                    if _code(error) in _MISSING:
                        return None
                    if _code(error) in _NO_RANGE:
                        return self.get(key)
                    raise
                except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError):
                    if tried == TRIES:
                        raise
        raise AssertionError

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """What lies with the object *key*; None if there is none."""
        head = self._head(key)
        return None if head is None else head["Metadata"]

    def put(self, key: str, data: bytes, **metadata: str) -> str:
        """Put an object, over another if there is one; its etag."""
        return self._put(key, data, metadata, {})

    def create(self, key: str, data: bytes, **metadata: str) -> str:
        """Put an object where there is none; its etag. :raises PreconditionFailed: there is one."""
        return self._put(key, data, metadata, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, etag: str) -> str:
        """Put an object over the one with *etag*, and return its etag.

        :raises PreconditionFailed: the object there has another etag.
        """
        return self._put(key, data, {}, {"IfMatch": etag})

    def delete(self, key: str) -> None:
        """Delete the object *key*, if it is there."""
        with self._translated_errors("delete"):
            self._s3.client.delete_object(Bucket=self.name, Key=self.prefix + key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete the objects *keys*, as many as S3 takes at once."""
        for first in range(0, len(keys), _DELETED_AT_ONCE):
            some = [{"Key": self.prefix + key} for key in keys[first : first + _DELETED_AT_ONCE]]
            with self._translated_errors("delete"):
                answer = self._s3.client.delete_objects(
                    Bucket=self.name, Delete={"Objects": some, "Quiet": True}
                )
            if refused := answer.get("Errors"):
                raise self._error(
                    f"it kept {len(refused)} objects that were to be deleted "
                    f"({refused[0].get('Code', 'no reason given')})",
                    f"{self.context.guide} names the rights needed.",
                )

    def names(self, folder: str, after: str = "", *, at_once: int = 1000) -> Iterator[str]:
        """Names of the objects right in *folder* that come after *after*, in byte order.

        :param at_once: how many are asked for with one call.
        """
        for answer in self._listed(folder, after, at_once):
            for entry in answer.get("Contents", ()):
                yield entry["Key"].removeprefix(self.prefix + folder)

    def ages(self) -> Iterator[tuple[str, float]]:
        """Every object below the prefix, and seconds since it was put by the store's clock."""
        for answer in self._listed("", delimiter=""):
            for entry in answer.get("Contents", ()):
                age = (_date(answer, entry["LastModified"]) - entry["LastModified"]).total_seconds()
                yield entry["Key"].removeprefix(self.prefix), age

    def folders(self, folder: str) -> list[str]:
        """Names of the folders right in *folder*, in byte order."""
        return [
            entry["Prefix"].removeprefix(self.prefix + folder).rstrip("/")
            for answer in self._listed(folder)
            for entry in answer.get("CommonPrefixes", ())
        ]

    def _listed(
        self, folder: str, after: str = "", at_once: int = 1000, delimiter: str = "/"
    ) -> Iterator[dict[str, Any]]:
        parameters: dict[str, Any] = {
            "Prefix": self.prefix + folder, "Delimiter": delimiter, "MaxKeys": at_once
        }  # fmt: skip
        if after:
            parameters["StartAfter"] = self.prefix + folder + after
        while True:
            with self._translated_errors("list"):
                answer = self._s3.client.list_objects_v2(Bucket=self.name, **parameters)
            yield answer
            if not answer.get("IsTruncated"):
                return
            parameters["ContinuationToken"] = answer["NextContinuationToken"]

    def _put(
        self, key: str, data: bytes, metadata: Mapping[str, str], condition: Mapping[str, str]
    ) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        parameters = {
            "Bucket": self.name, "Key": self.prefix + key, "Body": data,
            "Metadata": dict(metadata) | {"sha256": sha256}, **self._s3.encryption, **condition,
        }  # fmt: skip
        with self._translated_errors("write"):
            for tried in range(1, _CONFLICT_TRIES + 1):
                try:
                    return str(self._s3.client.put_object(**parameters)["ETag"])
                except boto.ClientError as error:
                    if _code(error) in _CONFLICT and tried < _CONFLICT_TRIES:
                        time.sleep(0.1 * 2**tried)
                    elif condition and _code(error) in _PRECONDITION_FAILED | _MISSING:
                        return self._confirm_own_write(key, sha256)
                    else:
                        raise
        raise AssertionError

    def _confirm_own_write(self, key: str, sha256: str) -> str:
        """Return the etag of our own first attempt, whose response was lost.

        :raises PreconditionFailed: another process wrote the object.
        """
        head = self._head(key)
        if head is None or head["Metadata"].get("sha256") != sha256:
            raise PreconditionFailed(key)
        return str(head["ETag"])

    def _head(self, key: str) -> dict[str, Any] | None:
        with self._translated_errors("read"):
            try:
                head: dict[str, Any] = self._s3.client.head_object(
                    Bucket=self.name, Key=self.prefix + key
                )
            except boto.ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        return head

    @contextmanager
    def _translated_errors(self, what: str) -> Iterator[None]:
        """Turn boto's errors into sentences; *what* was asked for, as a verb."""
        try:
            yield
        except boto.ClientError as error:
            raise self._refused(what, error) from error
        except (
            boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError,
            boto.ProfileNotFound, boto.TokenRetrievalError, boto.SSOError,
        ) as error:  # fmt: skip
            raise self._error(
                "boto3 finds no credentials for it",
                "Give them where AWS's programs look: a role, AWS_PROFILE or AWS_ACCESS_KEY_ID.",
            ) from error
        except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError) as error:
            raise self._error(
                self._silent(error), f"Check {self.context.block}.endpoint and the network."
            ) from (error)
        except boto.BotoCoreError as error:
            raise self._error(
                f"boto3 says {type(error).__name__}", "Check region and AWS's own settings."
            ) from error

    def _silent(self, error: Exception) -> str:
        at = self._s3.endpoint or "S3"
        if isinstance(error, boto.SSLError):
            return f"the certificate of {at} is not trusted"
        if isinstance(error, boto.ReadTimeoutError):
            return f"{at} accepts connections and does not answer"
        if isinstance(error, boto.ConnectionClosedError | boto.IncompleteReadError):
            return f"{at} broke the connection off"
        return f"{at} cannot be reached"

    def _refused(self, what: str, error: Any) -> OrderpullError:  # noqa: ANN401 - boto has no types
        code = _code(error)
        if code == "NoSuchBucket":
            return self._error(
                f"there is no bucket {self.name!r}",
                f"Check {self.context.url}, or make the bucket.",
            )
        if code in _NOT_KNOWN:
            return self._error(
                f"the credentials are refused ({code})",
                "Check which ones boto3 finds: `aws sts get-caller-identity` shows them.",
            )
        if code in _NOT_ALLOWED:
            return self._error(
                f"the credentials may not {what} there",
                f"{self.context.guide} names the rights needed.",
            )
        if code.startswith("KMS."):
            return self._error(
                f"the encryption key cannot be used ({code})",
                f"Check {self.context.block}.kms_key, and the rights on that key.",
            )
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        tries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        again = f", {tries} times" if tries > 1 else ""
        return self._error(
            f"it answered {status} {code} when asked to {what}{again}",
            "Run again later."
            if status >= _SERVER_ERROR
            else f"Check {self.context.url}, region and endpoint.",
        )

    def _error(self, why: str, hint: str) -> OrderpullError:
        return self.context.error(f"{self.context.name} {self} cannot be used: {why}.", hint)


def _object(got: Mapping[str, Any], data: bytes) -> Object:
    """An answer as an :class:`Object`; the store's own clock is in its Date."""
    modified: datetime = got["LastModified"]
    age = (_date(got, modified) - modified).total_seconds()
    return Object(data, got["ETag"], got["Metadata"], age)


def _date(got: Mapping[str, Any], like: datetime) -> datetime:
    """When the store answered, by its own clock if it says so."""
    date = got["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(like.tzinfo)


def _code(error: Any) -> str:  # noqa: ANN401 - boto has no types
    return str(error.response.get("Error", {}).get("Code", ""))
