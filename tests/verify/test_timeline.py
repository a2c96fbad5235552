"""Time cut where nothing happened: parts tile it, and their counts add up."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orderpull.verify.timeline import Timeline

START = datetime(2026, 5, 1)
HOUR = timedelta(hours=1)
TIMES = st.lists(st.integers(0, 3_600_000).map(lambda ms: START + timedelta(milliseconds=ms)))


@given(TIMES, st.integers(1, 30), st.floats(0, 1))
def test_parts_tile_a_period_at_quiet_moments(
    times: list[datetime], number: int, shift: float
) -> None:
    line = Timeline(times)
    parts = line.parts(START, START + HOUR, number, shift)
    assert len(parts) <= number + 1
    edges = sorted({edge for part in parts for edge in part})
    assert sorted(parts) == list(pairwise(edges))
    assert (edges[0], edges[-1]) == (START, START + HOUR)
    assert sum(line.count(*part) for part in parts) == line.count(START, START + HOUR)
    for cut in edges[1:-1]:
        assert all(abs(cut - time) >= timedelta(seconds=2) for time in times)


@given(TIMES)
def test_a_period_ends_and_is_halved_at_quiet_moments(times: list[datetime]) -> None:
    line = Timeline(times)
    for cut in (line.quiet_before(START, START + HOUR), line.middle(START, START + HOUR)):
        if cut is not None:
            assert START < cut <= START + HOUR
            assert all(abs(cut - time) >= timedelta(seconds=2) for time in times)
    less, more = times[: len(times) // 2], [START + HOUR / 2]
    changed = line.changed(less=less, more=more)
    every = changed.count(START, START + 2 * HOUR)
    assert every == len(times) - len(less) + 1
