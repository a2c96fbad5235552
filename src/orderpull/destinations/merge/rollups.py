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
    SUMMARY_DAY,
    SUMMARY_LINE,
    SUMMARY_SKU,
    SUMMARY_STATE,
    SUMMARY_YEAR,
    Table,
)
from orderpull.sqltext import literal

LARGE_QUANTITY = 2**40
"""Pieces: an order or line of so many is a row by itself, so that the other sums fit a BIGINT."""

COMPACT_FROM = 50_000
"""Rows that a table gains, at least, between two compactions."""

_NO_ITEMS = "(SELECT source, ordernumber, sku, quantity FROM order_item WHERE 1 = 0)"

# The lines, and the orders, of one side of a delta: those that a batch adds, or those it deletes.
_LINES = """
SELECT h.source, {day} AS day, coalesce(a.country, '') AS country, i.sku,
       {sign}i.quantity AS quantity, {sign}1 AS orders,
       CASE WHEN i.quantity < {large} THEN '' ELSE h.ordernumber END AS large
FROM {item} AS i
JOIN {header} AS h ON h.source = i.source AND h.ordernumber = i.ordernumber
JOIN {address} AS a ON a.source = i.source AND a.ordernumber = i.ordernumber
WHERE h.counted AND i.quantity > 0{only}"""

_ORDERS = """
SELECT h.source, {day} AS day, coalesce(a.country, '') AS country,
       {sign}1 AS orders, {sign}coalesce(p.one, 0) AS orders_with_items,
       {sign}coalesce(p.quantity, 0) AS quantity,
       CASE WHEN p.quantity >= {large} THEN h.ordernumber ELSE '' END AS large
FROM {header} AS h
JOIN {address} AS a ON a.source = h.source AND a.ordernumber = h.ordernumber
LEFT JOIN (SELECT h.source, h.ordernumber, 1 AS one, sum(h.quantity) AS quantity
           FROM {item} AS h WHERE h.quantity > 0{only} GROUP BY h.source, h.ordernumber) AS p
       ON p.source = h.source AND p.ordernumber = h.ordernumber
WHERE h.counted{only}"""

_NEW_SKUS = """
INSERT INTO summary_sku (sku, sku_number)
SELECT sku, (SELECT coalesce(max(sku_number), 0) FROM summary_sku)
            + row_number() OVER (ORDER BY sku)
FROM (SELECT DISTINCT b.sku FROM delta_sku AS b LEFT JOIN summary_sku AS s ON s.sku = b.sku
      WHERE s.sku IS NULL) AS unseen"""

_ADD_DELTA = (
    """INSERT INTO summary_line (source, day, country, sku_number, quantity, orders)
       SELECT b.source, b.day, b.country, s.sku_number, b.quantity, b.orders
       FROM delta_sku AS b JOIN summary_sku AS s ON s.sku = b.sku ORDER BY b.day""",
    """INSERT INTO summary_year (source, year, country, sku_number, quantity, orders)
       SELECT b.source, extract(year FROM b.day), b.country, s.sku_number, b.quantity, b.orders
       FROM delta_sku AS b JOIN summary_sku AS s ON s.sku = b.sku""",
    """INSERT INTO summary_day (source, day, country, orders, orders_with_items, quantity)
       SELECT source, day, country, orders, orders_with_items, quantity FROM delta_day""",
    """UPDATE summary_state SET day_rows = day_rows + (SELECT count(*) FROM delta_day),
                               year_rows = year_rows + (SELECT count(*) FROM delta_sku)""",
)


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
        first, last = self.execute("SELECT min(ordered_at), max(ordered_at) FROM order_header", [])[
            0
        ]
        day = day_of("h.ordered_at", first, last, self.zone)
        self._add([_side(day, "", "order_", only="")])

    def apply_delta(
        self, source: str, ordered: tuple[datetime | None, datetime | None], *,
        new_orders: bool, new_items: bool, deletes: bool,
    ) -> None:  # fmt: skip
        """Add the orders that a batch writes, and subtract those that it deletes.

        Call it before the batch's rows are written: the deleted orders are still in the tables,
        their numbers in ``to_delete``. The added ones are in ``new_order_header``,
        ``new_order_address`` and ``new_order_item``.

        If another loader has built the rollups with another zone's days, they are rebuilt first.

        :param ordered: the earliest and the latest time of the batch's orders.
        :param new_orders: the batch adds orders. :param new_items: these have items.
        :param deletes: the batch deletes orders.
        """
        if not self.is_current():
            self.rebuild()
        day = day_of("h.ordered_at", *ordered, self.zone)
        sides = []
        if new_orders:
            side = _side(day, "", "new_order_", only="")
            sides.append(side if new_items else side | {"item": _NO_ITEMS})
        if deletes:
            only = (
                f" AND h.source = {literal(source)}"
                " AND h.ordernumber IN (SELECT ordernumber FROM to_delete)"
            )
            sides.append(_side(day, "-", "order_", only))
        if sides:
            self._add(sides)

    def _add(self, sides: list[dict[str, str]]) -> None:
        """Insert the sums over *sides*; sums of zero are left out."""
        lines = " UNION ALL ".join(_LINES.format(**side) for side in sides)
        orders = " UNION ALL ".join(_ORDERS.format(**side) for side in sides)
        by = ("source", "day", "country")
        self._sum(
            "delta_sku", f"({lines}) AS side", (*by, "sku"), ("quantity", "orders"), ", large"
        )
        self._sum("delta_day", f"({orders}) AS side", by, SUMMARY_DAY.names[3:], ", large")
        self.execute(_NEW_SKUS, [])
        for statement in _ADD_DELTA:
            self.execute(statement, [])
        self._drop("delta_sku", "delta_day")
        rows = self.execute(
            "SELECT day_rows, day_folded, year_rows, year_folded FROM summary_state", []
        )
        day_rows, day_folded, year_rows, year_folded = rows[0]
        if day_rows > 2 * day_folded + COMPACT_FROM:
            self._compact(SUMMARY_DAY, ("source", "day", "country"), "day")
        if year_rows > 2 * year_folded + COMPACT_FROM:
            self._compact(SUMMARY_YEAR, ("year", "country", "sku_number", "source"), "year")

    def _compact(self, table: Table, key: tuple[str, ...], prefix: str) -> None:
        """Replace the rows of *table* by their sums, in the order of *key*."""
        small = f"quantity < {LARGE_QUANTITY} AND quantity > -{LARGE_QUANTITY}"
        summed = [name for name in table.names if name not in key]
        self._sum("compacted", f"{table.name} WHERE {small}", key, summed)
        names, order = ", ".join(table.names), ", ".join(key)
        for statement in (
            f"DELETE FROM {table.name} WHERE {small}",
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM compacted ORDER BY {order}",
            f"UPDATE summary_state SET {prefix}_rows = (SELECT count(*) FROM {table.name})",
            f"UPDATE summary_state SET {prefix}_folded = {prefix}_rows",
        ):
            self.execute(statement, [])
        self._drop("compacted")

    def _sum(
        self, name: str, rows: str, by: Sequence[str], columns: Sequence[str], also_by: str = ""
    ) -> None:
        """Make the temporary table *name*: sums of *columns* over *rows*, where one is not zero.

        :param also_by: further expressions of the GROUP BY, which are not selected.
        """
        sums = ", ".join(f"CAST(sum({column}) AS BIGINT) AS {column}" for column in columns)
        some = " OR ".join(f"sum({column}) <> 0" for column in columns)
        keys = ", ".join(by)
        self._drop(name)
        self.execute(
            f"CREATE TEMP TABLE {name} AS SELECT {keys}, {sums} FROM {rows} "
            f"GROUP BY {keys}{also_by} HAVING {some}",
            [],
        )

    def _drop(self, *names: str) -> None:
        for name in names:
            self.execute(f"DROP TABLE IF EXISTS {name}", [])


def _side(day: str, sign: str, prefix: str, only: str) -> dict[str, str]:
    tables = {name: f"{prefix}{name}" for name in ("header", "item", "address")}
    return {**tables, "day": day, "sign": sign, "only": only, "large": str(LARGE_QUANTITY)}


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
