"""Compare the tables with themselves: keys, parts of an order, and counts.

The statements run in the warehouse, over one source, and return only what differs.
"""

from collections.abc import Iterator

from orderpull.verify.hashes import wrong_hashes
from orderpull.verify.result import MAX_LISTED, Difference, Kind, Where
from orderpull.verify.scope import Comparison, Scope

_LIMIT = f"LIMIT {MAX_LISTED + 1}"

# Each statement has the source as its only value, once for each `?`: a number and what is wrong.
_TWICE = """
SELECT DISTINCT ordernumber, '{table} holds it twice' FROM (
    SELECT {key} FROM {table} WHERE source = ? GROUP BY {key} HAVING count(*) > 1) AS repeated"""
_TWO_NUMBERS = """
SELECT ordernumber, 'another number has its id' FROM order_header WHERE source = ?
AND order_id IN (SELECT order_id FROM order_header WHERE source = ?
                 GROUP BY order_id HAVING count(DISTINCT ordernumber) > 1)"""
_PARTS = """
SELECT ordernumber, CASE WHEN max(h) = 0 AND max(a) = 0 THEN 'only order_item has it'
                         WHEN max(h) = 0 THEN 'order_header lacks it'
                         ELSE 'order_address lacks it' END
FROM (SELECT ordernumber, 1 AS h, 0 AS a FROM order_header WHERE source = ?
      UNION ALL SELECT ordernumber, 0, 1 FROM order_address WHERE source = ?
      UNION ALL SELECT ordernumber, 0, 0 FROM order_item WHERE source = ?) AS part
GROUP BY ordernumber HAVING max(h) = 0 OR max(a) = 0"""
_PIECES = """
SELECT h.ordernumber, 'item_quantity is not the sum of its rows in order_item'
FROM order_header AS h LEFT JOIN (
    SELECT ordernumber, sum(quantity) AS pieces FROM order_item WHERE source = ?
    GROUP BY ordernumber) AS i ON i.ordernumber = h.ordernumber
WHERE h.source = ? AND coalesce(h.item_quantity, -1) <> coalesce(i.pieces, 0)"""
_UNKNOWN_PAGES = """
SELECT 'page ' || CAST(h.page AS VARCHAR(32)),
       CAST(count(*) AS VARCHAR(32)) || ' orders name it, and the ledger has not loaded it'
FROM order_header AS h LEFT JOIN orderpull_page AS p ON p.source = h.source AND p.page = h.page
WHERE h.source = ? AND p.page IS NULL GROUP BY h.page"""
_PAGE_COUNTS = """
SELECT 'page ' || CAST(page AS VARCHAR(32)), 'its counts do not add up' FROM orderpull_page
WHERE source = ? AND fetched <> inserted + updated + unchanged + stale + rejected"""
_RUN_COUNTS = """
SELECT 'run ' || CAST(r.run AS VARCHAR(32)), 'its counts are not those of its pages'
FROM orderpull_run AS r LEFT JOIN (
    SELECT run, count(*) AS pages, sum(fetched) AS fetched, sum(inserted) AS inserted,
           sum(rejected) AS rejected
    FROM orderpull_page WHERE source = ? GROUP BY run) AS p ON p.run = r.run
WHERE r.source = ? AND (r.pages <> coalesce(p.pages, 0) OR r.fetched <> coalesce(p.fetched, 0)
    OR r.inserted <> coalesce(p.inserted, 0) OR r.rejected <> coalesce(p.rejected, 0))"""

_CHECKS: tuple[tuple[Kind, str], ...] = (
    ("twice", _TWICE.format(table="order_header", key="ordernumber")),
    ("twice", _TWICE.format(table="order_address", key="ordernumber")),
    ("twice", _TWICE.format(table="order_item", key="ordernumber, sku")),
    ("twice", _TWO_NUMBERS),
    ("missing", _PARTS),
    ("different", _PIECES),
    ("missing", _UNKNOWN_PAGES),
    ("different", _PAGE_COUNTS),
    ("different", _RUN_COUNTS),
)


class Tables(Comparison):
    """The tables of a source, each beside the others."""

    where: Where = "tables"

    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield each order at most once, by the first check that it fails."""
        count = scope.rows("SELECT count(*) FROM order_header WHERE source = ?", scope.name)
        orders = int(count[0][0])
        scope.result.compared(orders)
        seen: set[str] = set()
        for kind, statement in _CHECKS:
            values = [scope.name] * statement.count("?")
            for order, detail in scope.rows(f"{statement} {_LIMIT}", *values):
                if order not in seen:
                    seen.add(order)
                    yield Difference(order, kind, self.where, detail)
        for order in wrong_hashes(scope, orders):
            if order not in seen:
                yield Difference(order, "different", self.where, "its rows are not as loaded")
