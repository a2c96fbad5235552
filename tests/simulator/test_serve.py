"""The simulator as a process of its own."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from orderpull.simulator import (
    Replay,
    Request,
    SkubanaAssessment,
    credentials,
    ignored,
    make_profile,
    rate_or_count,
    switch,
)
from orderpull.simulator.shop.generic import Generic

from .client import get

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from orderpull.simulator import SkubanaAssessment, serve_forever
folder = Path(sys.argv[1])
ended = serve_forever(
    SkubanaAssessment(orders=30, per_call=10, seed=4, malformed=2), faults=["404@2"],
    log=folder / "calls.jsonl", truth=folder / "truth.json",
    on_ready=lambda url: print(url, flush=True),
    on_call=lambda call: print(call.number, call.status, flush=True),
)
print("ended by", ended)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_leaves_log_and_truth(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            statuses = [get(url).status for _ in range(3)]
            process.send_signal(ending)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert statuses == [200, 404, 200]
    assert process.returncode == 0
    assert out.splitlines() == ["1 200", "2 404", "3 200", f"ended by {int(ending)}"]
    assert err == ""
    told = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert told["handed_out"] == 20
    assert len((tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_profiles_by_name(tmp_path: Path) -> None:
    assert isinstance(make_profile(orders=5), SkubanaAssessment)
    (tmp_path / "page-1.request.json").write_text('{"method":"GET","path":"/"}')
    (tmp_path / "page-1.json").write_text("{}")
    assert isinstance(make_profile("replay", folder=tmp_path), Replay)
    with pytest.raises(ValueError, match="there are skubana-assessment, generic, replay"):
        make_profile("shopify")
    with pytest.raises(ValueError, match="needs the folder"):
        make_profile("replay")


def test_shops_on_platforms_have_switches_of_their_own() -> None:
    switches = dict(map(switch, ["paging=cursor", "max_size=7", "children"]))
    assert switches == {"paging": "cursor", "max_size": 7, "children": True}
    shop = make_profile("generic", orders=20, seed=5, per_call=3, switches=switches)
    assert isinstance(shop, Generic)
    body = json.loads(shop.respond(Request("GET", "/orders")).body)
    assert len(body["orders"]) == 7
    assert body["next_cursor"]
    assert "lines" not in body["orders"][0]
    for wrong in ({"pages": 3}, {"paging": "pages"}, {"orders": -1}):
        with pytest.raises(ValueError, match=r"no switch pages|none of page|0 or more"):
            make_profile("generic", switches=wrong)
    with pytest.raises(ValueError, match="a switch is NAME=VALUE, not '=3'"):
        switch("=3")


@pytest.mark.parametrize("auth", ["bearer", "basic", "oauth2-client", "login-body", "none"])
def test_the_credentials_that_are_printed_let_in(auth: str) -> None:
    """By the names of orderpull's settings; a shop that asks for nothing has none."""
    shop = make_profile("generic", orders=1, switches={"auth": auth})
    told = dict(credentials(shop))
    if "client_id" in told or "user" in told:
        names = {"client_id": "client_id", "client_secret": "client_secret", "user": "username",
                 "password": "password"}  # fmt: skip
        body = {names[key]: value for key, value in told.items()}
        path = "/login" if "user" in told else "/oauth/token"
        sent = json.dumps({**body, "grant_type": "client_credentials"}).encode()
        answer = json.loads(shop.respond(Request("POST", path, {}, sent)).body)
        token = answer.get("access_token") or answer["token"]
    else:
        token = told.get("token", "")
    basic = base64.b64encode(token.encode()).decode()
    header = f"Basic {basic}" if auth == "basic" else f"Bearer {token}"
    assert shop.respond(Request("GET", "/orders", {"authorization": header})).status == 200
    assert shop.respond(Request("GET", "/orders")).status == (200 if auth == "none" else 401)


def test_arguments_that_do_nothing_are_named() -> None:
    given = ["orders", "versions", "days", "token", "port"]
    assert ignored("generic", given) == ["versions", "token"]
    assert ignored("skubana-assessment", given) == ["days", "token"]
    assert ignored("replay", given) == ["orders", "versions", "days"]


def test_rate_or_count() -> None:
    assert (rate_or_count("24"), type(rate_or_count("24"))) == (24, int)
    assert (rate_or_count("0.5"), type(rate_or_count("1.0"))) == (0.5, float)
    with pytest.raises(ValueError, match="could not convert"):
        rate_or_count("some")


def test_it_loads_nothing_heavy_and_nothing_else_of_the_project() -> None:
    program = (
        "import sys, orderpull; before = set(sys.modules); import orderpull.simulator;"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    project = [name for name in loaded if name.startswith("orderpull")]
    assert all(name.startswith("orderpull.simulator") for name in project)
    assert not {"duckdb", "sqlalchemy", "urllib3", "rich", "msgspec", "click"} & set(loaded)
