"""Traces and metrics of runs: what arrives at a collector, and what a dead one costs: nothing."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orderpull import read_settings, telemetry
from orderpull.errors import SettingsError
from orderpull.pipeline import run
from orderpull.schedule.loop import Schedule
from orderpull.schedule.trigger import trigger_of
from orderpull.simulator import Simulator, SkubanaAssessment
from tests import processes
from tests.docs.markdown import ROOT
from tests.doubles.collector import Collector, collector, values
from tests.doubles.faulty_s3 import Line
from tests.landing.buckets import CREDENTIALS as CREDENTIALS_OF_AWS
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.servers import free_port, silent_server
from tests.shops import rows, shop_settings
from tests.verify.platform_shop import platform_shop

__all__ = ["bucket"]

ORDERS, PER_CALL = 60, 20
PASSWORD = "a-secret-that-appears-nowhere"


@pytest.fixture(autouse=True)
def _off_afterwards() -> Iterator[None]:
    yield
    telemetry.stop()


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the environment names."""
    with collector() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def shop(*faults: str) -> Simulator:
    return Simulator(
        SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=3, malformed=2),
        faults=list(faults),
    )


def orderpull(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code and output of ``orderpull ARGUMENTS``, as a process of its own."""
    env = {**os.environ, **environment}
    process = processes.start("-m", "orderpull", *arguments, cwd=folder, env=env)
    output, errors = process.communicate(timeout=60)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def test_a_run_arrives_as_spans_and_metrics(collecting: Collector, tmp_path: Path) -> None:
    """Run, source, each request, each batch; sent at the end of the process; nothing of an order."""
    with shop("429:retry-after=0@2") as simulator:
        shop_settings(tmp_path, simulator.url)
        code, output, errors = orderpull(tmp_path, "run", "--json")
    assert code == 0, errors
    spans = collecting.spans()
    named = {
        name: [s for s in spans if s.name == f"orderpull.{name}"]
        for name in ("run", "source", "page", "batch")
    }
    (whole,), (source,) = named["run"], named["source"]
    assert len(spans) == sum(map(len, named.values()))
    assert {s.trace_id for s in spans} == {whole.trace_id}
    assert {s.parent_span_id for s in named["page"]} == {source.span_id}
    assert {s.parent_span_id for s in [source, *named["batch"]]} == {whole.span_id}
    requests = [values(s) for s in named["page"]]
    asked = [call for call in simulator.requests if call.method == "GET"]
    assert [r["http.response.status_code"] for r in requests] == [call.status for call in asked]
    assert [r["http.request.resend_count"] for r in requests].count(1) == 1
    assert [r.get("error.type") for r in requests].count("SourceBusy") == 1
    assert values(source)["orderpull.orders"] == ORDERS
    told = json.loads(output)["sources"]["shop"]
    batches: Counter[str] = Counter()
    for span in named["batch"]:
        batches.update({k: v for k, v in values(span).items() if isinstance(v, int)})
    assert batches["orderpull.inserted"] == told["inserted"] == ORDERS - 2
    assert batches["orderpull.rejected"] == 2
    assert values(whole) == {
        "orderpull.command": "run",
        "orderpull.sources": 1,
        "orderpull.exit_code": 0,
    }
    assert collecting.resource()["service.name"] == "orderpull"
    metrics = collecting.metrics()
    outcomes = {p["orderpull.outcome"]: n for p, n in metrics["orderpull.orders"]}
    assert (outcomes["inserted"], outcomes["rejected"]) == (ORDERS - 2, 2)
    assert sum(n for _, n in metrics["orderpull.request.duration"]) == len(asked)
    sent = b"".join(body for _, body in collecting.bodies)
    columns = "ordernumber, name, line1, postalcode"
    for row in rows(tmp_path, f"SELECT {columns} FROM order_address"):
        assert not [text for text in row if text and len(text) > 4 and text.encode() in sent]


def test_the_attributes_are_those_of_the_docs(collecting: Collector, tmp_path: Path) -> None:
    """Each that arrives stands in docs/schedule.md, in the schedule, too, which sends as it goes."""
    with shop("500@1") as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert not run(settings).ok
        schedule = Schedule(settings, trigger_of(settings, every="1h"), lambda _: None)
        schedule.start()
        while not (state := schedule._file.read()) or state.ended is None:
            schedule._thread.join(0.01)
        schedule.stop(15)
        schedule.wait()
    telemetry.stop()
    page = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8")
    assert Counter(s.name for s in collecting.spans())["orderpull.run"] == 2
    keys = {key for span in collecting.spans() for key in values(span)}
    assert [key for key in sorted(keys | set(collecting.metrics())) if f"`{key}`" not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vendure", "shopify"])
def test_tokens_downloads_and_buckets_arrive_without_secrets(
    name: str, collecting: Collector, bucket: TestBucket, tmp_path: Path
) -> None:
    """A login, the file of a bulk export, and each call of the landing's bucket."""
    with ExitStack() as held:
        line = held.enter_context(Line(bucket.url))
        more = "page_size = 5\n" + bucket.toml(endpoint=line.url)
        home = held.enter_context(platform_shop(name, tmp_path, more, orders=20, odd=False))
        home.run()
        telemetry.stop()
        spans = {
            kind: [values(s) for s in collecting.spans() if s.name == f"orderpull.{kind}"]
            for kind in ("token", "download", "s3")
        }
        for span in (*spans["token"], *spans["download"]):
            assert span["http.response.status_code"] == 200
            assert span["server.address"] == "127.0.0.1"
        (call,) = spans["download" if name == "shopify" else "token"]
        assert call["http.response.body.size"] > 10
        assert {span["aws.s3.bucket"] for span in spans["s3"]} == {bucket.name}
        assert {"read", "write", "list"} <= {span["orderpull.action"] for span in spans["s3"]}
        puts = [span for span in spans["s3"] if span["orderpull.action"] == "write"]
        assert len(puts) == line.count("PUT"), "pages that another thread has landed, too"
        assert {s.trace_id for s in collecting.spans()} == {collecting.spans()[0].trace_id}
        page = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8")
        keys = {key for span in collecting.spans() for key in values(span)}
        assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
        sent = b"".join(body for _, body in collecting.bodies)
        source = home.settings.sources["shop"]
        secrets = [source.token, source.user, source.password, *bucket.keys()]
        assert not [text for text in secrets if text and text.encode() in sent]
        assert not [text for text in CREDENTIALS_OF_AWS.values() if text.encode() in sent]


@pytest.mark.parametrize("dead", ["refuses", "is silent"])
def test_a_dead_collector_fails_no_run(dead: str, tmp_path: Path) -> None:
    """The same result; one sentence in the log, without the password; an end, though it would wait."""
    with shop() as simulator, ExitStack() as held:
        port = free_port() if dead == "refuses" else held.enter_context(silent_server())[1]
        settings = shop_settings(tmp_path, simulator.url)
        assert settings.file
        block = f'[telemetry]\nendpoint = "http://me:{PASSWORD}@127.0.0.1:{port}"\ntimeout = 0.3\n'
        settings.file.write_text(settings.file.read_text() + block)
        # Without a limit of our own the process would wait for ten minutes.
        code, output, errors = orderpull(
            tmp_path, "run", "--json", OTEL_EXPORTER_OTLP_TIMEOUT="600"
        )
    assert (code, json.loads(output)["sources"]["shop"]["fetched"]) == (0, ORDERS)
    assert errors.count(f"telemetry did not reach 127.0.0.1:{port}") == 1
    assert "Traceback" not in errors
    assert PASSWORD not in errors


def test_settings_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in the settings it is an error before any request; in the environment a line."""
    monkeypatch.setattr(telemetry, "is_installed", lambda: False)
    with shop() as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert settings.file
        text = settings.file.read_text()
        settings.file.write_text(f'{text}[telemetry]\nendpoint = "http://127.0.0.1:9"\n')
        result = run(read_settings(settings.file))
        assert isinstance(result.error, SettingsError)
        assert "orderpull[otel]" in result.error.hint
        assert (result.exit_code, len(simulator.requests)) == (2, 0)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        assert run(settings).ok
    settings.file.write_text(f'{text}[telemetry]\nendpoint = "collector:4317"\n')
    with pytest.raises(SettingsError, match=r"telemetry\.endpoint"):
        read_settings(settings.file)


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own switch wins."""
    assert telemetry.is_wanted("http://127.0.0.1:9")
    assert not telemetry.is_wanted(None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9")
    assert telemetry.is_wanted(None)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not telemetry.is_wanted("http://127.0.0.1:9")
