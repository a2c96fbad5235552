"""Compare the rollups with a recount of the orders, in the warehouse."""

from collections.abc import Iterator, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from orderpull.destinations.merge import titles
from orderpull.destinations.merge.rollup_rows import (
    DAY_KEY,
    DAY_NUMBERS,
    LINE_NUMBERS,
    SKU_KEY,
    all_rows,
)
from orderpull.destinations.stage import more_memory
from orderpull.model import NO_COUNTRY, NO_DAY, Column
from orderpull.verify.result import MAX_LISTED, Difference, Where
from orderpull.verify.scope import Comparison, Scope

# A recount and, with the sign turned, what the rollups say: their sums are zero.
_DIFFERING = """
SELECT DISTINCT {when}, country FROM (
    SELECT {when}, country FROM (
        SELECT {recounted} AS {when}, {keys}, {numbers} FROM ({rows}) AS h WHERE source = ?
        UNION ALL
        SELECT {when}, {keys}, {negative} FROM {table} WHERE source = ?
    ) AS both_sides GROUP BY {when}, {keys} HAVING {some}) AS differing"""
_WITH_SKU = "{0} AS t LEFT JOIN summary_sku AS s ON s.sku_number = t.sku_number"
_TITLES = """
SELECT s.sku FROM summary_sku AS s LEFT JOIN ({recounted}) AS r ON r.sku = s.sku
WHERE coalesce(r.title, '') <> coalesce(s.title, '')
   OR coalesce(r.titled_at, {no_time}) <> coalesce(s.titled_at, {no_time})
UNION ALL
SELECT r.sku FROM ({recounted}) AS r LEFT JOIN summary_sku AS s ON s.sku = r.sku
WHERE s.sku IS NULL ORDER BY 1 LIMIT {limit}"""
_LIMIT = f"ORDER BY 1, 2 LIMIT {MAX_LISTED + 1}"


class Rollups(Comparison):
    """The rollups of a source, and its orders; a difference is a day or a year of a country."""

    where: Where = "rollups"

    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield each day and each year of a country whose sums are not those of the orders."""
        zone = ZoneInfo(scope.settings.report.timezone)
        if scope.rows("SELECT timezone FROM summary_state") != [(zone.key,)]:
            scope.result.outdated = True
            scope.result.notes.append("The next load builds the rollups anew; not compared.")
            return
        lines, orders = all_rows(scope.reader.execute, zone)
        by_line, by_year = (_WITH_SKU.format(f"summary_{kind}") for kind in ("line", "year"))
        queries = (
            ("orders, pieces, money", _differing(orders, "summary_day", DAY_KEY, DAY_NUMBERS)),
            ("SKUs", _differing(lines, by_line, SKU_KEY, LINE_NUMBERS)),
            ("SKUs", _differing(lines, by_year, SKU_KEY, LINE_NUMBERS, by_year=True)),
        )
        seen: set[str] = set()
        for what, query in queries:
            for when, country in scope.rows(f"{query} {_LIMIT}", scope.name, scope.name):
                group = _group(when, country)
                if group not in seen:
                    seen.add(group)
                    yield Difference(group, "different", self.where, f"not as recounted: {what}")
        for (sku,) in scope.rows(_titles(scope)):
            yield Difference(f"SKU {sku}", "different", self.where, "not as recounted: title")

    def repair(self, scope: Scope, differences: Sequence[Difference]) -> None:
        """Build the rollups anew, in one transaction, if they differ or are outdated."""
        differ = any(each.where == self.where for each in differences)
        if not differ and not scope.result.outdated:
            return
        with scope.destination.loader() as loader:
            if differ:
                with more_memory(loader.stage), loader.session.writing():
                    loader.rollups.rebuild()
            else:
                loader.ensure_rollups()


def _differing(
    rows: str,
    table: str,
    key: Sequence[Column],
    numbers: Sequence[Column],
    *,
    by_year: bool = False,
) -> str:
    """The query for times and countries in which *table* has other sums than *rows*."""
    names = [column.name for column in numbers]
    return _DIFFERING.format(
        rows=rows,
        table=table,
        when="year" if by_year else "day",
        recounted="extract(year FROM day)" if by_year else "day",
        keys=", ".join(column.name for column in key if column.name not in {"source", "day"}),
        numbers=", ".join(names),
        negative=", ".join(f"-{name}" for name in names),
        some=" OR ".join(f"sum({name}) <> 0" for name in names),
    )


def _titles(scope: Scope) -> str:
    """The query for the SKUs whose title is not that of the newest order."""
    every = titles.recounted("", scope.reader.in_bytes)
    return _TITLES.format(recounted=every, no_time=titles.NO_TIME, limit=MAX_LISTED + 1)


def _group(when: date | float, country: str) -> str:
    """``day 2026-05-01 DE``, ``year 2026 DE``, or ``orders without a date, DE``."""
    place = country or NO_COUNTRY
    kind, value = ("day", str(when)) if isinstance(when, date) else ("year", str(int(when)))
    if value in {str(NO_DAY), str(NO_DAY.year)}:
        return f"orders without a date, {place}"
    return f"{kind} {value} {place}"
