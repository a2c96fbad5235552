"""Merge staged orders with stored orders: which version of an order wins, which order a number.

The rules are the same in every warehouse. A warehouse stages the stored orders that share an id or
a number with a staged order (``stored_order``); the merge runs in the stage. Most orders share
neither with another order: they are inserted, and only the others are compared. The merge makes
these temporary tables and views:

- ``contested``: staged orders that share an id or a number with another one, staged or stored
- ``decision``: each occurrence of a contested order, with its outcome
- ``judged_version``: the version of each contested order after this batch
- ``to_write``: orders to insert
- ``to_touch``: stored orders that came again, unchanged, with a later page
- ``to_delete``: numbers of stored orders to delete before the inserts

:mod:`orderpull.destinations.merge.rejects` prepares the rejects.
"""

from orderpull.destinations.merge.excluded import drop_unknown
from orderpull.destinations.merge.stored import DELETED, FetchStored, keep_addresses
from orderpull.destinations.protocol import Batch, Counts, MergePlan
from orderpull.destinations.stage import count_rows, make_table
from orderpull.engine import duckdb

STORED_COLUMNS = (
    "source, order_id, ordernumber, status, ordered_at, modified_at, page, content_hash, "
    "loaded_at, counted, item_quantity, currency, channel, total, refunded"
)
"""Columns of ``stored_order``, besides ``stored_row``."""

# The version with the later modified_at is newer; without one, or with the same, the version on the
# later page, then at the later position. A stored order's position in its page is unknown: -1.
_VERSION = """{{'modified_at': coalesce(modified_at, TIMESTAMP '-infinity'), 'page': page,
                'position': {position}, 'content_hash': content_hash}}"""

# Replay reads a whole page again. A stored order of that page is then not a version of its own: the
# page holds the same order as today's mapping reads it.
_READ_AGAIN = """(source, page, order_id) IN (
    SELECT (o.source, o.page, o.order_id)
    FROM staged_order AS o JOIN staged_page USING (source, page))"""

# {also}: further staged orders to compare.
_CONTESTED = """
WITH keys AS (SELECT source, order_id, ordernumber FROM staged_order
              UNION ALL SELECT source, order_id, ordernumber FROM stored_order)
SELECT source, page, position, order_id, ordernumber, ordered_at, modified_at, status, content_hash
FROM staged_order
WHERE (source, order_id) IN (SELECT (source, order_id) FROM keys
                             GROUP BY source, order_id HAVING count(*) > 1)
   OR (source, ordernumber) IN (SELECT (source, ordernumber) FROM keys
                                GROUP BY source, ordernumber HAVING count(*) > 1)
   {also}"""
_EXCLUDED = "OR (source, page, position) IN (SELECT (source, page, position) FROM excluded)"

_NEWEST_WINS = """
WITH occurrence AS (
    SELECT source, order_id, ordernumber, ordered_at, content_hash, page, position,
           false AS stored,
           {staged_version} AS version
    FROM contested
    UNION ALL
    SELECT source, order_id, ordernumber, ordered_at, content_hash, page, -1, true,
           CASE WHEN NOT {read_again} THEN {stored_version} END
    FROM stored_order SEMI JOIN contested USING (source, order_id)),
compared AS (
    SELECT *,
        max(version) OVER (PARTITION BY source, order_id) AS newest,
        max(version) OVER (PARTITION BY source, order_id ORDER BY stored DESC, page, position
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        max(CASE WHEN stored THEN content_hash END)
            OVER (PARTITION BY source, order_id) AS stored_hash
    FROM occurrence)
SELECT source, order_id, ordernumber, ordered_at, page, position, stored,
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

# A deleted order that is read again stays deleted, with what today's mapping makes of the version
# that it had then. That version gets the page of the list, where the order was missing.
_STILL_DELETED = f"""
UPDATE staged_order SET page = d.deleted, position = d.place, status = '{DELETED}', counted = false,
    content_hash = md5('{DELETED}' || content_hash)
FROM (SELECT s.source, s.page, s.position, k.page AS deleted,
             row_number() OVER (ORDER BY s.page, s.position) - 1 AS place
      FROM staged_order AS s JOIN stored_order AS k USING (source, order_id)
      WHERE k.status = '{DELETED}' AND s.page < k.page
        AND s.modified_at IS NOT DISTINCT FROM k.modified_at) AS d
WHERE staged_order.source = d.source AND staged_order.page = d.page
  AND staged_order.position = d.position"""

# on_change = "ignore" decides as if the orders came one by one. Each round accepts the candidates
# that are the first of their id and of their number, and drops those that share either with them.
_CANDIDATE = """
SELECT source, page, position, order_id, ordernumber FROM contested
WHERE (source, order_id) NOT IN (SELECT (source, order_id) FROM stored_order)
  AND (source, ordernumber) NOT IN (SELECT (source, ordernumber) FROM stored_order)
  AND (source, page, position) NOT IN (SELECT (source, page, position) FROM excluded)"""
_ACCEPT_FIRST = """
INSERT INTO accepted SELECT * FROM candidate
QUALIFY row_number() OVER (PARTITION BY source, order_id ORDER BY page, position) = 1
    AND row_number() OVER (PARTITION BY source, ordernumber ORDER BY page, position) = 1"""
_DROP_ACCEPTED = """
DELETE FROM candidate
WHERE (source, order_id) IN (SELECT (source, order_id) FROM accepted)
   OR (source, ordernumber) IN (SELECT (source, ordernumber) FROM accepted)"""
# The stored order itself, where its page is read again: it is replaced by what is read today.
_SAME_AGAIN = """
SELECT s.source, s.page, s.position, s.order_id, k.content_hash
FROM contested AS s JOIN stored_order AS k USING (source, order_id, ordernumber, page)
WHERE {read_again}
  AND (s.source, s.page, s.position) NOT IN (SELECT (source, page, position) FROM excluded)
QUALIFY row_number() OVER (PARTITION BY s.source, s.order_id ORDER BY s.position) = 1"""
_FIRST_WINS = """
SELECT s.source, s.order_id, s.ordernumber, s.ordered_at, s.page, s.position, false AS stored,
    a.page IS NOT NULL OR g.page IS NOT NULL AS is_newest, g.content_hash AS stored_hash,
    CASE WHEN a.page IS NOT NULL THEN 'inserted' ELSE 'unchanged' END AS outcome,
    a.page IS NOT NULL OR coalesce(g.content_hash <> s.content_hash, false) AS is_written,
    false AS is_touched
FROM contested AS s LEFT JOIN accepted AS a USING (source, page, position)
LEFT JOIN same_again AS g USING (source, page, position)
UNION ALL
SELECT source, order_id, ordernumber, ordered_at, page, -1, true,
    (source, order_id) NOT IN (SELECT (source, order_id) FROM same_again), content_hash, NULL,
    false, false
FROM stored_order"""
_LATEST_POSITION = """
UPDATE judged_version SET page = latest.at.page, position = latest.at.position
FROM (SELECT source, order_id, max({'page': page, 'position': position}) AS at
      FROM contested GROUP BY source, order_id) AS latest
WHERE judged_version.source = latest.source AND judged_version.order_id = latest.order_id
  AND latest.at > {'page': judged_version.page, 'position': judged_version.position}"""

# The order placed first owns its number, then the one with the smaller id (ids of digits compare as
# numbers). An order that is deleted at its source once this batch is loaded gives its number up.
_JUDGED_VERSION = f"""
WITH newest AS (FROM decision WHERE is_newest),
deleted AS (
    SELECT source, order_id FROM contested WHERE status = '{DELETED}'
        AND (source, page, position) IN
            (SELECT (source, page, position) FROM newest WHERE NOT stored)
    UNION
    SELECT source, order_id FROM stored_order WHERE status = '{DELETED}'
        AND (source, order_id) NOT IN (SELECT (source, order_id) FROM newest WHERE NOT stored)),
latest AS (
    SELECT source, order_id, ordernumber, ordered_at, page, position, stored FROM newest
    UNION ALL
    SELECT source, order_id, ordernumber, ordered_at, page, -1, true FROM stored_order
    WHERE (source, order_id) NOT IN (SELECT (source, order_id) FROM decision))
SELECT latest.*, deleted.order_id IS NOT NULL AS is_deleted, row_number() OVER (
    PARTITION BY latest.source, ordernumber
    ORDER BY deleted.order_id IS NOT NULL, ordered_at NULLS LAST, length(latest.order_id),
             latest.order_id) = 1 AS owns_number
FROM latest LEFT JOIN deleted
    ON deleted.source = latest.source AND deleted.order_id = latest.order_id"""

_REUSED = """
INSERT INTO staged_reject
SELECT source, page, position, ordernumber, order_id, 'number_reused',
       'another order has its number; tell them apart with the setting '
           || 'ordernumber = "{number}~{id}"', '$', NULL
FROM judged_version WHERE NOT owns_number AND NOT stored AND NOT is_deleted"""
_NOT_THE_OWNER = """
UPDATE decision SET outcome = 'rejected', is_written = false, is_touched = false
WHERE (source, page, position) IN (SELECT (source, page, position) FROM judged_version
                                   WHERE NOT owns_number AND NOT stored)"""
_LOST_NUMBER = """
SELECT source, v.page, order_id, v.ordernumber, content_hash
FROM judged_version AS v JOIN stored_order USING (source, order_id)
WHERE NOT owns_number AND stored AND NOT is_deleted"""
_TO_DELETE = """
SELECT DISTINCT source, ordernumber FROM stored_order WHERE (source, order_id) IN (
    SELECT (source, order_id) FROM decision WHERE is_written
    UNION ALL SELECT (source, order_id) FROM judged_version WHERE NOT owns_number)"""
_TO_TOUCH = """
SELECT s.*, k.loaded_at FROM staged_order AS s JOIN stored_order AS k USING (source, order_id)
WHERE (s.source, s.page, s.position) IN
        (SELECT (source, page, position) FROM decision WHERE is_touched)
  AND k.page <> s.page"""
_UNWRITTEN = "SELECT source, page, position FROM decision WHERE NOT stored AND NOT is_written"

# An order read again counts as what it does to the tables, not by its turn in the page.
_COUNT_BY_EFFECT = """
UPDATE decision SET outcome = CASE
    WHEN is_written AND stored_hash IS NULL THEN 'inserted'
    WHEN is_written THEN 'updated' WHEN is_newest THEN 'unchanged' ELSE 'stale' END
WHERE outcome <> 'rejected'"""

_INSERTED = """SELECT source, page, 'inserted', count(*) FROM staged_order {but} GROUP BY ALL
UNION ALL SELECT source, page, 'rejected', count(*) FROM staged_reject GROUP BY ALL"""
_OUTCOMES = """UNION ALL SELECT source, page, outcome, count(*) FROM decision
WHERE outcome IS NOT NULL AND outcome <> 'rejected' GROUP BY ALL"""


def plan_merge(stage: duckdb.DuckDBPyConnection, batch: Batch, fetch: FetchStored) -> MergePlan:
    """Decide about each staged order: insert, update, skip or reject.

    The temporary table ``stored_order`` must be there, with the columns :data:`STORED_COLUMNS`: the
    stored orders that share an id or a number with a staged one.

    :param fetch: fetches more of stored orders, by key.
    """
    drop_unknown(stage, fetch)
    if not batch.counted:
        stage.execute(_STILL_DELETED)
    also = _EXCLUDED if batch.ignore_changes else ""
    plan = MergePlan(contested=make_table(stage, "contested", _CONTESTED.format(also=also)))
    if plan.contested:
        _judge(stage, batch, plan)
    but = "ANTI JOIN unwritten USING (source, page, position)" if plan.contested else ""
    stage.execute(f"CREATE OR REPLACE TEMP VIEW to_write AS FROM staged_order {but}")
    plan.writes = count_rows(stage, "to_write")
    if batch.keep_address:
        keep_addresses(stage, fetch)
    _count_outcomes(stage, batch, plan)
    return plan


def _judge(stage: duckdb.DuckDBPyConnection, batch: Batch, plan: MergePlan) -> None:
    """Decide about the contested orders."""
    if batch.ignore_changes:
        _decide_first_wins(stage, read_again=not batch.counted)
    else:
        statement = _NEWEST_WINS.format(
            staged_version=_VERSION.format(position="position"),
            stored_version=_VERSION.format(position="-1"),
            read_again="false" if batch.counted else _READ_AGAIN,
        )
        make_table(stage, "decision", statement)
    make_table(stage, "judged_version", _JUDGED_VERSION)
    if stage.execute("FROM judged_version WHERE NOT owns_number LIMIT 1").fetchone():
        stage.execute(_REUSED)
        stage.execute(_NOT_THE_OWNER)
        plan.lost_number = stage.execute(_LOST_NUMBER).fetchall()
    plan.deletes = make_table(stage, "to_delete", _TO_DELETE)
    stage.execute("DELETE FROM judged_version WHERE NOT owns_number")
    make_table(stage, "unwritten", _UNWRITTEN)
    plan.touches = make_table(stage, "to_touch", _TO_TOUCH)
    if batch.ignore_changes:
        stage.execute(_LATEST_POSITION)
    if not batch.counted:
        stage.execute(_COUNT_BY_EFFECT)


def _decide_first_wins(stage: duckdb.DuckDBPyConnection, *, read_again: bool) -> None:
    """Make ``decision`` by the rule of ``on_change = "ignore"``."""
    make_table(stage, "same_again", _SAME_AGAIN.format(read_again=read_again))
    make_table(stage, "candidate", _CANDIDATE)
    make_table(stage, "accepted", "FROM candidate LIMIT 0")
    while (added := stage.execute(_ACCEPT_FIRST).fetchone()) and added[0]:
        stage.execute(_DROP_ACCEPTED)
    make_table(stage, "decision", _FIRST_WINS)


def _count_outcomes(stage: duckdb.DuckDBPyConnection, batch: Batch, plan: MergePlan) -> None:
    plan.counts = {share.source: Counts() for share in batch.shares}
    plan.per_page = {
        (share.source, page.page): Counts() for share in batch.shares for page in share.pages
    }
    query = _INSERTED.format(but="")
    if plan.contested:
        but = "ANTI JOIN contested USING (source, page, position)"
        query = f"{_INSERTED.format(but=but)} {_OUTCOMES}"
    for source, page, outcome, number in stage.execute(query).fetchall():
        if counts := plan.per_page.get((source, page)):
            setattr(counts, outcome, getattr(counts, outcome) + number)
            counts.fetched += number
    for (source, _), counts in plan.per_page.items():
        plan.counts[source].add(counts)
