"""Python beside an api file: requests are signed, bodies become JSON, and mistakes are told."""

from pathlib import Path

import pytest

from orderpull import pipeline, read_settings
from orderpull.errors import ApiFileError, SourceRefused
from orderpull.operate.replay import replay
from orderpull.sources.http.messages import Request, Response, ResponseSink
from tests.shops import rows

API = """
title = "XML shop"
hook = "xml_shop.py"
[request]
path = "/orders"
[auth]
kind = "none"
headers = { X-Client = "{client_id}" }
[order]
number = "no"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""

HOOK = """
import json
from dataclasses import replace
from xml.etree import ElementTree


def sign(request, secrets):
    mark = secrets["client_secret"][::-1]
    return replace(request, headers={**request.headers, "X-Signature": mark})


def page(body):
    orders = [
        {"no": order.get("no"), "lines": [dict(line.attrib) for line in order]}
        for order in ElementTree.fromstring(body)
    ]
    return json.dumps(orders).encode()
"""

XML = b"""<orders><order no="1"><line sku="A" n="2"/><line sku="A" n="1"/></order>
<order no="2"/></orders>"""


def settings_in(folder: Path, hook: str = HOOK) -> Path:
    """Settings for a source of that shop."""
    (folder / "xml.toml").write_text(API, encoding="utf-8")
    (folder / "xml_shop.py").write_text(hook, encoding="utf-8")
    file = folder / "orderpull.toml"
    file.write_text(
        '[sources.shop]\napi = "xml.toml"\nbase_url = "https://shop.test"\n'
        'client_id = "me"\nclient_secret = "terces"\n',
        encoding="utf-8",
    )
    return file


def test_a_hook_signs_requests_and_reads_bodies(tmp_path: Path) -> None:
    """The body is landed as it came, and can be read again for ever."""
    sent: list[Request] = []

    def send(request: Request, _: ResponseSink) -> Response:
        sent.append(request)
        return Response(200, {}, XML)

    settings = read_settings(settings_in(tmp_path))
    assert pipeline.run(settings, send=send).ok
    assert sent[0].headers["X-Signature"] == "secret"
    assert sent[0].headers["X-Client"] == "me"
    items = "SELECT ordernumber, sku, quantity FROM order_item"
    assert rows(tmp_path, items) == [("1", "A", 3)]
    assert rows(tmp_path, "SELECT count(*) FROM order_header") == [(2,)]
    part = pipeline.Pipeline(settings).landing_of("shop")
    assert part.read(1)[1] == XML
    assert replay(settings).result.ok
    assert rows(tmp_path, items) == [("1", "A", 3)]


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("def sign(request:", "cannot be loaded: SyntaxError"),
        ("import nothing_such", "cannot be loaded: ModuleNotFoundError"),
        ("x = 1", "has neither sign nor page"),
    ],
)
def test_a_hook_that_is_wrong_is_told_before_anything_is_asked(
    tmp_path: Path, hook: str, said: str
) -> None:
    """With the file's name."""
    settings = read_settings(settings_in(tmp_path, hook))
    with pytest.raises(ApiFileError, match=said) as error:
        pipeline.run(settings, send=lambda *_: pytest.fail("asked"))
    assert "xml_shop.py" in error.value.message


def test_a_missing_hook_is_told(tmp_path: Path) -> None:
    """With the place where it was looked for."""
    file = settings_in(tmp_path)
    (tmp_path / "xml_shop.py").unlink()
    with pytest.raises(ApiFileError, match="There is no hook"):
        pipeline.run(read_settings(file))


def test_a_hook_that_fails_is_a_sentence(tmp_path: Path) -> None:
    """No traceback, and not what it was given."""
    settings = read_settings(
        settings_in(tmp_path, "def sign(request, secrets):\n    raise KeyError(secrets)")
    )
    error = pipeline.run(settings, send=lambda *_: pytest.fail("asked")).sources["shop"].error
    assert isinstance(error, SourceRefused)
    assert "sign failed: KeyError" in str(error)
    assert "terces" not in str(error)


def test_a_page_that_the_hook_cannot_read_is_no_list_of_orders(tmp_path: Path) -> None:
    """It is asked for again, then told; nothing is landed."""
    settings = read_settings(settings_in(tmp_path))
    text = (tmp_path / "xml.toml").read_text(encoding="utf-8")
    (tmp_path / "xml.toml").write_text(f"{text}[limits]\ntries = 1\n", encoding="utf-8")
    result = pipeline.run(settings, send=lambda *_: Response(200, {}, b"<orders><oops"))
    assert "the hook's page failed (ParseError)" in str(result.sources["shop"].error)
    assert pipeline.Pipeline(settings).landing_of("shop").pages() == []
