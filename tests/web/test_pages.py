"""The pages over HTTP: refusals, headers, texts, languages, and vendored files."""

import hashlib
import html
import json
import re
import tomllib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner

from orderpull.cli import main
from orderpull.verify.record import LastVerified
from orderpull.web.freshness import Freshness
from orderpull.web.rendering import Formats, locale_of
from orderpull.web.verified import what_differs
from tests.web.browsing import ROOT
from tests.web.shop import get, settings_in


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
    paths = (
        "/",
        "/skus",
        "/orders?sku=PEN",
        "/order?order=%230",
        "/runs",
        "/csv/orders?sku=PEN",
        "/csv/rejects",
    )
    for path in paths:
        answer = get(site + path)
        assert answer.status == 200
        assert b"Secret" not in answer.data


def test_orders_of_one_number_are_listed_to_choose_from(site: str) -> None:
    said = get(f"{site}/order?order=twice&period=7d").data.decode()
    assert "Several orders have this number" in said
    for source in ("shop", "outlet"):
        address = f"/order?period=7d&amp;order=twice&amp;shop={source}"
        assert address in said
        assert "PEN" in get(site + html.unescape(address)).data.decode()


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


@pytest.mark.parametrize(
    ("language", "share", "change"),
    [("en", "5.0%", "+564.0%"), ("de", "5,0\xa0%", "+564,0\xa0%"), ("tr", "%5,0", "+%564,0")],
)
def test_percentages_are_in_the_way_of_the_language(language: str, share: str, change: str) -> None:
    """All with one decimal, so that they align."""
    formats = Formats(locale_of(language), ZoneInfo("UTC"))
    assert formats.share(0.05) == share
    assert formats.change(5.64) == change
    assert {len(formats.share(each / 100)) for each in range(10, 99)} == {len(share) + 1}


def test_files_are_kept_for_a_year_by_their_version(site: str) -> None:
    page = get(site).data.decode()
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(paths) == 5
    for path in paths:
        assert get(site + path).headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = get(f"{site}/static/orderpull.css").headers["cache-control"]
    assert get(f"{site}/static/orderpull.css?0.1.0").headers["cache-control"] == plain == "no-store"
    named = get(f"{site}/csv/skus?country=DE&period=30d").headers["content-disposition"]
    assert re.search(r'filename="skus-DE-from-[0-9-]{10}-to-[0-9-]{10}\.csv"', named)


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


def test_a_line_tells_of_differences_alone() -> None:
    """A verification that did not come to its end names no order: no line on each page."""
    note = LastVerified(datetime(2026, 1, 1), None, shop=True, checked=3, count=0, first=[])
    stopped = msgspec.structs.replace(note, error="The shop did not answer.")
    assert what_differs({"shop": note, "outlet": stopped}) is None
    (one, two) = (msgspec.structs.replace(note, count=count) for count in (1, 1200))
    assert what_differs({"shop": one, "outlet": note}) == "1 difference in shop."
    many = dict.fromkeys("abcde", two) | {"f": stopped}
    assert what_differs(many) == "6,000 differences in a, b, c and 2 more."
