"""The newest version wins, whatever the order of arrival: random histories against an oracle."""

from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orderpull.destinations.loader import Loader
from orderpull.destinations.protocol import Counts
from tests.destinations.merge.drawn import histories, load_pages
from tests.destinations.merge.history import (
    Clerk,
    History,
    Page,
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


def check(store: History, loads: list[list[Page]], clerk: Clerk | None = None) -> None:
    """Take *loads* one by one; compare rows, rejects and counts with the oracle's.

    A replay then changes nothing.
    """
    for pages in loads:
        check_counts(store.take(*pages), pages, clerk)
    check_rows(store, loads)
    before = store.checksum()
    assert store.replay() == 0
    assert store.checksum() == before


def check_counts(counts: Counts, pages: list[Page], clerk: Clerk | None) -> None:
    """Compare the counts of a load of *pages* with the oracle's."""
    found = asdict(counts)
    assert found.pop("fetched") == sum(found.values())
    if clerk:
        assert found == clerk.take(*pages)


def check_rows(store: History, loads: list[list[Page]]) -> None:
    """Compare rows and rejects with the oracle's."""
    ignored = store.settings.on_change == "ignore"
    whole = (truth_first_stays if ignored else truth)(page for pages in loads for page in pages)
    assert store.orders() == whole.orders
    assert store.counted() == whole.counted
    assert store.rejects() == whole.rejects


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
        st.tuples(*(load_pages(bad=bad, reused=not bad) for bad in (True, False, True))),
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
