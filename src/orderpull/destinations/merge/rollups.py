"""Rollups: sums by day, country and SKU, written in the transaction that writes the orders.

A load inserts rows for the orders that it adds and, with the sign turned, for those it deletes; it
updates no row in place. So the sums are exact at each commit. Now and then a small table is
compacted: its rows are replaced by their sums.

The statements are plain enough for every warehouse. The tables are called ``summary_*``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from orderpull.days import offsets
from orderpull.destinations.ledger import Execute
from orderpull.model import (
    NO_DAY,
    ORDER_ITEM,
    SUMMARY_DAY,
    SUMMARY_LINE,
    SUMMARY_SKU,
    SUMMARY_STATE,
    SUMMARY_YEAR,
    Column,
    Table,
)

LARGE_QUANTITY = 2**40
"""Pieces: an order or line of so many is a row by itself, so that the other sums fit a BIGINT."""

COMPACT_FROM = 50_000
"""Rows that a table gains, at least, between two compactions."""

# All lines, and all orders, of the warehouse.
_LINES = """
SELECT h.source, {day} AS day, coalesce(a.country, '') AS country, i.sku, i.quantity, 1 AS orders,
       CASE WHEN i.quantity < {large} THEN '' ELSE h.ordernumber END AS large
FROM order_item AS i
JOIN order_header AS h ON h.source = i.source AND h.ordernumber = i.ordernumber
JOIN order_address AS a ON a.source = i.source AND a.ordernumber = i.ordernumber
WHERE h.counted AND i.quantity > 0"""
_ORDERS = """
SELECT h.source, {day} AS day, coalesce(a.country, '') AS country, 1 AS orders,
       coalesce(p.one, 0) AS orders_with_items, coalesce(p.quantity, 0) AS quantity,
       CASE WHEN p.quantity >= {large} THEN h.ordernumber ELSE '' END AS large
FROM order_header AS h
JOIN order_address AS a ON a.source = h.source AND a.ordernumber = h.ordernumber
LEFT JOIN (SELECT source, ordernumber, 1 AS one, sum(quantity) AS quantity
           FROM order_item WHERE quantity > 0 GROUP BY source, ordernumber) AS p
       ON p.source = h.source AND p.ordernumber = h.ordernumber
WHERE h.counted"""

# The same of a batch in the stage: what it writes, and with the sign turned what it deletes.
_NEW_LINES = """
SELECT source, day, country, item.sku AS sku, item.quantity AS quantity, 1 AS orders,
       CASE WHEN item.quantity < {large} THEN '' ELSE ordernumber END AS large
FROM (SELECT source, {day} AS day, coalesce(country, '') AS country, ordernumber,
             unnest(items) AS item
      FROM to_write AS h WHERE counted) WHERE item.quantity > 0"""
_NEW_ORDERS = """
SELECT source, {day} AS day, coalesce(country, '') AS country, 1 AS orders,
       CASE WHEN item_quantity > 0 THEN 1 ELSE 0 END AS orders_with_items,
       item_quantity AS quantity,
       CASE WHEN item_quantity < {large} THEN '' ELSE ordernumber END AS large
FROM to_write AS h WHERE counted"""
_OLD = """stored_order AS h SEMI JOIN to_delete USING (source, ordernumber)
JOIN old_address AS a USING (source, ordernumber)"""
_OLD_LINES = f"""
SELECT h.source, {{day}}, coalesce(a.country, ''), i.sku, -i.quantity, -1,
       CASE WHEN i.quantity < {{large}} THEN '' ELSE ordernumber END
FROM {_OLD} JOIN old_item AS i USING (source, ordernumber) WHERE h.counted AND i.quantity > 0"""
_OLD_ORDERS = f"""
SELECT h.source, {{day}}, coalesce(a.country, ''), -1,
       CASE WHEN item_quantity > 0 THEN -1 ELSE 0 END, -item_quantity,
       CASE WHEN item_quantity < {{large}} THEN '' ELSE ordernumber END
FROM {_OLD} WHERE h.counted"""

_BY = SUMMARY_DAY.names[:3]
_SKU_DELTA = (*SUMMARY_LINE.pick("source, day, country"), *ORDER_ITEM.pick("sku, quantity"),
              *SUMMARY_LINE.pick("orders"))  # fmt: skip

_ADD_LINES = (
    """INSERT INTO summary_sku (sku, sku_number)
       SELECT sku, (SELECT coalesce(max(sku_number), 0) FROM summary_sku)
                   + row_number() OVER (ORDER BY sku)
       FROM (SELECT DISTINCT b.sku FROM {0} AS b LEFT JOIN summary_sku AS s ON s.sku = b.sku
             WHERE s.sku IS NULL) AS unseen""",
    """INSERT INTO summary_line (source, day, country, sku_number, quantity, orders)
       SELECT b.source, b.day, b.country, s.sku_number, b.quantity, b.orders
       FROM {0} AS b JOIN summary_sku AS s ON s.sku = b.sku ORDER BY b.day""",
    """INSERT INTO summary_year (source, year, country, sku_number, quantity, orders)
       SELECT b.source, extract(year FROM b.day), b.country, s.sku_number, b.quantity, b.orders
       FROM {0} AS b JOIN summary_sku AS s ON s.sku = b.sku""",
)
_ADD_ORDERS = """INSERT INTO summary_day
    (source, day, country, orders, orders_with_items, quantity)
SELECT source, day, country, orders, orders_with_items, quantity FROM {0}"""
_STATE = "SELECT timezone, day_rows, day_folded, year_rows, year_folded FROM summary_state"


def delta_queries(
    ordered: tuple[datetime | None, datetime | None], zone: ZoneInfo, *, deletes: bool
) -> dict[str, tuple[Sequence[Column], str]]:
    """Columns and query of ``delta_sku`` and ``delta_day``: what a batch adds to the rollups.

    :param ordered: the earliest and the latest time of the batch's orders.
    :param deletes: the batch deletes orders.
    """
    day = day_of("h.ordered_at", *ordered, zone)
    values = {"day": day, "large": LARGE_QUANTITY}
    lines = " UNION ALL ".join([_NEW_LINES, *([_OLD_LINES] if deletes else [])])
    orders = " UNION ALL ".join([_NEW_ORDERS, *([_OLD_ORDERS] if deletes else [])])
    return {
        "delta_sku": (_SKU_DELTA, _sums(f"({lines.format(**values)})", (*_BY, "sku"),
                                        ("quantity", "orders"), ", large")),
        "delta_day": (SUMMARY_DAY.columns, _sums(f"({orders.format(**values)})", _BY,
                                                 SUMMARY_DAY.names[3:], ", large")),
    }  # fmt: skip


def all_rows(execute: Execute, zone: ZoneInfo) -> tuple[str, str]:
    """The queries for all counted lines, and all counted orders, of a warehouse, by day in *zone*.

    Their last column keeps apart what is too large to be summed with others.
    """
    first, last = execute("SELECT min(ordered_at), max(ordered_at) FROM order_header", [])[0]
    values = {"day": day_of("h.ordered_at", first, last, zone), "large": LARGE_QUANTITY}
    return _LINES.format(**values), _ORDERS.format(**values)


@dataclass(eq=False)
class RollupWriter:
    """Writes the rollups of one warehouse; a day is a day in *zone*.

    :param execute: runs a statement in the transaction that the caller holds.
    """

    execute: Execute
    zone: ZoneInfo

    def is_current(self) -> bool:
        """True if there are rollups, with the days of the zone."""
        return self.execute("SELECT timezone FROM summary_state", []) == [(self.zone.key,)]

    def rebuild(self) -> None:
        """Build the rollups from all orders."""
        for table in (SUMMARY_LINE, SUMMARY_YEAR, SUMMARY_DAY, SUMMARY_SKU, SUMMARY_STATE):
            self.execute(f"DELETE FROM {table.name}", [])
        self.execute("INSERT INTO summary_state VALUES (?, 0, 0, 0, 0)", [self.zone.key])
        lines, orders = (f"({rows}) AS every" for rows in all_rows(self.execute, self.zone))
        by_sku = _sums(lines, (*_BY, "sku"), ("quantity", "orders"), ", large")
        self._make("every_sku", by_sku)
        self._make("every_day", _sums(orders, _BY, SUMMARY_DAY.names[3:], ", large"))
        by_sku, by_day = (
            self.execute(f"SELECT count(*) FROM {name}", [])[0][0]
            for name in ("every_sku", "every_day")
        )
        self.apply_delta(by_sku, by_day, "every")
        self._drop("every_sku", "every_day")

    def apply_delta(self, by_sku: int, by_day: int, name: str = "delta") -> None:
        """Add the rows of the temporary tables ``delta_sku`` and ``delta_day``.

        If another loader has built the rollups with another zone's days, they are rebuilt first.

        :param by_sku: number of rows of ``delta_sku``. :param by_day: the same of ``delta_day``.
        :param name: prefix of the tables' names.
        """
        if not by_sku and not by_day:
            return
        state = self.execute(_STATE, [])
        if not state or state[0][0] != self.zone.key:
            self.rebuild()
            state = self.execute(_STATE, [])
        if by_sku:
            for statement in _ADD_LINES:
                self.execute(statement.format(f"{name}_sku"), [])
        if by_day:
            self.execute(_ADD_ORDERS.format(f"{name}_day"), [])
        _, day_rows, day_folded, year_rows, year_folded = state[0]
        day_rows, year_rows = day_rows + by_day, year_rows + by_sku
        self.execute("UPDATE summary_state SET day_rows = ?, year_rows = ?", [day_rows, year_rows])
        if day_rows > 2 * day_folded + COMPACT_FROM:
            self._compact(SUMMARY_DAY, _BY, "day")
        if year_rows > 2 * year_folded + COMPACT_FROM:
            self._compact(SUMMARY_YEAR, ("year", "country", "sku_number", "source"), "year")

    def _compact(self, table: Table, key: tuple[str, ...], prefix: str) -> None:
        """Replace the rows of *table* by their sums, in the order of *key*."""
        small = f"quantity < {LARGE_QUANTITY} AND quantity > -{LARGE_QUANTITY}"
        summed = [name for name in table.names if name not in key]
        self._make("compacted", _sums(f"{table.name} WHERE {small}", key, summed))
        names, order = ", ".join(table.names), ", ".join(key)
        for statement in (
            f"DELETE FROM {table.name} WHERE {small}",
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM compacted ORDER BY {order}",
            f"UPDATE summary_state SET {prefix}_rows = (SELECT count(*) FROM {table.name})",
            f"UPDATE summary_state SET {prefix}_folded = {prefix}_rows",
        ):
            self.execute(statement, [])
        self._drop("compacted")

    def _make(self, name: str, query: str) -> None:
        self._drop(name)
        self.execute(f"CREATE TEMP TABLE {name} AS {query}", [])

    def _drop(self, *names: str) -> None:
        for name in names:
            self.execute(f"DROP TABLE IF EXISTS {name}", [])


def _sums(rows: str, by: Sequence[str], columns: Sequence[str], also_by: str = "") -> str:
    """SQL of the sums of *columns* over *rows*, where one is not zero.

    :param also_by: further expressions of the GROUP BY, which are not selected.
    """
    sums = ", ".join(f"CAST(sum({column}) AS BIGINT) AS {column}" for column in columns)
    some = " OR ".join(f"sum({column}) <> 0" for column in columns)
    keys = ", ".join(by)
    return f"SELECT {keys}, {sums} FROM {rows} GROUP BY {keys}{also_by} HAVING {some}"


def day_of(column: str, first: datetime | None, last: datetime | None, zone: ZoneInfo) -> str:
    """SQL of the day in *zone* of *column*, a time in UTC; ``NO_DAY`` for NULL.

    :param first: the earliest time in the column. :param last: the latest.
    """
    if first is None or last is None:
        return f"DATE '{NO_DAY}'"
    changes = offsets(first, last, zone)
    local = f"{column} + INTERVAL '{changes[0][1]} seconds'"
    if len(changes) > 1:
        cases = " ".join(
            f"WHEN {column} >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}' "
            f"THEN {column} + INTERVAL '{east} seconds'"
            for since, east in reversed(changes[1:])
        )
        local = f"CASE {cases} ELSE {local} END"
    return f"coalesce(CAST({local} AS DATE), DATE '{NO_DAY}')"
