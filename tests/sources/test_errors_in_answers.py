"""An answer with errors in it, under statuses that say more, or less, than these do."""

import json
from pathlib import Path

import pytest

from orderpull.errors import SourceBusy, SourceRefused
from orderpull.sources.http.messages import Request, Response
from tests.sources.fake_api import FakeApi

API = """
title = "Errors"
[request]
path = "/orders"
[records]
path = "orders"
[auth]
kind = "bearer"
[auth.token]
grant = "client_credentials"
url = "/token"
[limits]
tries = 2
[[errors]]
path = "errors[0].code"
values = ["THROTTLED"]
means = "busy"
[[errors]]
path = "errors"
message = "errors[0].message"
[order]
number = "no"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""


def said(status: int, code: str = "OTHER") -> Response:
    body = {"errors": [{"code": code, "message": "their words"}]}
    return Response(status, {}, json.dumps(body).encode())


def asked(tmp_path: Path, *answers: Response) -> FakeApi:
    """A source that is told *answers*, and then its orders."""
    left = list(answers)

    def say(request: Request) -> object:
        if request.target == "/token":
            return {"access_token": "t"}
        return left.pop(0) if left else {"orders": [{"no": "1", "lines": []}]}

    return FakeApi(tmp_path, API, say, client_id="id", client_secret="secret")


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_status_that_says_more_holds(status: int, tmp_path: Path) -> None:
    """The token is got anew, the call is sent again: errors in the body do not end the run."""
    source = asked(tmp_path, said(status))
    assert source.pull().error is None
    assert len(source.requests) == (4 if status == 401 else 3)


@pytest.mark.parametrize("status", [200, 400, 422])
def test_other_statuses_are_told_in_the_apis_words(status: int, tmp_path: Path) -> None:
    error = asked(tmp_path, said(status)).pull().error
    assert type(error) is SourceRefused
    assert "their words" in str(error)


@pytest.mark.parametrize("status", [200, 400, 403])
def test_what_the_file_calls_busy_is_busy(status: int, tmp_path: Path) -> None:
    assert asked(tmp_path, said(status, "THROTTLED")).pull().error is None
    found = asked(tmp_path / "again", *[said(status, "THROTTLED")] * 3).pull().error
    assert isinstance(found, SourceBusy)


@pytest.mark.parametrize("status", [402, 403, 422, 423, 430])
@pytest.mark.parametrize(
    "body", [b"Unavailable\nshop", b'{"errors":"Unavailable shop"}', b'["Unavailable shop"]']
)
def test_status_and_plain_text_reach_the_message(status: int, body: bytes, tmp_path: Path) -> None:
    """As Shopify answers for a shop that is frozen, locked or suspicious; sent once."""
    source = asked(tmp_path, Response(status, {}, body))
    error = source.pull().error
    assert type(error) is SourceRefused
    assert f"answered {status}" in str(error)
    assert "Unavailable shop" in str(error)
    assert len(source.requests) == 2


@pytest.mark.parametrize("body", [b"<html>Unavailable</html>", b"{}", b"\x00Unavailable"])
def test_what_is_no_text_for_people_is_left_out(body: bytes, tmp_path: Path) -> None:
    error = asked(tmp_path, Response(422, {}, body)).pull().error
    assert error is not None
    assert "answered 422: it rejects the request." in str(error)


PARTIAL = """
[[errors]]
path = "errors[].code"
values = ["DENIED"]
means = "partial"
message = "errors[].message"
place = "errors[].path"
fields = ["address"]
hint = "Ask for the approval of addresses."
"""
AT_ADDRESS = {"code": "DENIED", "message": "not approved", "path": ["orders", 0, "address", "name"]}
AT_LINES = {"code": "DENIED", "message": "not approved", "path": ["orders", 0, "lines"]}


def told(tmp_path: Path, orders: object, *errors: object) -> FakeApi:
    text = API.replace("[[errors]]", PARTIAL + "[[errors]]", 1)
    body = {"access_token": "t", "orders": orders, "errors": errors}
    return FakeApi(tmp_path, text, lambda _: body, client_id="id", client_secret="secret")


def test_orders_load_without_addresses_that_are_denied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, with what to ask for."""
    source = told(tmp_path, [{"no": "1", "address": None, "lines": []}], AT_ADDRESS, AT_ADDRESS)
    pulled = source.pull()
    assert pulled.error is None
    assert pulled.orders
    assert source.pull().error is None
    wanted = "the orders come without address (not approved). Ask for the approval of addresses."
    assert caplog.text.count(wanted) == 2  # once for each run


@pytest.mark.parametrize(
    ("orders", "errors"),
    [
        ([{"no": "1", "lines": None}], [AT_LINES]),
        ([{"no": "1", "lines": None}], [AT_ADDRESS, AT_LINES]),
        ([{"no": "1", "lines": []}], [AT_ADDRESS, {"code": "OTHER", "message": "x"}]),
        ([{"no": "1", "lines": []}], [AT_ADDRESS, {"message": "x"}]),
        (None, [AT_ADDRESS]),
    ],
)
def test_what_else_is_denied_is_refused(
    tmp_path: Path, orders: object, errors: list[object]
) -> None:
    """An order without its lines, or with another error beside, is not loaded as if whole."""
    source = told(tmp_path, orders, *errors)
    pulled = source.pull()
    assert type(pulled.error) is SourceRefused
    assert pulled.pages == []
