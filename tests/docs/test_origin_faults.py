"""What went wrong in the script that orderpull began as, tried again here."""

from pathlib import Path
from typing import Any

import pytest

from orderpull import parse_settings, run
from orderpull.pipeline import SourceResult
from tests.docs.shop import Shop, held

pytestmark = pytest.mark.slow

SETTINGS = '[sources.shop]\napi = "skubana-assessment"\nbase_url = "{url}"\n{more}\n'
ITEMS = "SELECT ordernumber, sku, quantity FROM order_item ORDER BY ALL"


def order(number: object, *lines: tuple[object, object], **other: object) -> dict[str, Any]:
    """An order as the original API gave it."""
    address = {"country": "US", "line1": "1 Main St", "name": "Ada", "postalCode": "10001"}
    items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines]
    return {"orderNumber": number, "shipToAddress": address, "orderItems": items, **other}


def pulled(folder: Path, *orders: dict[str, Any], more: str = "") -> SourceResult:
    """One run on a shop that hands out *orders*."""
    with Shop(list(orders)).open() as url:
        settings = parse_settings(SETTINGS.format(url=url, more=more), folder / "orderpull.toml")
        result = run(settings)
    assert result.ok, result.as_json()
    return result.sources["shop"]


def test_an_order_without_address_does_not_crash_the_batch(tmp_path: Path) -> None:
    """`shipToAddress: null` is an order with a row of NULLs; the others load too."""
    pulled(tmp_path, order("1", ("A", 1)), order("2", ("B", 2), shipToAddress=None))
    found = held(tmp_path, "SELECT ordernumber, country, line1 FROM order_address ORDER BY ALL")
    assert found == [("1", "US", "1 Main St"), ("2", None, None)]
    assert held(tmp_path, ITEMS) == [("1", "A", 1), ("2", "B", 2)]


def test_numbers_and_skus_do_not_run_into_each_other(tmp_path: Path) -> None:
    """A1 with SKU 23 and A12 with SKU 3 are two items, also over two runs."""
    pulled(tmp_path, order("A1", ("23", 1)))
    assert pulled(tmp_path, order("A12", ("3", 1))).counts.inserted == 1
    assert held(tmp_path, ITEMS) == [("A1", "23", 1), ("A12", "3", 1)]


def test_a_missing_number_blocks_nothing(tmp_path: Path) -> None:
    """An order whose number is null is a reject; orders that come later still load."""
    first = pulled(tmp_path, order(None, ("A", 1)), order("1", ("A", 1)))
    assert (first.counts.inserted, first.counts.rejected) == (1, 1)
    assert pulled(tmp_path, order("2", (None, 1))).counts.inserted == 1
    assert held(tmp_path, ITEMS) == [("1", "A", 1), ("2", "(no sku)", 1)]


def test_a_repeated_sku_is_summed(tmp_path: Path) -> None:
    """One SKU on two lines is one row with all pieces, also when it comes again."""
    twice = order("1", ("A", 2), ("B", 1), ("A", 3))
    pulled(tmp_path, twice)
    assert pulled(tmp_path, twice).counts.unchanged == 1
    assert held(tmp_path, ITEMS) == [("1", "A", 5), ("1", "B", 1)]


def test_updates_are_seen(tmp_path: Path) -> None:
    """A changed order replaces what was there, whole: a line that was taken out disappears."""
    pulled(tmp_path, order("1", ("A", 2), ("B", 1)))
    assert pulled(tmp_path, order("1", ("A", 4))).counts.updated == 1
    assert held(tmp_path, ITEMS) == [("1", "A", 4)]


def test_only_what_is_new_is_inserted_if_asked_so(tmp_path: Path) -> None:
    """With `on_change = "ignore"` an order that is known stays as it is, as with the script."""
    ignore = 'on_change = "ignore"'
    pulled(tmp_path, order("1", ("A", 2)), more=ignore)
    again = pulled(tmp_path, order("1", ("A", 4), ("B", 1)), order("2", ("C", 1)), more=ignore)
    assert (again.counts.inserted, again.counts.unchanged) == (1, 1)
    assert held(tmp_path, ITEMS) == [("1", "A", 2), ("2", "C", 1)]


def test_nested_orders_come_into_their_tables(tmp_path: Path) -> None:
    """An order with its address and items becomes the rows that the script made of it."""
    pulled(tmp_path, order("1", ("A", 2), ("B", 1)))
    columns = "ordernumber, country, line1, line2, name, postalcode, stateprovince"
    assert held(tmp_path, f"SELECT {columns} FROM order_address") == [
        ("1", "US", "1 Main St", None, "Ada", "10001", None)
    ]
    assert held(tmp_path, ITEMS) == [("1", "A", 2), ("1", "B", 1)]
