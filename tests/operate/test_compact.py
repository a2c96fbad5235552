"""`orderpull landing compact`: what a person sees, and that all other commands go on as before."""

import json
import signal
import threading
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import structs

from orderpull import clock, pipeline, read_settings
from orderpull.cli import main
from orderpull.errors import KeyMissing
from orderpull.landing.encryption import Encryption
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import digest
from orderpull.loading.compact import Compactions
from orderpull.loading.compact import compact as compact_sources
from orderpull.results import RunResult
from orderpull.schedule.loop import Schedule
from orderpull.schedule.state import StateFile, initial_state
from orderpull.schedule.trigger import Every
from orderpull.settings import LandingSettings
from tests.landing.buckets import TestBucket
from tests.landing.compacting import compact
from tests.landing.fixtures import bucket
from tests.landing.pages import land
from tests.operate.old_shop import OldShop

__all__ = ["bucket"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_every_command_reads_compacted_pages(
    place: str, tmp_path: Path, bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told what is done, then: status, list, cat, history, replay, retry, verify, doctor, forget."""
    shop = OldShop(tmp_path, bucket.toml() if place == "s3" else "", monkeypatch)
    pages = {page: shop.landing.read(page) for page in shop.landing.pages()}
    assert "would become 1 file." in shop.call("landing", "compact", "--dry-run").stdout
    assert shop.landing.stored(packed=True) == []
    assert "5 pages" in (said := shop.call("landing", "compact").stdout)
    assert "are now in 1 file." in said
    again = "shop  Nothing to compact. 5 pages were compacted before.\n"
    assert shop.call("landing", "compact").stdout == again
    done = json.loads(shop.call("landing", "compact", "--json", "--all").stdout)
    assert done["sources"]["shop"]["compacted_before"] == 5
    assert "5 landed pages are compacted into 1 file" in shop.call("status").stdout
    told = json.loads(shop.call("status", "--json").stdout)["sources"]["shop"]["compacted"]
    assert (told["pages"], told["containers"]) == (5, 1)
    listed = json.loads(shop.call("landing", "list", "--json").stdout)
    assert [each["sha256"] for each in listed] == [pages[n][0].sha256 for n in (6, 5, 4, 3, 2, 1)]
    assert shop.call("landing", "cat", "3").stdout_bytes == pages[3][1]
    number = str(shop.rows("SELECT min(ordernumber) FROM order_header")[0][0])
    assert number in shop.call("history", number).stdout
    assert "6 landed pages read again, 0 orders changed" in shop.call("replay").stdout
    if place == "folder":
        shop.call("rejects", "retry", "--json")
        shop.call("replay", "--into", f"duckdb:///{tmp_path / 'anew.duckdb'}")
    assert shop.everything() == shop.before
    shop.call("forget", "--order", number, "--yes")
    assert [page for page in pages if shop.landing.meta(page).redacted]
    assert json.loads(shop.call("verify", "--deep", "--offline", "--json").stdout)["ok"] is True
    result = CliRunner().invoke(main, ["--config", str(shop.file), "doctor", "--deep", "--json"])
    findings = json.loads(result.stdout)["findings"]
    assert [each for each in findings if each["check"] == "landing" and each["level"] != "ok"] == []


def test_damage_is_named_by_doctor_and_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container's file, and that a backup helps; the pages of it are counted."""
    shop = OldShop(tmp_path, "", monkeypatch)
    shop.call("landing", "compact")
    (path,) = (tmp_path / "landing" / "shop" / "containers").iterdir()
    whole = path.read_bytes()
    for data, words in (
        (whole[:-1], "5 pages are damaged (1-5)"),
        (whole[:300] + bytes([whole[300] ^ 1]) + whole[301:], "1 page is damaged (1)"),
    ):
        path.write_bytes(data)
        arguments = ["--config", str(shop.file), "doctor", "--deep", "--json"]
        findings = json.loads(CliRunner().invoke(main, arguments).stdout)["findings"]
        (problem,) = (
            each for each in findings if (each["check"], each["level"]) == ("landing", "problem")
        )
        assert words in problem["what"]
        assert f"containers/{path.name} is damaged" in problem["what"]
        assert path.name in problem["mend"]
        found = json.loads(shop.call("verify", "--deep", "--offline", "--json", code=1).stdout)
        differences = found["sources"]["shop"]["differences"]
        assert "page 1" in json.dumps(differences)
        assert (
            f"Restore {path.name} from a backup" in shop.call("landing", "cat", "1", code=1).output
        )
    path.write_bytes(whole)
    assert json.loads(shop.call("verify", "--deep", "--offline", "--json").stdout)["ok"] is True


def test_what_cannot_be_done_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing landed, an unknown source, another one that rewrites, a full disk."""
    shop = OldShop(tmp_path, "", monkeypatch)
    assert "There is no source 'nope'" in shop.call("landing", "compact", "nope", code=2).output
    with shop.landing.rewriting():
        busy = shop.call("landing", "compact", code=2).output
    assert "is rewriting landed pages of source 'shop'" in busy
    assert "Let it finish" in busy
    shop.set(shop.plain + '\n[sources.new]\napi = "skubana-assessment"\nbase_url = "http://n"\n')
    assert "Nothing to compact." in shop.call("landing", "compact", "new").stdout
    assert not (tmp_path / "landing" / "new").exists()


def test_sealed_pages_need_no_key(tmp_path: Path) -> None:
    """A machine without identity compacts; one with it reads."""
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    public = f"age:{identity.to_public()}"
    writing = Encryption(LandingSettings(encrypt=public))
    landing = LocalSourceLanding(tmp_path / "shop", "shop", writing)
    landing.prepare()
    bodies = [b'["Ada %d"]' % page for page in range(1, 6)]
    metas = [land(landing, body, page) for page, body in enumerate(bodies, start=1)]
    assert compact(landing).pages == 4
    with pytest.raises(KeyMissing):
        landing.read(2)
    reading = Encryption(LandingSettings(encrypt=public, identity=str(identity)))
    other = LocalSourceLanding(tmp_path / "shop", "shop", reading)
    assert [other.read(meta.page)[1] for meta in metas] == bodies
    assert other.meta(3).encrypted == "age"
    with other.rewriting():
        other.rewrite([(structs.replace(metas[1], sha256=digest(b"[7]"), size=3), b"[7]")])
    assert other.read(2)[1] == b"[7]"
    data = (tmp_path / "shop" / other.where(2)).read_bytes()
    assert b"Ada" not in data
    assert b"[7]" not in data


def test_a_schedule_compacts_at_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time that was missed is made up for; an error is told, and the schedule goes on."""
    shop = OldShop(tmp_path, '[landing]\ncompact_cron = "0 3 * * *"\n', monkeypatch)
    settings = read_settings(shop.file)
    state, file = initial_state("", None), StateFile(settings)
    state.compacted = clock.now() - timedelta(days=3)
    file.folder.mkdir(exist_ok=True)
    errors, done = list[str](), threading.Event()

    def compact_once(*arguments: Any, **named: Any) -> Compactions:
        try:
            return compact_sources(*arguments, **named)
        finally:
            done.set()

    monkeypatch.setattr(pipeline, "run", lambda *_, **__: RunResult())
    monkeypatch.setattr("orderpull.schedule.loop.compact", compact_once)
    for another in (True, False):
        file.write(state)
        done.clear()
        with shop.landing.rewriting() if another else nullcontext():
            schedule = Schedule(
                settings, Every(timedelta(hours=1)), lambda error: errors.append(str(error))
            )
            schedule.start()
            assert done.wait(60)
            schedule.stop(signal.SIGTERM)
            schedule.wait()
        assert len(shop.landing.stored(packed=True)) == int(not another)
    (error,) = errors
    assert "is rewriting landed pages" in error
    kept = file.read()
    assert kept is not None
    assert kept.compacted is not None
    assert clock.now() - kept.compacted < timedelta(minutes=5)
