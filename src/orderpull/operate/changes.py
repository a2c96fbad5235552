"""Changes: the orders, items and rejects in which a shadow differs from the rows it was made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from orderpull.destinations.copies import COPIES
from orderpull.engine import duckdb
from orderpull.model import (
    LEDGER_REJECT,
    MASKS,
    ORDER_ADDRESS,
    ORDER_HEADER,
    ORDER_ITEM,
    Column,
    Table,
)

EXAMPLES = 3
"""Orders that are shown for each column."""

_NOT_COMPARED = {"source", "loaded_at", "page", "content_hash"}

# The rows of a table as they were (`old`) and as they would be (`new`), side by side, by the id of
# their order: an order may get another number.
_PAIRS = """
CREATE OR REPLACE TEMP TABLE pairs AS
SELECT source, old, new, old.order_id IS NOT NULL AS was, new.order_id IS NOT NULL AS will
FROM ({old}) AS old FULL JOIN ({new}) AS new USING (source, {key})"""
_COUNTS = """
SELECT source, count(*) FILTER (NOT was), count(*) FILTER (NOT will),
       count(*) FILTER (was AND will AND ({differs})), count(*)
FROM pairs GROUP BY source"""
_COLUMN = """
SELECT source, count(*), list({{'order': new.ordernumber, 'before': old.{name}::VARCHAR,
                               'after': new.{name}::VARCHAR}}
                              ORDER BY new.ordernumber, old.{name}, new.{name})[:{examples}]
FROM pairs WHERE was AND will AND old.{name} IS DISTINCT FROM new.{name}
GROUP BY source"""
_REJECTS = f"""
SELECT source, count(*) FILTER (NOT was), count(*) FILTER (NOT will), count(*) FILTER (will),
       list(coalesce(ordernumber, page || ':' || position) ORDER BY page, position)
           FILTER (NOT was)[:{EXAMPLES}]
FROM (SELECT coalesce(new.source, old.source) AS source, old.source IS NOT NULL AS was,
             new.source IS NOT NULL AS will, new.ordernumber, new.page, new.position
      FROM {COPIES}.orderpull_reject AS old FULL JOIN warehouse.orderpull_reject AS new
        ON old.source = new.source AND old.reject_key = new.reject_key)
GROUP BY source"""


@dataclass(slots=True)
class Change:
    """Numbers of rows, or of orders, by what would become of them."""

    inserted: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the object of ``replay --dry-run --json``."""
        return {
            "inserted": self.inserted,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "removed": self.removed,
        }


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column with other values. :param first: order number, value before and after, of some."""

    table: str
    column: str
    differing: int
    first: list[dict[str, str | None]]

    def masked(self) -> "ColumnChange":
        """Return it without values, if they are personal."""
        if self.column not in MASKS.get(self.table, MASKS[LEDGER_REJECT.name]).hidden:
            return self
        hidden = [
            each | {key: "•••" for key in ("before", "after") if each[key] is not None}
            for each in self.first
        ]
        return ColumnChange(self.table, self.column, self.differing, hidden)


@dataclass(slots=True)
class SourceChanges:
    """All changes of one source.

    :param rejected: rejects that would be new. :param cleared: rejects that would be gone.
    :param open_rejects: rejects that would be open. :param first_rejected: order numbers of some
        that would be new, else ``PAGE:POSITION``.
    """

    orders: Change = field(default_factory=Change)
    items: Change = field(default_factory=Change)
    rejected: int = 0
    cleared: int = 0
    open_rejects: int = 0
    first_rejected: list[str] = field(default_factory=list)
    columns: list[ColumnChange] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """True if anything would change."""
        orders, items = self.orders, self.items
        rows = (orders.inserted, orders.changed, orders.removed, items.inserted, items.changed)
        return any((*rows, items.removed, self.rejected, self.cleared, self.columns))

    def as_json(self, *, names: bool) -> dict[str, Any]:
        """Return the object for one source. :param names: with personal values."""
        columns = [column if names else column.masked() for column in self.columns]
        return {
            "orders": self.orders.as_json(),
            "items": self.items.as_json(),
            "rejects": {
                "new": self.rejected,
                "gone": self.cleared,
                "open": self.open_rejects,
                "first": self.first_rejected,
            },
            "columns": [
                {"table": c.table, "column": c.column, "differing": c.differing, "first": c.first}
                for c in columns
            ],
        }


def changes_in(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[str]
) -> dict[str, SourceChanges]:
    """The changes between :data:`COPIES` and ``warehouse`` of *connection*, for each source.

    An order has changed if its header has: the hash in it is made of address and items, too.
    """
    changes = {source: SourceChanges() for source in sources}
    for table in (ORDER_HEADER, ORDER_ADDRESS, ORDER_ITEM):
        connection.execute(_pairs(table))
        for source, change in _counted(connection, table):
            if table is ORDER_HEADER:
                changes[source].orders = change
            elif table is ORDER_ITEM:
                changes[source].items = change
        for column in table.columns:
            if column.name not in _NOT_COMPARED:
                for source, differing in _column_changes(connection, table, column):
                    changes[source].columns.append(differing)
    for source, new, gone, still, first in connection.execute(_REJECTS).fetchall():
        of_source = changes[source]
        of_source.rejected, of_source.cleared, of_source.open_rejects = new, gone, still
        of_source.first_rejected = first or []
    return changes


def _pairs(table: Table) -> str:
    """The statement that makes ``pairs`` of *table*."""
    key = "order_id, sku" if table is ORDER_ITEM else "order_id"
    sides = {}
    for side, database in (("old", COPIES), ("new", "warehouse")):
        rows = f"SELECT t.* FROM {database}.order_header AS t"
        if table is not ORDER_HEADER:
            rows = (
                f"SELECT t.*, h.order_id FROM {database}.{table.name} AS t "
                f"JOIN {database}.order_header AS h USING (source, ordernumber)"
            )
        sides[side] = rows
    return _PAIRS.format(key=key, **sides)


def _counted(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[tuple[str, Change]]:
    """By source, the numbers of rows in ``pairs`` of *table*."""
    names = [c.name for c in table.columns if c.name not in _NOT_COMPARED - {"content_hash"}]
    differs = " OR ".join(f"old.{name} IS DISTINCT FROM new.{name}" for name in names)
    rows = connection.execute(_COUNTS.format(differs=differs)).fetchall()
    for source, inserted, removed, changed, all_rows in rows:
        yield source, Change(inserted, changed, all_rows - inserted - removed - changed, removed)


def _column_changes(
    connection: duckdb.DuckDBPyConnection, table: Table, column: Column
) -> Iterator[tuple[str, ColumnChange]]:
    """By source, the rows of ``pairs`` of *table* that differ in *column*."""
    statement = _COLUMN.format(name=column.name, examples=EXAMPLES)
    for source, differing, first in connection.execute(statement).fetchall():
        yield source, ColumnChange(table.name, column.name, differing, first)
