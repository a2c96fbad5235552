"""Numbers in their own text.

The engine prints a number its own way: ``1.10`` as ``1.1``, ``1E5`` as ``100000.0``,
``-0`` as ``0``. An order number or a SKU that is given as such a number must keep its own text, so
the orders that hold one are read again with those numbers written as texts. A quantity is not: it
counts by its value.
"""

import re
from collections.abc import Iterable

INEXACT = r"^-?\d+[.eE]"
"""Pattern of the numbers, as the engine prints them, whose own text it may have changed."""

_CHANGED = r"-0(?![.\deE])|-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_MINUS_ZERO = re.compile(rb"-0(?=[ \t\r\n]*[,}\]])")


def holds_minus_zero(body: bytes) -> bool:
    """Whether *body* may hold ``-0``, which the engine reads as 0, so that its text is lost."""
    return _MINUS_ZERO.search(body) is not None


class NumberQuoter:
    """Writes numbers that the engine may change as texts.

    :param by_value: keys whose numbers are left as they are.
    """

    def __init__(self, by_value: Iterable[str]) -> None:
        kept = "".join(rf'"{re.escape(key)}"\s*:\s*-?\d[\d.eE+-]*|' for key in sorted(by_value))
        self._pattern = re.compile(rf"({kept}{_TEXT})|{_CHANGED}")

    def __call__(self, text: str) -> str:
        """*text*, one JSON value, numbers quoted."""
        return self._pattern.sub(lambda match: match[1] or f'"{match[0]}"', text)
