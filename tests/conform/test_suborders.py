"""One purchase counts once: shops at random that list their vendors' orders beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orderpull.conform.outcome import change
from orderpull.conform.trial import trial
from orderpull.simulator.shop.movers import cancel, insert
from orderpull.sources.spec.reader import built_in, read_api
from tests.conform.platform_targets import PLATFORM_TARGETS, PlatformTarget
from tests.sources.random.seeds import seeds

pytestmark = pytest.mark.slow


def read(target: PlatformTarget, **switches: Any) -> list[str]:
    """Run twice on a shop that sells on; the differences from its truth."""
    with trial(target, odd=False, **switches) as t:
        assert t.run().error is None
        for act in (insert(3), change(3), cancel(2)):
            act(t.shop.store)
        t.shop.clock.advance(1)
        assert t.run().error is None
        return t.differences()


@pytest.mark.parametrize("seed", seeds(3))
def test_vendure_sellers_orders_are_left_out(seed: int) -> None:
    assert read(PLATFORM_TARGETS["vendure"], seed=seed, orders=10 + 7 * seed, sellers=True) == []


@pytest.mark.parametrize("seed", seeds(3))
def test_the_condition_that_woocommerce_offers_leaves_suborders_out(
    tmp_path: Path, seed: int
) -> None:
    """As the file stands it counts both, because a child may be an order of its own elsewhere."""
    plain = PLATFORM_TARGETS["woocommerce"]
    switches = {"seed": seed, "orders": 10 + 7 * seed, "vendors": True}
    assert any("too many" in each for each in read(plain, **switches))
    assert read(offered(plain, tmp_path), **switches) == []


def offered(plain: PlatformTarget, folder: Path) -> PlatformTarget:
    """The target with the file's commented `where` in the place of its own."""
    lines = built_in()[plain.name].read_text("utf-8").splitlines()
    (comment,) = (line for line in lines if line.startswith("# where = "))
    lines = [comment.removeprefix("# ") if line.startswith("where") else line for line in lines]
    file = folder / "marketplace.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    target = replace(plain)
    target.api, target.file = read_api(str(file), folder), str(file)
    return target
