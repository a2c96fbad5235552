"""What becomes of each staged order, judged against what is stored.

The same for every warehouse: the destination says which stored orders are concerned (``known``),
and the judgement is made here, in the stage. It leaves temporary tables:

``judged``    each occurrence of an order and its verdict
``winner``    the orders to be written
``touched``   orders whose stored content came again with a later page
``gone``      numbers of stored orders to be taken out first
``standing``  the version of each order that holds after this batch
``displaced`` stored orders that lose their number to another order
"""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from orderpull.destinations.protocol import Batch, Counts

VERDICTS = ("inserted", "updated", "unchanged", "stale", "rejected")

# A version: what was modified later is newer; without a time, or with the same, what was landed
# later, then what stands later in the page. A stored order's place in its page is not known: it
# counts as before it, so that a page read again under a mended mapping has its say.
_VERSION = """{{'modified_at': coalesce(modified_at, TIMESTAMP '-infinity'), 'page': page,
                'position': {position}, 'content_hash': content_hash}}"""

_NEWEST_WINS = f"""
CREATE OR REPLACE TEMP TABLE judged AS
WITH occurrence AS (
    SELECT order_id, ordernumber, ordered_at, content_hash, page, position, false AS stored,
           {_VERSION.format(position="position")} AS version
    FROM staged_order
    UNION ALL
    SELECT order_id, ordernumber, ordered_at, content_hash, page, -1, true,
           {_VERSION.format(position="-1")}
    FROM known WHERE order_id IN (SELECT order_id FROM staged_order)),
compared AS (
    SELECT *,
        max(version) OVER (PARTITION BY order_id) AS final,
        max(version) OVER (PARTITION BY order_id ORDER BY stored DESC, page, position
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        max(CASE WHEN stored THEN content_hash END) OVER (PARTITION BY order_id) AS stored_hash
    FROM occurrence)
SELECT order_id, ordernumber, ordered_at, page, position, stored, version = final AS final,
    stored_hash,
    CASE WHEN stored THEN NULL
         WHEN before IS NULL THEN 'inserted'
         WHEN before.content_hash = content_hash THEN 'unchanged'
         WHEN version < before THEN 'stale'
         ELSE 'updated' END AS verdict,
    version = final AND NOT stored AND (stored_hash IS NULL OR stored_hash <> content_hash) AS wins,
    version = final AND NOT stored AND stored_hash = content_hash AS touches
FROM compared"""

_FIRST_STAYS = """
CREATE OR REPLACE TEMP TABLE judged AS
WITH news AS (
    SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY page, position) AS nth
    FROM staged_order
    WHERE order_id NOT IN (SELECT order_id FROM known)
      AND ordernumber NOT IN (SELECT ordernumber FROM known)),
first AS (
    SELECT page, position,
           row_number() OVER (PARTITION BY ordernumber ORDER BY page, position) = 1 AS wins
    FROM news WHERE nth = 1)
SELECT order_id, ordernumber, ordered_at, page, position, false AS stored,
    coalesce(wins, false) AS final, NULL::VARCHAR AS stored_hash,
    CASE WHEN wins THEN 'inserted' ELSE 'unchanged' END AS verdict,
    coalesce(wins, false) AS wins, false AS touches
FROM staged_order LEFT JOIN first USING (page, position)
UNION ALL
SELECT order_id, ordernumber, ordered_at, page, -1, true, true, content_hash, NULL, false, false
FROM known"""

# Of several orders with one number the one placed first keeps it, then the smaller id; numbers
# written as texts of digits compare as numbers do.
_STANDING = """
CREATE OR REPLACE TEMP TABLE standing AS
WITH latest AS (
    SELECT order_id, ordernumber, ordered_at, page, position, stored FROM judged WHERE final
    UNION ALL
    SELECT order_id, ordernumber, ordered_at, page, -1, true FROM known
    WHERE order_id NOT IN (SELECT order_id FROM judged))
SELECT *, row_number() OVER (PARTITION BY ordernumber
              ORDER BY ordered_at NULLS LAST, length(order_id), order_id) = 1 AS keeps
FROM latest"""

_REUSED = """
INSERT INTO staged_reject
SELECT page, position, ordernumber, order_id, 'number_reused',
       'another order has the number ' || ordernumber
           || '; tell them apart with the setting ordernumber = "{number}~{id}"', '$', NULL
FROM standing WHERE NOT keeps AND NOT stored"""


@dataclass(slots=True)
class Verdict:
    """What the judgement says in numbers; the rows are in the stage's tables."""

    counts: Counts
    per_page: dict[int, Counts]
    displaced: list[tuple[int, str, str]]


def judge(
    stage: duckdb.DuckDBPyConnection, batch: Batch, create_known: Callable[[], None]
) -> Verdict:
    """Judge the staged orders.

    :param create_known: makes the temporary table ``known``: of the stored orders that share an id
        or a number with a staged one, order_id, ordernumber, ordered_at, modified_at, page,
        content_hash, loaded_at.
    """
    run = stage.execute
    create_known()
    run(_FIRST_STAYS if batch.ignore_changes else _NEWEST_WINS)
    run(_STANDING)
    run(_REUSED)
    run("""UPDATE judged SET verdict = 'rejected', wins = false, touches = false
           WHERE (page, position) IN
               (SELECT (page, position) FROM standing WHERE NOT keeps AND NOT stored)""")
    run("""CREATE OR REPLACE TEMP TABLE displaced AS
           SELECT page, order_id, ordernumber FROM standing WHERE NOT keeps AND stored""")
    run("""CREATE OR REPLACE TEMP TABLE gone AS
           SELECT DISTINCT ordernumber FROM known WHERE order_id IN (
               SELECT order_id FROM judged WHERE wins
               UNION ALL SELECT order_id FROM standing WHERE NOT keeps)""")
    run("DELETE FROM standing WHERE NOT keeps")
    run("""CREATE OR REPLACE TEMP TABLE winner AS
           SELECT * FROM staged_order WHERE (page, position) IN
               (SELECT (page, position) FROM judged WHERE wins)""")
    run("""CREATE OR REPLACE TEMP TABLE touched AS
           SELECT s.*, k.loaded_at FROM staged_order AS s JOIN known AS k USING (order_id)
           WHERE (s.page, s.position) IN (SELECT (page, position) FROM judged WHERE touches)
             AND k.page <> s.page""")
    return _counted(stage, batch)


def _counted(stage: duckdb.DuckDBPyConnection, batch: Batch) -> Verdict:
    per_page = {page.page: Counts() for page in batch.pages}
    for page, verdict, number in stage.execute(
        """SELECT page, verdict, count(*) FROM judged
           WHERE verdict IS NOT NULL AND verdict <> 'rejected' GROUP BY ALL
           UNION ALL SELECT page, 'rejected', count(*) FROM staged_reject GROUP BY page"""
    ).fetchall():
        counts = per_page[page]
        setattr(counts, verdict, getattr(counts, verdict) + number)
        counts.fetched += number
    total = Counts()
    for counts in per_page.values():
        total.add(counts)
    displaced = stage.execute("SELECT page, order_id, ordernumber FROM displaced").fetchall()
    return Verdict(total, per_page, displaced)


def prepare_rejects(stage: duckdb.DuckDBPyConnection) -> None:
    """Give each staged reject its key, and keep of each key just the last."""
    stage.execute("""
        CREATE OR REPLACE TEMP TABLE reject AS
        SELECT * FROM (
            SELECT *, coalesce('id ' || order_id, 'number ' || ordernumber, 'raw ' || md5(raw))
                          AS reject_key
            FROM staged_reject)
        QUALIFY row_number() OVER (PARTITION BY reject_key
                                   ORDER BY page DESC, position DESC) = 1""")
    # What came later in the landing and stands makes an earlier bad version of itself moot.
    stage.execute("""
        DELETE FROM reject USING standing AS s
        WHERE (reject.order_id = s.order_id
               OR (reject.order_id IS NULL AND reject.ordernumber = s.ordernumber))
          AND reject.reason <> 'number_reused'
          AND (s.page, s.position) > (reject.page, reject.position)""")
