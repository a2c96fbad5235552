"""A disk that fills up while a consume-once API answers: exit 1, and not an order lost."""

from pathlib import Path

import pytest

from orderpull.simulator import Call, Simulator, SkubanaAssessment
from tests.landing.full_disk import mounted
from tests.sources.shop import SourceShop


def fill(disk: Path) -> None:
    """Leave not one byte."""
    with (disk / "filler").open("ab", buffering=0) as filler:
        try:
            while filler.write(bytes(65_536)):
                pass
        except OSError:
            pass


@pytest.mark.slow
def test_an_answer_under_way_has_its_room_and_nothing_more_is_asked(tmp_path: Path) -> None:
    """The answer in flight is landed in the room taken for it; the next request is never sent."""
    disk = tmp_path / "landing"
    disk.mkdir()

    def gate(call: Call) -> None:
        if call.number == 3:
            fill(disk)

    profile = SkubanaAssessment(orders=100, per_call=20, seed=8)
    with (
        mounted(disk, "-t", "tmpfs", "-o", "size=12m", "none"),
        Simulator(profile, gate=gate) as simulator,
    ):
        shop = SourceShop.at(tmp_path, simulator.url)
        result = shop.run()
        assert result.exit_code == 1
        said = str(result.sources["shop"].error or result.error)
        assert "No space left on device" in said
        assert "Make room on the disk" in said
        assert len(simulator.requests) == 3
        assert len(shop.pages()) == 3
        assert shop.in_flight() == []

        (disk / "filler").unlink()
        assert shop.run().exit_code == 0
        assert shop.orders() == simulator.truth()["orders"]
        assert len(shop.orders()) == 100
        assert shop.query("SELECT sum(possible_loss) FROM orderpull_run") == [(0,)]


def test_a_full_disk_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    """Full from the start: exit 2, and the API has not had one request."""
    disk = tmp_path / "landing"
    disk.mkdir()
    with (
        mounted(disk, "-t", "tmpfs", "-o", "size=1m", "none"),
        Simulator(SkubanaAssessment(orders=100, per_call=20)) as simulator,
    ):
        fill(disk)
        shop = SourceShop.at(tmp_path, simulator.url)
        result = shop.run()
        assert result.exit_code == 2
        assert "No space left on device" in str(result.error)
    assert simulator.connections == 0
