"""The places where a landing may be: what holds in one holds in the other."""

from pathlib import Path

import pytest

from tests.landing.fixtures import bucket
from tests.landing.landings import FolderPlace, Place, S3Place

__all__ = ["bucket", "place"]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place for a landing: a folder, or a bucket."""
    if request.param == "folder":
        return FolderPlace(tmp_path)
    return S3Place(request.getfixturevalue("bucket"))
