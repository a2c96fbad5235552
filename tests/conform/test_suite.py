"""Every built-in API, on the mirror of its file and on a server that somebody wrote by hand."""

import pytest

from orderpull.conform.report import conform
from orderpull.sources.spec.reader import built_in
from tests.conform.table import column, documented, targets

pytestmark = pytest.mark.long


@pytest.mark.parametrize("kind", ["mirror", "platform"])
@pytest.mark.parametrize("name", built_in())
def test_the_api_conforms(name: str, kind: str) -> None:
    """No case fails, and the table in docs/apis.md says what became of each."""
    report = conform(targets(kind)[name])
    assert [each for each in report.outcomes if each.state == "failed"] == []
    assert documented(kind, name) == column(report), "run: scripts/write-conformance"
