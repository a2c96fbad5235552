"""Compare the rollups with a recount of the orders, in the warehouse."""

from collections.abc import Iterator, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from orderpull.destinations.merge.rollups import all_rows
from orderpull.model import NO_COUNTRY, NO_DAY
from orderpull.verify.result import MAX_LISTED, Difference, Where
from orderpull.verify.scope import Comparison, Scope

# A recount and, with the sign turned, what the rollups say: their sums are zero.
_DAYS = """
SELECT day, country FROM (
    SELECT day, country, orders, orders_with_items, quantity FROM ({orders}) AS h WHERE source = ?
    UNION ALL
    SELECT day, country, -orders, -orders_with_items, -quantity FROM summary_day WHERE source = ?
) AS both_sides GROUP BY day, country
HAVING sum(orders) <> 0 OR sum(orders_with_items) <> 0 OR sum(quantity) <> 0"""
_LINES = """
SELECT {when}, country FROM (
    SELECT {when}, country, sku FROM (
        SELECT {recounted} AS {when}, country, sku, quantity, orders FROM ({lines}) AS h
        WHERE source = ?
        UNION ALL
        SELECT {when}, country, s.sku, -quantity, -orders
        FROM {table} AS t LEFT JOIN summary_sku AS s ON s.sku_number = t.sku_number
        WHERE source = ?
    ) AS both_sides GROUP BY {when}, country, sku HAVING sum(quantity) <> 0 OR sum(orders) <> 0
) AS differing GROUP BY {when}, country"""
_LIMIT = f"ORDER BY 1, 2 LIMIT {MAX_LISTED + 1}"


class Rollups(Comparison):
    """The rollups of a source, and its orders; a difference is a day or a year of a country."""

    where: Where = "rollups"

    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield each day and each year of a country whose sums are not those of the orders."""
        zone = ZoneInfo(scope.settings.report.timezone)
        if scope.rows("SELECT timezone FROM summary_state") != [(zone.key,)]:
            scope.result.notes.append("The next load builds the rollups anew; not compared.")
            return
        lines, orders = all_rows(scope.reader.execute, zone)
        queries = (
            ("orders, pieces", _DAYS.format(orders=orders)),
            ("SKUs", _lines(lines, "summary_line", "day", "day")),
            ("SKUs", _lines(lines, "summary_year", "year", "extract(year FROM day)")),
        )
        seen: set[str] = set()
        for what, query in queries:
            for when, country in scope.rows(f"{query} {_LIMIT}", scope.name, scope.name):
                group = _group(when, country)
                if group not in seen:
                    seen.add(group)
                    yield Difference(group, "different", self.where, f"not as recounted: {what}")

    def repair(self, scope: Scope, differences: Sequence[Difference]) -> None:
        """Build the rollups anew, in one transaction."""
        if any(each.where == self.where for each in differences):
            with scope.destination.loader() as loader, loader.session.writing():
                loader.rollups.rebuild()


def _lines(lines: str, table: str, when: str, recounted: str) -> str:
    return _LINES.format(lines=lines, table=table, when=when, recounted=recounted)


def _group(when: date | float, country: str) -> str:
    """``day 2026-05-01 DE``, ``year 2026 DE``, or ``orders without a date, DE``."""
    place = country or NO_COUNTRY
    kind, value = ("day", str(when)) if isinstance(when, date) else ("year", str(int(when)))
    if value in {str(NO_DAY), str(NO_DAY.year)}:
        return f"orders without a date, {place}"
    return f"{kind} {value} {place}"
