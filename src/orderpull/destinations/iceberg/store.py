"""Let DuckDB read the files of a lake in a bucket, through the file system that pyiceberg uses.

DuckDB's own extension for S3 would have to be downloaded at the first use.
"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fsspec.implementations.arrow import ArrowFSWrapper
from pyiceberg.io import load_file_io
from pyiceberg.io.pyarrow import PyArrowFileIO

from orderpull.destinations.iceberg.catalog import Lake
from orderpull.errors import SettingsError

if TYPE_CHECKING:
    from orderpull.engine import duckdb

BUCKETS = ("s3", "s3a", "s3n", "gs", "abfs", "abfss")
"""Schemes of locations in a bucket."""


class BucketFiles(ArrowFSWrapper):  # type: ignore[misc]
    """Files in buckets, as fsspec names them."""

    protocol = BUCKETS
    cachable = False


def open_store(connection: "duckdb.DuckDBPyConnection", lake: Lake, location: str) -> None:
    """Let *connection* read the files of a table of *lake* at *location*.

    :raises SettingsError: the catalog's settings choose files of another kind than pyarrow's.
    """
    scheme = urlsplit(location).scheme
    if scheme not in BUCKETS or connection.filesystem_is_registered(scheme):
        return
    io = load_file_io({**lake.catalog.properties, **lake.properties}, location)
    if not isinstance(io, PyArrowFileIO):
        raise SettingsError(
            f"[destination.catalog] reads {scheme}: files with {type(io).__name__}; orderpull "
            "needs pyiceberg.io.pyarrow.PyArrowFileIO.",
            "Remove py-io-impl from [destination.catalog].",
        )
    connection.register_filesystem(BucketFiles(io.fs_by_scheme(scheme, urlsplit(location).netloc)))
