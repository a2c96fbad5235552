"""One installation with a shop of its own, what is done to it, and what it promises at any time."""

import os
import shutil
import signal
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orderpull import pipeline, read_settings
from orderpull.destinations.protocol import Kind
from orderpull.forget.forget import Result, forget
from orderpull.forget.wanted import Wanted
from orderpull.landing import open_landing
from orderpull.landing.expired import expired_pages
from orderpull.landing.protocol import SourceLanding
from orderpull.model import COUNTS, SUMMARY_TABLES
from orderpull.operate.doctor import diagnose
from orderpull.operate.rejects import retry
from orderpull.operate.replay import dry_run, replay, replay_into
from orderpull.pipeline import RunResult
from orderpull.verify.verify import Options, verify
from tests.contract.list_shop import Listed
from tests.forget.person import everything
from tests.operate.foretold import assert_foretold, state
from tests.processes import start
from tests.rollup_oracle import differing
from tests.stateful.killed import PROGRAM, Clock, keep
from tests.stateful.truth import Expected, Truth, is_good
from tests.traces import traces
from tests.warehouses import prepared_file, warehouse

BEGAN = datetime(2026, 6, 1)
KEEP_DAYS = 60
CHANGES = {
    "[reconcile]\n": '[reconcile]\nids = "ids"\nids_at_once = 3\n',
    'fields = "id"': 'fields = "id,no,changed,state"',
    'status = "state"\n': 'status = "state"\ncounted = "not(in(state, \'cancelled\'))"\n',
}
"""Changes of the API file: missing orders can be fetched, and cancelled ones do not count."""

TABLES = ("order_header", "order_address", "order_item")
DAMAGES = {
    "rows": [f"DELETE FROM {table} WHERE ordernumber = '{{0}}'" for table in TABLES],
    "city": ["UPDATE order_address SET city = 'by hand' WHERE ordernumber = '{0}'"],
    "items": [
        "DELETE FROM order_item WHERE ordernumber = '{0}'",
        """INSERT INTO order_item SELECT ordernumber, 'by hand', 3, source FROM order_header
           WHERE ordernumber = '{0}'""",
    ],
    "status": ["UPDATE order_header SET status = 'by hand' WHERE ordernumber = '{0}'"],
    "rollup": ["UPDATE summary_day SET quantity = quantity + 7"],
}
"""Statements that damage the order ``{0}``, or what is counted."""

OLD_SCHEMA = [
    "ALTER TABLE orderpull_cursor DROP COLUMN loads",
    *(f"DROP TABLE {table.name}" for table in SUMMARY_TABLES),
    "DELETE FROM orderpull_schema WHERE version = 1",
    "UPDATE orderpull_schema SET version = 1, made_by = 'older'",
]


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
        self.listed = Listed(self.place, 0, 'reconcile = "1s"\nreject_limit = 1\n')
        self.shop, self.file = self.listed.shop, self.place.folder / "orderpull.toml"
        api = self.place.folder / "listed.toml"
        text = api.read_text(encoding="utf-8")
        for before, after in CHANGES.items():
            assert before in text
            text = text.replace(before, after)
        api.write_text(text, encoding="utf-8")
        if expires:
            text = self.file.read_text(encoding="utf-8")
            block = f"[landing]\nkeep_days = {KEEP_DAYS}\n"
            self.file.write_text(block + text, encoding="utf-8")
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

    def run(self) -> None:
        """Pull and load; then the tables hold what the shop does."""
        self._well(pipeline.run(self.settings, send=self.shop.send))
        self.truth.learn(self.landing)
        self._check_shop()

    def pull(self) -> None:
        """Pull only."""
        self._well(pipeline.pull(self.settings, send=self.shop.send))

    def load(self) -> None:
        """Load only."""
        self._well(pipeline.load(self.settings))

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

    def forget(self, **wanted: Any) -> Result:
        """Erase persons; without criteria, finish and repeat earlier erasures."""
        result = forget(self.settings, (), Wanted(**wanted) if wanted else None)
        if result.certificate:
            assert result.certificate.left == []
            self.forgotten |= {n for found in result.certificate.orders.values() for n in found}
        self.begun.clear()
        return result

    def verify(self, *, shop: bool, repair: bool = False) -> set[str]:
        """The order numbers that ``orderpull verify --deep`` names. :param shop: ask the shop."""
        options = Options(deep=True, offline=not shop, send=self.shop.send, repair=repair)
        (result,) = verify(self.settings, options=options).sources.values()
        assert result.error is None, result.error
        return {each.order for each in result.differences}

    def damage(self, number: str, how: str) -> None:
        """Damage the order *number* in the tables."""
        for statement in DAMAGES[how]:
            self.place.query(statement.format(number))

    def migrate(self) -> None:
        """Make the tables those of an older orderpull; a load migrates them."""
        for statement in OLD_SCHEMA:
            self.place.query(statement)
        self.load()

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

    @staticmethod
    def _well(result: RunResult) -> None:
        assert result.ok, result.as_json()

    # -------------------------------------------------------------------- what it promises always

    def loaded(self) -> set[int]:
        """The pages that the ledger has."""
        return {page for (page,) in self.place.query("SELECT page FROM orderpull_page")}

    def restorable(self) -> list[str]:
        """The orders whose versions are still landed."""
        landed = set(self.landing.pages())
        held = self.truth.expected(self.loaded()).held
        return [n for n, each in held.items() if each.page in landed and not each.deleted]

    def check(self) -> None:
        """Tables, ledger, rollups and landing agree with the truth."""
        landing = self.landing
        self.truth.learn(landing)
        loaded = self._check_ledger()
        expected = self.truth.expected(loaded)
        self._check_orders(expected)
        self._check_landing(landing, loaded, expected)
        assert differing(self.place.query, "UTC") == []

    def _check_ledger(self) -> set[int]:
        """Counts add up, for each page and run. :return: the pages in it."""
        counts = ", ".join(COUNTS)
        pages = self.place.query(f"SELECT page, {counts} FROM orderpull_page")
        assert len(pages) == len({page for page, *_ in pages})
        for page, fetched, *outcomes in pages:
            assert fetched == sum(outcomes), page
            assert page in self.truth.listings or fetched == len(self.truth.orders[page]), page
        wrong = f"SELECT run FROM orderpull_run WHERE {COUNTS[0]} <> {' + '.join(COUNTS[1:])}"
        assert self.place.query(wrong) == []
        return {page for page, *_ in pages}

    def _check_orders(self, expected: Expected) -> None:
        """Each order once, in its newest version, as a set of lines; nobody who is forgotten."""
        query = self.place.query
        headers = query("SELECT ordernumber, order_id, status, counted FROM order_header")
        assert sorted(headers) == sorted(each.header for each in expected.held.values())
        inserted = query("SELECT coalesce(sum(inserted), 0) FROM orderpull_page")
        assert inserted == [(len(headers),)]
        addresses = query("SELECT ordernumber, country, city, line1, name FROM order_address")
        assert len(addresses) == len(headers)
        for number, country, city, line, name in addresses:
            to = expected.held[number].order["to"]
            assert (country, city) == (to["country"], to["city"])
            if number in self.forgotten:
                assert (line, name) == (None, None), number
            elif number not in self.begun or name is not None:
                assert (line, name) == (to["line"], to["name"]), number
        items: dict[str, dict[str, int]] = {}
        for number, sku, quantity in query("SELECT ordernumber, sku, quantity FROM order_item"):
            assert sku not in items.setdefault(number, {})
            items[number][sku] = quantity
        assert items == {n: held.items for n, held in expected.held.items() if held.items}
        rejects = query("SELECT ordernumber, page FROM orderpull_reject")
        assert sorted(rejects) == sorted(expected.rejects.items())

    def _check_landing(self, landing: SourceLanding, loaded: set[int], expected: Expected) -> None:
        """A page is landed, or was loaded and deleted on purpose."""
        landed, expired = {*landing.pages()}, expired_pages(landing)
        assert landed <= self.truth.pages
        gone = self.truth.pages - landed
        assert gone <= loaded
        assert all(page in expired for page in gone)
        assert {*expected.rejects.values()} <= landed

    def _check_shop(self) -> None:
        """What the shop has is what was loaded."""
        expected, seen = self.truth.expected(self.loaded()), self.shop.orders.values()
        good = {order["no"]: order for order in seen if is_good(order)}
        assert {n: expected.held[n].order["lines"] for n in good} == {
            n: order["lines"] for n, order in good.items()
        }
        assert {n: expected.held[n].header[2] for n in good} == {
            n: order["state"] for n, order in good.items()
        }
        here = {order["no"] for order in seen}
        assert {n for n, held in expected.held.items() if not held.deleted} <= here
        assert {order["no"] for order in seen if not is_good(order)} <= {*expected.rejects}

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
