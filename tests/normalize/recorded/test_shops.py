"""Real shop servers' recorded answers, against what their own databases held."""

import json
import os
from pathlib import Path

import pytest

from orderpull.errors import SourceExpired
from orderpull.simulator import Replay, Simulator
from tests.normalize.recorded.compare import compare
from tests.sources.shop import SourceShop

DATA = os.environ.get("ORDERPULL_TEST_DATA")
pytestmark = pytest.mark.skipif(
    DATA is None, reason="the recordings are not here (ORDERPULL_TEST_DATA)"
)


def recording(name: str) -> Path:
    return Path(str(DATA)) / "shops" / name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "orders"), [("medusa", 318), ("vendure", 413)])
def test_a_recorded_shop_is_matched_exactly(
    tmp_path: Path, name: str, orders: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every order with its lines, address, state and times, and none beside them."""
    found, differences = compare(recording(name), tmp_path)
    with capsys.disabled():
        print(f"\n{name}, recorded: {found} orders, {len(differences)} differences")  # noqa: T201
    assert differences == []
    assert found == orders


@pytest.mark.slow
def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    """The comparison itself: one piece more, one state, one order that is not there."""
    changed = tmp_path / "medusa"
    changed.mkdir()
    for file in recording("medusa").iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    told = json.loads((changed / "truth.json").read_text("utf-8"))
    first, second, third = [number for number in told if told[number]["state"] == "pending"][:3]
    told[first]["items"]["one more"] = 1
    told[second]["state"] = "canceled"
    told["none"] = told.pop(third)
    (changed / "truth.json").write_text(json.dumps(told), encoding="utf-8")
    _, differences = compare(changed, tmp_path)
    assert [line.partition(":")[0] for line in sorted(differences)] == sorted(
        [f"{first} items", f"{second} status", f"{second} counted", "none", third]
    )


def test_vendure_says_who_is_not_let_in(tmp_path: Path) -> None:
    """Its answer has status 200 and no orders: a sentence about the token, and nothing is kept."""
    with Simulator(Replay(recording("vendure"), token="recorded")) as simulator:
        more = 'token = "another"\nstart = "2020-01-01"\npage_size = 100'
        shop = SourceShop.at(tmp_path, simulator.url, more, api="vendure")
        result = shop.run_one()
    assert isinstance(result.error, SourceExpired)
    assert "does not accept the token (You are not currently authorized" in result.error.message
    assert "[sources.shop]" in result.error.hint
    assert not shop.pages()
    assert len(simulator.requests) == 1
