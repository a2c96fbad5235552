"""Load batches into a warehouse: merge in the stage, upload, write in one transaction.

The stored orders that a batch concerns are fetched and merged before the transaction. Several
loaders may work on a server at once. Within the transaction, under the loaders' lock, the ledger
shows whether another loader has written since; then nothing is changed, and the caller starts over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import duckdb

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.merge.changes import (
    DELETES,
    insert_queries,
    ordered_between,
)
from orderpull.destinations.merge.merge import STORED_COLUMNS, plan_merge, prepare_rejects
from orderpull.destinations.merge.rollups import RollupWriter
from orderpull.destinations.merge.stored import (
    ID_COLUMN,
    NOT_DELETED,
    NOT_DELETED_COLUMNS,
    FetchStored,
    stage_vanished,
)
from orderpull.destinations.protocol import Batch, MergePlan, Reject, RunRecord, SourceState
from orderpull.destinations.session import Session
from orderpull.destinations.stage import count_rows, stage_rows
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
from orderpull.sqltext import quoted

# Two lookups instead of one with OR, which would read the whole table each time.
_STORED = f"""
SELECT {STORED_COLUMNS} FROM order_header
WHERE source = ? AND order_id IN (SELECT order_id FROM staged_order)
UNION
SELECT {STORED_COLUMNS} FROM order_header
WHERE source = ? AND ordernumber IN (SELECT ordernumber FROM staged_order)"""


@dataclass(eq=False)
class Loader:
    """A warehouse, open for writing.

    :param stage: where orders are shaped and merged, in temporary tables.
    :param limits: bytes in UTF-8 that columns hold, where their length is limited.
    :param zone: time zone of the rollups' days.
    """

    session: Session
    stage: duckdb.DuckDBPyConnection
    limits: Mapping[str, int]
    zone: ZoneInfo

    def __post_init__(self) -> None:
        self.rollups = RollupWriter(self.session.execute, self.zone)

    def ensure_rollups(self) -> None:
        """Rebuild the rollups if they are missing, or have another zone's days."""
        if not self.rollups.is_current():
            with self.session.writing():
                if not self.rollups.is_current():  # another process may have been first
                    self.rollups.rebuild()

    def state(self, source: str) -> SourceState:
        """The ledger's state of *source*."""
        return ledger.read_state(self.session.execute, source)

    def rejects(self, source: str | None = None, reason: str | None = None) -> list[Reject]:
        """The open rejects, in the order of their pages."""
        return ledger.read_rejects(self.session.execute, source, reason)

    def stage_vanished(
        self, source: str, page: int, listed: Sequence[str], *, partial: bool
    ) -> tuple[int, int]:
        """Stage the stored orders of *source* that are not among the *listed* ids, as deleted.

        :param page: the page of the list; orders of later pages stay.
        :param partial: the list may leave old orders out; these stay.
        :return: the numbers of vanished and of stored orders.
        """
        self._fetch("stored_id", NOT_DELETED_COLUMNS, NOT_DELETED, [source])
        return stage_vanished(self.stage, self._fetching(source), page, listed, partial=partial)

    def plan_merge(self, batch: Batch) -> MergePlan:
        """Compare the staged orders with the stored orders; change nothing."""
        columns = ORDER_HEADER.pick(STORED_COLUMNS)
        if self._upload_keys("staged_order", ORDER_HEADER.pick("order_id, ordernumber")):
            values = [batch.source, batch.source]
            self._fetch("stored_order", columns, _STORED, values)
        else:
            stage_rows(self.stage, "stored_order", columns, [])
        return plan_merge(self.stage, batch, self._fetching(batch.source))

    def apply(self, batch: Batch, plan: MergePlan) -> None:
        """Write rows, rejects, pages, cursor and counts in one transaction.

        :raises Overtaken: another loader has written meanwhile; nothing was changed.
        """
        self._fetch(
            "stored_reject",
            LEDGER_REJECT.pick(ledger.REJECT_COLUMNS),
            f"SELECT {ledger.REJECT_COLUMNS} FROM orderpull_reject WHERE source = ?",
            [batch.source],
        )
        prepare_rejects(self.stage)
        ledger.plan_rejects(self.stage)
        ledger.stage_pages(self.stage, batch, plan)
        at = clock.now()
        record = batch.record
        record.run = record.run or ledger.next_run(self.session.execute)
        record.batches += 1
        keys = self._upload_deletes()
        tables = self._upload_rows(insert_queries(batch.source, record.run, at, self.limits))
        failpoint("before-lock")
        with self.session.writing():
            failpoint("load-begun")
            self._refuse_overtaken(batch)
            self.rollups.apply_delta(
                batch.source,
                ordered_between(self.stage),
                new_orders=ORDER_ADDRESS in tables,
                new_items=ORDER_ITEM in tables,
                deletes="to_delete" in keys,
            )
            failpoint("summarised")
            self._delete(batch.source, keys)
            failpoint("rows-deleted")
            for table in tables:
                names = quoted(table.names)
                self.session.execute(
                    f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_{table.name}"
                )
            failpoint("rows-inserted")
            if not self.session.enforces_keys:
                self._assert_unique(batch.source, tables)
            ledger.write_state(self.session.execute, batch.source, batch.state, at)
            ledger.write_run(self.session.execute, record)
            failpoint("ledger-written")

    def record(self, record: RunRecord, state: SourceState) -> None:
        """Write a run's row and a source's state in a transaction of their own.

        If another loader has written meanwhile, its state stays.
        """
        execute = self.session.execute
        with self.session.writing():
            record.run = record.run or ledger.next_run(execute)
            ledger.write_run(execute, record)
            if self.state(record.source).loads + 1 == state.loads:
                ledger.write_state(execute, record.source, state, clock.now())

    def _fetching(self, source: str) -> FetchStored:
        def fetch(name: str, keys: str, statement: str, columns: Sequence[Column]) -> None:
            self._upload_keys(keys, ID_COLUMN)
            self._fetch(name, columns, statement, [source])

        return fetch

    def _fetch(
        self, name: str, columns: Sequence[Column], statement: str, values: Sequence[str]
    ) -> None:
        """Make the stage's temporary table *name* from the rows of the warehouse's *statement*."""
        if self.session.is_stage:
            self.stage.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}", values)
        else:
            stage_rows(self.stage, name, columns, self.session.execute(statement, values))

    def _upload_keys(self, name: str, columns: Sequence[Column]) -> int:
        """Make *columns* of the stage's table *name* readable in the warehouse; count its rows."""
        failpoint("before-copy")
        if self.session.is_stage:
            rows = count_rows(self.stage, name)
        else:
            names = ", ".join(column.name for column in columns)
            query = f"SELECT DISTINCT {names} FROM {name}"
            rows = self.session.upload(self.stage, name, columns, query)
        failpoint("copied")
        return rows

    def _upload_deletes(self) -> set[str]:
        """Upload the keys of the rows to delete; return the names of the tables with rows."""
        columns = {delete.keys: delete.table.pick(delete.column) for delete in DELETES}
        return {name for name, column in columns.items() if self._upload_keys(name, column)}

    def _upload_rows(self, queries: Mapping[Table, str]) -> list[Table]:
        """Upload new rows; return the tables that have some."""
        tables = []
        for table, query in queries.items():
            failpoint("before-copy")
            if self.session.upload(self.stage, f"new_{table.name}", table.columns, query):
                tables.append(table)
            failpoint("copied")
        return tables

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

    def _assert_unique(self, source: str, written: Sequence[Table]) -> None:
        """Fail, and so roll back, if two rows have a key that was written."""
        for table in DATA_TABLES:
            if table not in written:
                continue
            key = quoted(table.key)
            repeated = self.session.execute(
                f"SELECT count(*) FROM (SELECT {key} FROM {table.name} WHERE source = ? "
                f"AND ordernumber IN (SELECT ordernumber FROM new_{table.name}) "
                f"GROUP BY {key} HAVING count(*) > 1) AS repeated",
                [source],
            )[0][0]
            if repeated:
                raise DestinationError(
                    f"{table.name} would hold {repeated} orders of {source!r} twice; "
                    "nothing was loaded.",
                    "Something else wrote to these tables; `orderpull replay --into` makes them "
                    "anew.",
                )
