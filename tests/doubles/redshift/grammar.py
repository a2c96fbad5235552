"""A second opinion on statements: sqlfluff's grammar of Redshift, made by others."""

import re
from collections.abc import Iterable
from functools import cache

_PARAMETER = re.compile(r"\$\d+")


def unparsable(statements: Iterable[str]) -> list[str]:
    """Those of *statements* that are not Redshift's SQL, each once, with where they stop being it.

    The grammar accepts more than Redshift does; what it rejects deserves a look.
    """
    told = (
        _complaint(_PARAMETER.sub("NULL", statement)) for statement in dict.fromkeys(statements)
    )
    return [complaint for complaint in told if complaint]


@cache
def _complaint(statement: str) -> str:
    """What is wrong with *statement*; '' if nothing is."""
    from sqlfluff.core import Linter

    parsed = Linter(dialect="redshift").parse_string(statement + "\n")
    if not parsed.violations:
        return ""
    first = parsed.violations[0]
    return f"{first.desc()} in: {statement}"
