"""The switches that say which fault strikes when."""

from __future__ import annotations

import pytest

from orderpull.simulator.plan import Plan, parse_switch


def calls_struck(switch: str, upto: int = 12) -> list[int]:
    parsed = parse_switch(switch)
    return [call for call in range(1, upto + 1) if parsed.strikes(call, "1")]


@pytest.mark.parametrize(
    ("switch", "calls"),
    [
        ("500@3", [3]),
        ("reset-body@2,5", [2, 5]),
        ("reset-body:fraction=0.9@2,5-7,11-", [2, 5, 6, 7, 11, 12]),
        ("429:retry-after=2@1", [1]),
        ("empty", list(range(1, 13))),
        ("502~0", []),
        ("502~1.0", list(range(1, 13))),
    ],
)
def test_when_it_strikes(switch: str, calls: list[int]) -> None:
    assert calls_struck(switch) == calls


def test_a_rate_is_kept_and_repeatable() -> None:
    struck = calls_struck("502~0.1", upto=5000)
    assert 400 < len(struck) < 600
    assert struck == calls_struck("502~0.1", upto=5000)
    assert struck != calls_struck("503~0.1", upto=5000)


def test_of_several_the_first_given_acts() -> None:
    plan = Plan(["500@1", "404@1-2", "empty@3"], seed=1)
    struck = [plan.at(call) for call in range(1, 5)]
    assert [switch and switch.fault.name for switch in struck] == ["500", "404", "empty", None]


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ("", "expected KIND"),
        ("500@", "expected KIND"),
        ("500@x", "expected KIND"),
        ("500@0", "from 1"),
        ("500@1,,2", "from 1"),
        ("500~2", "rate must be from 0 to 1"),
        ("500~1.2.3", "rate must be from 0 to 1"),
        ("reset-bdy@1", "did you mean reset-body"),
        ("xyzzy", "there are 401, "),
        ("500:fraction=1", "unknown option 'fraction'; 500 has none"),
        ("truncated:fraction=2", "fraction must be from 0 to 1"),
        ("truncated:fraction=x", "fraction must be a number"),
        ("slow:bytes=0.5", "bytes must be a whole number"),
        ("slow:delay=-1", "delay must be a number from 0"),
        ("slow:delay=inf", "delay must be a number from 0"),
        ("reset-body:keep", "cannot keep"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_a_reason(switch: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_switch(switch)
