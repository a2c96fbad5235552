"""The sink: Spark's own two-phase commit of what the executors write.

Each executor loads a bucket and writes its tables as Parquet files under names that nothing else
has, and tells them in its message. Spark hands the messages of the successful attempts alone to
``commit``, which notes them in one file. Files that no message names are never read.
"""

import os
import pickle
import uuid
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import StructType

from orderpull.destinations.stage import more_memory
from orderpull.spark import slices
from orderpull.spark.bucket import Bucket
from orderpull.spark.failures import carried
from orderpull.spark.job import Job

FORMAT = "orderpull"
MANIFEST = "manifest.json"
_JOB = "job_secret"
"""An option with this word in its name is redacted in what Spark shows and logs of a plan."""

Files = Mapping[str, list[Path]]
"""The Parquet files of each table."""


@dataclass
class Written(WriterCommitMessage):
    """The message of one attempt: the files of each table."""

    files: dict[str, str]


class BucketWriter(DataSourceArrowWriter):
    """Writes buckets on executors, and commits at the driver."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Written:
        """Load the bucket of *iterator*, and write its tables."""
        with carried():
            bucket = Bucket(self.job)
            try:
                with more_memory(bucket.connection):
                    bucket.load(slices.from_batches(iterator))
                files = {}
                for table, query in bucket.tables():
                    rows = slices.rows(bucket.connection, query)
                    if len(rows):
                        files[table] = _write(self.job.parts, table, rows)
            finally:
                bucket.close()
        return Written(files)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """Note the files of *messages*, which are those of the successful attempts."""
        tables: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            if isinstance(message, Written):
                for table, file in message.files.items():
                    tables[table].append(file)
        path = self.job.parts / MANIFEST
        unfinished = path.with_suffix(".tmp")
        _durably(unfinished, msgspec.json.encode({"run": self.job.run, "tables": tables}))
        unfinished.rename(path)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """Do nothing: the driver removes the folder of the attempt."""


class BucketSink(DataSource):
    """The data source :data:`FORMAT`."""

    @classmethod
    def name(cls) -> str:
        """The name under which Spark finds it."""
        return FORMAT

    def writer(self, schema: StructType, overwrite: bool) -> BucketWriter:  # noqa: ARG002, FBT001
        """The writer for the job in the options."""
        job = pickle.loads(b64decode(self.options[_JOB]))  # noqa: S301 - written by options_of
        return BucketWriter(job)


def options_of(job: Job) -> dict[str, str]:
    """The options that bring *job* to the executors."""
    return {_JOB: b64encode(pickle.dumps(job)).decode()}


def committed(parts: Path) -> dict[str, list[Path]]:
    """The files of each table that the sink has committed in *parts*."""
    manifest = msgspec.json.decode((parts / MANIFEST).read_bytes())
    return {
        table: [parts / table / file for file in files]
        for table, files in manifest["tables"].items()
    }


def _write(parts: Path, table: str, rows: pa.Table) -> str:
    """Write *rows* durably under a new name."""
    folder, name = parts / table, f"{uuid.uuid4()}.parquet"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("xb") as file:
        pq.write_table(rows, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    return name


def _durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
