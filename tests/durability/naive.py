"""The script that orderpull began as, in short: pull everything, then insert what is new.

Usage: python naive.py POINT:N run - killed at the same points, as far as it has them.
"""

import json
import os
import signal
import sys
import tomllib
import urllib.request
from pathlib import Path

import duckdb

name, _, times = sys.argv[1].partition(":")
left = int(times)


def reached(point: str) -> None:
    global left  # noqa: PLW0603 - one process, one countdown
    left -= point == name
    if point == name and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


url = tomllib.loads(Path("orderpull.toml").read_text())["sources"]["shop"]["base_url"]
orders: list[dict] = []
while True:
    reached("before-request")
    with urllib.request.urlopen(url.rstrip("/") + "/orders") as answer:
        page = json.load(answer)
    reached("after-response")
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
    reached("load-begun")
    number = order["orderNumber"]
    connection.execute("INSERT INTO order_header VALUES (?, 'shop')", [number])
    if index % 100 == 0:
        reached("rows-inserted")
reached("committed")
