"""The shop in the pictures of the docs: two sources, four hundred days, always the same orders."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from tests.web.shop import Order, Rows, finished_run, rows_of

T = TypeVar("T")
SOURCES = ("shopify", "woocommerce")
DAYS = 430
COUNTRIES: tuple[str | None, ...] = (
    "DE", "AT", "CH", "FR", "NL", "US", "GB", "IT", "ES", "PL", "SE", "DK", "BE", "CZ", "NO",
    "FI", "IE", "PT", "CA", "AU", "LU", "JP", "HU", "SK", "GR", None,
)  # fmt: skip
GOODS = ("TEE", "HOOD", "CAP", "MUG", "SOCKS", "BAG", "BOOK")
COLOURS = ("BLK", "WHT", "NVY", "GRN")
SIZES = {"TEE": ("S", "M", "L", "XL"), "HOOD": ("S", "M", "L"), "SOCKS": ("39", "43")}
PRICES = {"TEE": 24, "HOOD": 59, "CAP": 19, "MUG": 12, "SOCKS": 9, "BAG": 29, "BOOK": 15}
TITLES = {
    "TEE": "T-Shirt", "HOOD": "Zip Hoodie", "CAP": "Cord Cap", "MUG": "Stoneware Mug",
    "SOCKS": "Merino Socks", "BAG": "Canvas Bag", "BOOK": "Notebook, dotted",
    "BLK": "Black", "WHT": "White", "NVY": "Navy", "GRN": "Green",
}  # fmt: skip
SHIPPING = 5
WEEK = (1.0, 0.9, 0.9, 1.0, 1.1, 1.3, 1.4)
"""How much is sold on each day of the week, Monday first."""


def skus() -> list[str]:
    """All SKUs, the best-selling first."""
    names = [
        "-".join(filter(None, (kind, colour, size)))
        for kind in GOODS
        for colour in COLOURS
        for size in SIZES.get(kind, ("",))
    ]
    random.Random(3).shuffle(names)
    return names


def rows(until: datetime, count: int) -> Rows:
    """The tables with *count* orders, the last one placed some minutes before *until*."""
    chance = random.Random(11)
    goods = skus()
    days = [until - timedelta(days=DAYS - number) for number in range(1, DAYS + 1)]
    weights = [WEEK[day.weekday()] * (1 + number / DAYS) for number, day in enumerate(days)]
    orders = [
        Order(
            f"#{1001 + number}",
            _chosen(COUNTRIES, 0.8, chance),
            {
                _chosen(goods, 0.85, chance): chance.choices((1, 2, 3), (8, 3, 1))[0]
                for _ in range(chance.choices((1, 2, 3, 4), (5, 3, 2, 1))[0])
            },
            placed,
            chance.choices(SOURCES, (3, 2))[0],
        )
        for number, placed in enumerate(
            sorted(
                day - timedelta(minutes=chance.randint(5, 24 * 60))
                for day in chance.choices(days, weights, k=count)
            )
        )
    ]
    tables = rows_of(orders, [finished_run(n, name) for n, name in enumerate(SOURCES, 1)])
    for header in tables["order_header"]:
        header["loaded_at"] = until
    _price(tables)
    return tables


def _price(tables: Rows) -> None:
    """Give the orders titles, amounts in one currency, returns, channels and customers."""
    chance, totals = random.Random(5), dict[str, int]()
    for item in tables["order_item"]:
        kind, *variant = item["sku"].split("-")
        words = [TITLES[kind], " / ".join(TITLES.get(each, each) for each in variant)]
        item["title"] = " - ".join(filter(None, words))
        item["amount"] = PRICES[kind] * item["quantity"]
        item["returned"] = int(chance.random() < 0.04)
        number = item["ordernumber"]
        totals[number] = totals.get(number, SHIPPING) + item["amount"]
    for header in tables["order_header"]:
        header["currency"], header["total"] = "EUR", totals[header["ordernumber"]]
        header["channel"] = chance.choices(("web", "pos", "instagram"), (6, 2, 1))[0]
        header["customer"] = f"{int(chance.expovariate(1 / 400)):032x}"


def _chosen(some: Sequence[T], decay: float, chance: random.Random) -> T:
    """One of *some*, each after the first *decay* times as likely as the one before."""
    return chance.choices(some, [decay**rank for rank in range(len(some))])[0]
