"""A warehouse with a long history, written by SQL straight into its tables, for measuring reads.

40 countries of falling size, 50,000 SKUs of falling popularity, 2.4 items to an order on average,
three currencies, three channels, and as many customers as half of the orders, over the 387 days up
to a given one. The summaries are made by the loader, as for any warehouse.
"""

from datetime import date, timedelta
from pathlib import Path

import duckdb

from orderpull.destinations import open_destination
from orderpull.settings import Settings

DAYS = 387
SKUS = 50_000

_ORDER = """
CREATE TEMP TABLE history AS
SELECT i, 'N' || lpad(i::VARCHAR, 9, '0') AS ordernumber,
    TIMESTAMP '{first}' + to_seconds((i * {seconds})::BIGINT) AS ordered_at,
    CASE WHEN hash(i, 1) % 1000 > 0 THEN 'C' || lpad(
        least(39, floor(-ln((hash(i, 2) % 1000000 + 1) / 1000001.0) * 8))::INT::VARCHAR, 2, '0')
        END AS country,
    hash(i, 3) % 50 > 0 AS counted, hash(i, 4) % 100 AS luck
FROM range({orders}) AS each(i)"""

_ROWS = {
    "order_address": """
        SELECT ordernumber, country, 'Street ' || i % 5000 AS line1, 'Name ' || i % 9000 AS name,
            (i % 99999)::VARCHAR AS postalcode, 'City ' || i % 3000 AS city, 'shop' AS source
        FROM history""",
    "order_item": """
        SELECT ordernumber, sku, sum(pieces)::BIGINT AS quantity, 'shop' AS source,
            'Article ' || sku AS title,
            sum(pieces) * (hash(sku) % 9000 + 100)::DECIMAL(19, 4) / 100 AS amount,
            least(sum(pieces), any_value(back))::BIGINT AS returned FROM (
            SELECT i, ordernumber, 1 + hash(i, k, 8) % 3 AS pieces,
                CASE WHEN hash(i, k, 9) % 20 = 0 THEN 1 ELSE 0 END AS back, 'SKU-' || lpad(
                floor(power(hash(i, k, 7) % 1000000 / 1000000.0, 2.2) * {skus})::INT::VARCHAR,
                5, '0') AS sku
            FROM history, range(1, 6) AS line(k)
            WHERE luck > 0 AND k <= CASE WHEN luck < 30 THEN 1 WHEN luck < 60 THEN 2
                WHEN luck < 80 THEN 3 WHEN luck < 92 THEN 4 ELSE 5 END)
        GROUP BY i, ordernumber, sku ORDER BY i""",
    "order_header": """
        SELECT ordernumber, ordernumber AS order_id,
            CASE WHEN counted THEN 'paid' ELSE 'cancelled' END AS status, counted, ordered_at,
            ordered_at AS modified_at,
            CASE WHEN luck < 85 THEN 'EUR' WHEN luck < 95 THEN 'CHF' ELSE 'USD' END AS currency,
            (hash(i, 5) % 20000 + 500)::DECIMAL(19, 4) / 100 AS total,
            ['web', 'market', 'pos'][1 + (hash(i, 6) % 3)::INT] AS channel,
            CASE WHEN luck % 20 = 0 THEN 4.99 ELSE 0 END AS refunded,
            md5((hash(i, 7) % ({orders} // 2))::VARCHAR) AS customer,
            md5(ordernumber) AS content_hash, i // 100 AS page, ordered_at AS loaded_at,
            'shop' AS source
        FROM history""",
    "orderpull_run": """
        SELECT 1 AS run, 'shop' AS source, 'run' AS command, {now} AS started_at,
            {now} AS finished_at, {now} AS pulled_at, {orders} AS fetched, {orders} AS inserted,
            0 AS possible_loss, 1 AS batches""",
}


def write_history(settings: Settings, orders: int, last: date) -> None:
    """Fill the DuckDB warehouse of *settings* with *orders* orders up to the day *last*."""
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    destination.preflight()
    file = settings.folder / "orders.duckdb"
    words = {
        "orders": orders, "skus": SKUS, "first": last - timedelta(days=DAYS - 1),
        "seconds": DAYS * 86_400 / orders, "now": "now()::TIMESTAMP",
    }  # fmt: skip
    _write(file, words)
    with destination.loader():  # makes the summaries, since it finds none
        pass
    destination.publish(finished=True)


def _write(file: Path, words: dict[str, object]) -> None:
    with duckdb.connect(config={"temp_directory": str(file.parent)}) as connection:
        connection.execute(f"ATTACH '{file}' AS warehouse")
        connection.execute("USE warehouse")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_ORDER.format(**words))
        for table, rows in _ROWS.items():
            connection.execute(f"INSERT INTO {table} BY NAME {rows.format(**words)}")
