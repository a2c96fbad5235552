"""What a destination is to the pipeline, and what passes between them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from orderpull.model import COUNTS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import duckdb
    import sqlalchemy as sa

    from orderpull.destinations.loader import Loader
    from orderpull.landing.page import PageMeta

Kind = Literal["duckdb", "postgresql", "redshift"]
"""The warehouses."""

MEMORY_LIMIT = "512MB"
"""What a DuckDB of ours takes at most; above it, it writes to the disk."""

DUCKDB_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "day": "DATE",
    "money": "DECIMAL(19,4)",
}
"""What DuckDB calls the model's types."""

Command = Literal["run", "load", "replay", "retry"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What the ledger knows of a source.

    :param landing: identity of the landing whose pages are loaded; '' if none is.
    :param loaded_through: the highest page loaded.
    :param gaps: pages below it that still wait.
    :param cursor: how far an incremental API has been read.
    :param loads: transactions so far; who writes the next one must have seen all of them.
    """

    landing: str = ""
    loaded_through: int = 0
    gaps: tuple[int, ...] = ()
    cursor: str | None = None
    loads: int = 0


@dataclass(slots=True)
class Counts:
    """What became of orders: fetched = the sum of the other five."""

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0

    def add(self, other: "Counts") -> None:
        """Add *other* to these."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class RunRecord:
    """One source's part in one run, as ``orderpull_run`` keeps it. :param run: 0: not begun."""

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

    def copy(self) -> "RunRecord":
        """The same once more, to be changed without changing this."""
        return replace(self, counts=replace(self.counts))

    def assign(self, other: "RunRecord") -> None:
        """Set every field to the value of *other*."""
        for field_ in fields(self):
            setattr(self, field_.name, getattr(other, field_.name))


@dataclass(slots=True)
class Batch:
    """What one transaction loads: the staged tables of the stage, and what goes to the ledger.

    :param pages: the pages staged.
    :param counted: whether the pages are new to the ledger; a page read again counts nothing.
    :param ignore_changes: ``on_change = "ignore"``.
    :param keep_address: an address that comes blank does not replace the stored one.
    :param state: what the ledger says of the source once this batch is in.
    :param record: what it says of the run.
    """

    source: str
    pages: "Sequence[PageMeta]"
    counted: bool
    ignore_changes: bool
    state: SourceState
    record: RunRecord
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


@dataclass(frozen=True, slots=True)
class MergePlan:
    """The decisions about a batch in numbers; its rows are temporary tables of the stage.

    :param counts: orders by outcome. :param per_page: the same for each page of the batch.
    :param lost_number: stored orders that lose their number: page, order_id, ordernumber.
    """

    counts: Counts
    per_page: dict[int, Counts]
    lost_number: list[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query.

    :param columns: their names. :param rows: each row once, fetched as they are asked for.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class Reader(Protocol):
    """A destination, open for reading: all that is asked of it is of one instant."""

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """The rows that *query* answers, each as a dict."""
        ...

    def query(self, query: "sa.Select[Any] | str") -> QueryResult:
        """What *query* finds; the text of a person's own may be wrong, and must only read.

        :raises UsageError: it is wrong, or would write; the message says where.
        """
        ...

    def in_duckdb(
        self, query: "sa.Select[Any]", types: "Mapping[str, str]"
    ) -> "AbstractContextManager[tuple[duckdb.DuckDBPyConnection, str]]":
        """What *query* finds as a query of a DuckDB connection, in the same order.

        :param types: DuckDB's type for each column.
        """
        ...


class Destination(Protocol):
    """A warehouse."""

    def identity(self) -> str:
        """What tells it from every other, by whichever address it is reached.

        :raises DestinationError: it cannot be reached.
        """
        ...

    def preflight(self) -> None:
        """Prove that it can be written now; create or migrate its tables.

        :raises DestinationError: it cannot; the message says why.
        """
        ...

    def loader(self) -> "AbstractContextManager[Loader]":
        """Hold it for writing. :raises DestinationError: it cannot be held."""
        ...

    def reader(self) -> AbstractContextManager[Reader]:
        """Open it for reading, never in the way of a loader.

        :raises DestinationError: there is nothing to read yet.
        """
        ...

    def version(self) -> "Hashable | None":
        """What a reader that is opened now reads, if that is something which never changes.

        None: each reader sees what was last loaded when it is opened.
        """
        ...

    def publish(self, *, finished: bool) -> None:
        """Show readers what was loaded, if they are behind.

        :param finished: whether the run is at its end; within one, not more than once a minute.
        """
        ...

    def close(self) -> None:
        """Free what is kept between two loads of a run."""
        ...
