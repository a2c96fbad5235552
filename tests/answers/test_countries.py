"""A country is asked for as orders are loaded: by code or name, in any case, in one table."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from babel import Locale
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from orderpull import Settings, report
from orderpull.cli import main
from orderpull.countries import (
    country_as_stored,
    country_codes,
    country_meant,
    country_name,
    country_names,
    nearest_country,
)
from orderpull.normalize.countries import create_countries
from orderpull.normalize.macros import MACROS
from tests.web.raw_client import ask
from tests.web.shop import Order, fill, rows_of, serving, settings_in

NAMES = sorted(country_codes())


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Orders to three countries, to one of a name of its own, and to none."""
    settings = settings_in(tmp_path_factory.mktemp("sold"))
    countries = ("GB", "GB", "DE", "AU", "Narnia", None)
    fill(settings, rows_of([Order(str(n), country) for n, country in enumerate(countries)]))
    return settings


@pytest.fixture(scope="module")
def stage() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for macro in MACROS.values():
            connection.execute(macro)
        create_countries(connection)
        yield connection


@pytest.mark.slow
@given(
    name=st.sampled_from(NAMES),
    change=st.sampled_from((str.upper, str.lower, str.title, str.swapcase)),
    blanks=st.text(" \t\u00a0", max_size=2),
)
def test_loading_and_asking_agree(
    stage: duckdb.DuckDBPyConnection, name: str, change: Any, blanks: str
) -> None:
    """What a load stores for a text is what a filter looks for."""
    given = blanks + change(name) + blanks
    (loaded,) = stage.execute(
        "SELECT coalesce((SELECT code FROM country_code WHERE name = upper(stripped($1))), $1)",
        [given],
    ).fetchone() or (None,)
    assert country_as_stored(given) == loaded


@pytest.mark.parametrize(
    ("asked", "orders"),
    [("UK", 2), ("gbr", 2), ("united kingdom", 2), ("germany", 1), (" de ", 1), ("Narnia", 1),
     ("(no country)", 1)],
)  # fmt: skip
def test_a_country_is_found_by_any_of_its_names(sold: Settings, asked: str, orders: int) -> None:
    answer = report(sold, country=asked)
    assert answer.average["orders"] == orders
    assert "countries_without_orders" not in answer.as_json()
    with serving(sold) as url:
        totals = json.loads(ask(url, f"/api/totals?country={quote(asked)}").text)
    assert totals["totals"]["orders"] == orders
    assert "countries_without_orders" not in totals


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "stored", "nearest"),
    [("Austria", "AT", "AU"), ("Germny", "Germny", "DE"), ("Narnya", "Narnya", "Narnia"),
     ("England", "England", "GB"), ("XX", "XX", None)],
)  # fmt: skip
def test_a_country_that_no_order_has_is_told(
    sold: Settings, monkeypatch: pytest.MonkeyPatch, asked: str, stored: str, nearest: str | None
) -> None:
    """In the terminal, beside CSV, in JSON, on each page and in the API, with the nearest."""
    absent = [{"country": stored, "nearest": nearest}]
    assert report(sold, country=asked).as_json()["countries_without_orders"] == absent
    sentence = f"No order has the country '{stored}'"
    end = f"; the nearest that has: {nearest}." if nearest else "."
    monkeypatch.chdir(sold.folder)
    for options in ([], ["--csv"]):
        shown = CliRunner().invoke(main, ["report", "--country", asked, *options])
        assert shown.exit_code == 0
        assert sentence + end in " ".join((shown.stdout + shown.stderr).split())
    with serving(sold) as url:
        for path in ("trend", "totals", "countries", "popular-skus", "skus", "orders"):
            more = "&sku=PEN" if path == "orders" else ""
            told = json.loads(ask(url, f"/api/{path}?country={asked}{more}").text)
            assert told["countries_without_orders"] == absent
        for path in ("/?", "/skus?", "/orders?sku=PEN&"):
            page = ask(url, f"{path}country={asked}").text
            assert "No order has the country" in page
            assert (f"country={nearest}" in page) == (nearest is not None)


@pytest.mark.parametrize(
    ("text", "language", "meant"),
    [
        ("germany", "", "DE"), ("Deutschland", "", "DE"), (" deutschland ", "", "DE"),
        ("日本", "", "JP"), ("narnia", "", "Narnia"), ("Frankreich", "de", "FR"),
        ("Frankreich", "", "Frankreich"), ("Frankreich", "no such", "Frankreich"),
        ("Österreich", "de", "Österreich"), ("ITALIA", "", "IT"), ("Germny", "de", "Germny"),
    ],
)  # fmt: skip
def test_a_name_of_another_language_is_understood(text: str, language: str, meant: str) -> None:
    """What is stored comes first: a name that a load has kept is no other country's."""
    assert country_meant(text, {"DE", "FR", "JP", "Narnia", "AT", "Österreich"}, language) == meant


def test_the_report_reads_the_language_of_the_terminal(
    sold: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter is shown as it was understood."""
    monkeypatch.chdir(sold.folder)
    monkeypatch.setenv("LC_ALL", "fr_CH.UTF-8")
    shown = CliRunner().invoke(main, ["report", "--country", "Allemagne"])
    assert "items per order on average - DE" in shown.stdout
    assert "No order has the country" not in shown.stdout


def test_the_nearest_is_by_name_not_by_code() -> None:
    """Two codes with a letter in common are no neighbours."""
    assert nearest_country("IS", {"US", "IT"}) is None
    assert nearest_country("IS", {"IE", "US"}) == "IE"


def test_each_code_has_the_name_of_the_pages() -> None:
    """The names without Babel are Babel's: those of the Unicode CLDR."""
    assert set(country_names()) == set(country_codes().values())
    names = Locale("en").territories
    assert country_names() == {code: names[code] for code in country_names()}
    assert (country_name("DE"), country_name("Narnia")) == ("Germany", "Narnia")
