"""The model's tables as Iceberg tables: schemas, Parquet files, and what a snapshot holds."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.manifest import DataFileContent
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
)

from orderpull.errors import DestinationError
from orderpull.model import Column
from orderpull.model import Table as ModelTable

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

FILE_BYTES = 8 << 20
"""Size in bytes at which another file is begun. A load rewrites the whole files that hold rows
which it changes."""

ROWS_AT_ONCE = 50_000
"""Rows of a row group."""

PROPERTIES = {
    "commit.retry.num-retries": "0",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
"""Properties of each table. A commit is never repeated on top of another one: the whole load is."""

TYPES: dict[str, IcebergType] = {
    "text": StringType(),
    "integer": LongType(),
    "boolean": BooleanType(),
    "time": TimestampType(),
    "day": DateType(),
    "money": DecimalType(19, 4),
    "money_sum": DecimalType(38, 4),
}
"""Iceberg's names of the model's types."""


def schema_of(columns: Iterable[Column]) -> Schema:
    """The schema with *columns*, all of them optional."""
    return Schema(
        *(
            NestedField(number, column.name, TYPES[column.type], required=False, doc=column.meaning)
            for number, column in enumerate(columns, 1)
        )
    )


def data_files(table: "Table", snapshot_id: int) -> "list[DataFile]":
    """The files of *table* at a snapshot.

    :raises DestinationError: the snapshot is gone, or another program has written delete files.
    """
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise DestinationError(
            f"{'.'.join(table.name())} has no snapshot {snapshot_id} any more: it was expired.",
            "Run the command again. If it stays so, another program has expired it; "
            "docs/iceberg.md tells what to do.",
        )
    entries = (
        entry.data_file
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    )
    files = list(entries)
    if any(file.content != DataFileContent.DATA for file in files):
        raise DestinationError(
            f"Another program has deleted rows of {'.'.join(table.name())} with delete files.",
            "Only orderpull may write these tables; docs/iceberg.md tells how to undo it.",
        )
    return files


def write_files(table: "Table", batches: pa.RecordBatchReader) -> "Iterator[DataFile]":
    """Write *batches* as Parquet files of *table*, not yet part of any snapshot; yield each."""
    schema = schema_to_pyarrow(table.schema())
    rows = (each for each in batches if each.num_rows)
    pending = next(rows, None)
    while pending is not None:
        path = f"{table.location()}/data/{uuid.uuid4().hex}.parquet"
        with (
            table.io.new_output(path).create() as stream,
            pq.ParquetWriter(stream, schema, compression="zstd") as writer,
        ):
            while pending is not None and stream.tell() < FILE_BYTES:
                writer.write_batch(pending.cast(schema), row_group_size=ROWS_AT_ONCE)
                pending = next(rows, None)
        yield parquet_file_to_data_file(table.io, table.metadata, path)


def existing_files(table: "Table", paths: Sequence[str]) -> "list[DataFile]":
    """The Parquet files at *paths*, as files of *table*.

    :raises DestinationError: a file has other columns than the table.
    """
    try:
        return [parquet_file_to_data_file(table.io, table.metadata, path) for path in paths]
    except (ValueError, pa.ArrowException) as error:
        raise DestinationError(
            f"A Parquet file does not fit {'.'.join(table.name())}: {str(error).splitlines()[0]}."
        ) from error


def missing_columns(table: "Table", model: ModelTable) -> list[Column]:
    """The columns of *model* that *table* does not have."""
    names = {field.name for field in table.schema().fields}
    return [column for column in model.columns if column.name not in names]
