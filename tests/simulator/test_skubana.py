"""The consume-once profile over real HTTP."""

from __future__ import annotations

import http.client
import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

import pytest

from orderpull.simulator import Call, Simulator, SkubanaAssessment

from .client import GET_AND_STAY, GET_ORDERS, connect, get, talk

if TYPE_CHECKING:
    from orderpull.simulator.serve import Shop


def pages(simulator: Simulator) -> list[bytes]:
    bodies = []
    while (body := get(simulator.url).body) != b"[]":
        bodies.append(body)
    return bodies


def serve(**shop: Unpack[Shop]) -> list[bytes]:
    with Simulator(SkubanaAssessment(**shop)) as simulator:
        return pages(simulator)


def test_each_order_is_handed_out_once_and_then_none() -> None:
    bodies = serve(orders=250, per_call=100)
    sizes = [len(json.loads(body)) for body in bodies]
    assert sizes == [100, 100, 50]
    numbers = [order["orderNumber"] for body in bodies for order in json.loads(body)]
    assert len(set(numbers)) == 250


def test_same_seed_same_bytes() -> None:
    assert serve(orders=120, per_call=50, seed=3) == serve(orders=120, per_call=50, seed=3)


def test_the_page_size_cuts_the_same_stream() -> None:
    large = b",".join(body[1:-1] for body in serve(orders=60, per_call=30))
    small = b",".join(body[1:-1] for body in serve(orders=60, per_call=7))
    assert large == small


def test_endless_never_ends() -> None:
    with Simulator(SkubanaAssessment(orders=1, per_call=40, endless=True)) as simulator:
        assert [len(get(simulator.url).json) for _ in range(5)] == [40] * 5


def test_other_paths_and_methods_are_refused_and_consume_nothing() -> None:
    with Simulator(SkubanaAssessment(orders=3, per_call=3)) as simulator:
        assert get(simulator.url, "/products").status == 404
        assert get(simulator.url, "/orders/").json["path"] == "/orders/"
        refused = get(simulator.url, method="POST", body=b"{}")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET")
        assert get(simulator.url, method="HEAD").status == 405
        assert not any(call.consumed for call in simulator.calls)
        response = get(simulator.url, "/orders?page=1")
    assert len(response.json) == 3
    assert response.headers["Content-Type"] == "application/json"


def test_a_connection_can_be_used_again_or_not() -> None:
    with Simulator(SkubanaAssessment(orders=40, per_call=10)) as simulator:
        connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)
        for _ in range(3):
            connection.request("GET", "/orders")
            assert len(json.loads(connection.getresponse().read())) == 10
        connection.close()
        assert simulator.connections == 1
        assert talk(simulator.url, b"GET /orders HTTP/1.0\r\n\r\n").end == "closed"
        assert talk(simulator.url, GET_ORDERS).end == "closed"
        assert talk(simulator.url, GET_AND_STAY, patience=0.2).end == "open"
        assert simulator.connections == 4


def test_concurrent_callers_share_the_orders() -> None:
    with Simulator(SkubanaAssessment(orders=400, per_call=10)) as simulator:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: get(simulator.url).json, range(40)))
        assert get(simulator.url).body == b"[]"
    numbers = [str(order["orderNumber"]) for response in answers for order in response]
    assert len(numbers) == len(set(numbers)) == 400
    assert [call.number for call in simulator.calls] == list(range(1, 42))


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /orders HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_400_and_consumes_nothing(nonsense: bytes) -> None:
    with Simulator(SkubanaAssessment()) as simulator:
        seen = talk(simulator.url, nonsense)
    assert seen.head.startswith(b"HTTP/1.1 400 ")
    assert seen.end == "closed"
    assert [(call.number, call.status) for call in simulator.calls] == [(None, 400)]


@pytest.mark.parametrize(
    "part",
    [
        b"GET /ord",
        b"GET /orders HTTP/1.1\r\n",
        b"GET /orders HTTP/1.1\r\nHost: shop\r\n",
        b"GET /orders HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
def test_a_request_that_breaks_off_consumes_nothing(part: bytes) -> None:
    with Simulator(SkubanaAssessment()) as simulator, connect(simulator.url) as connection:
        connection.sendall(part)
    assert simulator.requests == []
    assert simulator.truth()["handed_out"] == 0


def test_a_tls_client_learns_that_there_is_no_tls() -> None:
    context = ssl.create_default_context()
    with Simulator(SkubanaAssessment()) as simulator:
        with connect(simulator.url) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert simulator.requests == []


def test_the_gate_holds_an_answer_back_after_the_call_is_on_record() -> None:
    seen: list[tuple[Call, int]] = []

    def gate(call: Call) -> None:
        seen.append((call, len(simulator.calls)))

    simulator = Simulator(SkubanaAssessment(orders=5, per_call=5), gate=gate)
    with simulator:
        get(simulator.url)
    assert [(call.number, recorded) for call, recorded in seen] == [(1, 1)]


def test_a_failure_inside_comes_out_at_the_end() -> None:
    def gate(call: Call) -> None:
        raise RuntimeError(f"call {call.number} went wrong")

    simulator = Simulator(SkubanaAssessment(), gate=gate)
    simulator.start()
    assert talk(simulator.url).raw == b""
    with pytest.raises(RuntimeError, match="call 1 went wrong"):
        simulator.stop()


def test_stopping_ends_connections_that_wait() -> None:
    simulator = Simulator(SkubanaAssessment(), latency=60)
    simulator.start()
    with connect(simulator.url) as waiting, connect(simulator.url) as idle:
        waiting.sendall(b"GET /orders HTTP/1.1\r\n\r\n")
        while not simulator.requests:
            pass
        simulator.stop()
        idle.settimeout(5)
        assert idle.recv(1) == b""
    assert simulator.connections == 2


def test_it_needs_to_be_started_and_a_free_port() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = Simulator(SkubanaAssessment()).url
    with Simulator(SkubanaAssessment()) as simulator:
        port = urlsplit(simulator.url).port
        assert port
        with pytest.raises(OSError, match="in use"):
            Simulator(SkubanaAssessment(), port=port).start()


def test_per_call_must_be_positive() -> None:
    with pytest.raises(ValueError, match="per_call must be 1 or more"):
        SkubanaAssessment(per_call=0)
