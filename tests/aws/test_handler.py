"""The real handler in Amazon's own runtime: cold and warm, failing, out of time, killed."""

import json
from pathlib import Path

import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.aws.account import SECRET, AwsAccount, told
from tests.doubles.collector import collector
from tests.durability.matrix import Account
from tests.servers import aws_client, s3_server

pytestmark = pytest.mark.slow

ORDERS, PER_CALL = 240, 60


def shop(seed: int = 11, versions: float = 0.0, per_call: int = PER_CALL) -> SkubanaAssessment:
    """A shop. :param versions: the share of its orders that is served again, changed."""
    return SkubanaAssessment(orders=ORDERS, per_call=per_call, seed=seed, versions=versions)


def exact(account: Account, allowed: int = 0) -> None:
    """Every order is there once, as the shop means it, but for those of *allowed* answers."""
    assert len(account.handed_out) == ORDERS
    account.check(allowed)


def test_cold_then_warm(account: AwsAccount) -> None:
    """The first invocation loads all; the second, in the same process, finds nothing new.

    Each sends its spans before it returns: the process is frozen afterwards.
    """
    with Simulator(shop()) as simulator, collector() as collecting:
        account.add("shop", simulator.url)
        with account.function(OTEL_EXPORTER_OTLP_ENDPOINT=collecting.url) as function:
            cold = function.invoke({"do": "run"})
            warm = function.invoke({})
            spans = [span.name for span in collecting.spans()]
        assert spans.count("orderpull.run") == 2
        exact(account.settled(simulator))
    assert (cold.ok, warm.ok) == (True, True), cold.lines
    assert cold.answer["ok"]
    assert cold.answer["sources"]["shop"]["fetched"] == ORDERS
    assert cold.metrics["ColdStart"] == 1
    assert "ColdStart" not in warm.metrics
    assert (cold.metrics["Orders"], warm.metrics["Orders"]) == (ORDERS, 0)
    assert cold.metrics["FailedRuns"] == cold.metrics["FailedSources"] == 0
    assert 0 < cold.metrics["StaleSeconds"] < 120
    assert told(cold.records, "shop") == cold.answer["sources"]["shop"]
    pages = [r for r in cold.records if str(r.get("message", "")).startswith("source=shop page=")]
    assert len(pages) == 4, "the library's own log goes the same way"
    assert all("service" in page for page in pages)
    assert SECRET not in "".join([*cold.lines, *warm.lines])


@pytest.mark.parametrize("kind", ["ssm", "secret"])
def test_settings_from_parameter_store_or_secrets_manager(kind: str, account: AwsAccount) -> None:
    """Where the environment only names the place."""
    with Simulator(shop()) as simulator:
        account.add("shop", simulator.url)
        name = f"/orders/{account.name}"
        if kind == "ssm":
            aws_client("ssm", s3_server()).put_parameter(
                Name=name, Value=account.settings(), Type="SecureString"
            )
        else:
            aws_client("secretsmanager", s3_server()).create_secret(
                Name=name, SecretString=account.settings()
            )
        with account.function(ORDERPULL_SETTINGS=f"{kind}:{name}") as function:
            done = function.invoke({"do": "run"})
        assert done.answer["sources"]["shop"]["fetched"] == ORDERS
        with account.function(ORDERPULL_SETTINGS=f"{kind}:{name}x") as function:
            refused = function.invoke({"do": "run"})
    assert not refused.ok
    assert refused.answer["errorType"] == "SettingsError"
    assert "AWS does not return the" in refused.answer["errorMessage"]
    assert "NotFound" in refused.answer["errorMessage"]


def test_a_source_that_fails_does_not_stop_the_others(account: AwsAccount) -> None:
    """It is a metric and a line of the log; what needs a person is not an error of Lambda."""
    with Simulator(shop(), faults=["401"]) as failing, Simulator(shop(5)) as well:
        account.add("failing", failing.url)
        account.add("shop", well.url)
        with account.function() as function:
            done = function.invoke({"do": "run"})
        exact(account.settled(well))
    assert done.ok
    assert not done.answer["ok"]
    assert done.metrics["FailedSources"] == 1
    assert done.metrics["Orders"] == ORDERS
    assert "401" in str(told(done.records, "failing")["error"])


def test_possible_loss_rejects_and_stale_data_are_metrics(account: AwsAccount) -> None:
    """An answer that was cut off, orders that cannot be shaped, a source never read to its end."""
    odd = SkubanaAssessment(orders=60, per_call=20, seed=9, malformed=6)
    with Simulator(odd) as simulator, Simulator(shop(), faults=["reset-body@2"]) as losing:
        account.add("odd", simulator.url)
        account.add("losing", losing.url)
        with account.function() as function:
            done = function.invoke({"do": "run"})
            key = "raw/losing/read.json"
            note = b'{"since":"2026-01-01T00:00:00"}'
            account.s3.put_object(Bucket=account.bucket, Key=key, Body=note)
            again = function.invoke({"do": "load"})
    assert done.metrics["Rejects"] == 6 + 1, "and what is left of the answer that was cut off"
    assert done.metrics["PossibleLoss"] == 1
    assert done.metrics["FailedSources"] == 1
    assert again.metrics["PossibleLoss"] == 0
    assert again.metrics["StaleSeconds"] > 86400


def test_time_runs_out_and_the_next_invocation_finishes(account: AwsAccount) -> None:
    """It stops asking in time, loads what it has, and ends well."""
    with Simulator(shop(per_call=12), latency=0.3) as simulator:
        account.add("shop", simulator.url, more="timeout = 1")
        with account.function() as function:
            done = [function.invoke({"do": "run"}, seconds=7)]
            while "error" in done[-1].answer and len(done) < 20:
                done.append(function.invoke({"do": "run"}, seconds=7))
        answers = [call for call in simulator.requests if call.orders]
        exact(account.settled(simulator))
    *stopped, last = done
    assert all(each.ok for each in done)
    assert stopped, "20 answers take 6 s, and an invocation asks for 3.2 s at most"
    assert all(each.answer["error"].startswith("Stopped as asked.") for each in stopped)
    assert all(each.answer["ok"] for each in done), "that the time was up needs nobody"
    assert any(each.metrics["Orders"] > 0 for each in stopped), "what was pulled is loaded"
    assert sum(each.metrics["Orders"] for each in done) == ORDERS
    assert len(answers) == ORDERS // 12
    assert last.answer["sources"]["shop"]["waiting"] == 0
    assert account.place.query("SELECT sum(possible_loss) FROM orderpull_run") == [(0,)]


def test_too_little_time_asks_nothing(account: AwsAccount) -> None:
    """A function whose time-out is shorter than a request says so, before any request."""
    with Simulator(shop()) as simulator:
        account.add("shop", simulator.url)
        with account.function() as function:
            refused = function.invoke({"do": "run"}, seconds=30)
        assert simulator.connections == 0
    assert "too short for a request of 60 s" in refused.answer["errorMessage"]
    assert refused.metrics["FailedRuns"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "times", "allowed"),
    [("request-sent", 2, 1), ("page-put", 2, 0), ("copied", 2, 0), ("before-commit", 2, 0)],
)
def test_killed_midway_then_exact(
    point: str, times: int, allowed: int, account: AwsAccount
) -> None:
    """Killed without a word, on a machine that is gone; the next function makes it whole."""
    with Simulator(shop(versions=0.3)) as simulator:
        account.add("shop", simulator.url)
        with account.doomed(point, times) as doomed, pytest.raises(RuntimeError):
            doomed.invoke({"do": "run"})
        assert doomed.process.returncode == -9
        if account.keys("raw/shop/.lock"):
            account.let_lease_run_out()
        with account.function("another") as function:
            first = function.invoke({"do": "run"})
            second = function.invoke({"do": "run"})
        exact(account.settled(simulator), allowed)
    assert second.answer["ok"]
    assert first.metrics["PossibleLoss"] == allowed


@pytest.mark.parametrize(
    ("settings", "told_so"),
    [
        ("", "ORDERPULL_SETTINGS is not set"),
        ('[landing]\nurl = "landing"\n', "A function's folders are deleted when it ends"),
        ('[landing]\nurl = "s3://abc/raw"\n', "A function's files are deleted when it ends"),
    ],
)
def test_what_would_lose_pages_is_refused(settings: str, told_so: str, account: AwsAccount) -> None:
    """Folders and files of a function do not outlast it."""
    sources = '[sources.shop]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'
    with account.function(ORDERPULL_SETTINGS=settings and settings + sources) as function:
        refused = function.invoke({"do": "run"})
    assert told_so in refused.answer["errorMessage"]


def test_an_event_that_is_not_known(account: AwsAccount) -> None:
    """Told with what is known."""
    account.add("shop", "http://127.0.0.1:9")
    with account.function() as function:
        assert (
            "Use run, dispatch, load or digest."
            in function.invoke({"do": "fly"}).answer["errorMessage"]
        )
        assert "has no tick" in function.invoke({"do": "dispatch"}).answer["errorMessage"]


def test_secrets_are_a_json_object(account: AwsAccount, tmp_path: Path) -> None:
    """Anything else is told without what it holds."""
    account.add("shop", "http://127.0.0.1:9")
    arn = aws_client("secretsmanager", s3_server()).create_secret(
        Name=f"odd-{account.name}", SecretString=json.dumps([SECRET])
    )["ARN"]
    with account.function(ORDERPULL_SECRETS=arn) as function:
        refused = function.invoke({"do": "run"})
    assert "is not a JSON object" in refused.answer["errorMessage"]
    assert SECRET not in "".join(refused.lines)
