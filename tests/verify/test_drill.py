"""Drills: what is done to a warehouse and its landing is named, order by order, and mended."""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.operate.home import KINDS
from tests.sources.random.seeds import FACTOR, seeds
from tests.verify.drills import Drill, drilled

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_each_damage_is_named_and_mended(kind: Any, tmp_path: Path) -> None:
    """Drill after drill in one warehouse, 50 in a search: a repair leaves it as it was."""
    with drilled(kind, tmp_path) as home:
        assert Drill(home, random.Random(0)).verify() == set()
        for seed in seeds(3 if kind == "duckdb" and FACTOR > 1 else 1):
            drill = Drill(home, random.Random(seed))
            drill.damage()
            assert drill.verify() == drill.expected
            left = {each for each in drill.expected if each[0] == "foreign" or "page" in each[0]}
            assert drill.verify("--repair", code=1) == left
            drill.put_back()
            assert drill.verify("--repair", "--delete-extra", code=0) == set()
