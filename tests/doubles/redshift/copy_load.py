"""COPY, done: Parquet files from S3, looked at as strictly as Redshift does, into PostgreSQL.

https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.redshift.backend import Backend
from tests.doubles.redshift.copy_statement import CopyStatement
from tests.doubles.redshift.parquet import (
    Column,
    Unloadable,
    check_schema,
    csv_of,
)
from tests.doubles.redshift.wire import WireError
from tests.servers import stored_object

_CHUNK = 1 << 18
_PASSED_ON = {"25P02", "42501", "57014", "40P01", "55P03"}


@dataclass(frozen=True)
class Roles:
    """Which role may read where: its ARN, and ``bucket/prefix`` of all keys it may read."""

    places: Mapping[str, Sequence[str]]

    def check(self, role: str, bucket: str, key: str) -> None:
        """Refuse what *role* may not read. :raises WireError: it may not."""
        if role not in self.places:
            raise WireError(
                "XX000",
                f"User arn:aws:redshift:us-east-1:123456789012:dbuser:double/loader is not "
                f"authorized to assume IAM Role {role}",
            )
        if not any(f"{bucket}/{key}".startswith(place) for place in self.places[role]):
            raise _s3_error("AccessDenied", "Access Denied", 403)


@dataclass(frozen=True)
class _File:
    bucket: str
    key: str
    length: int | None = None
    mandatory: bool = True

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Copying:
    """One COPY at work.

    :param s3: boto3's client.
    :param cancelled: asked between steps whether the client wants no more of it.
    """

    def __init__(
        self, copy: CopyStatement, s3: Any, roles: Roles, cancelled: Callable[[], bool]
    ) -> None:
        self.copy = copy
        self._s3 = s3
        self._roles = roles
        self._cancelled = cancelled

    def run(self, backend: Backend) -> int:
        """Load; how many rows.

        :raises Unloadable: a file does not fit the table.
        :raises WireError: anything else.
        """
        columns = self._target(backend)
        with tempfile.TemporaryDirectory(prefix="redshift-double-") as name:
            folder = Path(name)
            lines: list[bytes] = []
            for file, local in self._fetch(folder):
                self._check_cancelled()
                check_schema(local, file.url, columns)
                lines.append(csv_of(local, file.url, columns))
            self._check_cancelled()
            listed = ", ".join('"' + c.name.replace('"', '""') + '"' for c in columns)
            sql = f"COPY {self.copy.table} ({listed}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
            try:
                return backend.copy_in(sql, _chunks(lines))
            except WireError as error:
                if error.code in _PASSED_ON:
                    raise
                raise Unloadable(error.message, self._place) from error

    @property
    def _place(self) -> str:
        return f"s3://{self.copy.bucket}/{self.copy.key}"

    def _target(self, backend: Backend) -> list[Column]:
        """The columns to fill, in the order of the files' columns."""
        table = self.copy.table.replace("'", "''")
        found = backend.query(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
            f"WHERE attrelid = to_regclass('{table}') AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum"
        )
        if not found:
            bare = self.copy.table.replace('"', "")
            raise WireError("42P01", f"Cannot COPY into nonexistent table {bare}")
        columns = {str(n): Column(str(n), str(t), null == "t") for n, t, null in found}
        if self.copy.columns is None:
            return list(columns.values())
        for name in self.copy.columns:
            if name not in columns:
                raise WireError("42703", f'column "{name}" of relation does not exist')
        return [columns[name] for name in self.copy.columns]

    def _fetch(self, folder: Path) -> Iterator[tuple[_File, Path]]:
        """The files, each with the local copy of it."""
        found = False
        for number, file in enumerate(self._files()):
            data = self._get(file.bucket, file.key, needed=file.mandatory)
            if data is None:
                continue
            if file.length is not None and file.length != len(data):
                raise WireError(
                    "XX000",
                    f"The content_length of {file.url} in the manifest is {file.length}, "
                    f"its size is {len(data)}.",
                )
            found = True
            local = folder / f"{number}.parquet"
            local.write_bytes(data)
            yield file, local
        if not found:
            raise _missing(self._place)

    def _files(self) -> list[_File]:
        if self.copy.manifest:
            return self._manifest()
        self._roles.check(self.copy.role, self.copy.bucket, self.copy.key)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.copy.bucket, Prefix=self.copy.key
        )
        with _s3_errors():
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return [_File(self.copy.bucket, key) for key in keys]

    def _manifest(self) -> list[_File]:
        """The files that the manifest lists, one listed twice twice."""
        data = self._get(self.copy.bucket, self.copy.key, needed=True)
        try:
            entries = json.loads(data or b"")["entries"]
            return [_entry(entry) for entry in entries]
        except (ValueError, KeyError, TypeError) as error:
            raise WireError("XX000", f"Manifest {self._place} is invalid: {error}") from error

    def _get(self, bucket: str, key: str, *, needed: bool) -> bytes | None:
        """An object's bytes; None if it may be missing, and is."""
        self._roles.check(self.copy.role, bucket, key)
        data = stored_object(bucket, key)
        if data is not None:
            return data
        try:
            with _s3_errors():
                return bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except WireError as error:
            if "NoSuchKey" not in error.message:
                raise
            if needed:
                raise _missing(f"s3://{bucket}/{key}") from error
            return None

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise WireError("57014", "Query cancelled on user's request")


class _s3_errors:  # noqa: N801 - a context manager, named as the verb that it is
    """Turns boto3's errors into Redshift's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            told = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise _s3_error(told["Code"], told["Message"], status) from error
        if isinstance(error, BotoCoreError):
            raise WireError("XX000", f"S3 cannot be reached: {error}") from error


def _entry(entry: dict[str, Any]) -> _File:
    match = re.fullmatch(r"s3://([^/]+)/(.+)", entry["url"])
    if match is None:
        raise ValueError(f"{entry['url']} is no place in S3")
    length = entry.get("meta", {}).get("content_length")
    if not isinstance(length, int):
        raise ValueError(f"meta.content_length is missing for {entry['url']}")  # noqa: TRY004 - told as the rest
    return _File(match[1], match[2], length, bool(entry.get("mandatory", False)))


def _s3_error(code: str, message: str, status: int) -> WireError:
    return WireError(
        "XX000", f"S3ServiceException:{message},Status {status},Error {code},Rid 0000,CanRetry 1"
    )


def _missing(url: str) -> WireError:
    return WireError("XX000", f"The specified S3 prefix '{url}' does not exist")


def _chunks(files: Sequence[bytes]) -> Iterator[bytes]:
    for data in files:
        for at in range(0, len(data), _CHUNK):
            yield data[at : at + _CHUNK]
