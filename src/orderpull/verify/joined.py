"""SQL that joins the landing's orders with the stored ones, in DuckDB.

The landing's tables are attached as ``landed``; ``stored_header``, ``stored_address``,
``stored_item`` and ``stored_reject`` have the rows of one source in the warehouse.
"""

from collections.abc import Iterable, Sequence

from orderpull.model import LEDGER_REJECT, ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM, Column, Table
from orderpull.sqltext import literal

REJECT = LEDGER_REJECT.pick("reject_key, order_id, ordernumber, reason, page, position")

STORED: dict[str, tuple[Table, Sequence[Column]]] = {
    "stored_header": (ORDER_HEADER, ORDER_HEADER.columns),
    "stored_address": (ORDER_ADDRESS, ORDER_ADDRESS.columns),
    "stored_item": (ORDER_ITEM, ORDER_ITEM.columns),
    "stored_reject": (LEDGER_REJECT, REJECT),
}
"""The temporary tables or views of the warehouse's rows: table and columns."""

_KEYS = {"ordernumber", "loaded_at", "source"}
HEAD = [column.name for column in ORDER_HEADER.columns if column.name not in _KEYS]
ADDRESS = [column.name for column in ORDER_ADDRESS.columns if column.name not in _KEYS]

# The orders of one side, one row each. A sum of hashes does not depend on the order of the rows.
_SIDE = """
CREATE OR REPLACE TEMP VIEW {side}_order AS
WITH item AS (SELECT ordernumber, count(*) AS skus, sum(hash(sku, quantity)::HUGEINT) AS sold
              FROM {item} GROUP BY ordernumber)
SELECT coalesce(h.ordernumber, a.ordernumber, item.ordernumber) AS ordernumber,
    h.ordernumber IS NULL AS headless, a.ordernumber IS NULL AS homeless, skus, sold,
    {head}, {address},
    hash(headless, homeless, skus, sold, {head}) AS fixed, hash({address}) AS place,
    coalesce(h.modified_at, TIMESTAMP '0001-01-01') AS changed
FROM {header} AS h FULL JOIN {addresses} AS a ON a.ordernumber = h.ordernumber
FULL JOIN item ON item.ordernumber = coalesce(h.ordernumber, a.ordernumber)"""

_JOINED = """
CREATE OR REPLACE TEMP TABLE difference AS
SELECT coalesce(l.ordernumber, s.ordernumber) AS ordernumber, l.order_id, l.page, l.changed,
    CASE WHEN l.ordernumber IS NULL THEN 'extra'
         WHEN s.ordernumber IS NULL OR s.headless OR s.homeless THEN 'missing'
         WHEN s.content_hash <> l.content_hash
              AND (s.changed < l.changed OR (s.changed = l.changed AND s.page < l.page))
         THEN 'older'
         WHEN l.counted AND NOT s.counted THEN 'uncounted'
         ELSE 'different' END AS kind,
    l.ordernumber IS NOT NULL AND l.order_id IS DISTINCT FROM s.order_id AS elsewhere,
    CASE WHEN l.ordernumber IS NULL THEN 'no landed page has it'
         WHEN s.ordernumber IS NULL OR s.headless OR s.homeless
         THEN 'page ' || l.page || ' has it' END AS detail
FROM landed_order AS l FULL JOIN stored_order AS s ON s.ordernumber = l.ordernumber
WHERE {judged} AND CASE
    WHEN l.ordernumber IS NULL THEN {extra}
    WHEN s.ordernumber IS NULL OR s.headless OR s.homeless THEN true
    WHEN to_refill(s.page) THEN false
    WHEN s.fixed = l.fixed AND (s.place = l.place OR {may_lack_address}) THEN false
    ELSE NOT (unseen(s.page) AND {stays}) END"""

# {columns}: the names of columns of which the two sides differ.
_DETAIL = """
UPDATE difference SET detail = 'not as landed: ' || concat_ws(', ', {columns})
FROM landed_order AS l, stored_order AS s
WHERE l.ordernumber = difference.ordernumber AND s.ordernumber = difference.ordernumber
  AND difference.detail IS NULL"""

_MISSING_REJECTS = """
SELECT coalesce(l.ordernumber, l.order_id, l.page || ':' || l.position), l.reason, l.order_id,
    l.reject_key
FROM landed.orderpull_reject AS l ANTI JOIN stored_reject AS s USING (reject_key, reason)
WHERE {judged} AND NOT EXISTS (
    SELECT 1 FROM stored_header AS h WHERE h.order_id = l.order_id AND unseen(h.page))
ORDER BY ALL"""
# A reject whose order is read today is told as a missing order.
_EXTRA_REJECTS = """
SELECT coalesce(s.ordernumber, s.order_id, s.page || ':' || s.position), s.reason
FROM stored_reject AS s ANTI JOIN landed.orderpull_reject AS l USING (reject_key, reason)
WHERE NOT unseen(s.page) AND {judged}
  AND NOT EXISTS (SELECT 1 FROM landed.order_header AS h WHERE h.order_id = s.order_id)
  AND NOT EXISTS (SELECT 1 FROM landed.order_header AS h WHERE h.ordernumber = s.ordernumber)
ORDER BY ALL"""
# Of an order that waits for its number, it depends on the batch which bad version is a reject.
_NOT_WAITING = """(reason = 'number_reused' OR order_id IS NULL OR order_id NOT IN (
    SELECT order_id FROM stored_reject WHERE reason = 'number_reused' AND order_id IS NOT NULL
    UNION ALL SELECT order_id FROM landed.orderpull_reject
    WHERE reason = 'number_reused' AND order_id IS NOT NULL))"""
_FIRM_REJECT = "reason <> 'number_reused' AND NOT unknown_order(order_id)"
_NO_ORDER = "AND order_id IS NULL"


def stored_rows(table: Table, columns: Sequence[Column], source: str, first: int) -> str:
    """The statement for *columns* of the rows of *source*, of orders of page *first* or later."""
    names = ", ".join(f"t.{column.name}" for column in columns)
    rows = f"SELECT {names} FROM {table.name} AS t"
    where = f"WHERE t.source = {literal(source)}"
    if first <= 1 or table is LEDGER_REJECT:  # who waits for a number may wait for long
        return f"{rows} {where}"
    if "page" in table.names:
        return f"{rows} {where} AND t.page >= {first}"
    join = "JOIN order_header AS h ON h.source = t.source AND h.ordernumber = t.ordernumber"
    return f"{rows} {join} {where} AND h.page >= {first}"


def views() -> Iterable[str]:
    """The statements that make ``landed_order`` and ``stored_order``."""
    for side, header, addresses, item in (
        ("landed", "landed.order_header", "landed.order_address", "landed.order_item"),
        ("stored", "stored_header", "stored_address", "stored_item"),
    ):
        yield _SIDE.format(
            side=side, header=header, addresses=addresses, item=item,
            head=", ".join(f"h.{name}" for name in HEAD),
            address=", ".join(f"a.{name}" for name in ADDRESS),
        )  # fmt: skip


def macros(first: int, refill: tuple[int, int] | None = None) -> Iterable[str]:
    """The statements that make macros.

    - ``unseen(page)``: the page is not in the landing's tables; the table ``unseen_page`` has those
      from page *first* on
    - ``to_refill(page)``: orders of the page still lack columns that a migration has added
    - ``landed_order(order_id)``: the order is
    - ``unknown_order(order_id)``: an excluded version of the order was dropped

    :param first: the first page that was read.
    :param refill: first and last of the pages to refill.
    """
    begin, end = refill or (0, -1)
    condition = f"coalesce(page BETWEEN {begin} AND {end}, false)"
    yield f"CREATE OR REPLACE TEMP MACRO to_refill(page) AS {condition}"
    condition = f"coalesce(page < {first} OR page IN (SELECT u.page FROM unseen_page AS u), false)"
    yield f"CREATE OR REPLACE TEMP MACRO unseen(page) AS {condition}"
    for name, table in (("landed_order", "order_header"), ("unknown_order", "unknown_order")):
        condition = f"coalesce(id IN (SELECT order_id FROM landed.{table}), false)"
        yield f"CREATE OR REPLACE TEMP MACRO {name}(id) AS {condition}"


def joined(*, whole: bool, first_wins: bool, may_lack_address: bool) -> str:
    """The statement that makes ``difference``: number, kind, detail, and the landed version.

    :param whole: every loaded page was read. If not, an order of which an excluded version was
        dropped is not judged: it may be known from a page that was not read.
    :param first_wins: ``on_change = "ignore"``. Nor is then an order whose number another one has.
    :param may_lack_address: an order's address may come from a page that was not read.
    """
    extra, blank, judged = "NOT unseen(s.page)", "false", "true"
    stays = "true" if first_wins else "(s.changed, s.page) > (l.changed, l.page)"
    if not whole:
        extra += " AND NOT s.headless AND NOT landed_order(s.order_id)"
        judged = "NOT unknown_order(l.order_id) AND NOT unknown_order(s.order_id)"
        if first_wins:
            judged += " AND coalesce(l.order_id = s.order_id, true)"
        if may_lack_address:
            blank = "(l.name IS NULL AND l.line1 IS NULL AND l.line2 IS NULL)"
    return _JOINED.format(extra=extra, may_lack_address=blank, judged=judged, stays=stays)


def detail() -> str:
    """The statement that sets the detail of orders that both sides have: columns that differ."""
    columns = [f"CASE WHEN l.{c} IS DISTINCT FROM s.{c} THEN '{c}' END" for c in HEAD + ADDRESS]
    columns.append(
        "CASE WHEN l.skus IS DISTINCT FROM s.skus OR l.sold IS DISTINCT FROM s.sold "
        "THEN 'items' END"
    )
    return _DETAIL.format(columns=", ".join(columns))


def judged_rejects(*, whole: bool, first_wins: bool) -> str:
    """The condition under which a reject is judged.

    :param whole: every loaded page was read. Else the owner of a number may be unknown.
    :param first_wins: ``on_change = "ignore"``. Then rejects of orders are not judged either.
    """
    if whole:
        return _NOT_WAITING
    return f"{_NOT_WAITING} AND {_FIRM_REJECT} {_NO_ORDER if first_wins else ''}"


def missing_rejects(judged: str) -> str:
    """The query for name, reason, order id and key of landed rejects that are not recorded."""
    return _MISSING_REJECTS.format(judged=judged)


def extra_rejects(judged: str) -> str:
    """The query for name and reason of recorded rejects that no landed page explains."""
    return _EXTRA_REJECTS.format(judged=judged)
