"""The script that orderpull began as, in short: pull everything, then insert what is new.

It passes the fail points that it has, so that it can be killed where orderpull is killed.
"""

import json
import tomllib
import urllib.request
from pathlib import Path

import duckdb

from orderpull.failpoints import failpoint

url = tomllib.loads(Path("orderpull.toml").read_text())["sources"]["shop"]["base_url"]
orders: list[dict] = []
while True:
    failpoint("before-request")
    with urllib.request.urlopen(url.rstrip("/") + "/orders") as answer:
        page = json.load(answer)
    failpoint("after-response")
    if not page:
        break
    orders += page

connection = duckdb.connect("orders.duckdb")
connection.execute("CREATE TABLE IF NOT EXISTS order_header (ordernumber VARCHAR, source VARCHAR)")
connection.execute(
    """CREATE TABLE IF NOT EXISTS order_address (ordernumber VARCHAR, country VARCHAR,
    line1 VARCHAR, line2 VARCHAR, name VARCHAR, postalcode VARCHAR, stateprovince VARCHAR,
    city VARCHAR, source VARCHAR)"""
)
connection.execute(
    "CREATE TABLE IF NOT EXISTS order_item (ordernumber VARCHAR, sku VARCHAR, quantity BIGINT, "
    "source VARCHAR)"
)
for index, order in enumerate(orders):
    failpoint("load-begun")
    number = order["orderNumber"]
    connection.execute("INSERT INTO order_header VALUES (?, 'shop')", [number])
    if index % 100 == 0:
        failpoint("rows-inserted")
failpoint("committed")
