"""SIGKILL at every named point and at random instants: no order lost, none twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.durability.matrix import Shop, random_instants
from tests.failpoints import FAILPOINTS
from tests.rollup_oracle import differing

pytestmark = pytest.mark.slow

ORDERS, PER_CALL = 480, 60
NAIVE = str(Path(__file__).parent / "naive.py")
TWICE = {"page-half-written", "page-renamed", "rows-deleted", "before-commit"}
"""Points at which the next run is killed, too, at a later time."""

TIMES = [
    *((point, (1, 3) if point in TWICE else (1,)) for point in FAILPOINTS),
    ("request-sent", (3,)),
]
"""Each point with the times at which run after run is killed."""

MAY_LOSE = {"request-sent": 1}
"""Answers that may be missing: there the body had not arrived when the process died."""

Record = Callable[[str, object], None]


def shop() -> SkubanaAssessment:
    """A shop of which many orders are served again, changed."""
    return SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=11, versions=0.3)


@pytest.mark.parametrize(("point", "times"), TIMES)
def test_killed_at_a_point(
    point: str, times: tuple[int, ...], tmp_path: Path, record_property: Record
) -> None:
    """A kill at this point, perhaps another of the next run, then re-runs: all is there, once."""
    with Simulator(shop()) as simulator:
        here = Shop(tmp_path, simulator)
        for time in times:
            assert here.killed_at(point, time), f"{point} was not reached {time} times"
        here.run_until_well()
        account = here.account()
        assert differing(here.query, "UTC") == []
    allowed = MAY_LOSE.get(point, 0) * len(times)
    record_property("kill matrix", {
        "killed at": point, "times": ", ".join(map(str, times)),
        "handed out": len(account.handed_out), "in tables": len(account.held),
        "lost": len(account.lost), "allowed": allowed * PER_CALL, "by": "orderpull",
    })  # fmt: skip
    assert len(account.handed_out) == ORDERS
    account.check(allowed)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_instants(seed: int, tmp_path: Path, record_property: Record) -> None:
    """25 kills in a row, each in the run that mends the one before: exact in the end."""
    endless = SkubanaAssessment(endless=True, per_call=PER_CALL, seed=seed, versions=0.2)
    kills = 0
    with Simulator(endless, latency=0.01) as simulator:
        here = Shop(tmp_path, simulator, more="max_pages = 12")
        for seconds in random_instants(seed, 25, most=0.45):
            kills += here.killed_after(seconds)
        here.run_until_well()
        account = here.account()
        assert differing(here.query, "UTC") == []
    record_property("kill matrix", {
        "killed at": f"random instants, seed {seed}", "times": kills,
        "handed out": len(account.handed_out), "in tables": len(account.held),
        "lost": len(account.lost), "allowed": kills * PER_CALL, "by": "orderpull",
    })  # fmt: skip
    assert kills >= 10
    account.check(allowed=kills)


@pytest.mark.parametrize(("point", "time"), [("after-response", 4), ("rows-inserted", 2)])
def test_a_naive_loader_fails_the_same_matrix(
    point: str, time: int, tmp_path: Path, record_property: Record
) -> None:
    """The account finds what a script that pulls first and loads later loses."""
    with Simulator(shop()) as simulator:
        here = Shop(tmp_path, simulator)
        assert here.killed_at(point, time, NAIVE)
        process = here.start(NAIVE)
        process.communicate(timeout=120)
        assert process.returncode == 0
        account = here.account()
    record_property("kill matrix", {
        "killed at": point, "times": time, "handed out": len(account.handed_out),
        "in tables": len(account.held), "lost": len(account.lost), "allowed": 0, "by": "naive",
    })  # fmt: skip
    assert len(account.lost) > PER_CALL
    with pytest.raises(AssertionError, match=r"missing|twice"):
        account.check(allowed=1)
