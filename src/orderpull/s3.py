"""Client for a bucket of S3 or of an S3-compatible store, with readable errors.

botocore retries calls. A retried conditional put may meet the object of its own first attempt,
which the sha256 in the object's metadata identifies.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from orderpull import clock, telemetry
from orderpull.errors import OrderpullError

CONNECT_SECONDS, READ_SECONDS, TRIES = 5.0, 30.0, 5
"""Timeouts in seconds for connecting and for each read, and attempts of a call."""

FIRST_SECONDS, FIRST_TRIES = 4.0, 2
"""Timeout and attempts of a run's first call, short so that errors show within seconds."""

_SERVER_ERROR = 500
DELETED_AT_ONCE = 1000
"""Objects that one call may delete."""

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_PRECONDITION_FAILED = frozenset({"PreconditionFailed", "412"})
_CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_NO_RANGE = frozenset({"InvalidRange", "416"})
_BAD_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
     "ExpiredTokenException", "TokenRefreshRequired", "InvalidClientTokenId"}
)  # fmt: skip
_DENIED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"})


class PreconditionFailed(Exception):
    """HTTP 412 for a conditional put: the object exists already, or has another etag."""


@dataclass(frozen=True, slots=True)
class Object:
    """A downloaded object.

    :param etag: version id of the content.
    :param age: seconds since the put, by the store's clock.
    :param metadata: texts that were put with it.
    """

    data: bytes
    etag: str
    age: float
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class S3Client:
    """Connection settings of a store.

    :param endpoint: its address; None: Amazon S3.
    :param region: None: the AWS tools' default.
    :param sse: server-side encryption of new objects, as S3 names it; None: the bucket's default.
    :param kms_key: key for ``aws:kms``.
    """

    endpoint: str | None = None
    region: str | None = None
    sse: str | None = None
    kms_key: str | None = None

    @property
    def encryption(self) -> dict[str, str]:
        """Parameters of a put."""
        parameters = {"ServerSideEncryption": self.sse, "SSEKMSKeyId": self.kms_key}
        return {key: value for key, value in parameters.items() if value}

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """The client for all calls but the first."""
        return self.new_client(TRIES, CONNECT_SECONDS, READ_SECONDS)

    def new_client(self, tries: int, connect: float, read: float) -> Any:  # noqa: ANN401 - boto3 has no types
        """A client that makes *tries* attempts per call; the timeouts are seconds."""
        options: dict[str, Any] = {}
        if self.endpoint:
            # Other stores may lack two features of Amazon S3: bucket names as hosts, checksums.
            options = {
                "s3": {"addressing_style": "path"},
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            }
        config = Config(
            retries={"mode": "standard", "total_max_attempts": tries},
            connect_timeout=connect,
            read_timeout=read,
            user_agent_extra="orderpull",
            **options,
        )
        return self._session.client("s3", endpoint_url=self.endpoint, config=config)

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 has no types
        return boto3.Session(region_name=self.region)


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """Labels for error messages about a bucket, and the exception that is raised.

    :param name: for example "The landing".
    :param block: the block of the settings for the bucket.
    :param url: the setting that names the bucket.
    :param guide: the docs page that lists the rights needed.
    :param error: exception type.
    """

    name: str
    block: str
    url: str
    guide: str
    error: type[OrderpullError]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The objects of bucket *name* below *prefix*. Keys are relative to *prefix*.

    Every method raises ``context.error`` if the call fails.
    """

    s3: S3Client
    name: str
    prefix: str
    context: ErrorContext

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def subfolder(self, folder: str) -> "Bucket":
        """The objects below *folder*."""
        return Bucket(self.s3, self.name, self.prefix + folder, self.context)

    def reach(self) -> None:
        """Make one small call with short timeouts."""
        with self._call("list"):
            client = self.s3.new_client(FIRST_TRIES, FIRST_SECONDS, FIRST_SECONDS)
            client.list_objects_v2(Bucket=self.name, Prefix=self.prefix, MaxKeys=1)

    def clock(self) -> datetime | None:
        """The time (UTC, without zone) by the store's clock; None if it does not tell."""
        with self._call("list"):
            response = self.s3.client.list_objects_v2(
                Bucket=self.name, Prefix=self.prefix, MaxKeys=1
            )
        return clock.of_http(response["ResponseMetadata"]["HTTPHeaders"].get("date"))

    def get(self, key: str, span: str = "") -> Object | None:
        """The object *key*; None if it does not exist.

        :param span: bytes to read, as HTTP names them: ``0-99``, or ``-100`` for the last ones.
        """
        parameters = {"Range": f"bytes={span}"} if span else {}
        with self._call("read"):
            for tried in range(1, TRIES + 1):
                try:
                    response = self.s3.client.get_object(
                        Bucket=self.name, Key=self.prefix + key, **parameters
                    )
                    age = _age(response, response["LastModified"])
                    metadata = response.get("Metadata", {})
                    return Object(response["Body"].read(), response["ETag"], age, metadata)
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

    def head(self, key: str) -> Mapping[str, Any] | None:
        """Metadata and ETag of the object *key*; None if it does not exist."""
        with self._call("read"):
            try:
                head = self.s3.client.head_object(Bucket=self.name, Key=self.prefix + key)
            except boto.ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        return cast("Mapping[str, Any]", head)

    def put(self, key: str, data: bytes, **metadata: str) -> str:
        """Create or replace an object, and return its etag."""
        return self._put(key, data, metadata, {})

    def create(self, key: str, data: bytes, **metadata: str) -> str:
        """Create an object, and return its etag. :raises PreconditionFailed: it exists already."""
        return self._put(key, data, metadata, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, etag: str, **metadata: str) -> str:
        """Replace the object with *etag*, and return the new etag.

        :raises PreconditionFailed: the object has another etag.
        """
        return self._put(key, data, metadata, {"IfMatch": etag})

    def delete_old_versions(self, chosen: Callable[[str], object], start: str = "") -> list[str]:
        """Delete all versions but the current one of some objects, where versions are kept.

        :param chosen: chooses their keys. :param start: the keys' common beginning.
        :return: a sentence for each version that could not be deleted, or for all of them.
        """
        try:
            old = list(self._old_versions(chosen, start))
        except OrderpullError as error:
            return [f"{self}: older versions of pages, if the bucket keeps any ({error.message})"]
        left = []
        for key, version in old:
            try:
                with self._call("delete versions"):
                    self.s3.client.delete_object(
                        Bucket=self.name, Key=self.prefix + key, VersionId=version
                    )
            except OrderpullError as error:
                left.append(f"{self}/{key}: version {version} ({error.message})")
        return left

    def deleted_keys(self, chosen: Callable[[str], object]) -> list[str]:
        """Keys that are *chosen* and deleted, of which the bucket keeps versions."""
        return sorted({key for key, _ in self._old_versions(chosen, "", deleted=True)})

    def _old_versions(
        self, chosen: Callable[[str], object], start: str, *, deleted: bool = False
    ) -> Iterator[tuple[str, str]]:
        """Key and id of each version that is not the current one.

        :param deleted: only versions of objects that have no current version.
        """
        paginator = self.s3.client.get_paginator("list_object_versions")
        pages = paginator.paginate(Bucket=self.name, Prefix=self.prefix + start)
        gone: set[str] = set()  # a marker is listed before the versions of its object
        for page in self._each("list versions", pages):
            gone |= {each["Key"] for each in page.get("DeleteMarkers", ()) if each["IsLatest"]}
            for entry in page.get("Versions", ()):
                key = entry["Key"].removeprefix(self.prefix)
                if not chosen(key) or entry["IsLatest"]:
                    continue
                if not deleted or entry["Key"] in gone:
                    yield key, entry["VersionId"]

    def delete(self, key: str) -> None:
        """Delete the object *key*, if it exists."""
        with self._call("delete"):
            self.s3.client.delete_object(Bucket=self.name, Key=self.prefix + key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete the objects *keys*, in batches of the largest size that S3 accepts."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": self.prefix + key} for key in keys[first : first + DELETED_AT_ONCE]]
            with self._call("delete"):
                response = self.s3.client.delete_objects(
                    Bucket=self.name, Delete={"Objects": some, "Quiet": True}
                )
            if refused := response.get("Errors"):
                raise self.error(
                    f"it kept {len(refused)} objects that were to be deleted "
                    f"({refused[0].get('Code', 'no reason given')})",
                    f"{self.context.guide} names the rights needed.",
                )

    def names(self, folder: str, after: str = "", *, page_size: int = 1000) -> Iterator[str]:
        """Names of the objects directly in *folder* that sort after *after*, in byte order.

        :param page_size: names per call.
        """
        for page in self._pages(folder, after, page_size):
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self.prefix + folder)

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names of the objects directly in *folder*, in byte order, and their sizes in bytes."""
        for page in self._pages(folder):
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self.prefix + folder), int(entry["Size"])

    def ages(self) -> Iterator[tuple[str, float]]:
        """Key and age in seconds, by the store's clock, of every object below the prefix."""
        for page in self._pages("", delimiter=""):
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self.prefix), _age(page, entry["LastModified"])

    def folders(self) -> list[str]:
        """Names of the folders directly below the prefix, in byte order."""
        return [
            entry["Prefix"].removeprefix(self.prefix).rstrip("/")
            for page in self._pages("")
            for entry in page.get("CommonPrefixes", ())
        ]

    def _pages(
        self, folder: str, after: str = "", page_size: int = 1000, delimiter: str = "/"
    ) -> Iterator[dict[str, Any]]:
        pages = self.s3.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name,
            Prefix=self.prefix + folder,
            Delimiter=delimiter,
            PaginationConfig={"PageSize": page_size},
            **({"StartAfter": self.prefix + folder + after} if after else {}),
        )
        yield from self._each("list", pages)

    def _each(self, action: str, pages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the *pages* of a list, each of which is a call."""
        left = iter(pages)
        while True:
            with self._call(action):
                page = next(left, None)
            if page is None:
                return
            yield page

    def _put(
        self, key: str, data: bytes, metadata: Mapping[str, str], condition: Mapping[str, str]
    ) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        parameters = {
            "Bucket": self.name, "Key": self.prefix + key, "Body": data,
            "Metadata": dict(metadata) | {"sha256": sha256}, **self.s3.encryption, **condition,
        }  # fmt: skip
        with self._call("write"):
            for tried in range(1, TRIES + 1):
                try:
                    return str(self.s3.client.put_object(**parameters)["ETag"])
                except boto.ClientError as error:
                    if _code(error) in _CONFLICT and tried < TRIES:
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
        head = self.head(key)
        if head is None or head["Metadata"].get("sha256") != sha256:
            raise PreconditionFailed(key)
        return str(head["ETag"])

    @contextmanager
    def _call(self, action: str) -> Iterator[None]:
        """Record a call of *action*, and translate its errors."""
        with (
            telemetry.span("s3", action=action, bucket=self.name),
            self._translated_errors(action),
        ):
            yield

    @contextmanager
    def _translated_errors(self, action: str) -> Iterator[None]:
        """Raise boto's errors as ``context.error``; *action* is the call, as a verb."""
        try:
            yield
        except boto.ClientError as error:
            raise self._refused(action, error) from error
        except (
            boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError,
            boto.ProfileNotFound, boto.TokenRetrievalError, boto.SSOError,
        ) as error:  # fmt: skip
            raise self.error(
                "boto3 finds no credentials for it",
                "Give them where AWS's programs look: a role, AWS_PROFILE or AWS_ACCESS_KEY_ID.",
            ) from error
        except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError) as error:
            raise self.error(
                self._unreachable(error), f"Check {self.context.block}.endpoint and the network."
            ) from error
        except boto.BotoCoreError as error:
            raise self.error(
                f"boto3 says {type(error).__name__}", "Check region and AWS's own settings."
            ) from error

    def _unreachable(self, error: Exception) -> str:
        store = self.s3.endpoint or "S3"
        if isinstance(error, boto.SSLError):
            return f"the certificate of {store} is not trusted"
        if isinstance(error, boto.ReadTimeoutError):
            return f"{store} accepts connections and does not answer"
        if isinstance(error, boto.ConnectionClosedError | boto.IncompleteReadError):
            return f"{store} broke the connection off"
        return f"{store} cannot be reached"

    def _refused(self, action: str, error: Any) -> OrderpullError:  # noqa: ANN401 - boto has no types
        code = _code(error)
        if code == "NoSuchBucket":
            why = f"there is no bucket {self.name!r}"
            hint = f"Check {self.context.url}, or make the bucket."
        elif code in _BAD_CREDENTIALS:
            why = f"the credentials are refused ({code})"
            hint = "Check which ones boto3 finds: `aws sts get-caller-identity` shows them."
        elif code in _DENIED:
            why = f"the credentials may not {action} there"
            hint = f"{self.context.guide} names the rights needed."
        elif code.startswith("KMS."):
            why = f"the encryption key cannot be used ({code})"
            hint = f"Check {self.context.block}.kms_key, and the rights on that key."
        else:
            details = error.response.get("ResponseMetadata", {})
            status, tries = details.get("HTTPStatusCode", 0), details.get("RetryAttempts", 0) + 1
            again = f", {tries} times" if tries > 1 else ""
            why = f"it answered {status} {code} when asked to {action}{again}"
            later = status >= _SERVER_ERROR
            hint = (
                "Run again later." if later else f"Check {self.context.url}, region and endpoint."
            )
        return self.error(why, hint)

    def error(self, why: str, hint: str) -> OrderpullError:
        """The error for a bucket that cannot be used."""
        return self.context.error(f"{self.context.name} {self} cannot be used: {why}.", hint)


def _age(response: Mapping[str, Any], modified: datetime) -> float:
    """Seconds since *modified*, by the store's clock if *response* has a Date."""
    now = clock.of_http(response["ResponseMetadata"]["HTTPHeaders"].get("date")) or clock.now()
    return (now - modified.astimezone(UTC).replace(tzinfo=None)).total_seconds()


def _code(error: Any) -> str:  # noqa: ANN401 - boto has no types
    return str(error.response.get("Error", {}).get("Code", ""))
