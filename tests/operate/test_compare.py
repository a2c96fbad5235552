"""Rows as bytes that every warehouse agrees on, and two sides merged."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from orderpull.model import ORDER_HEADER, Column
from orderpull.operate import compare

TEXT = Column("city", "text", "")
MONEY = Column("total", "money", "")
TIME = Column("ordered_at", "time", "")
merged: Callable[..., Any] = compare._merged


def canonical(columns: list[Column], *row: Any) -> bytes:
    return compare.canonical(row, columns)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        (MONEY, Decimal("1.5"), Decimal("1.5000")),
        (MONEY, Decimal("1E+3"), Decimal(1000)),
        (TIME, datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
        (TIME, datetime(2026, 1, 1), datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_the_same_in_other_words(column: Column, one: object, other: object) -> None:
    assert canonical([column], one) == canonical([column], other)


@pytest.mark.parametrize(
    ("one", "other"),
    [((None,), ("",)), (("None",), (None,)), (("-",), (None,)), (("a",), ("a ",)), (("é",), ("e\u0301",))],
)  # fmt: skip
def test_what_differs_differs(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert canonical([TEXT], *one) != canonical([TEXT], *other)


def test_no_value_runs_into_the_next() -> None:
    both = [TEXT, TEXT]
    rows = [("ab", "c"), ("a", "bc"), ("1:a", ""), ("", "1:a"), (None, "--"), ("--", None)]
    assert len({canonical(both, *row) for row in rows}) == len(rows)


def test_a_microsecond_is_seen() -> None:
    instant = datetime(2026, 1, 1)
    assert canonical([TIME], instant) != canonical([TIME], instant + timedelta(microseconds=1))


def test_two_sides_are_merged_by_key() -> None:
    found = merged(iter([(1,), (3,), (4,)]), iter([(2,), (3,), (5,), (5,)]), lambda row: row)
    assert list(found) == [
        ((1,), None), (None, (2,)), ((3,), (3,)), ((4,), None), (None, (5,)), (None, (5,)),
    ]  # fmt: skip


def test_only_when_it_was_loaded_is_left_out() -> None:
    """A column that is added later is compared, unless somebody thinks of it."""
    columns = {column.name for column in compare._COLUMNS[ORDER_HEADER]}
    assert columns == set(ORDER_HEADER.names) - {"loaded_at"}
