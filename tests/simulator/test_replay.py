"""Recorded responses, served again."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from orderpull.simulator import Replay, Simulator

from .client import get, talk

REST = "/admin/orders?limit=2&offset={}&order=id&fields=*items"


def record(folder: Path, page: int, request: dict[str, Any], body: bytes) -> None:
    (folder / f"page-{page}.request.json").write_text(json.dumps(request), encoding="utf-8")
    (folder / f"page-{page}.json").write_bytes(body)


def graphql(take: int, skip: int, **others: object) -> dict[str, Any]:
    options = {"take": take, "skip": skip, **others}
    return {"query": "query ($o: Options) { orders(options: $o) }", "variables": {"o": options}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path, 1, {"method": "GET", "path": REST.format(0)}, b'{"orders": [1,\t2] }\n')
    record(tmp_path, 2, {"method": "GET", "path": REST.format(2)}, '{"orders":["é"]}'.encode())
    post = {"method": "POST", "path": "/admin-api"}
    record(tmp_path, 3, {**post, "body": graphql(100, 0)}, b'{"data":0}')
    record(tmp_path, 10, {**post, "body": graphql(100, 100)}, b'{"data":1}')
    return tmp_path


def test_bytes_come_back_for_the_same_page_whatever_else_is_asked(folder: Path) -> None:
    with Simulator(Replay(folder)) as simulator:
        first = get(simulator.url, "/admin/orders?updated_at[$gte]=2026-01-01&offset=0&limit=2")
        assert first.body == b'{"orders": [1,\t2] }\n'
        assert first.headers["Content-Type"] == "application/json"
        assert get(simulator.url, "/admin/orders?limit=2").body == first.body
        assert get(simulator.url, REST.format(2)).json == {"orders": ["é"]}
        assert get(simulator.url, REST.format(0)).body == first.body
        for skip in (0, 100):
            body = json.dumps(graphql(100, skip, filter={"updatedAt": {"after": "2026"}})).encode()
            assert get(simulator.url, "/admin-api", "POST", body).json == {"data": skip // 100}
    assert not any(call.consumed for call in simulator.calls)
    assert simulator.truth()["handed_out"] == 0


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        ("GET", "/admin/orders?limit=2&offset=4", "GET /admin/orders limit=2 offset=4"),
        ("GET", "/admin/orders?limit=50", "GET /admin/orders limit=50 offset=0"),
        ("GET", "/other?x=1", "GET /other"),
        ("POST", "/admin-api", "POST /admin-api"),
    ],
)
def test_what_is_not_recorded_is_404_and_says_so(
    folder: Path, method: str, target: str, asked: str
) -> None:
    with Simulator(Replay(folder)) as simulator:
        response = get(simulator.url, target, method, b"no json" if method == "POST" else None)
    assert response.status == 404
    assert response.json["asked"] == asked
    assert response.json["recorded"] == [
        "GET /admin/orders limit=2 offset=0",
        "GET /admin/orders limit=2 offset=2",
        "POST /admin-api take=100 skip=0",
        "POST /admin-api take=100 skip=100",
    ]


def test_a_recorded_refusal_is_what_strangers_get(folder: Path) -> None:
    (folder / "forbidden.json").write_bytes(b'{"errors":[]}')
    with Simulator(Replay(folder, token="sk_1")) as simulator:
        response = get(simulator.url, REST.format(0))
    assert (response.status, response.body) == (200, b'{"errors":[]}')


def test_a_token_can_be_asked_for(folder: Path) -> None:
    basic = base64.b64encode(b"sk_1:").decode()
    with Simulator(Replay(folder, token="sk_1")) as simulator:
        for good in ("Bearer sk_1", "Basic sk_1", f"Basic {basic}"):
            assert get(simulator.url, REST.format(0), headers={"Authorization": good}).status == 200
        for bad in ({}, {"Authorization": "Bearer sk_2"}, {"Authorization": "sk_1"}):
            refused = get(simulator.url, REST.format(0), headers=bad)
            assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_faults_work_and_nothing_is_consumed(folder: Path) -> None:
    request = f"GET {REST.format(0)} HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
    faults = ["500@1", "truncated@2", "reset-body@3", "damaged-no-closing-bracket@4"]
    with Simulator(Replay(folder), faults) as simulator:
        assert b" 500 " in talk(simulator.url, request).head
        assert talk(simulator.url, request).body == b'{"orders": '[:10]
        assert talk(simulator.url, request).end == "reset"
        assert talk(simulator.url, request).body == b'{"orders": [1,\t2'
        assert get(simulator.url, REST.format(0)).status == 200
    assert [call.consumed for call in simulator.requests] == [False] * 5


@pytest.mark.parametrize(
    ("request_file", "message"),
    [
        ("{}", "no recorded request"),
        ("[", "no recorded request"),
        (json.dumps({"method": "GET", "path": REST.format(0)}), "record the same request: GET"),
    ],
)
def test_a_recorded_request_must_be_readable_and_its_own(
    folder: Path, request_file: str, message: str
) -> None:
    (folder / "page-2.request.json").write_text(request_file)
    with pytest.raises(ValueError, match=message):
        Replay(folder)


def test_a_recording_must_be_whole(folder: Path) -> None:
    (folder / "page-2.json").unlink()
    with pytest.raises(ValueError, match=r"has no page-2\.json beside it"):
        Replay(folder)
    with pytest.raises(ValueError, match="no recordings"):
        Replay(folder / "nowhere")


@pytest.mark.skipif(
    "ORDERPULL_TEST_DATA" not in os.environ,
    reason="ORDERPULL_TEST_DATA does not name a folder with shops/medusa recorded from a server",
)
def test_a_recorded_medusa_shop_is_served_whole() -> None:
    recorded = Path(os.environ["ORDERPULL_TEST_DATA"]) / "shops" / "medusa"
    with Simulator(Replay(recorded, token="sk_test")) as simulator:
        bearer = {"Authorization": "Bearer sk_test"}
        orders: dict[str, Any] = {}
        for offset in range(0, 400, 50):
            target = f"/admin/orders?offset={offset}&limit=50&order=updated_at"
            body = get(simulator.url, target, headers=bearer).body
            assert body == (recorded / f"page-{offset // 50 + 1}.json").read_bytes()
            orders |= {str(order["display_id"]): order for order in json.loads(body)["orders"]}
    truth = json.loads((recorded / "truth.json").read_text(encoding="utf-8"))
    assert set(orders) == set(truth)
