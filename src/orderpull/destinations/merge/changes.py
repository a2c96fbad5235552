"""The rows that a merged batch deletes from a warehouse's tables, and the rows that it inserts.

Keys of rows to delete (:data:`DELETES`) are temporary tables of the stage, new rows are queries
(:func:`insert_queries`). The loader uploads both and applies them in one transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from orderpull.model import (
    LEDGER_PAGE,
    LEDGER_REJECT,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)
from orderpull.sqltext import literal


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the rows of *table*, of the batch's source, whose *column* is in the table *keys*.

    :param keys: a temporary table of the stage.
    """

    table: Table
    keys: str
    column: str


DELETES = (
    Delete(ORDER_ADDRESS, "to_delete", "ordernumber"),
    Delete(ORDER_ITEM, "to_delete", "ordernumber"),
    Delete(ORDER_HEADER, "to_delete", "ordernumber"),
    Delete(ORDER_HEADER, "to_touch", "ordernumber"),
    Delete(LEDGER_REJECT, "reject_to_delete", "reject_key"),
)

# New rows of each table, in the order of writing; {source}, {run} and {at} are literals.
_ROWS = {
    ORDER_ADDRESS: "SELECT *, {source} AS source FROM to_write",
    ORDER_ITEM: """SELECT ordernumber, item.sku AS sku, item.quantity AS quantity,
                          {source} AS source
                   FROM (SELECT ordernumber, unnest(items) AS item FROM to_write)""",
    ORDER_HEADER: """SELECT *, {source} AS source, {at} AS loaded_at FROM to_write
                     UNION ALL BY NAME SELECT *, {source} AS source FROM to_touch""",
    LEDGER_PAGE: """SELECT *, {source} AS source, {run} AS run, {at} AS loaded_at
                    FROM loaded_page""",
    LEDGER_REJECT: """SELECT *, {source} AS source, {run} AS run, {at} AS rejected_at
                      FROM reject""",
}


def ordered_between(stage: duckdb.DuckDBPyConnection) -> tuple[datetime | None, datetime | None]:
    """The earliest and the latest ``ordered_at`` of the batch's orders, new and stored."""
    row = stage.execute(
        """SELECT min(ordered_at), max(ordered_at)
           FROM (SELECT ordered_at FROM to_write UNION ALL SELECT ordered_at FROM stored_order)"""
    ).fetchone()
    return row or (None, None)


def insert_queries(
    source: str, run: int, at: datetime, limits: Mapping[str, int]
) -> dict[Table, str]:
    """The query for the new rows of each table, with all columns in their order.

    :param limits: bytes that columns hold. Texts of the ledger are cut to them; texts of an order
        never are, because an order with a longer text was rejected.
    """
    literals = {
        "source": literal(source),
        "run": f"{run}::BIGINT",
        "at": f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'",
    }
    return {
        table: f"SELECT {_columns(table, limits)} FROM ({rows.format(**literals)})"
        for table, rows in _ROWS.items()
    }


def _columns(table: Table, limits: Mapping[str, int]) -> str:
    cut = limits if table is LEDGER_REJECT else {}
    return ", ".join(_column(column, cut.get(column.name)) for column in table.columns)


def _column(column: Column, limit: int | None) -> str:
    if limit is None:
        return column.name
    # A character has four bytes at most, so no character is cut in two.
    short = f"CASE WHEN strlen({column.name}) <= {limit} THEN {column.name} "
    return f"{short} ELSE left({column.name}, {limit // 4}) END AS {column.name}"
