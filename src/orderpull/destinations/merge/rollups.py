"""The summaries: what was sold by day, country and SKU, kept in the data's own transaction.

A load adds rows for what it brings and, with the sign turned, for what it takes out; nothing is
changed in place. So sums are exact at each commit, whatever came again, changed or went. Now and
then the rows of a small table are summed up, so that they stay few.

The statements are plain enough for every warehouse.
"""

from collections.abc import Iterator
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

LARGE = 2**40
"""From so many pieces on, an order is a row by itself: sums of what is below fit a BIGINT."""

FOLD_FROM = 50_000
"""Rows: a smaller table is not summed up again."""

_NO_ITEMS = "(SELECT source, ordernumber, sku, quantity FROM order_item WHERE 1 = 0)"

# What one side - the orders that come, or those that go - holds, line by line and order by order.
_LINES = """
SELECT h.source, {day} AS day, coalesce(a.country, '') AS country, i.sku,
       {sign}i.quantity AS quantity, {sign}1 AS orders,
       CASE WHEN i.quantity < {large} THEN '' ELSE h.ordernumber END AS large
FROM {item} AS i
JOIN {header} AS h ON h.source = i.source AND h.ordernumber = i.ordernumber
JOIN {address} AS a ON a.source = i.source AND a.ordernumber = i.ordernumber
WHERE h.counted{which}"""

_ORDERS = """
SELECT h.source, {day} AS day, coalesce(a.country, '') AS country,
       {sign}1 AS orders, {sign}coalesce(p.one, 0) AS orders_with_items,
       {sign}coalesce(p.quantity, 0) AS quantity,
       CASE WHEN p.quantity >= {large} THEN h.ordernumber ELSE '' END AS large
FROM {header} AS h
JOIN {address} AS a ON a.source = h.source AND a.ordernumber = h.ordernumber
LEFT JOIN (SELECT h.source, h.ordernumber, 1 AS one, sum(h.quantity) AS quantity
           FROM {item} AS h WHERE 1 = 1{which} GROUP BY h.source, h.ordernumber) AS p
       ON p.source = h.source AND p.ordernumber = h.ordernumber
WHERE h.counted{which}"""

_BOOKED = """
CREATE TEMP TABLE booked AS
SELECT source, day, country, sku, CAST(sum(quantity) AS BIGINT) AS quantity,
       CAST(sum(orders) AS BIGINT) AS orders
FROM ({sides}) AS side GROUP BY source, day, country, sku, large
HAVING sum(quantity) <> 0 OR sum(orders) <> 0"""

_BOOKED_DAY = """
CREATE TEMP TABLE booked_day AS
SELECT source, day, country, CAST(sum(orders) AS BIGINT) AS orders,
       CAST(sum(orders_with_items) AS BIGINT) AS orders_with_items,
       CAST(sum(quantity) AS BIGINT) AS quantity
FROM ({sides}) AS side GROUP BY source, day, country, large
HAVING sum(quantity) <> 0 OR sum(orders) <> 0 OR sum(orders_with_items) <> 0"""

_NEW_SKUS = """
INSERT INTO summary_sku (sku, sku_number)
SELECT sku, (SELECT coalesce(max(sku_number), 0) FROM summary_sku)
            + row_number() OVER (ORDER BY sku)
FROM (SELECT DISTINCT b.sku FROM booked AS b LEFT JOIN summary_sku AS s ON s.sku = b.sku
      WHERE s.sku IS NULL) AS news"""

_ADD = (
    """INSERT INTO summary_line (source, day, country, sku_number, quantity, orders)
       SELECT b.source, b.day, b.country, s.sku_number, b.quantity, b.orders
       FROM booked AS b JOIN summary_sku AS s ON s.sku = b.sku ORDER BY b.day""",
    """INSERT INTO summary_year (source, year, country, sku_number, quantity, orders)
       SELECT b.source, extract(year FROM b.day), b.country, s.sku_number, b.quantity, b.orders
       FROM booked AS b JOIN summary_sku AS s ON s.sku = b.sku""",
    """INSERT INTO summary_day (source, day, country, orders, orders_with_items, quantity)
       SELECT source, day, country, orders, orders_with_items, quantity FROM booked_day""",
    """UPDATE summary_state SET day_rows = day_rows + (SELECT count(*) FROM booked_day),
                               year_rows = year_rows + (SELECT count(*) FROM booked)""",
)


class Summaries:
    """The summaries of one warehouse, whose days are those of *zone*.

    :param execute: runs a statement in the transaction that the caller holds.
    """

    def __init__(self, execute: Execute, zone: ZoneInfo) -> None:
        self._execute = execute
        self._zone = zone

    def current(self) -> bool:
        """Whether there are summaries, with the days of the zone."""
        rows = self._execute("SELECT timezone FROM summary_state", [])
        return rows == [(self._zone.key,)]

    def make(self) -> None:
        """Make them anew, from all orders."""
        for table in (SUMMARY_LINE, SUMMARY_YEAR, SUMMARY_DAY, SUMMARY_SKU, SUMMARY_STATE):
            self._execute(f"DELETE FROM {table.name}", [])
        self._execute("INSERT INTO summary_state VALUES (?, 0, 0, 0, 0)", [self._zone.key])
        first, last = self._execute(
            "SELECT min(ordered_at), max(ordered_at) FROM order_header", []
        )[0]
        day = day_of("h.ordered_at", first, last, self._zone)
        self._book([_side(day, "", "order_", which="")])

    def book(
        self, source: str, span: tuple[datetime | None, datetime | None], *,
        new_orders: bool, new_items: bool, gone: bool,
    ) -> None:  # fmt: skip
        """Add what a batch brings and takes out. To be called before its rows are written.

        Where another loader has made the summaries with another zone's days meanwhile, they are
        made anew first: days of two zones in one sum would be wrong for both.

        What comes lies in ``new_order_header``, ``new_order_address`` and ``new_order_item``; what
        goes is still in the tables, its numbers in ``gone``.

        :param span: when its orders were placed, the earliest and the latest.
        :param new_orders: whether orders come. :param new_items: whether these have items.
        :param gone: whether orders go.
        """
        if not self.current():
            self.make()
        day = day_of("h.ordered_at", *span, self._zone)
        sides = []
        if new_orders:
            side = _side(day, "", "new_order_", which="")
            sides.append(side if new_items else side | {"item": _NO_ITEMS})
        if gone:
            which = (
                f" AND h.source = {literal(source)}"
                " AND h.ordernumber IN (SELECT ordernumber FROM gone)"
            )
            sides.append(_side(day, "-", "order_", which))
        if sides:
            self._book(sides)

    def _book(self, sides: list[dict[str, str]]) -> None:
        """Add the rows of *sides*; what comes as it goes is none."""
        self._drop("booked", "booked_day")
        lines = " UNION ALL ".join(_LINES.format(**side) for side in sides)
        orders = " UNION ALL ".join(_ORDERS.format(**side) for side in sides)
        self._execute(_BOOKED.format(sides=lines), [])
        self._execute(_BOOKED_DAY.format(sides=orders), [])
        self._execute(_NEW_SKUS, [])
        for statement in _ADD:
            self._execute(statement, [])
        self._drop("booked", "booked_day")
        rows = self._execute(
            "SELECT day_rows, day_folded, year_rows, year_folded FROM summary_state", []
        )
        day_rows, day_folded, year_rows, year_folded = rows[0]
        if day_rows > 2 * day_folded + FOLD_FROM:
            self._fold(SUMMARY_DAY, ("source", "day", "country"), "day")
        if year_rows > 2 * year_folded + FOLD_FROM:
            self._fold(SUMMARY_YEAR, ("year", "country", "sku_number", "source"), "year")

    def _fold(self, table: Table, key: tuple[str, ...], word: str) -> None:
        """Sum the rows of *table* up, and write them in the order of *key*."""
        for statement in _folding(table, key):
            self._execute(statement, [])
        self._drop("folded")
        count = f"(SELECT count(*) FROM {table.name})"
        self._execute(f"UPDATE summary_state SET {word}_rows = {count}", [])
        self._execute(f"UPDATE summary_state SET {word}_folded = {word}_rows", [])

    def _drop(self, *names: str) -> None:
        for name in names:
            self._execute(f"DROP TABLE IF EXISTS {name}", [])


def _side(day: str, sign: str, prefix: str, which: str) -> dict[str, str]:
    tables = {name: f"{prefix}{name}" for name in ("header", "item", "address")}
    return {**tables, "day": day, "sign": sign, "which": which, "large": str(LARGE)}


def _folding(table: Table, key: tuple[str, ...]) -> Iterator[str]:
    by = ", ".join(key)
    sums = [name for name in table.names if name not in key]
    summed = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in sums)
    some = " OR ".join(f"sum({name}) <> 0" for name in sums)
    small = f"quantity < {LARGE} AND quantity > -{LARGE}"
    columns = ", ".join(table.names)
    yield "DROP TABLE IF EXISTS folded"
    yield f"""CREATE TEMP TABLE folded AS SELECT {by}, {summed} FROM {table.name}
              WHERE {small} GROUP BY {by} HAVING {some}"""
    yield f"DELETE FROM {table.name} WHERE {small}"
    yield f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM folded ORDER BY {by}"


def day_of(column: str, first: datetime | None, last: datetime | None, zone: ZoneInfo) -> str:
    """SQL: the day in *zone* that *column*, a time in UTC, falls on; ``NO_DAY`` for NULL.

    :param first: the earliest time in the column. :param last: the latest.
    """
    if first is None or last is None:
        return f"DATE '{NO_DAY}'"
    turns = offsets(first, last, zone)
    local = f"{column} + INTERVAL '{turns[0][1]} seconds'"
    if len(turns) > 1:
        cases = " ".join(
            f"WHEN {column} >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}' "
            f"THEN {column} + INTERVAL '{east} seconds'"
            for since, east in reversed(turns[1:])
        )
        local = f"CASE {cases} ELSE {local} END"
    return f"coalesce(CAST({local} AS DATE), DATE '{NO_DAY}')"
