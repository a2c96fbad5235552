"""Hundreds of sources: a message for each, workers that pull, one loader that loads them all."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from moto.sqs.models import Queue

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.aws.account import AwsAccount
from tests.aws.runtime import HERE, Function, Invocation
from tests.aws.shops import Shops, many_shops
from tests.warehouses import warehouse

pytestmark = pytest.mark.slow

SOURCES, PULLED = 500, 60
TICK = "2026-11-22T14:00:00Z"


class EventSource:
    """What lies between a FIFO queue and a function: takes ten, hands over, deletes what is done.

    A batch that raises comes back once the visibility time-out is over, as on AWS.
    """

    def __init__(self, account: AwsAccount, queue: str) -> None:
        self.account, self.queue = account, queue
        self.invocations: list[Invocation] = []

    def take(self) -> list[dict[str, Any]]:
        """What the queue has, at most ten messages of as many groups as there are."""
        got = self.account.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return list(got.get("Messages", ()))

    def hand_over(self, function: Function, messages: list[dict[str, Any]]) -> Invocation:
        """One invocation with *messages*."""
        records = [
            {"messageId": m["MessageId"], "body": m["Body"], "eventSource": "aws:sqs"}
            for m in messages
        ]
        done = function.invoke({"Records": records})
        self.invocations.append(done)
        if done.ok:
            self.account.sqs.delete_message_batch(
                QueueUrl=self.queue,
                Entries=[
                    {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]}
                    for n, m in enumerate(messages)
                ],
            )
        return done

    def drain(self, function: Function) -> None:
        """Go on until the queue has nothing."""
        while messages := self.take():
            assert self.hand_over(function, messages).ok


def failures(account: AwsAccount, queue: str) -> dict[str, str]:
    """The messages in the queue of failures, each with its reason."""
    found = {}
    while messages := account.sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            name = json.loads(message["Body"])["source"]
            found[name] = message["MessageAttributes"]["reason"]["StringValue"]
    return found


def queues(account: AwsAccount) -> tuple[dict[str, str], str, str]:
    """The environment that names the queues, and the two of them."""
    failed = account.queue("failed")
    queue = account.queue("pull", VisibilityTimeout="600")
    names = {"ORDERPULL_QUEUE": queue, "ORDERPULL_FAILED_QUEUE": failed}
    return names, queue, failed


def many(account: AwsAccount, shops: Shops, sources: int) -> None:
    """So many sources: one refuses, and one has an API file that is not there."""
    for number in range(sources - 2):
        account.add(f"shop-{number:03d}", f"{shops.url}/shop-{number:03d}")
    account.add("poisoned", f"{shops.url}/poisoned")
    account.add("broken", f"{shops.url}/broken", api="./no-such-api.toml")


def dispatched(function: Function, sources: int) -> None:
    """Dispatch the tick twice, as the scheduler may."""
    for _ in range(2):
        told = function.invoke({"do": "dispatch", "tick": TICK})
        assert told.answer == {"dispatched": sources, "tick": TICK}


def check_failures(account: AwsAccount, failed: str, source: EventSource) -> None:
    """The two that fail are there with the reason, and in the metrics."""
    reasons = failures(account, failed)
    assert set(reasons) == {"poisoned", "broken"}
    assert "401" in reasons["poisoned"]
    assert "no-such-api.toml" in reasons["broken"]
    assert sum(i.metrics["FailedSources"] for i in source.invocations) == 2


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[AwsAccount]:
    """An account whose warehouse is a PostgreSQL."""
    with warehouse("postgresql", tmp_path / "here") as place:
        yield AwsAccount(place, tmp_path)


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that does not count all its messages anew with each that comes, as moto's does."""
    for of in ("", "_delayed", "_not_visible"):
        name = f"approximate_number_of_messages{of}"
        monkeypatch.setattr(Queue, name, property(lambda _: 0))


@pytest.mark.slow
def test_five_hundred_sources_through_the_queue(postgres: AwsAccount, uncounted: None) -> None:
    """Two workers at once: each source is asked once for a tick, and by nobody twice at once.

    The pull itself is a light one here, that asks the shop and lands nothing.
    """
    account = postgres
    with many_shops("poisoned") as shops:
        many(account, shops, SOURCES)
        names, queue, failed = queues(account)
        account.publish_settings()
        source = EventSource(account, queue)
        light = (str(HERE / "cheap_pull.py"),)
        one, two = (Function(account.folder, account.environment(m, **names), light) for m in "ab")
        with one, two:
            dispatched(one, SOURCES)
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(source.drain, (one, two)))
            assert source.take() == []
    assert shops.met == set()
    assert set(shops.asked.values()) == {1}
    assert len(shops.asked) == SOURCES - 2
    check_failures(account, failed, source)


def load_until(function: Function, pulled: Event) -> list[Invocation]:
    """Load again and again, as a schedule does, until all that was *pulled* is loaded."""
    loads: list[Invocation] = []
    while True:
        was_all = pulled.is_set()
        loads.append(function.invoke({"do": "load"}, seconds=100))
        assert loads[-1].ok, loads[-1].lines
        if was_all and "error" not in loads[-1].answer:
            return loads


@pytest.mark.slow
def test_many_sources_pulled_by_workers_and_loaded_by_one(
    postgres: AwsAccount, uncounted: None
) -> None:
    """Each is pulled once for a tick, by nobody twice at once; those that fail stop nobody.

    Two workers pull into the landing, and one loader loads meanwhile what is there.
    """
    account = postgres
    with many_shops("poisoned") as shops:
        many(account, shops, PULLED)
        names, queue, failed = queues(account)
        account.publish_settings()
        source = EventSource(account, queue)
        pulled = Event()
        one, two, loader = (account.function(machine, **names) for machine in "abc")
        with one, two, loader, ThreadPoolExecutor(3) as pool:
            dispatched(one, PULLED)
            loading = pool.submit(load_until, loader, pulled)
            try:
                list(pool.map(source.drain, (one, two)))
                assert source.take() == []
            finally:
                pulled.set()
            loads = loading.result()
    assert shops.met == set()
    assert set(shops.asked.values()) == {1}
    assert len(shops.asked) == PULLED - 2
    assert sum(i.metrics["Pages"] for i in source.invocations) == PULLED - 2
    check_failures(account, failed, source)
    rows = account.place.query("SELECT source, ordernumber FROM order_header ORDER BY source")
    assert rows == [(name, f"{name}-1") for name in sorted(shops.asked)]
    never = account.place.query(
        "SELECT source FROM orderpull_run GROUP BY source HAVING max(pulled_at) IS NULL"
    )
    assert never == [("poisoned",)], "what the workers read to its end, the ledger knows"
    assert sum(load.metrics["Orders"] for load in loads) == PULLED - 2
    assert loads[-1].metrics["Waiting"] == 0
    assert loads[-1].metrics["FailedSources"] == 1, "the one whose API file is not there"


def test_a_source_with_more_than_one_invocation_takes_goes_on(account: AwsAccount) -> None:
    """Out of time it puts a message of its own into the queue; the next tick is not waited for."""
    names, queue, _ = queues(account)
    shop = SkubanaAssessment(orders=60, per_call=6, seed=3)
    with Simulator(shop, latency=0.6) as simulator:
        account.add("shop", simulator.url, more="timeout = 1")
        source = EventSource(account, queue)
        with account.function(**names) as function:
            function.invoke({"do": "dispatch", "tick": TICK})
            parts = []
            while messages := source.take():
                parts.append(json.loads(messages[0]["Body"])["part"])
                records = [{"body": m["Body"]} for m in messages]
                assert function.invoke({"Records": records}, seconds=10).ok
                for message in messages:
                    account.sqs.delete_message(
                        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"]
                    )
            function.invoke({"do": "load"})
        assert parts == list(range(1, len(parts) + 1))
        assert len(parts) > 1, "10 answers take 6 s, and an invocation asks for 4 s at most"
        account.settled(simulator).check(0)
    assert account.place.query("SELECT count(*) FROM order_header") == [(60,)]


def test_what_cannot_be_asked_fails_alone(account: AwsAccount) -> None:
    """A message that is none, and a source that is no more, go to the failures; the rest pulls."""
    names, _, failed = queues(account)
    with Simulator(SkubanaAssessment(orders=10, per_call=10)) as simulator:
        account.add("shop", simulator.url)
        bodies = ['{"source": "gone", "tick": "t"}', '{"source": "shop", "tick": "t"}']
        bodies.append('{"source": "shop", "tick": "u"}')
        with account.function(**names) as function:
            done = function.invoke({"Records": [{"body": body} for body in bodies]})
        assert len([c for c in simulator.requests if c.orders]) == 1, "two ticks are one pull"
    assert done.metrics["FailedSources"] == 1
    assert failures(account, failed) == {"gone": "There is no source 'gone'. Known: shop."}


def test_a_warehouse_that_is_away_gives_the_messages_back(account: AwsAccount) -> None:
    """Nothing is asked, and the batch is an error, so that SQS hands it out again."""
    names, _, failed = queues(account)
    with Simulator(SkubanaAssessment(orders=10, per_call=10)) as simulator:
        account.add("shop", simulator.url)
        assert account.place.double is not None
        account.place.double.close()
        with account.function(**names) as function:
            done = function.invoke({"Records": [{"body": '{"source": "shop", "tick": "t"}'}]})
        assert simulator.connections == 0
    assert not done.ok
    assert "Nothing was asked of any API" in done.answer["errorMessage"]
    assert failures(account, failed) == {}
