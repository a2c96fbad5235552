"""The preview shows the views' numbers, and nothing in it lies on anything else."""

from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser

from orderpull import Settings
from orderpull.cli import main
from orderpull.tableau.description import COUNTRIES, DASHBOARD, TOP, TOP_BY_COUNTRY
from orderpull.tableau.preview import draw, read
from tests.docs import pictured
from tests.tableau.picture import PICTURE, picture
from tests.tableau.tricky_orders import Row, duckdb_shop, orders

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ("</text><script>document.title='broken into'</script>", "W" * 300, "\u202eright\x07")


def told(svg: bytes) -> list[str]:
    """The texts of a picture, line by line."""
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return duckdb_shop(tmp_path_factory.mktemp("shop"), orders())


def test_the_picture_of_the_docs_is_of_today() -> None:
    """``python -m tests.tableau.picture`` draws it anew."""
    assert picture() == PICTURE.read_bytes()


def test_the_picture_shows_every_row_of_the_first_look() -> None:
    """The first SKUs of each of the first countries, by name, and overall: none is cut off."""
    lines = told(PICTURE.read_bytes())
    shown = [line for line in lines if line in pictured.skus()]
    assert len(shown) == int(COUNTRIES.value) * TOP_BY_COUNTRY + TOP
    assert {"Germany", "Austria", "Switzerland", "Netherlands", "France"} <= set(lines)


def test_it_shows_the_answers(shop: Settings, tmp_path: Path) -> None:
    file = tmp_path / "orders.svg"
    command = ["--config", str(shop.file), "tableau", "preview", "-o", str(file)]
    assert CliRunner().invoke(main, command).exit_code == 0
    lines = told(file.read_bytes())
    report = CliRunner().invoke(main, ["--config", str(shop.file), "report", "--csv"]).stdout
    average, *rows = [line.split(",") for line in report.splitlines()[1:]]
    items, number = int(average[3]), int(average[4])
    assert f"{items / number:,.2f}   ·   {items:,} items in {number:,} orders" in " ".join(lines)
    overall = [row for row in rows if row[0] == "popular_sku"]
    assert len(overall) == 10
    for row in overall:
        assert row[3] in lines
    assert "(no country)" in lines
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_an_empty_warehouse(tmp_path: Path) -> None:
    lines = told(draw(read(duckdb_shop(tmp_path, {}))))
    assert any("0 items in 0 orders" in line for line in lines)


def _hostile() -> dict[str, list[Row]]:
    rows = orders(60)
    for number, sku in enumerate(HOSTILE):
        key = {"source": "shop", "ordernumber": f"!{number}"}
        rows["order_header"].append(
            key
            | dict.fromkeys(("order_id", "counted", "loaded_at", "ordered_at", "currency"))
            | {"order_id": str(-number), "counted": True, "loaded_at": "2026-01-01"}
        )
        rows["order_address"].append(key | {"country": sku, "name": "Ada Secret", "line1": "x"})
        item = {"sku": sku, "quantity": 10**15, "amount": None, "title": sku[:255]}
        rows["order_item"].append(key | item)
    return rows


@pytest.mark.parametrize("odd", [False, True], ids=["the docs' picture", "hostile orders"])
def test_nothing_lies_on_anything_else(browser: Browser, tmp_path: Path, odd: bool) -> None:
    svg = draw(read(duckdb_shop(tmp_path, _hostile()))) if odd else PICTURE.read_bytes()
    (tmp_path / "dashboard.svg").write_bytes(svg)
    page = browser.new_page(viewport={"width": DASHBOARD.width, "height": DASHBOARD.height})
    try:
        page.goto((tmp_path / "dashboard.svg").as_uri())
        boxes: list[dict[str, Any]] = page.evaluate(
            """() => [...document.querySelectorAll('text')].map(text => {
                const box = text.getBoundingClientRect();
                return {said: text.textContent, left: box.left, right: box.right,
                        top: box.top + box.height * 0.2, bottom: box.bottom - box.height * 0.2};
            })"""
        )
        assert page.title() != "broken into"
    finally:
        page.close()
    for box in boxes:
        assert box["left"] >= 0, box
        assert box["right"] <= DASHBOARD.width, box
    for one, other in combinations(boxes, 2):
        apart = (
            one["right"] <= other["left"]
            or other["right"] <= one["left"]
            or one["bottom"] <= other["top"]
            or other["bottom"] <= one["top"]
        )
        assert apart, (one, other)
