"""What a function tells people: once when it begins, once when it is well again."""

import json
from collections.abc import Iterator

import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.aws.account import SECRET, AwsAccount
from tests.aws.runtime import Function, Invocation
from tests.doubles.webhook import Post, post_office


@pytest.fixture
def post(account: AwsAccount) -> Iterator[Post]:
    """Where messages of the account's functions go."""
    with post_office() as post:
        account.sources += f'[notify]\nurls = ["{post.url}"]\nname = "orders"\n'
        yield post


def shop() -> SkubanaAssessment:
    return SkubanaAssessment(orders=60, per_call=20)


def test_a_run_that_fails_is_told_once_whatever_machine_runs_next(
    account: AwsAccount, post: Post
) -> None:
    """What was told is remembered in the bucket: a function has no disk of its own.

    So is a digest; one that nobody took fails the invocation, and is sent by the next.
    """
    with Simulator(shop(), faults=["401@1", "401@2"]) as simulator:
        account.add("shop", simulator.url)
        digests = []
        for machine in "abc":
            with account.function(machine) as function:
                done = function.invoke({"do": "run"})
                post.status = 500 if machine == "a" else 200
                digests.append(function.invoke({"do": "digest"}))
                post.status = 200
    assert done.answer["ok"]
    assert [each.ok for each in digests] == [False, True, True]
    assert digests[2].answer["recipients"] == [{"kind": "JSON", "outcome": "before"}]
    begun, digest, ended = post.bodies()
    assert "Not compared: shop has not been read to the end of this week." in digest
    assert begun.startswith("shop: failure. ")
    assert "401" in begun
    assert ended.startswith("shop: runs succeed again (problem since 2")
    kept = [f"raw/.orderpull/{name}.json" for name in ("digest", "notified")]
    assert account.keys("raw/.orderpull/") == kept
    assert SECRET not in begun + ended


def test_a_run_that_fails_as_a_whole_is_told(account: AwsAccount, post: Post) -> None:
    """Where the warehouse is away; and where not even the settings of a source can be read."""
    account.add("shop", "http://127.0.0.1:9")
    assert account.place.double is not None
    account.place.double.close()
    with account.function() as function:
        assert not function.invoke({"do": "run"}).ok
    (body,) = post.bodies()
    assert "Nothing was asked of any API" in body
    account.add("broken", "http://127.0.0.1:9", api="./no-such-api.toml")
    with account.function() as function:
        assert not function.invoke({"do": "run", "sources": ["broken"]}).ok
        assert post.bodies() == [], "the whole fails already"


def pull(function: Function) -> Invocation:
    """A worker, with a message that names the shop."""
    message = json.dumps({"source": "shop", "tick": "t"})
    return function.invoke({"Records": [{"body": message}]})


def test_the_loader_tells_what_went_wrong_with_the_workers(account: AwsAccount, post: Post) -> None:
    """They tell nobody: there are many of them at once, and one who loads what they noted."""
    queues = {
        "ORDERPULL_QUEUE": account.queue("pull"), "ORDERPULL_FAILED_QUEUE": account.queue("failed")
    }  # fmt: skip
    with Simulator(shop(), faults=["401@1", "401@2"]) as simulator:
        account.add("shop", simulator.url)
        with account.function("worker", **queues) as worker, account.function("loader") as loader:
            assert pull(worker).metrics["FailedSources"] == 1
            assert post.take() == []
            first = loader.invoke({"do": "load"})
            assert first.answer["ok"], "the load itself went well"
            (begun,) = post.bodies()
            pull(worker)
            loader.invoke({"do": "load"})
            assert post.take() == []
            pull(worker)
            loader.invoke({"do": "load"})
    (ended,) = post.bodies()
    assert begun.startswith("shop: failure. ")
    assert "401" in begun
    assert ended.startswith("shop: runs succeed again")


def test_what_workers_read_to_the_end_the_ledger_knows(account: AwsAccount) -> None:
    """With the loader's next transaction, also where nothing new came."""
    queues = {
        "ORDERPULL_QUEUE": account.queue("pull"), "ORDERPULL_FAILED_QUEUE": account.queue("failed")
    }  # fmt: skip
    with Simulator(shop()) as simulator:
        account.add("shop", simulator.url)
        with account.function("worker", **queues) as worker, account.function("loader") as loader:
            for _ in range(2):
                pull(worker)
                loader.invoke({"do": "load"})
    rows = account.place.query("SELECT pulled_at, fetched FROM orderpull_run ORDER BY run")
    (first, sixty), (second, none) = rows
    assert (sixty, none) == (60, 0)
    assert first is not None
    assert first < second


def test_out_of_time_is_no_failure(account: AwsAccount, post: Post) -> None:
    """The next invocation goes on; a source that failed before that is told all the same."""
    slow = SkubanaAssessment(orders=60, per_call=6)
    with (
        Simulator(slow, latency=2) as simulator,
        Simulator(shop(), faults=["401@1"]) as failing,
    ):
        account.add("a", failing.url, more="timeout = 3")
        account.add("shop", simulator.url, more="timeout = 3")
        with account.function() as function:
            done = function.invoke({"do": "run"}, seconds=20)
    assert "Stopped" in done.answer["error"], "10 answers take 20 s, and it asks for 9 s at most"
    (body,) = post.bodies()
    assert body.startswith("a: failure. ")
    assert "Stopped" not in body
