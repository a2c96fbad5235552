"""Keep the original text of numbers.

DuckDB prints some numbers differently: ``1.10`` as ``1.1``, ``1E5`` as ``100000.0``, ``-0`` as
``0``. An order number or SKU keeps its text, so that orders with such a number are read again with
the number in quotes. A quantity counts by its value and needs no quotes.
"""

import re
from collections.abc import Callable, Iterable

INEXACT = r"^-?\d+[.eE]"
"""Pattern of numbers in DuckDB's output that may have had another text."""

_CHANGED = r"-0(?![.\deE])|-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_MINUS_ZERO = re.compile(rb"-0(?=[ \t\r\n]*[,}\]])")


def holds_minus_zero(body: bytes) -> bool:
    """True if *body* may contain ``-0``, which DuckDB reads as 0."""
    return _MINUS_ZERO.search(body) is not None


def number_quoter(by_value: Iterable[str]) -> Callable[[str], str]:
    """A function that puts the numbers of a JSON value in quotes if DuckDB may change them.

    :param by_value: keys whose numbers stay as they are.
    """
    excluded = "".join(rf'"{re.escape(key)}"\s*:\s*-?\d[\d.eE+-]*|' for key in sorted(by_value))
    pattern = re.compile(rf"({excluded}{_TEXT})|{_CHANGED}")
    return lambda text: pattern.sub(lambda match: match[1] or f'"{match[0]}"', text)
