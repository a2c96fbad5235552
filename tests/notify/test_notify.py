"""Notifications, sent by the real apprise to a server on this machine: once, and once more when well."""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderpull import clock, notify, pipeline
from orderpull.cli import main
from orderpull.destinations.protocol import Counts
from orderpull.errors import (
    DestinationBusy,
    Interrupted,
    LandingBusy,
    LandingError,
    OrderpullError,
    PossibleLoss,
    SourceUnreachable,
)
from orderpull.landing.lock import folder_lock
from orderpull.notify import store
from orderpull.notify.alert_state import NAME, AlertState
from orderpull.notify.alerts import MIN_ORDERS
from orderpull.pipeline import RunResult, SourceResult
from orderpull.schedule.loop import Schedule
from orderpull.schedule.trigger import Every
from orderpull.settings import Settings
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.doubles.webhook import Post, post_office
from tests.servers import fresh_bucket, s3_server
from tests.shops import shop_settings

# apprise's own, on Python 3.11 and 3.12.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    pytest.mark.slow,
]

FAILED = SourceUnreachable("Nothing listens at 192.0.2.1:443.", "Check base_url.")


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as post:
        yield post


@pytest.fixture
def settings(tmp_path: Path, post: Post) -> Settings:
    return notified(tmp_path, post)


def notified(folder: Path, post: Post, more: str = "", url: str = "http://127.0.0.1:9") -> Settings:
    """Settings of one source that nobody serves, with messages to *post*."""
    return shop_settings(folder, url, f'[notify]\nurls = ["{post.url}"]\n{more}\n')


def well() -> RunResult:
    return RunResult({"shop": SourceResult(counts=Counts(fetched=5, inserted=5))})


def failed(error: OrderpullError = FAILED, lost: int = 0) -> RunResult:
    return RunResult({"shop": SourceResult(error=error, possible_loss=lost)})


def pages(*, rejected: int, fetched: int = 100) -> RunResult:
    return RunResult({"shop": SourceResult(counts=Counts(fetched=fetched, rejected=rejected))})


def test_a_failure_is_told_once_and_so_is_its_end(settings: Settings, post: Post) -> None:
    notify.after_run(settings, well())
    assert post.take() == []
    notify.after_run(settings, failed())
    (letter,) = post.take()
    assert letter["title"] == "orderpull: failure"
    assert letter["type"] == "warning"
    assert letter["message"] == f"shop: failure. {FAILED}"
    for _ in range(3):
        notify.after_run(settings, failed())
    notify.after_run(settings, failed(SourceUnreachable("Something else.")))
    assert post.take() == []
    notify.after_run(settings, well())
    (letter,) = post.take()
    assert letter["title"] == "orderpull: recovered"
    assert letter["type"] == "success"
    assert letter["message"].startswith("shop: runs succeed again (problem since 2")
    notify.after_run(settings, well())
    assert post.take() == []
    notify.after_run(settings, failed())
    assert len(post.take()) == 1


def test_possible_loss_is_told_for_what_it_is(settings: Settings, post: Post) -> None:
    """Not as a failure too; and its end says that somebody still has to look."""
    lost = failed(PossibleLoss("Orders may be lost."), lost=1)
    notify.after_run(settings, lost)
    assert post.bodies() == [
        "shop: possible loss. Orders may be lost with 1 response of the API. Compare with the shop."
    ]
    notify.after_run(settings, lost)
    assert post.bodies() == []
    notify.after_run(settings, well())
    (body,) = post.bodies()
    assert "still look for the missing orders" in body


def test_a_run_that_fails_as_a_whole_says_nothing_of_the_sources(
    settings: Settings, post: Post
) -> None:
    """The warehouse is locked: that is told; the source that failed before has not got well by it."""
    notify.after_run(settings, failed())
    locked = RunResult({"shop": SourceResult()}, error=DestinationBusy("The warehouse is locked."))
    post.take()
    notify.after_run(settings, locked)
    assert post.bodies() == ["failure. The warehouse is locked."]
    notify.after_run(settings, failed())
    assert [body.partition(" (")[0] for body in post.bodies()] == ["runs succeed again"]
    notify.after_run(settings, well())
    assert [body.partition(" (")[0] for body in post.bodies()] == ["shop: runs succeed again"]


@pytest.mark.parametrize(
    "result",
    [
        RunResult({"shop": SourceResult()}, error=Interrupted(signal.SIGTERM)),
        failed(LandingBusy("It is pulled.")),
    ],
    ids=["stopped", "another pulls it"],
)
def test_what_is_no_trouble_is_not_told(settings: Settings, post: Post, result: RunResult) -> None:
    notify.after_run(settings, result)
    notify.after_run(settings, failed())
    post.take()
    notify.after_run(settings, result)
    assert post.take() == []


def test_patience(tmp_path: Path, post: Post) -> None:
    """Told after three failures in a row; one that ends before is never heard of."""
    settings = notified(tmp_path, post, 'failures = 3\nname = "Orders of Anna"')
    for result in (failed(), failed(), well(), failed(), failed()):
        notify.after_run(settings, result)
    assert post.take() == []
    notify.after_run(settings, failed())
    assert [letter["title"] for letter in post.take()] == ["Orders of Anna: failure"]


@pytest.fixture
def shop(tmp_path: Path, post: Post) -> Iterator[tuple[Simulator, Settings]]:
    """A shop that has been pulled: its ledger is there."""
    with Simulator(SkubanaAssessment(orders=40, per_call=20, seed=9)) as simulator:
        settings = notified(tmp_path, post, url=simulator.url)
        assert pipeline.run(settings).ok
        yield simulator, settings


def later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    at = clock.now() + timedelta(hours=hours)
    monkeypatch.setattr(clock, "now", lambda: at)


def test_staleness_is_told_once_and_so_is_its_end(
    shop: tuple[Simulator, Settings], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """27 hours after it was read to its end; pulled again, it is well."""
    _, settings = shop
    with monkeypatch.context() as patched:
        later(patched, 25)
        notify.after_run(settings, well())
        assert post.take() == []
    with monkeypatch.context() as patched:
        later(patched, 27)
        notify.after_run(settings, well())
        (body,) = post.bodies()
        assert body.startswith("shop: staleness. It has not been read to its end since 2")
        notify.after_run(settings, well())
        assert post.take() == []
    notify.after_run(settings, pipeline.run(settings))
    assert [body.partition(" (")[0] for body in post.bodies()] == [
        "shop: it has been read to its end"
    ]


def test_a_source_that_was_never_read_is_stale_after_a_while(
    shop: tuple[Simulator, Settings], post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second source, that no run has brought to its end."""
    _, settings = shop
    assert settings.file is not None
    with settings.file.open("a") as file:
        file.write('[sources.new]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n')
    from orderpull import read_settings

    both = read_settings(settings.file)
    notify.after_run(both, well())
    assert post.take() == []
    later(monkeypatch, 27)
    notify.after_run(both, well())
    (body,) = post.bodies()
    assert "new: staleness. It has not been read to its end yet." in body


@pytest.mark.parametrize("malformed", [6, 2])
def test_rejects_are_told_above_their_share(tmp_path: Path, post: Post, malformed: int) -> None:
    """6 of 60 orders are too many, 2 of 60 are not; a day later it is well again."""
    with Simulator(
        SkubanaAssessment(orders=60, per_call=20, seed=9, malformed=malformed)
    ) as simulator:
        settings = notified(tmp_path, post, url=simulator.url)
        for _ in range(3):
            notify.after_run(settings, pipeline.run(settings))
    told = "shop: rejects. 6 of 60 orders within a day were rejected. `orderpull rejects list` says why."
    assert post.bodies() == ([told] if malformed == 6 else [])


def test_rejects_go_when_good_orders_come(tmp_path: Path, post: Post) -> None:
    """From half of the limit on; between that and the limit nothing is said."""
    settings = notified(tmp_path, post, "rejects = 0.2")
    with Simulator(SkubanaAssessment(orders=40, per_call=40, seed=9, malformed=10)) as simulator:
        port = simulator.url.rpartition(":")[2]
        settings = notified(tmp_path, post, "rejects = 0.2", simulator.url)
        notify.after_run(settings, pipeline.run(settings))
        assert len(post.take()) == 1
    for orders, expected in ((20, 0), (60, 1), (10, 0)):
        with Simulator(SkubanaAssessment(orders=orders, per_call=40, seed=orders), port=int(port)):
            notify.after_run(settings, pipeline.run(settings))
            assert len(post.take()) == expected, orders


def test_few_orders_say_nothing_of_a_share(tmp_path: Path, post: Post) -> None:
    assert MIN_ORDERS > 10
    with Simulator(SkubanaAssessment(orders=10, seed=9, malformed=5)) as simulator:
        settings = notified(tmp_path, post, url=simulator.url)
        notify.after_run(settings, pipeline.run(settings))
    assert post.take() == []


def test_nobody_is_told_twice_by_another_process(tmp_path: Path, post: Post) -> None:
    """`orderpull run`, as cron starts it: each time a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    notified(tmp_path, post, url=f"http://127.0.0.1:{port}")
    for _ in range(2):
        assert ran(tmp_path).returncode == 1
    assert len(post.take()) == 1
    with Simulator(SkubanaAssessment(orders=5), port=port):
        assert ran(tmp_path).returncode == 0
    assert len(post.take()) == 1


def ran(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "orderpull", "run", "--json"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_what_cannot_be_sent_fails_nothing_and_is_sent_later(tmp_path: Path, post: Post) -> None:
    """The post refuses: the run goes well all the same, the log says so, and no secret is in it."""
    with Simulator(SkubanaAssessment(orders=60, per_call=20, seed=9, malformed=6)) as simulator:
        notified(tmp_path, post, url=simulator.url)
        post.status = 500
        done = ran(tmp_path)
        assert done.returncode == 0
        assert json.loads(done.stdout)["ok"] is True
        assert "notification 1 of 1 (JSON) was not sent" in done.stderr
        for secret in ("hush-hush", "robot", "/hook", str(post.port)):
            assert secret not in done.stderr
        post.status = 200
        assert ran(tmp_path).returncode == 0
        assert len(post.take()) == 1


def test_one_of_two_is_enough(tmp_path: Path, post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """An address that is nonsense, and one where nobody is: the third gets it, once."""
    urls = f'["nonsense://x", "json://127.0.0.1:9/", "{post.url}"]'
    settings = shop_settings(tmp_path, "http://127.0.0.1:9", f"[notify]\nurls = {urls}\n")
    with caplog.at_level(logging.WARNING, "orderpull.notify"):
        notify.after_run(settings, failed())
    assert len(post.take()) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "notification 1 of 3 (invalid address) was not sent",
        "notification 2 of 3 (JSON) was not sent",
    ]
    notify.after_run(settings, failed())
    assert post.take() == []


def test_no_secret_is_in_a_message(
    tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though an error should hold one: the token, a password, an address of messages."""
    monkeypatch.setenv("WHERE", post.url)
    settings = shop_settings(
        tmp_path, "http://127.0.0.1:9", 'token = "tok-123456"\n[notify]\nurls = ["${WHERE}"]\n',
        'password = "open-sesame"',
    )  # fmt: skip
    told = f"tok-123456 open-sesame {post.url} postgresql://anna:secret@host/db"
    notify.after_run(settings, failed(SourceUnreachable(told)))
    assert post.bodies() == ["shop: failure. ••• ••• ••• postgresql://anna:•••@host/db"]
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, ["config"]).output
    assert "environment (${WHERE})" in shown
    assert "hush-hush" not in shown


def test_names_of_people_are_in_no_message(tmp_path: Path, post: Post) -> None:
    """Rejected orders carry names and streets; the message only counts them."""
    shop = SkubanaAssessment(orders=60, per_call=20, seed=9, malformed=30)
    with Simulator(shop) as simulator:
        settings = notified(tmp_path, post, url=simulator.url)
        notify.after_run(settings, pipeline.run(settings))
    (body,) = post.bodies()
    assert (
        body
        == "shop: rejects. 30 of 60 orders within a day were rejected. `orderpull rejects list` says why."
    )


@pytest.mark.parametrize("text", ["", "{", '{"open": 3}', "null"])
def test_a_memory_that_cannot_be_read_is_none(settings: Settings, post: Post, text: str) -> None:
    """Better told twice than never."""
    notify.after_run(settings, failed())
    (settings.folder / ".orderpull" / "notified.json").write_text(text)
    notify.after_run(settings, failed())
    assert len(post.take()) == 2


def test_without_a_memory_it_is_told_all_the_same(
    settings: Settings, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """Once by this process, which knows it itself, and its end too; the log says why."""
    (settings.folder / ".orderpull").write_text("a file")
    with caplog.at_level(logging.WARNING, "orderpull.notify"):
        for result in (failed(), failed(), well(), well()):
            notify.after_run(settings, result)
    assert [letter["type"] for letter in post.take()] == ["warning", "success"]
    assert "cannot be read: File exists" in caplog.text
    assert "cannot be saved: Not a directory" in caplog.text


def test_that_the_bucket_is_away_is_told(tmp_path: Path, post: Post) -> None:
    """Though what was told is remembered there: once."""
    landing = '[landing]\nurl = "s3://bucket/orders"\nendpoint = "http://127.0.0.1:9"\n'
    settings = notified(tmp_path, post, f'{landing}region = "us-east-1"\n')
    away = RunResult({"shop": SourceResult()}, error=LandingError("The bucket is away."))
    for _ in range(2):
        notify.after_run(settings, away)
    assert post.bodies() == ["failure. The bucket is away."]


def test_what_was_not_sent_is_not_taken_for_told(settings: Settings, post: Post) -> None:
    """In the same process: neither a beginning nor an end is forgotten."""
    for result in (failed(), well()):
        post.status = 500
        notify.after_run(settings, result)
        post.status = 200
        notify.after_run(settings, result)
        assert len(post.take()) == 1


def test_two_that_end_at_once_tell_it_once(settings: Settings, post: Post) -> None:
    """A run by hand beside the schedule: who comes second sees what the first has told."""
    (settings.folder / ".orderpull").mkdir()
    both = [threading.Thread(target=notify.after_run, args=(settings, failed())) for _ in range(2)]
    with folder_lock(settings.folder / ".orderpull"):
        for each in both:
            each.start()
    for each in both:
        each.join()
    assert len(post.take()) == 1


def test_with_a_bucket_it_is_remembered_there(tmp_path: Path, post: Post) -> None:
    """From another machine too: another folder, the same landing."""
    endpoint = s3_server()
    bucket = fresh_bucket(endpoint)
    landing = (
        f'[landing]\nurl = "s3://{bucket}/orders"\nendpoint = "{endpoint}"\nregion = "us-east-1"\n'
    )
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        settings = notified(tmp_path / name, post, landing)
        assert isinstance(store.open_store(settings, NAME, AlertState), store.LandingStore)
        notify.after_run(settings, failed())
        assert not (tmp_path / name / ".orderpull").exists()
    assert len(post.take()) == 1


def test_a_schedule_tells_too(
    settings: Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the pages, or alone: it is the same loop."""
    results = iter([failed(), failed(), well()])
    done = threading.Event()

    def run(*_: object, **__: object) -> RunResult:
        result = next(results, None)
        if result is None:
            done.set()
            return well()
        return result

    monkeypatch.setattr(pipeline, "run", run)
    schedule = Schedule(settings, Every(timedelta(seconds=0.02)), lambda _: None)
    schedule.start()
    assert done.wait(60)
    schedule.stop(signal.SIGTERM)
    schedule.wait()
    assert [letter["type"] for letter in post.take()] == ["warning", "success"]


RUN = """
import sys
from orderpull.cli import main

try:
    main(["run"])
finally:
    print("loaded:", sorted({"apprise", "sqlalchemy"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("more", "loaded"),
    [("", "[]"), ('[notify]\nurls = ["json://127.0.0.1:9"]', "['apprise', 'sqlalchemy']")],
)
def test_who_notifies_nobody_loads_nothing_for_it(tmp_path: Path, more: str, loaded: str) -> None:
    """The second time, when the tables are there."""
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert pipeline.run(settings).ok
        shop_settings(tmp_path, "http://127.0.0.1:9", more)
        done = subprocess.run(
            [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.stdout.splitlines()[-1] == f"loaded: {loaded}"


def test_check_reads_the_addresses_and_sends_nothing(
    tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        notified(tmp_path, post, url=simulator.url)
        monkeypatch.chdir(tmp_path)
        assert "notifications: 1 address understood" in CliRunner().invoke(main, ["check"]).output
        shop_settings(tmp_path, simulator.url, '[notify]\nurls = ["nonsense://hush-hush"]\n')
        wrong = CliRunner().invoke(main, ["check"])
    assert wrong.exit_code == 2
    assert "apprise cannot parse address 1 of 1" in wrong.output
    assert "hush-hush" not in wrong.output
    assert post.paths == []
