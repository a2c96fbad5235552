"""An account with a Redshift in it, for each test its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.account import AwsAccount
from tests.warehouses import LIVE, warehouse


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    """An account on this machine; its Redshift is that of the tests."""
    monkeypatch.delenv(LIVE, raising=False)
    with warehouse("redshift", tmp_path / "here", prepared=True) as place:
        yield AwsAccount(place, tmp_path)
