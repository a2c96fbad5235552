"""What is seen of a run while it goes on: who is under way, and how long it will take."""

import io
import logging
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from orderpull import pipeline
from orderpull.errors import SourceBusy
from orderpull.pipeline import SourceResult
from orderpull.simulator import Simulator
from orderpull.simulator.shop.generic import Generic
from orderpull.sources.eta import Estimate, Estimator
from orderpull.sources.http.limits import RateLimit
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.pull import PullResult
from orderpull.terminal.progress import MAX_LINES, ProgressListener
from tests.sources.multi_shop import MultiShop, shops


@pytest.fixture
def progress() -> Progress:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    return Progress(TextColumn("{task.description}"), console=console)


def lines(progress: Progress) -> list[str]:
    return [task.description for task in progress.tasks]


def page(orders: int, total: int | None) -> PageInfo:
    return PageInfo("whole", is_json=True, has_records=True, orders=orders, total=total)


def test_a_few_sources_have_a_line_each(progress: Progress) -> None:
    listener = ProgressListener(progress)
    listener.on_start(["a", "b"])
    listener.on_page("a", PullResult(pages=[1, 2], orders=1200, left=Estimate(5000, 8, 16.2)))
    listener.on_page("b", PullResult(pages=[1], orders=3))
    assert lines(progress) == [
        "a: pulled 1,200 orders in 2 pages; about 8 calls more, 17 s",
        "b: pulled 3 orders in 1 pages",
    ]
    listener.on_source_done("b", PullResult())
    listener.on_batch_loaded("b", SourceResult(waiting=2))
    assert lines(progress)[1] == "b: loaded 0 orders, 2 pages wait"


def test_of_many_sources_some_and_how_many_are_done(progress: Progress) -> None:
    """Never more lines than a terminal has, and at last the names of who keeps all waiting."""
    listener = ProgressListener(progress)
    names = [f"s{number}" for number in range(200)]
    listener.on_start(names)
    for name in names:
        listener.on_page(name, PullResult(pages=[1], orders=5))
        assert len(lines(progress)) <= MAX_LINES + 1
    assert lines(progress)[0] == "0 of 200 sources are finished"
    for name in names[:197]:
        listener.on_source_done(name, PullResult())
    listener.on_source_done("s197", PullResult(error=SourceBusy("no", "")))
    assert lines(progress) == [
        "197 of 200 sources are finished, 1 failed; still reading: s198, s199"
    ]
    listener.on_batch_loaded("s3", SourceResult())
    assert lines(progress)[0].endswith("; s3: loaded 0 orders, 0 pages wait")


@pytest.mark.parametrize(
    ("rate", "passes", "calls", "seconds"), [(2.0, 1, 4, 2.0), (0.2, 2, 9, 45.0), (None, 1, 4, 0.0)]
)
def test_what_is_left(rate: float | None, passes: int, calls: int, seconds: float) -> None:
    """A hundred orders, twenty a page: at the source's rate, if that is slower than its answers."""
    forecast = Estimator(RateLimit(rate), passes)
    left = forecast.update(page(20, 100), 1)
    assert left is not None
    assert (left.total, left.calls) == (100, calls)
    assert seconds <= left.seconds < seconds + 1
    later = forecast.update(page(20, 80), 2)
    assert later is not None
    assert later.calls == calls - 1


def test_nothing_is_foreseen_where_the_api_does_not_tell() -> None:
    for one in (page(20, None), page(20, 20), page(0, 0)):
        assert Estimator(RateLimit(None), 2).update(one, 1) is None


def test_nothing_is_left_at_the_end() -> None:
    forecast = Estimator(RateLimit(None), 1)
    told = [forecast.update(page(20, 60 - 20 * read), read + 1) for read in range(3)]
    assert [each and each.calls for each in told] == [2, 1, None]


@pytest.mark.parametrize(("passes", "left"), [(1, [82, 41, None]), (2, [85, 44, 3, 2, 1, None])])
def test_requests_for_lines_count(passes: int, left: list[int | None]) -> None:
    """Two requests for each order, once; a second pass over the orders has none of them."""
    forecast = Estimator(RateLimit(2.0), passes)
    calls = [41, 82, 123, 124, 125, 126]
    told = [forecast.update(page(20, 60), made) for made in calls[: len(left)]]
    assert [each and each.calls for each in told] == left
    assert told[0] is not None
    assert told[0].seconds >= told[0].calls / 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (7300, "2 h")],
)
def test_lengths_of_time_are_rough(seconds: float, text: str) -> None:
    assert str(Estimate(5, 1200, seconds)) == f"about 1,200 calls more, {text}"


@pytest.mark.slow
def test_a_first_run_says_how_long_it_takes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, in the log, after the first page; a run that finds little says nothing of it."""
    monkeypatch.setattr(logging.getLogger("orderpull"), "propagate", True)
    caplog.set_level(logging.INFO, "orderpull")
    street = MultiShop(["s"], lambda n: Generic(orders=100, seed=n, total="body", odd=False))
    with Simulator(street) as simulator:
        shop = shops(tmp_path, {"s": f"{simulator.url}/s"})
        for _ in range(2):
            assert pipeline.run(shop.settings).exit_code == 0
    records = {id(record): record.getMessage() for record in caplog.records}  # heard twice: once
    (first,) = [line for line in records.values() if "orders to pull" in line]
    assert "orders to pull: about 5 calls more" in first or "about 4 calls more" in first
