"""Finish at the driver: check what the executors have committed, and load it in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.loader import Loader
from orderpull.destinations.merge.rollup_rows import (
    DAY_KEY,
    DAY_NUMBERS,
    LARGE_QUANTITY,
    LINE_NUMBERS,
    SKU_KEY,
    sums,
)
from orderpull.destinations.merge.rollups import Delta
from orderpull.destinations.protocol import Counts, RunRecord, SourceState
from orderpull.destinations.stage import more_memory, stage_rows
from orderpull.errors import ClusterError, RejectLimitExceeded
from orderpull.failpoints import failpoint
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.batches import LIMIT_APPLIES_FROM
from orderpull.loading.pages import FEW_VANISHED
from orderpull.model import (
    COUNTS,
    DATA_TABLES,
    LEDGER_PAGE,
    LEDGER_REJECT,
    SUMMARY_SKU,
    Column,
    Table,
)
from orderpull.spark.job import Job
from orderpull.sqltext import literal, quoted

_SMALL = " AND ".join(
    f"{name} < {LARGE_QUANTITY} AND {name} > -{LARGE_QUANTITY}" for name in ("quantity", "returned")
)
_COUNTED = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in COUNTS)
_NO_COUNTS = ", ".join(f"0 AS {name}" for name in COUNTS)
_TITLES = """SELECT sku, newest.title AS title, nullif(newest.at, {no_time}) AS titled_at FROM (
    SELECT sku, max({{'at': coalesce(titled_at, {no_time}), 'title': title}}) AS newest
    FROM {rows} GROUP BY sku)"""
_NO_TIME = "TIMESTAMP '0001-01-01 00:00:00'"
_EMPTY = {
    "page_counts": f"SELECT '' AS source, 0 AS page, {_NO_COUNTS} LIMIT 0",
    "page_rows": "SELECT '' AS source, 0 AS page, 0 AS gathered LIMIT 0",
    "vanished": "SELECT '' AS source, 0 AS page, 0 AS vanished, 0 AS stored LIMIT 0",
}


@dataclass
class Finish:
    """The last step of a replay: its results go through *loader* into a warehouse.

    :param files: the executors' Parquet files of each table.
    :param pages: the pages that were shaped, by source.
    :param landings: the landing of each source.
    :param began: start of the replay (UTC).
    """

    loader: Loader
    job: Job
    files: Mapping[str, Sequence[Path]]
    pages: Mapping[str, Sequence[int]]
    landings: Mapping[str, SourceLanding]
    accept_rejects: bool = False
    records: dict[str, RunRecord] = field(default_factory=dict)

    def check(self) -> None:
        """Check that no row was lost on the way, and that the rejects are few enough.

        :raises ClusterError: a page is missing or has another number of rows.
        :raises RejectLimitExceeded: a source has too many rejects or vanished orders.
        """
        run = self.loader.stage.execute
        wrong = run(
            f"""SELECT count(*) FROM (SELECT source, page, made FROM {self._rows("page")})
                FULL JOIN (SELECT source, page, CAST(sum(gathered) AS BIGINT) AS gathered
                           FROM {self._rows("page_rows")} GROUP BY source, page)
                    USING (source, page)
                WHERE coalesce(made, 0) <> coalesce(gathered, 0)"""
        ).fetchone()
        count = run(f"SELECT count(DISTINCT (source, page)) FROM {self._rows('page')}").fetchone()
        expected = sum(map(len, self.pages.values()))
        if wrong != (0,) or count != (expected,):
            raise ClusterError(
                f"Spark returned {count and count[0]} of {expected} pages, {wrong and wrong[0]} of "
                "them with missing or repeated rows. Nothing was committed.",
                "Run the same command again.",
            )
        for name in self.pages:
            self.records[name] = self._record(name)

    def write(self, *, data: bool = True) -> None:
        """Load everything in one transaction.

        :param data: load the orders themselves, too; else ledger and rollups alone.
        :raises DestinationError: the warehouse cannot be written.
        """
        loader, execute = self.loader, self.loader.session.execute
        records = list(self.records.values())
        ledger.number_runs(execute, records)
        rows = [(record.source, record.run) for record in records]
        stage_rows(loader.stage, "batch_run", LEDGER_PAGE.pick("source, run"), rows)
        with more_memory(loader.stage):
            uploaded = loader.upload_rows(self._queries(data=data))
            delta = self._delta()
            failpoint("spark-uploaded")
            with loader.session.writing():
                self._refuse_loaded()
                loader.rollups.apply_delta(delta)
                for table, query in uploaded.items():
                    execute(f"INSERT INTO {table.name} ({quoted(table.names)}) {query}")
                ledger.write_states(execute, self._states(), self.job.at)
                ledger.write_runs(execute, records)
                failpoint("spark-before-commit")
        failpoint("spark-committed")

    def _queries(self, *, data: bool) -> dict[Table, str]:
        """The query for the rows of each table that has some."""
        at = f"TIMESTAMP '{self.job.at:%Y-%m-%d %H:%M:%S.%f}'"
        queries = {
            table: f"SELECT {quoted(table.names)} FROM {self._rows(table.name)}"
            for table in (DATA_TABLES if data else ())
            if table.name in self.files
        }
        if LEDGER_REJECT.name in self.files:
            queries[LEDGER_REJECT] = f"""SELECT {quoted(LEDGER_REJECT.names)} FROM (
                SELECT * EXCLUDE (run) FROM {self._rows(LEDGER_REJECT.name)})
                JOIN batch_run USING (source)"""
        queries[LEDGER_PAGE] = f"""SELECT {quoted(LEDGER_PAGE.names)} FROM (
            SELECT DISTINCT ON (source, page) *, {at} AS loaded_at FROM {self._rows("page")})
            JOIN batch_run USING (source)
            LEFT JOIN (SELECT source, page, {_COUNTED} FROM (
                SELECT source, page, {", ".join(COUNTS)} FROM {self._rows("page_counts")}
                UNION ALL SELECT source, page, {_NO_COUNTS} FROM {self._rows("page")})
                GROUP BY source, page) USING (source, page)"""
        return queries

    def _delta(self) -> Delta:
        """Upload the sums of what the buckets add to the rollups."""
        made = (
            (
                "delta_sku",
                (*SKU_KEY, *LINE_NUMBERS),
                self._summed("delta_sku", SKU_KEY, LINE_NUMBERS),
            ),
            (
                "delta_day",
                (*DAY_KEY, *DAY_NUMBERS),
                self._summed("delta_day", DAY_KEY, DAY_NUMBERS),
            ),
            (
                "delta_title",
                SUMMARY_SKU.pick("sku, title, titled_at"),
                _TITLES.format(rows=self._rows("delta_title"), no_time=_NO_TIME)
                if "delta_title" in self.files
                else "",
            ),
        )
        session, stage = self.loader.session, self.loader.stage
        return Delta(
            *(
                session.upload(stage, name, columns, query) if query else 0
                for name, columns, query in made
            )
        )

    def _summed(self, name: str, key: Sequence[Column], numbers: Sequence[Column]) -> str:
        """The query for the sums over all buckets; what is too large to be summed stays apart."""
        if name not in self.files:
            return ""
        rows = self._rows(name)
        names = ", ".join(column.name for column in (*key, *numbers))
        small = sums(f"{rows} WHERE {_SMALL}", key, numbers)
        return f"{small} UNION ALL SELECT {names} FROM {rows} WHERE NOT ({_SMALL})"

    def _rows(self, table: str) -> str:
        """SQL of the executors' rows of *table*."""
        paths = self.files.get(table)
        if not paths:
            return f"({_EMPTY[table]})"
        return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"

    def _record(self, name: str) -> RunRecord:
        """The row of source *name* in the ledger's runs.

        :raises RejectLimitExceeded: it has too many rejects or vanished orders.
        """
        run, settings = self.loader.stage.execute, self.job.sources[name][0]
        row = run(
            f"SELECT {_COUNTED} FROM {self._rows('page_counts')} WHERE source = ?", [name]
        ).fetchone()
        counts = Counts(*(int(value or 0) for value in row or ()))
        lost = run(
            f"""SELECT count(DISTINCT page) FROM {self._rows("page")}
                WHERE source = ? AND possible_loss""",
            [name],
        ).fetchone()
        over = counts.rejected > settings.reject_limit * counts.fetched
        over = over and counts.fetched >= LIMIT_APPLIES_FROM
        hint = "If that is right, run the same command with --accept-rejects."
        if over and not self.accept_rejects:
            raise RejectLimitExceeded(
                f"{counts.rejected} of {counts.fetched} orders of source {name!r} cannot be "
                f"shaped; the limit is {settings.reject_limit:.0%}. Nothing was committed.",
                hint,
            )
        for page, vanished, stored in run(
            f"""SELECT page, sum(vanished), sum(stored) FROM {self._rows("vanished")}
                WHERE source = ? GROUP BY page ORDER BY page""",
            [name],
        ).fetchall():
            limit = max(FEW_VANISHED, settings.reject_limit * stored)
            if vanished > limit and not self.accept_rejects:
                raise RejectLimitExceeded(
                    f"Page {page} of source {name!r} lists {vanished} of {stored} orders no more, "
                    "which is more than reject_limit. Nothing was committed.",
                    hint,
                )
        return RunRecord(
            name, "replay", self.job.at, finished_at=clock.now(), pages=len(self.pages[name]),
            counts=counts, possible_loss=lost[0] if lost else 0, accepted_rejects=over, batches=1,
        )  # fmt: skip

    def _states(self) -> dict[str, SourceState]:
        """The ledger's state of each source: all its pages are loaded."""
        cursors = dict(
            self.loader.stage.execute(
                f"""SELECT source, arg_max(cursor_after, page) FROM {self._rows("page")}
                    WHERE cursor_after IS NOT NULL GROUP BY source"""
            ).fetchall()
        )
        return {
            name: SourceState(
                self.landings[name].identity, max(numbers), cursor=cursors.get(name), loads=1
            )
            for name, numbers in self.pages.items()
            if numbers
        }

    def _refuse_loaded(self) -> None:
        """Check that nobody loaded these sources meanwhile. :raises ClusterError: somebody did."""
        for name, state in self.loader.states(list(self.pages)).items():
            if state.loads:
                raise ClusterError(
                    f"Source {name!r} was loaded into {self.loader.session.where} meanwhile; "
                    "nothing was changed.",
                    "`orderpull run` goes on from there.",
                )
