"""The sort that each built-in file asks for is one that the platform gives."""

import pytest

from orderpull.conform.cases import CASES
from tests.conform.platform_targets import PLATFORM_TARGETS

RESEEKS = [
    target.name
    for target in PLATFORM_TARGETS.values()
    if target.api.cursor and target.api.cursor.strategy == "reseek"
]


@pytest.mark.slow
@pytest.mark.parametrize("name", RESEEKS)
def test_the_platform_sorts_as_the_file_says(name: str) -> None:
    """Answers that are not sorted by the cursor would be read by windows, in twice the calls."""
    (full_pull,) = (case for case in CASES if case.name == "full pull")
    outcome = full_pull.on(PLATFORM_TARGETS[name])
    assert outcome.state == "passed", outcome.detail
    assert outcome.calls == outcome.least
