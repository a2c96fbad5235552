"""Restore orders: replace what a warehouse holds of them by the rows of another DuckDB file.

A :class:`Plan` is a DuckDB file with the numbers to replace. Its orders are written in chunks, each
a transaction under the loaders' lock. The first chunk marks the rollups as outdated; after the last
one they are built anew. Killed in between, the next load builds them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import RunRecord, SourceState
from orderpull.destinations.stage import make_table
from orderpull.errors import Overtaken
from orderpull.failpoints import failpoint
from orderpull.model import DATA_TABLES, LEDGER_REJECT, ORDER_ADDRESS, Table
from orderpull.sqltext import literal, quoted

CHUNK = 50_000
"""Orders of a transaction, at most about."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Orders and rejects to restore.

    :param file: a DuckDB file with ``change`` (ordernumber, chunk from 0), the orders whose rows
        are deleted, and ``reject_change`` (reject_key), the same of rejects.
    :param rows: a DuckDB file with the tables of a warehouse, whose rows take their place.
    :param state: the ledger's state of the source when the plan was made.
    """

    file: Path
    rows: Path
    state: SourceState


def restore(loader: Loader, plan: Plan, record: RunRecord) -> None:
    """Carry out *plan* for the source of *record*.

    :raises Overtaken: another loader has written since the plan was made; nothing was changed.
    """
    with _attached(loader, plan):
        row = loader.stage.execute("SELECT coalesce(max(chunk), -1) FROM plan.change").fetchone()
        last = int(row[0]) if row else -1
        state = plan.state
        ledger.number_runs(loader.session.execute, [record])
        for chunk in range(max(last, 0) + 1):
            if chunk == last or last < 0:
                record.finished_at = clock.now()
            state = _restore_chunk(loader, record, state, chunk, rejects=chunk == max(last, 0))
            failpoint("chunk-restored")
    loader.ensure_rollups()


@contextmanager
def _attached(loader: Loader, plan: Plan) -> Iterator[None]:
    files = {"plan": plan.file, "landed": plan.rows}
    for name, file in files.items():
        loader.stage.execute(f"ATTACH {literal(str(file))} AS {name} (READ_ONLY)")
    try:
        yield
    finally:
        for name in files:
            loader.stage.execute(f"DETACH {name}")


def _restore_chunk(
    loader: Loader, record: RunRecord, state: SourceState, chunk: int, *, rejects: bool
) -> SourceState:
    """Replace the orders of one chunk, with the *rejects* too; return the state afterwards."""
    stage, session, source = loader.stage, loader.session, record.source
    numbers = f"SELECT DISTINCT ordernumber FROM plan.change WHERE chunk = {chunk}"
    make_table(stage, "to_delete", numbers)
    keys = "SELECT reject_key FROM plan.reject_change" + ("" if rejects else " LIMIT 0")
    make_table(stage, "reject_to_delete", keys)
    has_orders = loader.upload_keys("to_delete", ORDER_ADDRESS.pick("ordernumber"))
    has_rejects = loader.upload_keys("reject_to_delete", LEDGER_REJECT.pick("reject_key"))
    rows = loader.upload_rows(_rows(record.run))
    deletes: dict[Table, tuple[str, str]] = {}
    if has_orders:
        deletes |= dict.fromkeys(DATA_TABLES, ("to_delete", "ordernumber"))
    if has_rejects:
        deletes[LEDGER_REJECT] = ("reject_to_delete", "reject_key")
    with session.writing():
        _refuse_overtaken(loader, source, state)
        session.execute("DELETE FROM summary_state")
        for table, (name, column) in deletes.items():
            session.execute(
                f"DELETE FROM {table.name} USING {name} AS k "
                f"WHERE {table.name}.source = ? AND {table.name}.{column} = k.{column}",
                [source],
            )
        failpoint("orders-deleted")
        for table, query in rows.items():
            session.execute(f"INSERT INTO {table.name} ({quoted(table.names)}) {query}")
        record.batches += 1
        after = replace(state, loads=state.loads + 1)
        ledger.write_states(session.execute, {source: after}, clock.now())
        ledger.write_runs(session.execute, [record])
        failpoint("orders-restored")
    return after


def _rows(run: int) -> dict[Table, str]:
    """The query for the new rows of each table."""
    at = f"TIMESTAMP '{clock.now():%Y-%m-%d %H:%M:%S.%f}'"
    values = {"loaded_at": at, "rejected_at": at, "run": f"{run}::BIGINT"}
    keys = dict.fromkeys(DATA_TABLES, ("to_delete", "ordernumber"))
    keys[LEDGER_REJECT] = ("reject_to_delete", "reject_key")
    queries = {}
    for table, (name, column) in keys.items():
        own = () if table is ORDER_ADDRESS else values
        columns = ", ".join(f"{values[c]} AS {c}" if c in own else f't."{c}"' for c in table.names)
        queries[table] = (
            f"SELECT {columns} FROM landed.{table.name} AS t SEMI JOIN {name} USING ({column})"
        )
    return queries


def _refuse_overtaken(loader: Loader, source: str, state: SourceState) -> None:
    if loader.state(source).loads != state.loads:
        raise Overtaken(
            f"Another orderpull loaded source {source!r} into {loader.session.where} meanwhile; "
            "nothing more was repaired.",
            "Run the same command again.",
        )
