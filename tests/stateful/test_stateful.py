"""Random histories of one installation: after each step everything that is promised holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orderpull import clock
from orderpull.model import SCHEMA_VERSION
from tests.contract.list_shop import BEGAN
from tests.failpoints import CONTAINER_POINTS, FAILPOINTS, FORGET_POINTS, REPAIR_POINTS
from tests.sources.random.seeds import FACTOR
from tests.stateful import money
from tests.stateful.installation import DAMAGES, KEEP_DAYS, Installation
from tests.stateful.killed import Clock
from tests.stateful.promised import check, check_customers
from tests.stateful.truth import CANCELLED
from tests.warehouses import warehouse

pytestmark = pytest.mark.long

LONG = FACTOR > 1
STEPS = 100 if LONG else 30
EXAMPLES = {"duckdb": 6, "postgresql": 4}
"""Histories on each kind of warehouse: 300 steps, 10,000 with ORDERPULL_SEARCH=10."""

DAMAGES_AT_MOST = STEPS // 30
"""Damages of a history: each takes as long as ten other steps."""

MOST_ORDERS = 12
RUN_POINTS = (
    *FAILPOINTS, "missing-noted", "orders-to-fetch-noted", "expiry-noted", "page-deleted",
    "container-stored", "container-replaced",
)  # fmt: skip
LOAD_POINTS = RUN_POINTS[FAILPOINTS.index("before-normalize") :]
COMPACT_POINTS = ("container-half-written", *CONTAINER_POINTS)
ORDERS_OF_A_REFILL = 5
"""Orders that a run shapes again after a migration, so that several runs are needed."""

BAD = "some"
"""A quantity that is none."""

any_order = st.integers(0, MOST_ORDERS - 1)
tints = st.integers(0, 2**16)
"""What chooses the money of an order or of a line."""

some_lines = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3), tints), max_size=3)
countries = st.sampled_from(["DE", "AT", "FR"])
names = iter(range(10**6))


class Histories(RuleBasedStateMachine):
    """A shop that sells, an installation that follows, and whatever may come between.

    :ivar number: number of the newest order. :ivar gone: orders that were deleted in the shop.
    :ivar current: the last run was later than the last change of the shop.
    :ivar touched: the installation was, since it was last checked.
    :ivar looked: what was looked at since the last change of anything.
    """

    def __init__(self, kind: Any, folder: Path, time: Clock) -> None:
        super().__init__()
        self.kind, self.folder, self.time = kind, folder, time
        self.number = self.damages = 0
        self.gone: dict[int, dict[str, Any]] = {}
        self.current = self.touched = False
        self.looked: set[str] = set()

    @initialize(expires=st.booleans(), spoilt=st.booleans(), orders=st.integers(2, 6))
    def begin(self, *, expires: bool, spoilt: bool, orders: int) -> None:
        base = self.folder / str(next(names))
        self.at = Installation(self.kind, base, self.time, expires=expires)
        self.expires = expires
        for pick in range(orders):
            self._place(lines=[("A", 1, 0), ("B", 2, 1)], tint=pick)
            if pick % 2:
                self.refund(pick, "B", back=True, tint=0)
        if spoilt:
            self._change(0, lines=[("A", (BAD, 3), 0)])
        self._run(listing=True)

    def teardown(self) -> None:
        """Look at every byte, and clear away."""
        if not hasattr(self, "at"):
            return
        try:
            if self.at.forgotten and not self.at.begun and not self.touched:
                self.at.check_bytes(self._erased(), everywhere=True)
        finally:
            self.at.close()

    @invariant()
    def promises_hold(self) -> None:
        """Whatever was done."""
        if self.touched:
            check(self.at, listed=self.current)
            self.touched = False

    # --------------------------------------------------------------------------------- the shop

    @rule(lines=some_lines, country=countries, tint=tints)
    @precondition(lambda self: len(self.at.shop.orders) < MOST_ORDERS)
    def sell(self, **content: Any) -> None:
        self._place(**content)

    @rule(lines=some_lines)
    @precondition(lambda self: len(self.at.shop.orders) < MOST_ORDERS)
    def import_an_old_one(self, lines: Any) -> None:
        """Its stamp is before all that were read."""
        self._place(lines=lines, changed=BEGAN.replace(year=2025).isoformat())

    @rule(pick=any_order, lines=some_lines)
    def edit_lines(self, pick: int, lines: Any) -> None:
        self._change(pick, lines=lines)

    @rule(pick=any_order, country=countries, state=st.sampled_from(["paid", "sent", CANCELLED]))
    def edit(self, pick: int, country: str, state: str) -> None:
        self._change(pick, country=country, state=state)

    @rule(pick=any_order, tint=tints)
    def reprice(self, pick: int, tint: int) -> None:
        """In another currency, too, or in another channel."""
        self._change(pick, tint=tint)

    @rule(pick=any_order, sku=st.sampled_from("ABC"), back=st.booleans(), tint=tints)
    def refund(self, pick: int, sku: str, *, back: bool, tint: int) -> None:
        """A piece that came back after shipping, or is removed before; as a shop may say it twice.

        The shop tells the pieces left. A SKU that is on no line any more may come back, too.
        """
        order = self.at.shop.orders[self._picked(pick)]
        left = [{**line} for line in order["lines"]]
        for line in left:
            if line["sku"] == sku and isinstance(line["n"], int) and line["n"]:
                line.update(n=line["n"] - 1, m=line["m"] - 1)
                break
        refunds = order.get("refunds") or []
        more = money.refund(sku, 1, back=back, tint=tint)
        self._change(pick, refunds=[*refunds, more], left=left)

    @rule(pick=any_order, mendable=st.booleans(), amount=st.booleans())
    def spoil(self, pick: int, *, mendable: bool, amount: bool = False) -> None:
        """It cannot be shaped until it is edited, or the mapping of quantities is mended."""
        if amount:
            self._change(pick, cuts=[{"sum": money.DEAR}])
        else:
            self._change(pick, lines=[("A", (BAD, 3 if mendable else BAD), 0)])

    @rule(pick=any_order)
    @precondition(lambda self: len(self.at.shop.orders) > 1)
    def delete(self, pick: int) -> None:
        number = self._picked(pick)
        self.gone[number] = self.at.shop.orders.pop(number)
        self.current = False

    @rule(pick=any_order)
    @precondition(lambda self: self.gone and len(self.at.shop.orders) < MOST_ORDERS)
    def restore(self, pick: int) -> None:
        """As it was, with its old stamp; a version that nobody has seen gets a new one."""
        number = sorted(self.gone)[pick % len(self.gone)]
        order = self.gone.pop(number)
        self.at.shop.orders[number] = order
        if not self.at.truth.has(order):
            self.at.shop.place(number, **{k: v for k, v in order.items() if k != "changed"})
        self.current = False

    @rule(pick=any_order, mendable=st.booleans(), days=st.sampled_from([KEEP_DAYS + 1, 1]))
    def a_reject_grows_old(self, pick: int, *, mendable: bool, days: int) -> None:
        """The first run after some days deletes old pages, but not the one that it came with."""
        self.spoil(pick, mendable=mendable)
        self._run(listing=False)
        self.time.pass_days(days)
        self._run(listing=True)

    # -------------------------------------------------------------------------- the installation

    @rule(listing=st.booleans())
    def run(self, *, listing: bool) -> None:
        self._run(listing=listing)

    @rule()
    def pull(self) -> None:
        self._touch(self.at.pull)

    @rule()
    def load(self) -> None:
        self._touch(self.at.load)

    @rule(point=st.sampled_from(RUN_POINTS), count=st.integers(1, 2))
    def killed_run(self, point: str, count: int) -> None:
        self._killed(point, count, "run")

    @rule(command=st.sampled_from(["load", "replay"]), point=st.sampled_from(LOAD_POINTS))
    def killed_load(self, command: str, point: str) -> None:
        self._killed(point, 1, command)

    @rule()
    def compact(self) -> None:
        """Nothing changes, whatever comes later."""
        self._touch(self.at.compact)

    @rule(point=st.sampled_from(COMPACT_POINTS))
    def killed_compaction(self, point: str) -> None:
        self._killed(point, 1, "landing", "compact", "--all")

    @rule(told=st.booleans())
    def replay(self, *, told: bool) -> None:
        """Nothing changes. :param told: that is foretold."""
        self._touch(self.at.foretell if told and not self.at.begun else self.at.replay)

    @rule()
    def retry(self) -> None:
        self._touch(self.at.retry)

    @rule(
        point=st.sampled_from(("", *LOAD_POINTS)),
        command=st.sampled_from([("rejects", "retry"), ("replay",)]),
    )
    @precondition(lambda self: not self.at.truth.mended and not self.at.begun)
    def mend(self, point: str, command: tuple[str, ...]) -> None:
        """The mapping: what was rejected is loaded."""
        self._touch(lambda: self.at.mend(point, command))

    @rule(pick=any_order, by_name=st.booleans())
    def forget(self, pick: int, *, by_name: bool) -> None:
        """An order, or all orders of its person, as far as they have come."""
        known = self.at.truth.numbers()
        number = sorted(known)[pick % len(known)]
        wanted = {number}
        if by_name and not self.at.begun:
            name = person(int(number[2:]))
            wanted = {n for n in known if person(int(n[2:])) == name} - self.at.forgotten
            if not wanted:
                return
            self._touch(lambda: self.at.forget(name=name))
        else:
            self._touch(lambda: self.at.forget(orders=(number,)))
        assert wanted <= self.at.forgotten
        self.at.check_bytes(self._erased(), everywhere=False)

    @rule(
        pick=any_order,
        point=st.sampled_from((*FORGET_POINTS, "container-stored", "container-replaced")),
    )
    def killed_forget(self, pick: int, point: str) -> None:
        if numbers := sorted(self.at.truth.numbers()):
            number = numbers[pick % len(numbers)]
            self._touch(lambda: self.at.begin_to_forget(number, point))
            self.current = False

    @rule()
    @precondition(lambda self: self.at.begun or self.at.forgotten)
    def forget_again(self) -> None:
        begun = {*self.at.begun}
        self._touch(self.at.forget)
        assert begun <= self.at.forgotten
        self.at.check_bytes(self._erased(), everywhere=False)

    @rule(what=st.sampled_from(["verify", "rebuild", "doctor", "customers"]))
    @precondition(lambda self: not self.at.begun)
    def look(self, what: str) -> None:
        """Nothing differs or is wrong; the shop is asked if all of it was read."""
        if what in self.looked:
            return
        if what == "customers":
            check_customers(self.at)
        elif what == "verify":
            self.at.verify(shop=self.current)
        elif what == "rebuild" and self.current and not self.expires and not self.at.truth.hollow:
            self.at.rebuild()
        elif what == "doctor" and self.current:
            assert self.at.diagnose() == []
        self.looked.add(what)

    @rule(
        pick=any_order,
        how=st.sampled_from(sorted(DAMAGES)),
        point=st.sampled_from(("", *REPAIR_POINTS)),
    )
    @precondition(lambda self: not self.at.begun and self.damages < DAMAGES_AT_MOST)
    def damage(self, pick: int, how: str, point: str) -> None:
        """It is found and mended; a repair may be killed before."""
        if numbers := self.at.restorable():
            number = numbers[pick % len(numbers)]
            self.damages += 1
            self._touch(lambda: self.at.damage(number, how))
            if point:
                self._killed(point, 1, "verify", "--deep", "--offline", "--repair")
            assert self.at.verify(repair=True) or point

    @rule(
        version=st.integers(1, SCHEMA_VERSION - 1),
        point=st.sampled_from(("", *LOAD_POINTS)),
        count=st.integers(1, 3),
        loads=st.integers(0, 3),
    )
    @precondition(lambda self: not self.at.begun)
    def migrate(self, version: int, point: str, count: int, loads: int) -> None:
        """From an older orderpull's tables; later *loads* fill the columns that it did not know."""
        self._touch(lambda: self.at.migrate(version, point, count))
        for _ in range(loads):
            self.at.load()

    # ---------------------------------------------------------------------------------- the parts

    def _run(self, *, listing: bool) -> None:
        self._touch(lambda: setattr(self, "current", self.at.run(listing=listing) or self.current))

    def _touch(self, do: Callable[[], object]) -> None:
        self.touched = True
        self.looked.clear()
        do()

    def _killed(self, point: str, count: int, *arguments: str) -> bool:
        self.touched, self.current = True, False
        self.looked.clear()
        return self.at.kill(point, count, *arguments)

    def _picked(self, pick: int) -> int:
        numbers = sorted(self.at.shop.orders)
        return numbers[pick % len(numbers)]

    def _place(self, *, lines: Any, country: str = "DE", tint: int = 0, **more: Any) -> None:
        self.number += 1
        number = self.number
        to = {"country": country, "line": street(number), "name": person(number), "city": "Ulm"}
        placed = BEGAN.replace(month=number % 12 + 1).isoformat()
        content = {"to": to, "mail": mail(number), "lines": _lines(lines), "placed": placed}
        self.at.shop.place(number, **content, **money.of_order(tint, number // 2), **more)
        self.current = False

    def _change(self, pick: int, **changed: Any) -> None:
        number = self._picked(pick)
        order = self.at.shop.orders[number]
        content = {key: value for key, value in order.items() if key != "changed"}
        if country := changed.pop("country", None):
            content["to"] = {**content["to"], "country": country}
        if "lines" in changed:
            changed["lines"] = _lines(changed["lines"])
        if "left" in changed:
            changed["lines"] = changed.pop("left")
        if (tint := changed.pop("tint", None)) is not None:
            changed |= money.of_order(tint, number // 2)
        self.at.shop.place(number, **content | changed)
        self.current = False

    def _erased(self) -> list[str]:
        """Texts of the forgotten; a name goes only with all orders of that person."""
        numbers = {int(number[2:]) for number in self.at.forgotten}
        texts = [text(number) for number in numbers for text in (street, mail)]
        both = [n for n in numbers if n % 2 == 0 and n + 1 in numbers]
        return texts + [text for n in both for text in (person(n), money.customer(n // 2))]


def _lines(lines: Any) -> list[dict[str, Any]]:
    """Lines of SKU, quantity and tint; two values: the one to be read, and where else it stands."""
    told = [(sku, q if isinstance(q, tuple) else (q, q), tint) for sku, q, tint in lines]
    return [
        {"sku": sku, "n": read, "m": stands, **money.of_line(3, tint)}
        for sku, (read, stands), tint in told
    ]


def person(number: int) -> str:
    """The name of an order's person, who has one other order."""
    return f"Zebulon Q{number // 2}uux"


def street(number: int) -> str:
    """The street of an order's person; none is part of another."""
    return f"Krötenweg {number}z"


def mail(number: int) -> str:
    """The address of an order's person in a field that is not mapped."""
    return f"z{number}@quux.example"


@pytest.mark.parametrize("kind", EXAMPLES)
def test_promises_hold_after_each_step(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The truth is told by plain Python that has seen each page when it was landed."""
    (tmp_path / "tmp").mkdir()
    with warehouse(kind, tmp_path / "first", prepared=True):  # type: ignore[arg-type]
        pass  # a server and its templates are not to lie in the temporary folder
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    time = Clock(clock.now())
    monkeypatch.setattr(clock, "now", time.now)
    monkeypatch.setattr("orderpull.loading.refill.REFILL_ORDERS", ORDERS_OF_A_REFILL)
    run_state_machine_as_test(
        lambda: Histories(kind, tmp_path, time),  # type: ignore[arg-type]
        settings=settings(
            max_examples=EXAMPLES[kind] * FACTOR,
            stateful_step_count=STEPS,
            derandomize=not LONG,
            database=None,
            deadline=None,
            phases=[Phase.generate, *([Phase.shrink] if LONG else [])],
            suppress_health_check=list(HealthCheck),
        ),
    )
