"""A real Medusa server's recorded answers, against what its own database held."""

import os
from pathlib import Path

import pytest

from tests.recorded.compare import compare

DATA = os.environ.get("ORDERPULL_TEST_DATA")


@pytest.mark.skipif(DATA is None, reason="the recording is not here (ORDERPULL_TEST_DATA)")
def test_the_recorded_shop_is_matched_exactly(tmp_path: Path) -> None:
    """318 orders, 0 differences."""
    recording = Path(str(DATA)) / "shops" / "medusa"
    orders, differences = compare(recording, "medusa", tmp_path, page_size=50)
    assert differences == []
    assert orders == 318
