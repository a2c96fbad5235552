"""What becomes of each staged order, judged against what is stored.

The same for every warehouse: the destination says which stored orders are concerned (``known``),
and the judgement is made here, in the stage. It leaves temporary tables:

``judged``    each occurrence of an order and its verdict
``winner``    the orders to be written
``touched``   orders whose stored content came again with a later page
``gone``      numbers of stored orders to be taken out first
``standing``  the version of each order that holds after this batch
``displaced`` stored orders that lose their number to another order
``reject``    the rejects to be written, each with its key (:func:`prepare_rejects`)
"""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from orderpull.destinations.merge.stored import DELETED, Fetch, keep_addresses
from orderpull.destinations.protocol import Batch, Counts
from orderpull.model import SIZES

KNOWN = "order_id, ordernumber, status, ordered_at, modified_at, page, content_hash, loaded_at"
"""What is asked of the stored orders that share an id or a number with a staged one."""

VERDICTS = ("inserted", "updated", "unchanged", "stale", "rejected")

# A version: what was modified later is newer; without a time, or with the same, what was landed
# later, then what stands later in the page. A stored order's place in its page is not known.
_VERSION = """{{'modified_at': coalesce(modified_at, TIMESTAMP '-infinity'), 'page': page,
                'position': {position}, 'content_hash': content_hash}}"""

# A stored order whose own page is read again, whole, is no version beside that page's: there it
# stands once more, as today's mapping reads it.
_READ_AGAIN = """(page, order_id) IN (
    SELECT (o.page, o.order_id) FROM staged_order AS o JOIN staged_page USING (page))"""

# Most orders are met once and for the first time: only the others need comparing.
_SEVERAL = """
CREATE OR REPLACE TEMP TABLE several AS
SELECT order_id FROM (
    SELECT order_id FROM staged_order
    UNION ALL SELECT order_id FROM known WHERE order_id IN (SELECT order_id FROM staged_order))
GROUP BY order_id HAVING count(*) > 1"""

_NEWEST_WINS = """
CREATE OR REPLACE TEMP TABLE judged AS
WITH occurrence AS (
    SELECT order_id, ordernumber, ordered_at, content_hash, page, position, false AS stored,
           {staged_version} AS version
    FROM staged_order SEMI JOIN several USING (order_id)
    UNION ALL
    SELECT order_id, ordernumber, ordered_at, content_hash, page, -1, true,
           CASE WHEN NOT {read_again} THEN {stored_version} END
    FROM known SEMI JOIN several USING (order_id)),
compared AS (
    SELECT *,
        max(version) OVER (PARTITION BY order_id) AS final,
        max(version) OVER (PARTITION BY order_id ORDER BY stored DESC, page, position
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        max(CASE WHEN stored THEN content_hash END) OVER (PARTITION BY order_id) AS stored_hash
    FROM occurrence)
SELECT order_id, ordernumber, ordered_at, page, position, stored,
    version IS NOT NULL AND version = final AS final, stored_hash,
    CASE WHEN stored THEN NULL
         WHEN before IS NULL THEN 'inserted'
         WHEN before.content_hash = content_hash THEN 'unchanged'
         WHEN version < before THEN 'stale'
         ELSE 'updated' END AS verdict,
    version = final AND NOT stored AND (stored_hash IS NULL OR stored_hash <> content_hash) AS wins,
    version = final AND NOT stored AND stored_hash = content_hash AS touches
FROM compared
UNION ALL
SELECT order_id, ordernumber, ordered_at, page, position, false, true, NULL, 'inserted', true, false
FROM staged_order ANTI JOIN several USING (order_id)"""

# on_change = "ignore", as if the orders came one by one: each round lets those in that are the
# first of their id and of their number; who shares either with them is known from then on.
_NEWS = """
CREATE OR REPLACE TEMP TABLE news AS
SELECT page, position, order_id, ordernumber FROM staged_order
WHERE order_id NOT IN (SELECT order_id FROM known)
  AND ordernumber NOT IN (SELECT ordernumber FROM known)"""
_FIRST_OF_BOTH = """
INSERT INTO first_come SELECT * FROM news
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY page, position) = 1
    AND row_number() OVER (PARTITION BY ordernumber ORDER BY page, position) = 1"""
_KNOWN_NOW = """
DELETE FROM news WHERE order_id IN (SELECT order_id FROM first_come)
                    OR ordernumber IN (SELECT ordernumber FROM first_come)"""
_FIRST_STAYS = """
CREATE OR REPLACE TEMP TABLE judged AS
SELECT s.order_id, s.ordernumber, s.ordered_at, s.page, s.position, false AS stored,
    f.page IS NOT NULL AS final, NULL::VARCHAR AS stored_hash,
    CASE WHEN f.page IS NOT NULL THEN 'inserted' ELSE 'unchanged' END AS verdict,
    f.page IS NOT NULL AS wins, false AS touches
FROM staged_order AS s LEFT JOIN first_come AS f USING (page, position)
UNION ALL
SELECT order_id, ordernumber, ordered_at, page, -1, true, true, content_hash, NULL, false, false
FROM known"""
_LATEST_PLACES = """
UPDATE standing SET page = latest.place.page, position = latest.place.position
FROM (SELECT order_id, max({'page': page, 'position': position}) AS place
      FROM staged_order GROUP BY order_id) AS latest
WHERE standing.order_id = latest.order_id
  AND latest.place > {'page': standing.page, 'position': standing.position}"""

# Orders that are deleted at their source, as they stand after this batch.
_DEAD = f"""
CREATE OR REPLACE TEMP TABLE dead AS
SELECT order_id FROM staged_order WHERE status = '{DELETED}' AND (page, position) IN
    (SELECT (page, position) FROM judged WHERE final AND NOT stored)
UNION
SELECT order_id FROM known WHERE status = '{DELETED}'
    AND order_id NOT IN (SELECT order_id FROM judged WHERE final AND NOT stored)"""

# Of several orders with one number the one placed first keeps it, then the smaller id; numbers
# written as texts of digits compare as numbers do. What is deleted gives its number up.
_STANDING = """
CREATE OR REPLACE TEMP TABLE standing AS
WITH latest AS (
    SELECT order_id, ordernumber, ordered_at, page, position, stored FROM judged WHERE final
    UNION ALL
    SELECT order_id, ordernumber, ordered_at, page, -1, true FROM known
    WHERE order_id NOT IN (SELECT order_id FROM judged))
SELECT latest.*, dead.order_id IS NOT NULL AS dead, row_number() OVER (
    PARTITION BY ordernumber
    ORDER BY dead.order_id IS NOT NULL, ordered_at NULLS LAST, length(latest.order_id),
             latest.order_id) = 1 AS keeps
FROM latest LEFT JOIN dead ON dead.order_id = latest.order_id"""

_REUSED = """
INSERT INTO staged_reject
SELECT page, position, ordernumber, order_id, 'number_reused',
       'another order has its number; tell them apart with the setting '
           || 'ordernumber = "{number}~{id}"', '$', NULL
FROM standing WHERE NOT keeps AND NOT stored AND NOT dead"""


# Keys are indexed, so that they may not be of any length.
_BRIEF = f"""
CREATE OR REPLACE TEMP MACRO brief(key) AS
    CASE WHEN strlen(key) <= {SIZES["order_id"]} THEN key ELSE 'md5 ' || md5(key) END"""


@dataclass(slots=True)
class Verdict:
    """What the judgement says in numbers; the rows are in the stage's tables."""

    counts: Counts
    per_page: dict[int, Counts]
    displaced: list[tuple[int, str, str]]


def judge(
    stage: duckdb.DuckDBPyConnection, batch: Batch, create_known: Callable[[], None], fetch: Fetch
) -> Verdict:
    """Judge the staged orders.

    :param create_known: makes the temporary table ``known``, with the columns :data:`KNOWN`, of
        the stored orders that share an id or a number with a staged one.
    :param fetch: fetches stored orders by key.
    """
    run = stage.execute
    create_known()
    if batch.ignore_changes:
        _let_first_stay(stage)
    else:
        run(_SEVERAL)
        run(
            _NEWEST_WINS.format(
                staged_version=_VERSION.format(position="position"),
                stored_version=_VERSION.format(position="-1"),
                read_again="false" if batch.counted else _READ_AGAIN,
            )
        )
    run(_DEAD)
    run(_STANDING)
    run(_REUSED)
    run("""UPDATE judged SET verdict = 'rejected', wins = false, touches = false
           WHERE (page, position) IN
               (SELECT (page, position) FROM standing WHERE NOT keeps AND NOT stored)""")
    run("""CREATE OR REPLACE TEMP TABLE displaced AS
           SELECT page, order_id, ordernumber FROM standing
           WHERE NOT keeps AND stored AND NOT dead""")
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
    if batch.keep_address:
        keep_addresses(stage, fetch)
    if batch.ignore_changes:
        run(_LATEST_PLACES)
    if not batch.counted:
        # Read again, an order is what it does to the tables, not the first or second of its page.
        run("""UPDATE judged SET verdict = CASE WHEN wins AND stored_hash IS NULL THEN 'inserted'
                   WHEN wins THEN 'updated' WHEN final THEN 'unchanged' ELSE 'stale' END
               WHERE verdict <> 'rejected'""")
    return _counted(stage, batch)


def _let_first_stay(stage: duckdb.DuckDBPyConnection) -> None:
    """Judge by ``on_change = "ignore"``."""
    stage.execute(_NEWS)
    stage.execute("CREATE OR REPLACE TEMP TABLE first_come AS FROM news LIMIT 0")
    while (come := stage.execute(_FIRST_OF_BOTH).fetchone()) and come[0]:
        stage.execute(_KNOWN_NOW)
    stage.execute(_FIRST_STAYS)


def _counted(stage: duckdb.DuckDBPyConnection, batch: Batch) -> Verdict:
    per_page = {page.page: Counts() for page in batch.pages}
    for page, verdict, number in stage.execute(
        """SELECT page, verdict, count(*) FROM judged
           WHERE verdict IS NOT NULL AND verdict <> 'rejected' GROUP BY ALL
           UNION ALL SELECT page, 'rejected', count(*) FROM staged_reject GROUP BY page"""
    ).fetchall():
        if page in per_page:
            counts = per_page[page]
            setattr(counts, verdict, getattr(counts, verdict) + number)
            counts.fetched += number
    total = Counts()
    for counts in per_page.values():
        total.add(counts)
    displaced = stage.execute("SELECT page, order_id, ordernumber FROM displaced").fetchall()
    return Verdict(total, per_page, displaced)


def prepare_rejects(stage: duckdb.DuckDBPyConnection) -> None:
    """Give each staged reject its key, and keep of each key just the last.

    An order that waits for its number is another thing than a bad version of it.
    """
    stage.execute(_BRIEF)
    stage.execute("""
        CREATE OR REPLACE TEMP TABLE reject AS
        SELECT * FROM (
            SELECT *, CASE WHEN reason = 'number_reused' THEN 'number of ' ELSE '' END
                   || coalesce('id ' || brief(order_id), 'number ' || brief(ordernumber),
                               'raw ' || md5(raw)) AS reject_key
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
