"""The worked example of docs/apis.md, done: asked for as it says, and shaped into its rows."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from orderpull import parse_settings, run
from tests.docs.markdown import ROOT, marked, rows, text_of

APIS = ROOT / "docs" / "apis.md"
SETTINGS = """\
[sources.tea]
api = "tea-shop.toml"
base_url = "{url}"
token = "tea-token"
start = "2026-01-01"
"""


class TeaShop(BaseHTTPRequestHandler):
    """Answers every request with the page of the docs, and remembers it."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append((f"GET {self.path}", self.headers["X-Api-Key"]))
        body = marked(APIS, "example: page").text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    """The address of a tea shop."""
    TeaShop.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), TeaShop) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_the_example_is_asked_and_shaped_as_told(shop: str, tmp_path: Path) -> None:
    """The request and the rows of the worked example are those of a real run."""
    (tmp_path / "tea-shop.toml").write_text(marked(APIS, "example: api").text, encoding="utf-8")
    settings = parse_settings(SETTINGS.format(url=shop), tmp_path / "orderpull.toml")
    result = run(settings)
    assert result.ok, result.as_json()
    told = marked(APIS, "example: request").text.strip()
    assert TeaShop.asked == [(told, "tea-token")]
    for table in ("order_address", "order_item", "order_header"):
        expected = rows(text_of(APIS).partition(f"<!-- example: {table} -->\n")[2])
        assert held(tmp_path, table, list(expected[0])) == expected


def held(folder: Path, table: str, columns: list[str]) -> list[dict[str, str]]:
    """The rows of *table* as the docs write them."""
    with duckdb.connect(str(folder / "orders.snapshot.duckdb"), read_only=True) as connection:
        found = connection.execute(
            f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL"
        ).fetchall()
    texts = [["NULL" if value is None else str(value) for value in row] for row in found]
    return [dict(zip(columns, row, strict=True)) for row in texts]
