"""JSON texts of every oddity, for hypothesis to draw from."""

import json
from typing import Any

from hypothesis import strategies as st

ODD_NUMBERS = (
    "0", "-0", "-0.0", "-0e5", "1", "3", "3.0", "3.00", "1.10", "1E5", "1e3", "1e+2", "2.5", "-1",
    "1e400", "-1e400", "1e-400", "1e22", "1e-7", "00017"[3:], "9007199254740992", "9007199254740993",
    "9007199254740992.0", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "123456789012345678901234567890", "0.30000000000000004", "999999999999999.1234", "19.99", "19.990",
    "1.00005", "-1.00005", "1.00004999999999999999999", "1.7976931348623157e308", "4.9e-324", "100.0",
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "\t\n", "\xa0\u3000", "\0", "a\0b", "\0\0", "DE", " de ", "deu", "Germany", "\tFRANCE\n", "XX",
    "3", " 3 ", "3.0", "1.5", "-1", "1e3", "+3", "٣", "٣.0", "abc", "null", "true", "{}", "[]", "'", "''", '"', "\\",
    "{number}", "é", "e\u0301", "sku ", " sku", "SKU", "\u2028", "\ufeff", "\U0001f600", "00017", "-0",
    "2026-07-01", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00.123456789+02:00", "2026-07-01 10:00",
    "2026-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "0000-01-01",
    "2026-07-01T24:00:00Z", "2026-07-01T10:00:60Z", "2026-07-01 10:00:00 UTC", "2026-07-01T10:00:00 +0200", "20260701",
    "19.99", "19,99", "1e2", "1.00005", "999999999999999.99995", "1e-400", "canceled", "DRAFT", "completed",
)  # fmt: skip

Members = list[tuple[str, "Drawn"]]
Drawn = Any
"""A JSON text as drawn: str, already a JSON text; a list; or members of an object."""

numbers = st.one_of(
    st.sampled_from(ODD_NUMBERS),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=4)
    .map(str)
    .filter(lambda text: "E" not in text),
)
texts = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=8))


def quoted(value: str, *, ascii_only: bool = False) -> str:
    """*value* as a JSON text."""
    return json.dumps(value, ensure_ascii=ascii_only)


scalars = st.one_of(
    st.sampled_from(["null", "true", "false"]),
    numbers,
    st.builds(quoted, texts, ascii_only=st.booleans()),
)


def listed(values: list[str]) -> str:
    """A JSON list of JSON texts."""
    return "[" + ",".join(values) + "]"


def made_of(members: list[tuple[str, str]]) -> str:
    """A JSON object of keys and JSON texts; keys may stand twice."""
    return "{" + ", ".join(f"{quoted(key)}:{value}" for key, value in members) + "}"


values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(listed),
        st.lists(st.tuples(texts, inner), max_size=3).map(made_of),
    ),
    max_leaves=6,
)
"""Any JSON value at all."""


def objects(**members: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects with some of *members*, in any order, some twice, some with any value at all."""
    member = st.one_of(
        *(st.tuples(st.just(key), drawn) for key, drawn in members.items()),
        st.tuples(st.sampled_from(sorted(members)), values),
    )
    whole = st.tuples(*(st.tuples(st.just(key), drawn) for key, drawn in members.items()))
    ordered = whole.map(list)
    doubled = st.builds(lambda a, b: [*a, *b], st.lists(member, max_size=2), ordered)
    odd = st.one_of(ordered.flatmap(st.permutations), doubled, st.lists(member, max_size=8))
    return st.integers(0, 3).flatmap(lambda drawn: odd if drawn == 3 else ordered).map(made_of)


named = st.builds(quoted, st.one_of(texts, st.text(min_size=1, max_size=8)))
counts = st.one_of(
    st.integers(0, 9).map(str), st.sampled_from(['"3"', '" 3 "', "3.0", '"3.0"', "0", "1e2"])
)


def often(good: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """*good*, or once in ten times *odd*."""
    return st.integers(0, 9).flatmap(lambda drawn: odd if drawn == 9 else good)


def mostly(good: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """*good*, or now and then any value at all."""
    return often(good, values)


def lists_of(element: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists of *element*, now and then with any value at all in between."""
    return st.lists(mostly(st.one_of(element, element, st.just("null"))), max_size=4).map(listed)


_ids = st.builds(quoted, st.text("0123456789abc#-", min_size=1, max_size=6))
numbers_of_orders = often(
    st.one_of(st.integers(1, 10**20).map(str), st.sampled_from(ODD_NUMBERS), _ids), named
)

skubana_orders = objects(
    orderNumber=numbers_of_orders,
    shipToAddress=st.one_of(
        st.just("null"),
        mostly(
            objects(country=named, line1=named, name=named, postalCode=st.one_of(named, numbers))
        ),
    ),
    orderItems=st.one_of(
        st.just("null"), mostly(lists_of(objects(sku=st.one_of(named, numbers), quantity=counts)))
    ),
)

_times = often(
    st.builds(
        quoted,
        st.one_of(
            st.sampled_from(
                [
                    "2026-07-01T10:00:00.123Z",
                    "2026-07-01T10:00:00+02:00",
                    "2026-07-01 10:00 utc",
                    " ",
                ]
            ),
            st.datetimes().map(lambda time: time.isoformat() + "Z"),
        ),
    ),
    named,
)
_totals = st.one_of(
    numbers.filter(lambda text: len(text) < 16),
    st.builds(quoted, st.sampled_from(["19.99", " 1e2 "])),
)

medusa_orders = objects(
    id=often(_ids, named),
    display_id=numbers_of_orders,
    status=st.one_of(st.builds(quoted, st.sampled_from(["canceled", "Draft", "pending"])), named),
    canceled_at=st.one_of(st.just("null"), _times),
    created_at=_times,
    updated_at=_times,
    currency_code=st.builds(quoted, st.sampled_from(["eur", "USD", "", " "])),
    total=often(_totals, st.one_of(numbers, st.builds(quoted, texts), values)),
    shipping_address=st.one_of(
        st.just("[]"),
        mostly(objects(country_code=named, first_name=named, last_name=named, city=named)),
    ),
    items=mostly(lists_of(objects(variant_sku=st.one_of(named, numbers), quantity=counts))),
)
