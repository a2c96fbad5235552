"""Fault switches: `KIND[:OPTION[=VALUE]…][@CALLS | ~RATE]`, and the choice of a fault for a call.

`500@3` strikes the third request, `502~0.1` one request in ten (drawn from the seed), `empty` every
request. `reset-body:fraction=0.9@2,5-7,10-` strikes requests 2, 5 to 7, and all from 10. If several
switches strike a request, the first of them acts. An option without a value has the value 1. The
option `keep` leaves the orders of the call for the next call.
"""

import difflib
import math
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .faults import FAULTS, Fault

KEEP = "keep"
SWITCH = re.compile(
    r"(?P<kind>[^:@~]+)(?P<options>(:[^:@~]+)*)(@(?P<calls>[0-9,-]+)|~(?P<rate>[0-9.]+))?"
)
CALLS = re.compile(r"([1-9][0-9]*)(-([1-9][0-9]*)?)?")


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault and when it strikes: at calls, at a rate, or always.

    Calls are ranges, the last included; None is no end.
    """

    text: str
    fault: Fault
    options: dict[str, str]
    keep: bool
    calls: tuple[tuple[int, int | None], ...] | None
    rate: float | None

    @property
    def consumes(self) -> bool:
        """True if the call takes its orders out of a consume-once profile."""
        return self.fault.consumed and not self.keep

    def strikes(self, call: int, seed: str) -> bool:
        """Return whether it strikes this call (from 1)."""
        if self.calls is not None:
            return any(
                first <= call and (last is None or call <= last) for first, last in self.calls
            )
        if self.rate is not None:
            return random.Random(f"{seed}/{self.text}/{call}").random() < self.rate
        return True


class Plan:
    """The faults of one simulator."""

    def __init__(self, switches: Iterable[str], seed: int | None) -> None:
        """Parse the switches. ValueError names the first invalid switch and says why."""
        self._switches = [parse_switch(text) for text in switches]
        self._seed = f"{seed}/faults"

    def at(self, call: int) -> Switch | None:
        """Return the fault that strikes this call (from 1), if any."""
        return next((switch for switch in self._switches if switch.strikes(call, self._seed)), None)


def parse_switch(text: str) -> Switch:
    """Parse a switch. ValueError says what is wrong with it."""
    parts = SWITCH.fullmatch(text)
    if parts is None:
        raise ValueError(
            f"fault {text!r}: expected KIND[:OPTION[=VALUE]][@CALLS | ~RATE], such as 500@3"
        )
    fault = FAULTS.get(parts["kind"])
    if fault is None:
        near = difflib.get_close_matches(parts["kind"], FAULTS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FAULTS)}"
        raise ValueError(f"fault {text!r}: unknown kind {parts['kind']!r}; {hint}")
    options = dict(_option(option) for option in parts["options"].split(":")[1:])
    keep = options.pop(KEEP, None) is not None
    _check_options(text, fault, options, keep=keep)
    rate = None if parts["rate"] is None else _rate(text, parts["rate"])
    calls = None if parts["calls"] is None else _calls(text, parts["calls"])
    return Switch(text, fault, {**fault.options, **options}, keep, calls, rate)


def _option(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    return name, value if equals else "1"


def _check_options(text: str, fault: Fault, options: dict[str, str], *, keep: bool) -> None:
    for name, value in options.items():
        if name not in fault.options:
            known = ", ".join(fault.options) or "none"
            raise ValueError(f"fault {text!r}: unknown option {name!r}; {fault.name} has {known}")
        number = _number(value)
        if number is None or number < 0:
            raise ValueError(f"fault {text!r}: {name} must be a number from 0, not {value!r}")
        if name == "fraction" and number > 1:
            raise ValueError(f"fault {text!r}: fraction must be from 0 to 1")
        if name == "bytes" and not (value.isdecimal() and number >= 1):
            raise ValueError(f"fault {text!r}: bytes must be a whole number from 1")
    if keep and fault.carries:
        raise ValueError(f"fault {text!r}: {fault.name} sends orders, so it cannot keep them")


def _rate(text: str, rate: str) -> float:
    number = _number(rate)
    if number is None or number > 1:
        raise ValueError(f"fault {text!r}: the rate must be from 0 to 1")
    return number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _calls(text: str, calls: str) -> tuple[tuple[int, int | None], ...]:
    ranges = []
    for part in calls.split(","):
        match = CALLS.fullmatch(part)
        if match is None:
            raise ValueError(f"fault {text!r}: calls are such as 2,5-7,10- (from 1), not {part!r}")
        first, dash, last = match.groups()
        ranges.append((int(first), (int(last) if last else None) if dash else int(first)))
    return tuple(ranges)
