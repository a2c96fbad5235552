"""SQL of amounts as numbers, from *plain* texts: DuckDB and msgspec read the same number of each.

The careful way computes with texts, because a text that is no amount has to be named. Plain texts
are computed with as decimals, which are exact here: at most nine digits before the point and four
after it. A factor has at most seven, so that no product overflows.
"""

import re
from collections.abc import Iterator

from orderpull.normalize.order_columns import many_texts, text_of
from orderpull.normalize.walk import Steps, Values
from orderpull.sources.spec.expression import Call, Expression, Path, Text, amount_paths
from orderpull.sqltext import literal

_PATTERN = r"-?\d{{1,{}}}(\.\d{{1,4}})?"
_DIGITS, _FACTOR_DIGITS = 9, 7
_TYPE = "DECIMAL(13, 4)"
_TERM = "DECIMAL(23, 8)"
"""Type of the terms of a sum or difference: neither rounds nor overflows."""

_PLAIN_TEXT = re.compile(_PATTERN.format(_FACTOR_DIGITS), re.ASCII)


def is_computed(expression: Expression) -> bool:
    """True if :func:`number` takes *expression*; else its texts decide, as in the careful way."""
    match expression:
        case Path():
            computed = True
        case Text(value):
            computed = bool(_PLAIN_TEXT.fullmatch(value))
        case Call("times", factors):  # the careful way rounds a factor that is computed
            computed = all(not isinstance(each, Call) and is_computed(each) for each in factors)
        case (
            Call("sum" | "less" | "coalesce", terms)
            | Call("if", (_, *terms))
            | Call("minor", (*terms, _))
        ):
            computed = all(map(is_computed, terms))
        case _:
            computed = False
    return computed


def conditions(amount: Expression, values: Values, prefix: Steps) -> Iterator[str]:
    """SQL conditions: each text that *amount* reads is plain or missing."""
    pattern = _PATTERN.format(_FACTOR_DIGITS if _multiplies(amount) else _DIGITS)
    for path in amount_paths(amount):
        if path.is_many:
            each = f"lambda v: v IS NULL OR regexp_full_match(v, '{pattern}')"
            plain = f"list_bool_and(list_transform({many_texts(path, values, prefix)}, {each}))"
        else:
            plain = f"regexp_full_match({values.text((*prefix, *path.steps))}, '{pattern}')"
        yield f"coalesce({plain}, true)"


def number(  # noqa: C901 - one case for each function
    amount: Expression, values: Values, prefix: Steps
) -> str:
    """SQL of the number of *amount*, of which :func:`is_computed` and :func:`conditions` hold.

    The number is exact, and NULL if the amount is missing.
    """

    def numbers(*amounts: Expression) -> list[str]:
        return [number(each, values, prefix) for each in amounts]

    match amount:
        case Path(steps):
            sql = f"TRY_CAST({values.text((*prefix, *steps))} AS {_TYPE})"
        case Text(value):
            sql = f"{literal(value)}::{_TYPE}"
        case Call("sum", terms):
            lists = [_terms(each, values, prefix) for each in terms]
            sql = f"list_sum(list_concat({', '.join(lists)}))"
        case Call("less", (first, *others)):
            rest = [f"coalesce({each}, 0)" for each in numbers(*others)]
            sql = f"({number(first, values, prefix)}::{_TERM} - {' - '.join(rest) or 0})"
        case Call("times", (one, other)):  # DuckDB keeps a product of narrow decimals narrow
            sql = "({}::DECIMAL(19, 4) * {})".format(*numbers(one, other))
        case Call("coalesce", several):
            sql = f"coalesce({', '.join(numbers(*several))})"
        case Call("if", (condition, *several)):
            met = text_of(condition, values, prefix)
            sql = "CASE WHEN {} THEN {} ELSE {} END".format(met, *numbers(*several))
        case Call("minor", (moved, Text(places))):
            unmoved = number(moved, values, prefix)
            if not isinstance(moved, Path):  # the careful way rounds it, too
                unmoved = f"TRY_CAST({unmoved} AS DECIMAL(27, 4))"
            sql = f"({unmoved} * {10 ** -int(places):.4f}::DECIMAL(5, 4))"
        case _:
            raise ValueError(f"{amount} is not computed")
    return sql


def _terms(amount: Expression, values: Values, prefix: Steps) -> str:
    """SQL of the list of numbers that an argument of ``sum()`` adds."""
    if isinstance(amount, Path) and amount.is_many:
        texts = many_texts(amount, values, prefix)
        return f"list_transform({texts}, lambda t: TRY_CAST(t AS {_TYPE}))"
    return f"[{number(amount, values, prefix)}::{_TERM}]"


def _multiplies(amount: Expression) -> bool:
    if not isinstance(amount, Call):
        return False
    return amount.function == "times" or any(map(_multiplies, amount.arguments))
