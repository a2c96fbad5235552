"""SIGKILL at every named point of a load into a server or a lake: exact after a plain re-run."""

from collections.abc import Callable
from typing import Any

import pytest

from orderpull.model import DATA_TABLES
from orderpull.s3 import Bucket
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.durability.matrix import Shop
from tests.failpoints import BUCKET_POINTS, FAILPOINTS, LAKE_POINTS, SERVER_POINTS
from tests.rollup_oracle import differing
from tests.servers import aws_client, s3_server
from tests.warehouses import Warehouse, warehouse

pytestmark = pytest.mark.slow

ORDERS, PER_CALL = 240, 60
OF_THE_LOAD = FAILPOINTS[FAILPOINTS.index("before-normalize") : FAILPOINTS.index("committed") + 1]
LATE = {"before-copy": 6, "copied": 6, "put": 6, "before-put": 6, "table-written": 20}
"""Of what happens for each table, a time in the second batch: the first has some rows by then."""

Record = Callable[[str, object], None]


class ServerShop(Shop):
    """A shop whose warehouse is *place*."""

    def __init__(self, place: Warehouse, simulator: Simulator) -> None:
        super().__init__(place.folder, simulator)
        self.place = place
        place.settings(simulator.url)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """What the warehouse holds, table by table."""
        return {
            table.name: [
                dict(zip(table.names, row, strict=True))
                for row in self.place.query(f"SELECT {', '.join(table.names)} FROM {table.name}")
            ]
            for table in DATA_TABLES
        }


def points() -> list[Any]:
    """Each server's points, with the times at which the two runs are killed."""
    of_servers = (*OF_THE_LOAD, *SERVER_POINTS)
    points_of = {
        "postgresql": of_servers,
        "redshift": (*of_servers, *BUCKET_POINTS),
        "iceberg": LAKE_POINTS,
    }
    found = []
    for kind, own in points_of.items():
        for point in own:
            times = (1, LATE.get(point, 2))
            found.append(pytest.param(kind, point, times, id=f"{kind}-{point}"))
    return found


@pytest.mark.parametrize(("kind", "point", "times"), points())
def test_killed_at_a_point(
    kind: Any, point: str, times: tuple[int, int], tmp_path: Any, record_property: Record
) -> None:
    """Nothing is lost and nothing stands twice; nothing of a killed run stays in the bucket.

    The first kill meets a warehouse without orders; the next run loads some and is killed later on.
    """
    shop = SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=11, versions=0.3)
    with warehouse(kind, tmp_path / "here", prepared=True) as place, Simulator(shop) as simulator:
        here = ServerShop(place, simulator)
        for time in times:
            assert here.killed_at(point, time), f"{point} was not reached {time} times"
        left = place.staged()
        here.run_until_well()
        account = here.account()
        assert differing(place.query, "UTC") == []
        assert len(place.staged()) == len(left), "the run left files of its own in the bucket"
    record_property("kill matrix", {
        "killed at": point, "times": f"{times[0]}, {times[1]}", "handed out": len(account.handed_out),
        "in tables": len(account.held), "lost": len(account.lost), "allowed": 0, "by": kind,
    })  # fmt: skip
    assert len(account.handed_out) == ORDERS
    account.check(allowed=0)


def test_what_a_kill_left_in_the_bucket_is_swept(
    redshift: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once no COPY of its own can be reading it any more; what is not ours is left alone."""
    shop = SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=11)
    with Simulator(shop) as simulator:
        here = ServerShop(redshift, simulator)
        assert here.killed_at("put", 1)
    left = redshift.staged()
    assert left
    theirs = [
        "stage/orders/shop/2026-11/000000000001.json.zst", "stage/data.parquet", "elsewhere/x",
        f"stage/{'a' * 32}/new_order_item-0000.parquet", f"stage/{'a' * 32}-1/notes.txt",
    ]  # fmt: skip
    for key in theirs:
        aws_client("s3", s3_server()).put_object(Bucket=redshift.bucket, Key=key, Body=b"theirs")
    redshift.open(timeout=1).preflight()
    assert set(redshift.staged()) == {*left, *theirs}, "a COPY may be reading it"
    ages = Bucket.ages
    monkeypatch.setattr(Bucket, "ages", lambda self: ((key, 661.0) for key, _ in ages(self)))
    redshift.open(timeout=1).preflight()
    assert set(redshift.staged()) == set(theirs)
