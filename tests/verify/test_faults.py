"""Verifying and repairing on full disks, with damaged files, and under a clock that was set back."""

import errno
import json
import os
import random
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orderpull import clock
from orderpull.cli import main
from orderpull.landing.page import file_name
from tests.landing.full_disk import mounted
from tests.operate.home import House
from tests.rollup_oracle import differing
from tests.verify.drills import Drill, drilled

pytestmark = pytest.mark.slow


def repaired(home: House) -> tuple[int, str]:
    """Exit code and output of a repair, which is never a bare traceback."""
    arguments = ["--config", str(home.folder / "orderpull.toml"), "verify", "--deep", "--repair"]
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def named(home: House, check: str) -> list[str]:
    """What the doctor finds wrong in *check*."""
    told = CliRunner().invoke(
        main, ["--config", str(home.folder / "orderpull.toml"), "doctor", "--json"]
    )
    findings: list[dict[str, Any]] = json.loads(told.stdout)["findings"]
    return [f["what"] for f in findings if f["check"] == check and f["level"] != "ok"]


def rows(home: House) -> set[tuple[Any, ...]]:
    return set(home.origin.query("SELECT * EXCLUDE (loaded_at) FROM order_header"))


def test_a_disk_that_is_full_at_each_write_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more file can be written with each repair, until nothing differs; no order is lost."""
    with drilled("duckdb", tmp_path) as home:
        whole = rows(home)
        drill = Drill(home, random.Random(6))
        drill.delete(5)
        drill.change(3)
        drill.falsify()
        damaged = rows(home)
        fsync = os.fsync
        for allowed in range(12):
            left = allowed

            def full(number: int) -> None:
                nonlocal left
                if not stat.S_ISDIR(os.fstat(number).st_mode):
                    left -= 1
                if left < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                fsync(number)

            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", full)
                code, said = repaired(home)
            assert rows(home) <= whole | damaged
            if code == 0:
                break
            assert "No space left" in said
        assert (code, allowed > 1) == (0, True)
        assert rows(home) == whole
        assert differing(home.origin.query, "UTC") == []


def test_a_warehouse_that_cannot_grow(tmp_path: Path) -> None:
    """The disk is full as rows are written: a sentence, all rows as before, then a repair."""
    (tmp_path / "small").mkdir()
    with (
        mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=64m", "tmpfs") as disk,
        drilled("duckdb", disk) as home,
    ):
        whole = rows(home)
        Drill(home, random.Random(7)).delete(100)
        damaged = rows(home)
        filler = disk / "filler"
        room = os.statvfs(disk)
        filler.write_bytes(bytes(room.f_bavail * room.f_frsize))
        assert any("are free" in what for what in named(home, "disk"))
        code, said = repaired(home)
        assert code in {1, 2}
        assert "→" in said
        assert rows(home) in (damaged, whole)
        filler.unlink()
        assert repaired(home)[0] == 0
        assert rows(home) == whole


def test_damaged_files_and_a_clock_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page of a flipped bit explains stays; the rest is put right; the doctor names it."""
    with drilled("duckdb", tmp_path) as home:
        whole = rows(home)
        drill = Drill(home, random.Random(8))
        number = drill.pages()[1]
        (page,) = home.folder.rglob(file_name(number))
        data = page.read_bytes()
        page.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
        drill.delete(4, but=number)
        code, said = repaired(home)
        assert code == 1
        assert f"page {number}" in said
        assert "backup" in said
        assert rows(home) == whole
        assert any(f"1 page is damaged ({number})" in what for what in named(home, "landing"))
        page.write_bytes(data)
        os.truncate(home.folder / "orders.snapshot.duckdb", 5000)
        assert named(home, "snapshot")
        drill.delete(4)
        assert repaired(home)[0] == 0
        assert named(home, "snapshot") == []
        drill.delete(4)
        before = clock.now() - timedelta(days=400)
        monkeypatch.setattr(clock, "now", lambda: before)
        assert any("The clock was set back" in what for what in named(home, "clocks"))
        assert repaired(home)[0] == 0
        assert rows(home) == whole
