"""Load batches into a warehouse: merge in the stage, upload, write in one transaction.

The stored orders that a batch concerns are fetched and merged before the transaction. Several
loaders may work on a server at once. Within the transaction, under the loaders' lock, the ledger
shows whether another loader has written since; then nothing is changed, and the caller starts over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.merge import titles
from orderpull.destinations.merge.changes import (
    DELETES,
    insert_queries,
    ordered_between,
    repeated_queries,
)
from orderpull.destinations.merge.merge import STORED_COLUMNS, plan_merge
from orderpull.destinations.merge.rejects import (
    REJECT_COLUMNS,
    REJECTED_ID,
    STORED_VERSION,
    plan_rejects,
)
from orderpull.destinations.merge.rollup_rows import delta_queries
from orderpull.destinations.merge.rollups import Delta, RollupWriter
from orderpull.destinations.merge.stored import (
    ID_COLUMNS,
    NOT_DELETED,
    NOT_DELETED_COLUMNS,
    OLD_ROWS,
    ROW,
    keyed,
    stage_vanished,
)
from orderpull.destinations.protocol import Batch, MergePlan, Reject, RunRecord, SourceState
from orderpull.destinations.session import UNNUMBERED, Session, make_within
from orderpull.destinations.stage import count_rows, make_table, more_memory, stage_rows
from orderpull.engine import duckdb
from orderpull.errors import CommitRefused, DestinationError, Overtaken
from orderpull.failpoints import failpoint
from orderpull.model import (
    LEDGER_PAGE,
    LEDGER_REJECT,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)
from orderpull.sqltext import quoted

# Two lookups instead of one with OR, which would read the whole table each time. The second one
# leaves out the orders that the first one found under their number.
_STORED = f"""
WITH found AS (
    SELECT {STORED_COLUMNS}, {{row}} AS stored_row FROM order_header AS h
    WHERE {keyed("h", "staged_order")})
SELECT * FROM found
UNION ALL
SELECT {STORED_COLUMNS}, {{row}} FROM order_header AS h
WHERE {keyed("h", "{numbers}", "ordernumber")}
  AND NOT {keyed("h", "found")}"""
_BUT_FOUND = """(SELECT source, ordernumber FROM staged_order
    ANTI JOIN found USING (source, order_id, ordernumber))"""


_COMMITS_TRIED = 10


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
        self.rollups = RollupWriter(self.session.execute, self.zone, self.session.in_bytes)

    def ensure_rollups(self) -> None:
        """Rebuild the rollups if they are missing, or have another zone's days."""
        if not self.rollups.is_current():
            with more_memory(self.stage), self.session.writing():
                if not self.rollups.is_current():  # another process may have been first
                    self.rollups.rebuild()

    def state(self, source: str) -> SourceState:
        """The ledger's state of *source*."""
        return ledger.read_state(self.session.execute, source)

    def states(self, sources: Sequence[str]) -> dict[str, SourceState]:
        """The ledger's state of each of *sources*."""
        return ledger.read_states(self.session.execute, sources)

    def pages(self, source: str, first: int = 0) -> set[int]:
        """The pages of *source* that the ledger has, from number *first* on."""
        return ledger.read_pages(self.session.execute, source, first)

    def pages_before(self, source: str, before: datetime, first: int) -> list[int]:
        """Loaded pages that no reject needs. Parameters as :func:`ledger.read_old_pages`."""
        return ledger.read_old_pages(self.session.execute, source, before, first)

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
        return stage_vanished(self.stage, self.fetch_keyed, page, listed, partial=partial)

    def plan_merge(self, batch: Batch) -> MergePlan:
        """Compare the staged orders with the stored orders; change nothing."""
        columns = [*ORDER_HEADER.pick(STORED_COLUMNS), ROW]
        if self.upload_keys("staged_order", ORDER_HEADER.pick("source, order_id, ordernumber")):
            numbers = _BUT_FOUND if self.session.is_stage else "staged_order"
            statement = _STORED.format(row=self.session.row, numbers=numbers)
            self._fetch("stored_order", columns, statement)
        else:
            stage_rows(self.stage, "stored_order", columns, [])
        return plan_merge(self.stage, batch, self.fetch_keyed)

    def apply(self, batch: Batch, plan: MergePlan) -> None:
        """Write rows, rejects, pages, cursor and counts in one transaction.

        :raises Overtaken: another loader has written meanwhile; nothing was changed.
        """
        at, execute = clock.now(), self.session.execute
        records = [share.record for share in batch.shares]
        ledger.number_runs(execute, records)
        for record in records:
            record.batches += 1
        rejects = self._plan_rejects(batch, plan)
        ledger.stage_pages(self.stage, batch, plan)
        keys = self._upload_deletes(plan, rejects=rejects)
        queries = insert_queries(at, self.limits, touches=plan.touches > 0)
        unused = set() if plan.writes else {ORDER_ADDRESS, ORDER_ITEM}
        unused |= set() if plan.writes or plan.touches else {ORDER_HEADER}
        unused |= (set() if batch.counted else {LEDGER_PAGE}) | (
            set() if rejects else {LEDGER_REJECT}
        )
        rows = self.upload_rows({t: query for t, query in queries.items() if t not in unused})
        delta = self._plan_delta(batch, plan)
        failpoint("before-lock")
        with self.session.writing():
            failpoint("load-begun")
            self._refuse_overtaken(batch)
            self.rollups.apply_delta(delta)
            failpoint("summarised")
            self._delete(keys)
            failpoint("rows-deleted")
            for table, query in rows.items():
                execute(f"INSERT INTO {table.name} ({quoted(table.names)}) {query}")
            self.rollups.look_up_lost(delta)
            failpoint("rows-inserted")
            ledger.write_states(execute, {share.source: share.state for share in batch.shares}, at)
            ledger.write_runs(execute, records)
            failpoint("ledger-written")

    def record(self, records: Sequence[RunRecord], states: Mapping[str, SourceState]) -> None:
        """Write runs' rows and the *states* of their sources in a transaction of their own.

        If another loader has written a source meanwhile, its state stays.
        """
        for tries in range(_COMMITS_TRIED):
            try:
                self._record(records, states)
            except CommitRefused:
                if tries == _COMMITS_TRIED - 1:
                    raise
            else:
                return

    def _record(self, records: Sequence[RunRecord], states: Mapping[str, SourceState]) -> None:
        if not records:
            return
        execute = self.session.execute
        with self.session.writing():
            ledger.number_runs(execute, records)
            ledger.write_runs(execute, records)
            stored = self.states(list(states))
            ours = {s: state for s, state in states.items() if stored[s].loads + 1 == state.loads}
            if ours:
                ledger.write_states(execute, ours, clock.now())

    def fetch_keyed(self, name: str, keys: str, statement: str, columns: Sequence[Column]) -> None:
        """Make the stage's table *name* of stored orders, by the ids in its table *keys*."""
        self.upload_keys(keys, ID_COLUMNS)
        self._fetch(name, columns, statement)

    def _fetch(
        self, name: str, columns: Sequence[Column], statement: str, values: Sequence[str] = ()
    ) -> int:
        """Make the stage's table *name* from the warehouse's *statement*; count its rows."""
        if self.session.is_stage:
            return make_within(self.session, name, statement, values)
        return stage_rows(self.stage, name, columns, self.session.execute(statement, values))

    def upload_keys(self, name: str, columns: Sequence[Column]) -> int:
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

    def _plan_rejects(self, batch: Batch, plan: MergePlan) -> bool:
        """Stage the rejects to insert and to delete; return False if nothing is staged."""
        sources = [share.source for share in batch.shares]
        stored = self._fetch(
            "stored_reject",
            LEDGER_REJECT.pick(REJECT_COLUMNS),
            f"SELECT {REJECT_COLUMNS} FROM orderpull_reject "
            f"WHERE source IN ({', '.join('?' for _ in sources)})",
            sources,
        )
        if not stored and not count_rows(self.stage, "staged_reject"):
            return False
        columns = ORDER_HEADER.pick("source, order_id, page")
        if make_table(self.stage, "rejected_id", REJECTED_ID):
            self.fetch_keyed("stored_version", "rejected_id", STORED_VERSION, columns)
        else:
            stage_rows(self.stage, "stored_version", columns, [])
        plan_rejects(self.stage, plan, stored, first_wins=batch.ignore_changes)
        ledger.stage_runs(self.stage, batch)
        return True

    def _upload_deletes(self, plan: MergePlan, *, rejects: bool) -> set[str]:
        """Upload the keys of the rows to delete; return the names of the tables with rows."""
        made = {
            "to_delete": plan.deletes > 0,
            "to_touch": plan.touches > 0,
            "reject_to_delete": rejects,
        }
        columns = {delete.keys: delete.table.pick(f"source, {delete.column}") for delete in DELETES}
        return {
            name
            for name, column in columns.items()
            if made[name] and self.upload_keys(name, column)
        }

    def upload_rows(self, queries: Mapping[Table, str]) -> dict[Table, str]:
        """Upload new rows; return the warehouse's query for the rows of each table with some."""
        if self.session.is_stage:
            return dict(queries)
        uploaded = {}
        for table, query in queries.items():
            failpoint("before-copy")
            if self.session.upload(self.stage, f"new_{table.name}", table.columns, query):
                uploaded[table] = f"SELECT {quoted(table.names)} FROM new_{table.name}"
            failpoint("copied")
        return uploaded

    def _plan_delta(self, batch: Batch, plan: MergePlan) -> Delta:
        """Upload what the batch changes in the rollups."""
        if not plan.writes and not plan.deletes:
            return Delta()
        self._stage_old_rows(batch, plan)
        between = ordered_between(self.stage, plan)
        queries = delta_queries(between, self.zone, deletes=plan.deletes > 0)
        queries |= titles.queries(deletes=plan.deletes > 0)
        uploaded = (
            self.session.upload(self.stage, name, columns, query)
            for name, (columns, query) in queries.items()
        )
        return Delta(*uploaded)

    def _stage_old_rows(self, batch: Batch, plan: MergePlan) -> None:
        """Stage the stored rows of the numbers that are deleted or written.

        :raises Overtaken: another loader has written meanwhile.
        :raises DestinationError: a row would stay under a number that is written.
        """
        keys = ["to_delete"] if plan.deletes else []
        if plan.writes and not self.session.enforces_keys:
            keys.append("to_write" if self.session.is_stage else f"new_{ORDER_ADDRESS.name}")
        if not keys:
            return
        numbers = " UNION ".join(f"SELECT source, ordernumber FROM {name}" for name in keys)
        for table, (name, columns) in OLD_ROWS.items():
            names = ", ".join(column.name for column in columns)
            statement = (
                f"SELECT {names}, {self.session.row} AS stored_row FROM {table.name} "
                f"WHERE {keyed(table.name, f'({numbers})', 'ordernumber')}"
            )
            self._fetch(name, [*columns, ROW], statement)
        if not self.session.enforces_keys:
            self._refuse_repeated(batch, plan)

    def _refuse_repeated(self, batch: Batch, plan: MergePlan) -> None:
        for table, query in repeated_queries(deletes=plan.deletes > 0).items():
            repeated = self.stage.execute(query).fetchone()
            if repeated and repeated[0]:
                self._refuse_overtaken(batch)
                names = ", ".join(repr(share.source) for share in batch.shares)
                raise DestinationError(
                    f"{table.name} would hold {repeated[0]} orders of {names} twice; "
                    "nothing was loaded.",
                    "Something else wrote to these tables; `orderpull replay --into` makes them "
                    "anew.",
                )

    def _refuse_overtaken(self, batch: Batch) -> None:
        states = self.states([share.source for share in batch.shares])
        for share in batch.shares:
            if states[share.source].loads + 1 != share.state.loads:
                raise Overtaken(
                    f"Another orderpull loaded source {share.source!r} into {self.session.where} "
                    "meanwhile; nothing was changed.",
                    "Run again.",
                )

    def _delete(self, keys: set[str]) -> None:
        for delete in DELETES:
            if delete.keys in keys:
                table, column = delete.table.name, delete.column
                if self.session.row != UNNUMBERED and delete.rows:
                    self.session.execute(
                        f"DELETE FROM {table} WHERE rowid IN (SELECT stored_row FROM {delete.rows} "
                        f"SEMI JOIN {delete.keys} USING (source, {column}))"
                    )
                    continue
                self.session.execute(
                    f"DELETE FROM {table} USING {delete.keys} AS k "
                    f"WHERE {table}.source = k.source AND {table}.{column} = k.{column}"
                )
