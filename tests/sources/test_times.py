"""Times of every format and zone: no order on an edge is lost, whatever clocks do there."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderpull.normalize.macros import macros_of
from orderpull.sources.spec.times import format_bound, parse_time

ZONES = ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31))
AUTUMN = datetime(2026, 11, 1, 9)  # UTC: when the clocks of Los Angeles are put back


def shown(instant: datetime, zone: str) -> datetime:
    """What a clock in *zone* shows at *instant*."""
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(INSTANTS, st.timedeltas(timedelta(), timedelta(hours=5)), st.sampled_from(ZONES))
@example(AUTUMN - timedelta(minutes=10), timedelta(minutes=30), "America/Los_Angeles")
@example(AUTUMN + timedelta(minutes=10), timedelta(minutes=1), "America/Los_Angeles")
def test_no_later_order_is_before_a_lower_bound(
    bound: datetime, later: timedelta, zone: str
) -> None:
    """By the clock that the API goes by, both in spring and in autumn; nor the other way round."""
    lower = datetime.fromisoformat(format_bound(bound, "us", "naive", zone))
    assert shown(bound + later, zone) >= lower
    upper = datetime.fromisoformat(format_bound(bound, "us", "sql", zone, upper=True))
    assert shown(bound - later, zone) <= upper
    assert abs(lower - shown(bound, zone)) <= timedelta(hours=1)


def test_without_care_an_order_would_be_lost() -> None:
    """The clock's own time as a bound: an order of the second hour is before it."""
    bound = AUTUMN - timedelta(minutes=10)  # 01:50, for the first time
    order = AUTUMN + timedelta(minutes=20)  # 01:20, for the second
    assert shown(order, "America/Los_Angeles") < shown(bound, "America/Los_Angeles")
    lower = format_bound(bound, "s", "naive", "America/Los_Angeles")
    assert shown(order, "America/Los_Angeles") >= datetime.fromisoformat(lower)


@given(INSTANTS, st.sampled_from(ZONES))
@example(AUTUMN - timedelta(minutes=10), "America/Los_Angeles")
@example(AUTUMN + timedelta(minutes=10), "America/Los_Angeles")
def test_a_local_time_is_its_instant_or_that_hours_first_beginning(
    instant: datetime, zone: str
) -> None:
    """An hour that comes twice is one instant, so that of two versions the later landed wins."""
    instant = instant.replace(microsecond=0)
    read = parse_time(shown(instant, zone).isoformat(), "iso", zone)
    assert read is not None
    if read != instant:
        assert timedelta() < instant - read < timedelta(hours=2)
        twin = shown(read, zone)
        assert twin.minute == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("2026-01-31T09:30:00Z", "iso", datetime(2026, 1, 31, 9, 30)),
        ("2026-01-31 09:30:00", "iso", datetime(2026, 1, 31, 9, 30)),
        ("2026-01-31T09:30:00.25+02:00", "iso", datetime(2026, 1, 31, 7, 30, 0, 250_000)),
        ("Wed, 05 Dec 2018 20:16:55 +0000", "rfc2822", datetime(2018, 12, 5, 20, 16, 55)),
        ("05 Dec 2018 20:16:55 -0500", "rfc2822", datetime(2018, 12, 6, 1, 16, 55)),
        (1_700_000_000, "unix", datetime(2023, 11, 14, 22, 13, 20)),
        ("1700000000", "unix", datetime(2023, 11, 14, 22, 13, 20)),
        (1_700_000_000_123, "unix_ms", datetime(2023, 11, 14, 22, 13, 20, 123_000)),
        ("", "rfc2822", None), ("soon", "iso", None), (None, "unix", None), ("x", "unix", None),
        ("9" * 400, "unix", None), (float("nan"), "unix", None),
    ],
)  # fmt: skip
def test_times_are_read_alike_by_both_readers(
    text: object, written: str, expected: datetime | None
) -> None:
    """When it is pulled, and in the engine that shapes it."""
    assert parse_time(text, written) == expected
    macro = {
        "iso": "known_local(?, 'UTC')", "rfc2822": "known_rfc2822(?)",
        "unix": "known_unix(?, 1)", "unix_ms": "known_unix(?, 1000)",
    }[written]  # fmt: skip
    assert in_engine(macro, None if text is None else str(text)) == expected


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/Berlin"])
def test_local_times_are_read_alike_by_both_readers(zone: str) -> None:
    """Each ten minutes of the days around both changes of a year."""
    connection = engine("known_local(t, z)")
    for day in (datetime(2026, 3, 7), datetime(2026, 3, 28), datetime(2026, 10, 24),
                datetime(2026, 10, 31)):  # fmt: skip
        texts = [(day + timedelta(minutes=10 * n)).isoformat(" ") for n in range(3 * 144)]
        rows = connection.execute(
            f"SELECT t, known_local(t, '{zone}') FROM (SELECT unnest($1::VARCHAR[]) AS t)", [texts]
        ).fetchall()
        for text, found in rows:
            assert found == parse_time(text, "iso", zone), text
    connection.close()


def engine(statement: str) -> duckdb.DuckDBPyConnection:
    """An engine with the macros that *statement* uses."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for macro in macros_of(statement):
        connection.execute(macro)
    return connection


def in_engine(macro: str, text: str | None) -> datetime | None:
    """What *macro* makes of *text*."""
    connection = engine(macro)
    row = connection.execute(f"SELECT {macro.replace('?', '$1::VARCHAR')}", [text]).fetchone()
    connection.close()
    assert row is not None
    return row[0]


def test_a_bound_is_written_as_the_api_writes_times() -> None:
    """Each format, rounded down to the API's precision."""
    time = datetime(2026, 1, 31, 9, 30, 15, 987_654)
    assert format_bound(time, "s", "unix") == "1769851815"
    assert format_bound(time, "ms", "unix_ms") == "1769851815987"
    assert format_bound(time, "s", "rfc2822") == "Sat, 31 Jan 2026 09:30:15 +0000"
    assert format_bound(time, "s", "sql") == "2026-01-31 09:30:15"
    assert format_bound(time, "ms", "naive", "Europe/Berlin") == "2026-01-31T10:30:15.987"
