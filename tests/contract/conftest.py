"""What every warehouse promises is tried on each of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouses import KINDS, Warehouse, warehouse


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh warehouse of each kind."""
    with warehouse(request.param, tmp_path / "here") as made:
        yield made


@pytest.fixture(params=KINDS[1:])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh warehouse on each kind of server."""
    with warehouse(request.param, tmp_path / "here") as made:
        yield made


@pytest.fixture
def redshift(tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh warehouse in the Redshift of the tests."""
    with warehouse("redshift", tmp_path / "here") as made:
        if made.live:
            pytest.skip("this looks into the Redshift of the tests")
        yield made
