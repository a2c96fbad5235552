"""Forgetting under kills, full disks and damaged files: a sentence each, and the next goes on."""

import errno
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orderpull.landing.page import file_name
from orderpull.model import TABLES
from orderpull.operate.replay import replay
from tests.failpoints import FORGET_POINTS
from tests.forget.person import (
    NAME,
    PERSON,
    counted,
    everything,
    forget,
    person_shop,
    persons,
)
from tests.landing.full_disk import mounted
from tests.processes import start
from tests.rollup_oracle import differing
from tests.traces import traces
from tests.warehouses import Warehouse, warehouse

OF_A_SERVER = ("forgotten-noted", "persons-erased", "page-redacted", "pages-renewed")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test alone, where left-over folders are deleted."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def file(temporary: Path, tmp_path: Path) -> Iterator[Warehouse]:
    """A DuckDB file."""
    del temporary
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        yield place


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_killed_at_each_point_in_turn(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command goes on where the one before was killed; the first alone is told the name."""
    with warehouse(kind, tmp_path / "here", prepared=True) as place:
        (tmp_path / "tmp").mkdir()
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        listed = person_shop(place)
        assert listed.run().error is None
        before = counted(place)
        criteria = ["--name", NAME]
        for point in FORGET_POINTS if kind == "duckdb" else OF_A_SERVER:
            process = start(
                "-m", "orderpull", "forget", "--yes", *criteria,
                cwd=place.folder, env=environment, kill_at=f"{point}:1",
            )  # fmt: skip
            _, errors = process.communicate(timeout=120)
            assert process.returncode == -signal.SIGKILL, (point, errors.decode())
            assert not traces(PERSON, [("errors", errors)])
            criteria = []
            if point in {"forgotten-noted", "warehouse-replaced"}:
                assert counted(place) == before, point
        forget(listed, "--yes")
        assert traces(PERSON, everything(place, tmp_path / "tmp")) == []
        assert counted(place) == before
        assert differing(place.query, "UTC") == []
        assert replay(listed.settings).changed == {"shop": 0}


def test_a_disk_that_is_full_at_each_write_in_turn(
    file: Warehouse, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more file can be written with each command, until all is erased."""
    listed = person_shop(file)
    assert listed.run().error is None
    before = counted(file)
    fsync, codes = os.fsync, []
    for allowed in range(20):
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
            criteria = ["--name", NAME] if persons(file)["N-2"][0] else []
            arguments = [*criteria, "--yes", "--certificate", str(file.folder / "made.json")]
            result = forget(listed, *arguments, code=None)
        codes.append(result.exit_code)
        assert counted(file) == before
        if result.exit_code == 0:
            break
        assert "No space left" in result.output, result.output
    assert len(codes) > 6
    assert traces(PERSON, everything(file, temporary)) == []


def test_damaged_files_are_told_before_anything_is_erased(file: Warehouse, temporary: Path) -> None:
    """A flipped bit in a page stops it; a snapshot that is cut off is replaced."""
    listed = person_shop(file)
    assert listed.run().error is None
    before = counted(file)
    (page,) = file.folder.rglob(file_name(2))
    whole = page.read_bytes()
    page.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])
    told = forget(listed, "--name", NAME, "--yes", code=1)
    assert page.name in told.output
    assert "backup" in told.output
    elsewhere = str(file.folder / "nowhere" / "certificate.json")
    told = forget(listed, "--name", NAME, "--yes", "--certificate", elsewhere, code=2)
    assert "nothing was erased" in told.output
    assert counted(file) == before
    assert persons(file)["N-2"][0] == NAME
    page.write_bytes(whole)
    os.truncate(file.folder / "orders.snapshot.duckdb", 5000)
    scratch = temporary / "orderpull-abcd_123"
    scratch.mkdir()
    (scratch / "spilled").write_text(NAME, encoding="utf-8")
    unfinished = page.parents[1] / "in-flight" / f"{page.name}.tmp"
    unfinished.write_text(NAME, encoding="utf-8")
    forget(listed, "--name", NAME, "--yes")
    assert traces(PERSON, everything(file, temporary)) == []
    assert counted(file) == before
    shutil.rmtree(file.folder / "landing" / "shop" / "in-flight")
    (file.folder / "landing" / "shop" / "key").unlink()
    told = forget(listed, code=2)
    assert "forgotten orders would come back" in told.output


def test_pages_of_a_backup_bring_nobody_back(file: Warehouse, temporary: Path) -> None:
    """Neither a replay nor another warehouse; the command alone erases them again."""
    listed = person_shop(file)
    assert listed.run().error is None
    before = counted(file)
    landing = file.folder / "landing" / "shop"
    pages = {path: path.read_bytes() for path in landing.rglob("*.zst")}
    forget(listed, "--name", NAME, "--yes")
    for path, data in pages.items():
        path.write_bytes(data)
    assert replay(listed.settings).changed == {"shop": 0}
    assert counted(file) == before
    tables = [("table", repr(file.query(f"FROM {each.name}")).encode()) for each in TABLES]
    assert traces(PERSON, tables) == []
    forget(listed, "--yes")
    assert traces(PERSON, everything(file, temporary)) == []


def test_a_disk_without_room_for_a_second_file(tmp_path: Path, temporary: Path) -> None:
    """The rows are erased, the file is not yet: it is told, and done once there is room."""
    (tmp_path / "small").mkdir()
    with (
        mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=9m", "tmpfs") as disk,
        warehouse("duckdb", disk / "here", prepared=True) as place,
    ):
        listed = person_shop(place)
        assert listed.run().error is None
        before = counted(place)
        told = forget(listed, "--name", NAME, "--yes", code=2)
        assert "cannot be written anew" in told.output
        assert "Make room" in told.output
        assert counted(place) == before
        assert persons(place)["N-2"] == (None, None, None)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        forget(listed, "--yes")
        assert traces(PERSON, everything(place, temporary)) == []
        assert counted(place) == before
