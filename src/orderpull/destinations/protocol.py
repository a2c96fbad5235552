"""The protocol of a destination, and the data that pass between it and the pipeline."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zoneinfo import ZoneInfo

from orderpull.destinations.upkeep import LakeFacts, Upkeep
from orderpull.errors import UsageError
from orderpull.model import COUNTS, Column

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import duckdb
    import sqlalchemy as sa

    from orderpull.destinations.loader import Loader
    from orderpull.destinations.session import Session
    from orderpull.destinations.stage import Stage
    from orderpull.landing.page import PageMeta
    from orderpull.model import Table

Kind = Literal["duckdb", "postgresql", "redshift", "iceberg"]
"""The warehouses."""

STAGE_MEMORY = "96MB"
"""Memory limit of the stage. It bounds what stays cached of a large file, too."""

MEMORY_LIMIT = "512MB"
"""The same of a batch that does not fit; above it, DuckDB writes to the disk."""

COMPARING_MEMORY = "192MB"
"""Memory limit of a comparison of all orders, whatever their number; the rest goes to the disk."""

LARGE_MEMORY = "1GB"
"""Memory limit of a reader. With half of it, the three answers over ten million orders have to
write to the disk (measured)."""

DUCKDB_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "day": "DATE",
    "money": "DECIMAL(19,4)",
    "money_sum": "DECIMAL(38,4)",
}
"""DuckDB's names of the model's types."""

Command = Literal["run", "load", "replay", "retry", "repair"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """The ledger's state of a source.

    :param landing: identity of the landing whose pages are loaded; '' before the first load.
    :param loaded_through: the highest page loaded.
    :param gaps: lower pages that still wait.
    :param cursor: the cursor up to which an incremental API has been read.
    :param loads: number of committed transactions (optimistic lock): a loader commits only if this
        is still the number it read.
    :param refill: the first and the last of the loaded pages that are still to be shaped again,
        because a migration has added columns; None: none is.
    """

    landing: str = ""
    loaded_through: int = 0
    gaps: tuple[int, ...] = ()
    cursor: str | None = None
    loads: int = 0
    refill: tuple[int, int] | None = None


@dataclass(slots=True)
class Counts:
    """Numbers of orders by outcome; ``fetched`` is the sum of the other five."""

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0

    def add(self, other: "Counts") -> None:
        """Add the counts of *other*."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class RunRecord:
    """One source's row in ``orderpull_run``. :param run: number of the run; 0 before it has one."""

    source: str
    command: Command
    started_at: datetime
    run: int = 0
    finished_at: datetime | None = None
    pulled_at: datetime | None = None
    pages: int = 0
    counts: Counts = field(default_factory=Counts)
    possible_loss: int = 0
    accepted_rejects: bool = False
    batches: int = 0
    error: str | None = None

    def assign(self, other: "RunRecord") -> None:
        """Set every field to the value of *other*."""
        for field_ in fields(self):
            setattr(self, field_.name, getattr(other, field_.name))


@dataclass(slots=True)
class Share:
    """A source's share of a batch.

    :param pages: the staged pages.
    :param state: the source's state after this batch.
    :param record: the run's row after this batch.
    """

    source: str
    pages: Sequence["PageMeta"]
    state: SourceState
    record: RunRecord


@dataclass(slots=True)
class Batch:
    """Everything that one transaction loads, beside the staged tables.

    :param shares: the source's share, or the shares of several sources.
    :param counted: the pages are new to the ledger; a page read again is not counted.
    :param ignore_changes: ``on_change = "ignore"``.
    :param keep_address: a blank address does not replace the stored one.
    """

    shares: Sequence[Share]
    counted: bool
    ignore_changes: bool
    keep_address: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row of ``orderpull_reject``."""

    source: str
    ordernumber: str | None
    reason: str
    message: str
    path: str
    raw: str
    page: int
    position: int
    run: int
    rejected_at: datetime
    order_id: str | None
    reject_key: str


@dataclass(slots=True)
class MergePlan:
    """The decisions about a batch in numbers; its rows are temporary tables of the stage.

    :param contested: staged orders that share an id or a number with another order. Without one
        there are no tables of decisions.
    :param writes: orders to write. :param deletes: stored orders to delete first.
    :param touches: stored orders that came again, unchanged, with a later page.
    :param counts: orders by outcome for each source. :param per_page: the same for each source and
        page of the batch.
    :param lost_number: stored orders that lose their number: source, page, order_id, ordernumber,
        content_hash.
    """

    contested: int = 0
    writes: int = 0
    deletes: int = 0
    touches: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)
    per_page: dict[tuple[str, int], Counts] = field(default_factory=dict)
    lost_number: list[tuple[str, int, str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query.

    :param columns: names of the columns. :param rows: the rows, fetched while they are read.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class Reader(Protocol):
    """A warehouse, open for reading; all queries see the same instant.

    :ivar in_bytes: SQL behind a text that makes its comparison one of bytes; '' where each is.
    """

    in_bytes: str

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """The rows of *query*, each as a dict."""
        ...

    def query(self, query: "sa.Select[Any] | str") -> QueryResult:
        """Run *query*; a text is a user's own SQL, which must only read.

        :raises UsageError: the SQL is wrong, or would write; the message says where.
        """
        ...

    def execute(self, statement: str, values: "Sequence[Any]" = ()) -> list[tuple[Any, ...]]:
        """The rows of our own *statement*, plain enough for every warehouse, with ``?`` for values.

        :raises DestinationError: the warehouse does not answer.
        """
        ...

    def workbench(
        self, tables: "Mapping[str, tuple[str, Sequence[Column]]]"
    ) -> "AbstractContextManager[duckdb.DuckDBPyConnection]":
        """A DuckDB connection with the temporary tables or views *tables*.

        :param tables: by name, our own statement for the rows, and its columns.
        """
        ...

    def in_duckdb(
        self, query: "sa.Select[Any]", types: "Mapping[str, str]"
    ) -> "AbstractContextManager[tuple[duckdb.DuckDBPyConnection, str]]":
        """A DuckDB connection, and a query there that has the rows of *query* in their order.

        :param types: DuckDB's type of each column.
        """
        ...


class Destination(Protocol):
    """A warehouse.

    :param where: the warehouse, as messages name it. :param zone: time zone of the rollups' days.
    :param limits: bytes in UTF-8 that columns hold, where their length is limited.
    """

    where: str
    stage: "Stage"
    zone: ZoneInfo
    limits: "Mapping[str, int]"

    def __str__(self) -> str:
        return self.where

    def identity(self) -> str:
        """A text that is the same for each address of this warehouse, and for no other warehouse.

        :raises DestinationError: the warehouse cannot be reached.
        """
        ...

    def preflight(self) -> None:
        """Prove that the warehouse can be written now; create or migrate its tables.

        :raises DestinationError: it cannot be written; the message says why.
        """
        ...

    def loader(self) -> "AbstractContextManager[Loader]":
        """Open the warehouse for writing. :raises DestinationError: it cannot be opened."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Keep the warehouse open for writing between the loads within the context.

        No other process can load meanwhile, where there is no server.
        """
        ...

    def reader(self) -> AbstractContextManager[Reader]:
        """Open the warehouse for reading; a reader never blocks a loader.

        :raises DestinationError: there is nothing to read yet.
        """
        ...

    def inspect(self) -> "AbstractContextManager[Session]":
        """A session for looking at the tables as they are, whatever their version; only to read.

        :raises DestinationError: the warehouse cannot be opened.
        """
        ...

    def copy_rows(
        self,
        connection: "duckdb.DuckDBPyConnection",
        tables: "Sequence[Table]",
        sources: "Sequence[str]",
    ) -> None:
        """Copy the rows of *sources* into :data:`copies.COPIES` of *connection*; write nothing.

        All are of one instant. What is not loaded yet is not there.

        :raises DestinationError: the warehouse cannot be read, or its tables are too old.
        """
        ...

    def fresh_reader(self) -> AbstractContextManager[Reader]:
        """Open the warehouse for reading as it is now, and not as it was after the last load.

        :raises DestinationError: there is nothing to read yet.
        """
        return self.reader()

    def version(self) -> "Hashable | None":
        """The version of the snapshot that a reader opened now would read.

        None: there are no snapshots; a reader sees the last load before it was opened.
        """
        return None

    def publish(self, *, finished: bool, always: bool = False) -> None:
        """Renew the readers' snapshot, if it is behind the warehouse.

        :param finished: the run is at its end. Within a run this happens once a minute at most.
        :param always: renew it even if the ledger has not changed: something else may have written.
        """
        ...

    def scrub(self) -> list[str]:
        """Remove from the warehouse's files what they keep of rows that were changed or deleted.

        On DuckDB readers get a new snapshot, too.

        :return: a sentence for each place where something may remain.
        :raises DestinationError: it cannot be removed now; the rows themselves are as they were.
        """
        return []

    def compact(self, keep: timedelta) -> Upkeep:
        """Merge small files, expire snapshots older than *keep*, delete what nothing needs.

        :raises UsageError: this kind of warehouse has no such files.
        """
        del keep
        raise UsageError(
            f"{self.where} needs no compaction.", "Only an Iceberg warehouse has files to merge."
        )

    def files(self) -> LakeFacts | None:
        """Number and size of the data files of a lake; None: there is nothing to tell."""
        return None

    def close(self) -> None:
        """Free the stage, which is kept between the loads of a run."""
        self.stage.close()
