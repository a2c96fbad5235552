"""Customers: a keyed hash that tells them apart and names nobody."""

import hmac
import json
from pathlib import Path

import duckdb
import pytest

from orderpull.normalize.normalizer import Normalizer, StagedPage
from orderpull.normalize.redact import OrderRedactor
from orderpull.sources.spec.reader import parse_api
from tests.normalize.helpers import land, new_landing

API = parse_api(
    """
title = "Customers"
[request]
path = "/orders"
[records]
path = "$"
[order]
number = "no"
customer = "coalesce(customer.id, lower(trim(mail)))"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
""",
    "customers.toml",
)
KEY = b"k" * 64
ORDERS = [
    {"no": "1", "customer": {"id": 7}, "mail": "ada@example.com", "lines": []},
    {"no": "2", "customer": {"id": "7"}, "mail": "other@example.com", "lines": []},
    {"no": "3", "customer": None, "mail": " Ada@Example.com ", "lines": []},
    {"no": "4", "customer": {}, "mail": "ada@example.com", "lines": []},
    {"no": "5", "customer": {"id": 8}, "mail": None, "lines": []},
    {"no": "6", "customer": {}, "mail": " ", "lines": []},
]


def customers(
    folder: Path, *sources: str, key: bytes = KEY, orders: object = None, carefully: bool = False
) -> list[list[str | None]]:
    """The customer of each order, for each of *sources*, which are normalized together."""
    body, pages = json.dumps(orders or ORDERS).encode(), []
    for index, source in enumerate(sources):
        landing = new_landing(folder / str(carefully), source)
        meta = land(landing, API, body, 1)
        pages.append(StagedPage(meta, lambda: body, source=source, index=index, key=lambda: key))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        Normalizer(connection, API, "{number}", carefully=carefully).normalize(pages)
        query = "SELECT customer FROM staged_order WHERE source = $1 ORDER BY position"
        return [[c for (c,) in connection.execute(query, [s]).fetchall()] for s in sources]


@pytest.mark.parametrize("carefully", [False, True])
def test_a_customer_is_the_same_in_all_orders_and_known_by_nobody(
    tmp_path: Path, *, carefully: bool
) -> None:
    """By the id, or without one by the e-mail address, for each source by itself."""
    shop, other = customers(tmp_path, "shop", "other", carefully=carefully)
    expected = [hmac.digest(KEY, b"shop\0" + value, "sha256").hex()[:32]
                for value in (b"7", b"7", b"ada@example.com", b"ada@example.com", b"8")]  # fmt: skip
    assert shop == [*expected, None]
    assert other[-1] is None
    assert set(shop[:-1]).isdisjoint(other[:-1])


def test_without_a_key_nobody_is_told_apart(tmp_path: Path) -> None:
    """A page that is only looked at has no key."""
    assert customers(tmp_path, "shop", key=b"") == [[None] * len(ORDERS)]


def test_a_redacted_order_has_no_customer(tmp_path: Path) -> None:
    """Neither the id nor the address is kept in its text."""
    texts = [OrderRedactor(API).redact(json.dumps(order)) for order in ORDERS]
    redacted = [json.loads(text or "") for text in texts]
    assert "7" not in str([order["customer"] for order in redacted])
    assert "example" not in str(redacted)
    assert customers(tmp_path, "shop", orders=redacted) == [[None] * len(ORDERS)]
