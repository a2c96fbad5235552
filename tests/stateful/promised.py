"""What an installation promises at any time."""

from orderpull.landing.expired import expired_pages
from orderpull.landing.protocol import SourceLanding
from orderpull.model import COUNTS
from tests.rollup_oracle import Query, differing
from tests.stateful.installation import Installation
from tests.stateful.truth import Expected


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
    headers = query("SELECT ordernumber, order_id, status, counted FROM order_header")
    assert sorted(headers) == sorted(each.header for each in expected.held.values())
    addresses = query("SELECT ordernumber, country, city, line1, name FROM order_address")
    assert len(addresses) == len(headers)
    for number, country, city, line, name in addresses:
        to = expected.held[number].order["to"]
        assert (country, city) == (to["country"], to["city"])
        if number in at.forgotten:
            assert (line, name) == (None, None), number
        elif number not in at.begun or name is not None:
            assert (line, name) == (to["line"], to["name"]), number
    items: dict[str, dict[str, int]] = {}
    for number, sku, quantity in query("SELECT ordernumber, sku, quantity FROM order_item"):
        assert sku not in items.setdefault(number, {})
        items[number][sku] = quantity
    assert items == {n: held.items for n, held in expected.held.items() if held.items}
    rejects = query("SELECT ordernumber, page FROM orderpull_reject")
    assert sorted(rejects) == sorted(expected.rejects.items())
    if not at.truth.mended:  # what a retry or a replay brings in counts for no page
        inserted = query("SELECT coalesce(sum(inserted), 0) FROM orderpull_page")
        assert inserted == [(len(headers),)]


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
        assert (held.order["lines"], held.header[2]) == (order["lines"], order["state"])
    here = {order["no"] for order in seen}
    assert {n for n, held in expected.held.items() if not held.deleted} <= here
    assert {order["no"] for order in seen if order["no"] not in good} <= {*expected.rejects}
