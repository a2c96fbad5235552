"""Secrets and addresses: in no file, no log, no error - looked for in every byte."""

import base64
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests import processes
from tests.sources.medusa import Medusa
from tests.sources.shop import SourceShop
from tests.sources.tls import certificate, shown
from tests.sources.wire import Wire, answer
from tests.sources.written_bytes import everything_written

pytestmark = pytest.mark.slow

TOKEN = "sk_v3ry-s3cret-t0ken"
SHAPES = [TOKEN.encode(), base64.b64encode(f"{TOKEN}:".encode()), base64.b64encode(TOKEN.encode())]
MORE = 'token = "${SHOP_TOKEN}"\ntimeout = 1\n'

FAULTS = [
    "401@2", "403@2", "404@2", "429:retry-after=0@2", "429:retry-after=9999@2", "redirect@2",
    "500@2", "html@2", "object@2", "empty@2", "silence@2", "reset-before@2", "reset-body@2",
    "truncated@2", "invalid-utf8@2", "damaged-garbage@2", "slow:delay=0.001:bytes=999@2",
]  # fmt: skip


def orderpull(folder: Path, *arguments: str) -> tuple[int, bytes]:
    """Run the program; its exit code, and all that it said."""
    environment = {**os.environ, "SHOP_TOKEN": TOKEN}
    started = processes.start("-m", "orderpull", *arguments, cwd=folder, env=environment)
    output, errors = started.communicate(timeout=120)
    assert b"Traceback" not in errors
    return started.wait(), output + errors


def check_nothing_is_told(folder: Path, said: bytes) -> None:
    """The token is in no file and in nothing that was said, in none of its shapes."""
    for shape in SHAPES:
        assert shape not in said
        for name, data in everything_written(folder).items():
            assert shape not in data, name


def personal(truth: dict[str, Any]) -> set[bytes]:
    """Names and street lines of the orders handed out."""
    fields = ("name", "line1", "line2")
    texts = {order[field] or "" for order in truth["orders"].values() for field in fields}
    return {text.encode() for text in texts if len(text) > 4}


@pytest.mark.parametrize(
    ("api", "log_format", "then"),
    [
        ("skubana-assessment", "text", [["config"], ["check"]]),
        ("medusa", "json", [["status", "--json"]]),
    ],
)
def test_a_run_that_goes_well_tells_no_secret(
    tmp_path: Path, api: str, log_format: str, then: list[list[str]]
) -> None:
    """Sent as Bearer or as Basic: in the server's hands, and nowhere else."""
    medusa = Medusa(60, moves={}, token=TOKEN)
    profile = SkubanaAssessment(orders=60, per_call=20) if api == "skubana-assessment" else medusa
    with Simulator(profile) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, MORE + 'start = "2020-01-01"', api=api)
        code, said = orderpull(tmp_path, "-v", "--log-format", log_format, "run", "--json")
        assert all(call.authorization for call in simulator.requests)
        truth = simulator.truth()
    assert code == 0
    assert b"page=1 state=whole" in said
    check_nothing_is_told(tmp_path, said)
    assert not [text for text in personal(truth) if text in said]
    for command in then:
        check_nothing_is_told(tmp_path, orderpull(tmp_path, *command)[1])
    assert shop.orders()


def test_a_run_that_fails_tells_no_secret(tmp_path: Path) -> None:
    """Whatever goes wrong: neither token nor anybody's name or street in what is said."""
    with ExitStack() as stack:
        shops = {
            f"s{number}": stack.enter_context(
                Simulator(SkubanaAssessment(orders=60, per_call=20, seed=number), [fault])
            )
            for number, fault in enumerate(FAULTS)
        }
        SourceShop(tmp_path, {name: simulator.url for name, simulator in shops.items()}, more=MORE)
        code, said = orderpull(tmp_path, "-v", "run")
        truths = [simulator.truth() for simulator in shops.values()]
    assert code == 1
    assert {name for name in shops if f"source={name}".encode() in said} == set(shops)
    check_nothing_is_told(tmp_path, said)
    assert not [text for truth in truths for text in personal(truth) if text in said]


def test_what_a_server_echoes_is_not_passed_on(tmp_path: Path) -> None:
    """A redirect that carries the token, and a server that repeats it in its headers."""
    says = [
        answer(b"", f"Location: https://x.test/login?token={TOKEN}", status="302 Found"),
        answer(b"", f"Location: https://{TOKEN}@x.test/login", status="302 Found"),
        answer(b"[]", f"X-You-Sent: {TOKEN}"),
        answer(
            b"{}", f"WWW-Authenticate: Bearer {TOKEN}", f"Retry-After: {TOKEN}", status="429 No"
        ),
        answer(b"[]"),
    ]
    with Wire(says) as wire:
        SourceShop.at(tmp_path, wire.url, MORE)
        said = b"".join(orderpull(tmp_path, "-v", "run")[1] for _ in range(4))
        assert len(wire.requests) == 5
    assert b"it moved to https://x.test/login" in said
    check_nothing_is_told(tmp_path, said)


def test_addresses_that_cannot_be_reached_tell_no_secret(tmp_path: Path) -> None:
    """A closed port, an unknown name, a certificate nobody vouches for."""
    with Wire([], shown(certificate(tmp_path, "IP:127.0.0.1"))) as wire:
        urls = {"closed": "http://127.0.0.1:1", "unknown": "http://no.invalid", "tls": wire.url}
        SourceShop(tmp_path, urls, more=MORE)
        code, said = orderpull(tmp_path, "-v", "--log-format", "json", "run", "--json")
    assert code == 1
    told = [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]
    assert len(told[0]["sources"]) == 3
    assert all(source["error"] for source in told[0]["sources"].values())
    check_nothing_is_told(tmp_path, said)


@pytest.mark.parametrize(
    "base_url", [f"http://user:{TOKEN}@shop.test", f"http://{TOKEN}@shop.test"]
)
def test_a_secret_in_the_address_is_refused_without_repeating_it(
    tmp_path: Path, base_url: str
) -> None:
    """A password in base_url is no setting, and is not shown in the complaint."""
    SourceShop.at(tmp_path, base_url)
    code, said = orderpull(tmp_path, "-v", "run")
    assert code == 2
    assert TOKEN.encode() not in said
