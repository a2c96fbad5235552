"""Shops of any manners, drawn from seeds: after quiet runs the landing has all, as it is now."""

from pathlib import Path

import pytest

from tests.sources.random.scenes import Trial, drawn, play
from tests.sources.random.seeds import seeds

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", seeds(20))
def test_nothing_is_lost_or_old_whatever_the_api_and_the_shop_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Changes, faults, kills and stops at random, then quiet runs: each order's last version."""
    trial = Trial(tmp_path, drawn(seed), monkeypatch)
    play(trial)
    assert trial.wrong() == []
