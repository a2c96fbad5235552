"""Compare landing and tables: each landed order is loaded, rejected, stale or excluded."""

from collections.abc import Iterator, Sequence

from orderpull.destinations.stage import count_rows
from orderpull.engine import duckdb
from orderpull.scratch import ScratchFolder
from orderpull.verify import joined
from orderpull.verify.landed import Landed, load_landed, scratch_errors
from orderpull.verify.repair import repair_tables
from orderpull.verify.result import MAX_LISTED, Difference, Kind, Where
from orderpull.verify.scope import Comparison, Scope
from orderpull.verify.workbench import judged_rejects, missing_rejects, workbench

REFILL = (
    "Orders of pages {} to {} still lack the columns of the last update; their values were not "
    "compared with the landing."
)
_LIMIT = MAX_LISTED + 1
_ALL = f"SELECT ordernumber, kind, detail FROM difference ORDER BY ordernumber LIMIT {_LIMIT}"


class LandingTables(Comparison):
    """The loaded pages of a source, and its orders."""

    where: Where = "landing-tables"

    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield pages that are not what was loaded, then orders, then rejects."""
        with ScratchFolder() as folder:
            extent = load_landed(scope, folder.path)
            if extent.state.refill:
                scope.result.notes.append(REFILL.format(*extent.state.refill))
            yield from self._pages(extent)
            with scratch_errors(scope), workbench(scope, extent) as connection:
                scope.result.compared(count_rows(connection, "landed.order_header"))
                for order, kind, detail in _orders(scope, extent, connection):
                    yield Difference(order, kind, self.where, detail)

    def repair(self, scope: Scope, differences: Sequence[Difference]) -> None:
        """Restore what differs, and what the tables name as inconsistent, from landed pages."""
        repair_tables(scope, differences)

    def _pages(self, extent: Landed) -> Iterator[Difference]:
        """Yield the pages of which landing and ledger disagree."""
        for pages, kind, detail in _page_checks(extent):
            for page in pages:
                yield Difference(f"page {page}", kind, self.where, detail)


def _page_checks(extent: Landed) -> tuple[tuple[list[int], Kind, str], ...]:
    return (
        (extent.gone, "missing", "it was loaded, and is no longer in the landing"),
        (extent.changed, "different", "it has changed since it was loaded"),
        (extent.unloaded, "missing", "it was landed, and never loaded"),
    )


def _orders(
    scope: Scope, extent: Landed, connection: duckdb.DuckDBPyConnection
) -> Iterator[tuple[str, Kind, str]]:
    """Yield number, kind and detail of each order and reject that differs."""
    yield from connection.execute(_ALL).fetchall()
    for name, reason, _ in missing_rejects(scope, extent, connection):
        yield name, "missing", f"its reject ({reason}) is not recorded"
    extra = joined.extra_rejects(judged_rejects(scope, extent))
    for name, reason in connection.execute(f"{extra} LIMIT {_LIMIT}").fetchall():
        yield name, "extra", f"no landed page has its reject ({reason})"
