"""orderpull doctor: silent about a healthy installation; each fault is named with what mends it."""

import base64
import datetime as dt
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import msgspec
import pytest
from click.testing import CliRunner

from orderpull import clock, pipeline, scratch
from orderpull.cli import main
from orderpull.landing.forgotten import Forgotten
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.lock import Holder
from orderpull.operate.doctor import machine
from orderpull.operate.doctor.pages import NOTES
from orderpull.schedule.state import ScheduleState
from orderpull.sources.http.messages import Response
from orderpull.verify.record import LastVerified
from tests.contract.list_shop import Listed
from tests.docs.markdown import ROOT
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.operate.home import House, house, order
from tests.servers import free_port, self_signed
from tests.warehouses import KINDS, Warehouse, warehouse

__all__ = ["bucket"]

SECRET = "a-secret-that-appears-nowhere"
HOLD = """
import sys
from pathlib import Path
from orderpull.landing.lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for private temporary folders, in which no killed test has left one."""
    folder = tmp_path_factory.mktemp("temporary")
    make = partial(tempfile.mkdtemp, dir=folder)
    monkeypatch.setattr(
        scratch, "tempfile", SimpleNamespace(mkdtemp=make, gettempdir=lambda: str(folder))
    )
    return folder


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A healthy installation with a DuckDB file, which tests copy."""
    folder = tmp_path_factory.mktemp("healthy")
    with house("duckdb", folder) as made:
        made.land([order("new", "new")])
        made.call("load")
        yield folder


@pytest.fixture
def here(healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A copy of it, as working folder."""
    folder = tmp_path / "here"
    shutil.copytree(healthy, folder, copy_function=shutil.copy2)
    monkeypatch.chdir(folder)
    file = folder / "orders.duckdb"

    def query(statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(file)) as connection:
            return connection.execute(statement).fetchall()

    return House(folder, Warehouse("duckdb", folder, {}, query))


def found(at: House, *arguments: str) -> list[dict[str, Any]]:
    """The findings of ``doctor`` that are not ok."""
    config = str(at.folder / "orderpull.toml")
    told = CliRunner().invoke(main, ["--config", config, "doctor", "--json", *arguments])
    report = json.loads(told.stdout)
    findings = [f for f in report["findings"] if f["level"] != "ok"]
    problems = sum(f["level"] == "problem" for f in findings)
    assert (report["problems"], report["warnings"]) == (problems, len(findings) - problems)
    assert told.exit_code == int(problems > 0) == int(not report["ok"])
    assert SECRET not in told.output
    return findings


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file below *folder*."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_before_the_first_run(tmp_path: Path) -> None:
    """Neither a landing nor a warehouse is nothing wrong."""
    (tmp_path / "orderpull.toml").write_text(
        '[sources.shop]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'
    )
    made = House(tmp_path, Warehouse("duckdb", tmp_path, {}, lambda _: []))
    told = made.call("doctor")
    assert "All is well." in told.stdout
    assert "the first run makes them" in " ".join(told.stdout.split())
    assert [path.name for path in tmp_path.iterdir()] == ["orderpull.toml"]
    made.call("check", code=1)  # makes folders and tables
    assert "All is well." in made.call("doctor").stdout


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    """They are the only finding."""
    (tmp_path / "orderpull.toml").write_text("[landing]\nurll = 1\n")
    told = House(tmp_path, Warehouse("duckdb", tmp_path, {}, lambda _: [])).call("doctor", code=1)
    assert "there is no setting landing.urll" in told.stdout
    assert "Did you mean landing.url?" in told.stdout
    assert "1 problem." in told.stdout


# ------------------------------------------------------------------------------ the faults


def page(at: House, number: int) -> Path:
    """The file of landed page *number*."""
    (path,) = at.folder.glob(f"landing/shop/*/{number:012d}.json.zst")
    return path


def flip_a_bit(at: House) -> None:
    path = page(at, 2)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def damage_the_warehouse(at: House) -> None:
    (at.folder / "orders.duckdb").write_bytes(b"no database")


def lose_a_page(at: House) -> None:
    page(at, 3).unlink()


def restore_an_old_page(at: House) -> None:
    at.plant("DELETE FROM orderpull_page WHERE page = 2")


def land_a_page(at: House) -> None:
    at.land([order("waits", "waits")])


def put_a_file(at: House) -> None:
    (at.folder / "landing" / "shop" / "orders of may.csv").write_text("1")


def put_a_file_beside(at: House) -> None:
    (at.folder / "landing" / "notes.txt").write_text("1")


def leave_a_rest(at: House) -> None:
    (at.folder / "landing" / "shop" / "in-flight" / "cursor.json.tmp").write_text("{")


def leave_a_request(at: House) -> None:
    (at.folder / "landing" / "shop" / "in-flight" / f"{9:012d}.part").write_text("{}\n")


def copy_a_page(at: House) -> None:
    other = at.folder / "landing" / "shop" / "2025-01"
    other.mkdir()
    shutil.copy(page(at, 1), other)


def cut_the_snapshot(at: House) -> None:
    os.truncate(at.folder / "orders.snapshot.duckdb", 1_000_000)


def empty_the_snapshot(at: House) -> None:
    os.truncate(at.folder / "orders.snapshot.duckdb", 0)


def lose_the_snapshot(at: House) -> None:
    (at.folder / "orders.snapshot.duckdb").unlink()


def fall_behind(at: House) -> None:
    at.origin.query("UPDATE orderpull_run SET batches = batches + 1")


def leave_a_snapshot(at: House) -> None:
    (at.folder / ".orders.snapshot.duckdb.tmp").write_text("half")


def drop_a_rollup(at: House) -> None:
    at.origin.query("DROP TABLE summary_year")


def drop_a_view(at: House) -> None:
    at.origin.query("DROP VIEW popular_sku")


def drop_orders(at: House) -> None:
    at.origin.query("DROP VIEW popular_sku_by_country")
    at.origin.query("DROP VIEW average_items_per_order")
    at.origin.query("DROP VIEW popular_sku")
    at.origin.query("ALTER TABLE order_header DROP COLUMN total")


def migrate_by_half(at: House) -> None:
    at.origin.query("UPDATE orderpull_schema SET version = 1")


def forget_the_version(at: House) -> None:
    at.origin.query("DELETE FROM orderpull_schema")


def come_from_an_older(at: House) -> None:
    at.origin.query("UPDATE orderpull_schema SET version = 3")


def come_from_a_newer(at: House) -> None:
    at.origin.query("UPDATE orderpull_schema SET version = 99, made_by = 'orderpull 9.0'")


def kill_a_puller(at: House) -> None:
    lock = str(at.folder / "landing" / "shop" / ".lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        assert found(at) == [], "a process that works is no fault"
        process.send_signal(signal.SIGKILL)


def kill_a_run(at: House) -> None:
    at.plant("UPDATE orderpull_run SET finished_at = NULL")


def fail(at: House) -> None:
    at.plant("UPDATE orderpull_run SET error = 'The API failed.'")


def write_out_a_token(at: House) -> None:
    file = at.folder / "orderpull.toml"
    file.write_text(file.read_text() + f'[web]\ntoken = "{SECRET}"\n')
    file.chmod(0o644)


def expire(at: House) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() - 90_000}).encode()).decode()
    add_to_api(at, '[auth]\nkind = "bearer"\n')
    file = at.folder / "orderpull.toml"
    file.write_text(file.read_text() + f'token = "e30.{claims.rstrip("=")}.{SECRET}"\n')
    file.chmod(0o600)


def add_to_api(at: House, block: str) -> None:
    api = at.folder / "awkward.toml"
    api.write_text(api.read_text(encoding="utf-8") + block, encoding="utf-8")


def misspell_the_api(at: House) -> None:
    add_to_api(at, "[request]\n")


def serve_to_others(at: House) -> None:
    file = at.folder / "orderpull.toml"
    file.write_text(file.read_text() + '[web]\nhosts = ["orders.example.com"]\n')


def certify(at: House) -> None:
    made = self_signed(at.folder)
    hashed = f"$scrypt$ln=14,r=8,p=1${'a' * 22}${'b' * 43}"
    file = at.folder / "orderpull.toml"
    file.write_text(
        f'{file.read_text()}[web]\npassword_hash = "{hashed}"\n'
        f'tls_certificate = "{made.cert.name}"\ntls_key = "{made.key.name}"\n'
    )


def mix_up_the_key(at: House) -> None:
    certify(at)
    other = at.folder / "other"
    other.mkdir()
    shutil.copy(self_signed(other).key, at.folder / "server.key")


def schedule(at: House, began: dt.timedelta, **more: Any) -> None:
    file = at.folder / "orderpull.toml"
    file.write_text(file.read_text() + '[schedule]\nevery = "1h"\n')
    now = clock.now()
    state = ScheduleState(
        os.getpid(), now - began, "every 1h", now - began, began=now - began, **more
    )
    folder = at.folder / ".orderpull"
    folder.mkdir()
    (folder / "schedule.json").write_bytes(msgspec.json.encode(state))


def miss_runs(at: House) -> None:
    at.plant("UPDATE orderpull_run SET started_at = started_at - INTERVAL 5 HOUR")
    schedule(at, dt.timedelta(hours=5))


def kill_the_schedule(at: House) -> None:
    (at.folder / ".orderpull").mkdir()
    left = Holder(4711, "here", clock.now())
    (at.folder / ".orderpull" / "schedule.lock").write_bytes(msgspec.json.encode(left))


def find_differences(at: House) -> None:
    note = LastVerified(clock.now(), None, False, 20, 1, [])
    (at.folder / "landing" / "shop" / "verified.json").write_bytes(msgspec.json.encode(note))


def miss_a_verification(at: House) -> None:
    file = at.folder / "orderpull.toml"
    file.write_text(file.read_text() + '[verify]\ncron = "0 3 * * *"\n')
    note = LastVerified(clock.now() - dt.timedelta(days=9), None, False, 20, 0, [])
    (at.folder / "landing" / "shop" / "verified.json").write_bytes(msgspec.json.encode(note))


def stop_an_erasure(at: House) -> None:
    landing = LocalSourceLanding(at.folder / "landing" / "shop", "shop")
    orders = [("i9", "again", None)]
    Forgotten.read(landing).begin(landing, "me", clock.now(), "1 order", orders)


def leave_a_folder(at: House) -> None:
    there = scratch.tempfile.gettempdir()  # type: ignore[attr-defined] # the one of the fixture
    Path(there, "orderpull-abcdefgh").mkdir()


def change_the_landing(at: House) -> None:
    (at.folder / "landing" / "shop" / "landing.json").write_text('{"id": "another"}')


AGAIN = "rm orders.snapshot.duckdb && orderpull load"


@dataclass(frozen=True)
class Fault:
    """A fault: how it is made, and what the doctor says of it.

    :param obeyed: the command can be obeyed here, and mends it.
    """

    make: Callable[[House], None]
    check: str
    level: str
    what: str
    mend: str
    obeyed: bool = True


FAULTS = (
    (
        Fault(restore_an_old_page, "landing", "problem", "unknown to the ledger (2)", "orderpull replay shop"),
        Fault(land_a_page, "landing", "warning", "1 page waits to be loaded (5)", "orderpull load shop"),
        Fault(put_a_file, "landing", "warning", "Not made by orderpull: orders of may.csv", "mv 'landing/shop/orders of may.csv' ELSEWHERE/"),
        Fault(put_a_file_beside, "landing", "warning", "Not made by orderpull: notes.txt", "mv landing/notes.txt ELSEWHERE/"),
        Fault(leave_a_folder, "disk", "warning", "1 folder of killed processes", "rm -r /"),
        Fault(leave_a_rest, "landing", "warning", "Rest of a file", "rm landing/shop/in-flight/cursor.json.tmp"),
        Fault(fall_behind, "snapshot", "warning", "behind the warehouse", "orderpull load"),
        Fault(write_out_a_token, "settings", "warning", "web.token: written out", "chmod 600 orderpull.toml"),
    ),
    (
        Fault(kill_a_puller, "locks", "warning", "It holds nothing up", "orderpull run shop", False),
        Fault(flip_a_bit, "landing", "problem", "1 page is damaged (2): ", "find /BACKUP -name 000000000002", False),
        Fault(lose_a_page, "landing", "problem", "1 loaded page is missing (3)", "find /BACKUP -name 000000000003", False),
        Fault(copy_a_page, "landing", "problem", "there twice", "find landing/shop -name 000000000001", False),
        Fault(leave_a_request, "landing", "warning", "the response to request 9 of shop", "orderpull run shop", False),
        Fault(kill_the_schedule, "locks", "warning", "Left by pid 4711 on here", "orderpull schedule", False),
        Fault(kill_a_run, "runs", "warning", "The run of shop that began", "orderpull run shop", False),
        Fault(serve_to_others, "web", "problem", "nobody can sign in", "orderpull password prints", False),
    ),
    (
        Fault(migrate_by_half, "warehouse", "problem", "Half migrated: the tables say version 1", "orderpull load"),
        Fault(cut_the_snapshot, "snapshot", "problem", "cut off", AGAIN),
        Fault(find_differences, "verify", "problem", "shop: verified up to", "orderpull verify shop --repair", False),
        Fault(certify, "web", "warning", "The certificate expires", "certbot renew", False),
    ),
    (
        Fault(empty_the_snapshot, "snapshot", "problem", "It cannot be read", AGAIN),
        Fault(drop_a_rollup, "warehouse", "problem", "Half migrated: the tables say version", "orderpull load"),
        Fault(stop_an_erasure, "landing", "problem", "is not finished", "orderpull forget shop", False),
        Fault(expire, "credentials", "problem", "The token of shop expired", "[sources.shop]", False),
        Fault(miss_a_verification, "verify", "warning", "was not verified at", "orderpull verify shop", False),
    ),
    (
        Fault(forget_the_version, "warehouse", "problem", "no version: they are whole", "INSERT INTO orderpull_schema"),
        Fault(lose_the_snapshot, "snapshot", "problem", "no snapshot", "orderpull load"),
    ),
    (
        Fault(fail, "runs", "warning", "failed: The API failed.", "orderpull runs --source shop", False),
        Fault(miss_runs, "schedule", "problem", "No run began at", "orderpull schedule", False),
        Fault(drop_a_view, "warehouse", "problem", "lack popular_sku", "orderpull load"),
    ),
    (
        Fault(come_from_an_older, "warehouse", "warning", "the next run makes them version", "orderpull load"),
        Fault(mix_up_the_key, "web", "problem", "The certificate cannot be used", "certbot renew", False),
    ),
    (
        Fault(drop_orders, "warehouse", "problem", "lack order_header.total", "orderpull replay --into URL", False),
        Fault(change_the_landing, "landing", "problem", "from another landing", "Give back the landing", False),
        Fault(leave_a_snapshot, "snapshot", "warning", "Rest of a snapshot", "rm .orders.snapshot.duckdb.tmp"),
        Fault(misspell_the_api, "settings", "problem", "awkward.toml", "", False),
    ),
    (
        Fault(damage_the_warehouse, "warehouse", "problem", "is not a DuckDB file", "Choose another file", False),
        Fault(kill_the_schedule, "locks", "warning", "Left by pid 4711 on here", "orderpull schedule", False),
        Fault(flip_a_bit, "landing", "problem", "1 page is damaged (2): ", "find /BACKUP", False),
    ),
    (
        Fault(come_from_a_newer, "warehouse", "problem", "made by orderpull 9.0", "pip install --upgrade orderpull", False),
    ),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: faults[0].make.__name__)
def test_each_fault_is_named_with_what_mends_it(here: House, faults: tuple[Fault, ...]) -> None:
    """One finding for each, at its check, with level and command; the commands mend what they can."""
    for fault in faults:
        fault.make(here)
    told = found(here)
    assert len(told) == len(faults), told
    for fault in faults:
        (finding,) = [f for f in told if fault.what in f["what"]]
        assert (finding["check"], finding["level"]) == (fault.check, fault.level), finding
        assert fault.mend in (finding["mend"] or "")
        if fault.obeyed:
            obey(here, finding["mend"])
    if any(fault.obeyed for fault in faults):
        left = [fault.what for fault in faults if not fault.obeyed]
        assert [f for f in found(here) if not any(what in f["what"] for what in left)] == []


def obey(at: House, commands: str) -> None:
    """Do what a person would who types *commands*."""
    for command in commands.split(" && "):
        program, *arguments = shlex.split(command)
        if program == "orderpull":
            at.call(*arguments)
        elif program == "duckdb":
            at.origin.query(arguments[1])
        else:
            (at.folder / "ELSEWHERE").mkdir(exist_ok=True)
            subprocess.run([program, *arguments], cwd=at.folder, check=True)


def test_the_clock_set_back(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, a run and a snapshot of the future are named."""
    before = dt.datetime(2026, 6, 1)
    monkeypatch.setattr(clock, "now", lambda: before)
    told = {f["what"] for f in found(here) if f["check"] == "clocks" and f["level"] == "problem"}
    assert any("page 4 of shop was received" in what for what in told)
    assert any("of shop began" in what for what in told)
    assert all(f["mend"] == machine.SET_CLOCK for f in found(here) if f["check"] == "clocks")


def test_the_clock_of_the_api(tmp_path: Path) -> None:
    """Its header Date is compared as a page comes; what a cache kept says nothing."""
    day = dt.timedelta(days=1)
    headers = [{"date": format_datetime(clock.now().replace(tzinfo=dt.UTC) + day, usegmt=True)}]
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = Listed(place, 4)

        def send(*call: Any) -> Response:
            response = listed.shop.send(*call)
            return replace(response, headers={**response.headers, **headers[-1]})

        assert pipeline.run(listed.settings, send=send).ok
        (wrong,) = clocks_of(listed)
        assert "The clock of the API of shop is 86," in wrong["what"]
        assert "ahead of this machine's" in wrong["what"]
        assert (wrong["level"], wrong["where"]) == ("warning", "page 1 of shop")
        assert "overlap = 172" in wrong["mend"]
        headers.append({**headers[0], "age": "86400"})
        listed.shop.place(9)
        assert pipeline.run(listed.settings, send=send).ok
        assert clocks_of(listed) == []


def clocks_of(listed: Listed) -> list[dict[str, Any]]:
    """The findings about clocks that are not ok."""
    report = CliRunner().invoke(main, ["--config", str(listed.settings.file), "doctor", "--json"])
    findings = json.loads(report.stdout)["findings"]
    return [f for f in findings if f["check"] == "clocks" and f["level"] != "ok"]


def test_a_full_disk(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for no snapshot is a problem; a disk that fills up is a warning."""
    monkeypatch.setattr(machine, "_free", lambda _: 100_000)
    told = [f for f in found(here) if f["check"] == "disk"]
    assert any("the next snapshot needs" in f["what"] for f in told)
    assert {f["level"] for f in told} == {"problem"}
    monkeypatch.setattr(machine, "_free", lambda _: 500_000_000)
    (low,) = found(here)
    assert (low["level"], low["what"]) == ("warning", "500 MB are free.")


def test_another_program_holds_the_warehouse(here: House) -> None:
    """It is named; the ledger is read from the snapshot meanwhile."""
    program = (
        "import duckdb; c = duckdb.connect('orders.duckdb'); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=here.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        (finding,) = found(here)
        holder.communicate("\n")
    assert finding["check"] == "locks"
    assert f"PID {holder.pid}" in finding["what"]
    assert "at most 5 s" in finding["what"]
    assert found(here) == []


def test_five_faults_on_one_screen(here: House) -> None:
    """Problems and warnings in the order of the data, each with a command; 24 lines at most."""
    for make in (fail, flip_a_bit, put_a_file, cut_the_snapshot, drop_a_rollup):
        make(here)
    told = here.call("doctor", code=1).stdout
    assert "3 problems and 2 warnings." in told
    assert len([line for line in told.splitlines() if line.strip()]) <= 24
    assert told.count("→") == 5


def test_the_notes_are_those_of_the_docs() -> None:
    """A new note beside the pages is known to the doctor as soon as docs/landing.md names it."""
    page = (ROOT / "docs" / "landing.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in row.replace("`", "").replace(",", " ").split()}
    assert {name for name in told if name.endswith(".json")} <= NOTES <= told


def test_faults_in_a_bucket(
    healthy: Path, bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same names and hashes on S3, and the lease of a killed process."""
    folder = tmp_path / "here"
    shutil.copytree(healthy, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path in sorted((folder / "landing" / "shop").rglob("*")):
        if path.is_file():
            bucket.put(str(path.relative_to(folder / "landing" / "shop")), path.read_bytes())
    shutil.rmtree(folder / "landing")
    file = folder / "orderpull.toml"
    file.write_text(bucket.toml() + file.read_text(), encoding="utf-8")
    at = House(folder, Warehouse("duckdb", folder, {}, lambda _: []))
    assert found(at, "--deep") == []
    (second,) = [key for key in bucket.keys() if key.endswith("2.json.zst")]  # noqa: SIM118 - no dict
    data = bytearray(bucket.get(second))
    data[-3] ^= 1
    bucket.put(second, bytes(data))
    bucket.put("may.csv", b"1")
    lease = {"owner": "x/y/1", "pull": "p", "host": "there", "pid": 4711, "seconds": -1.0}
    bucket.put(".lock", json.dumps(lease).encode())
    told = {f["what"]: f for f in found(at)}
    (killed,) = [f for what, f in told.items() if "Left by pid 4711 on there" in what]
    assert killed["check"] == "locks"
    assert any("may.csv" in what for what in told)
    (broken,) = [f for what, f in told.items() if "1 page is damaged (2)" in what]
    assert "list-object-versions" in broken["mend"]
    assert len(told) == 3


def faults_of_postgresql(at: House) -> None:
    """An index, a key and a right that are missing, a password that expired, half a migration."""
    ask = at.origin.query
    ask("DROP INDEX summary_line_day")
    ask("ALTER TABLE order_item DROP CONSTRAINT order_item_pkey")
    ask("CREATE ROLE orders_reader LOGIN VALID UNTIL '2020-01-01'")
    try:
        told = {f["what"]: f for f in found(at)}
        ask("DROP TABLE summary_year")
        (half,) = [f for f in found(at) if "Half migrated" in f["what"]]
    finally:
        ask("DROP ROLE orders_reader")
    (index,) = [f for what, f in told.items() if "summary_line_day" in what]
    assert "CREATE INDEX summary_line_day ON summary_line USING brin (day)" in index["mend"]
    (key,) = [f for what, f in told.items() if "order_item has no primary key" in what]
    assert "ADD PRIMARY KEY (source, ordernumber, sku)" in key["mend"]
    (right,) = [f for what, f in told.items() if "orders_reader has no right to" in what]
    assert "grants --reader orders_reader" in right["mend"]
    (expired,) = [f for what, f in told.items() if "password of orders_reader expired" in what]
    assert "ALTER USER" in expired["mend"]
    assert len(told) == 4
    password = str(at.origin.lines["url"]).split(":")[2].partition("@")[0]
    assert password not in json.dumps([*told.values(), half])


def faults_of_redshift(at: House) -> None:
    """A right that the loader lacks."""
    user = str(at.origin.lines["url"]).split("//")[1].partition("@")[0]
    at.origin.query(f'REVOKE INSERT ON order_item FROM "{user}"')
    (finding,) = found(at)
    assert f"{user} has no right to INSERT on order_item" in finding["what"]
    assert "grants --loader" in finding["mend"]


def faults_of_duckdb(at: House) -> None:
    """A file that is gone, as all landed pages can be loaded again; then a landing that is gone."""
    (at.folder / "orders.duckdb").rename(at.folder / "kept.duckdb")
    (finding,) = found(at)
    assert "There are no tables, and 3 landed pages" in finding["what"]
    (at.folder / "kept.duckdb").rename(at.folder / "orders.duckdb")
    shutil.rmtree(at.folder / "landing" / "shop")
    (finding,) = found(at)
    assert "It is empty, and the warehouse has loaded 3 pages" in finding["what"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_warehouse_healthy_and_not(kind: Any, tmp_path: Path) -> None:
    """A line for each check, exit 0, and not a byte is changed; then its own faults."""
    faults = {"duckdb": faults_of_duckdb, "postgresql": faults_of_postgresql,
              "redshift": faults_of_redshift}  # fmt: skip
    with house(kind, tmp_path) as made:
        (tmp_path / "orderpull.toml").chmod(0o600)
        before = state_of(tmp_path)
        for arguments in ((), ("--deep",)):
            told = made.call("doctor", *arguments).stdout
            assert "All is well." in told, told
            assert "!" not in told
        assert state_of(tmp_path) == before
        if kind in faults:
            faults[kind](made)


def test_a_folder_that_cannot_be_read(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the finding, and not pages that seem to be missing."""

    def refused(top: Path, onerror: Callable[[OSError], None]) -> Iterator[Any]:
        onerror(PermissionError(13, "Permission denied", str(top)))
        yield from ()

    monkeypatch.setattr(os, "walk", refused)
    (told,) = found(here)
    assert (told["check"], told["level"]) == ("landing", "problem")
    assert "cannot be used: Permission denied" in told["what"]


@pytest.mark.slow
def test_neither_landing_nor_warehouse_can_be_reached(here: House) -> None:
    """Each is named once, at its own check."""
    file = here.folder / "orderpull.toml"
    bucket = f'[landing]\nurl = "s3://gone/raw"\nendpoint = "http://127.0.0.1:{free_port()}"\n'
    server = f'[destination]\nurl = "postgresql://me:{SECRET}@127.0.0.1:{free_port()}/db"'
    file.write_text(file.read_text().replace("[destination]", bucket + server))
    file.chmod(0o600)
    assert sorted(f["check"] for f in found(here)) == ["landing", "warehouse"]
