"""Pull, load and compare a recorded shop: ``python tests/normalize/recorded/compare.py FOLDER``.

FOLDER, called like the API, holds what a real shop server answered (``page-N.json``) and what its
own database held (``truth.json``). Prints each difference, and how many there are.
"""

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orderpull import parse_settings, run
from orderpull.model import NO_SKU
from orderpull.simulator import Replay, Simulator

ADDRESS = ("country", "line1", "line2", "name", "postalcode", "stateprovince")
HEADER = ("order_id", "status", "counted", "ordered_at", "modified_at")
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
    expected = {number: _expected(order) for number, order in truth.items()}
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
        items = connection.execute("SELECT ordernumber, sku, quantity FROM order_item").fetchall()
    held: dict[str, dict[str, Any]] = {}
    for number, *values in rows:
        held[number] = {"items": {}, **dict(zip(HEADER + ADDRESS, values, strict=True))}
    for number, sku, quantity in items:
        held[number]["items"][sku] = quantity
    return held


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        orders, found = compare(Path(sys.argv[1]), Path(made))
    sys.stdout.write("\n".join([*found, f"{orders} orders, {len(found)} differences\n"]))
    sys.exit(bool(found))
