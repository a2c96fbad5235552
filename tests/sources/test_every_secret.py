"""Whatever a source signs in with: it stands in no byte that is written, and in none that is said."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from orderpull.simulator import Simulator
from orderpull.simulator.shop import CLIENT_SECRET, PASSWORD, TOKEN
from orderpull.simulator.shop.generic import Generic
from tests.docs.markdown import ROOT
from tests.sources import wire
from tests.sources.shop import SourceShop
from tests.sources.signing import WAYS, Way, orderpull, shapes
from tests.sources.written_bytes import everything_written

pytestmark = pytest.mark.slow

SECRETS = (TOKEN, PASSWORD, CLIENT_SECRET, "made-up-refresh", "made-up-code")
"""Those that are got begin with these, too."""

LOUD = str(ROOT / "tests" / "sources" / "cli_debug.py")
FAULTS = ["401@3", "500@4", "reset-body@6", "redirect@8", "truncated@9", "html@11"]
ODD = "k3y&of=all+/%2F c~rs"


def told(folder: Path, said: bytes, secrets: tuple[str, ...] = SECRETS) -> list[tuple[str, bytes]]:
    """Where a secret stands, and in which shape."""
    written = everything_written(folder) | {"what was said": said}
    forms = {form for secret in secrets for form in shapes(secret)}
    return [(name, form) for name, data in written.items() for form in forms if form in data]


def test_every_shape_would_be_seen() -> None:
    """The search itself: a secret between other bytes, in each of the ways it may be sent."""
    for secret in (*SECRETS, ODD):
        for before in ("", "a:", "reader@shop.test:", "Bearer "):
            pair = f"{before}{secret}:x".encode()
            for sent in (pair, base64.b64encode(pair), base64.urlsafe_b64encode(pair)):
                assert [form for form in shapes(secret) if form in sent], (secret, sent)
        assert quote_plus(secret).encode() in shapes(secret)
        assert not [form for form in shapes(secret) if form in b"made-up-client reader@shop.test"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_secret_is_told(tmp_path: Path, way: Way) -> None:
    """A run that goes well, one to which everything happens, and all that looks at them after."""
    (tmp_path / "well").mkdir()
    (tmp_path / "ill").mkdir()
    said = {}
    for folder, faults in (("well", []), ("ill", FAULTS)):
        profile = Generic(auth=way.auth, orders=60, expires_after=3)
        with Simulator(profile, faults) as simulator:
            way.shop(tmp_path / folder, simulator.url, "page_size = 10\ntimeout = 5")
            code, out = orderpull(
                tmp_path / folder, "-v", "--log-format", "json", "run", "--json", program=LOUD
            )
            if not faults:
                out += orderpull(tmp_path / folder, "-v", "check", program=LOUD)[1]
        assert b"state=whole" in out
        assert code == 0 or faults
        said[folder] = out
    said["well"] += orderpull(tmp_path / "well", "config")[1]
    for folder, out in said.items():
        assert not told(tmp_path / folder, out)


def test_a_key_of_odd_characters_in_the_query(tmp_path: Path) -> None:
    """The API names it in an error, and sends the browser elsewhere with it."""
    words = json.dumps({"orders": [], "error": f"key {ODD} or {quote_plus(ODD)} is spent"}).encode()
    says = [
        wire.answer(
            b'{"orders": [{"id": 1, "number": "A", "modified_at": "2026-01-01T00:00:00Z"}]}'
        ),
        wire.answer(b'{"orders": []}'),
        wire.answer(words),
        wire.answer(b"", f"Location: /x?api_key={quote_plus(ODD)}", status="302 Found"),
    ]
    (tmp_path / "landing").mkdir()
    with wire.Wire(says) as server:
        shop = WAYS["query"].shop(tmp_path, server.url)
        api = (tmp_path / "api.toml").read_text("utf-8")
        failure = '[[errors]]\npath = "error"\nmessage = "error"\n'
        (tmp_path / "api.toml").write_text(api.replace("[order]\n", failure + "[order]\n"), "utf-8")
        text = shop.file.read_text("utf-8").replace("${SHOP_TOKEN}", ODD)
        shop.file.write_text(text, encoding="utf-8")
        said = b"".join(orderpull(tmp_path, "-v", "run", program=LOUD)[1] for _ in range(4))
        assert all(f"api_key={quote_plus(ODD)}".encode() in asked for asked in server.requests)
    shop.file.unlink()
    assert "key ••• or ••• is spent" in said.decode()
    assert b"it moved to" in said
    assert not told(tmp_path, said, (ODD,))


CHAINED = """
title = "Pages that name the next one"
[auth]
kind = "query"
param = "api_key"
[request]
path = "/orders"
[paging]
kind = "next"
next = "next"
[records]
path = "orders"
[order]
number = "number"
[order.address]
country = "country"
line1 = "line1"
line2 = "line2"
name = "name"
postalcode = "postalcode"
stateprovince = "stateprovince"
[order.lines]
path = "lines"
sku = "sku"
quantity = "quantity"
"""


def test_a_next_page_that_names_the_key(tmp_path: Path) -> None:
    """It is sent once, and what is noted of the request has it not."""
    (tmp_path / "chained.toml").write_text(CHAINED, encoding="utf-8")
    pages: list[dict[str, Any]] = [{"orders": [{"number": number}]} for number in "AB"]
    pages[0]["next"] = f"/orders?api_key={TOKEN}&page=2"
    answers = [wire.answer(json.dumps(page).encode()) for page in pages * 2]  # two passes
    with wire.Wire(answers) as server:
        shop = SourceShop.at(tmp_path, server.url, f'token = "{TOKEN}"', api="chained.toml")
        assert shop.pull().error is None
        second = server.requests[1]
    assert second.count(b"api_key=") == 1
    assert b"page=2" in second
    assert [TOKEN in page.request for page in shop.pages()] == [False, False]
    assert "page=2" in shop.pages()[1].request
