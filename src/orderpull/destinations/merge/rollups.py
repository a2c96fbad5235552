"""Rollups: sums by day, country, currency and SKU, written in the transaction that writes orders.

A load inserts rows for the orders that it adds and, with the sign turned, for those it deletes; it
updates no sum in place. So the sums are exact at each commit. Now and then a small table is
compacted: its rows are replaced by their sums.

The statements are plain enough for every warehouse. The tables are called ``summary_*``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from orderpull.destinations.ledger import Execute
from orderpull.destinations.merge import titles
from orderpull.destinations.merge.rollup_rows import (
    DAY_KEY,
    DAY_NUMBERS,
    LARGE_QUANTITY,
    LINE_NUMBERS,
    SKU_KEY,
    all_rows,
    sums,
)
from orderpull.model import (
    SUMMARY_DAY,
    SUMMARY_LINE,
    SUMMARY_SKU,
    SUMMARY_STATE,
    SUMMARY_YEAR,
    Column,
    Table,
)

COMPACT_FROM = 50_000
"""Rows that a table gains, at least, between two compactions."""

_NUMBERED = """INSERT INTO summary_sku (sku, sku_number{more})
    SELECT sku, (SELECT coalesce(max(sku_number), 0) FROM summary_sku)
                + row_number() OVER (ORDER BY sku){more}
    FROM (SELECT DISTINCT sku{more}
          FROM {rows} LEFT JOIN (SELECT sku AS known FROM summary_sku) AS s ON s.known = sku
          WHERE s.known IS NULL) AS unseen"""
_SUMS = ", ".join(column.name for column in LINE_NUMBERS)
_SUMMED = ", ".join(f"b.{column.name}" for column in LINE_NUMBERS)
_ADD_LINES = (
    f"""INSERT INTO summary_line (source, day, country, currency, sku_number, {_SUMS})
       SELECT b.source, b.day, b.country, b.currency, s.sku_number, {_SUMMED}
       FROM {{rows}} AS b JOIN summary_sku AS s ON s.sku = b.sku ORDER BY b.day""",
    f"""INSERT INTO summary_year (source, year, country, currency, sku_number, {_SUMS})
       SELECT b.source, extract(year FROM b.day), b.country, b.currency, s.sku_number, {_SUMMED}
       FROM {{rows}} AS b JOIN summary_sku AS s ON s.sku = b.sku""",
)
_OF_DAY = ", ".join(SUMMARY_DAY.names)
_ADD_ORDERS = f"INSERT INTO summary_day ({_OF_DAY}) SELECT {_OF_DAY} FROM {{rows}}"
_STATE = "SELECT timezone, day_rows, day_folded, year_rows, year_folded FROM summary_state"
_YEAR_KEY = SUMMARY_YEAR.pick("year, country, sku_number, source, currency")


class Delta(NamedTuple):
    """Numbers of rows of the temporary tables with what a batch changes.

    :param by_sku: of ``delta_sku``. :param by_day: of ``delta_day``.
    :param titles: of ``delta_title``, the newest titles of its orders.
    :param lost: of ``lost_title``, the titles that it takes out of the tables.
    """

    by_sku: int = 0
    by_day: int = 0
    titles: int = 0
    lost: int = 0


@dataclass(eq=False)
class RollupWriter:
    """Writes the rollups of one warehouse; a day is a day in *zone*.

    :param execute: runs a statement in the transaction that the caller holds.
    :param in_bytes: SQL behind a text that makes its comparison one of bytes.
    """

    execute: Execute
    zone: ZoneInfo
    in_bytes: str = ""

    def is_current(self) -> bool:
        """True if there are rollups, with the days of the zone."""
        return self.execute("SELECT timezone FROM summary_state", []) == [(self.zone.key,)]

    def rebuild(self) -> None:
        """Build the rollups from all orders."""
        for table in (SUMMARY_LINE, SUMMARY_YEAR, SUMMARY_DAY, SUMMARY_SKU, SUMMARY_STATE):
            self.execute(f"DELETE FROM {table.name}", [])
        self.execute("INSERT INTO summary_state VALUES (?, 0, 0, 0, 0)", [self.zone.key])
        lines, orders = (f"({rows}) AS every" for rows in all_rows(self.execute, self.zone))
        made = {
            "every_sku": sums(lines, SKU_KEY, LINE_NUMBERS, ", large"),
            "every_day": sums(orders, DAY_KEY, DAY_NUMBERS, ", large"),
            "every_title": titles.recounted("", self.in_bytes),
        }
        self.apply_delta(Delta(*(self._make(*each) for each in made.items())), "every")
        self._drop(*made)

    def apply_delta(self, delta: Delta, name: str = "delta") -> None:
        """Add the rows of ``delta_sku`` and ``delta_day``, and take over newer titles.

        If another loader has built the rollups with another zone's days, they are rebuilt first.

        :param name: prefix of the tables' names.
        """
        if not any(delta):
            return
        state = self.execute(_STATE, [])
        if not state or state[0][0] != self.zone.key:
            self.rebuild()
            state = self.execute(_STATE, [])
        if delta.titles:
            rows = f"{name}_title"
            self.execute(titles.ADVANCE.format(rows=rows, in_bytes=self.in_bytes), [])
            self.execute(_NUMBERED.format(rows=rows, more=", title, titled_at"), [])
        if delta.by_sku:
            for statement in (_NUMBERED, *_ADD_LINES):
                self.execute(statement.format(rows=f"{name}_sku", more=""), [])
        if delta.by_day:
            self.execute(_ADD_ORDERS.format(rows=f"{name}_day"), [])
        _, day_rows, day_folded, year_rows, year_folded = state[0]
        day_rows, year_rows = day_rows + delta.by_day, year_rows + delta.by_sku
        self.execute("UPDATE summary_state SET day_rows = ?, year_rows = ?", [day_rows, year_rows])
        if day_rows > 2 * day_folded + COMPACT_FROM:
            self._compact(SUMMARY_DAY, DAY_KEY, DAY_NUMBERS, "day")
        if year_rows > 2 * year_folded + COMPACT_FROM:
            self._compact(SUMMARY_YEAR, _YEAR_KEY, LINE_NUMBERS, "year")

    def look_up_lost(self, delta: Delta) -> None:
        """Look up the titles of SKUs whose own row is gone, once the new rows are written."""
        if not delta.lost:
            return
        self.execute(titles.LOSE.format(rows="lost_title"), [])
        among = titles.UNTITLED.format(rows="lost_title")
        if self._make("looked_up_title", titles.recounted(among, self.in_bytes)):
            rows = "looked_up_title"
            self.execute(titles.ADVANCE.format(rows=rows, in_bytes=self.in_bytes), [])
        self._drop("looked_up_title")

    def _compact(
        self, table: Table, key: Sequence[Column], numbers: Sequence[Column], prefix: str
    ) -> None:
        """Replace the rows of *table* by their sums, in the order of *key*."""
        small = " AND ".join(
            f"{name} < {LARGE_QUANTITY} AND {name} > -{LARGE_QUANTITY}"
            for name in ("quantity", "returned")
        )
        self._make("compacted", sums(f"{table.name} WHERE {small}", key, numbers))
        names, order = ", ".join(table.names), ", ".join(column.name for column in key)
        for statement in (
            f"DELETE FROM {table.name} WHERE {small}",
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM compacted ORDER BY {order}",
            f"UPDATE summary_state SET {prefix}_rows = (SELECT count(*) FROM {table.name})",
            f"UPDATE summary_state SET {prefix}_folded = {prefix}_rows",
        ):
            self.execute(statement, [])
        self._drop("compacted")

    def _make(self, name: str, query: str) -> int:
        """Make the temporary table *name* from *query*; count its rows."""
        self._drop(name)
        self.execute(f"CREATE TEMP TABLE {name} AS {query}", [])
        return int(self.execute(f"SELECT count(*) FROM {name}", [])[0][0])

    def _drop(self, *names: str) -> None:
        for name in names:
            self.execute(f"DROP TABLE IF EXISTS {name}", [])
