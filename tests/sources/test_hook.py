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


@pytest.mark.slow
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
        ("def sign(request:", r"cannot be loaded: SyntaxError: .*line 1\)"),
        ("x = 1\nimport nothing_such", r"cannot be loaded: ModuleNotFoundError: .*line 2\)"),
        ("exit()", "cannot be loaded: SystemExit"),
        ("sign = 1", "sign is int, not a function"),
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


SIGN = "def sign(request, secrets):\n    "
PAGE = "def page(body):\n    "


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (SIGN + "raise KeyError(secrets)", "The hook's sign failed: KeyError (xml_shop.py, line 2)"),
        (SIGN + "exit(secrets)", "The hook's sign failed: SystemExit (xml_shop.py, line 2)"),
        ("import json\n" + SIGN + "json.loads('terces')",
         "The hook's sign failed: JSONDecodeError (xml_shop.py, line 3)"),
        (SIGN + "pass", "The hook's sign returned NoneType, not Request (xml_shop.py, line 1)"),
        ("\ndef sign(request):\n    pass",
         "The hook's sign failed: TypeError (xml_shop.py, line 2)"),
    ],
)  # fmt: skip
def test_a_hook_that_cannot_sign_is_a_sentence(tmp_path: Path, hook: str, said: str) -> None:
    """With the place of the fault, and without what it was given."""
    settings = read_settings(settings_in(tmp_path, hook))
    error = pipeline.run(settings, send=lambda *_: pytest.fail("asked")).sources["shop"].error
    assert isinstance(error, SourceRefused)
    assert said in str(error)
    assert "terces" not in str(error)


UNREADABLE = [
    (PAGE + "return body.decode()", "The hook's page returned str, not bytes (xml_shop.py, line 1)"),
    (PAGE + "return body.decode('ascii')",
     "The hook's page failed: UnicodeDecodeError (xml_shop.py, line 2)"),
    ("from zlib import decompress as page", "The hook's page failed: error (xml_shop.py)"),
    (PAGE + "return None", "The hook's page returned NoneType, not bytes (xml_shop.py, line 1)"),
]  # fmt: skip
ACCENT = '[{"no": "é"}]'.encode()


@pytest.mark.parametrize(("hook", "said"), UNREADABLE)
def test_a_page_that_the_hook_cannot_read_is_asked_for_once(
    tmp_path: Path, hook: str, said: str
) -> None:
    """Another try would bring the same; nothing is landed."""
    settings = read_settings(settings_in(tmp_path, hook))
    answers = [Response(200, {}, ACCENT)]
    error = pipeline.run(settings, send=lambda *_: answers.pop()).sources["shop"].error
    assert isinstance(error, SourceRefused)
    assert said in str(error)
    assert pipeline.Pipeline(settings).landing_of("shop").pages() == []


def test_an_error_page_is_none_of_the_hook_s(tmp_path: Path) -> None:
    """Where the API is out of order, it is asked again, whatever the hook makes of that."""
    settings = read_settings(settings_in(tmp_path))
    answers = [Response(200, {}, XML), Response(503, {}, b"<html><oops")]
    assert pipeline.run(settings, send=lambda *_: answers.pop()).ok
    assert rows(tmp_path, "SELECT count(*) FROM order_header") == [(2,)]


@pytest.mark.slow
@pytest.mark.parametrize(("hook", "said"), UNREADABLE)
def test_what_an_api_gives_away_once_waits_for_the_mended_hook(
    tmp_path: Path, hook: str, said: str
) -> None:
    """Its page is kept, and no loss is told, since all of it came; a replay reads it."""
    settings = read_settings(settings_in(tmp_path, hook))
    once = API.replace("[request]", "consume_once = true\n[request]") + '[paging]\nkind = "drain"\n'
    (tmp_path / "xml.toml").write_text(once, encoding="utf-8")
    answers = [Response(200, {}, ACCENT)]
    result = pipeline.run(settings, send=lambda *_: answers.pop()).sources["shop"]
    assert said in str(result.error)
    assert result.possible_loss == 0
    (tmp_path / "mended.py").write_text(PAGE + "return body", encoding="utf-8")
    mended = once.replace("xml_shop.py", "mended.py")
    (tmp_path / "xml.toml").write_text(mended, encoding="utf-8")
    assert replay(settings).result.ok
    assert rows(tmp_path, "SELECT ordernumber FROM order_header") == [("é",)]
