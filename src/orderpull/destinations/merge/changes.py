"""The rows that a merged batch deletes from a warehouse's tables, and the rows that it inserts.

Keys of rows to delete (:data:`DELETES`) are temporary tables of the stage, new rows are queries
(:func:`insert_queries`). The loader uploads both and applies them in one transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orderpull.destinations.protocol import MergePlan
from orderpull.engine import duckdb
from orderpull.model import (
    LEDGER_PAGE,
    LEDGER_REJECT,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the rows of *table* whose source and *column* are in the table *keys*.

    :param keys: a temporary table of the stage.
    :param rows: the table of the stage that has these rows' ``stored_row``, if there is one.
    """

    table: Table
    keys: str
    column: str
    rows: str = ""


DELETES = (
    Delete(ORDER_ADDRESS, "to_delete", "ordernumber", "old_address"),
    Delete(ORDER_ITEM, "to_delete", "ordernumber", "old_item"),
    Delete(ORDER_HEADER, "to_delete", "ordernumber", "stored_order"),
    Delete(ORDER_HEADER, "to_touch", "ordernumber", "stored_order"),
    Delete(LEDGER_REJECT, "reject_to_delete", "reject_key"),
)

# New rows of each table, in the order of writing; {at} is a literal.
_ROWS = {
    ORDER_ADDRESS: "FROM to_write",
    ORDER_ITEM: """SELECT source, ordernumber, unnest(item)
                   FROM (SELECT source, ordernumber, unnest(items) AS item FROM to_write)""",
    ORDER_HEADER: """SELECT *, {at} AS loaded_at FROM to_write{touched}""",
    LEDGER_PAGE: """SELECT *, {at} AS loaded_at FROM loaded_page""",
    LEDGER_REJECT: """SELECT *, {at} AS rejected_at FROM reject JOIN batch_run USING (source)""",
}
_TOUCHED = " UNION ALL BY NAME FROM to_touch"

# Keys that are written twice, or are written beside a stored row that stays.
_REPEATED = """SELECT count(DISTINCT (source, ordernumber)) FROM (
    SELECT {key} FROM (
        SELECT {key} FROM {written}
        UNION ALL SELECT {key} FROM {old} SEMI JOIN to_write USING (source, ordernumber){but})
    GROUP BY {key} HAVING count(*) > 1)"""
_BUT_DELETED = " ANTI JOIN to_delete USING (source, ordernumber)"
_KEYS = {
    ORDER_ADDRESS: ("source, ordernumber", "to_write", "old_address"),
    ORDER_ITEM: (
        "source, ordernumber, sku",
        "(SELECT source, ordernumber, unnest(items).sku AS sku FROM to_write)",
        "old_item",
    ),
    ORDER_HEADER: ("source, ordernumber", "to_write", "stored_order"),
}


def repeated_queries(*, deletes: bool) -> dict[Table, str]:
    """The query that counts the orders that a table would hold twice.

    :param deletes: the batch deletes orders.
    """
    but = _BUT_DELETED if deletes else ""
    return {
        table: _REPEATED.format(key=key, written=written, old=old, but=but)
        for table, (key, written, old) in _KEYS.items()
    }


def ordered_between(
    stage: duckdb.DuckDBPyConnection, plan: MergePlan
) -> tuple[datetime | None, datetime | None]:
    """The earliest and the latest ``ordered_at`` of the orders that *plan* writes and deletes."""
    stored = " UNION ALL SELECT ordered_at FROM stored_order" if plan.deletes else ""
    row = stage.execute(
        f"""SELECT min(ordered_at), max(ordered_at)
            FROM (SELECT ordered_at FROM to_write{stored})"""
    ).fetchone()
    return row or (None, None)


def insert_queries(at: datetime, limits: Mapping[str, int], *, touches: bool) -> dict[Table, str]:
    """The query for the new rows of each table, with all columns in their order.

    :param touches: the batch has orders in ``to_touch``.
    :param limits: bytes that columns hold. Texts of the ledger are cut to them; texts of an order
        never are, because an order with a longer text was rejected.
    """
    literals = {
        "at": f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}'",
        "touched": _TOUCHED if touches else "",
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
