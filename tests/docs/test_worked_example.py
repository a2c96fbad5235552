"""The worked example of docs/apis.md, done: asked for as it says, and shaped into its rows."""

from pathlib import Path

from orderpull import parse_settings, run
from tests.docs.markdown import ROOT, marked, rows, text_of
from tests.docs.shop import Shop, held

APIS = ROOT / "docs" / "apis.md"
SETTINGS = """\
[sources.tea]
api = "tea-shop.toml"
base_url = "{url}"
token = "tea-token"
start = "2026-01-01"
"""


def test_the_example_is_asked_and_shaped_as_told(tmp_path: Path) -> None:
    """The request and the rows of the worked example are those of a real run."""
    (tmp_path / "tea-shop.toml").write_text(marked(APIS, "example: api").text, encoding="utf-8")
    shop = Shop(marked(APIS, "example: page").text.encode())
    with shop.open() as url:
        settings = parse_settings(SETTINGS.format(url=url), tmp_path / "orderpull.toml")
        result = run(settings)
    assert result.ok, result.as_json()
    told = marked(APIS, "example: request").text.strip()
    assert shop.asked == [(told, "tea-token")]
    for table in ("order_address", "order_item", "order_header"):
        expected = rows(text_of(APIS).partition(f"<!-- example: {table} -->\n")[2])
        columns = list(expected[0])
        found = held(tmp_path, f"SELECT {', '.join(columns)} FROM {table} ORDER BY ALL")
        texts = [["NULL" if value is None else str(value) for value in row] for row in found]
        assert [dict(zip(columns, row, strict=True)) for row in texts] == expected
