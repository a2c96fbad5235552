"""Every kind of fault, against both kinds of API: what it consumed, what was kept, what was asked.

The tables are what is promised; each row is tried against a real server, with real files.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orderpull.errors import SourceRefused
from orderpull.simulator import DAMAGED, FAULTS, Replay, Simulator, SkubanaAssessment
from orderpull.sources.http import limits
from tests.simulator.client import get
from tests.sources.shop import SourceShop, enveloped, record

pytestmark = pytest.mark.slow

ORDERS, PER_CALL = 60, 20
PAGES = ORDERS // PER_CALL
SLOW = ":delay=0.001:bytes=4096"


class Once(NamedTuple):
    """What a fault in the second answer of a consume-once API comes to.

    :param gets: requests until the run ended: 2 where it ended at the fault.
    :param page: state of the page that was kept of that answer; '' where nothing is.
    :param loss: whether a possible loss is counted.
    :param lost: how many of the 20 orders did not come whole, by the simulator's word.
    """

    gets: int
    page: str
    loss: bool
    lost: int

    @property
    def well(self) -> bool:
        """Whether the run goes on to the end, and well."""
        return self.gets > 2 and not self.loss


NOT_CONSUMED = Once(2, "", loss=False, lost=0)
NOTHING_CAME = Once(2, "damaged", loss=True, lost=PER_CALL)
UNHARMED = Once(PAGES + 1, "whole", loss=False, lost=0)
HALF = Once(2, "damaged", loss=True, lost=10)
ALL_THERE = Once(2, "damaged", loss=True, lost=0)
ONE_SPOILT = Once(2, "damaged", loss=True, lost=1)

CONSUME_ONCE = {
    "401": NOT_CONSUMED,
    "403": NOT_CONSUMED,
    "404": NOT_CONSUMED,
    "429": Once(PAGES + 2, "", loss=False, lost=0),  # tried again at once, since it took nothing
    # An answer to be taken for a possible loss, though this server took nothing with it:
    "redirect": Once(2, "damaged", loss=True, lost=0),
    "500:keep": Once(2, "unexpected", loss=True, lost=0),
    "silence:keep": Once(2, "damaged", loss=True, lost=0),
    "reset-before:keep": Once(2, "damaged", loss=True, lost=0),
    "empty:keep": Once(2, "damaged", loss=True, lost=0),
    # Nothing of the orders comes:
    "500": Once(2, "unexpected", loss=True, lost=PER_CALL),
    "502": NOTHING_CAME,
    "503": Once(2, "unexpected", loss=True, lost=PER_CALL),
    "silence": NOTHING_CAME,
    "reset-before": NOTHING_CAME,
    "reset-headers": NOTHING_CAME,
    "html": NOTHING_CAME,
    "empty": NOTHING_CAME,
    # Whole JSON, but no orders: kept as a reject, with all that came.
    "object": Once(2, "unexpected", loss=False, lost=PER_CALL),
    # Orders come, all or some:
    "slow": UNHARMED,
    "reset-after": UNHARMED,
    "content-type": UNHARMED,
    "reset-body": HALF,
    "close-body": HALF,
    "truncated": HALF,
    "invalid-utf8": ONE_SPOILT,
    "damaged-cut-in-text": HALF,
    "damaged-cut-in-letter": HALF,
    "damaged-cut-between-orders": HALF,
    "damaged-no-closing-bracket": ALL_THERE,
    "damaged-trailing-comma": ALL_THERE,
    "damaged-missing-comma": ALL_THERE,
    "damaged-garbage": ALL_THERE,
    "damaged-second-array": ALL_THERE,
    "damaged-byte-order-mark": Once(PAGES + 1, "damaged", loss=False, lost=0),
    "damaged-invalid-utf8": ONE_SPOILT,
    "damaged-lone-surrogate": UNHARMED,
    "damaged-control-character": ONE_SPOILT,
    "damaged-nul-byte": ONE_SPOILT,
    "damaged-unescaped-quotes": ONE_SPOILT,
    "damaged-not-a-number": ONE_SPOILT,
}

REFUSED = 2
"""GETs where the second answer is one that no repetition makes better."""
TWICE = 2 * PAGES
"""GETs of an API without cursor: two passes that agree."""
AGAIN = TWICE + 1
"""GETs where one more try helps."""

SURROGATE = "damaged-lone-surrogate"
UNSPOILT = ["slow", "reset-after", "content-type", "damaged-byte-order-mark", SURROGATE]

ORDINARY = {
    **dict.fromkeys(FAULTS, AGAIN),
    **dict.fromkeys(["401", "403", "404", "redirect"], REFUSED),
    **dict.fromkeys(UNSPOILT, TWICE),
}


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short here; that they are asked for is another test's."""
    monkeypatch.setattr(limits, "BACKOFF_FIRST", 0.01)


def test_the_tables_leave_out_no_kind_of_fault() -> None:
    """Each kind that the simulator knows has a row, for both kinds of API."""
    assert {kind.partition(":")[0] for kind in CONSUME_ONCE} == set(FAULTS)
    assert set(ORDINARY) == set(FAULTS)
    assert {f"damaged-{kind}" for kind in DAMAGED} < set(FAULTS)


def slowly(kind: str) -> object:
    """*kind*; the many kinds of damage leave a quick run of the tests alone."""
    damage = kind.startswith("damaged-") and kind != "damaged-cut-in-text"
    return pytest.param(kind, marks=pytest.mark.slow) if damage else kind


@pytest.mark.parametrize("kind", [slowly(kind) for kind in CONSUME_ONCE])
def test_a_consume_once_api(
    tmp_path: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """Asked once where it may have counted; what came is kept, and all else loads next time."""
    expected = CONSUME_ONCE[kind]
    profile = SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=3)
    with Simulator(profile, [switch(kind)]) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, "timeout = 1")
        first = shop.run()
        gets = len(simulator.requests)
        struck = simulator.requests[1]
        pages = shop.pages()
        rerun_until_well(shop)
        truth = simulator.truth()
        connections = simulator.connections

    assert gets == expected.gets
    assert first.exit_code == (0 if expected.well else 1)
    assert first.sources["shop"].possible_loss == expected.loss
    kept = pages[1] if expected.page else None
    if kept:
        assert (kept.state, kept.possible_loss) == (expected.page, expected.loss)
        assert kept.size == struck.sent_bytes
        assert shop.landing().read(2)[0] == kept
    else:
        assert [page.state for page in pages] == ["whole"] * (PAGES if expected.well else 1)

    assert len(truth["lost"]) == expected.lost
    assert shop.orders() == truth["orders"]
    assert accounted_for(shop, truth)
    assert losses_recorded(shop) == expected.loss
    assert shop.in_flight() == []
    assert connections >= len(simulator.requests)
    told: dict[str, object] = {
        "kind": kind,
        "api": "consume-once",
        "consumed": "yes" if struck.consumed else "no",
    }
    told |= {"GETs": gets, "kept": f"{kept.size} bytes, {kept.state}" if kept else "-"}
    told |= {"possible loss": int(expected.loss), "exit": first.exit_code}
    record_property("faults", told)


@pytest.mark.parametrize("kind", ORDINARY)
def test_an_ordinary_api(
    tmp_path: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """Asked again where that helps; nothing is lost, and no page is landed twice."""
    bodies, _ = made_up_pages()
    with Simulator(Replay(record(tmp_path / "rec", bodies, PER_CALL)), [switch(kind)]) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, "timeout = 1", api="ordinary.toml")
        pulled = shop.pull()
        gets = len(simulator.requests)
        refused = ORDINARY[kind] == REFUSED
        whole = list(bodies)
        if kind in {"damaged-byte-order-mark", SURROGATE}:
            whole[1] = DAMAGED[kind.removeprefix("damaged-")].apply(bodies[1])
        assert shop.bodies() == whole[: 1 if refused else PAGES]
        if refused:
            assert isinstance(pulled.error, SourceRefused)
            assert shop.pull().error is None
            assert shop.bodies()[1:] == bodies
        else:
            assert pulled.error is None
            assert pulled.finished_at

    assert gets == ORDINARY[kind]
    assert pulled.possible_loss == []
    told: dict[str, object] = {
        "kind": kind,
        "api": "ordinary",
        "consumed": "-",
        "GETs": gets,
        "possible loss": 0,
    }
    told |= {"kept": f"{len(pulled.pages)} pages", "exit": int(refused)}
    record_property("faults", told)


@pytest.mark.parametrize("kind", ["damaged-control-character", "damaged-not-a-number"])
def test_an_order_that_is_never_json_does_not_stop_an_ordinary_api(
    tmp_path: Path, kind: str
) -> None:
    """After the tries are used up the page is taken as it is: its good orders, and one reject."""
    bodies, truth = made_up_pages()
    with Simulator(Replay(record(tmp_path / "rec", bodies, PER_CALL)), [f"{kind}@2-6"]) as server:
        shop = SourceShop.at(tmp_path, server.url, api="ordinary.toml")
        result = shop.run()
        assert len(server.requests) == TWICE - 1 + 5
    assert result.exit_code == 0
    assert len(shop.orders()) == ORDERS - 1
    assert shop.orders().items() < truth.items()
    assert [page.state for page in shop.pages()] == ["whole", "damaged", "whole"]
    ((raw,),) = shop.query("SELECT raw FROM orderpull_reject")
    (missing,) = set(truth) - set(shop.orders())
    assert missing in raw


def test_an_ordinary_api_that_stays_broken_ends_within_bounds(tmp_path: Path) -> None:
    """Five tries, one each for fewer orders, one more and the next three; the rest comes later."""
    bodies, truth = made_up_pages()
    with Simulator(Replay(record(tmp_path / "rec", bodies, PER_CALL)), ["502@2-14"]) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, api="ordinary.toml")
        result = shop.run()
        assert len(simulator.requests) == 1 + 5 + 4 + 1 + 3
        assert result.exit_code == 1
        assert "answered 502: it is out of order" in str(result.sources["shop"].error)
        assert len(shop.orders()) == PER_CALL
        assert shop.run().exit_code == 0
    assert shop.orders() == truth


def switch(kind: str) -> str:
    """The simulator's switch for *kind* in the second answer."""
    return f"{kind}{SLOW if kind == 'slow' else ''}@2"


def rerun_until_well(shop: SourceShop) -> None:
    """Plain runs until one has nothing to complain of."""
    assert 0 in (shop.run().exit_code for _ in range(2))


@cache
def made_up_pages() -> tuple[list[bytes], dict[str, Any]]:
    """Three pages of an ordinary API, and what a correct warehouse holds of them."""
    profile = SkubanaAssessment(orders=ORDERS, per_call=PER_CALL, seed=3)
    with Simulator(profile) as simulator:
        pages = [get(simulator.url).json for _ in range(PAGES)]
        return [enveloped(page, ORDERS) for page in pages], simulator.truth()["orders"]


def losses_recorded(shop: SourceShop) -> int:
    """Possible losses in the ledger: each is counted with one page and in one run."""
    ((pages,),) = shop.query("SELECT count(*) FROM orderpull_page WHERE possible_loss")
    ((runs,),) = shop.query("SELECT sum(possible_loss) FROM orderpull_run")
    assert pages == runs
    return int(pages)


def accounted_for(shop: SourceShop, truth: dict[str, Any]) -> bool:
    """Whether each order handed out is in the tables, or in what its answer left.

    An order that is not in the tables must have come with a call whose page is a possible loss, or
    stands among the rejects as something that is no list of orders.
    """
    marked = shop.query(
        """SELECT page FROM orderpull_page WHERE possible_loss
           UNION SELECT page FROM orderpull_reject WHERE reason = 'page_unexpected'"""
    )
    held = set(shop.orders())
    handed_out = {number for call in truth["calls"] for number in call["ordernumbers"]}
    lost = {order["ordernumber"] for order in truth["lost"]}
    assert handed_out - held == lost - held
    return not lost or bool(marked)
