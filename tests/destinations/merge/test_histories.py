"""The newest version wins, whatever the order of arrival: random histories against an oracle."""

from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Counts
from tests.destinations.merge.history import (
    Clerk,
    History,
    Page,
    Served,
    truth,
    truth_first_stays,
)

some = settings(
    max_examples=4,  # of 26 histories each: loads cost more than what is in them
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink one takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
names = count()


def shop(folder: Path, loader: Loader, **settings: Any) -> History:
    return History(folder, loader, f"shop{next(names)}", **settings)


def one_fault(served: Served) -> Served:
    """*served*, not both bad and in the trash.

    If the order lost its number, such a version is a reject within the batch that holds both, and
    nothing in a later one; the oracle knows no batches.
    """
    return replace(served, trash=served.trash and not served.bad)


def pages(*, bad: bool, reused: bool) -> st.SearchStrategy[list[Page]]:
    """The pages of a load of one history."""
    return histories(renumbered=False, bad=bad, reused=reused).map(lambda loads: loads[0])


@st.composite
def histories(draw: st.DrawFn, *, renumbered: bool, bad: bool, reused: bool) -> list[list[Page]]:
    """Loads of pages of the orders of some shops that have nothing to do with each other.

    They are told to one source, so that one load tries them all.
    """
    shape = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    shops = [
        _shop(draw, shop, renumbered=renumbered, bad=bad, reused=reused) for shop in ascii_lowercase
    ]
    return [
        [[served for shop in shops for served in draw(shop)] for _ in range(pages)]
        for pages in shape
    ]


def _shop(
    draw: st.DrawFn, shop: str, *, renumbered: bool, bad: bool, reused: bool
) -> st.SearchStrategy[list[Served]]:
    """Pages of one shop."""
    days = st.one_of(st.none(), st.integers(0, 3))
    placed = {order: draw(days) for order in ("7", "8", "10")}
    home = {order: draw(st.sampled_from("AB")) if reused else order for order in placed}
    return st.lists(
        st.sampled_from(sorted(placed)).flatmap(
            lambda order: st.builds(
                Served,
                id=st.just(shop + order),
                number=st.sampled_from("ABC" if renumbered else [home[order]]).map(shop.__add__),
                pieces=st.integers(1, 2),
                placed=st.just(placed[order]),
                changed=days,
                bad=st.booleans() if bad else st.just(value=False),
                trash=st.booleans(),
            ).map(one_fault if bad and reused else lambda served: served)
        ),
        max_size=3,
    )


def check(store: History, loads: list[list[Page]], clerk: Clerk | None = None) -> None:
    """Take *loads* one by one; compare rows, rejects and counts with the oracle's."""
    for pages in loads:
        check_counts(store.take(*pages), pages, clerk)
    check_rows(store, loads)


def check_counts(counts: Counts, pages: list[Page], clerk: Clerk | None) -> None:
    """Compare the counts of a load of *pages* with the oracle's."""
    found = asdict(counts)
    assert found.pop("fetched") == sum(found.values())
    if clerk:
        assert found == clerk.take(*pages)


def check_rows(store: History, loads: list[list[Page]]) -> None:
    """Compare rows and rejects with the oracle's; a replay changes nothing."""
    ignored = store.settings.on_change == "ignore"
    whole = (truth_first_stays if ignored else truth)(page for pages in loads for page in pages)
    assert store.orders() == whole.orders
    assert store.counted() == whole.counted
    assert store.rejects() == whole.rejects
    before = store.checksum()
    assert store.replay() == 0
    assert store.checksum() == before


@pytest.mark.slow
@given(loads=histories(renumbered=False, bad=True, reused=False))
@some
def test_versions(tmp_path: Path, loader: Loader, loads: list[list[Page]]) -> None:
    """Rows, rejects and counts of a shop whose orders have numbers of their own."""
    check(shop(tmp_path, loader), loads, Clerk())


@pytest.mark.slow
@given(loads=histories(renumbered=False, bad=False, reused=True))
@some
def test_reused(tmp_path: Path, loader: Loader, loads: list[list[Page]]) -> None:
    """Two ids with one number."""
    check(shop(tmp_path, loader), loads, Clerk())


@pytest.mark.slow
@given(loads=histories(renumbered=True, bad=False, reused=True))
@some
def test_renumbered(tmp_path: Path, loader: Loader, loads: list[list[Page]]) -> None:
    """Orders that change their numbers, into numbers of others too.

    Whom a number that has just become free goes to shows only after the load's own verdicts.
    """
    check(shop(tmp_path, loader), loads)


@pytest.mark.slow
@given(loads=histories(renumbered=True, bad=True, reused=True))
@some
def test_first_stays(tmp_path: Path, loader: Loader, loads: list[list[Page]]) -> None:
    """The same with on_change = "ignore"."""
    check(shop(tmp_path, loader, on_change="ignore"), loads)


@pytest.mark.slow
@given(
    loads=st.lists(
        st.tuples(*(pages(bad=bad, reused=not bad) for bad in (True, False, True))),
        min_size=2,
        max_size=2,
    ),
    ignore=st.booleans(),
)
@settings(some, max_examples=2)
def test_sources_loaded_together(
    tmp_path: Path, loader: Loader, loads: list[tuple[list[Page], ...]], ignore: bool
) -> None:
    """Three sources whose orders have the same ids and numbers: each is as if it were alone."""
    on_change = "ignore" if ignore else "update"
    stores = [shop(tmp_path, loader, index=n, on_change=on_change) for n in range(3)]
    clerks = [None if ignore else Clerk() for _ in stores]
    for together in loads:
        for store, served in zip(stores, together, strict=True):
            store.serve(*served)
        stores[0].load_with(*stores[1:])
        for store, served, clerk in zip(stores, together, clerks, strict=True):
            check_counts(store.counts, served, clerk)
    for store, own in zip(stores, zip(*loads, strict=True), strict=True):
        check_rows(store, list(own))
