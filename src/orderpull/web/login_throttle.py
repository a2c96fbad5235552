"""How long who gave a wrong password waits before the next try.

Each address has some tries; then waits double, up to a minute. All addresses together have so many
tries a minute, so that many machines cannot try much faster than one. Tries made on this machine
are not counted among those: whoever owns it can always sign in there.
"""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

TRIES = 5
LONGEST_SECONDS = 60.0
FORGOTTEN_SECONDS = 3600.0
ADDRESSES_AT_MOST = 2_000

TOGETHER = 30
TOGETHER_PER_SECOND = 0.5


class Patience:
    """What is known of wrong passwords. :param now: seconds, of any clock that runs steadily."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._left, self._filled = float(TOGETHER), now()

    def wait(self, address: str) -> float:
        """How many seconds *address* has to wait; 0: it may try now.

        The try counts as a wrong one until :meth:`right` is told, so that tries made at the same
        time are counted too.
        """
        key, here = _group(address)
        with self._lock:
            now = self._now()
            wrong, last = self._wrong.get(key, (0, now))
            if now - last > FORGOTTEN_SECONDS:
                wrong = 0
            until = last + min(2.0 ** (wrong - TRIES), LONGEST_SECONDS) if wrong >= TRIES else now
            if until > now:
                return until - now
            self._left = min(TOGETHER, self._left + (now - self._filled) * TOGETHER_PER_SECOND)
            self._filled = now
            if not here:
                if self._left < 1:
                    return (1 - self._left) / TOGETHER_PER_SECOND
                self._left -= 1
            self._wrong[key] = (wrong + 1, now)
            self._wrong.move_to_end(key)
            while len(self._wrong) > ADDRESSES_AT_MOST:
                self._wrong.popitem(last=False)
            return 0.0

    def right(self, address: str) -> None:
        """The password was right: forget what went before."""
        key, here = _group(address)
        with self._lock:
            self._wrong.pop(key, None)
            self._left += 0 if here else 1


def _group(address: str) -> tuple[str, bool]:
    """Who is counted as one, and whether it is this machine.

    With IPv6 that is a network of /64: whoever has one address of it has them all.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "", False
    if isinstance(ip, ipaddress.IPv6Address) and not ip.is_loopback:
        return str(ipaddress.ip_network((ip, 64), strict=False)), False
    return str(ip), ip.is_loopback
