"""The newest version wins, whatever the order of arrival: random histories against an oracle."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpull.destinations.duckdb import DuckdbLoader
from tests.verdict.history import Clerk, Page, Served, Shop, truth, warehouse

some = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
names = count()


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckdbLoader]:
    with warehouse(tmp_path_factory.mktemp("warehouse")) as made:
        yield made


def shop(folder: Path, loader: DuckdbLoader, **settings: Any) -> Shop:
    return Shop(folder, loader, f"shop{next(names)}", **settings)


@st.composite
def histories(draw: st.DrawFn, *, renumbered: bool, bad: bool, reused: bool) -> list[list[Page]]:
    """Loads of pages of orders."""
    ids = ["7", "8", "10", "x"]
    days = st.one_of(st.none(), st.integers(0, 3))
    home = {i: draw(st.sampled_from(["A", "B"])) if reused else i for i in ids}
    placed = {i: draw(days) for i in ids}

    def served() -> st.SearchStrategy[Served]:
        return st.sampled_from(ids).flatmap(
            lambda i: st.builds(
                Served,
                id=st.just(i),
                number=st.sampled_from(["A", "B", "C"] if renumbered else [home[i]]),
                pieces=st.integers(1, 2),
                placed=st.just(placed[i]),
                changed=days,
                bad=st.booleans() if bad else st.just(value=False),
            )
        )

    page = st.lists(served(), max_size=4)
    return draw(st.lists(st.lists(page, min_size=1, max_size=2), min_size=1, max_size=4))


def check(
    folder: Path, loader: DuckdbLoader, loads: list[list[Page]], *, each_count: bool = True
) -> None:
    """Take *loads* one by one; compare rows, rejects and counts with the oracle's."""
    store, clerk = shop(folder, loader), Clerk()
    for pages in loads:
        counts = asdict(store.take(*pages))
        assert counts.pop("fetched") == sum(len(page) for page in pages) == sum(counts.values())
        if each_count:
            assert counts == clerk.take(*pages)
    whole = truth([page for pages in loads for page in pages])
    assert store.orders() == whole.orders
    assert store.rejects() == whole.rejects
    before = store.checksum()
    assert store.replay() == 0
    assert store.checksum() == before


@pytest.mark.slow
@given(loads=histories(renumbered=False, bad=True, reused=False))
@some
def test_versions(tmp_path: Path, loader: DuckdbLoader, loads: list[list[Page]]) -> None:
    """Rows, rejects and counts of a shop whose orders have numbers of their own."""
    check(tmp_path, loader, loads)


@pytest.mark.slow
@given(loads=histories(renumbered=False, bad=False, reused=True))
@some
def test_reused(tmp_path: Path, loader: DuckdbLoader, loads: list[list[Page]]) -> None:
    """Two ids with one number."""
    check(tmp_path, loader, loads)


@pytest.mark.slow
@given(loads=histories(renumbered=True, bad=False, reused=True))
@some
def test_renumbered(tmp_path: Path, loader: DuckdbLoader, loads: list[list[Page]]) -> None:
    """Orders that change their numbers, into numbers of others too.

    Whom a number that has just become free goes to shows only after the load's own verdicts.
    """
    check(tmp_path, loader, loads, each_count=False)
