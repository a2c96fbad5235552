"""What the sheets show, computed by Tableau's own engine over the extract, equals the views."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpull import Settings
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.destinations import open_destination
from orderpull.errors import OrderpullError
from orderpull.model import NO_COUNTRY
from orderpull.tableau.build import build
from orderpull.tableau.connection import EXTRACT, LiveConnection
from orderpull.tableau.description import COUNTRIES as COUNTRIES_PARAMETER
from orderpull.tableau.description import CURRENCY, MEASURED
from orderpull.tableau.workbook import workbook
from tests.tableau.evaluating import Days, Evaluated
from tests.tableau.tricky_orders import COUNTRIES, LOADED, ORDERED, duckdb_shop, insert, orders
from tests.warehouses import warehouse

pytest.importorskip("tableauhyperapi", reason="Tableau makes its engine for other machines alone")
from tableauhyperapi import Connection, HyperProcess

from orderpull.tableau.extract import engine, write_extract

pytestmark = pytest.mark.slow

NAMES = tuple(country or NO_COUNTRY for country in COUNTRIES)
COUNTRIES_SHOWN = f"Parameters].[{COUNTRIES_PARAMETER.name}"
MEASURE_SHOWN, CURRENCY_SHOWN = (f"Parameters].[{each.name}" for each in (MEASURED, CURRENCY))
CHOICES: tuple[tuple[str, ...], ...] = ((), *((name,) for name in NAMES), NAMES[1::2], ("XX",))
"""All countries, each alone, some together, and one to which nothing was sold."""


@pytest.fixture(scope="module")
def process() -> Iterator[HyperProcess]:
    with engine() as running:
        yield running


def opened(process: HyperProcess, package: Path, folder: Path) -> Iterator[Evaluated]:
    """A package's sheets over its own extract."""
    with zipfile.ZipFile(package) as inside:
        inside.extract(EXTRACT, folder)
        (name,) = (name for name in inside.namelist() if name.endswith(".twb"))
        text = inside.read(name)
    with Connection(process.endpoint, folder / EXTRACT) as connection:
        yield Evaluated(
            text, lambda sql: [tuple(row) for row in connection.execute_list_query(sql)]
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return duckdb_shop(tmp_path_factory.mktemp("shop"), orders())


@pytest.fixture(scope="module")
def book(
    process: HyperProcess, shop: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evaluated]:
    folder = tmp_path_factory.mktemp("extract")
    build(shop, folder / "orders.twbx")
    yield from opened(process, folder / "orders.twbx", folder)


def compared(
    book: Evaluated, settings: Settings, countries: tuple[str, ...], days: Days | None = None
) -> None:
    """The three sheets say what the views say."""
    queries = OrderQueries()
    where = Filter(countries=tuple(None if c == NO_COUNTRY else c for c in countries))
    if days:
        where = replace(where, since=days[0], until=days[1] + timedelta(seconds=1))
    with open_destination(settings.destination, settings.folder).reader() as reader:
        (average,) = reader.rows(queries.average_items_per_order(where))
        overall = reader.rows(queries.popular_sku(where, 10))
        by_country = reader.rows(queries.popular_sku_by_country(where, 5))
        sold = {
            row["country"]: row["items"] for row in reader.rows(queries.sales_by_country(where))
        }
    assert (book.value("sum:quantity:qk", countries, days) or 0) == average["quantity"]
    assert book.value("usr:Calculation_Orders:qk", countries, days) == average["orders"]
    assert book.value("usr:Calculation_Average:qk", countries, days) == average["average"]
    shown = _sorted(book.rows(book.sheet("Most popular SKUs"), countries, days))
    assert shown == [{"country": None} | _numbers(row) for row in sorted(overall, key=_by_rank)]
    largest = sorted(set(sold.values()), reverse=True)[: int(book.parameters[COUNTRIES_SHOWN])]
    expected = [
        _numbers(row) | {"country": row["country"] or NO_COUNTRY}
        for row in by_country
        if sold[row["country"]] in largest
    ]
    shown = _sorted(book.rows(book.sheet("Most popular SKUs by country"), countries, days))
    assert shown == sorted(expected, key=_by_rank)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of *row* that are on the sheets: a title is shown otherwise there."""
    return {name: row[name] for name in ("sku", "quantity", "orders", "rank")}


def _by_rank(row: dict[str, Any]) -> tuple[str, int]:
    return row.get("country") or "", row["rank"]


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = [
        {
            "country": row.get("none:Calculation_Country:nk"),
            "sku": row["none:sku:nk"],
            "quantity": row["sum:quantity:qk"],
            "orders": row["usr:Calculation_Orders:qk"],
            "rank": row["usr:Calculation_Rank:ok"],
        }
        for row in rows
    ]
    assert all(row["usr:Calculation_Rank:ok"] == row["usr:Calculation_Rank:qk"] for row in rows)
    return sorted(told, key=_by_rank)


@pytest.mark.parametrize("countries", CHOICES, ids=lambda names: ",".join(names) or "all")
def test_an_extract_answers_as_the_views_do(
    book: Evaluated, shop: Settings, countries: tuple[str, ...]
) -> None:
    compared(book, shop, countries)


def test_the_viewer_chooses_days_and_how_many_countries(book: Evaluated, shop: Settings) -> None:
    """A choice of days leaves out orders without a date, and orders the countries anew."""
    before = book.parameters[COUNTRIES_SHOWN]
    try:
        for shown in ("1", "2", before, "300"):
            book.parameters[COUNTRIES_SHOWN] = shown
            for days in (None, (ORDERED + timedelta(days=3), ORDERED + timedelta(days=5, hours=7))):
                for countries in CHOICES[: 2 if shown == before else 1]:
                    compared(book, shop, countries, days)
    finally:
        book.parameters[COUNTRIES_SHOWN] = before


def ranked(shop: Settings, measure: str, currency: str, of_each: str) -> set[tuple[Any, ...]]:
    """(country, sku, rank, value, title) of the first SKUs, by plain SQL over the tables."""
    value = {"orders": "count(*)", "revenue": "sum(amount)"}[measure]
    where = f"AND currency = '{currency}'" if measure == "revenue" else ""
    top, countries = (5, 5) if of_each else (10, 1)
    with open_destination(shop.destination, shop.folder).reader() as reader:
        query = reader.query(f"""
            WITH sold AS (
                SELECT coalesce(country, '{NO_COUNTRY}') AS country, i.* FROM order_item i
                JOIN order_header h USING (source, ordernumber)
                JOIN order_address a USING (source, ordernumber)
                WHERE counted AND quantity > 0 {where}),
            each AS (SELECT {of_each or "NULL"} AS country, sku, {value} AS value,
                     max(title) AS title FROM sold GROUP BY {of_each or "NULL"}, sku),
            size AS (SELECT {of_each or "NULL"} AS country,
                     {"count(DISTINCT source || '/' || ordernumber)" if measure == "orders" else value} AS size
                     FROM sold GROUP BY {of_each or "NULL"}),
            numbered AS (SELECT each.*, row_number() OVER (
                     PARTITION BY country ORDER BY value DESC, sku) AS rank
                     FROM each WHERE value IS NOT NULL)
            SELECT country, sku, rank, value, title FROM numbered
            WHERE rank <= {top} AND (NOT {bool(of_each)} OR country IN (
                SELECT country FROM size QUALIFY dense_rank() OVER (ORDER BY size DESC) <= {countries}))
        """)
        return {(c, sku, rank, float(value), title) for c, sku, rank, value, title in query.rows}


@pytest.mark.parametrize(
    ("measure", "currency"), [("orders", "EUR"), ("revenue", "EUR"), ("revenue", "USD")]
)
def test_the_viewer_chooses_the_measure(
    book: Evaluated, shop: Settings, measure: str, currency: str
) -> None:
    """Bars, ranks and countries go by it; revenue is that of the orders in one currency."""
    before = dict(book.parameters)
    book.parameters |= {MEASURE_SHOWN: f"'{measure}'", CURRENCY_SHOWN: f"'{currency}'"}
    try:
        for name, of_each in (
            ("Most popular SKUs", ""),
            ("Most popular SKUs by country", "country"),
        ):
            rows = book.rows(book.sheet(name))
            assert {
                (
                    row.get("none:Calculation_Country:nk"),
                    row["none:sku:nk"],
                    row["usr:Calculation_Rank:ok"],
                    float(row["usr:Calculation_Measure:qk"]),
                    row["usr:Calculation_Title:nk"],
                )
                for row in rows
            } == ranked(shop, measure, currency, of_each)
            amounts = {row["usr:Calculation_Revenue:qk"] for row in rows}
            assert (amounts == {None}) == (measure != "revenue")
    finally:
        book.parameters.update(before)


def test_the_orders_are_hard_to_count(shop: Settings) -> None:
    """Ties within the first ten, an order number in two sources, and all that is left out."""
    with open_destination(shop.destination, shop.folder).reader() as reader:
        top = reader.rows(OrderQueries().popular_sku(Filter(countries=("DE",)), 10))

        def count(sql: str) -> int:
            ((found,),) = reader.query(sql).rows
            return int(found)

        assert len({row["quantity"] for row in top}) < len(top)
        assert count("SELECT count(*) FROM order_header WHERE NOT counted") > 10
        assert count("SELECT count(*) FROM order_address WHERE country IS NULL") > 10
        header = "SELECT source, ordernumber FROM order_header"
        item = "SELECT source, ordernumber FROM order_item"
        assert count(f"SELECT count(*) FROM ({header} EXCEPT {item})") > 10
        both = "SELECT ordernumber FROM order_header GROUP BY 1 HAVING count(*) > 1"
        assert count(f"SELECT count(*) FROM ({both})") > 10


def test_what_the_texts_tell(book: Evaluated) -> None:
    """The newest counted order, whatever is filtered; the countries that are shown."""
    loaded = book.value("min:Calculation_Loaded:qk", ("DE",))
    with_all = book.value("min:Calculation_Loaded:qk")
    assert str(loaded) == str(with_all)
    assert str(loaded).startswith(str(LOADED.date()))
    assert book.value("usr:Calculation_Scope:nk") == f"{len(NAMES)} countries"
    assert book.value("usr:Calculation_Scope:nk", ("FR",)) == "FR"


def test_a_broken_workbook_answers_otherwise(
    process: HyperProcess, shop: Settings, tmp_path: Path
) -> None:
    """The numbers come out of the workbook: without its filter on sales they differ."""
    build(shop, tmp_path / "orders.twbx")
    for book in opened(process, tmp_path / "orders.twbx", tmp_path):
        source = book.source.element
        whole = book.value("sum:quantity:qk")
        wrong = source.find("filter/groupfilter")
        assert wrong is not None
        wrong.set("member", "false")
        assert book.value("sum:quantity:qk") != whole


def test_nobody_is_in_an_extract(process: HyperProcess, shop: Settings, tmp_path: Path) -> None:
    """No name and no street lies in the package, neither as a column nor as bytes."""
    build(shop, tmp_path / "orders.twbx")
    for book in opened(process, tmp_path / "orders.twbx", tmp_path):
        columns = book.query(
            "SELECT attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
            "WHERE relname = 'order_address' AND attnum > 0"
        )
        assert {name for (name,) in columns} == {
            "ordernumber", "country", "stateprovince", "city", "source",
        }  # fmt: skip
    assert b"Ada Secret" not in (tmp_path / EXTRACT).read_bytes()
    assert b"1 Hidden St" not in (tmp_path / EXTRACT).read_bytes()


@pytest.fixture(scope="module")
def server_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Any]]:
    """The same orders in PostgreSQL."""
    folder = tmp_path_factory.mktemp("server")
    with warehouse("postgresql", folder) as made:
        made.open().preflight()
        for table, some in orders().items():
            made.query(insert(table, some))
        yield made.settings("http://127.0.0.1:9"), made


@pytest.mark.parametrize("countries", CHOICES[:3], ids=lambda names: ",".join(names) or "all")
def test_live_answers_as_the_views_do(
    server_shop: tuple[Settings, Any], countries: tuple[str, ...]
) -> None:
    """The same sheets, asked of the database itself."""
    settings, made = server_shop
    text = workbook(LiveConnection("postgres", "localhost", 5432, "shop"))
    compared(Evaluated(text, made.query, ' COLLATE "C"'), settings, countries)


def test_an_extract_beside_a_live_connection_answers_as_the_views_do(
    process: HyperProcess, server_shop: tuple[Settings, Any], tmp_path: Path
) -> None:
    settings, _ = server_shop
    build(settings, tmp_path / "orders.twbx", extract=True)
    for book in opened(process, tmp_path / "orders.twbx", tmp_path):
        for countries in CHOICES[:3]:
            compared(book, settings, countries)


def test_an_extract_that_cannot_be_written_is_told(shop: Settings, tmp_path: Path) -> None:
    """By the engine, and by the file system."""
    folder = tmp_path / "orders.hyper"
    folder.mkdir()
    with pytest.raises(OrderpullError, match=r"extract orders\.hyper could not be written"):
        write_extract(shop, folder, beside_live=False)
    with pytest.raises(OrderpullError, match="No such file or directory"):
        write_extract(shop, tmp_path / "none" / "orders.hyper", beside_live=False)
    assert list(tmp_path.iterdir()) == [folder]
