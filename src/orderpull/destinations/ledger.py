"""The ledger's rows, written in the transaction that writes the orders.

The statements are plain enough for every warehouse; ``?`` marks a value.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from orderpull.destinations.protocol import (
    Batch,
    MergePlan,
    Reject,
    RunRecord,
    SourceState,
)
from orderpull.destinations.stage import stage_rows
from orderpull.engine import duckdb
from orderpull.model import COUNTS, LEDGER_PAGE, LEDGER_REJECT
from orderpull.sources.spec.times import parse_time
from orderpull.sqltext import quoted

Rows = list[tuple[Any, ...]]
Execute = Callable[[str, Sequence[Any]], Rows]
"""Runs one statement with its values in the warehouse; returns its rows, if it has any."""


def next_run(execute: Execute) -> int:
    """The number of the next run."""
    return int(execute("SELECT coalesce(max(run), 0) + 1 FROM orderpull_run", [])[0][0])


def number_runs(execute: Execute, records: Iterable[RunRecord]) -> None:
    """Number the runs of *records*, except those with a number."""
    unnumbered = [record for record in records if not record.run]
    for run, record in enumerate(unnumbered, next_run(execute) if unnumbered else 0):
        record.run = run


def write_runs(execute: Execute, records: Sequence[RunRecord]) -> None:
    """Write *records* in place of their stored rows."""
    keys = " OR ".join("run = ? AND source = ?" for _ in records)
    values = [value for record in records for value in (record.run, record.source)]
    execute(f"DELETE FROM orderpull_run WHERE {keys}", values)
    rows = [
        [
            record.run, record.source, record.command, record.started_at, record.finished_at,
            record.pulled_at, record.pages, *(getattr(record.counts, name) for name in COUNTS),
            record.possible_loss, record.accepted_rejects, record.batches, record.error,
        ]
        for record in records
    ]  # fmt: skip
    _insert(execute, "orderpull_run", rows)


def read_state(execute: Execute, source: str) -> SourceState:
    """The stored state of *source*; the default if no load has written it."""
    return read_states(execute, [source])[source]


def read_states(execute: Execute, sources: Sequence[str]) -> dict[str, SourceState]:
    """The stored state of each of *sources*; the default if no load has written it."""
    rows = execute(
        "SELECT source, landing, loaded_through, gaps, cursor, loads, refill_from, refill_to "
        "FROM orderpull_cursor "
        f"WHERE source IN ({_marks(sources)})",
        sources,
    )
    states = dict.fromkeys(sources, SourceState())
    for source, landing, loaded_through, gaps, cursor, loads, first, last in rows:
        pages = msgspec.json.decode(gaps or "[]", type=tuple[int, ...])
        refill = None if first is None or last is None else (int(first), int(last))
        states[source] = SourceState(landing, loaded_through, pages, cursor, loads, refill)
    return states


def write_states(execute: Execute, states: Mapping[str, SourceState], at: datetime) -> None:
    """Write *states* in place of the stored states of their sources."""
    execute(f"DELETE FROM orderpull_cursor WHERE source IN ({_marks(states)})", list(states))
    rows = [
        [source, state.landing, state.loaded_through, msgspec.json.encode(state.gaps).decode(),
         state.cursor, at, state.loads, *(state.refill or (None, None))]
        for source, state in states.items()
    ]  # fmt: skip
    _insert(execute, "orderpull_cursor", rows)


def read_pages(execute: Execute, source: str, first: int = 0) -> set[int]:
    """The loaded pages of *source*, from number *first* on."""
    query = "SELECT page FROM orderpull_page WHERE source = ? AND page >= ?"
    return {int(page) for (page,) in execute(query, [source, first])}


def read_old_pages(execute: Execute, source: str, before: datetime, first: int) -> list[int]:
    """The loaded pages of *source* from *first* on that were received *before* a time, ascending.

    Pages that a reject needs are left out.
    """
    rows = execute(
        "SELECT page FROM orderpull_page WHERE source = ? AND received_at < ? AND page >= ? "
        "AND page NOT IN (SELECT page FROM orderpull_reject WHERE source = ?) ORDER BY page",
        [source, before, first, source],
    )
    return [int(page) for (page,) in rows]


def read_rejects(execute: Execute, source: str | None, reason: str | None) -> list[Reject]:
    """The open rejects of *source*, or of all; of *reason*, or of any."""
    filters = [(name, value) for name, value in (("source", source), ("reason", reason)) if value]
    where = " AND ".join(f"{name} = ?" for name, _ in filters) or "1 = 1"
    rows = execute(
        f"SELECT {quoted(LEDGER_REJECT.names)} FROM orderpull_reject WHERE {where} "
        "ORDER BY source, page, position",
        [value for _, value in filters],
    )
    return [Reject(*row) for row in rows]


def stage_pages(stage: duckdb.DuckDBPyConnection, batch: Batch, plan: MergePlan) -> None:
    """Make ``loaded_page``: a row for each page of *batch* that is new to the ledger."""
    rows = [
        (
            share.source, share.record.run, meta.page, parse_time(meta.received_at), meta.sha256,
            meta.size, meta.state, meta.possible_loss,
            *(getattr(plan.per_page[share.source, meta.page], name) for name in COUNTS),
        )
        for share in (batch.shares if batch.counted else ())
        for meta in share.pages
    ]  # fmt: skip
    names = (
        "source",
        "run",
        "page",
        "received_at",
        "sha256",
        "bytes",
        "state",
        "possible_loss",
        *COUNTS,
    )
    stage_rows(stage, "loaded_page", LEDGER_PAGE.pick(",".join(names)), rows)


def stage_runs(stage: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Make ``batch_run``: source and number of the run of each share of *batch*."""
    rows = [(share.source, share.record.run) for share in batch.shares]
    stage_rows(stage, "batch_run", LEDGER_PAGE.pick("source, run"), rows)


def _insert(execute: Execute, table: str, rows: Sequence[Sequence[Any]]) -> None:
    values = ", ".join(f"({_marks(row)})" for row in rows)
    execute(f"INSERT INTO {table} VALUES {values}", [value for row in rows for value in row])


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" for _ in values)
