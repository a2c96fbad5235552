"""When runs are due: nothing skipped and nothing twice, whatever becomes of the clocks."""

from datetime import timedelta
from itertools import pairwise

import pytest

from orderpull.schedule.plan import GRACE, random_jitter
from orderpull.schedule.trigger import Every, Trigger
from tests.schedule.clocks import Clocks, Run, cron, utc

HOUR, DAY = 3600.0, 86_400.0
FIVE = Every(timedelta(minutes=5))


def test_every_begins_at_once_and_keeps_its_distance() -> None:
    run = Run(FIVE)
    run.go_on(HOUR)
    assert run.elapsed == [1000 + 300 * number for number in range(12)]


@pytest.mark.parametrize("by", [-DAY * 400, -HOUR, -10, 10, HOUR, DAY * 400])
def test_every_does_not_care_what_time_it_is(by: float) -> None:
    """The clock is set, forward or back: runs stay five minutes apart."""
    run = Run(FIVE)
    run.go_on(450)
    run.clocks.set_by(by)
    run.go_on(1000)
    assert run.elapsed == [1000, 1300, 1600, 1900, 2200]


def test_cron_runs_at_its_times() -> None:
    run = Run(cron("*/15 * * * *"))
    run.go_on(2 * HOUR)
    assert run.times == ["00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "02:00"]


@pytest.mark.parametrize("trigger", [FIVE, cron("*/5 * * * *")], ids=str)
def test_runs_that_take_too_long_do_not_pile_up(trigger: Trigger) -> None:
    """Each takes seven minutes: one after the other, none for each time that passed."""
    run = Run(trigger, takes=7 * 60)
    run.go_on(DAY)
    assert all(late - early >= 7 * 60 for early, late in pairwise(run.elapsed))
    assert len(run.begun) == pytest.approx(DAY / (7 * 60), abs=2)


@pytest.mark.parametrize("trigger", [FIVE, cron("*/5 * * * *")], ids=str)
def test_one_long_run_is_followed_by_one(trigger: Trigger) -> None:
    """After 52 minutes one run at once; then all goes on as before."""
    run = Run(trigger, Clocks("2026-06-01 00:00:00"), takes=52 * 60)
    run.go_on(301)
    first = len(run.begun)
    run.takes = 1
    run.go_on(602)
    assert len(run.begun) - first in {2, 3}
    assert run.begun[first] - run.begun[first - 1] == timedelta(minutes=52)


@pytest.mark.parametrize("trigger", [FIVE, cron("*/5 * * * *")], ids=str)
def test_missed_runs_may_be_skipped(trigger: Trigger) -> None:
    """After 52 minutes of one run, the next one waits for its time."""
    run = Run(trigger, Clocks("2026-06-01 00:00:00"), takes=52 * 60, missed="skip")
    run.go_on(301)
    first = len(run.begun)
    run.takes = 1
    run.go_on(600)
    assert run.begun[first] - run.begun[first - 1] == timedelta(minutes=55)
    assert run.begun[first + 1] - run.begun[first] == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("missed", "expected"), [("once", ["02:00", "08:30", "02:00"]), ("skip", ["02:00", "02:00"])]
)
def test_a_machine_that_sleeps_over_it(missed: str, expected: list[str]) -> None:
    """Asleep at two in the night, awake again at half past eight."""
    run = Run(cron("0 2 * * *"), missed="once" if missed == "once" else "skip")
    run.go_on(20 * HOUR)
    run.clocks.go_on(12.5 * HOUR - 30)
    run.go_on(DAY)
    assert run.times == expected


def test_a_machine_that_sleeps_counts_for_a_length_too() -> None:
    run = Run(Every(timedelta(days=1)))
    for _ in range(5):
        run.go_on(8 * HOUR)
        run.clocks.go_on(16 * HOUR)
    assert len(run.begun) == 5


def test_a_clock_set_forward_brings_one_run() -> None:
    """From 01:00 to 05:00: two o'clock was missed, and is run once; the next is tomorrow's."""
    run = Run(cron("0 2 * * *"))
    run.go_on(HOUR)
    run.clocks.set_by(4 * HOUR)
    run.go_on(DAY)
    assert run.times == ["05:00", "02:00"]


@pytest.mark.parametrize("back", [5.0, 60.0, HOUR, 3 * HOUR, 10 * HOUR])
def test_a_clock_set_back_brings_no_nightly_run_twice(back: float) -> None:
    """Run at two; soon after it the clock is set back before two: the next is tomorrow's."""
    run = Run(cron("0 2 * * *"))
    run.go_on(2 * HOUR)
    run.clocks.set_by(-back)
    run.go_on(DAY + back)
    assert run.times == ["02:00", "02:00"]
    assert run.begun[1] - run.begun[0] == timedelta(days=1)


@pytest.mark.parametrize("back", [5.0, 60.0, 599.0, HOUR, 400 * DAY])
def test_a_clock_set_back_does_not_silence_frequent_runs(back: float) -> None:
    """Never is there more than ten minutes without a run that should come every five."""
    run = Run(cron("*/5 * * * *"))
    run.go_on(2 * HOUR)
    run.clocks.set_by(-back)
    run.go_on(2 * HOUR)
    gaps = [late - early for early, late in pairwise(run.elapsed)]
    assert max(gaps) <= 600
    assert min(gaps) >= 150
    assert 47 <= len(run.begun) <= 49


def test_a_clock_that_was_wrong_by_years_does_not_end_a_schedule() -> None:
    """Set back by a year, the nightly run comes within two nights."""
    run = Run(cron("0 2 * * *"))
    run.go_on(3 * HOUR)
    run.clocks.set_by(-365 * DAY)
    run.go_on(2 * DAY)
    assert len(run.begun) in {2, 3}


def test_a_clock_set_back_before_its_time_waits_for_it() -> None:
    """At 01:59 it turns out to be 00:59: two o'clock is an hour later."""
    run = Run(cron("0 2 * * *"))
    run.go_on(2 * HOUR - 90)
    run.clocks.set_by(-HOUR)
    run.go_on(2 * HOUR)
    assert run.times == ["02:00"]


@pytest.mark.parametrize(
    ("last", "missed", "expected"),
    [
        (None, "once", ["06:00"]),
        ("2026-05-31 06:00:00", "once", ["06:00"]),
        ("2026-05-30 06:00:00", "once", ["00:00", "06:00"]),
        ("2026-05-30 06:00:00", "skip", ["06:00"]),
        ("2027-01-01 06:00:00", "once", ["06:00"]),
    ],
)
def test_what_was_missed_before_it_was_started(
    last: str | None, missed: str, expected: list[str]
) -> None:
    """Started soon after midnight; the last run known is that of yesterday, or of the day before."""
    run = Run(
        cron("0 6 * * *"),
        missed="once" if missed == "once" else "skip",
        last=utc(last) if last else None,
    )
    run.go_on(10 * HOUR)
    assert run.times == expected


def test_jitter_puts_off_and_does_not_add_up() -> None:
    """By 30 seconds at most; cron's times are not left, and a length grows by no more than that."""
    run = Run(cron("*/20 * * * *"), jitter=30)
    run.go_on(DAY)
    late = [each.timestamp() % 1200 for each in run.begun]
    assert len(run.begun) == 72
    assert 0 < max(late) <= 30
    assert len({round(each, 3) for each in late}) > 10
    every = Run(Every(timedelta(minutes=20)), jitter=30)
    every.go_on(DAY)
    gaps = [late - early for early, late in pairwise(every.elapsed)]
    assert 1200 <= min(gaps) < max(gaps) <= 1230


def test_what_is_spread_stays_small() -> None:
    assert all(0 <= random_jitter(10, 30) <= 0.5 for _ in range(100))
    assert all(0 <= random_jitter(DAY, 30) <= 30 for _ in range(100))
    assert random_jitter(DAY, 0) == 0
    assert timedelta(seconds=30) < GRACE, "a run put off by chance would count as missed"
