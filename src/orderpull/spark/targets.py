"""The targets of a replay: a warehouse of orderpull, or a folder of Parquet files."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from orderpull import __version__
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Destination, SourceState
from orderpull.destinations.shadow import ShadowDestination
from orderpull.errors import UsageError
from orderpull.failpoints import failpoint
from orderpull.landing.files import sync
from orderpull.model import DATA_TABLES, SCHEMA_VERSION, TABLES
from orderpull.spark.attempts import WORK
from orderpull.spark.finish import Finish
from orderpull.sqltext import literal, quoted

NOTE = "orderpull.json"
"""The file in a folder of tables that names the replay which made it."""


class Target(Protocol):
    """The place into which a replay goes."""

    work: Path
    """The folder of attempts."""

    limits: Mapping[str, int]
    zone: str

    def __str__(self) -> str: ...

    def identity(self) -> str:
        """A text that is the same for each address of this place."""

    def states(self, run: str, sources: list[str]) -> dict[str, SourceState] | None:
        """Check that the target can be written; what it has loaded of *sources*.

        :return: None if it is the result of *run*.
        :raises OrderpullError: it cannot be written.
        """

    def loader(self) -> AbstractContextManager[Loader]:
        """Open it for the transaction."""

    def commit(self, finish: Finish, attempt: Path) -> None:
        """Commit the results of the executors at once."""


class Warehouse:
    """A warehouse of orderpull: what Spark has made is loaded in one transaction."""

    def __init__(self, destination: Destination, work: Path) -> None:
        self.destination = destination
        self.work = work
        self.limits = destination.limits
        self.zone = destination.zone.key

    def __str__(self) -> str:
        return str(self.destination)

    def identity(self) -> str:
        """The identity of the warehouse."""
        return self.destination.identity()

    def states(self, run: str, sources: list[str]) -> dict[str, SourceState] | None:  # noqa: ARG002
        """Prove that the warehouse can be written; the ledger's states of *sources*."""
        self.destination.preflight()
        with self.destination.loader() as loader:
            return loader.states(sources)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """Open the warehouse for writing."""
        with self.destination.loader() as loader:
            yield loader

    def commit(self, finish: Finish, attempt: Path) -> None:  # noqa: ARG002
        """Load everything in one transaction, and renew the readers' snapshot."""
        finish.write()
        self.destination.publish(finished=True)


class ParquetFolder:
    """A new folder with one folder of Parquet files for each table; it appears all at once."""

    def __init__(self, path: Path, original: Destination) -> None:
        self.path = path
        self.work = path.parent / WORK
        self.limits: Mapping[str, int] = {}
        self.zone = original.zone.key
        self._shadow = ShadowDestination(original, [], empty=True)

    def __str__(self) -> str:
        return f"the folder {self.path}"

    def identity(self) -> str:
        """Its path, links resolved."""
        return str(self.path.resolve())

    def states(self, run: str, sources: list[str]) -> dict[str, SourceState] | None:
        """Nothing is loaded; None if *run* has made the folder.

        :raises UsageError: something else is there.
        """
        try:
            note = msgspec.json.decode((self.path / NOTE).read_bytes())
        except (OSError, msgspec.DecodeError):
            note = {}
        if note.get("run") == run:
            return None
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            made = f"made by the replay {note['run']}" if note else "not empty"
            raise UsageError(f"{self.path} is {made}.", "Name a folder that does not exist yet.")
        return dict.fromkeys(sources, SourceState())

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """A warehouse in memory, for ledger and rollups."""
        try:
            with self._shadow.loader() as loader:
                yield loader
        finally:
            self._shadow.close()

    def commit(self, finish: Finish, attempt: Path) -> None:
        """Put the executors' files and those of ledger and rollups into place by one rename."""
        finish.write(data=False)
        tables = attempt / "tables"
        tables.mkdir()
        for table in TABLES:
            (tables / table.name).mkdir()
        connection = self._shadow.stage.connection
        finish.loader.session.execute(
            "INSERT INTO orderpull_schema VALUES (?, ?, ?)",
            [SCHEMA_VERSION, finish.job.at, f"orderpull {__version__}"],
        )
        for table in TABLES:
            folder = tables / table.name
            paths = finish.files.get(table.name, ()) if table in DATA_TABLES else ()
            for path in paths:
                path.rename(folder / path.name)
            if not paths:
                file = literal(str(folder / "part.parquet"))
                query = f"SELECT {quoted(table.names)} FROM {table.name}"
                connection.execute(f"COPY ({query}) TO {file} (FORMAT parquet, COMPRESSION zstd)")
        rows = {record.source: record.counts for record in finish.records.values()}
        note = {"run": finish.job.run, "at": finish.job.at, "sources": rows}
        (tables / NOTE).write_bytes(msgspec.json.encode(note))
        for path in [*tables.rglob("*"), tables]:
            sync(path)
        failpoint("spark-before-rename")
        tables.rename(self.path)
        sync(self.path.parent)
        failpoint("spark-renamed")
