"""Pull, load and compare a recorded shop: ``python tests/normalize/recorded/compare.py FOLDER``.

FOLDER, called like the API, holds what a real shop server answered (``page-N.json``) and what its
own database held (``truth.json``). Prints each difference, and how many there are. Totals, amounts
and titles are not in the truth: they are read here from the pages themselves.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from orderpull import parse_settings, run
from orderpull.model import NO_SKU
from orderpull.simulator import Replay, Simulator

ADDRESS = ("country", "line1", "line2", "name", "postalcode", "stateprovince")
UNTOLD = ("discount", "shipping", "tax", "refunded", "customer", "channel")
"""Columns whose fields were not asked for when the pages were recorded."""

HEADER = (
    *("order_id", "status", "counted", "ordered_at", "modified_at", "total", "currency"),
    *UNTOLD,
)
ITEM = ("items", "titles", "amounts", "returned")
PAGE_SIZES = {"medusa": 50, "vendure": 100}
"""As they were recorded, by API."""

NO_SALE = frozenset({"cancelled", "canceled"})


def compare(recording: Path, folder: Path) -> tuple[int, list[str]]:
    """Pull and load *recording* in *folder*; how many orders its truth has, and the differences."""
    api = recording.name
    with Simulator(Replay(recording, token="recorded")) as simulator:
        settings = parse_settings(
            f'[sources.shop]\napi = "{api}"\nbase_url = "{simulator.url}"\n'
            f'token = "recorded"\nstart = "2020-01-01"\npage_size = {PAGE_SIZES[api]}\n',
            folder / "orderpull.toml",
        )
        result = run(settings)
    if not result.ok:
        raise SystemExit(json.dumps(result.as_json(), indent=1))
    truth = json.loads((recording / "truth.json").read_text(encoding="utf-8"))
    told = dict(_told(recording))
    expected = {number: _expected(order) | told.get(number, {}) for number, order in truth.items()}
    held = _held(folder / "orders.snapshot.duckdb")
    differences = [f"{number}: not in the warehouse" for number in expected.keys() - held.keys()]
    differences += [f"{number}: not in the truth" for number in held.keys() - expected.keys()]
    for number in sorted(expected.keys() & held.keys()):
        for key, value in expected[number].items():
            if held[number][key] != value:
                differences.append(f"{number} {key}: {held[number][key]!r}, truth {value!r}")
    return len(truth), differences


def _expected(order: dict[str, Any]) -> dict[str, Any]:
    """An order of the truth as the warehouse should hold it."""
    items = dict(order["items"])
    if order.get("quantity_without_sku"):
        items[NO_SKU] = order["quantity_without_sku"]
    address = {key: order[key] or None for key in ADDRESS}
    if address["country"]:
        address["country"] = address["country"].upper()
    return {
        **address,
        "items": items,
        "order_id": str(order["id"]),
        "status": order["state"],
        "counted": order["state"].lower() not in NO_SALE,
        "ordered_at": _time(order.get("placed_at") or order["created_at"]),
        "modified_at": _time(order["updated_at"]),
    }


def _told(recording: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The money of each order, as the pages have it; what was not asked for is NULL."""
    for file in recording.glob("page-*[0-9].json"):
        page = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        for order in page.get("orders", ()):
            yield str(order["display_id"]), _of_medusa(order)
        for order in page["data"]["orders"]["items"] if "data" in page else ():
            skus = dict.fromkeys(line["productVariant"]["sku"] for line in order["lines"])
            yield order["code"], {
                **dict.fromkeys(UNTOLD), **dict.fromkeys(("titles", "amounts", "returned"), skus),
                "total": Decimal(order["totalWithTax"]) / 100,
                "currency": order["currencyCode"],
            }  # fmt: skip


def _of_medusa(order: dict[str, Any]) -> dict[str, Any]:
    titles: dict[str, str] = {}
    amounts: dict[str, Decimal] = {}
    returned: dict[str, int] = {}
    for item in order["items"]:
        sku, detail = item["variant_sku"] or NO_SKU, item["detail"]
        title, variant = item["product_title"], item["variant_title"]
        titles.setdefault(sku, title if variant == "Default variant" else f"{title} - {variant}")
        back = item["return_received_total"] + item["return_dismissed_total"]
        amounts[sku] = amounts.get(sku, Decimal()) + item["total"] + back
        pieces = detail["return_received_quantity"] + detail["return_dismissed_quantity"]
        returned[sku] = returned.get(sku, 0) + pieces
    return {
        **dict.fromkeys(UNTOLD),
        "titles": titles,
        "amounts": amounts,
        "returned": returned,
        "total": Decimal(order["total"]),
        "currency": order["currency_code"].upper(),
    }


def _time(text: str) -> datetime:
    """A time of the truth, as the warehouse has times: UTC, without saying so."""
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _held(file: Path) -> dict[str, dict[str, Any]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            f"""SELECT ordernumber, {", ".join(HEADER + ADDRESS)}
                FROM order_header JOIN order_address USING (source, ordernumber)"""
        ).fetchall()
        items = connection.execute(
            "SELECT ordernumber, sku, quantity, title, amount, returned FROM order_item"
        ).fetchall()
    held: dict[str, dict[str, Any]] = {}
    for number, *values in rows:
        held[number] = dict(zip(HEADER + ADDRESS, values, strict=True))
        held[number] |= {name: {} for name in ITEM}
    for number, sku, *values in items:
        for name, value in zip(ITEM, values, strict=True):
            held[number][name][sku] = value
    return held


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        orders, found = compare(Path(sys.argv[1]), Path(made))
    sys.stdout.write("\n".join([*found, f"{orders} orders, {len(found)} differences\n"]))
    sys.exit(bool(found))
