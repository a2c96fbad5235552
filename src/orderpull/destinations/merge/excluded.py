"""Staged versions that fail the API file's ``where``: which of them are versions of an order.

A version that is no order (cart, draft, trash) counts only once its order is known: a version that
passed is stored, or was landed before it. Then it is a version like any other, and not counted.
"""

from orderpull.destinations.merge.stored import FetchStored, keyed
from orderpull.destinations.stage import count_rows, make_table
from orderpull.engine import duckdb
from orderpull.model import ORDER_HEADER

_KNOWN = "source, order_id, page, content_hash"

# Rejects are not among the keys by which ``stored_order`` was fetched.
_BROKEN = """CREATE OR REPLACE TEMP TABLE broken_id AS
SELECT DISTINCT source, order_id
FROM excluded SEMI JOIN staged_reject USING (source, page, position)
WHERE order_id IS NOT NULL"""
_STORED = f"SELECT {_KNOWN} FROM order_header AS h WHERE {keyed('h', 'broken_id')}"

# A stored order of a page that is read again has the position of the version that passes there.
_UNKNOWN = """
CREATE OR REPLACE TEMP TABLE unknown AS
WITH passed AS (SELECT source, page, position, order_id FROM staged_order
                ANTI JOIN excluded USING (source, page, position)),
known AS (
    SELECT source, order_id, {{'page': page, 'position': position}} AS at, NULL AS content_hash
    FROM passed
    UNION ALL
    SELECT source, order_id, {{'page': page, 'position': -1}}, content_hash FROM ({stored})
    WHERE (source, page, order_id) NOT IN (SELECT (source, page, order_id) FROM passed)
    UNION ALL
    SELECT source, order_id, {{'page': page + 1, 'position': -1}}, content_hash FROM ({stored}))
SELECT e.source, e.page, e.position, e.order_id FROM excluded AS e
LEFT JOIN staged_order AS s
    ON s.source = e.source AND s.page = e.page AND s.position = e.position
WHERE NOT EXISTS (
    SELECT 1 FROM known WHERE known.source = e.source AND known.order_id = e.order_id AND (
        known.at < {{'page': e.page, 'position': e.position}}
        OR known.content_hash = s.content_hash))"""


def drop_unknown(stage: duckdb.DuckDBPyConnection, fetch: FetchStored) -> None:
    """Drop the excluded versions, and excluded rejects, of orders that are not known.

    They are left in the temporary table ``unknown``.
    """
    if not count_rows(stage, "excluded"):
        make_table(stage, "unknown", "FROM excluded")
        return
    stored = f"SELECT {_KNOWN} FROM stored_order"
    stage.execute(_BROKEN)
    if count_rows(stage, "broken_id"):
        fetch("broken_stored", "broken_id", _STORED, ORDER_HEADER.pick(_KNOWN))
        stored += f" UNION SELECT {_KNOWN} FROM broken_stored"
    stage.execute(_UNKNOWN.format(stored=stored))
    for table in ("staged_order", "staged_reject", "excluded"):
        stage.execute(
            f"""DELETE FROM {table} WHERE (source, page, position) IN (
                SELECT (source, page, position) FROM unknown)"""
        )
