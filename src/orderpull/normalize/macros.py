"""Macros of the normalizing SQL: a JSON value as text, quantity, amount or time.

A parameter ``j`` is the JSON text of a value, whose first character determines its kind. NULL means
that the value is missing.
"""

import re
from collections.abc import Iterator, Mapping

from orderpull.sources.compact import PAGE_BITS
from orderpull.sqltext import literal

BLANK = (
    r"[\t\n\v\f\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
)
"""Pattern of one white-space character of Unicode."""

_URL = r"^(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*)?([^?#]*)"
_DAY = r"\d{4}-\d\d-\d\d"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
_ZONE = r"(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)"
_UTC_TIME = rf"{_DAY}T\d\d:\d\d:\d\d(?:\.\d{{1,6}})?Z"
_PLAIN_TIME = rf"{_DAY}T{_CLOCK}{_ZONE}"
_ANY_TIME = rf"^{BLANK}*({_DAY}(?:[Tt ]{_CLOCK})?) ?((?:{_ZONE}|(?i:UTC|GMT))?){BLANK}*$"
_AMOUNT = rf"^{BLANK}*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?){BLANK}*$"
_QUANTITY = rf"^{BLANK}*(\d+)(?:\.0+)?{BLANK}*$"
_DECIMAL = _AMOUNT.replace("-?", "", 1)

_BODIES = {
    # No CASE: the checks of an order use json_kind and unlike_text some twenty times, and each part
    # of an expression has to be planned.
    "json_kind(j)": """['a number', 'a text', 'an object', 'a list', 'true', 'false'][
        instr('"{[tf', left(j::VARCHAR, 1)) + 1]""",
    "json_text(j)": "replace(j->>'$', chr(0), '')",
    # Most texts begin with a visible character of ASCII, which takes a tenth of the pattern's time.
    "is_blank(t)": f"""CASE WHEN t BETWEEN '!' AND '~' THEN false
        ELSE regexp_full_match(t, '{BLANK}*') END""",
    "stripped(t)": f"regexp_replace(t, '^{BLANK}+|{BLANK}+$', '', 'g')",
    "url_path(t)": f"regexp_extract(t, '{_URL}', 1)",
    # %FF is not UTF-8, and then the segment stays as it is.
    "last_segment(t)": """coalesce(TRY(replace(url_decode(regexp_extract(t, '([^/]+)/*$', 1)),
        chr(0), '')), regexp_extract(t, '([^/]+)/*$', 1))""",
    # True if one of several texts, separated by U+0000, begins or ends with a blank.
    "padded(t)": f"regexp_matches(t, '^{BLANK}|{BLANK}$|\\x00{BLANK}|{BLANK}\\x00')",
    "unlike_text(j)": "coalesce(contains('tf{[', left(j::VARCHAR, 1)), false)",
    # The first branch gives what the second one would, in less time.
    "as_time(t)": f"""CASE WHEN regexp_full_match(t, '{_UTC_TIME}') THEN TRY_CAST(t AS TIMESTAMP)
        ELSE (CASE WHEN regexp_full_match(t, '{_PLAIN_TIME}')
        THEN TRY_CAST(t AS TIMESTAMPTZ)
        ELSE TRY_CAST(upper(regexp_extract(t, '{_ANY_TIME}', 1) || regexp_replace(
            regexp_extract(t, '{_ANY_TIME}', 2), '^[A-Za-z]+$', 'Z')) AS TIMESTAMPTZ) END)
        AT TIME ZONE 'UTC' END""",
    # Years 1 to 9999, the range of every warehouse and library.
    "known_time(t)": """CASE WHEN as_time(t) BETWEEN TIMESTAMP '0001-01-01'
        AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN as_time(t) END""",
    # When a clock is put back, t occurs twice: the first of the two instants; true if t is twice.
    "first_shown(t, z)": """CASE WHEN ((t AT TIME ZONE z) - INTERVAL 1 HOUR) AT TIME ZONE z = t
        THEN (t AT TIME ZONE z) - INTERVAL 1 HOUR ELSE t AT TIME ZONE z END""",
    "shown_twice(t, z)": """CASE WHEN t IS NULL THEN false
        ELSE (first_shown(t, z) + INTERVAL 1 HOUR) AT TIME ZONE z = t END""",
    # A local time; a repeated one counts as the start of the first hour (spec/times.py).
    "local_time(t, z)": """CASE WHEN shown_twice(t, z) THEN first_shown(date_trunc('hour', t), z)
        ELSE first_shown(t, z) END AT TIME ZONE 'UTC'""",
    "known_local(t, z)": f"""CASE
        WHEN regexp_extract(t, '{_ANY_TIME}', 1) = '' THEN NULL
        WHEN regexp_extract(t, '{_ANY_TIME}', 2) <> '' THEN known_time(t)
        WHEN known_time(t) IS NOT NULL THEN local_time(known_time(t), z) END""",
    "known_rfc2822(t)": """try_strptime(stripped(t), ['%a, %d %b %Y %H:%M:%S %z',
        '%d %b %Y %H:%M:%S %z']) AT TIME ZONE 'UTC'""",
    "known_unix(t, per_second)": """CASE WHEN TRY_CAST(t AS DOUBLE) / per_second
        BETWEEN -62135596800 AND 253402300799 THEN make_timestamp(
            CAST(round(TRY_CAST(t AS DECIMAL(38, 6)) * (1000000 // per_second)) AS BIGINT)) END""",
    # An amount in minor units, with its point moved to the left.
    "moved_point(t, places)": f"""coalesce((TRY_CAST(nullif(regexp_extract(t, '{_AMOUNT}', 1), '')
        AS DECIMAL(27, 4)) * [1, 0.1, 0.01, 0.001, 0.0001][places + 1]::DECIMAL(5, 4))::VARCHAR,
        t)""",
    # The wider cast first: the narrow one accepts too large a number with an exponent.
    "as_amount(t)": f"""TRY_CAST(TRY_CAST(nullif(regexp_extract(t, '{_AMOUNT}', 1), '')
        AS DECIMAL(38, 4)) AS DECIMAL(19, 4))""",
    # Of amounts as texts; if one of them is none, its text, which is then found to be none. Each
    # list is bound by a lambda, because a macro would compute its parameter at each use.
    "exact_amount(t)": f"""TRY_CAST(TRY_CAST(nullif(regexp_extract(t, '{_AMOUNT}', 1), '')
        AS DECIMAL(38, 8)) AS DECIMAL(23, 8))""",
    "read_amounts(texts)": """list_transform(texts,
        lambda t: {'text': t, 'exact': exact_amount(t)})""",
    "wrong_amount(amounts)": """list_any_value(list_transform(amounts,
        lambda a: CASE WHEN a.exact IS NULL AND NOT is_blank(a.text) THEN a.text END))""",
    "sum_of(amounts)": "list_sum(list_transform(amounts, lambda a: a.exact))",
    "amount_sum(texts)": """list_transform([read_amounts(texts)], lambda amounts:
        coalesce(wrong_amount(amounts), sum_of(amounts)::VARCHAR))[1]""",
    "amount_less(texts)": """list_transform([read_amounts(texts)], lambda amounts:
        coalesce(wrong_amount(amounts),
                 (amounts[1].exact - coalesce(sum_of(amounts[2:]), 0))::VARCHAR))[1]""",
    "amount_times(texts)": """list_transform([read_amounts(texts)], lambda amounts:
        coalesce(wrong_amount(amounts),
                 CASE WHEN amounts[1].exact IS NOT NULL AND amounts[2].exact IS NOT NULL
                 THEN coalesce(TRY(amounts[1].exact * amounts[2].exact)::VARCHAR, 'too large')
                 END))[1]""",
    # HMAC-SHA256 (RFC 2104), cut to 128 bits; the pads of each source's key are in two variables.
    "customer_hash(n, t)": f"""CASE WHEN NOT is_blank(t) THEN left(sha256(
        getvariable('customer_outer')[(n >> {PAGE_BITS}) + 1] || unhex(sha256(
        getvariable('customer_inner')[(n >> {PAGE_BITS}) + 1] || encode(t)))), 32) END""",
    "whole_quantity(t)": f"""TRY_CAST(nullif(regexp_extract(t, '{_QUANTITY}', 1), '')
        AS BIGINT)""",
    # The nearest number of units; a half is rounded up.
    "quantity_units(t, places, factor)": f"""TRY_CAST(round(TRY_CAST(nullif(
        regexp_extract(t, '{_DECIMAL}', 1), '') AS DECIMAL(38, 18)), places) * factor AS BIGINT)""",
    "shown(j)": """CASE WHEN length(j::VARCHAR) > 40
        THEN left(j::VARCHAR, 40) || '…' ELSE j::VARCHAR END""",
}

_CREATE = "CREATE OR REPLACE TEMP MACRO {} AS {}"

MACROS = {head.partition("(")[0]: _CREATE.format(head, body) for head, body in _BODIES.items()}
"""The statement that creates each macro. A macro uses earlier ones only."""


def macros_of(*statements: str) -> list[str]:
    """The statements that create the macros that *statements* use.

    To create them all takes 15 ms, a thirtieth of a small run; most APIs use few of them.
    """
    text, used = " ".join(statements), list[str]()
    for name, create in reversed(MACROS.items()):
        if re.search(rf"\b{name}\(", text):
            text += create
            used.append(create)
    return used[::-1]


def source_macros(sources: Mapping[int, str]) -> Iterator[str]:
    """The macros that translate between the number of a page in the run and its source and page.

    :param sources: names of the sources by index.
    """
    names = [sources.get(index, "") for index in range(max(sources) + 1)]
    listed = f"[{', '.join(map(literal, names))}]"
    several = len(sources) > 1
    source = f"{listed}[(n >> {PAGE_BITS}) + 1]" if several else literal(names[-1])
    index = f"list_position({listed}, name) - 1" if several else str(len(names) - 1)
    yield _CREATE.format("source_of(n)", source)
    yield _CREATE.format("page_of(n)", f"n & {(1 << PAGE_BITS) - 1}")
    yield _CREATE.format("number_of(name, page)", f"(({index})::BIGINT << {PAGE_BITS}) + page")
