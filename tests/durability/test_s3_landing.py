"""A landing on S3 keeps what a folder keeps: killed anywhere, on one machine or on two."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from orderpull import read_settings, run
from orderpull.cli import main
from orderpull.landing.local import LocalSourceLanding
from orderpull.loading import pages
from orderpull.pipeline import Listener, SourceResult
from orderpull.simulator import Call, Simulator, SkubanaAssessment
from tests.durability.matrix import Account, Shop
from tests.failpoints import LANDING_POINTS
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.shops import rows, shop_settings

__all__ = ["bucket"]

ORDERS, PER_CALL = 240, 60
AROUND = (
    "before-request", "request-sent", "after-response", "page-written", "page-landed",
    "before-normalize", "judged", "committed",
)  # fmt: skip
"""Points of every landing between which something of this one becomes durable."""

MAY_LOSE_HERE = {"request-sent"}
"""There the answer had not arrived."""

MAY_LOSE_ELSEWHERE = {"request-sent", "after-response", "page-written"}
"""There the answer was on the machine that is gone, and nowhere else."""

TELLS_TOO_MUCH = {"before-request", "noted"}
"""There nothing was sent, which nobody can tell from an answer that was lost."""

Record = Callable[[str, object], None]


class S3Shop(Shop):
    """A shop whose landing is in *bucket*."""

    def __init__(self, folder: Path, simulator: Simulator, bucket: TestBucket) -> None:
        super().__init__(folder, simulator)
        self.bucket = bucket
        file = folder / "orderpull.toml"
        file.write_text(bucket.toml() + file.read_text(encoding="utf-8"), encoding="utf-8")

    def account(self) -> Account:
        """Compare the warehouse with the truth, over a plain copy of the bucket."""
        copied = self.copied()
        assert [copied.meta(page).page for page in copied.pages()] == copied.pages()
        return super().account()

    def copied(self) -> LocalSourceLanding:
        """The bucket's objects as files: a landing in a folder, without another word."""
        top = self.folder / "landing" / "shop"
        for key in self.bucket.keys():  # noqa: SIM118 - no dict
            path = top / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.bucket.get(key))
        return LocalSourceLanding(top, "shop")

    def let_lease_run_out(self) -> None:
        """As if the time of a lease had gone by."""
        kept = msgspec.json.decode(self.bucket.get(".lock"))
        self.bucket.put(".lock", msgspec.json.encode({**kept, "seconds": -1.0}))

    def possible_loss(self) -> int:
        """How many answers are counted as perhaps lost."""
        ((count,),) = rows(self.folder, "SELECT sum(possible_loss) FROM orderpull_run")
        return int(count)


def shop() -> SkubanaAssessment:
    """A shop of which many orders are served again, changed."""
    return SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=11, versions=0.3)


def recorded(account: Account, point: str, where: str, allowed: int) -> dict[str, object]:
    """A row of the table of kills."""
    return {
        "killed at": f"{point} (S3, {where})", "times": 1,
        "handed out": len(account.handed_out), "in tables": len(account.held),
        "lost": len(account.lost), "allowed": allowed * PER_CALL, "by": "orderpull",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("point", [*AROUND, *LANDING_POINTS])
def test_killed_and_run_again_here(
    point: str, bucket: TestBucket, tmp_path: Path, record_property: Record
) -> None:
    """On the same machine nothing that arrived is lost, and nobody waits for a lease."""
    with Simulator(shop()) as simulator:
        here = S3Shop(tmp_path, simulator, bucket)
        assert here.killed_at(point, 2 if point not in {"lease-taken", "judged"} else 1)
        here.run_until_well()
        account = here.account()
    allowed = int(point in MAY_LOSE_HERE)
    record_property("kill matrix", recorded(account, point, "same machine", allowed))
    assert len(account.handed_out) == ORDERS
    account.check(allowed)
    assert here.possible_loss() == int(point in MAY_LOSE_HERE | TELLS_TOO_MUCH)
    assert bucket.in_flight() == []
    assert sorted((tmp_path / "cache").rglob("*.part")) == []


@pytest.mark.slow
@pytest.mark.parametrize("point", [*AROUND[:5], *LANDING_POINTS])
def test_killed_and_run_again_elsewhere(
    point: str,
    bucket: TestBucket,
    tmp_path: Path,
    record_property: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On another machine one answer may be gone with the first; what may be lost is counted."""
    with Simulator(shop()) as simulator:
        here = S3Shop(tmp_path, simulator, bucket)
        assert here.killed_at(point, 2 if point != "lease-taken" else 1)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        asked = len(simulator.requests)
        assert here.run() == 1, "the lease of the first machine is good yet"
        assert len(simulator.requests) == asked
        here.let_lease_run_out()
        here.run_until_well()
        account = here.account()
        assert here.possible_loss() == int(point in MAY_LOSE_ELSEWHERE | TELLS_TOO_MUCH)
        allowed = int(point in MAY_LOSE_ELSEWHERE)
        record_property("kill matrix", recorded(account, point, "another machine", allowed))
        assert len(account.handed_out) == ORDERS
        account.check(allowed)
        if point in {"after-response", "page-written"}:
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
            here.run_until_well()
            back = here.account()
            assert back.missing == [], "the machine that is back had the answer"
            assert (back.lost, back.twice) == (set(), set())


def test_two_that_run_at_once_ask_once(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one machine waits for an answer, another is told so, asks nothing and ends with 1."""
    asked, go_on = threading.Event(), threading.Event()

    def gate(_: Call) -> None:
        asked.set()
        go_on.wait(60)

    with Simulator(shop(), gate=gate) as simulator:
        here = S3Shop(tmp_path, simulator, bucket)
        first = here.start()
        assert asked.wait(60)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
        second = here.start()
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"Another orderpull (pid {first.pid} on " in errors.decode()
        assert len(simulator.requests) == 1
        go_on.set()
        _, errors = first.communicate(timeout=60)
        assert first.returncode == 0, errors.decode()
        here.account().check(0)
    assert here.possible_loss() == 0


def call(*arguments: str, code: int = 0) -> Result:
    """The result of ``orderpull ARGUMENTS``, which must end with *code*."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


def test_every_command_reads_from_s3(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check, pull, status, load, rejects and replay over a landing on S3, asking the API once."""
    monkeypatch.chdir(tmp_path)
    with Simulator(SkubanaAssessment(orders=60, per_call=20, seed=9, malformed=6)) as simulator:
        shop_settings(tmp_path, simulator.url)
        file = tmp_path / "orderpull.toml"
        file.write_text(bucket.toml() + file.read_text(encoding="utf-8"), encoding="utf-8")
        assert f"landing: s3://{bucket.name}/raw" in call("check").stdout
        assert len(simulator.requests) == 0
        assert "3 landed pages are not loaded yet" in call("pull").stdout
        assert "load 3 landed pages" in call("status").stdout
        asked = len(simulator.requests)
        told = json.loads(call("load", "--json").stdout)["sources"]["shop"]
        assert (told["fetched"], told["rejected"], told["waiting"]) == (60, 6, 0)
        (reject, *_) = json.loads(call("rejects", "list", "--json").stdout)
        name = f"{reject['page']}:{reject['position']}"
        assert reject["message"] in call("rejects", "show", name).stdout
        assert call("rejects", "retry").exit_code == 0
        before = rows(tmp_path, "SELECT * EXCLUDE loaded_at FROM order_header ORDER BY ALL")
        call("replay")
        after = rows(tmp_path, "SELECT * EXCLUDE loaded_at FROM order_header ORDER BY ALL")
        assert (len(before), after) == (54, before)
        assert len(simulator.requests) == asked
        assert call("run").exit_code == 0
    assert not (tmp_path / "landing").exists()
    assert list((tmp_path / "cache").rglob("*.json.zst")) == []


def test_copies_are_bounded_by_the_batch(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that are loaded leave this machine with their batch, not with the process."""
    monkeypatch.setattr(pages, "BATCH_ORDERS", PER_CALL)
    left: list[int] = []

    class Looking(Listener):
        def on_batch_loaded(self, source: str, result: SourceResult) -> None:
            left.append(len(list((tmp_path / "cache").rglob("*.json.zst"))))

    with Simulator(shop()) as simulator:
        shop_settings(tmp_path, simulator.url)
        file = tmp_path / "orderpull.toml"
        file.write_text(bucket.toml() + file.read_text(encoding="utf-8"), encoding="utf-8")
        assert run(read_settings(file), listener=Looking()).ok
    assert len(left) >= ORDERS // PER_CALL
    assert set(left) == {0}


def test_a_wrong_bucket_asks_nothing(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, one sentence, and the API has not had one request."""
    monkeypatch.chdir(tmp_path)
    with Simulator(shop()) as simulator:
        shop_settings(tmp_path, simulator.url)
        file = tmp_path / "orderpull.toml"
        block = bucket.toml(url="s3://no-such-bucket/raw")
        file.write_text(block + file.read_text(encoding="utf-8"), encoding="utf-8")
        assert "there is no bucket 'no-such-bucket'" in call("run", code=2).stderr
        assert "there is no bucket 'no-such-bucket'" in call("check", code=2).output
        assert simulator.connections == 0


def test_a_run_on_a_folder_loads_nothing_of_s3(tmp_path: Path) -> None:
    """Neither help nor a run that lands in a folder imports boto3, or OpenTelemetry unasked."""
    with Simulator(shop()) as simulator:
        shop_settings(tmp_path, simulator.url)
        for arguments in (["--help"], ["run"]):
            program = (
                "import sys\n"
                "from click.testing import CliRunner\n"
                "from orderpull.cli import main\n"
                f"assert CliRunner().invoke(main, {arguments}).exit_code == 0\n"
                "sys.exit(any(name in sys.modules for name in ('boto3', 'botocore', 'opentelemetry')))\n"
            )
            done = subprocess.run(
                [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr.decode()
