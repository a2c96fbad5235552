"""docs/shops/ has, for each built-in API, settings that its source can be made of."""

import re
from pathlib import Path

import pytest

from orderpull import parse_settings
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
