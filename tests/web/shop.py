"""A shop for the pages: orders and runs written into the tables, published, and served."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import urllib3

from orderpull import Settings, clock, parse_settings
from orderpull.destinations import open_destination
from orderpull.web.serve import listen, server_of

ZONE = "Europe/Berlin"
OFFSET = 12 - datetime.now(UTC).hour
NOON_ZONE = f"Etc/GMT{-OFFSET:+d}" if OFFSET else "UTC"
"""A zone in which it is about noon, so that no test meets a midnight."""

ROWS_AT_ONCE = 500

HOSTILE = (
    "<script>document.title='broken into'</script>",
    '"><img src=x onerror="document.title=\'broken into\'">',
    "javascript:document.title='broken into'",
    "{{ 7 * 7 }}",
)
"""Markup and template code as texts of a shop."""


@dataclass
class Order:
    """An order of a test."""

    number: str
    country: str | None = "DE"
    items: dict[str, int] = field(default_factory=lambda: {"PEN": 1})
    placed: datetime | None = None
    source: str = "shop"
    counted: bool = True
    currency: str | None = None
    total: float | None = None
    channel: str | None = None
    customer: str | None = None
    title: str | None = None
    amounts: dict[str, float] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)


Rows = dict[str, list[dict[str, Any]]]


def rows_of(orders: Sequence[Order], runs: Sequence[dict[str, Any]] = ()) -> Rows:
    """Convert orders and runs to rows of the tables."""
    key = [{"ordernumber": o.number, "source": o.source} for o in orders]
    return {
        "order_header": [
            {
                **k,
                "order_id": o.number,
                "counted": o.counted,
                "ordered_at": o.placed,
                "currency": o.currency,
                "total": o.total,
                "channel": o.channel,
                "customer": o.customer,
            }
            for k, o in zip(key, orders, strict=True)
        ],
        "order_address": [
            {**k, "country": o.country, "name": "Ada Secret", "line1": "Secret Street 1"}
            for k, o in zip(key, orders, strict=True)
        ],
        "order_item": [
            {
                **k,
                "sku": sku,
                "quantity": quantity,
                "title": o.title and f"{o.title} {sku}",
                "amount": o.amounts.get(sku),
                "returned": o.returned.get(sku),
            }
            for k, o in zip(key, orders, strict=True)
            for sku, quantity in o.items.items()
        ],
        "orderpull_run": list(runs),
    }


def finished_run(number: int = 1, source: str = "shop", **changed: Any) -> dict[str, Any]:
    """A row of ``orderpull_run``: a successful run, half an hour ago."""
    at = clock.now() - timedelta(minutes=30)
    counts = dict.fromkeys(
        ("fetched", "inserted", "updated", "unchanged", "stale", "rejected", "possible_loss"), 0
    )
    return {"run": number, "source": source, "command": "run", "started_at": at, "batches": 1,
            "finished_at": at, "pulled_at": at, "pages": 1, "accepted_rejects": False, "error": None,
            **counts, **changed}  # fmt: skip


def settings_in(folder: Path, sources: Sequence[str] = ("shop",), zone: str = ZONE) -> Settings:
    """Settings for a DuckDB warehouse in *folder*, in the days of *zone*."""
    blocks = "".join(
        f'[sources.{name}]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'
        for name in sources
    )
    text = f'[report]\ntimezone = "{zone}"\n{blocks}'
    file = folder / "orderpull.toml"
    file.write_text(text, encoding="utf-8")
    return parse_settings(text, file)


def fill(settings: Settings, rows: Rows, statements: Sequence[str] = ()) -> None:
    """Write *rows* into the DuckDB warehouse, with its rollups, and publish it.

    :param statements: further SQL that writes rows.
    """
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    destination.preflight()
    with duckdb.connect(str(settings.folder / "orders.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, some in rows.items():
            if some:
                _insert(connection, table, some)
        for statement in statements:
            connection.execute(statement)
        connection.execute("DELETE FROM summary_state")
    with destination.loader():  # makes the summaries, since it finds none
        pass
    destination.publish(finished=True)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert *rows*, many in one statement: DuckDB's ``executemany`` takes six times as long."""
    columns = list(rows[0])
    marks = f"({', '.join('?' for _ in columns)})"
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * len(some))}",
            [row[column] for row in some for column in columns],
        )


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Serve the pages in a thread; yields their address."""
    with listen("127.0.0.1", 0) as listening:
        server = server_of(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def get(url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    """Send a request; redirects are not followed."""
    return urllib3.request(method, url, headers=headers, retries=False, redirect=False)
