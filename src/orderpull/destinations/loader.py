"""Loading into a server: judged here, uploaded, and written in one transaction under a lock.

What is stored of the staged orders is fetched by key and judged in the stage, before the lock. In
the transaction the ledger says whether another loader has written since; if so, nothing is changed,
and what is left to do is judged anew.
"""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import duckdb

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.ledger import quoted
from orderpull.destinations.merge.changes import (
    DELETES,
    insert_queries,
    ordered_between,
    stage_changes,
)
from orderpull.destinations.merge.merge import STORED_COLUMNS, plan_merge
from orderpull.destinations.merge.rollups import RollupWriter
from orderpull.destinations.merge.stored import (
    ID_COLUMN,
    NOT_DELETED,
    NOT_DELETED_COLUMNS,
    FetchStored,
    stage_vanished,
)
from orderpull.destinations.protocol import (
    DUCKDB_TYPES,
    Batch,
    MergePlan,
    Reject,
    RunRecord,
    SourceState,
)
from orderpull.destinations.session import Session
from orderpull.errors import DestinationError, Overtaken
from orderpull.failpoints import failpoint
from orderpull.model import (
    DATA_TABLES,
    LEDGER_REJECT,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)

_KEY = [c for c in ORDER_HEADER.columns if c.name in {"order_id", "ordernumber"}]
_KEY_NAMES = ", ".join(column.name for column in _KEY)
_OF_HEADER = ", ".join(f"h.{name}" for name in STORED_COLUMNS.split(", "))

# Two lookups by key instead of one with OR, which would read the whole table each time.
_STORED = f"""
SELECT {_OF_HEADER} FROM order_header AS h
WHERE h.source = ? AND h.order_id IN (SELECT order_id FROM staged_key)
UNION
SELECT {_OF_HEADER} FROM order_header AS h
WHERE h.source = ? AND h.ordernumber IN (SELECT ordernumber FROM staged_key)"""


class ServerLoader:
    """A database, connected for writing; the stage is a DuckDB in memory."""

    def __init__(
        self,
        stage: duckdb.DuckDBPyConnection,
        session: Session,
        limits: Mapping[str, int],
        zone: ZoneInfo,
    ) -> None:
        self.stage = stage
        self.session = session
        self.limits = limits
        self.rollups = RollupWriter(session.execute, zone)

    def ensure_rollups(self) -> None:
        """Make the rollups anew, if they are not there or have another zone's days."""
        if not self.rollups.is_current():
            with self.session.writing():
                if not self.rollups.is_current():  # another process may have been first
                    self.rollups.rebuild()

    def state(self, source: str) -> SourceState:
        """What the ledger knows of *source*."""
        return ledger.read_state(self.session.execute, source)

    def plan_merge(self, batch: Batch) -> MergePlan:
        """Compare the staged tables with what is stored."""

        def stage_stored() -> None:
            rows: ledger.Rows = []
            if self._upload("staged_key", _KEY, f"SELECT {_KEY_NAMES} FROM staged_order"):
                rows = self.session.execute(_STORED, [batch.source, batch.source])
            self._stage("stored_order", _columns_of(STORED_COLUMNS, ORDER_HEADER), rows)

        return plan_merge(self.stage, batch, stage_stored, self._fetching(batch.source))

    def stage_vanished(
        self, source: str, page: int, listed: Sequence[str], *, partial: bool
    ) -> tuple[int, int]:
        """Stage the stored orders of *source* that are not *listed*, as deleted."""
        self._stage("stored_id", NOT_DELETED_COLUMNS, self.session.execute(NOT_DELETED, [source]))
        return stage_vanished(self.stage, self._fetching(source), page, listed, partial=partial)

    def _fetching(self, source: str) -> FetchStored:
        def fetch(name: str, keys: str, statement: str, columns: Sequence[Column]) -> None:
            self._upload(keys, ID_COLUMN, f"SELECT order_id FROM {keys}")
            self._stage(name, columns, self.session.execute(statement, [source]))

        return fetch

    def apply(self, batch: Batch, plan: MergePlan) -> None:
        """Write everything of *batch*: upload, then one transaction."""
        stored = self.session.execute(
            f"SELECT {ledger.REJECT_COLUMNS} FROM orderpull_reject WHERE source = ?", [batch.source]
        )
        self._stage("stored_reject", _columns_of(ledger.REJECT_COLUMNS, LEDGER_REJECT), stored)
        stage_changes(self.stage, batch, plan)
        at = clock.now()
        record = batch.record
        record.run = record.run or ledger.next_run(self.session.execute)
        record.batches += 1
        keys = self._upload_keys()
        rows = self._upload_rows(insert_queries(batch.source, record.run, at, self.limits))
        failpoint("before-lock")
        with self.session.writing():
            failpoint("load-begun")
            self._refuse_overtaken(batch)
            self.rollups.apply_delta(
                batch.source,
                ordered_between(self.stage),
                new_orders=ORDER_ADDRESS in rows,
                new_items=ORDER_ITEM in rows,
                deletes="to_delete" in keys,
            )
            failpoint("summarised")
            self._delete(batch.source, keys)
            failpoint("rows-deleted")
            self._insert(rows)
            failpoint("rows-inserted")
            if not self.session.enforces_keys:
                self._assert_unique(batch.source, rows)
            ledger.write_state(self.session.execute, batch.source, batch.state, at)
            ledger.write_run(self.session.execute, record)
            failpoint("ledger-written")

    def record(self, record: RunRecord, state: SourceState) -> None:
        """Write a run's row, and a source's state unless another loader wrote meanwhile."""
        execute = self.session.execute
        with self.session.writing():
            record.run = record.run or ledger.next_run(execute)
            ledger.write_run(execute, record)
            if self.state(record.source).loads + 1 == state.loads:
                ledger.write_state(execute, record.source, state, clock.now())

    def rejects(self, source: str | None = None, reason: str | None = None) -> list[Reject]:
        """The open rejects."""
        return ledger.read_rejects(self.session.execute, source, reason)

    def _upload(self, name: str, columns: Sequence[Column], query: str) -> int:
        failpoint("before-copy")
        rows = self.session.upload(self.stage, name, columns, query)
        failpoint("copied")
        return rows

    def _upload_keys(self) -> set[str]:
        """The key tables of the stage that are not empty, uploaded."""
        uploaded = set()
        for delete in DELETES:
            column = next(c for c in delete.table.columns if c.name == delete.column)
            if delete.keys not in uploaded and self._upload(
                delete.keys, [column], f"SELECT DISTINCT {column.name} FROM {delete.keys}"
            ):
                uploaded.add(delete.keys)
        return uploaded

    def _upload_rows(self, queries: Mapping[Table, str]) -> list[Table]:
        """The tables that get new rows, these uploaded."""
        return [
            table
            for table, query in queries.items()
            if self._upload(f"new_{table.name}", table.columns, query)
        ]

    def _refuse_overtaken(self, batch: Batch) -> None:
        if self.state(batch.source).loads + 1 != batch.state.loads:
            raise Overtaken(
                f"Another orderpull loaded source {batch.source!r} into {self.session.where} "
                "meanwhile; nothing was changed.",
                "Run again.",
            )

    def _delete(self, source: str, keys: set[str]) -> None:
        for delete in DELETES:
            if delete.keys in keys:
                table, column = delete.table.name, delete.column
                self.session.execute(
                    f"DELETE FROM {table} USING {delete.keys} AS k "
                    f"WHERE {table}.source = ? AND {table}.{column} = k.{column}",
                    [source],
                )

    def _insert(self, tables: Sequence[Table]) -> None:
        for table in tables:
            names = quoted(table.names)
            self.session.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_{table.name}"
            )

    def _assert_unique(self, source: str, written: Sequence[Table]) -> None:
        """Fail, and so roll back, if a key that was written stands twice."""
        for table in DATA_TABLES:
            if table not in written:
                continue
            key = quoted(table.key)
            twice = self.session.execute(
                f"SELECT count(*) FROM (SELECT {key} FROM {table.name} WHERE source = ? "
                f"AND ordernumber IN (SELECT ordernumber FROM new_{table.name}) "
                f"GROUP BY {key} HAVING count(*) > 1) AS twice",
                [source],
            )[0][0]
            if twice:
                raise DestinationError(
                    f"{table.name} would hold {twice} orders of {source!r} twice; "
                    "nothing was loaded.",
                    "Something else wrote to these tables; `orderpull replay --into` makes them "
                    "anew.",
                )

    def _stage(self, name: str, columns: Sequence[Column], rows: ledger.Rows) -> None:
        """Make the temporary table *name* of the stage."""
        lists = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in columns]
        unnested = ", ".join(f"unnest(?::{DUCKDB_TYPES[c.type]}[]) AS {c.name}" for c in columns)
        self.stage.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {unnested}", lists)


def _columns_of(names: str, table: Table) -> list[Column]:
    """The columns of *table* that *names* says, in its order."""
    known = {column.name: column for column in table.columns}
    return [known[name] for name in names.split(", ")]
