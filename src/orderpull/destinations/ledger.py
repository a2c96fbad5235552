"""The ledger's rows, written in the transaction that writes the orders.

The statements are plain enough for every warehouse; ``?`` marks a value.
"""

from collections.abc import Callable, Sequence
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


def write_run(execute: Execute, record: RunRecord) -> None:
    """Write *record* in place of its stored row."""
    execute("DELETE FROM orderpull_run WHERE run = ? AND source = ?", [record.run, record.source])
    counts = [getattr(record.counts, name) for name in COUNTS]
    row = [
        record.run, record.source, record.command, record.started_at, record.finished_at,
        record.pulled_at, record.pages, *counts, record.possible_loss, record.accepted_rejects,
        record.batches, record.error,
    ]  # fmt: skip
    execute(f"INSERT INTO orderpull_run VALUES ({_marks(row)})", row)


def read_state(execute: Execute, source: str) -> SourceState:
    """The stored state of *source*; the default if no load has written it."""
    rows = execute(
        "SELECT landing, loaded_through, gaps, cursor, loads FROM orderpull_cursor "
        "WHERE source = ?",
        [source],
    )
    if not rows:
        return SourceState()
    landing, loaded_through, gaps, cursor, loads = rows[0]
    pages = msgspec.json.decode(gaps or "[]", type=tuple[int, ...])
    return SourceState(landing, loaded_through, pages, cursor, loads)


def write_state(execute: Execute, source: str, state: SourceState, at: datetime) -> None:
    """Write *state* in place of the stored state of *source*."""
    execute("DELETE FROM orderpull_cursor WHERE source = ?", [source])
    gaps = msgspec.json.encode(state.gaps).decode()
    row = [source, state.landing, state.loaded_through, gaps, state.cursor, at, state.loads]
    execute(f"INSERT INTO orderpull_cursor VALUES ({_marks(row)})", row)


def read_pages(execute: Execute, source: str, first: int = 0) -> set[int]:
    """The loaded pages of *source*, from number *first* on."""
    query = "SELECT page FROM orderpull_page WHERE source = ? AND page >= ?"
    return {int(page) for (page,) in execute(query, [source, first])}


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
            meta.page, parse_time(meta.received_at), meta.sha256, meta.size, meta.state,
            meta.possible_loss,
            *(getattr(plan.per_page[meta.page], name) for name in COUNTS),
        )
        for meta in (batch.pages if batch.counted else ())
    ]  # fmt: skip
    names = ("page", "received_at", "sha256", "bytes", "state", "possible_loss", *COUNTS)
    stage_rows(stage, "loaded_page", LEDGER_PAGE.pick(",".join(names)), rows)


def _marks(row: Sequence[object]) -> str:
    return ", ".join("?" for _ in row)
