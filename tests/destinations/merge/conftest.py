"""What is judged here is judged in every warehouse."""

from collections.abc import Iterator

import pytest

from orderpull.destinations.loader import Loader
from tests.destinations.merge.history import held
from tests.warehouses import KINDS


@pytest.fixture(scope="module", params=KINDS)
def loader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loader]:
    """A warehouse that is held for writing; each test has a source of its own there."""
    with held(request.param, tmp_path_factory.mktemp("warehouse")) as made:
        yield made
