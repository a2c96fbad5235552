"""Repair the tables by the landing: orders that differ get the rows that their pages say.

The whole landing is loaded once more (:mod:`orderpull.verify.landed`), because an older page may
have the newest version of an order. An order whose stored version came with a page that cannot be
read stays as it is.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orderpull import clock, pipeline
from orderpull.destinations.protocol import RunRecord
from orderpull.destinations.restore import CHUNK, Plan, restore
from orderpull.engine import duckdb
from orderpull.errors import Overtaken, PossibleLoss
from orderpull.scratch import ScratchFolder
from orderpull.sqltext import literal
from orderpull.verify.landed import Landed, load_landed, sort_pages
from orderpull.verify.result import Difference
from orderpull.verify.scope import Scope
from orderpull.verify.workbench import judged_rejects, missing_rejects, workbench

TRIES = 3
"""Plans that other loaders may overtake before a repair gives up."""

# Orders that are compared and differ, and those that another comparison has named, if the landed
# version is the stored one; first of all, in one transaction, those that have taken the place of
# one another.
_REWRITE = """
CREATE TABLE plan.rewrite AS
SELECT ordernumber, order_id, (row_number() OVER (ORDER BY order_id IN (
    SELECT w.order_id FROM landed.order_header AS w JOIN stored_header AS s USING (ordernumber)
    WHERE w.order_id <> s.order_id) DESC) - 1) // {chunk} AS chunk
FROM landed.order_header AS l
WHERE ordernumber IN (SELECT ordernumber FROM difference WHERE kind <> 'extra')
   OR (ordernumber IN (SELECT unnest(?::VARCHAR[])) AND ({whole} OR EXISTS (
        SELECT 1 FROM stored_header AS s WHERE s.ordernumber = l.ordernumber
            AND s.order_id = l.order_id AND s.page = l.page)))"""
# An order that is written goes from the number under which it stands, too.
_CHANGE = """
CREATE TABLE plan.change AS
SELECT ordernumber, chunk FROM plan.rewrite
UNION SELECT s.ordernumber, r.chunk FROM stored_header AS s JOIN plan.rewrite AS r USING (order_id)
      WHERE s.ordernumber NOT IN (SELECT ordernumber FROM plan.rewrite)
UNION SELECT ordernumber, 0 FROM difference WHERE kind = 'extra' AND {delete_extra}"""
# Rejects that are not recorded, and those of orders that are read today; not of an order whose
# version came with a page that cannot be read.
_REJECT_CHANGE = """
CREATE TABLE plan.reject_change AS
SELECT unnest(?::VARCHAR[]) AS reject_key
UNION SELECT reject_key FROM stored_reject AS s
ANTI JOIN landed.orderpull_reject USING (reject_key, reason)
WHERE NOT unseen(s.page) AND {judged}
  AND NOT EXISTS (SELECT 1 FROM stored_header AS h
                  WHERE h.order_id = coalesce(s.order_id, s.ordernumber) AND unseen(h.page))
  AND ({delete_extra}
    OR s.order_id IN (SELECT order_id FROM landed.order_header)
    OR s.ordernumber IN (SELECT ordernumber FROM landed.order_header))"""


def repair_tables(scope: Scope, differences: Sequence[Difference]) -> None:
    """Load landed pages that were never loaded, and restore the orders that differ.

    :raises Overtaken: other processes loaded meanwhile, each time.
    """
    _load_forgotten(scope)
    named = [each.order for each in differences if each.where in {"landing-tables", "tables"}]
    if not named:
        return
    for _ in range(TRIES - 1):
        with suppress(Overtaken):
            _restore(scope, named)
            return
    _restore(scope, named)


def _restore(scope: Scope, named: Sequence[str]) -> None:
    """Plan without a lock, which takes long; then write under the lock of a load."""
    destination = scope.destination
    with ScratchFolder() as folder:
        plan = _plan(scope, folder.path, named)
        with destination.loader() as loader:
            restore(loader, plan, RunRecord(scope.name, "repair", clock.now()))
        destination.publish(finished=True)


def _load_forgotten(scope: Scope) -> None:
    """Load the landed pages that are neither loaded nor waiting, as if they waited."""
    with scope.destination.fresh_reader() as reader:
        extent = sort_pages(replace(scope, since=None, opened=reader))
    if not extent.unloaded:
        return
    with scope.destination.loader() as loader:
        state = loader.state(scope.name)
        gaps = tuple(sorted({*state.gaps, *extent.unloaded}))
        loader.record(
            [RunRecord(scope.name, "repair", clock.now(), finished_at=clock.now())],
            {scope.name: replace(state, gaps=gaps, loads=state.loads + 1)},
        )
    result = pipeline.load(scope.settings, [scope.name])
    errors = [result.error, *(source.error for source in result.sources.values())]
    for error in errors:
        if error is not None and not isinstance(error, PossibleLoss):
            raise error


def _plan(scope: Scope, folder: Path, named: Sequence[str]) -> Plan:
    """Find what is to be restored, by the whole landing."""
    with scope.destination.fresh_reader() as reader:
        whole = replace(scope, since=None, opened=reader)
        extent = load_landed(whole, folder)
        with workbench(whole, extent, every=True) as connection:
            file = folder / "plan.duckdb"
            connection.execute(f"ATTACH {literal(str(file))} AS plan (READ_WRITE)")
            _fill(whole, extent, connection, named)
            connection.execute("DETACH plan")
    return Plan(file, extent.file, extent.state)


def _fill(
    scope: Scope, extent: Landed, connection: duckdb.DuckDBPyConnection, named: Sequence[str]
) -> None:
    flag = "true" if scope.delete_extra else "false"
    rewrite = _REWRITE.format(chunk=CHUNK, whole="true" if extent.whole else "false")
    connection.execute(rewrite, [list(named)])
    connection.execute(_CHANGE.format(delete_extra=flag))
    missing = [key for _, _, key in missing_rejects(scope, extent, connection)]
    change = _REJECT_CHANGE.format(judged=judged_rejects(scope, extent), delete_extra=flag)
    connection.execute(change, [missing])
