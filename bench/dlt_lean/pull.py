"""Pull the orders of :mod:`bench.shop` with dlt, set up leanly: ``pull.py URL FOLDER``.

Lean is: only the wanted fields are yielded, as flat rows of two tables; files are Parquet; two
processes normalize; dlt's own fast JSON reader decodes pages; its progress, telemetry and column
names of nested data are off. Runs with the packages of ``requirements.txt`` alone.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

URL, FOLDER = sys.argv[1], Path(sys.argv[2]).absolute()
PAGE = 500
os.environ.update(
    {
        "DLT_DATA_DIR": str(FOLDER / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "NORMALIZE__WORKERS": "2",
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false",
        "DATA_WRITER__FILE_MAX_ITEMS": "50000",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "5000",
    }
)

import dlt  # noqa: E402 - reads the environment when it is imported
from dlt.common import json  # noqa: E402
from dlt.sources.helpers import requests  # noqa: E402

ADDRESS = {
    "ordernumber": "orderNumber", "country": "shipCountry", "line1": "shipAddress1",
    "name": "shipName", "postalcode": "shipZipCode", "stateprovince": "shipState",
}  # fmt: skip
TEXTS = {name: {"data_type": "text"} for name in (*ADDRESS, "line2", "modified")}
WHOLE = {"sku": {"data_type": "text"}, "quantity": {"data_type": "bigint"}}


def shaped(order: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of *order*'s address, and one row for each of its SKUs.

    :raises ValueError: the order is not one.
    """
    number, lines, identity = order["orderNumber"], order["orderItems"], order["orderId"]
    if not isinstance(number, str) or not number or not isinstance(identity, int):
        raise ValueError("no number")
    if not isinstance(lines, list):
        raise ValueError("no lines")  # noqa: TRY004 - one kind of error is enough here
    pieces: dict[str, int] = {}
    for line in lines:
        product, quantity = line["product"], line["quantityOrdered"]
        if isinstance(quantity, str) and quantity.isdecimal():
            quantity = int(quantity)
        if not isinstance(quantity, int) or quantity < 0:
            raise ValueError("no quantity")
        sku = (product and product["masterSku"]) or line["listingSku"]
        pieces[sku] = pieces.get(sku, 0) + quantity
    row = {column: order[field] for column, field in ADDRESS.items()}
    second = (order["shipAddress2"], order["shipAddress3"])
    row |= {"line2": ", ".join(filter(None, second)), "modified": order["modifiedDate"]}
    return row, [{"ordernumber": number, "sku": s, "quantity": q} for s, q in pieces.items()]


@dlt.resource(name="orders")
def orders() -> Iterator[Any]:
    """Rows of three tables, page by page from the newest time seen on."""
    state = dlt.current.resource_state()
    hints = {
        "order_address": {"primary_key": "ordernumber", "columns": TEXTS},
        "order_item": {"merge_key": "ordernumber", "columns": WHOLE},
        "reject": {},
    }
    tables = {
        name: dlt.mark.make_hints(
            table_name=name, write_disposition="merge" if keys else "append", **keys
        )
        for name, keys in hints.items()
    }
    session = requests.Client().session
    headers, number = {"Authorization": "Bearer secret"}, 1
    query: dict[str, str | int] = {"limit": PAGE}
    if "newest" in state:
        query["modifiedDateFrom"] = state["newest"]
    while page := json.loadb(
        session.get(f"{URL}/v1.1/orders", params={**query, "page": number}, headers=headers).content
    ):
        addresses, lines, bad = [], [], []
        for order in page:
            try:
                row, pieces = shaped(order)
            except (ValueError, KeyError, TypeError) as error:
                bad.append({"reason": str(error), "raw": json.dumps(order)})
            else:
                addresses.append(row)
                lines.extend(pieces)
        for name, rows in (("order_address", addresses), ("order_item", lines), ("reject", bad)):
            if rows:
                yield dlt.mark.with_hints(rows, tables[name], create_table_variant=True)
        state["newest"] = page[-1]["modifiedDate"]
        number += 1


if __name__ == "__main__":
    pipeline = dlt.pipeline(
        "orders",
        destination=dlt.destinations.duckdb(str(FOLDER / "orders.duckdb")),
        dataset_name="shop",
    )
    pipeline.run(orders, loader_file_format="parquet")
