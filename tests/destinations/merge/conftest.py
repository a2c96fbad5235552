"""The merge is tested in every warehouse."""

from collections.abc import Iterator

import pytest

from orderpull.destinations.loader import Loader
from tests.destinations.merge.history import open_loader
from tests.warehouses import KINDS


@pytest.fixture(scope="module", params=KINDS)
def loader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loader]:
    """A loader for all tests of a module; each test has a source of its own."""
    with open_loader(request.param, tmp_path_factory.mktemp("warehouse")) as made:
        yield made
