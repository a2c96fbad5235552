"""A killed erasure is finished by the next run, load or replay, without the name of the person."""

import json
import os
import signal
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderpull import pipeline
from orderpull.cli import main
from orderpull.landing import open_landing
from tests.contract.list_shop import Listed
from tests.failpoints import FORGET_POINTS
from tests.forget.person import NAME, PERSON, counted, everything, person_shop, raw, to
from tests.processes import start
from tests.sources.random.seeds import FACTOR
from tests.traces import traces
from tests.warehouses import Warehouse, warehouse

pytestmark = pytest.mark.slow

POINTS = FORGET_POINTS if FACTOR > 1 else ("forgotten-noted", "page-written", "warehouse-copied")
"""All of them under `make search`: each takes a person, a process and a load."""


def test_killed_at_a_point_and_finished_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Person after person in one warehouse, each with a kill at another point."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = person_shop(place)
        monkeypatch.setattr(pipeline, "run", partial(pipeline.run, send=listed.shop.send))
        commands = cycle(("load", "run", "replay"))
        for number, point in enumerate(POINTS):
            listed.shop.place(10 + number, to=to(), **raw())
            assert pipeline.run(listed.settings).error is None
            before = sold(place)
            process = start(
                "-m", "orderpull", "forget", "--yes", "--name", NAME,
                cwd=place.folder, env=environment, kill_at=f"{point}:1",
            )  # fmt: skip
            _, errors = process.communicate(timeout=120)
            assert process.returncode == -signal.SIGKILL, (point, errors.decode())
            finish(listed, next(commands))
            assert traces(PERSON, everything(place, tmp_path / "tmp")) == [], point
            assert sold(place) == before, point


def sold(place: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """What counts, without the page of each order: a run reads the newest order again."""
    rows = counted(place)
    return rows | {"header": [row[:-1] for row in rows["header"]]}


def finish(listed: Listed, command: str) -> None:
    """Call *command*: its result says that an erasure is finished, and names the certificate."""
    arguments = ["--config", str(listed.settings.file), command, "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (note,) = json.loads(result.stdout)["sources"]["shop"]["notes"]
    certificate = Path(note.rpartition("certificate: ")[2].removesuffix("."))
    assert "that was not finished is finished now" in note
    assert json.loads(certificate.read_text("utf-8"))["orders"]["shop"]
    assert not traces(PERSON, [("output", result.output.encode())])


def test_an_erasure_that_cannot_be_finished_holds_no_order_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is damaged: the run loads, names the page and exits 1; another puller is waited for."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = person_shop(place)
        assert listed.run().error is None
        begin_only(place, listed, monkeypatch)
        landing = open_landing(listed.settings.landing, listed.settings.folder).source("shop")
        with landing.pulling():
            assert loaded(listed, 0) == ""
        (page,) = place.folder.rglob("000000000001.json.zst")
        whole = page.read_bytes()
        page.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])
        listed.shop.place(9)
        assert pipeline.pull(listed.settings, send=listed.shop.send).ok
        assert page.name in loaded(listed, 1)
        assert ("9",) in place.query("SELECT order_id FROM order_header")
        page.write_bytes(whole)
        assert loaded(listed, 0) == ""
        assert traces(PERSON, everything(place, tmp_path)) == []


def begin_only(place: Warehouse, listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin an erasure, which stops before it has erased anything."""
    with monkeypatch.context() as stopped:
        stopped.setattr("orderpull.forget.erasure.SourceErasure.erase", _stop)
        forgotten = CliRunner().invoke(
            main, ["--config", str(listed.settings.file), "forget", "--name", NAME, "--yes"]
        )
    assert isinstance(forgotten.exception, KeyboardInterrupt | SystemExit)
    assert traces(PERSON, everything(place))


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def loaded(listed: Listed, code: int) -> str:
    """The error of source shop after ``orderpull load``, '' without one."""
    arguments = ["--config", str(listed.settings.file), "load", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)["sources"]["shop"]["error"] or ""
