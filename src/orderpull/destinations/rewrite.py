"""Write a DuckDB file anew, so that no byte of a changed or deleted row remains in it.

DuckDB marks blocks of old rows as free and leaves their bytes in the file (seen by a search).
"""

from contextlib import suppress
from pathlib import Path

from orderpull.destinations.stage import more_memory
from orderpull.engine import duckdb
from orderpull.errors import DestinationError
from orderpull.failpoints import failpoint
from orderpull.landing.files import sync
from orderpull.sqltext import literal


def rewrite(connection: duckdb.DuckDBPyConnection, path: Path, storage_version: str) -> None:
    """Copy the database into a new file, and put that file in its place.

    The caller detaches the database afterwards: until then it is the old file, and its lock keeps
    other processes out. After the checkpoint there is no write-ahead log that would be applied to
    the new file.

    :param connection: has the file at *path* attached as ``warehouse``.
    :raises DestinationError: the copy cannot be written; the file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    _remove(temporary)
    try:
        with more_memory(connection):
            connection.execute(
                f"ATTACH {literal(str(temporary))} AS rewritten "
                f"(TYPE duckdb, STORAGE_VERSION {literal(storage_version)})"
            )
            try:
                connection.execute("COPY FROM DATABASE warehouse TO rewritten")
                connection.execute("CHECKPOINT rewritten")
            finally:
                connection.execute("DETACH rewritten")
        connection.execute("CHECKPOINT warehouse")
        sync(temporary)
        failpoint("warehouse-copied")
        temporary.replace(path)
        sync(path.parent)
    except (duckdb.Error, OSError) as error:
        _remove(temporary)
        text = str(error).splitlines()[0].rstrip(".")
        raise DestinationError(
            f"{path} cannot be written anew, and keeps bytes of what was erased: {text}.",
            "Make room for a second file of its size, then run `orderpull forget` again.",
        ) from error
    failpoint("warehouse-replaced")


def _remove(path: Path) -> None:
    for each in (path, path.with_name(f"{path.name}.wal")):
        with suppress(FileNotFoundError):
            each.unlink()
