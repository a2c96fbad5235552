"""A long history of a made-up shop, landed page by page, and what it must come to in plain Python.

The truth is made of dicts alone: no SQL, no Arrow, nothing of the engine but the landing's key.
"""

import hashlib
import hmac
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from orderpull.landing.forgotten import key_of
from orderpull.landing.local import LocalSourceLanding
from orderpull.sources.spec.reader import parse_api
from tests.normalize.helpers import land, new_landing

API = """
title = "Long history"
[request]
path = "/orders"
[records]
path = "orders"
[order]
id = "id"
number = "no"
status = "status"
ordered_at = "placed"
modified_at = "changed"
currency = "currency"
channel = "channel"
total = "total"
refunded = "back"
customer = "mail"
[order.address]
name = "to"
line1 = "street"
country = "country"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
title = "title"
amount = "came_to"
returned = "returned"
"""
PAGE = 200
Row = tuple[Any, ...]


def version(number: int, which: int) -> dict[str, Any]:
    """Version *which* of order *number*: 0 the first, 1 a later one, 2 another of the same time."""
    chance = random.Random(number * 3 + which)
    day = f"2026-{1 + number % 9:02d}-{1 + number % 28:02d}"
    lines = [
        {
            "sku": f"S{chance.randrange(40)}",
            "n": chance.randrange(0, 4),
            "title": f"Thing {number % 7}",
            "came_to": f"{chance.randrange(10_000) / 100:.2f}",
            **({"returned": chance.randrange(2)} if number % 3 else {}),
        }
        for _ in range(chance.randrange(0, 3) if which == 1 else chance.randrange(1, 4))
    ]
    order = {
        "id": f"i{number}",
        # Of every 400 orders two have one number; the one that was placed first gets it.
        "no": f"N{number - 1 if number % 400 == 7 else number}",
        "status": ("open", "sent", "back")[which],
        "placed": f"{day}T08:{number % 60:02d}:00Z",
        "changed": f"2026-10-{10 + 5 * (which == 1)}T00:00:00Z",
        "currency": "EUR" if number % 5 else "CHF",
        "channel": ("web", "shop")[number % 2],
        "total": f"{chance.randrange(100_000) / 100:.2f}",
        "back": f"{chance.randrange(3)}.50",
        "mail": f"p{number % 1000}@example.com",
        "to": f"Person {number}",
        "street": f"Way {which}",
        "country": ("DE", "AT", "FR")[number % 3],
        "lines": lines,
    }
    if number % 17 == 0:
        del order["changed"]
    if number % 101 == 5 and which != 1:
        lines.append({"sku": "bad", "n": "some"})
    return order


def pages(versions: int) -> Iterator[list[dict[str, Any]]]:
    """Pages with about *versions* versions; the last ones are pages of old versions again."""
    orders = int(versions / 1.29)
    moments = [(n, 0) for n in range(orders)]
    moments += [(n, 1) for n in range(orders) if n % 5 == 0]
    moments += [(n, 2) for n in range(orders) if n % 25 == 3]
    old = [(n, 0) for start in range(0, orders, PAGE * 20) for n in range(start, start + PAGE)
           if n < orders]  # fmt: skip
    for start in range(0, len(moments), PAGE):
        yield [version(*each) for each in moments[start : start + PAGE]]
    for start in range(0, len(old), PAGE):
        yield [version(*each) for each in old[start : start + PAGE]]


@dataclass
class Truth:
    """What has been landed, version by version."""

    key: bytes
    newest: dict[str, tuple[Any, dict[str, Any]]] = field(default_factory=dict)
    rejects: dict[str, Row] = field(default_factory=dict)
    fragments: list[Row] = field(default_factory=list)
    fetched: int = 0

    def add(self, page: int, orders: Iterable[dict[str, Any]]) -> None:
        for position, order in enumerate(orders):
            self.fetched += 1
            place = page, position
            if any(not isinstance(line["n"], int) for line in order["lines"]):
                self.rejects[order["id"]] = ("quantity_invalid", *place)
                continue
            at = (order.get("changed", ""), *place)
            if order["id"] not in self.newest or self.newest[order["id"]][0] < at:
                self.newest[order["id"]] = at, order

    def tables(self) -> dict[str, list[Row]]:
        """The rows of orders, items, rejects, and the sums by day and by SKU."""
        owners: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for _, order in self.newest.values():
            owners[order["no"]].append(order)
        rejects = [*self.fragments]
        for name, (reason, *place) in self.rejects.items():
            if name not in self.newest or self.newest[name][0][1:] < tuple(place):
                rejects.append((reason, *place))
        orders, items = [], []
        days: dict[Row, list[Any]] = defaultdict(lambda: [0, 0, 0, 0, 0, 0, Decimal(), Decimal()])
        skus: dict[Row, list[Any]] = defaultdict(lambda: [0, 0, 0, 0, 0, Decimal()])
        for candidates in owners.values():
            candidates.sort(key=lambda order: (order["placed"], len(order["id"]), order["id"]))
            order, *others = candidates
            rejects += [("number_reused", *self.newest[o["id"]][0][1:]) for o in others]
            summed = list(lines_of(order))
            orders.append(self._row(order, sum(line[1] for line in summed)))
            items += [(order["no"], *line) for line in summed]
            _add_up(order, summed, days, skus)
        return {
            "orders": sorted(orders, key=repr),
            "items": sorted(items, key=repr),
            "rejects": sorted(rejects),
            "days": sorted((*k, *v) for k, v in days.items() if any(v)),
            "skus": sorted((*k, *v) for k, v in skus.items() if any(v)),
        }

    def _row(self, order: dict[str, Any], pieces: int) -> Row:
        mail = f"shop\0{order['mail']}".encode()
        customer = hmac.digest(self.key, mail, "sha256").hex()[:32]
        return (
            order["no"], order["id"], order["status"], order["placed"], order.get("changed"),
            order["currency"], order["channel"], Decimal(order["total"]), Decimal(order["back"]),
            customer, order["to"], order["street"], order["country"], pieces,
        )  # fmt: skip


def lines_of(order: dict[str, Any]) -> Iterator[Row]:
    """SKU, pieces, title, amount and returned pieces, one row for each SKU."""
    found: dict[str, list[Any]] = {}
    for line in order["lines"]:
        row = found.setdefault(line["sku"], [0, line["title"], Decimal(), None])
        row[0] += line["n"]
        row[2] += Decimal(line["came_to"])
        if "returned" in line:
            row[3] = (row[3] or 0) + line["returned"]
    return ((sku, *row) for sku, row in found.items())


def _add_up(order: dict[str, Any], lines: list[Row], days: Any, skus: Any) -> None:
    day, country, currency = order["placed"][:10], order["country"], order["currency"]
    sold = [line for line in lines if line[1] > 0]
    pieces = sum(line[1] for line in sold)
    known = [line for line in sold if line[4] is not None]
    numbers = (
        1, int(pieces > 0), pieces, sum(line[4] for line in known), sum(line[1] for line in known),
        1, Decimal(order["total"]), Decimal(order["back"]),
    )  # fmt: skip
    row = days[day, country, currency, order["channel"]]
    for place, number in enumerate(numbers):
        row[place] += number
    for sku, count, _, amount, returned in sold:
        row = skus[day, country, currency, sku]
        of_line = (count, 1, returned or 0, 0 if returned is None else count, 1, amount)
        for place, number in enumerate(of_line):
            row[place] += number


QUERIES = {
    "orders": """SELECT h.ordernumber, order_id, status,
        to_char(ordered_at), to_char(modified_at), currency, channel, total, refunded, customer,
        a.name, a.line1, a.country, item_quantity
        FROM order_header AS h JOIN order_address AS a
        ON a.source = h.source AND a.ordernumber = h.ordernumber""",
    "items": "SELECT ordernumber, sku, quantity, title, amount, returned FROM order_item",
    "rejects": "SELECT reason, page, position FROM orderpull_reject",
    "days": """SELECT CAST(day AS VARCHAR), country, currency, channel, sum(orders),
        sum(orders_with_items), sum(quantity), sum(returned), sum(returnable), sum(priced),
        sum(total), sum(refunded) FROM summary_day GROUP BY day, country, currency, channel""",
    "skus": """SELECT CAST(l.day AS VARCHAR), l.country, l.currency, s.sku, sum(l.quantity),
        sum(l.orders), sum(l.returned), sum(l.returnable), sum(l.priced), sum(l.amount)
        FROM summary_line AS l JOIN summary_sku AS s ON s.sku_number = l.sku_number
        GROUP BY l.day, l.country, l.currency, s.sku""",
}


def stored(query: Callable[[str], list[Row]]) -> dict[str, list[Row]]:
    """The same rows of a warehouse, by its function *query*."""
    found = {}
    for name, statement in QUERIES.items():
        sql = statement.replace("to_char(ordered_at)", "ordered_at").replace(
            "to_char(modified_at)", "modified_at"
        )
        rows = [tuple(map(_plain, row)) for row in query(sql)]
        if name in {"days", "skus"}:
            rows = [row for row in rows if any(row[4:])]
        found[name] = sorted(rows, key=repr if name in {"orders", "items"} else None)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return (
            value.quantize(Decimal("0.01")) if value == value.quantize(Decimal("0.01")) else value
        )
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "hour") else value


def hashes(tables: dict[str, list[Row]]) -> dict[str, str]:
    """One hash of each table, for people to compare."""
    return {name: hashlib.md5(repr(rows).encode()).hexdigest() for name, rows in tables.items()}


@dataclass
class Shop:
    """A folder with settings and a landing of this history."""

    folder: Path
    truth: Truth
    landing: LocalSourceLanding

    def land(self, orders: list[dict[str, Any]], *, cut: bool = False) -> None:
        """Land a page. :param cut: half of its last order is missing, and all that follows."""
        texts = [json.dumps(order) for order in orders]
        body = f'{{"orders": [{", ".join(texts)}]}}'
        page = self.landing.next_page()
        if cut:
            body = body[: body.rindex(texts[-1]) + len(texts[-1]) // 2]
            orders = orders[:-1]
            self.truth.fetched += 1
            self.truth.fragments.append(("page_damaged", page, len(orders)))
        land(self.landing, parse_api(API, "long.toml"), body.encode(), page)
        self.truth.add(page, orders)


def new_shop(folder: Path, versions: int, more: str = "") -> Shop:
    """Land *versions* versions of orders below *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "long.toml").write_text(API)
    (folder / "orderpull.toml").write_text(
        f'[sources.shop]\napi = "long.toml"\nbase_url = "http://127.0.0.1:9"\n{more}\n'
    )
    landing = new_landing(folder / "landing")
    shop = Shop(folder, Truth(key_of(landing)), landing)
    for number, orders in enumerate(pages(versions)):
        shop.land(orders, cut=number % 37 == 11)
    return shop
