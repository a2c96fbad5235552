"""Publishing by Tableau's own client onto a stand-in for its server: what arrives, what is said."""

import json
import logging
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tableauserverclient.server.endpoint import workbooks_endpoint

from orderpull.cli import main
from orderpull.tableau.connection import EXTRACT
from orderpull.tableau.workbook import workbook
from tests.tableau.stub import TOKEN, TOKEN_NAME, Stub, tableau_server
from tests.tableau.tricky_orders import duckdb_shop, orders
from tests.tableau.workbooks import needs_engine

PASSWORD = "warehouse-secret-9"


@pytest.fixture
def server() -> Iterator[Stub]:
    with tableau_server() as stub:
        yield stub


def settings(folder: Path, url: str, destination: str = "", **words: str) -> Path:
    """Settings with a ``[tableau]`` block."""
    block = {"server": url, "token_name": TOKEN_NAME, "token": TOKEN} | words
    lines = "".join(f'{key} = "{value}"\n' for key, value in block.items())
    (folder / "orderpull.toml").write_text(f"{destination}\n[tableau]\n{lines}", encoding="utf-8")
    return folder / "orderpull.toml"


REDSHIFT = f"""[destination]
url = "redshift://loader@cluster.example.com:5440/shop"
password = "{PASSWORD}"
"""


def call(file: Path, *arguments: str, code: int = 0) -> Result:
    """Run the command; no secret may be in what it says."""
    result = CliRunner().invoke(main, ["--config", str(file), "-v", "tableau", *arguments])
    assert result.exit_code == code, result.output
    assert TOKEN not in result.output
    assert PASSWORD not in result.output
    return result


def test_a_live_workbook_arrives_whole(
    server: Stub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = settings(tmp_path, server.url, REDSHIFT, project="Sales/Daily", workbook="Sales today")
    said = json.loads(call(file, "publish", "--json").stdout)
    (published,) = server.published
    assert b'server="cluster.example.com"' in published["content"]
    assert published["query"] == {"workbookType": ["twb"], "overwrite": ["true"]}
    item = published["request"].find("workbook")
    assert item.get("name") == "Sales today"
    assert item.find("project").get("id") == "p-2"
    assert item.find("connections") is None, "people are asked for the login"
    assert said["url"].startswith(server.url)
    assert said["bytes"] == len(published["content"])
    assert server.signed_in == 0, "it signs out"
    assert TOKEN not in caplog.text
    assert PASSWORD not in caplog.text


def test_the_login_is_embedded_where_that_is_asked(server: Stub, tmp_path: Path) -> None:
    file = settings(tmp_path, server.url, REDSHIFT)
    call(file, "publish", "--embed", "--skip-connection-check")
    (published,) = server.published
    connection = published["request"].find("workbook/connections/connection")
    assert connection.attrib == {"serverAddress": "cluster.example.com", "serverPort": "5440"}
    login = connection.find("connectionCredentials").attrib
    assert login == {"name": "loader", "password": PASSWORD, "embed": "true"}
    assert published["query"]["skipConnectionCheck"] == ["true"]
    assert PASSWORD.encode() not in published["content"]


def test_another_reader_needs_a_password_of_its_own(server: Stub, tmp_path: Path) -> None:
    """The loader's password is not given away as that of the one who reads."""
    file = settings(tmp_path, server.url, REDSHIFT, user="analyst")
    assert "tableau.password" in call(file, "publish", "--embed", code=2).stderr
    file = settings(tmp_path, server.url, REDSHIFT, user="analyst", password="reads-only")
    call(file, "publish", "--embed")
    login = server.published[0]["request"].find(".//connectionCredentials").attrib
    assert (login["name"], login["password"]) == ("analyst", "reads-only")
    assert b'username="analyst"' in server.published[0]["content"]


def test_a_file_arrives_byte_for_byte(server: Stub, tmp_path: Path) -> None:
    edited = tmp_path / "edited.twb"
    edited.write_bytes(workbook(None, extract=True) + b"<!-- by hand -->\r\n\x00\n")
    call(settings(tmp_path, server.url), "publish", str(edited))
    assert server.published[0]["content"] == edited.read_bytes()


def test_a_large_file_arrives_in_pieces(
    server: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks_endpoint, "FILESIZE_LIMIT", 10_000)
    call(settings(tmp_path, server.url, REDSHIFT), "publish")
    (published,) = server.published
    assert published["chunked"]
    assert published["content"].endswith(b"</workbook>\n")


@needs_engine
def test_refresh_brings_the_orders_of_now(server: Stub, tmp_path: Path) -> None:
    shop = duckdb_shop(tmp_path, orders(60))
    assert shop.file is not None
    kept = shop.file.read_text()
    file = settings(tmp_path, server.url)
    file.write_text(kept + file.read_text())
    call(file, "refresh")
    (published,) = server.published
    package = tmp_path / "arrived.twbx"
    package.write_bytes(published["content"])
    with zipfile.ZipFile(package) as inside:
        assert set(inside.namelist()) == {"OrdersDashboard.twb", EXTRACT}
    assert published["query"]["workbookType"] == ["twbx"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"arrived.twbx", "orderpull.toml", "orders.duckdb", "orders.snapshot.duckdb"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ({"token": "wrong-secret-77"}, 2, "does not accept the token 'orderpull'"),
        ({"project": "Marketing"}, 2, "no project 'Marketing'"),
        ({"project": "Daily"}, 2, "no project 'Daily'"),
        ({"server": "http://tableau.example.com"}, 2, "the token would travel unencrypted"),
        ({"server": "tableau"}, 2, "tableau.server is not a URL"),
        ({"server": ""}, 2, "tableau.server is not set"),
        ({"token": ""}, 2, "tableau.token"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_told(
    server: Stub, tmp_path: Path, words: dict[str, str], code: int, said: str
) -> None:
    file = settings(tmp_path, server.url, REDSHIFT, **words)
    result = call(file, "publish", code=code)
    assert said in result.stderr
    assert "wrong-secret-77" not in result.output
    assert server.published == []
    assert server.signed_in == 0


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = call(settings(tmp_path, url, REDSHIFT), "publish", code=1).stderr
    assert "cannot be reached" in said
    assert "Connection refused" in said
    assert "Traceback" not in said


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = settings(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", REDSHIFT)
        file.write_text(file.read_text() + "timeout = 0.2\n")
        assert "did not answer in time" in call(file, "publish", code=1).stderr


def test_the_token_goes_to_no_other_host(server: Stub, tmp_path: Path) -> None:
    """A redirect to the same host is followed, one to another is not."""
    there = server.url.replace("127.0.0.1", "localhost")
    with tableau_server(elsewhere={"signin": there}) as first:
        said = call(settings(tmp_path, first.url, REDSHIFT), "publish", code=2).stderr
        assert "the token is not sent there" in said
        assert server.asked == []
    with tableau_server(elsewhere={"serverInfo": server.url}) as first:
        call(settings(tmp_path, first.url, REDSHIFT), "publish")
        assert [line for line in server.asked if "serverInfo" in line]


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ({"workbooks": 403}, 2, "rejected the request (400000): Bad Request: no ••• here"),
        ({"workbooks": 500}, 1, "failed (HTTP 500)"),
        ({"serverInfo": 503}, 1, "failed (HTTP 503)"),
        ({"projects": 404}, 2, "rejected the request"),
    ],
    ids=str,
)
def test_a_server_that_refuses_or_fails(
    tmp_path: Path, wrong: dict[str, int], code: int, said: str
) -> None:
    with tableau_server(wrong=wrong) as server:
        result = call(settings(tmp_path, server.url, REDSHIFT), "publish", code=code)
        assert said in result.stderr
        assert server.published == []


def test_a_file_that_is_no_workbook(server: Stub, tmp_path: Path) -> None:
    file = settings(tmp_path, server.url)
    assert "does not exist" in call(file, "publish", str(tmp_path / "a.twb"), code=2).stderr
    assert "neither" in call(file, "publish", str(file), code=2).stderr
    assert server.asked == []


def test_the_server_validates(tmp_path: Path) -> None:
    file = settings(tmp_path, "", REDSHIFT)
    book = tmp_path / "orders.twb"
    call(file, "build", "-o", str(book))
    with tableau_server() as server:
        settings(tmp_path, server.url, REDSHIFT)
        call(file, "validate", "--server", str(book))
        assert server.validated == [book.read_bytes()]
    said = {"severity": "ERROR", "message": "no such field", "line": 7, "elementName": "map"}
    with tableau_server(findings=json.dumps({"errors": [said]}).encode()) as server:
        settings(tmp_path, server.url, REDSHIFT)
        result = call(file, "validate", "--server", "--json", str(book), code=1)
        assert json.loads(result.stdout)["findings"] == [
            {"kind": "error", "place": "line 7, <map>", "sentence": "no such field"}
        ]
    with tableau_server(version="3.28") as server:
        settings(tmp_path, server.url, REDSHIFT)
        assert "from 3.29" in call(file, "validate", "--server", str(book), code=2).stderr
        assert server.validated == []
    with tableau_server(findings=b"<html>") as server:
        settings(tmp_path, server.url, REDSHIFT)
        assert "cannot be parsed" in call(file, "validate", "--server", str(book), code=1).stderr


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tableauserverclient", None)
    for name in ("publish", "server"):
        monkeypatch.delitem(sys.modules, f"orderpull.tableau.{name}", raising=False)
    file = settings(tmp_path, "https://tableau.example.com", REDSHIFT)
    for arguments in (("publish",), ("refresh",)):
        said = call(file, *arguments, code=2).stderr
        assert "tableauserverclient, which is not installed" in said
        assert "orderpull[tableau]" in said
