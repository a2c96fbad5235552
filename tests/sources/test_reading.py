"""One look at a page: whole or not, how many orders, changed when."""

from datetime import datetime

import pytest

from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import built_in, parse_api
from orderpull.sources.spec.times import earlier, format_bound, parse_time, step


def api(name: str) -> Api:
    """The built-in API *name*."""
    return parse_api(built_in()[name].read_text(encoding="utf-8"), f"{name}.toml")


ONCE = PageParser(api("skubana-assessment"))
MEDUSA = PageParser(api("medusa"))

LISTS: dict[bytes, tuple[str, bool, bool, int]] = {
    # body: state, complete, legible, orders
    b"[]": ("whole", True, True, 0),
    b" [ 1 , {} , null ] \n": ("whole", True, True, 3),
    '[{"a":"é😀"}]'.encode(): ("whole", True, True, 1),
    rb'[{"a":"\ud83d\ude00"}]': ("whole", True, True, 1),
    rb'[{"a":"\ud83d"},{}]': ("whole", True, True, 2),
    rb'[{"a":"\ud83dx\udc00\ud83d\ude00"},{}]': ("whole", True, True, 2),
    rb'[{"a":"\\\ud83d"},{}]': ("whole", True, True, 2),
    b"\xef\xbb\xbf[{}]": ("damaged", True, True, 1),
    b"\xef\xbb\xbf[]": ("damaged", True, True, 0),
    b'\xef\xbb\xbf{"a":1}': ("unexpected", True, False, 0),
    # Whole JSON, but no list of orders:
    b"{}": ("unexpected", True, False, 0),
    b'{"status":"busy"}': ("unexpected", True, False, 0),
    b"null": ("unexpected", True, False, 0),
    b'"[]"': ("unexpected", True, False, 0),
    b"0": ("unexpected", True, False, 0),
    # What looks like it, but breaks off:
    b'{"status":"bu': ("damaged", False, False, 0),
    b'"abc': ("damaged", False, False, 0),
    b"": ("damaged", False, False, 0),
    b"  ": ("damaged", False, False, 0),
    b"[": ("damaged", False, False, 0),
    b"[{}": ("damaged", False, False, 0),
    b"[{},]": ("damaged", False, False, 0),
    b"[{}{}]": ("damaged", False, False, 0),
    b"[{}][{}]": ("damaged", False, False, 0),
    b"<html></html>": ("damaged", False, False, 0),
    b"[" * 100_000: ("damaged", False, False, 0),
    b"[" * 2000 + b"]" * 1999: ("damaged", False, False, 0),
    # Nested too deep inside single orders only:
    b"[" * 2000 + b"]" * 2000: ("damaged", True, True, 1),
    # Wrong inside single orders only: the list can be counted all the same.
    b'[{"a":"\xff"},{}]': ("damaged", False, True, 2),
    b'[{"a":"\x01"},{}]': ("damaged", False, True, 2),
    b'[{"a":"\n"},{}]': ("damaged", False, True, 2),
    b'[{"a":"\0"},{}]': ("damaged", False, True, 2),
    b'[{"a":NaN,"b":-Infinity},{}]': ("damaged", False, True, 2),
    b'[{"a":"\xff"},{}': ("damaged", False, False, 0),
    b'{"a":"\xff"}': ("damaged", False, False, 0),
}


@pytest.mark.parametrize("body", LISTS, ids=lambda body: f"{body[:30]!r} of {len(body)}")
def test_what_a_page_is(body: bytes) -> None:
    """State, completeness and count of pages good and bad."""
    reading = ONCE.parse(body)
    assert (reading.state, reading.is_json, reading.has_records, reading.orders) == LISTS[body]
    assert (reading.problem is None) == (reading.state == "whole")


def test_a_list_within_an_object_is_found_with_its_total_and_stamps() -> None:
    """Count, total and stamps are told by a page of an incremental API."""
    reading = MEDUSA.parse(
        b'{"count": 70, "orders": [{"id": "a", "updated_at": "2026-01-01T00:00:00.5Z"},'
        b'{"id": "b", "updated_at": "2026-01-01T02:00:00+01:00"}], "x": {"orders": 1}}'
    )
    assert (reading.state, reading.orders, reading.total) == ("whole", 2, 70)
    assert reading.modified_times == [
        datetime.fromisoformat("2026-01-01T00:00:00.500"),
        datetime.fromisoformat("2026-01-01T01:00:00"),
    ]
    assert len(set(reading.fingerprints)) == 2


@pytest.mark.parametrize(
    "body",
    [
        b'{"count": 0, "orders": null}',
        b'{"count": 0}',
        b'{"orders": {}}',
        b"[]",
        b'{"orders": "no"}',
    ],
)
def test_a_list_that_is_not_where_it_should_be(body: bytes) -> None:
    """A page without the list is told by the list's place."""
    reading = MEDUSA.parse(body)
    assert (reading.state, reading.has_records) == ("unexpected", False)
    assert reading.problem == "it is JSON without a list of orders under 'orders'"


@pytest.mark.parametrize("count", [b"0", b"-1", b"1", b'"70"', b"null", b"true", b"[]", b"1.5"])
def test_a_total_that_cannot_be_is_no_total(count: bytes) -> None:
    """Fewer than the page holds, or no number: the end is found by asking on instead."""
    body = b'{"count": ' + count + b', "orders": [{"id": "a"}, {"id": "b"}]}'
    assert MEDUSA.parse(body).total is None


def test_a_version_is_known_by_id_and_stamp_alone() -> None:
    """The same order at the same time is the same version; at another time it is another."""

    def versions(order: bytes) -> list[int]:
        return MEDUSA.parse(b'{"orders": [' + order + b"]}").fingerprints

    first = versions(b'{"id": "a", "updated_at": "2026-01-01", "total": 1}')
    assert versions(b'{"total": 2, "updated_at": "2026-01-01", "id": "a"}') == first
    assert versions(b'{"id": "a", "updated_at": "2026-01-02"}') != first
    assert versions(b'{"id": "b", "updated_at": "2026-01-01"}') != first
    assert versions(b"null") != versions(b"{}")


@pytest.mark.parametrize(
    ("orders", "in_order"),
    [
        (b"", True),
        (b'{"updated_at": "2026-01-01"}, {"updated_at": "2026-01-01"}', True),
        (b'{"updated_at": "2026-01-02"}, {"updated_at": "2026-01-01"}', False),
        (b'{"updated_at": "2025-12-31"}, {"updated_at": "2026-01-01"}', False),
        (b'{"updated_at": "2026-01-01"}, {"updated_at": null}', False),
        (b'{"updated_at": "2026-01-01"}, {}', False),
        (b'{"updated_at": "soon"}', False),
    ],
)
def test_whether_a_page_is_sorted(orders: bytes, in_order: bool) -> None:
    """In order, none before the bound, none without a stamp."""
    reading = MEDUSA.parse(b'{"orders": [' + orders + b"]}")
    assert reading.sorted_from(datetime.fromisoformat("2026-01-01")) is in_order


TIMES: dict[object, str | None] = {
    "2026-01-02": "2026-01-02T00:00:00",
    " 2026-01-02T03:04:05Z ": "2026-01-02T03:04:05",
    "2026-01-02T03:04:05.123456+02:00": "2026-01-02T01:04:05.123456",
    "2026-01-02T03:04:05": "2026-01-02T03:04:05",
    "0001-01-01T00:00:00+14:00": None,
    "9999-12-31T23:59:59-12:00": None,
    "yesterday": None,
    "": None,
    1767312000: None,
    None: None,
}


@pytest.mark.parametrize("given", TIMES)
def test_times_are_read_as_utc(given: object) -> None:
    """ISO 8601 with or without zone; what is no time, or beyond all time, is none."""
    expected = TIMES[given]
    assert parse_time(given) == (datetime.fromisoformat(expected) if expected else None)


def test_times_are_written_as_the_api_takes_them() -> None:
    """Rounded down to the precision, in UTC."""
    time = datetime.fromisoformat("2026-01-02T03:04:05.987654")
    assert format_bound(time, "s") == "2026-01-02T03:04:05Z"
    assert format_bound(time, "ms") == "2026-01-02T03:04:05.987Z"
    assert format_bound(time, "us") == "2026-01-02T03:04:05.987654Z"
    assert earlier(time.min, step("s")) == time.min
