"""One installation with a shop of its own, and what is done to it."""

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from orderpull import pipeline, read_settings
from orderpull.destinations.protocol import Kind
from orderpull.forget.forget import Result, forget
from orderpull.forget.wanted import Wanted
from orderpull.landing import open_landing
from orderpull.landing.forgotten import Forgotten
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.compact import compact
from orderpull.model import SCHEMA_VERSION
from orderpull.operate.doctor import diagnose
from orderpull.operate.rejects import retry
from orderpull.operate.replay import dry_run, replay, replay_into
from orderpull.pipeline import RunResult
from orderpull.verify.verify import Options, verify
from tests.contract.list_shop import Listed
from tests.duckdb_file import attached
from tests.forget.person import everything
from tests.operate.foretold import assert_foretold, state
from tests.processes import start
from tests.rollup_oracle import Query
from tests.schema_four import rehash
from tests.stateful.killed import PROGRAM, Clock, keep
from tests.stateful.money import MAPPING
from tests.stateful.truth import Truth
from tests.traces import traces
from tests.warehouses import aged, prepared_file, warehouse

BEGAN = datetime(2026, 6, 1)
KEEP_DAYS = 60
LISTED_AFTER = 1
"""Hours after which a run lists all orders again."""

CHANGES = {
    "[reconcile]\n": '[reconcile]\nids = "ids"\nids_at_once = 3\n',
    'fields = "id"': 'fields = "id,no,changed,state"',
    'status = "state"\n': 'status = "state"\ncounted = "not(in(state, \'cancelled\'))"\n',
    'quantity = "n"': 'quantity = "coalesce(n, m)"',
}
"""Changes of the API file: missing orders can be fetched, and cancelled ones do not count."""

MENDED = {'"coalesce(n, m)"': '"coalesce(m, n)"'}
"""The change that mends the mapping: a line's ``m`` may be a number where its ``n`` is none."""

TABLES = ("order_header", "order_address", "order_item")
DAMAGES = {
    "rows": [f"DELETE FROM {table} WHERE ordernumber = '{{0}}'" for table in TABLES],
    "city": ["UPDATE order_address SET city = 'by hand' WHERE ordernumber = '{0}'"],
    "items": [
        "DELETE FROM order_item WHERE ordernumber = '{0}'",
        """INSERT INTO order_item (ordernumber, sku, quantity, source)
           SELECT ordernumber, 'by hand', 3, source FROM order_header WHERE ordernumber = '{0}'""",
    ],
    "status": ["UPDATE order_header SET status = 'by hand' WHERE ordernumber = '{0}'"],
    "rollup": ["UPDATE summary_day SET quantity = quantity + 7"],
}
"""Statements that damage the order ``{0}``, or what is counted."""


class Installation:
    """A folder with a landing, a warehouse, and a shop that is asked without a network.

    :ivar forgotten: numbers of orders whose persons are erased.
    :ivar begun: numbers of those whose erasure was killed.
    """

    def __init__(self, kind: Kind, base: Path, clock: Clock, *, expires: bool) -> None:
        self.base, self.clock = base, clock
        clock.time = BEGAN
        base.mkdir()
        self.stack = ExitStack()
        self.place = self.stack.enter_context(warehouse(kind, base / "here", prepared=True))
        self.listed = Listed(self.place, 0, f'reconcile = "{LISTED_AFTER}h"\nreject_limit = 1\n')
        self.shop, self.file = self.listed.shop, self.place.folder / "orderpull.toml"
        self._change_api(CHANGES)
        self._change_api(MAPPING)
        if expires:
            text = self.file.read_text(encoding="utf-8")
            self.file.write_text(f"[landing]\nkeep_days = {KEEP_DAYS}\n{text}", encoding="utf-8")
        self.settings = read_settings(self.file)
        self.truth = Truth()
        self.forgotten: set[str] = set()
        self.begun: set[str] = set()

    def close(self) -> None:
        """Close the warehouse and delete the folder."""
        self.stack.close()
        shutil.rmtree(self.base)

    @property
    def landing(self) -> SourceLanding:
        """The landing of the source."""
        return open_landing(self.settings.landing, self.settings.folder).source("shop")

    # ------------------------------------------------------------------------ what is done to it

    def run(self, *, listing: bool) -> bool:
        """Pull and load. :return: all orders were listed, so the tables hold what the shop does."""
        if listing:
            self.clock.time += timedelta(hours=LISTED_AFTER)
        lists = len(self.truth.listings)
        self._well(pipeline.run(self.settings, send=self.shop.send))
        self.truth.learn(self.landing)
        return len(self.truth.listings) > lists

    def pull(self) -> None:
        """Pull only."""
        self._well(pipeline.pull(self.settings, send=self.shop.send))

    def load(self) -> None:
        """Load only."""
        self._well(pipeline.load(self.settings))

    def compact(self) -> None:
        """Compact the landed pages that are loaded."""
        done = compact(self.settings, all_pages=True)
        assert not done.errors, done.errors

    def replay(self) -> None:
        """Replay; nothing changes."""
        replayed = replay(self.settings)
        self._well(replayed.result)

    def foretell(self) -> None:
        """Replay; before, a dry run tells exactly what it does."""
        told = dry_run(self.settings)
        assert told.errors == []
        before = state(self.place.query)
        self.replay()
        assert_foretold(told.as_json(names=False), before, state(self.place.query))

    def retry(self) -> None:
        """Load the rejects again."""
        self._well(retry(self.settings))

    def mend(self, point: str, command: tuple[str, ...]) -> None:
        """Mend the mapping: rejects that it can read now are loaded, and then what else it reads.

        :param point: where *command*, which does one or the other, is killed before; '': nowhere.
        """
        self.truth.learn(self.landing)
        rejects = self.truth.expected(self.loaded()).rejects
        readable = {n for n, page in rejects.items() if self.truth.is_mendable(n, page)}
        self._change_api(MENDED)
        if point:
            self.kill(point, 1, *command)
        self.retry()
        left = {n for (n,) in self.place.query("SELECT ordernumber FROM orderpull_reject")}
        assert left.isdisjoint(readable)
        stored = {n for (n,) in self.place.query("SELECT ordernumber FROM order_header")}
        assert readable <= stored
        self.replay()
        self.truth.mend({*self.landing.pages()})

    def kill(self, point: str, count: int, *arguments: str) -> bool:
        """Kill ``orderpull ARGUMENTS`` when it reaches *point* for the *count*-th time.

        :return: false: it came to its end before.
        """
        file = self.base / "shop.json"
        keep(file, self.shop, self.clock.now())
        process = start(
            "-c", PROGRAM, str(file), *arguments,
            cwd=self.place.folder, kill_at=f"{point}:{count}",
            env={**os.environ, "TMPDIR": str(self.base.parent / "tmp")},
        )  # fmt: skip
        _, errors = process.communicate(timeout=120)
        assert process.returncode in {0, -signal.SIGKILL}, errors.decode()
        self.clock.time += timedelta(minutes=10)
        return process.returncode != 0

    def begin_to_forget(self, number: str, point: str) -> None:
        """Kill the erasure of the order *number* at *point*."""
        killed = self.kill(point, 1, "forget", "--yes", "--order", number)
        if not killed or Forgotten.read(self.landing).begun:
            (self.begun if killed else self.forgotten).add(number)

    def settle(self) -> None:
        """Learn whether a run, a load or a replay has finished the erasures that were begun."""
        if self.begun and not Forgotten.read(self.landing).begun:
            self.forgotten |= self.begun
            self.begun.clear()

    def forget(self, **wanted: Any) -> Result:
        """Erase persons; without criteria, finish and repeat earlier erasures."""
        self.settle()
        result = forget(self.settings, (), Wanted(**wanted) if wanted else None)
        if result.certificate:
            assert result.certificate.left == []
            self.forgotten |= {n for found in result.certificate.orders.values() for n in found}
        self.begun.clear()
        return result

    def verify(self, *, shop: bool = False, repair: bool = False) -> int:
        """Run ``orderpull verify --deep``; in the end nothing differs. :param shop: ask the shop.

        :return: the number of differences that were repaired.
        """
        options = Options(deep=True, offline=not shop, send=self.shop.send, repair=repair)
        (result,) = verify(self.settings, options=options).sources.values()
        assert result.error is None, result.error
        assert result.differences == []
        return result.repaired or 0

    def damage(self, number: str, how: str) -> None:
        """Damage the order *number* in the tables."""
        for statement in DAMAGES[how]:
            self.place.query(statement.format(number))

    def migrate(self, version: int, point: str, count: int) -> None:
        """Make the tables those of an older orderpull; a load migrates them.

        :param version: of the tables.
        :param point: where a load is killed for the *count*-th time; '': nowhere.
        """
        held = self.truth.expected(self.loaded()).held
        self.truth.hollow = dict(held)
        rehash(self.place.query, {n: each.alive for n, each in held.items()})
        for statement in aged(version):
            self.place.query(statement)
        killed = bool(point) and self.kill(point, count, "load")
        if not killed or not self._is_whole():
            self.load()

    def _is_whole(self) -> bool:
        """True if the tables are those of today, and have rollups."""
        versions = self.place.query("SELECT max(version) FROM orderpull_schema")
        whole = versions == [(SCHEMA_VERSION,)]
        return whole and bool(self.place.query("SELECT timezone FROM summary_state"))

    def rebuild(self) -> None:
        """Load the whole landing into a new warehouse, which holds the same."""
        file = self.base / "anew.duckdb"
        shutil.copyfile(prepared_file(), file)
        rebuilt = replay_into(self.settings, f"duckdb:///{file}")
        assert rebuilt.exit_code == 0, rebuilt.as_json()
        assert rebuilt.compared is not None
        for each in self.base.glob("anew*"):
            each.unlink()

    def diagnose(self) -> list[str]:
        """The problems that ``orderpull doctor`` names; the clock is not the server's."""
        checks = diagnose(self.file).checks
        return [f.what for c in checks for f in c.findings if f.level == "problem"]

    def _change_api(self, changes: Mapping[str, str]) -> None:
        api = self.place.folder / "listed.toml"
        text = api.read_text(encoding="utf-8")
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        api.write_text(text, encoding="utf-8")

    @staticmethod
    def _well(result: RunResult) -> None:
        assert result.ok, result.as_json()

    # ----------------------------------------------------------------------------- what it holds

    @contextmanager
    def asked(self) -> Iterator[Query]:
        """Runs statements in the warehouse, all by one connection."""
        if url := self.place.lines.get("url"):
            with psycopg.connect(str(url), autocommit=True) as server:
                yield lambda statement: server.execute(statement.encode()).fetchall()
        else:
            with attached(self.place.folder / "orders.duckdb") as file:
                yield lambda statement: file.execute(statement).fetchall()

    def loaded(self) -> set[int]:
        """The pages that the ledger has."""
        return {page for (page,) in self.place.query("SELECT page FROM orderpull_page")}

    def restorable(self) -> list[str]:
        """The orders whose versions are still landed."""
        landed = set(self.landing.pages())
        held = self.truth.expected(self.loaded()).held
        return [n for n, each in held.items() if each.page in landed and not each.deleted]

    def check_bytes(self, texts: list[str], *, everywhere: bool) -> None:
        """None of the *texts* is in a landed page, or in any byte that was written."""
        temporary = self.base.parent / "tmp"
        contents = (
            everything(self.place, temporary)
            if everywhere
            else (
                (str(path), path.read_bytes())
                for path in self.place.folder.glob("landing/**/*.zst")
            )
        )
        assert traces(texts, contents) == []
