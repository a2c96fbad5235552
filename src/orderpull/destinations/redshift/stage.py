"""Files for Redshift's ``COPY`` in a bucket: Parquet parts and a manifest.

Each session puts its files into a folder of its own and deletes them as soon as they are loaded.
The next run deletes the files of a killed run, once no ``COPY`` can be reading them.
"""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path

from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.engine import duckdb
from orderpull.errors import DestinationError, SettingsError
from orderpull.model import Column
from orderpull.s3 import Bucket, ErrorContext, S3Client
from orderpull.scratch import ScratchFolder
from orderpull.settings import DestinationSettings

PART_BYTES = "32MB"
"""Size of a part; Redshift's slices load several parts at once."""

ROWS_AT_ONCE = 50_000
"""Rows of a row group, after which DuckDB checks the size of the part."""

_MARGIN = 60.0
_OURS = re.compile(r"[0-9a-f]{32}-(\d+)/[a-z_]+(?:-\d{4}\.parquet|\.manifest)")
_ERROR_CONTEXT = ErrorContext(
    "The stage", "destination", "destination.stage", "docs/redshift.md", DestinationError
)


class RedshiftStage:
    """The bucket and prefix of ``destination.stage``.

    :raises SettingsError: the stage, or the role that may read there, is not set.
    """

    def __init__(self, settings: DestinationSettings) -> None:
        scheme, _, rest = (settings.stage or "").partition("://")
        name, _, prefix = rest.strip("/").partition("/")
        if scheme != "s3" or not name:
            raise SettingsError(
                "Redshift is loaded from a bucket: destination.stage is missing or is not "
                "s3://BUCKET/PREFIX.",
                "Name a place in a bucket of the cluster's region; docs/redshift.md shows how.",
            )
        if not settings.iam_role:
            raise SettingsError(
                "Redshift reads the bucket with a role: destination.iam_role is missing.",
                "Give the ARN of a role that is attached to the cluster or workgroup.",
            )
        store = S3Client(endpoint=settings.endpoint, region=settings.region)
        prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.bucket = Bucket(store, name, prefix, _ERROR_CONTEXT)
        self.leftover_after = settings.timeout + _MARGIN

    def sweep(self) -> None:
        """Delete files of killed runs that are older than their own ``COPY`` may take.

        Other files in that place are left alone.

        :raises DestinationError: the bucket cannot be used.
        """
        self.bucket.reach()
        matches = ((_OURS.fullmatch(key), age) for key, age in self.bucket.ages())
        self.bucket.delete_all([ours[0] for ours, age in matches if ours and age > int(ours[1])])

    def drop_left_over(self) -> list[str]:
        """Run :meth:`sweep`, and delete older versions of files; name what remains."""
        self.sweep()
        young = [key for key, _ in self.bucket.ages() if _OURS.fullmatch(key)]
        left = [
            f"{self.bucket}/{key}: a COPY may be reading it; a run after "
            f"{self.leftover_after:g} seconds deletes it"
            for key in young
        ]
        return left + self.bucket.delete_old_versions(_OURS.fullmatch)


class StageFiles:
    """The files of one session, in a folder of its own.

    The folder's name holds the seconds after which its files are unused.
    """

    def __init__(self, stage: RedshiftStage) -> None:
        self.bucket = stage.bucket
        self.folder = f"{uuid.uuid4().hex}-{ceil(stage.leftover_after)}/"
        self._put: list[str] = []

    def put(self, name: str, parts: Sequence[Path]) -> str:
        """Put *parts* and the manifest that lists them; return the manifest's URL.

        Parquet requires ``content_length``; without ``mandatory`` Redshift skips a missing part.
        (https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html)
        """
        entries = []
        for number, part in enumerate(parts):
            data = part.read_bytes()
            key = f"{self.folder}{name}-{number:04d}.parquet"
            self._put_one(key, data)
            entries.append(
                {
                    "url": self._url(key),
                    "mandatory": True,
                    "meta": {"content_length": len(data)},
                }
            )
        manifest = f"{self.folder}{name}.manifest"
        self._put_one(manifest, json.dumps({"entries": entries}).encode())
        return self._url(manifest)

    def clear(self) -> None:
        """Delete all files that were put."""
        self.bucket.delete_all(self._put)
        self._put.clear()

    def _put_one(self, key: str, data: bytes) -> None:
        self._put.append(key)
        self.bucket.put(key, data)

    def _url(self, key: str) -> str:
        return f"s3://{self.bucket.name}/{self.bucket.prefix}{key}"


@contextmanager
def parquet(
    stage: duckdb.DuckDBPyConnection, columns: Sequence[Column], query: str
) -> Iterator[tuple[int, list[Path]]]:
    """The rows of *query* as Parquet files, removed after the context; their number and the files.

    ``COPY`` matches columns by position alone, so the files' schema is compared first.
    """
    typed = ", ".join(f'"{c.name}"::{DUCKDB_TYPES[c.type]} AS "{c.name}"' for c in columns)
    with ScratchFolder() as folder:
        parts = folder.path / "parts"
        # Snappy is what Redshift reads in any version; times are microseconds without a zone.
        row = stage.execute(
            f"COPY (SELECT {typed} FROM ({query})) TO '{parts}' "
            f"(FORMAT parquet, COMPRESSION snappy, FILE_SIZE_BYTES '{PART_BYTES}', "
            f"ROW_GROUP_SIZE {ROWS_AT_ONCE})"
        ).fetchone()
        files = sorted(parts.glob("*.parquet"))
        for file in files:
            _check(stage, file, columns)
        yield (int(row[0]) if row else 0), files


def _check(stage: duckdb.DuckDBPyConnection, file: Path, columns: Sequence[Column]) -> None:
    schema = stage.execute(
        f"SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet('{file}'))"
    ).fetchall()
    if schema != [(column.name, DUCKDB_TYPES[column.type]) for column in columns]:
        raise AssertionError(f"{file.name} has columns {schema}")
