"""A header that responses should have: another value is told, once, and stops nothing."""

import tomllib
from pathlib import Path

import pytest

from orderpull import pipeline
from orderpull.operate.check import check
from orderpull.settings import read_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop import TOKEN
from orderpull.sources.spec.reader import built_in
from tests.platforms.registry import platform


@pytest.mark.slow
@pytest.mark.parametrize(("name", "version"), [("shopify", "2026-10"), ("shopify-rest", "2026-07")])
@pytest.mark.parametrize("serves", [None, "2027-07"])
def test_another_version_is_told(
    name: str, version: str, serves: str | None, tmp_path: Path
) -> None:
    """By run and by check: the shop no longer has the version that the file was written for."""
    with Simulator(platform(name, orders=60, serves=serves)) as simulator:
        (tmp_path / "orderpull.toml").write_text(
            f'[sources.s]\napi = "{name}"\nbase_url = "{simulator.url}"\ntoken = "{TOKEN}"\n'
            'start = "2020-01-01"\nrate = 1000\npage_size = 15\n'
        )
        settings = read_settings(tmp_path / "orderpull.toml")
        result, checked = pipeline.run(settings), check(settings)
    assert result.sources["s"].error is None
    told = (
        f"the API answers with X-Shopify-API-Version '2027-07', not {version!r}: look whether this "
        "API file still fits."
    )
    assert result.sources["s"].notes == ([told] if serves else [])
    assert (told in checked.findings[-1].what) == (serves is not None)
    assert result.sources["s"].as_json()["notes"] == result.sources["s"].notes


@pytest.mark.parametrize("name", ["shopify", "shopify-rest"])
def test_the_version_expected_is_the_one_requested(name: str) -> None:
    """In the path, in that of children too."""
    api = tomllib.loads(built_in()[name].read_text("utf-8"))
    version = api["response"]["headers"]["X-Shopify-API-Version"]
    paths = [api["request"]["path"], *(each["request"]["path"] for each in api.get("children", []))]
    assert all(path.startswith(f"/admin/api/{version}/") for path in paths)
