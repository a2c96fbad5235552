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
