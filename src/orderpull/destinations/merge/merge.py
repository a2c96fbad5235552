"""Merge staged orders with stored orders: which version of an order wins, which order a number.

The rules are the same in every warehouse. A warehouse stages the stored orders that share an id or
a number with a staged order (``stored_order``); the merge runs in the stage. It makes these
temporary tables:

- ``decision``: each occurrence of an order, with its outcome
- ``to_write``: orders to insert
- ``to_touch``: stored orders that came again, unchanged, with a later page
- ``to_delete``: numbers of stored orders to delete before the inserts
- ``current_version``: the version of each order after this batch
- ``lost_number``: stored orders that lose their number to another order
- ``reject``: rejects to insert, each with its key (:func:`prepare_rejects`)
"""

import duckdb

from orderpull.destinations.merge.excluded import drop_unknown
from orderpull.destinations.merge.stored import DELETED, FetchStored, keep_addresses
from orderpull.destinations.protocol import Batch, Counts, MergePlan
from orderpull.destinations.stage import count_rows
from orderpull.model import SIZES

STORED_COLUMNS = (
    "order_id, ordernumber, status, ordered_at, modified_at, page, content_hash, loaded_at"
)
"""Columns of ``stored_order``."""

# The version with the later modified_at is newer; without one, or with the same, the version on the
# later page, then at the later position. A stored order's position in its page is unknown: -1.
_VERSION = """{{'modified_at': coalesce(modified_at, TIMESTAMP '-infinity'), 'page': page,
                'position': {position}, 'content_hash': content_hash}}"""

# Replay reads a whole page again. A stored order of that page is then not a version of its own: the
# page holds the same order as today's mapping reads it.
_READ_AGAIN = """(page, order_id) IN (
    SELECT (o.page, o.order_id) FROM staged_order AS o JOIN staged_page USING (page))"""

# Most orders occur once and are new: only the others are compared.
_REPEATED_ID = """
CREATE OR REPLACE TEMP TABLE repeated_id AS
SELECT order_id FROM (
    SELECT order_id FROM staged_order
    UNION ALL
    SELECT order_id FROM stored_order WHERE order_id IN (SELECT order_id FROM staged_order))
GROUP BY order_id HAVING count(*) > 1"""

_INSERT_NEW = """
CREATE OR REPLACE TEMP TABLE decision AS
SELECT order_id, ordernumber, ordered_at, page, position, false AS stored, true AS is_newest,
       NULL::VARCHAR AS stored_hash, 'inserted' AS outcome, true AS is_written, false AS is_touched
FROM staged_order ANTI JOIN repeated_id USING (order_id)"""

_NEWEST_WINS = """
INSERT INTO decision
WITH occurrence AS (
    SELECT order_id, ordernumber, ordered_at, content_hash, page, position, false AS stored,
           {staged_version} AS version
    FROM staged_order SEMI JOIN repeated_id USING (order_id)
    UNION ALL
    SELECT order_id, ordernumber, ordered_at, content_hash, page, -1, true,
           CASE WHEN NOT {read_again} THEN {stored_version} END
    FROM stored_order SEMI JOIN repeated_id USING (order_id)),
compared AS (
    SELECT *,
        max(version) OVER (PARTITION BY order_id) AS newest,
        max(version) OVER (PARTITION BY order_id ORDER BY stored DESC, page, position
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        max(CASE WHEN stored THEN content_hash END) OVER (PARTITION BY order_id) AS stored_hash
    FROM occurrence)
SELECT order_id, ordernumber, ordered_at, page, position, stored,
    version IS NOT NULL AND version = newest AS is_newest, stored_hash,
    CASE WHEN stored THEN NULL
         WHEN before IS NULL THEN 'inserted'
         WHEN before.content_hash = content_hash THEN 'unchanged'
         WHEN version < before THEN 'stale'
         ELSE 'updated' END AS outcome,
    version = newest AND NOT stored AND (stored_hash IS NULL OR stored_hash <> content_hash)
        AS is_written,
    version = newest AND NOT stored AND stored_hash = content_hash AS is_touched
FROM compared"""

# on_change = "ignore" decides as if the orders came one by one. Each round accepts the candidates
# that are the first of their id and of their number, and drops those that share either with them.
_CANDIDATE = """
CREATE OR REPLACE TEMP TABLE candidate AS
SELECT page, position, order_id, ordernumber FROM staged_order
WHERE order_id NOT IN (SELECT order_id FROM stored_order)
  AND ordernumber NOT IN (SELECT ordernumber FROM stored_order)
  AND (page, position) NOT IN (SELECT (page, position) FROM excluded)"""
_ACCEPT_FIRST = """
INSERT INTO accepted SELECT * FROM candidate
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY page, position) = 1
    AND row_number() OVER (PARTITION BY ordernumber ORDER BY page, position) = 1"""
_DROP_ACCEPTED = """
DELETE FROM candidate WHERE order_id IN (SELECT order_id FROM accepted)
                    OR ordernumber IN (SELECT ordernumber FROM accepted)"""
_FIRST_WINS = """
CREATE OR REPLACE TEMP TABLE decision AS
SELECT s.order_id, s.ordernumber, s.ordered_at, s.page, s.position, false AS stored,
    a.page IS NOT NULL AS is_newest, NULL::VARCHAR AS stored_hash,
    CASE WHEN a.page IS NOT NULL THEN 'inserted' ELSE 'unchanged' END AS outcome,
    a.page IS NOT NULL AS is_written, false AS is_touched
FROM staged_order AS s LEFT JOIN accepted AS a USING (page, position)
UNION ALL
SELECT order_id, ordernumber, ordered_at, page, -1, true, true, content_hash, NULL, false, false
FROM stored_order"""
_LATEST_POSITION = """
UPDATE current_version SET page = latest.at.page, position = latest.at.position
FROM (SELECT order_id, max({'page': page, 'position': position}) AS at
      FROM staged_order GROUP BY order_id) AS latest
WHERE current_version.order_id = latest.order_id
  AND latest.at > {'page': current_version.page, 'position': current_version.position}"""

# Orders that are deleted at their source once this batch is loaded.
_DELETED = f"""
CREATE OR REPLACE TEMP TABLE deleted AS
SELECT order_id FROM staged_order WHERE status = '{DELETED}' AND (page, position) IN
    (SELECT (page, position) FROM decision WHERE is_newest AND NOT stored)
UNION
SELECT order_id FROM stored_order WHERE status = '{DELETED}'
    AND order_id NOT IN (SELECT order_id FROM decision WHERE is_newest AND NOT stored)"""

# The order placed first owns its number, then the one with the smaller id (ids of digits compare as
# numbers). An order that is deleted at its source gives its number up.
_CURRENT_VERSION = """
CREATE OR REPLACE TEMP TABLE current_version AS
WITH latest AS (
    SELECT order_id, ordernumber, ordered_at, page, position, stored FROM decision WHERE is_newest
    UNION ALL
    SELECT order_id, ordernumber, ordered_at, page, -1, true FROM stored_order
    WHERE order_id NOT IN (SELECT order_id FROM decision))
SELECT latest.*, deleted.order_id IS NOT NULL AS is_deleted, row_number() OVER (
    PARTITION BY ordernumber
    ORDER BY deleted.order_id IS NOT NULL, ordered_at NULLS LAST, length(latest.order_id),
             latest.order_id) = 1 AS owns_number
FROM latest LEFT JOIN deleted ON deleted.order_id = latest.order_id"""

_REUSED = """
INSERT INTO staged_reject
SELECT page, position, ordernumber, order_id, 'number_reused',
       'another order has its number; tell them apart with the setting '
           || 'ordernumber = "{number}~{id}"', '$', NULL
FROM current_version WHERE NOT owns_number AND NOT stored AND NOT is_deleted"""


# Reject keys are indexed, so their length is limited.
_SHORT_KEY = f"""
CREATE OR REPLACE TEMP MACRO short_key(key) AS
    CASE WHEN strlen(key) <= {SIZES["order_id"]} THEN key ELSE 'md5 ' || md5(key) END"""


def plan_merge(stage: duckdb.DuckDBPyConnection, batch: Batch, fetch: FetchStored) -> MergePlan:
    """Decide about each staged order: insert, update, skip or reject.

    The temporary table ``stored_order`` must be there, with the columns :data:`STORED_COLUMNS`: the
    stored orders that share an id or a number with a staged one.

    :param fetch: fetches more of stored orders, by key.
    """
    run = stage.execute
    drop_unknown(stage, fetch)
    if batch.ignore_changes:
        _decide_first_wins(stage)
    else:
        _decide_newest_wins(stage, read_again="false" if batch.counted else _READ_AGAIN)
    run(_DELETED)
    run(_CURRENT_VERSION)
    run(_REUSED)
    run("""UPDATE decision SET outcome = 'rejected', is_written = false, is_touched = false
           WHERE (page, position) IN (SELECT (page, position) FROM current_version
                                      WHERE NOT owns_number AND NOT stored)""")
    run("""CREATE OR REPLACE TEMP TABLE lost_number AS
           SELECT v.page, order_id, v.ordernumber, content_hash
           FROM current_version AS v JOIN stored_order USING (order_id)
           WHERE NOT owns_number AND stored AND NOT is_deleted""")
    run("""CREATE OR REPLACE TEMP TABLE to_delete AS
           SELECT DISTINCT ordernumber FROM stored_order WHERE order_id IN (
               SELECT order_id FROM decision WHERE is_written
               UNION ALL SELECT order_id FROM current_version WHERE NOT owns_number)""")
    run("DELETE FROM current_version WHERE NOT owns_number")
    run("""CREATE OR REPLACE TEMP TABLE to_write AS
           SELECT * FROM staged_order WHERE (page, position) IN
               (SELECT (page, position) FROM decision WHERE is_written)""")
    run("""CREATE OR REPLACE TEMP TABLE to_touch AS
           SELECT s.*, k.loaded_at FROM staged_order AS s JOIN stored_order AS k USING (order_id)
           WHERE (s.page, s.position) IN (SELECT (page, position) FROM decision WHERE is_touched)
             AND k.page <> s.page""")
    if batch.keep_address:
        keep_addresses(stage, fetch)
    if batch.ignore_changes:
        run(_LATEST_POSITION)
    if not batch.counted:
        # An order read again counts as what it does to the tables, not by its turn in the page.
        run("""UPDATE decision SET outcome = CASE
                   WHEN is_written AND stored_hash IS NULL THEN 'inserted'
                   WHEN is_written THEN 'updated' WHEN is_newest THEN 'unchanged' ELSE 'stale' END
               WHERE outcome <> 'rejected'""")
    return _count_outcomes(stage, batch)


def _decide_newest_wins(stage: duckdb.DuckDBPyConnection, read_again: str) -> None:
    """Make ``decision``. :param read_again: SQL condition of stored orders to leave out."""
    stage.execute(_REPEATED_ID)
    stage.execute(_INSERT_NEW)
    if count_rows(stage, "repeated_id"):
        stage.execute(
            _NEWEST_WINS.format(
                staged_version=_VERSION.format(position="position"),
                stored_version=_VERSION.format(position="-1"),
                read_again=read_again,
            )
        )


def _decide_first_wins(stage: duckdb.DuckDBPyConnection) -> None:
    """Make ``decision`` by the rule of ``on_change = "ignore"``."""
    stage.execute(_CANDIDATE)
    stage.execute("CREATE OR REPLACE TEMP TABLE accepted AS FROM candidate LIMIT 0")
    while (added := stage.execute(_ACCEPT_FIRST).fetchone()) and added[0]:
        stage.execute(_DROP_ACCEPTED)
    stage.execute(_FIRST_WINS)


def _count_outcomes(stage: duckdb.DuckDBPyConnection, batch: Batch) -> MergePlan:
    per_page = {page.page: Counts() for page in batch.pages}
    for page, outcome, number in stage.execute(
        """SELECT page, outcome, count(*) FROM decision
           WHERE outcome IS NOT NULL AND outcome <> 'rejected' GROUP BY ALL
           UNION ALL SELECT page, 'rejected', count(*) FROM staged_reject GROUP BY page"""
    ).fetchall():
        if page in per_page:
            counts = per_page[page]
            setattr(counts, outcome, getattr(counts, outcome) + number)
            counts.fetched += number
    total = Counts()
    for counts in per_page.values():
        total.add(counts)
    lost_number = stage.execute("FROM lost_number").fetchall()
    return MergePlan(total, per_page, lost_number)


def prepare_rejects(stage: duckdb.DuckDBPyConnection) -> None:
    """Make ``reject``: the staged rejects, each with its key, the last one of each key.

    An order that waits for its number and a bad version of the same order have different keys.
    """
    stage.execute(_SHORT_KEY)
    stage.execute("""
        CREATE OR REPLACE TEMP TABLE reject AS
        SELECT * FROM (
            SELECT *, CASE WHEN reason = 'number_reused' THEN 'number of ' ELSE '' END
                   || coalesce('id ' || short_key(order_id), 'number ' || short_key(ordernumber),
                               'raw ' || md5(raw)) AS reject_key
            FROM staged_reject)
        QUALIFY row_number() OVER (PARTITION BY reject_key
                                   ORDER BY page DESC, position DESC) = 1""")
    # Drop a reject if a later version of the same order was loaded.
    stage.execute("""
        DELETE FROM reject USING current_version AS v
        WHERE (reject.order_id = v.order_id
               OR (reject.order_id IS NULL AND reject.ordernumber = v.ordernumber))
          AND reject.reason <> 'number_reused'
          AND (v.page, v.position) > (reject.page, reject.position)""")
