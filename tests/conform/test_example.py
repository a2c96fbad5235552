"""The examples that docs/apis.md names: APIs that are not built in, in less than 80 lines."""

from pathlib import Path

import pytest

from orderpull.conform.report import conform
from orderpull.conform.target import MirrorTarget
from orderpull.simulator.shop import PASSWORD, USER
from tests.conform.platform_targets import PlatformTarget
from tests.docs.markdown import ROOT

EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(("name", "most"), [("bigcommerce", 70), ("oscar", 80)])
def test_the_example_is_short(name: str, most: int) -> None:
    assert len((EXAMPLES / f"{name}.toml").read_text("utf-8").splitlines()) < most


@pytest.mark.long
@pytest.mark.parametrize("name", ["bigcommerce", "oscar"])
def test_the_example_conforms(name: str) -> None:
    report = conform(MirrorTarget.of(str(EXAMPLES / f"{name}.toml"), Path()))
    assert [each for each in report.outcomes if each.state == "failed"] == []
    assert sum(each.state == "passed" for each in report.outcomes) >= 11


@pytest.mark.long
def test_a_shop_of_links_conforms() -> None:
    """The Oscar example, on a server written from django-oscar-api's sources."""
    target = PlatformTarget(
        "oscar", {"token": f"{USER}:{PASSWORD}"}, example=EXAMPLES / "oscar.toml"
    )
    report = conform(target)
    assert [each for each in report.outcomes if each.state == "failed"] == []
    assert sum(each.state == "passed" for each in report.outcomes) >= 10
