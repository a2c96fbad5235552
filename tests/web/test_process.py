"""`orderpull serve` as a process: it pulls beside the pages, and ends when it is told to."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from orderpull import clock
from orderpull.errors import OrderpullError, UsageError
from orderpull.schedule.loop import Schedule
from orderpull.schedule.trigger import Every
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.shops import rows, shop_settings
from tests.web.raw_client import ask
from tests.web.shop import Order, fill, finished_run, rows_of, settings_in

LONG = 60.0
"""Seconds after which a test gives up; nothing here takes nearly as long."""


@dataclass
class Served:
    """A process that serves. :param told: the file with what it says on stderr."""

    url: str
    process: subprocess.Popen[str]
    told: Path

    def end(self, number: int) -> int:
        """Send the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(LONG)


ORDERPULL = ("-m", "orderpull")


@contextmanager
def started(folder: Path, *arguments: str, program: Sequence[str] = ORDERPULL) -> Iterator[Served]:
    """``orderpull serve ARGUMENTS`` with the settings in *folder*."""
    told = folder / "stderr"
    command = [sys.executable, *program, "serve", "--port", "0", *arguments]
    with told.open("w") as stderr:
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"https?://\S+[^/\s]", line)
        assert found, line + told.read_text()
        yield Served(found[0], process, told)
    finally:
        process.kill()
        process.communicate()


def until(fulfilled: Callable[[], object]) -> None:
    """Wait until it is."""
    deadline = time.monotonic() + LONG
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def totals(url: str) -> dict[str, Any]:
    """What programs are told; nothing while there is nothing to read."""
    answer = ask(url, "/api/totals")
    assert answer.status in {200, 503}, answer.text
    return json.loads(answer.text)["totals"] if answer.status == 200 else {}


def items_of(simulator: Simulator) -> dict[str, dict[str, int]]:
    """What was handed out: each order's items."""
    return {number: order["items"] for number, order in simulator.truth()["orders"].items()}


def items_in(folder: Path) -> dict[str, dict[str, int]]:
    """What the warehouse holds: each order's items; fails where a SKU stands twice."""
    found: dict[str, dict[str, int]] = {
        number: {} for (number,) in rows(folder, "SELECT ordernumber FROM order_header")
    }
    for number, sku, quantity in rows(folder, "SELECT ordernumber, sku, quantity FROM order_item"):
        assert sku not in found[number]
        found[number][sku] = quantity
    return found


@pytest.mark.slow
def test_the_pages_show_what_the_schedule_pulls(tmp_path: Path) -> None:
    """One process, one warehouse: each run brings more orders, no reader meets a fault, none is lost."""
    with Simulator(SkubanaAssessment(orders=200, per_call=20, seed=3)) as simulator:
        shop_settings(tmp_path, simulator.url, "max_pages = 3")
        with started(tmp_path, "--with-schedule", "1s") as served:
            seen: list[int] = []

            def look() -> bool:
                found = totals(served.url)
                seen.extend([found["orders"]] if found else [])
                return bool(found) and found["orders"] == 200

            until(look)
            assert seen == sorted(seen)
            assert len(set(seen)) >= 3
            assert totals(served.url)["items"] == sum(
                sum(each.values()) for each in items_of(simulator).values()
            )
            page = ask(served.url).text
            assert re.search("Next pull|Pulling now", page)
            # This API tells no dates, so that thirty days would hold none of its orders.
            assert "All time" in page
            assert "No orders here" not in page
            assert json.loads(ask(served.url, "/api/standing").text)["next_pull"].endswith("Z")
            assert served.end(signal.SIGTERM) == 143
        assert items_in(tmp_path) == items_of(simulator)
        assert simulator.truth()["lost"] == []


@pytest.mark.slow
def test_a_run_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    """Nobody listens where the orders are; then somebody does. The pages go on all the while."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    shop_settings(tmp_path, f"http://127.0.0.1:{port}")
    with started(tmp_path, "--with-schedule", "1s") as served:
        until(lambda: served.told.read_text().count("orderpull: ") >= 2)
        assert f"127.0.0.1:{port}" in served.told.read_text()
        assert "Traceback" not in served.told.read_text()
        with Simulator(SkubanaAssessment(orders=5), port=port) as simulator:
            until(lambda: totals(served.url).get("orders") == 5)
            assert served.end(signal.SIGINT) == 130
        assert items_in(tmp_path) == items_of(simulator)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to_with_requests_under_way(tmp_path: Path, number: int) -> None:
    """Some ask all the time, one never ends its request, one keeps its connection."""
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order(str(n)) for n in range(50)], [finished_run()]))
    with started(tmp_path) as served:
        assert ask(served.url).status == 200
        over = threading.Event()

        def go_on_asking() -> None:
            while not over.is_set():
                try:
                    ask(served.url, "/csv/orders?sku=PEN")
                except OSError:
                    return

        asking = [threading.Thread(target=go_on_asking) for _ in range(4)]
        for thread in asking:
            thread.start()
        place = urllib3.util.parse_url(served.url)
        with socket.create_connection((place.host or "", place.port or 0)) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: ")
            pool = urllib3.PoolManager(retries=False)
            assert pool.request("GET", f"{served.url}/healthz").status == 200
            assert served.end(number) == 128 + number
        over.set()
        for thread in asking:
            thread.join()
        pool.clear()
        assert "Traceback" not in served.told.read_text()


SLOW = """
import threading
from orderpull.cli import main
from orderpull.web import cache

def wait_for_ever(*_):
    open("asked", "w").close()
    threading.Event().wait()


cache.read_freshness = wait_for_ever
main()
"""


@pytest.mark.slow
def test_it_ends_when_told_to_though_the_warehouse_does_not_answer(tmp_path: Path) -> None:
    """Who asks is told so; nobody waits for a question that takes for ever."""
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("1")], [finished_run()]))
    with started(tmp_path, program=("-c", SLOW)) as served:
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(ask(served.url).status))
        asking.start()
        until((tmp_path / "asked").exists)
        assert served.end(signal.SIGTERM) == 143
        asking.join()
        assert answers == [503]
        assert "Traceback" not in served.told.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to_with_a_pull_under_way(tmp_path: Path, number: int) -> None:
    """After the page in hand, which is loaded: all that was handed out is in the warehouse."""
    shop = SkubanaAssessment(endless=True, per_call=20, seed=4)
    with Simulator(shop, faults=["slow:bytes=400:delay=0.02"]) as simulator:
        shop_settings(tmp_path, simulator.url)
        with started(tmp_path, "--with-schedule", "1h") as served:
            until(lambda: len(simulator.calls) >= 3)
            assert ask(served.url, "/healthz").status == 200
            assert served.end(number) == 128 + number
            assert "Traceback" not in served.told.read_text()
        truth = simulator.truth()
        assert truth["lost"] == []
        assert truth["handed_out"] >= 40
        assert items_in(tmp_path) == items_of(simulator)
        assert rows(tmp_path, "SELECT sum(possible_loss) FROM orderpull_run") == [(0,)]


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Though the API does not answer; what it had answered before is landed, and is loaded later."""
    with Simulator(SkubanaAssessment(orders=40, per_call=20), faults=["silence@2"]) as simulator:
        shop_settings(tmp_path, simulator.url)
        with started(tmp_path, "--with-schedule", "1h") as served:
            until(lambda: len([call for call in simulator.calls if call.path == "/orders"]) >= 2)
            served.process.send_signal(signal.SIGTERM)
            until(lambda: not listens(served.url))
            assert served.process.poll() is None
            assert served.end(signal.SIGTERM) == -signal.SIGTERM
        done = subprocess.run(
            [sys.executable, "-m", "orderpull", "load", "--json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=False,
        )  # fmt: skip
    assert json.loads(done.stdout)["sources"]["shop"]["inserted"] == 20


def listens(url: str) -> bool:
    """Whether somebody listens there."""
    place = urllib3.util.parse_url(url)
    try:
        socket.create_connection((place.host or "", place.port or 0)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_schedule_keeps_its_distance_and_survives_what_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs begin an interval apart, never two at once; even what nobody foresaw is told and over."""
    from orderpull import pipeline

    settings = shop_settings(tmp_path, "http://127.0.0.1:9")
    begun: list[float] = []
    told: list[OrderpullError] = []
    running = threading.Lock()

    def run(*_: object, **__: object) -> pipeline.RunResult:
        assert running.acquire(blocking=False)
        begun.append(time.monotonic())
        running.release()
        if len(begun) == 1:
            raise RuntimeError("secret")
        if len(begun) == 2:
            raise UsageError("The settings are wrong.")
        return pipeline.RunResult(error=OrderpullError("It failed."))

    monkeypatch.setattr(pipeline, "run", run)
    schedule = Schedule(settings, Every(timedelta(seconds=0.05)), told.append)
    started = time.monotonic()
    schedule.start()
    until(lambda: len(told) >= 3)
    soon = schedule.next_pull()
    schedule.stop(signal.SIGTERM)
    schedule.wait()
    assert soon is not None
    assert soon <= clock.now() + timedelta(seconds=1)
    assert all(at - started >= 0.049 * number for number, at in enumerate(begun))
    assert [error.message for error in told[:3]] == [
        "A scheduled run failed: RuntimeError.", "The settings are wrong.", "It failed.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), (" 90m ", 5400), ("366d", 31_622_400)],
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    assert clock.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "0s", "-5m", "5 m", "5M", "1.5h", "367d", "٣m", "999999999d", "5m5s"]
)
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="no length of time") as caught:
        clock.duration(text)
    assert "1d" in caught.value.hint


def certificate(folder: Path) -> None:
    """A key and a certificate for 127.0.0.1, in ``both.pem``."""
    from datetime import UTC, datetime
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(secret + made.public_bytes(pem))


@pytest.mark.slow
def test_with_a_certificate_it_is_https(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    certificate(tmp_path)
    assert settings.file is not None
    with settings.file.open("a") as file:
        file.write('[web]\ntls_certificate = "both.pem"\n')
    with started(tmp_path) as served:
        assert served.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(tmp_path / "both.pem"))
        with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
            assert pool.request("GET", f"{served.url}/healthz").data == b"ok\n"
        with pytest.raises(urllib3.exceptions.SSLError), urllib3.PoolManager(retries=False) as pool:
            pool.request("GET", f"{served.url}/healthz")


CANNOT = {
    "no certificate": (
        [],
        '[web]\ntls_certificate = "missing.pem"\n',
        "missing.pem or its key cannot be used",
    ),
    "not a certificate": ([], '[web]\ntls_certificate = "orderpull.toml"\n', "cannot be used"),
    "everybody": (["--host", "0.0.0.0"], "", "The pages have no sign-in"),
    "every address of IPv6": (["--host", "::"], "", "The pages have no sign-in"),
    "no schedule": (["--with-schedule", "often"], "", "no length of time"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CANNOT)
def test_what_cannot_be_served_is_said_at_once(tmp_path: Path, what: str) -> None:
    arguments, more, says = CANNOT[what]
    settings = settings_in(tmp_path)
    assert settings.file is not None
    with settings.file.open("a") as file:
        file.write(more)
    command = [sys.executable, "-m", "orderpull", "serve", "--port", "0", *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_who_may_see_it_may_come_from_elsewhere_once_a_sign_in_is_set(tmp_path: Path) -> None:
    """At every address; under the address that was connected to, and no name but ours."""
    settings = settings_in(tmp_path)
    assert settings.file is not None
    with settings.file.open("a") as file:
        file.write('[web]\ntoken = "a-token-for-programs-0123456789"\nhosts = ["Shop.example"]\n')
    with started(tmp_path, "--host", "0.0.0.0") as served:
        site = served.url.replace("0.0.0.0", "127.0.0.1")
        assert ask(site, "/healthz").status == 200
        assert ask(site, "/healthz", "Host: shop.example:443").status == 200
        assert ask(site, "/healthz", "Host: other.example").status == 421
        own = own_address()
        elsewhere = site.replace("127.0.0.1", own)
        assert ask(elsewhere, "/healthz").status == 200
        assert ask(elsewhere, "/").status == 303
        assert ask(elsewhere, "/healthz", "Host: 192.0.2.1").status == 421


def own_address() -> str:
    """The address that others know this machine by; one of its own, if there are no others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Sends nothing.
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])
