"""How often to run: lengths and cron's times, also on days when clocks change."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from orderpull import parse_settings
from orderpull.errors import SettingsError, UsageError
from orderpull.schedule.trigger import Cron, Every, trigger_of
from tests.schedule.clocks import cron, utc

BERLIN = "Europe/Berlin"


def after(trigger: Cron, begin: str, number: int) -> list[str]:
    """The first times after *begin*, which is local, as local times with their offset."""
    instant, found = utc(begin, trigger.zone.key), []
    for _ in range(number):
        instant = trigger.after(instant)
        local = instant.replace(tzinfo=ZoneInfo("UTC")).astimezone(trigger.zone)
        found.append(f"{local:%m-%d %H:%M%z}")
    return found


def test_a_time_that_does_not_exist_is_run_when_the_gap_is_over() -> None:
    """On 29 March 2026 there is no 02:30 in Berlin: clocks go from 02:00 to 03:00."""
    assert after(cron("30 2 * * *", BERLIN), "2026-03-28 12:00", 2) == [
        "03-29 03:00+0200", "03-30 02:30+0200",
    ]  # fmt: skip


def test_a_time_that_exists_twice_is_run_once() -> None:
    """On 25 October 2026 there are two 02:30 in Berlin: the first it is, from wherever one looks."""
    nightly = cron("30 2 * * *", BERLIN)
    first = utc("2026-10-25 02:30", BERLIN)
    assert after(nightly, "2026-10-24 12:00", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    for minutes in range(125):
        found = nightly.after(first + timedelta(minutes=minutes))
        assert found == utc("2026-10-26 02:30", BERLIN), minutes


@pytest.mark.parametrize("begin", ["2026-03-28 22:00", "2026-10-24 22:00"])
def test_frequent_runs_just_go_on_when_clocks_change(begin: str) -> None:
    """Every quarter of an hour stays that, through gap and repetition."""
    quarterly, instant = cron("*/15 * * * *", BERLIN), utc(begin, BERLIN)
    times = [instant := quarterly.after(instant) for _ in range(40)]
    assert {late - early for early, late in pairwise(times)} == {timedelta(minutes=15)}


def test_every_instant_has_one_next_time() -> None:
    """It is later, and nothing lies between: for each minute of the days when clocks change."""
    for expression in ("30 2 * * *", "*/20 * * * *", "0 1-4 * * *", "15,45 2 * * *"):
        trigger = cron(expression, BERLIN)
        for day in ("2026-03-29 00:00", "2026-10-25 00:00"):
            begin = utc(day, BERLIN)
            instants = [begin + timedelta(minutes=each) for each in range(6 * 60)]
            found = [trigger.after(each) for each in instants]
            assert found == sorted(found)
            assert all(late > early for early, late in zip(instants, found, strict=True))


def test_cron_is_read_in_its_own_zone_or_the_reports() -> None:
    text = '[report]\ntimezone = "Europe/Berlin"\n[schedule]\ncron = "0 6 * * *"\n'
    assert str(trigger_of(parse_settings(text))) == 'cron "0 6 * * *" (Europe/Berlin)'
    own = parse_settings(text + 'timezone = "Asia/Tokyo"\n')
    assert after(_cron(trigger_of(own)), "2026-06-01 00:00", 1) == ["06-01 06:00+0900"]


def _cron(trigger: Every | Cron) -> Cron:
    assert isinstance(trigger, Cron)
    return trigger


def test_the_command_goes_before_the_settings() -> None:
    settings = parse_settings('[schedule]\nevery = "1h"\n')
    assert str(trigger_of(settings)) == "every 1h"
    assert str(trigger_of(settings, cron="0 6 * * *")) == 'cron "0 6 * * *" (UTC)'
    assert str(trigger_of(settings, every="90m")) == "every 90m"


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "5",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "0 0 30 2 *",
        "a b c d e",
        "@daily",
        "*/0 * * * *",
    ],
)
def test_what_is_no_cron_expression(expression: str) -> None:
    with pytest.raises(UsageError, match="no cron expression") as caught:
        cron(expression)
    assert "Five fields" in caught.value.hint


def test_none_or_two_rhythms_are_refused() -> None:
    with pytest.raises(UsageError, match="Nothing says how often"):
        trigger_of(parse_settings(""))
    with pytest.raises(UsageError, match="not both"):
        trigger_of(parse_settings(""), every="5m", cron="* * * * *")
    with pytest.raises(UsageError, match="no length of time"):
        trigger_of(parse_settings(""), every="often")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[schedule]\ntimezone = "Mars/North"\n', "schedule.timezone 'Mars/North'"),
        ('[schedule]\nmised = "skip"\n', "schedule.mised"),
        ('[schedule]\nmissed = "twice"\n', "schedule.missed"),
        ("[schedule]\njitter = -1\n", "schedule.jitter"),
        ('[notify]\nstale = "often"\n', "notify.stale"),
        ("[notify]\nrejects = 2\n", "notify.rejects"),
        ('[notify]\nurl = "x"\n', "Did you mean notify.urls"),
    ],
)
def test_wrong_settings_are_named(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    assert says in str(caught.value)
