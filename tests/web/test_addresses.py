"""What is served at each address: bounds, refusals, CSV files, and what is kept."""

import csv
import hashlib
import io
import json
import threading
import time
import tomllib
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
import urllib3
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from orderpull import Settings
from orderpull.cli import main
from orderpull.errors import UsageError
from orderpull.web import periods
from orderpull.web.cache import SingleFlightCache
from orderpull.web.formats import locale_of
from orderpull.web.freshness import Freshness
from orderpull.web.periods import Days
from orderpull.web.question import Question, read_question
from tests.web.conftest import ROOT
from tests.web.shop import Order, fill, rows_of, serving, settings_in, well


def get(url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, url, headers=headers, retries=False, redirect=False)


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(
    st.builds(
        Question,
        countries=st.lists(st.none() | words, max_size=4, unique=True).map(tuple),
        sources=st.lists(words, max_size=2, unique=True).map(tuple),
        period=st.sampled_from(list(periods.PERIODS)),
        top=st.integers(1, 200),
        search=words.map(str.strip),
        sku=words,
        by=st.sampled_from(["", *periods.STEPS]),
        measure=st.sampled_from(["items", "orders"]),
        every=st.booleans(),
        page=st.integers(1, 1000),
    )
)
@tried(max_examples=60, deadline=None, derandomize=True, database=None)
def test_an_address_holds_the_whole_question(question: Question) -> None:
    if "(no country)" not in question.countries:
        assert read_question(question.params()) == question


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("top=0", "top must be a whole number from 1 to 200"),
        ("top=201", "top must be a whole number"),
        ("top=²", "top must be a whole number"),
        ("top=" + "9" * 900, "top must be a whole number"),
        ("page=-1", "page must be a whole number"),
        ("since=yesterday", "since must be a day"),
        ("since=1969-12-31", "since must be a day"),
        ("until=9999-12-31", "until must be a day"),
        ("since=2026-02-01&until=2026-01-01", "before it begins"),
        ("period=ever", "period must be one of"),
        ("by=hour", "by must be one of"),
        ("show=profit", "show must be one of"),
        ("theme=pink", "theme must be one of"),
        ("country=" + "x" * 1025, "too long"),
        ("country=%00", "odd characters"),
        ("&".join(f"country={n}" for n in range(301)), "more than 300"),
    ],
)
def test_what_is_out_of_bounds_is_said_in_words(site: str, query: str, says: str) -> None:
    answer = get(f"{site}/?{query}")
    assert answer.status == 400
    assert says in answer.data.decode()


def test_only_reading_only_here_and_only_ours(site: str) -> None:
    """No other method or host is answered; no page may load or be framed by what is elsewhere."""
    assert get(site, "POST").status == 405
    assert get(site, Host="evil.example").status == 421
    assert get(site, Host="127.0.0.1.evil.example").status == 421
    assert get(f"{site}/?{'x' * 20_000}").status == 414
    assert get(f"{site}/nowhere").status == 404
    assert get(f"{site}/static/../app.py").status == 404
    assert get(f"{site}/csv/order_address").status == 404
    for path in ("/", "/runs", "/nowhere", "/static/orderpull.js", "/csv/runs"):
        headers = get(site + path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_no_name_and_no_raw_text_is_shown(site: str) -> None:
    paths = ("/", "/skus", "/orders?sku=PEN", "/runs", "/csv/orders?sku=PEN", "/csv/rejects")
    for path in paths:
        answer = get(site + path)
        assert answer.status == 200
        assert b"Secret" not in answer.data


def test_runs_that_failed_and_rejects_are_told_in_words(site: str) -> None:
    said = get(f"{site}/").data.decode()
    assert "outlet: the last run failed. outlet did not answer: &lt;b&gt;refused" in said
    assert "outlet has never been read to its end" in said
    assert "Last pulled" in said
    said = get(f"{site}/runs").data.decode()
    assert "number_missing" in said
    assert "orderpull rejects retry" in said


def test_numbers_are_in_the_way_of_the_language(site: str) -> None:
    german = get(f"{site}/?top=1", **{"Accept-Language": "de-DE,de;q=0.9,en;q=0.8"}).data.decode()
    english = get(f"{site}/?top=1", **{"Accept-Language": "en-US"}).data.decode()
    assert german != english
    assert str(locale_of("xx, de-CH;q=0.5, fr;q=0.9")) == "fr"
    assert str(locale_of("de-CH")) == "de_CH"
    assert str(locale_of("*, ;;;, 1;q=x")) == "en"


def test_csv_equals_sql(sold: Settings, site: str) -> None:
    """With a filter: the same rows as plain SQL, in UTF-8 with a mark, lines ended by CR LF."""
    data = get(f"{site}/csv/popular-skus?country=DE&top=5").data
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\n") == data.count(b"\r\n") == 6
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    query = """SELECT i.sku, sum(quantity)::BIGINT, count(*) FROM order_item i
               JOIN order_header h USING (source, ordernumber)
               JOIN order_address a USING (source, ordernumber)
               WHERE counted AND country = 'DE' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"""
    snapshot = sold.folder / "orders.snapshot.duckdb"
    with duckdb.connect(str(snapshot), read_only=True) as connection:
        expected = connection.execute(query).fetchall()
        orders = connection.execute("SELECT count(*) FROM order_item WHERE sku = 'PEN'").fetchone()
    assert [(r["sku"], int(r["quantity"]), int(r["orders"])) for r in rows] == expected
    told = get(f"{site}/csv/orders?sku=PEN").data.decode("utf-8-sig")
    assert orders == (len(list(csv.DictReader(io.StringIO(told)))),)
    for name in ("totals", "trend", "countries", "popular-skus-by-country", "skus", "runs"):
        assert get(f"{site}/csv/{name}").data.count(b"\r\n") >= 2


def test_a_spreadsheet_computes_no_text_and_every_number(tmp_path: Path) -> None:
    skus = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "plain"]
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("-5", items=dict.fromkeys(skus, 3))], [well()]))
    with serving(settings) as site:
        told = get(f"{site}/csv/skus").data.decode("utf-8-sig")
        orders = get(f"{site}/csv/orders?sku=plain").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(told, newline="")))
    assert {row["sku"] for row in rows} == {*(f"'{sku}" for sku in skus[:-1]), "plain"}
    assert {row["quantity"] for row in rows} == {"3"}
    assert "'-5" in orders


@pytest.mark.slow
def test_a_new_load_is_seen_and_nothing_is_read_twice(tmp_path: Path) -> None:
    """A page asked again is answered from what was kept; after a load it shows the new orders."""
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("1", items={"PEN": 2})], [well()]))
    with serving(settings) as site:
        assert b"in 1 order<" in get(f"{site}/orders?sku=PEN").data
        fill(settings, rows_of([Order("2", items={"PEN": 3})], [well(2)]))
        deadline = time.monotonic() + 30
        while b"in 2 orders<" not in get(f"{site}/orders?sku=PEN").data:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (tmp_path / "orders.snapshot.duckdb").unlink()
        while get(f"{site}/").status != 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_many_ask_at_once_is_computed_once() -> None:
    kept = SingleFlightCache(2)
    begun, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        begun.set()
        assert go_on.wait(30)
        return 7

    found: list[int] = []
    asking = [threading.Thread(target=lambda: found.append(kept.get("a", compute))) for _ in "1234"]
    for thread in asking:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in asking:
        thread.join()
    assert (found, len(calls)) == ([7] * 4, 1)

    def fail() -> int:
        raise UsageError("no")

    with pytest.raises(UsageError):
        kept.get("b", fail)
    assert kept.get("b", lambda: 8) == 8
    assert kept.get("c", lambda: 9) == 9
    assert kept.get("a", lambda: 10) == 10  # The oldest made room.


@pytest.mark.parametrize(
    ("period", "today", "days", "before"),
    [
        ("today", "2026-03-01", "2026-03-01 2026-03-01", "2026-02-28 2026-02-28"),
        ("7d", "2026-03-03", "2026-02-25 2026-03-03", "2026-02-18 2026-02-24"),
        ("month", "2026-03-31", "2026-03-01 2026-03-31", "2026-02-01 2026-02-28"),
        ("month", "2026-03-05", "2026-03-01 2026-03-05", "2026-02-01 2026-02-05"),
        ("last-month", "2026-01-15", "2025-12-01 2025-12-31", "2025-11-01 2025-11-30"),
        ("year", "2028-02-29", "2028-01-01 2028-02-29", "2027-01-01 2027-02-28"),
    ],
)
def test_periods(period: str, today: str, days: str, before: str) -> None:
    """What each means, and what it is compared with."""
    found = periods.days_of(period, date.fromisoformat(today))
    assert found == Days(*map(date.fromisoformat, days.split()))
    assert periods.days_before(period, found) == Days(*map(date.fromisoformat, before.split()))


def test_typed_days_count_where_the_choice_above_was_left() -> None:
    typed = [("was", "all"), ("period", "all"), ("since", "2026-01-01"), ("until", "")]
    assert read_question(typed).since == date(2026, 1, 1)
    chosen = [("was", "custom"), ("period", "7d"), ("since", "2026-01-01"), ("until", "")]
    assert read_question(chosen) == Question(period="7d")


def test_a_source_is_complete_when_all_are() -> None:
    early, late = datetime(2026, 1, 1), datetime(2026, 1, 3)
    assert Freshness({"a": early, "b": late}, [], []).complete_through == early
    assert Freshness({"a": early, "b": None}, [], []).complete_through is None
    assert Freshness({"a": early, "b": None}, [], []).last_pulled == early
    (sentence,) = Freshness({"a": early}, [], []).warnings(late)
    assert sentence == "a has not been read to its end for 2 days."


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org", ""])
def test_it_listens_on_this_machine_only(tmp_path: Path, host: str) -> None:
    settings = settings_in(tmp_path)
    told = CliRunner().invoke(
        main, ["--config", str(settings.file), "serve", "--host", host, "--port", "0"]
    )
    assert told.exit_code == 2
    assert "no sign-in" in told.output


@pytest.mark.parametrize("folder", ["src/orderpull/web/static", "tests/web/vendor"])
def test_what_others_made_is_as_it_came(folder: str) -> None:
    """Version, licence and sha256 stand beside each file, and are true."""
    named = tomllib.loads((ROOT / folder / "vendored.toml").read_text("utf-8"))["made"]
    assert named
    for made in named.values():
        data = (ROOT / folder / made["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == made["sha256"]
        assert made["version"] in data.decode()
        assert (ROOT / folder / made["licence_file"]).is_file()
    files = {path.name for path in (ROOT / folder).glob("*.min.*")}
    assert files == {made["file"] for made in named.values()}


def test_the_settings_of_htmx_are_json(site: str) -> None:
    text = get(site).data.decode()
    config = text.partition('name="htmx-config" content=\'')[2].partition("'")[0]
    assert json.loads(config)["includeIndicatorCSS"] is False
