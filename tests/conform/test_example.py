"""The example that docs/apis.md names: an API that is not built in, in less than 60 lines."""

from pathlib import Path

import pytest

from orderpull.conform.report import conform
from orderpull.conform.target import MirrorTarget
from tests.docs.markdown import ROOT

EXAMPLE = ROOT / "examples" / "bigcommerce.toml"


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 60


@pytest.mark.slow
def test_the_example_conforms() -> None:
    report = conform(MirrorTarget.of(str(EXAMPLE), Path()))
    assert [each for each in report.outcomes if each.state == "failed"] == []
    assert sum(each.state == "passed" for each in report.outcomes) >= 11
