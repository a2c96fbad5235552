"""The promises of every warehouse, tested on each.

The tables exist already, unless a test is marked ``blank``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouses import KINDS, SERVERS, Warehouse, warehouse


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh warehouse of each kind."""
    with warehouse(request.param, tmp_path / "here", prepared=_prepared(request)) as made:
        yield made


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh warehouse on each kind of server."""
    with warehouse(request.param, tmp_path / "here", prepared=_prepared(request)) as made:
        yield made


@pytest.fixture
def redshift(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh warehouse in the Redshift of the tests."""
    with warehouse("redshift", tmp_path / "here", prepared=_prepared(request)) as made:
        if made.live:
            pytest.skip("this looks into the Redshift of the tests")
        yield made


def _prepared(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("blank") is None
