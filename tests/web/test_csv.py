"""CSV downloads: equal to plain SQL, and safe in a spreadsheet."""

import csv
import io
import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orderpull import Settings
from orderpull.web import xlsx_export
from orderpull.web.csv_export import TABLES, file_name_of
from orderpull.web.periods import Days
from orderpull.web.question import SKU_TABLES, Question
from tests.web.shop import Order, fill, finished_run, get, rows_of, serving, settings_in
from tests.workbook_file import sheets


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
    for name in (
        "totals",
        "trend",
        "countries",
        "popular-skus-by-country",
        "skus",
        "runs",
        "movers?period=7d",
        "sku-trend?sku=PEN",
        "sku-countries?sku=PEN",
    ):
        assert get(f"{site}/csv/{name}").data.count(b"\r\n") >= 2


def test_xlsx_has_the_rows_of_csv(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table, with the same filter; too many rows are refused with a sentence."""
    for name in TABLES:
        where = "?sku=PEN" if name in SKU_TABLES else "?country=DE&top=5&period=7d"
        told = get(f"{site}/csv/{name}{where}").data.decode("utf-8-sig")
        answer = get(f"{site}/xlsx/{name}{where}")
        file_name = answer.headers["content-disposition"].rpartition('"')[0]
        assert file_name.endswith(".xlsx")
        (sheet,) = sheets(answer.data)
        head, *rows = csv.reader(io.StringIO(told, newline=""))
        assert sheet.cells[0] == head
        found = [
            [_number("" if cell is None else str(cell)) for cell in row] for row in sheet.cells
        ]
        assert found[1:] == [
            [_number(_WITH_OFFSET.sub(r"\1 \2", cell)) for cell in row] for row in rows
        ]
    monkeypatch.setattr(xlsx_export, "MOST_ROWS", 2)
    refused = get(f"{site}/xlsx/skus")
    assert refused.status == 400
    assert "more than 2 rows" in refused.data.decode()


_WITH_OFFSET = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)[+-]\d\d:\d\d$")


def _number(text: str) -> object:
    try:
        return round(float(text), 9)
    except ValueError:
        return text


def test_a_file_is_named_by_its_filters_and_days() -> None:
    days = Days(date(2026, 11, 1), date(2026, 11, 30))
    german = Question(countries=("DE", None), sources=("shop",), search="Stift/ü")
    assert file_name_of("trend", german, days) == (
        "trend-DE-no-country-shop-from-2026-11-01-to-2026-11-30.csv"
    )
    assert file_name_of("skus", german, Days()) == "skus-DE-no-country-shop-Stift-all-time.csv"
    assert file_name_of("orders", Question(countries=tuple("ABCD"), sku="PEN"), Days()) == (
        "orders-PEN-4-countries-all-time.csv"
    )
    assert file_name_of("runs", german, days) == "runs.csv"
    assert file_name_of("rejects", german, days) == "rejects-shop.csv"


def test_a_spreadsheet_computes_no_text_and_every_number(tmp_path: Path) -> None:
    skus = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "plain"]
    settings = settings_in(tmp_path)
    fill(settings, rows_of([Order("-5", items=dict.fromkeys(skus, 3))], [finished_run()]))
    with serving(settings) as site:
        told = get(f"{site}/csv/skus").data.decode("utf-8-sig")
        orders = get(f"{site}/csv/orders?sku=plain").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(told, newline="")))
    assert {row["sku"] for row in rows} == {*(f"'{sku}" for sku in skus[:-1]), "plain"}
    assert {row["quantity"] for row in rows} == {"3"}
    assert "'-5" in orders
