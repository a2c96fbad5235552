"""The ledger's rows, written in the data's own transaction.

The SQL is plain enough for DuckDB and PostgreSQL; ``reject``, ``standing`` and ``staged_order`` are
the stage's tables (``verdict.py``).
"""

from datetime import datetime

import duckdb
import msgspec

from orderpull.destinations.protocol import Batch, Judged, Reject, RunRecord, SourceState
from orderpull.model import COUNTS, LEDGER_PAGE, LEDGER_REJECT
from orderpull.sources.times import parse_time


def write_run(connection: duckdb.DuckDBPyConnection, record: RunRecord) -> None:
    """Write *record* over what stands of it."""
    connection.execute(
        "DELETE FROM orderpull_run WHERE run = ? AND source = ?", [record.run, record.source]
    )
    counts = [getattr(record.counts, name) for name in COUNTS]
    row = [
        record.run, record.source, record.command, record.started_at, record.finished_at,
        record.pulled_at, record.pages, *counts, record.possible_loss, record.accepted_rejects,
        record.batches, record.error,
    ]  # fmt: skip
    connection.execute(f"INSERT INTO orderpull_run VALUES ({_marks(row)})", row)


def write_state(
    connection: duckdb.DuckDBPyConnection, source: str, state: SourceState, at: datetime
) -> None:
    """Write what is known of *source* over what stands of it."""
    connection.execute("DELETE FROM orderpull_cursor WHERE source = ?", [source])
    gaps = msgspec.json.encode(state.gaps).decode()
    row = [source, state.landing, state.loaded_through, gaps, state.cursor, at]
    connection.execute(f"INSERT INTO orderpull_cursor VALUES ({_marks(row)})", row)


def write_pages(
    connection: duckdb.DuckDBPyConnection, batch: Batch, judged: Judged, at: datetime
) -> None:
    """Write a row for each page of *batch*."""
    rows = [
        [
            batch.source, meta.page, batch.record.run, parse_time(meta.received_at), at,
            meta.sha256, meta.size, meta.state, meta.possible_loss,
            *(getattr(judged.per_page[meta.page], name) for name in COUNTS),
        ]
        for meta in batch.pages
    ]  # fmt: skip
    connection.executemany(f"INSERT INTO orderpull_page VALUES ({_marks(LEDGER_PAGE.names)})", rows)


def write_rejects(connection: duckdb.DuckDBPyConnection, batch: Batch, at: datetime) -> None:
    """Take out the rejects that have loaded since, and write those of *batch*.

    A reject has loaded when its own text was shaped now, or when a version of its order stands
    that came later in the landing. The same bad order met again is one row: its latest.
    """
    source = batch.source
    connection.execute(
        """DELETE FROM orderpull_reject AS r USING standing AS s
           WHERE r.source = ? AND (s.page, s.position) >= (r.page, r.position)
             AND (r.order_id = s.order_id
                  OR (r.order_id IS NULL AND r.ordernumber = s.ordernumber))""",
        [source],
    )
    connection.execute(
        """DELETE FROM orderpull_reject AS r USING staged_order AS o
           WHERE r.source = ? AND r.page = o.page AND r.position = o.position
             AND r.reason <> 'number_reused'""",
        [source],
    )
    connection.execute(
        """DELETE FROM reject USING orderpull_reject AS r
           WHERE r.source = ? AND reject.reject_key = r.reject_key
             AND (r.page, r.position) > (reject.page, reject.position)""",
        [source],
    )
    connection.execute(
        """DELETE FROM orderpull_reject AS r USING reject
           WHERE r.source = ? AND r.reject_key = reject.reject_key""",
        [source],
    )
    connection.execute(
        f"""INSERT INTO orderpull_reject SELECT {", ".join(LEDGER_REJECT.names)} FROM (
                SELECT *, ? AS source, ? AS run, ? AS rejected_at FROM reject)""",
        [source, batch.record.run, at],
    )


def read_rejects(connection: duckdb.DuckDBPyConnection, source: str | None) -> list[Reject]:
    """The open rejects of *source*, or of all."""
    rows = connection.execute(
        f"""SELECT {", ".join(LEDGER_REJECT.names)} FROM orderpull_reject
            WHERE $1 IS NULL OR source = $1 ORDER BY source, page, position""",
        [source],
    ).fetchall()
    return [Reject(*row) for row in rows]


def _marks(row: object) -> str:
    return ", ".join("?" for _ in row)  # type: ignore[attr-defined]
