"""Every kind of fault, as a client sees it."""

from __future__ import annotations

import http.client
import json
import time
from email.utils import parsedate_to_datetime

import pytest

from orderpull.simulator import DAMAGED, FAULTS, Simulator, SkubanaAssessment

from .client import GET_AND_STAY, GET_ORDERS, Seen, connect, get, talk

PER_CALL = 20


def struck(fault: str, request: bytes = GET_ORDERS) -> tuple[Seen, Simulator, list[str], bool]:
    """See the first call struck by `fault`, then which orders the next call gets.

    Also says whether those are the first orders of the shop (so that the struck call took none).
    """
    simulator = Simulator(SkubanaAssessment(orders=60, per_call=PER_CALL), [f"{fault}@1"])
    with simulator:
        seen = talk(simulator.url, request, patience=0.3 if fault.startswith("silence") else 5)
        following = [str(order["orderNumber"]) for order in get(simulator.url).json]
    return seen, simulator, following, following == FIRST


def batches() -> list[bytes]:
    with Simulator(SkubanaAssessment(orders=60, per_call=PER_CALL)) as simulator:
        return [get(simulator.url).body for _ in range(3)]


BODY = batches()[0]
FIRST = [str(order["orderNumber"]) for order in json.loads(BODY)]


@pytest.mark.parametrize("name", FAULTS)
def test_table_log_and_behaviour_agree_on_what_is_consumed(name: str) -> None:
    options = ":delay=0.001:bytes=4096" if name == "slow" else ""
    _, simulator, _, first_again = struck(name + options)
    call, following = simulator.requests
    assert call.consumed is FAULTS[name].consumed is not first_again
    assert following.consumed
    assert call.fault == f"{name}{options}@1"
    assert list(call.orders) == (FIRST if call.consumed else [])
    assert FAULTS[name].sentence


@pytest.mark.parametrize("name", ["500", "502", "503", "silence", "reset-before", "empty", "html"])
def test_keep_leaves_the_orders_for_the_next_call(name: str) -> None:
    _, simulator, _, first_again = struck(f"{name}:keep")
    assert first_again
    assert not simulator.requests[0].consumed


@pytest.mark.parametrize("name", ["401", "403", "404", "429", "500", "503"])
def test_statuses(name: str) -> None:
    seen, simulator, _, _ = struck(name)
    assert seen.head.startswith(f"HTTP/1.1 {name} ".encode())
    assert json.loads(seen.body)["status"] == int(name) == simulator.requests[0].status
    assert b"Retry-After" not in seen.head


def test_waits() -> None:
    assert b"\r\nRetry-After: 2\r\n" in talk_struck("429:retry-after=2").head + b"\r\n"
    assert b"\r\nRetry-After: 7\r\n" in talk_struck("503:retry-after=7").head + b"\r\n"
    dated = talk_struck("429:retry-date=30").head.decode().partition("Retry-After: ")[2]
    assert 28 <= parsedate_to_datetime(dated).timestamp() - time.time() <= 30


@pytest.mark.parametrize(
    ("option", "header"),
    [
        ("quota-ms=250", b"x-skubana-quota-retryAfter: 250"),
        ("reset=3", b"X-Rate-Limit-Reset: 3"),
        ("reset-ms=900", b"X-Rate-Limit-Time-Reset-Ms: 900"),
        ("rate=0.0056", b"x-amzn-RateLimit-Limit: 0.0056"),
    ],
)
def test_waits_in_the_ways_of_other_apis(option: str, header: bytes) -> None:
    head = talk_struck(f"429:{option}").head
    assert header in head.split(b"\r\n")
    assert b"Retry-After:" not in head


def talk_struck(fault: str) -> Seen:
    return struck(fault)[0]


def test_bad_gateway_is_html() -> None:
    seen = talk_struck("502")
    assert seen.head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"Content-Type: text/html" in seen.head
    assert seen.body.startswith(b"<!DOCTYPE html>")


def test_html_has_status_200() -> None:
    seen = talk_struck("html")
    assert seen.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/html" in seen.head
    assert b"<html>" in seen.body


def test_slow_drips_the_body() -> None:
    pieces = -(-len(BODY) // 500)
    began = time.monotonic()
    seen = talk_struck("slow:delay=0.02:bytes=500")
    assert seen.body == BODY
    assert time.monotonic() - began >= 0.02 * pieces


def test_slow_can_drip_the_headers_too() -> None:
    with Simulator(SkubanaAssessment(), ["slow:head:delay=0.1:bytes=1"]) as simulator:
        seen = talk(simulator.url, patience=0.05)
        assert seen == (b"", "open")
        with connect(simulator.url) as connection:
            connection.sendall(GET_ORDERS)
            assert [connection.recv(100) for _ in range(4)] == [b"H", b"T", b"T", b"P"]


def test_slow_counts_what_went_out_before_the_client_left() -> None:
    profile = SkubanaAssessment(orders=60, per_call=PER_CALL)
    with Simulator(profile, ["slow:delay=0.01:bytes=100"]) as simulator:
        with connect(simulator.url) as connection:
            connection.sendall(GET_ORDERS)
            got = 0
            while got < 2000:
                got += len(connection.recv(100))
        truth_before = simulator.truth()
    call = simulator.requests[0]
    assert 1000 < call.sent_bytes < len(BODY) == call.body_bytes
    assert len(truth_before["orders"]) == PER_CALL
    truth = simulator.truth()
    assert 0 < len(truth["orders"]) < PER_CALL
    assert len(truth["orders"]) + len(truth["lost"]) == PER_CALL


def test_silence_lasts_until_the_client_goes() -> None:
    seen, simulator, _, _ = struck("silence")
    assert seen == (b"", "open")
    assert simulator.requests[0].status is None


def test_reset_before_any_byte() -> None:
    seen, simulator, _, _ = struck("reset-before")
    assert seen == (b"", "reset")
    assert (simulator.requests[0].status, simulator.requests[0].sent_bytes) == (None, 0)
    with (
        Simulator(SkubanaAssessment(), ["reset-before"]) as simulator,
        pytest.raises(ConnectionResetError),
    ):
        get(simulator.url)


def test_reset_in_the_headers() -> None:
    seen = talk_struck("reset-headers")
    assert seen.end == "reset"
    assert seen.raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in seen.raw


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("name", "end"), [("reset-body", "reset"), ("close-body", "closed")])
def test_body_breaks_off(name: str, end: str, fraction: float) -> None:
    seen, simulator, _, _ = struck(f"{name}:fraction={fraction}", GET_AND_STAY)
    call = simulator.requests[0]
    assert seen.end == end
    assert seen.promised == len(BODY) == call.body_bytes
    assert BODY.startswith(seen.body)
    assert len(seen.body) == call.sent_bytes < len(BODY)
    assert abs(len(seen.body) - fraction * len(BODY)) < 300
    assert (len(seen.body) == 0) == (fraction == 0)


@pytest.mark.slow
def test_a_large_body_arrives_before_the_reset() -> None:
    profile = SkubanaAssessment(orders=20_000, per_call=20_000)
    with Simulator(profile, ["reset-body:fraction=0.9"]) as simulator:
        seen = talk(simulator.url)
    assert seen.end == "reset"
    assert len(seen.body) == simulator.requests[0].sent_bytes > 4_000_000


def test_http_client_sees_a_broken_body() -> None:
    faults = ["reset-body@1", "close-body@2"]
    with Simulator(SkubanaAssessment(), faults) as simulator:
        with pytest.raises(ConnectionResetError):
            get(simulator.url)
        with pytest.raises(http.client.IncompleteRead):
            get(simulator.url)


def test_reset_after_the_whole_body() -> None:
    seen = talk_struck("reset-after")
    assert seen == (seen.raw, "reset")
    assert seen.body == BODY


def test_truncated_is_valid_http_with_cut_json() -> None:
    seen = talk_struck("truncated:fraction=0.3")
    assert seen.end == "closed"
    assert len(seen.body) == seen.promised
    assert BODY.startswith(seen.body)
    assert seen.body != BODY


def test_invalid_utf8() -> None:
    with pytest.raises(UnicodeDecodeError):
        talk_struck("invalid-utf8").body.decode()


def test_content_type_is_wrong_and_the_json_right() -> None:
    seen = talk_struck("content-type")
    assert b"Content-Type: text/plain" in seen.head
    assert seen.body == BODY


def test_object_where_a_list_is_expected() -> None:
    assert isinstance(json.loads(talk_struck("object").body), dict)


def test_empty_is_200_without_a_byte() -> None:
    seen = talk_struck("empty")
    assert seen.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (seen.promised, seen.body) == (0, b"")


def test_redirect_leads_to_a_path_that_would_consume() -> None:
    profile = SkubanaAssessment(orders=60, per_call=PER_CALL)
    with Simulator(profile, ["redirect@1"]) as simulator:
        response = get(simulator.url, "/orders?x=1")
        assert (response.status, response.headers["Location"]) == (302, "/moved/orders?x=1")
        assert get(simulator.url, response.headers["Location"]).body == BODY


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_pages(kind: str) -> None:
    seen, simulator, _, _ = struck(f"damaged-{kind}")
    assert seen.body == DAMAGED[kind].apply(BODY)
    assert seen.promised == len(seen.body)
    whole = {FIRST[position] for position in DAMAGED[kind].whole(BODY)}
    truth = simulator.truth()
    assert set(FIRST) & set(truth["orders"]) == whole
    assert {lost["ordernumber"] for lost in truth["lost"]} == set(FIRST) - whole


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_also_strikes_an_answer_without_orders(name: str) -> None:
    options = ":delay=0.001" if name == "slow" else ""
    with Simulator(SkubanaAssessment(orders=0), [name + options]) as simulator:
        talk(simulator.url, patience=0.1 if name == "silence" else 5)
    assert [call.consumed for call in simulator.requests] == [False]


def test_latency_comes_before_the_first_byte() -> None:
    with Simulator(SkubanaAssessment(), latency=0.2) as simulator:
        began = time.monotonic()
        get(simulator.url)
        assert 0.2 <= time.monotonic() - began < 2
