"""docs/shops/ has, for each built-in API, settings that its source can be made of."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderpull import parse_settings
from orderpull.cli import main
from orderpull.sources.pull import Source
from orderpull.sources.spec.reader import built_in, read_api
from tests.docs.markdown import ROOT, blocks

SHOPS = ROOT / "docs" / "shops"
BLOCKS = [b.text for b in blocks(language="toml") if b.file.parent == SHOPS]


def test_every_api_has_one() -> None:
    named = [re.search(r'^api = "([^"]+)"$', text, re.MULTILINE) for text in BLOCKS]
    assert {match[1] for match in named if match} == set(built_in())


@pytest.mark.parametrize("text", BLOCKS, ids=lambda text: text.partition("\n")[0])
def test_it_is_all_that_the_api_needs(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is missing that lets the source in, and nothing is there that the API does not take."""
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(name, "x:y")
    for name, source in parse_settings(text).sources.items():
        assert Source(name, source, read_api(source.api, Path())).api.title


@pytest.mark.parametrize("name", ["extensiv", "medusa", "shopify", "vendure", "woocommerce"])
def test_it_is_what_init_writes(name: str, tmp_path: Path) -> None:
    """The page names a call of init, which writes the page's first block, but for what it adds."""
    (page,) = (file for file in SHOPS.glob("*.md") if file.stem == name)
    assert f"`orderpull init --source {name} --api {name}`" in page.read_text("utf-8")
    shown = tomllib.loads(blocks(page, language="toml")[0].text)["sources"][name]
    added = {"reconcile"} if name == "woocommerce" else set()
    file = tmp_path / "orderpull.toml"
    options = ["--source", name, "--api", name, "--base-url", shown["base_url"]]
    command = ["--config", str(file), "init", *options, "--start", shown["start"]]
    assert CliRunner().invoke(main, command).exit_code == 0
    written = tomllib.loads(file.read_text("utf-8"))["sources"][name]
    assert written == {key: value for key, value in shown.items() if key not in added}
