"""A schedule verifies, and its result is in status, on the page of runs and in messages."""

import json
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from orderpull import Settings, clock, notify, pipeline
from orderpull.cli import main
from orderpull.pipeline import RunResult
from orderpull.schedule.loop import Schedule
from orderpull.schedule.state import StateFile, initial_state
from orderpull.schedule.trigger import Every
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.verify.once import _GAPS
from tests.doubles.webhook import post_office
from tests.shops import shop_settings
from tests.web.shop import get, serving

pytestmark = [
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    pytest.mark.slow,
]
NOTIFY = '[notify]\nurls = ["{url}"]\n[verify]\ncron = "0 3 * * *"\nshop = false\n'


def test_a_schedule_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with post_office() as post:
        with Simulator(SkubanaAssessment(orders=60, seed=3)) as simulator:
            settings = shop_settings(tmp_path, simulator.url, NOTIFY.format(url=post.url))
            assert pipeline.run(settings).ok
        gone = [number for (number,) in edit(settings, "SELECT min(ordernumber) FROM order_header")]
        edit(settings, f"DELETE FROM order_header WHERE ordernumber = '{gone[0]}'")
        assert ended(settings, monkeypatch) == []
        (body,) = post.bodies()
        assert "shop: differences. Verifying found" in body
        assert gone[0] in body
        source = called(settings, "status", "--json", code=0)["sources"]["shop"]
        assert source["verified"]["differences"] > 0
        assert source["verified"]["clean_at"] is None
        shown = CliRunner().invoke(main, ["--config", str(settings.file), "status"]).output
        assert "Verified up to" in shown
        with serving(settings) as url:
            runs, orders = (get(url + path).data.decode() for path in ("/runs", "/?period=year"))
        assert gone[0] in runs
        assert "<code>landing-tables</code>" in runs
        assert runs.index('<h2 id="h-verified">') < runs.index('<h2 id="h-rejects">')
        assert "<strong>Verified:</strong>" not in runs
        differ = f"{source['verified']['differences']} differences in shop."
        assert f"<strong>Verified:</strong> {differ}" in orders
        assert '<a id="to-verified" href="/runs?period=year">' in orders
        told = called(settings, "verify", "--repair", "--json", code=0)["sources"]["shop"]
        assert told["repaired"] == source["verified"]["differences"]
        (body,) = post.bodies()
        assert body.startswith("shop: nothing differs any more (problem since")
        verified = called(settings, "status", "--json", code=0)["sources"]["shop"]["verified"]
        assert verified["clean_at"] == verified["at"]
        with serving(settings) as url:
            runs, orders = (get(url + path).data.decode() for path in ("/runs", "/"))
        assert runs.index('<h2 id="h-verified">') > runs.index('<h2 id="h-runs">')
        assert "<strong>Verified:</strong>" not in orders
        edit(settings, "UPDATE orderpull_page SET possible_loss = true WHERE page = 1")
        (lost,) = called(settings, "verify", "--json", code=1)["sources"]["shop"]["differences"]
        assert lost == {"order": "page 1", "kind": "missing", "where": "shop-tables"}


def ended(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a schedule whose last verification is days ago begin; the errors until it has verified."""
    state = initial_state("", None)
    state.verified = clock.now() - timedelta(days=3)
    file = StateFile(settings)
    file.folder.mkdir(exist_ok=True)
    file.write(state)
    verified, errors = threading.Event(), list[str]()
    monkeypatch.setattr(pipeline, "run", lambda *_, **__: RunResult())
    sends = notify.after_verify

    def done(*arguments: Any) -> None:
        sends(*arguments)
        verified.set()

    monkeypatch.setattr(notify, "after_verify", done)
    loop = Schedule(settings, Every(timedelta(hours=1)), lambda error: errors.append(str(error)))
    loop.start()
    assert verified.wait(60)
    loop.stop(signal.SIGTERM)
    loop.wait()
    monkeypatch.undo()
    return errors


def called(settings: Settings, *arguments: str, code: int) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["--config", str(settings.file), *arguments])
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def edit(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.folder / "orders.duckdb")) as connection:
        return connection.execute(statement).fetchall()


def test_gaps_in_numbers() -> None:
    """With a prefix, and with zeros in front; not where numbers are sparse or no numbers."""
    with duckdb.connect() as connection:
        connection.execute("""CREATE TABLE numbered AS
            SELECT 'R-' || i AS ordernumber FROM range(900, 1100) AS t(i) WHERE i NOT IN (950, 1000)
            UNION ALL SELECT lpad(i::VARCHAR, 5, '0') FROM range(50, 200) AS t(i) WHERE i <> 77
            UNION ALL SELECT 'sparse ' || i * 7 FROM range(300) AS t(i)
            UNION ALL SELECT 'few ' || i FROM range(60) AS t(i) WHERE i <> 30
            UNION ALL VALUES ('none'), ('9123456789012345678')""")
        assert connection.execute(_GAPS).fetchall() == [("00077",), ("R-1000",), ("R-950",)]
