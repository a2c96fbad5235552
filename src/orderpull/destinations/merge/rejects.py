"""The rejects that a batch inserts and deletes, from its staged rejects and the stored ones.

A bad order's reject is resolved, or not inserted, if a later version of the order is loaded; with
``on_change = "ignore"``, if any is: which one came last is stored nowhere, and none after the first
matters.
"""

from orderpull.destinations.merge.stored import keyed
from orderpull.destinations.protocol import MergePlan
from orderpull.destinations.stage import make_table
from orderpull.engine import duckdb
from orderpull.model import SIZES

REJECT_COLUMNS = "source, order_id, ordernumber, reason, page, position, reject_key"
"""Columns of ``stored_reject``."""

REJECTED_ID = f"""SELECT DISTINCT source, coalesce(order_id, ordernumber) AS order_id
FROM staged_reject WHERE strlen(coalesce(order_id, ordernumber)) <= {SIZES["order_id"]}"""
"""Selects keys of the rejects' orders, the table ``rejected_id``. No longer id is ever stored."""

STORED_VERSION = f"""SELECT h.source, h.order_id, h.page FROM order_header AS h
WHERE {keyed("h", "rejected_id")}"""
"""Selects the stored versions of these orders."""

# Reject keys are indexed, so their length is limited.
_SHORT_KEY = f"""
CREATE OR REPLACE TEMP MACRO short_key(key) AS
    CASE WHEN strlen(key) <= {SIZES["order_id"]} THEN key ELSE 'md5 ' || md5(key) END"""

_REJECT = """
SELECT * FROM (
    SELECT *, CASE WHEN reason = 'number_reused' THEN 'number of ' ELSE '' END
           || coalesce('id ' || short_key(order_id), 'number ' || short_key(ordernumber),
                       'raw ' || md5(raw)) AS reject_key
    FROM staged_reject)
QUALIFY row_number() OVER (PARTITION BY source, reject_key ORDER BY page DESC, position DESC) = 1"""

# The version of each order after this batch.
_CURRENT_VERSION = """
CREATE OR REPLACE TEMP VIEW current_version AS
SELECT source, order_id, ordernumber, page, position FROM staged_order"""
_JUDGED = """ ANTI JOIN contested USING (source, page, position)
UNION ALL SELECT source, order_id, ordernumber, page, position FROM judged_version"""

# Two joins by equal keys: one with OR would compare each reject with each order.
_DROP_OUTDATED = """
DELETE FROM reject WHERE reason <> 'number_reused' AND (
    EXISTS (SELECT 1 FROM current_version AS v WHERE v.source = reject.source
              AND v.order_id = reject.order_id
              AND ({first_wins} OR (v.page, v.position) > (reject.page, reject.position)))
    OR EXISTS (SELECT 1 FROM current_version AS v WHERE reject.order_id IS NULL
                 AND v.source = reject.source AND v.ordernumber = reject.ordernumber
                 AND ({first_wins} OR (v.page, v.position) > (reject.page, reject.position))))"""

# Pages that are loaded again may repeat a bad version alone: the later good one is in another
# batch, or its page is deleted (keep_days).
_LOADED_LATER = """FROM stored_version AS h WHERE h.source = {0}.source
    AND h.order_id = coalesce({0}.order_id, {0}.ordernumber)
    AND {0}.reason <> 'number_reused' AND ({{first_wins}} OR h.page > {0}.page)"""
_DROP_REPEATED = f"""
DELETE FROM reject WHERE EXISTS ({_LOADED_LATER.format("reject")})"""

_RESOLVED = f"""
SELECT source, reject_key FROM stored_reject AS r WHERE
    EXISTS (SELECT 1 FROM current_version AS s WHERE s.source = r.source
              AND s.order_id = r.order_id AND (s.page, s.position) >= (r.page, r.position))
    OR EXISTS (SELECT 1 FROM current_version AS s WHERE r.order_id IS NULL
                 AND s.source = r.source AND s.ordernumber = r.ordernumber
                 AND (s.page, s.position) >= (r.page, r.position))
    OR EXISTS (SELECT 1 FROM staged_order AS o WHERE r.reason <> 'number_reused'
                 AND o.source = r.source AND o.page = r.page AND o.position = r.position)
    OR EXISTS ({_LOADED_LATER.format("r")})"""
_KEEP_LATEST = """
DELETE FROM reject USING stored_reject AS r
WHERE reject.source = r.source AND reject.reject_key = r.reject_key
  AND (r.source, r.reject_key) NOT IN (FROM reject_to_delete)
  AND (r.page, r.position) > (reject.page, reject.position)"""
_REPLACED = """
INSERT INTO reject_to_delete
SELECT source, reject_key FROM reject SEMI JOIN stored_reject USING (source, reject_key)
ANTI JOIN reject_to_delete USING (source, reject_key)"""


def plan_rejects(
    stage: duckdb.DuckDBPyConnection, plan: MergePlan, stored: int, *, first_wins: bool
) -> None:
    """Make ``reject``, the rejects to insert, and ``reject_to_delete``, keys of those to delete.

    A stored reject is resolved if its own text could be shaped now, or if a later version of its
    order was loaded. Of a bad order that came several times the latest row is kept; an order that
    waits for its number and a bad version of the same order have different keys.

    The table ``stored_version`` must be there (:data:`STORED_VERSION`).

    :param stored: number of rows of ``stored_reject``, the stored rejects of the source.
    :param first_wins: ``on_change = "ignore"``.
    """
    flag = "true" if first_wins else "false"
    stage.execute(_SHORT_KEY)
    stage.execute(_CURRENT_VERSION + (_JUDGED if plan.contested else ""))
    make_table(stage, "reject", _REJECT)
    stage.execute(_DROP_OUTDATED.format(first_wins=flag))
    stage.execute(_DROP_REPEATED.format(first_wins=flag))
    make_table(stage, "reject_to_delete", _RESOLVED.format(first_wins=flag))
    if stored:
        stage.execute(_KEEP_LATEST)
        stage.execute(_REPLACED)
