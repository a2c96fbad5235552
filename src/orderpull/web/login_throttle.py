"""Login throttle against brute force: wrong passwords lock an address out for a while.

Each address has a few free attempts; then lockouts double, up to a minute. A global rate limits the
attempts of all addresses together, because an attacker may use many machines. Attempts from this
machine do not count in the global rate, so its owner can always sign in.
"""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE_ATTEMPTS = 5
MAX_LOCKOUT_SECONDS = 60.0
RESET_SECONDS = 3600.0
"""Wrong passwords are forgotten after this time without an attempt."""

MAX_ADDRESSES = 2_000

GLOBAL_BURST = 30
GLOBAL_PER_SECOND = 0.5
"""Token bucket of the global rate: its size in attempts, and its refill."""


class LoginThrottle:
    """Counts attempts to sign in. :param now: monotonic clock, in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._bucket, self._filled_at = float(GLOBAL_BURST), now()

    def attempt(self, address: str) -> float:
        """Register an attempt; return 0, or the seconds of lockout left if it is not allowed.

        An allowed attempt counts as failed until :meth:`succeed`, so that parallel attempts count.
        """
        key, is_local = _throttle_key(address)
        with self._lock:
            now = self._now()
            failures, last = self._failures.get(key, (0, now))
            if now - last > RESET_SECONDS:
                failures = 0
            until = now
            if failures >= FREE_ATTEMPTS:
                until = last + min(2.0 ** (failures - FREE_ATTEMPTS), MAX_LOCKOUT_SECONDS)
            if until > now:
                return until - now
            refill = (now - self._filled_at) * GLOBAL_PER_SECOND
            self._bucket, self._filled_at = min(GLOBAL_BURST, self._bucket + refill), now
            if not is_local:
                if self._bucket < 1:
                    return (1 - self._bucket) / GLOBAL_PER_SECOND
                self._bucket -= 1
            self._failures[key] = (failures + 1, now)
            self._failures.move_to_end(key)
            while len(self._failures) > MAX_ADDRESSES:
                self._failures.popitem(last=False)
            return 0.0

    def succeed(self, address: str) -> None:
        """Forget the failures of *address*: its password was right."""
        key, is_local = _throttle_key(address)
        with self._lock:
            self._failures.pop(key, None)
            self._bucket += 0 if is_local else 1


def _throttle_key(address: str) -> tuple[str, bool]:
    """Throttle key, and whether the client is local.

    IPv6 clients share one key per /64, because one host can use the whole /64.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "", False
    if isinstance(ip, ipaddress.IPv6Address) and not ip.is_loopback:
        return str(ipaddress.ip_network((ip, 64), strict=False)), False
    return str(ip), ip.is_loopback
