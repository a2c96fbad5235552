"""What an installation promises at any time."""

from collections import Counter
from decimal import Decimal
from typing import Any

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.destinations.schema import with_literals
from orderpull.landing.expired import expired_pages
from orderpull.landing.forgotten import key_of
from orderpull.landing.protocol import SourceLanding
from orderpull.model import COUNTS
from tests.rollup_oracle import Query, differing
from tests.stateful import money
from tests.stateful.installation import Installation
from tests.stateful.money import Item
from tests.stateful.truth import Expected, Held

_MONEY = "currency, channel, total, discount, shipping, tax, refunded, customer"


def check(at: Installation, *, listed: bool) -> None:
    """Tables, ledger, rollups and landing agree with the truth.

    :param listed: all orders were listed since the shop was changed: what it has is loaded, too.
    """
    landing = at.landing
    at.truth.learn(landing)
    at.settle()
    with at.asked() as query:
        loaded = _check_ledger(at, query)
        expected = at.truth.expected(loaded)
        _check_orders(at, expected, query)
        assert differing(query, "UTC") == []
        check_revenue(query)
    _check_landing(at, landing, loaded, expected)
    if listed:
        _check_shop(at, expected)


def _check_ledger(at: Installation, query: Query) -> set[int]:
    """Counts add up, for each page and run. :return: the pages in it."""
    truth = at.truth
    pages = query(f"SELECT page, {', '.join(COUNTS)} FROM orderpull_page")
    assert len(pages) == len({page for page, *_ in pages})
    for page, fetched, *outcomes in pages:
        assert fetched == sum(outcomes), page
        assert page in truth.listings or fetched == len(truth.orders[page]), page
    wrong = f"SELECT run FROM orderpull_run WHERE {COUNTS[0]} <> {' + '.join(COUNTS[1:])}"
    assert query(wrong) == []
    return {page for page, *_ in pages}


def _check_orders(at: Installation, expected: Expected, query: Query) -> None:
    """Each order once, in its newest version, as a set of lines; nobody who is forgotten."""
    headers = query(f"SELECT ordernumber, order_id, status, counted, {_MONEY} FROM order_header")
    assert sorted(row[:4] for row in headers) == sorted(h.header for h in expected.held.values())
    addresses = query("SELECT ordernumber, country, city, line1, name FROM order_address")
    assert len(addresses) == len(headers)
    for number, country, city, line, name in addresses:
        to = expected.held[number].order["to"]
        assert (country, city) == (to["country"], to["city"])
        if number in at.forgotten:
            assert (line, name) == (None, None), number
        elif number not in at.begun or name is not None:
            assert (line, name) == (to["line"], to["name"]), number
    items: dict[str, dict[str, Item]] = {}
    for number, sku, *item in query(
        "SELECT ordernumber, sku, quantity, title, amount, returned FROM order_item"
    ):
        assert sku not in items.setdefault(number, {})
        items[number][sku] = Item(*item)
    assert set(items) <= {number for number, *_ in headers}
    refilling, landed = _is_refilling(at, query), {*at.landing.pages()}
    for number, _, _, _, *told in headers:
        held = expected.held[number]
        as_told = (*told[:-1], items.get(number, {}))
        if as_told == (*money.header(held.order), held.items):
            at.truth.hollow.pop(number, None)
            _check_customer(at, held, told[-1])
            continue
        bare = {sku: Item(item.quantity) for sku, item in held.items.items()}
        assert (*as_told[:3], bare) == (*money.header(held.order)[:3], items.get(number, {}))
        assert {*told[3:]} == {None}, number
        assert number in at.truth.hollow
        assert refilling or at.truth.may_be_hollow(number, held, landed), number
    rejects = query("SELECT ordernumber, page FROM orderpull_reject")
    assert sorted(rejects) == sorted(expected.rejects.items())
    if not at.truth.mended:  # what a retry or a replay brings in counts for no page
        inserted = query("SELECT coalesce(sum(inserted), 0) FROM orderpull_page")
        assert inserted == [(len(headers),)]


def _is_refilling(at: Installation, query: Query) -> bool:
    """True while pages are still to be shaped again; not if their orders are all seen to be."""
    if not at.truth.hollow:
        return False
    noted = query("SELECT refill_from FROM orderpull_cursor WHERE refill_from IS NOT NULL")
    return bool(noted)


def _check_customer(at: Installation, held: Held, customer: str | None) -> None:
    """An order tells its customer by a keyed hash alone, and never that of a forgotten one."""
    number = held.order["no"]
    if number in at.forgotten:
        assert customer is None
    elif number not in at.begun or customer is not None:
        assert customer == money.customer_hash(held.order, key_of(at.landing))


def check_revenue(query: Query) -> None:
    """The view of revenue tells what the counted orders come to, for each currency."""
    sums: dict[str | None, list[Any]] = {}
    for currency, total in query("SELECT currency, total FROM order_header WHERE counted"):
        if total is not None:
            found = sums.setdefault(currency, [Decimal(), 0])
            found[0] += total
            found[1] += 1
    told = query("SELECT currency, amount, orders FROM revenue")
    assert {c: [Decimal(str(amount)), orders] for c, amount, orders in told} == sums


def check_customers(at: Installation) -> None:
    """New and returning customers are told as plain Python counts them."""
    first: dict[str, Any] = {}
    rows = at.place.query("SELECT customer, ordered_at FROM order_header WHERE counted")
    for customer, placed in rows:
        if customer is not None:
            first[customer] = min(first.get(customer, placed), placed)
    new = Counter(customer for customer, placed in rows if placed == first.get(customer))
    later = Counter(c for c, placed in rows if c is not None and placed > first[c])
    told = at.place.query(with_literals(OrderQueries().customers(Filter()), at.place.kind))
    assert told == [(
        len(first), len(new), new.total(), len(later), later.total(),
        len(rows) - new.total() - later.total(),
    )]  # fmt: skip


def _check_landing(
    at: Installation, landing: SourceLanding, loaded: set[int], expected: Expected
) -> None:
    """A page is landed, or was loaded and deleted on purpose."""
    landed, expired = {*landing.pages()}, expired_pages(landing)
    assert landed <= at.truth.pages
    gone = at.truth.pages - landed
    assert gone <= loaded
    assert all(page in expired for page in gone)
    assert {*expected.rejects.values()} <= landed


def _check_shop(at: Installation, expected: Expected) -> None:
    """What the shop has is what was loaded."""
    seen = at.shop.orders.values()
    good = {order["no"]: order for order in seen if at.truth.is_good(order)}
    for number, order in good.items():
        held = expected.held[number]
        told = (money.header(held.order), held.items, held.header[2])
        assert told == (money.header(order), money.items(order), order["state"])
    here = {order["no"] for order in seen}
    assert {n for n, held in expected.held.items() if not held.deleted} <= here
    assert {order["no"] for order in seen if order["no"] not in good} <= {*expected.rejects}
