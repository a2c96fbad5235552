"""A small puller to measure against, without the promises: ``reference.py URL FOLDER``.

HTTP, pages as zstd files, one DuckDB statement that checks and stages, and a merge. It leaves out:
fsync, hashes of pages and orders, a landing that lasts, ledger, cursor (it asks the table), header
columns, statuses and amounts, paths and exact messages of rejects, older versions that come late,
equal numbers of two orders, numbers beyond text, rollups, snapshots, other APIs and warehouses.
"""

import http.client
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = 500
FETCHERS = 2
BATCH = 40
"""Pages of a merge."""

TABLES = """
CREATE TABLE IF NOT EXISTS order_address (ordernumber VARCHAR, country VARCHAR, line1 VARCHAR,
    line2 VARCHAR, name VARCHAR, postalcode VARCHAR, stateprovince VARCHAR, modified VARCHAR);
CREATE TABLE IF NOT EXISTS order_item (ordernumber VARCHAR, sku VARCHAR, quantity BIGINT);
CREATE TABLE IF NOT EXISTS reject (reason VARCHAR, raw VARCHAR)"""

TYPE = (
    '{"orderId":"VARCHAR","orderNumber":"VARCHAR","modifiedDate":"VARCHAR","shipCountry":"VARCHAR",'
    '"shipAddress1":"VARCHAR","shipAddress2":"VARCHAR","shipAddress3":"VARCHAR",'
    '"shipName":"VARCHAR","shipZipCode":"VARCHAR","shipState":"VARCHAR","orderItems":'
    '[{"listingSku":"VARCHAR","quantityOrdered":"VARCHAR","product":{"masterSku":"VARCHAR"}}]}'
)
STAGE = """
CREATE OR REPLACE TEMP TABLE stage AS
SELECT o, reason, CASE WHEN reason IS NOT NULL THEN raw END AS raw FROM (SELECT *, CASE
    WHEN coalesce(o.orderNumber, '') = '' THEN 'no number'
    WHEN NOT coalesce(regexp_full_match(o.orderId, '[0-9]+'), false) THEN 'no id'
    WHEN o.orderItems IS NULL THEN 'no lines'
    WHEN len(list_filter(o.orderItems, lambda line:
        NOT coalesce(regexp_full_match(line.quantityOrdered, '[0-9]{1,15}'), false))) > 0
        THEN 'no quantity' END AS reason
FROM (SELECT json AS raw, from_json(json, $type) AS o
      FROM read_json_objects($files, format = 'array')))"""

MERGE = """
BEGIN;
INSERT INTO reject SELECT reason, raw FROM stage WHERE reason IS NOT NULL;
CREATE OR REPLACE TEMP TABLE winner AS SELECT o FROM stage WHERE reason IS NULL
QUALIFY row_number() OVER (PARTITION BY o.orderNumber ORDER BY o.modifiedDate DESC) = 1;
CREATE OR REPLACE TEMP TABLE known AS SELECT ordernumber FROM order_address
WHERE ordernumber IN (SELECT o.orderNumber FROM winner);
DELETE FROM order_address WHERE ordernumber IN (FROM known);
DELETE FROM order_item WHERE ordernumber IN (FROM known);
INSERT INTO order_address SELECT o.orderNumber, o.shipCountry, o.shipAddress1,
    nullif(concat_ws(', ', nullif(o.shipAddress2, ''), nullif(o.shipAddress3, '')), ''),
    o.shipName, o.shipZipCode, o.shipState, o.modifiedDate FROM winner;
INSERT INTO order_item SELECT number, coalesce(line.product.masterSku, line.listingSku) AS sku,
    sum(line.quantityOrdered::BIGINT)
FROM (SELECT o.orderNumber AS number, unnest(o.orderItems) AS line FROM winner) GROUP BY ALL;
COMMIT"""


def pages(url: str, since: str | None) -> Iterator[bytes]:
    """The pages from *since* on, the next ones requested ahead."""
    address = urlsplit(url)
    query = f"&modifiedDateFrom={since}" if since else ""

    def every(first: int) -> Iterator[bytes]:
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        number = first
        while True:
            path = f"{address.path}/v1.1/orders?limit={PAGE}&page={number}{query}"
            connection.request("GET", path, headers={"Authorization": "Bearer secret"})
            yield connection.getresponse().read()
            number += FETCHERS

    with ThreadPoolExecutor(FETCHERS) as pool:
        lanes = [every(first + 1) for first in range(FETCHERS)]
        waiting = [pool.submit(next, lane) for lane in lanes]
        while True:
            for place, lane in enumerate(lanes):
                page = waiting[place].result()
                if page == b"[]":
                    return
                waiting[place] = pool.submit(next, lane)
                yield page


def main(url: str, folder: Path) -> None:
    """Pull all that is newer than what the tables hold."""
    with (
        duckdb.connect(str(folder / "orders.duckdb"), config={"threads": 2}) as connection,
        tempfile.TemporaryDirectory(dir=folder) as work,
    ):
        connection.execute("SET preserve_insertion_order = false; SET memory_limit = '512MB'")
        connection.execute(TABLES)
        ((newest,),) = connection.execute("SELECT max(modified) FROM order_address").fetchall()
        files: list[str] = []

        def load() -> None:
            connection.execute(STAGE, {"files": files, "type": TYPE})
            connection.execute(MERGE)
            for file in files:
                Path(file).unlink()
            files.clear()

        for number, page in enumerate(pages(url, newest)):
            file = Path(work) / f"{number}.json.zst"
            file.write_bytes(zstd.compress(page, 1))
            files.append(str(file))
            if len(files) == BATCH:
                load()
        if files:
            load()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
