"""The places where a landing may be: what holds in one holds in the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.landing.buckets import CREDENTIALS, TestBucket, s3_server
from tests.landing.places import FolderPlace, Place, S3Place


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of an S3."""
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestBucket:
    """A bucket of its own, and credentials and a cache for it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return TestBucket(s3_url)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place for a landing: a folder, or a bucket."""
    if request.param == "folder":
        return FolderPlace(tmp_path)
    return S3Place(request.getfixturevalue("bucket"))
