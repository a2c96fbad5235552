"""Several machines and one bucket: one pulls at a time, and what one left the other finds."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from orderpull.errors import LandingBusy
from orderpull.landing.s3 import lease
from orderpull.landing.s3.landing import S3SourceLanding
from tests.doubles.faulty_s3 import Line
from tests.landing.buckets import TestBucket, environment
from tests.landing.pages import BODY, land, meta

REQUEST = "GET http://shop.test/orders"
HOLD = """
import sys
from orderpull.landing import open_landing
from orderpull.settings import LandingSettings
from pathlib import Path
landing = open_landing(LandingSettings(url=sys.argv[1], endpoint=sys.argv[2]), Path()).source("shop")
landing.prepare()
with landing.pulling():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(bucket: TestBucket, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that pulls, on the machine whose cache is *cache*."""
    settings = bucket.settings()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, settings.url, bucket.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(cache),
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@contextmanager
def on_machine(cache: Path) -> Iterator[None]:
    """Be on the machine whose cache is *cache*."""
    before = os.environ["XDG_CACHE_HOME"]
    os.environ["XDG_CACHE_HOME"] = str(cache)
    try:
        yield
    finally:
        os.environ["XDG_CACHE_HOME"] = before


def landing_on(bucket: TestBucket, cache: Path) -> S3SourceLanding:
    """The landing, opened on the machine whose cache is *cache*."""
    with on_machine(cache):
        landing = bucket.landing()
        landing.prepare()
        return landing


def age(bucket: TestBucket, seconds: float) -> None:
    """Let the lease be good for *seconds* only, as if the rest of its time had gone by."""
    kept = msgspec.json.decode(bucket.get(".lock"))
    bucket.put(".lock", msgspec.json.encode({**kept, "seconds": seconds}))


# --------------------------------------------------------------------------------------- lease


def test_a_killed_puller_of_this_machine_is_followed_at_once(
    bucket: TestBucket, tmp_path: Path
) -> None:
    """Nobody waits for a lease of which the machine itself knows that its process is gone."""
    with holder(bucket, tmp_path / "cache") as process:
        landing = bucket.landing()
        assert landing.being_pulled()
        with pytest.raises(LandingBusy, match=rf"\(pid {process.pid}\)"), landing.pulling():
            raise AssertionError("two pull at once")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not landing.being_pulled()
    with landing.pulling():
        pass


def test_a_killed_puller_of_another_machine_is_waited_for(
    bucket: TestBucket, tmp_path: Path
) -> None:
    """Its lease goes on until it runs out; the message says who it is and how long that takes."""
    with holder(bucket, tmp_path / "elsewhere") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    landing = bucket.landing()
    assert landing.being_pulled()
    told = rf"\(pid {process.pid} on .+; if it is gone, wait (\d+) s\) is pulling source 'shop'"
    with pytest.raises(LandingBusy, match=told), landing.pulling():
        raise AssertionError("two pull at once")
    age(bucket, 0.0)
    time.sleep(1.1)  # S3's clock tells whole seconds
    assert not landing.being_pulled()
    with landing.pulling():
        pass


def test_a_puller_that_ends_is_followed_at_once(bucket: TestBucket, tmp_path: Path) -> None:
    """A lease that was given back holds nobody up, on any machine."""
    with holder(bucket, tmp_path / "elsewhere") as process:
        assert process.stdin
        process.stdin.close()
        process.wait()
    with bucket.landing().pulling():
        pass


def test_the_clock_of_the_store_decides(bucket: TestBucket, tmp_path: Path) -> None:
    """How old a lease is tells the store, so that no machine's wrong clock takes a good one."""
    with holder(bucket, tmp_path / "elsewhere"), Line(bucket.url) as line:
        landing = bucket.landing(endpoint=line.url)
        line.seconds_later = lease.SECONDS - 20
        assert landing.being_pulled()
        with pytest.raises(LandingBusy, match=r"wait (1\d|2\d) s"), landing.pulling():
            raise AssertionError("two pull at once")
        line.seconds_later = lease.SECONDS + 20
        assert not landing.being_pulled()


def test_a_lease_is_renewed_while_an_api_is_waited_for(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays good although the pull itself does nothing."""
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)
    landing = bucket.landing()
    landing.prepare()
    with landing.pulling():
        deadline = time.monotonic() + 20
        while msgspec.json.decode(bucket.get(".lock"))["renewed"] < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert msgspec.json.decode(bucket.get(".lock"))["owner"] == ""


def test_who_lost_the_lease_asks_for_nothing_more(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that slept too long finds another's lease, and is stopped before it asks."""
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.0)
    landing = bucket.landing()
    landing.prepare()
    with landing.pulling():
        landing.begin_request(1, REQUEST).discard()
        kept = msgspec.json.decode(bucket.get(".lock"))
        bucket.put(".lock", msgspec.json.encode({**kept, "pull": "another", "host": "there"}))
        with pytest.raises(LandingBusy, match="too slow to renew its right"):
            landing.begin_request(1, REQUEST)
    assert bucket.in_flight() == []
    assert msgspec.json.decode(bucket.get(".lock"))["pull"] == "another"


def test_of_many_that_begin_at_once_one_pulls(bucket: TestBucket, tmp_path: Path) -> None:
    """Machines that find a lease run out at the same moment: the bucket lets one through.

    moto looks at a condition and puts in two steps, so this holds the steps apart with a lock of
    its own; that S3 does them in one is S3's promise, not this test's.
    """
    landings = [landing_on(bucket, tmp_path / str(n)) for n in range(4)]
    one_at_a_time, begin, end = threading.Lock(), threading.Barrier(4), threading.Barrier(4)
    told: list[str] = []

    def try_it(landing: S3SourceLanding) -> None:
        client = landing.bucket.s3.client
        put = client.put_object

        def alone(**asked: object) -> object:
            with one_at_a_time:
                return put(**asked)

        client.put_object = alone
        held = landing._new_lease()
        begin.wait()
        try:
            held._take()
            told.append("took it")
        except LandingBusy:
            told.append("busy")
        end.wait()

    threads = [threading.Thread(target=try_it, args=(landing,)) for landing in landings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["busy", "busy", "busy", "took it"]


# ------------------------------------------------------------------------------------ adoption


def leave(landing: S3SourceLanding, page: int, status: int, body: bytes) -> None:
    """Leave what a kill leaves after so much of an answer."""
    draft = landing.begin_request(page, REQUEST)
    if status:
        draft.answered(status)
        draft.write(body)
    draft.close()


def test_this_machine_has_the_bytes_another_only_the_note(
    bucket: TestBucket, tmp_path: Path
) -> None:
    """Where the process ran, its bytes are found; elsewhere it is known that it asked."""
    here = landing_on(bucket, tmp_path / "here")
    leave(here, 1, 200, BODY)
    again, there = landing_on(bucket, tmp_path / "here"), landing_on(bucket, tmp_path / "there")
    (found,), (noted,) = again.requests_in_flight(), there.requests_in_flight()
    assert (found.page, found.request, found.status, found.body) == (1, REQUEST, 200, BODY)
    assert (noted.page, noted.request, noted.status, noted.body) == (1, REQUEST, 0, b"")
    assert bucket.in_flight() == ["000000000001.part"]
    found.discard()
    assert (bucket.in_flight(), again.requests_in_flight(), there.requests_in_flight()) == (
        [],
        [],
        [],
    )


def test_what_was_never_sent_is_no_draft(bucket: TestBucket, tmp_path: Path) -> None:
    """Killed between the note here and the note in the bucket: nothing was asked."""
    here = landing_on(bucket, tmp_path / "here")
    leave(here, 1, 0, b"")
    (only,) = here.requests_in_flight()
    assert only.status == 0
    bucket.client.delete_object(
        Bucket=bucket.name, Key="raw/shop/in-flight/000000000001.part"
    )  # as if it had not come to that
    assert landing_on(bucket, tmp_path / "here").requests_in_flight() == []


def test_bytes_whose_number_is_taken_meanwhile_become_the_next_page(
    bucket: TestBucket, tmp_path: Path
) -> None:
    """Another machine gave a killed process' answer up; the one that has its bytes keeps them."""
    here, there = landing_on(bucket, tmp_path / "here"), landing_on(bucket, tmp_path / "there")
    leave(here, 1, 200, BODY)
    (noted,) = there.requests_in_flight()
    there.land(meta(1, b"", state="damaged", orders=0, possible_loss=True), b"")
    noted.discard()
    land(there, b"[]", page=2)
    again = landing_on(bucket, tmp_path / "here")
    for _ in range(2):  # looking at it changes nothing
        (found,) = again.requests_in_flight()
        assert (found.page, found.body) == (3, BODY)
    again.land(meta(3), BODY)
    (landed,) = landing_on(bucket, tmp_path / "here").requests_in_flight()
    assert landed.page < again.next_page()  # killed right then: known to be landed
    landed.discard()
    assert (again.requests_in_flight(), again.pages(), bucket.in_flight()) == ([], [1, 2, 3], [])


def test_two_that_ask_at_once_are_told_before_they_ask(bucket: TestBucket, tmp_path: Path) -> None:
    """Even without a lease no two requests for one page are in flight."""
    here, there = landing_on(bucket, tmp_path / "here"), landing_on(bucket, tmp_path / "there")
    draft = here.begin_request(1, REQUEST)
    with pytest.raises(LandingBusy, match=r"has page 1 of .* in flight"):
        there.begin_request(1, REQUEST)
    assert bucket.in_flight() == ["000000000001.part"]
    draft.discard()
    there.begin_request(1, REQUEST).discard()
    assert bucket.in_flight() == []
