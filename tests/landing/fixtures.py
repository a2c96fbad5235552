"""A bucket for whoever lands in one."""

from pathlib import Path

import pytest

from tests.landing.buckets import CREDENTIALS, TestBucket
from tests.servers import s3_server


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestBucket:
    """A bucket of its own, and credentials and a cache for it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return TestBucket(s3_server())
