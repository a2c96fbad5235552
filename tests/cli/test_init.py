"""``orderpull init`` writes for each API what that one needs."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderpull.cli import main
from orderpull.settings import read_settings
from orderpull.sources.pull import Source
from orderpull.sources.spec.reader import built_in, read_api

NEEDS_NONE = {"skubana-assessment"}


@pytest.mark.parametrize("api", built_in())
def test_settings_of_each_api_name_what_lets_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    """With the variables set, the source is ready; each secret is a variable of the source's."""
    file = tmp_path / "orderpull.toml"
    start = [] if api in NEEDS_NONE else ["--start", "2026-01-01"]
    result = CliRunner().invoke(
        main,
        ["--config", str(file), "init", "--source", "my-shop", "--api", api, "--base-url",
         "https://shop.test", "--token-variable", "", *(start or ["--start", ""])],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    text = file.read_text(encoding="utf-8")
    variables = re.findall(r"\$\{(\w+)\}", text)
    assert bool(variables) == (api not in NEEDS_NONE)
    for variable in variables:
        assert variable.startswith("MY_SHOP_")
        monkeypatch.setenv(variable, "made-up")
    settings = read_settings(file)
    Source("my-shop", settings.sources["my-shop"], read_api(api, tmp_path))
    assert ("orderpull login my-shop" in text) == (api == "extensiv")
    assert ("\nfull_reread_days = 1\n" in text) == (api == "vendure")
    assert ("reconcile" in text) == (read_api(api, tmp_path).reconcile is not None)


def test_an_api_that_there_is_not_is_told_at_once(tmp_path: Path) -> None:
    """Not only by the first check."""
    file = tmp_path / "orderpull.toml"
    result = CliRunner().invoke(
        main,
        ["--config", str(file), "init", "--source", "s", "--api", "shopfy", "--base-url",
         "https://shop.test", "--token-variable", "", "--start", ""],
    )  # fmt: skip
    assert result.exit_code == 2
    assert "Did you mean 'shopify'?" in result.output
    assert not file.exists()
