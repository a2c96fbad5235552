"""Exchange rates: both files, the day of the order, and what has no rate."""

import json
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderpull import Settings, parse_settings, report
from orderpull.answers.rates import Rates
from orderpull.cli import main
from orderpull.errors import SettingsError
from orderpull.operate.report import rates_of
from tests.web.shop import Order, fill, rows_of, settings_in

OWN = """\
date,currency,rate
2026-01-02,USD,1.25
2026-01-05,USD,1.6
2026-01-05,jpy,160
"""
ECB = """\
Date,USD,JPY,CYP,
2026-01-05,1.6,160,N/A,
2026-01-02,1.25,N/A,N/A,
"""
FRIDAY, SUNDAY, MONDAY = date(2026, 1, 2), date(2026, 1, 4), date(2026, 1, 5)


def factors(file: Path, currency: str, *wanted: tuple[date, str]) -> list[str]:
    """The factors of *wanted*, as texts without zeros at their end."""
    found = Rates(currency, file).factors(wanted)
    return [f"{day} {code} {factor.normalize():f}" for day, code, factor in found]


def written(folder: Path, text: str, name: str = "rates.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_both_files_say_the_same(tmp_path: Path) -> None:
    """A rate is the price of one unit of the base, of that day or the seven days before."""
    with zipfile.ZipFile(tmp_path / "ecb.zip", "w") as archive:
        archive.writestr("eurofxref-hist.csv", "\ufeff" + ECB)
    days = [(day, "USD") for day in (date(2026, 1, 1), FRIDAY, SUNDAY, MONDAY)]
    days += [(SUNDAY, "JPY"), (date(2026, 1, 12), "JPY"), (date(2026, 1, 13), "JPY")]
    for file in (written(tmp_path, OWN), written(tmp_path, ECB, "ecb.csv"), tmp_path / "ecb.zip"):
        assert factors(file, "EUR", *days) == [
            "2026-01-02 USD 0.8", "2026-01-04 USD 0.8", "2026-01-05 USD 0.625",
            "2026-01-12 JPY 0.00625",
        ]  # fmt: skip
    assert factors(tmp_path / "ecb.csv", "USD", (MONDAY, "EUR"), (MONDAY, "JPY")) == [
        "2026-01-05 EUR 1.6", "2026-01-05 JPY 0.01",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "begins with neither"),
        ("date,currency,rate\n2026-13-01,USD,1\n", "line 2: '2026-13-01' is no date"),
        ("date,currency,rate\n2026-01-01,USD,1,5\n", "line 2: 4 columns in place of 3"),
        ("date,currency,rate\n2026-01-01,dollar,1\n", "line 2: 'dollar' is no currency"),
        ("date,currency,rate\n\n2026-01-01,USD,-1\n", "line 3: '-1' is no rate above 0"),
        ("date,currency,rate\n2026-01-01,USD,1\n2026-01-01,USD,2\n", "line 3: USD has a second"),
        ("date,currency,rate\n2026-01-01,USD,1e-9\n", "one USD would be 1000000000 EUR"),
        ("", "begins with neither"),
        ("Date,USD\n2026-01-01,NaN\n", "line 2: 'NaN' is no rate"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        factors(written(tmp_path, text), "EUR", (date(2026, 1, 1), "USD"))
    assert message in raised.value.message
    assert "rates.csv" in raised.value.message


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "none.csv", tmp_path, written(tmp_path, OWN, "no.zip")):
        with pytest.raises(SettingsError, match=str(file)):
            factors(file, "EUR", (FRIDAY, "USD"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [('currency = "EUR"', "report.currency needs report.rates"),
     ('rates = "x.csv"', "report.rates needs report.currency"),
     ('currency = "euro"\nrates = "x.csv"', "report.currency")],
)  # fmt: skip
def test_one_setting_needs_the_other(lines: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_settings(f"[report]\n{lines}\n")
    assert message in raised.value.message


@pytest.fixture
def sold(tmp_path: Path) -> Settings:
    """Orders of 100 each, in euros, dollars and francs; a dollar order of 23:30 UTC on Sunday."""
    settings = settings_in(tmp_path)
    placed = {
        "EUR": datetime(2026, 1, 4, 12), "USD": datetime(2026, 1, 4, 12),
        "late": datetime(2026, 1, 4, 23, 30), "CHF": datetime(2026, 1, 4, 12), "no day": None,
    }  # fmt: skip
    orders = [Order(number, placed=instant) for number, instant in placed.items()]
    currencies = {"late": "USD", "no day": "USD"}
    updates = [
        f"UPDATE order_header SET total = 100, currency = '{currencies.get(each, each)}' "
        f"WHERE ordernumber = '{each}'"
        for each in placed
    ]
    fill(settings, rows_of(orders), [*updates, "UPDATE order_item SET amount = 50"])
    written(tmp_path, OWN)
    assert settings.file
    text = settings.file.read_text().replace(
        "[report]", '[report]\ncurrency = "EUR"\nrates = "rates.csv"'
    )
    settings.file.write_text(text)
    return parse_settings(text, settings.file)


@pytest.mark.slow
def test_amounts_are_converted_by_the_day_of_the_order(
    sold: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In report.timezone; what has no rate stays in its own currency and is named."""
    assert rates_of(sold)
    answer = report(sold)
    assert [(row["currency"], row["amount"], row["orders"]) for row in answer.revenue] == [
        ("EUR", Decimal(100) + 80 + Decimal("62.5"), 3), ("CHF", 100, 1), ("USD", 100, 1),
    ]  # fmt: skip
    assert [row["amount"] for row in answer.overall[0]["revenue"]] == [Decimal("121.25"), 50, 50]
    monkeypatch.chdir(sold.folder)
    shown = CliRunner().invoke(main, ["report", "--json"])
    told = json.loads(shown.stdout)
    assert told["converted_to"] == "EUR"
    assert told["not_converted"] == [
        {"currency": "CHF", "orders": 1, "days": 1, "first_day": "2026-01-04",
         "last_day": "2026-01-04"},
        {"currency": "USD", "orders": 1, "days": 0, "first_day": None, "last_day": None},
    ]  # fmt: skip
    shown = CliRunner().invoke(main, ["report", "--csv"])
    assert "1 order in CHF is not converted to EUR: no rate on 2026-01-04" in shown.stderr
    assert "revenue_EUR,revenue_CHF,revenue_USD" in shown.stdout
    terminal = CliRunner().invoke(main, ["report", "--by", "revenue"]).stdout
    assert "242.50 EUR" in terminal
    assert "Best-selling SKUs by revenue in EUR" in terminal
    assert "1 order in USD is not converted to EUR: no date." in terminal
