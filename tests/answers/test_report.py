"""The three answers: equal to the simulator's truth and to plain SQL, under every filter."""

import csv
import io
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from orderpull import Settings, parse_settings, report, run
from orderpull.answers.report import Report
from orderpull.cli import main
from orderpull.destinations import open_destination
from orderpull.errors import UsageError
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.terminal.console import stdout
from orderpull.terminal.report import show_report
from tests.shops import shop_settings


@pytest.mark.slow
def test_the_answers_are_the_simulators(tmp_path: Path) -> None:
    """Average, overall and by country equal what the shop knows of itself."""
    shop = SkubanaAssessment(orders=800, seed=5, malformed=20, versions=0.2)
    with Simulator(shop) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        assert run(settings).ok
        truth = simulator.truth()["answers"]
    answer = report(settings, top=10)
    assert answer.average["quantity"] == truth["average_items_per_order"]["quantity"]
    assert answer.average["orders"] == truth["average_items_per_order"]["orders"]
    assert answer.average["average"] == pytest.approx(truth["average_items_per_order"]["average"])
    assert _of_items(answer.overall) == truth["popular_sku"][:10]
    by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in answer.by_country:
        by_country[row["country"] or "(no country)"] += _of_items([row])
    assert dict(by_country) == {k: v[:10] for k, v in truth["popular_sku_by_country"].items()}


def test_a_line_that_is_piped_is_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SKU of 240 characters is whole in each table, and nothing is filled up with blanks."""
    monkeypatch.delenv("COLUMNS", raising=False)
    skus = [letter * 240 for letter in "LMN"]
    rows = [
        {"country": country, "sku": sku, "quantity": 3, "orders": 1, "rank": rank}
        for country in ("DE", "FR")
        for rank, sku in enumerate(skus, start=1)
    ]
    average = {"average": 1.0, "quantity": 9, "orders": 9}
    show_report(Report(average, rows, rows[:3], {"shop": None}), stdout(), "UTC")
    lines = capsys.readouterr().out.splitlines()
    for sku in skus:
        assert sum(sku in line for line in lines) == 3
    assert max(map(len, lines)) < 1_000


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A snapshot of 400 random orders of two sources, some not counted, some without a date."""
    folder = tmp_path_factory.mktemp("sold")
    settings = parse_settings(
        '[report]\ntimezone = "Europe/Berlin"\n'
        '[sources.a]\napi = "skubana-assessment"\nbase_url = "http://x"\n'
        '[sources.b]\napi = "skubana-assessment"\nbase_url = "http://x"\n',
        folder / "orderpull.toml",
    )
    open_destination(settings.destination, folder).preflight()
    chance = random.Random(4)
    with duckdb.connect(str(folder / "orders.duckdb")) as connection:
        for index in range(400):
            source, country = chance.choice("ab"), chance.choice(["DE", "US", "FR", None])
            ordered = chance.choice(
                [None, datetime(2026, 1, chance.randint(1, 31), chance.randint(0, 23))]
            )
            items = {chance.choice(["x", "y", "z", "ä", "Z", "x "]): chance.randint(0, 3)
                     for _ in range(chance.randint(0, 3))}  # fmt: skip
            header = {"ordernumber": str(index), "order_id": str(index), "source": source,
                      "counted": chance.random() > 0.2, "ordered_at": ordered}  # fmt: skip
            _insert(connection, "order_header", header)
            _insert(
                connection,
                "order_address",
                {"ordernumber": str(index), "source": source, "country": country},
            )
            for sku, quantity in items.items():
                _insert(
                    connection,
                    "order_item",
                    {"ordernumber": str(index), "source": source, "sku": sku, "quantity": quantity},
                )
    open_destination(settings.destination, folder).publish(finished=True)
    return settings


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_every_filter_equals_a_plain_recount(sold: Settings, seed: int) -> None:
    """Random filters: the answers equal a recount in Python, filter first and rank second."""
    chance = random.Random(seed)
    countries = tuple(chance.sample(["DE", "US", "FR", "(no country)"], chance.randint(0, 3)))
    sources = tuple(chance.sample(["a", "b"], chance.randint(0, 1)))
    since = date(2026, 1, chance.randint(1, 15)) if chance.random() > 0.5 else None
    until = date(2026, 1, chance.randint(16, 31)) if chance.random() > 0.5 else None
    top = chance.randint(1, 5)
    answer = report(sold, country=countries, source=sources, since=since, until=until, top=top)
    lines = list(_lines(sold, countries, sources, since, until))
    orders = {(line["source"], line["ordernumber"]) for line in lines}
    assert answer.average["orders"] == len(orders)
    assert answer.average["quantity"] == sum(line["quantity"] for line in lines)
    assert _of_items(answer.overall) == _ranked(lines)[:top]
    for country in {line["country"] for line in lines}:
        expected = _ranked([line for line in lines if line["country"] == country])[:top]
        found = [row for row in answer.by_country if row["country"] == country]
        assert _of_items(found) == expected


def test_days_begin_at_midnight_of_the_time_zone(tmp_path: Path) -> None:
    """An order at 23:30 UTC on the 9th is of the 10th in Berlin."""
    settings = parse_settings(
        '[report]\ntimezone = "Europe/Berlin"\n[sources.a]\napi = "skubana-assessment"\n'
        'base_url = "http://x"\n',
        tmp_path / "orderpull.toml",
    )
    destination = open_destination(settings.destination, tmp_path)
    destination.preflight()
    late = datetime(2026, 1, 9, 23, 30)
    with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
        _insert(connection, "order_header", {"ordernumber": "1", "source": "a", "counted": True,
                                             "ordered_at": late})  # fmt: skip
        _insert(connection, "order_address", {"ordernumber": "1", "source": "a"})
        _insert(
            connection, "order_item", {"ordernumber": "1", "source": "a", "sku": "s", "quantity": 2}
        )
    destination.publish(finished=True)
    tenth, ninth = date(2026, 1, 10), date(2026, 1, 9)
    assert report(settings, since=tenth, until=tenth).average["orders"] == 1
    assert report(settings, since=ninth, until=ninth).average["orders"] == 0
    with pytest.raises(UsageError, match="after"):
        report(settings, since=tenth, until=ninth)


@pytest.mark.slow
def test_json_and_csv(sold: Settings) -> None:
    """--json is one object with the documented keys; --csv is one table with the same numbers."""
    found = _command(sold, "report", "--json", "--top", "3")
    told = json.loads(found)
    assert set(told) == {
        "average_items_per_order",
        "popular_sku_by_country",
        "popular_sku",
        "last_pulled",
        "revenue",
        "returned",
        "customers",
        "channels",
    }
    rows = list(csv.DictReader(io.StringIO(_command(sold, "report", "--csv", "--top", "3"))))
    overall = [row for row in rows if row["answer"] == "popular_sku"]
    assert [(r["sku"], int(r["quantity"])) for r in overall] == [
        (r["sku"], r["quantity"]) for r in told["popular_sku"]
    ]


def test_a_spreadsheet_computes_nothing(tmp_path: Path) -> None:
    """A SKU that looks like a formula is text in the CSV."""
    settings = shop_settings(tmp_path, "http://x")
    destination = open_destination(settings.destination, tmp_path)
    destination.preflight()
    with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
        _insert(connection, "order_header", {"ordernumber": "1", "source": "a", "counted": True})
        _insert(connection, "order_address", {"ordernumber": "1", "source": "a"})
        _insert(
            connection,
            "order_item",
            {"ordernumber": "1", "source": "a", "sku": '=HYPERLINK("x")', "quantity": 1},
        )
    destination.publish(finished=True)
    rows = list(csv.DictReader(io.StringIO(_command(settings, "report", "--csv"))))
    (row,) = (row for row in rows if row["answer"] == "popular_sku")
    assert row["sku"] == '\'=HYPERLINK("x")'


@pytest.mark.slow
def test_the_terminal_shows_the_filter_and_the_freshness(sold: Settings) -> None:
    """The tables say what was filtered by, and when the sources were last pulled."""
    text = _command(sold, "report", "--country", "DE", "--since", "2026-01-05")
    assert "DE, since 2026-01-05" in text
    assert "have no date" in text
    assert "items per order on average" in text


def _command(settings: Settings, *arguments: str) -> str:
    assert settings.file is not None
    if not settings.file.exists():
        settings.file.write_text(
            '[report]\ntimezone = "Europe/Berlin"\n'
            '[sources.a]\napi = "skubana-assessment"\nbase_url = "http://x"\n',
            encoding="utf-8",
        )
    result = CliRunner().invoke(main, ["--config", str(settings.file), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def _insert(connection: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


def _lines(
    settings: Settings,
    countries: tuple[str, ...],
    sources: tuple[str, ...],
    since: date | None,
    until: date | None,
) -> Iterator[dict[str, Any]]:
    """The items of counted orders that the filters let through, by another way than the views."""
    with duckdb.connect(str(settings.folder / "orders.duckdb"), read_only=True) as connection:
        headers = connection.execute(
            "SELECT source, ordernumber, ordered_at + INTERVAL 1 HOUR FROM order_header "
            "WHERE counted"
        ).fetchall()
        address = dict(
            connection.execute("SELECT ordernumber, country FROM order_address").fetchall()
        )
        items = connection.execute(
            "SELECT ordernumber, sku, quantity FROM order_item WHERE quantity > 0"
        ).fetchall()
    for source, number, local in headers:
        country = address[number]
        day = local.date() if local else None
        wanted = not sources or source in sources
        wanted &= not countries or (country or "(no country)") in countries
        wanted &= since is None or (day is not None and day >= since)
        wanted &= until is None or (day is not None and day <= until)
        for ordernumber, sku, quantity in items if wanted else ():
            if ordernumber == number:
                yield {"source": source, "ordernumber": number, "country": country,
                       "sku": sku, "quantity": quantity}  # fmt: skip


def _of_items(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*rows* of a ranking, with what it ranks by alone."""
    return [{name: row[name] for name in ("sku", "quantity", "orders", "rank")} for row in rows]


def _ranked(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    quantity: dict[str, int] = defaultdict(int)
    orders: dict[str, int] = defaultdict(int)
    for line in lines:
        quantity[line["sku"]] += line["quantity"]
        orders[line["sku"]] += 1
    order = sorted(quantity, key=lambda sku: (-quantity[sku], sku.encode()))
    return [
        {"sku": sku, "quantity": quantity[sku], "orders": orders[sku], "rank": rank}
        for rank, sku in enumerate(order, start=1)
    ]
