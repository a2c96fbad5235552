"""What the kill tests share: a shop, processes to be killed in it, and the account at the end."""

import json
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orderpull.landing.local import LocalSourceLanding
from orderpull.simulator import Simulator
from tests import duckdb_file
from tests.processes import Process, start

BATCH_ORDERS = 200
"""Orders of a batch: so few that a run over eight pages has several batches."""

SETTINGS = """\
[sources.shop]
api = "skubana-assessment"
base_url = "{url}"
{more}
"""


@dataclass(frozen=True)
class Account:
    """What the simulator handed out, and what the warehouse holds.

    :param lost: numbers that were handed out and are nowhere.
    :param wrong: numbers whose rows are not what the truth says.
    :param twice: numbers that stand more than once.
    :param missing: the answers that are not in the landing, each as its order numbers.
    """

    handed_out: set[str]
    held: set[str]
    lost: set[str]
    wrong: set[str]
    twice: set[str]
    missing: list[tuple[str, ...]]

    def check(self, allowed: int) -> None:
        """Fail if anything but the orders of *allowed* answers is lost, wrong or twice."""
        assert not self.twice, f"twice: {sorted(self.twice)[:5]}"
        assert not self.wrong, f"wrong: {sorted(self.wrong)[:5]}"
        assert len(self.missing) <= allowed, f"{len(self.missing)} answers are missing"
        may_be_lost = {number for numbers in self.missing for number in numbers}
        assert self.lost <= may_be_lost, f"lost: {sorted(self.lost - may_be_lost)[:5]}"


class Shop:
    """A folder with settings for a simulator, and processes that run there."""

    def __init__(self, folder: Path, simulator: Simulator, more: str = "") -> None:
        self.folder = folder
        self.simulator = simulator
        settings = SETTINGS.format(url=simulator.url, more=more)
        (folder / "orderpull.toml").write_text(settings, encoding="utf-8")

    def start(self, *program: str, kill_at: str = "") -> Process:
        """Start ``orderpull run`` in the folder, or another *program*, as Python's arguments."""
        arguments = program or ("-m", "orderpull", "run")
        return start(*arguments, cwd=self.folder, kill_at=kill_at, batch=BATCH_ORDERS)

    def killed_at(self, point: str, time_: int, *program: str) -> bool:
        """Run until *point* is reached the *time_*-th time; whether it was."""
        process = self.start(*program, kill_at=f"{point}:{time_}")
        _, errors = process.communicate(timeout=120)
        assert process.returncode in {-signal.SIGKILL, 0, 1}, errors.decode()
        return process.returncode == -signal.SIGKILL

    def killed_after(self, seconds: float) -> bool:
        """Kill so long after the run's first connection; whether it was still running."""
        before = self.simulator.connections
        process = self.start()
        while self.simulator.connections == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=120)
        return process.returncode == -signal.SIGKILL

    def run(self) -> int:
        """Run plainly; the exit code."""
        process = self.start()
        _, errors = process.communicate(timeout=120)
        assert process.returncode in {0, 1}, errors.decode()
        return process.returncode

    def run_until_well(self, times: int = 4) -> None:
        """Run plainly until a run goes well."""
        codes = []
        for _ in range(times):
            codes.append(self.run())
            if codes[-1] == 0:
                return
        raise AssertionError(f"no run went well: {codes}")

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """What the warehouse holds, table by table."""
        return _rows(self.folder / "orders.duckdb")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """What the warehouse answers."""
        return duckdb_file.query(self.folder / "orders.duckdb", statement)

    def account(self) -> Account:
        """Compare the warehouse with the truth."""
        calls = [tuple(map(str, call.orders)) for call in self.simulator.calls if call.consumed]
        landed = _landed(LocalSourceLanding(self.folder / "landing" / "shop", "shop"))
        missing = [numbers for numbers in calls if numbers and numbers not in landed]
        rows = self.rows()
        held = {row["ordernumber"] for row in rows["order_header"]}
        twice = {
            row["ordernumber"]
            for table in ("order_header", "order_address")
            for row in _repeated(rows[table])
        }
        handed_out = {number for numbers in calls for number in numbers}
        doubtful = {number for numbers in missing for number in numbers}
        expected = self.simulator.truth()["orders"]
        shaped = _shaped(rows)
        wrong = {n for n in (held & set(expected)) - doubtful if shaped[n] != expected[n]}
        return Account(handed_out, held, handed_out - held, wrong, twice, missing)


def random_instants(seed: int, count: int, most: float) -> list[float]:
    """Instants to kill at, in seconds after the first connection."""
    chance = random.Random(seed)
    return [chance.uniform(0.0, most) for _ in range(count)]


def _rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    with duckdb_file.attached(file) as connection:
        found = {}
        for table in ("order_header", "order_address", "order_item"):
            result = connection.execute(f"FROM {table}")
            names = [column[0] for column in result.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        return found


def _repeated(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: set[str] = set()
    repeated = []
    for row in rows:
        if row["ordernumber"] in seen:
            repeated.append(row)
        seen.add(row["ordernumber"])
    return repeated


def _shaped(rows: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Each order as the simulator's truth writes it."""
    shaped: dict[str, dict[str, Any]] = {}
    for row in rows["order_address"]:
        address = {key: value for key, value in row.items() if key not in {"ordernumber", "source"}}
        shaped[row["ordernumber"]] = {**address, "items": {}}
    for row in rows["order_item"]:
        shaped[row["ordernumber"]]["items"][row["sku"]] = row["quantity"]
    return shaped


def _landed(landing: LocalSourceLanding) -> set[tuple[str, ...]]:
    """The order numbers of each landed page that is whole."""
    found = set()
    for page in landing.pages():
        meta, body = landing.read(page)
        if meta.state == "whole":
            found.add(tuple(str(order["orderNumber"]) for order in json.loads(body)))
    return found
