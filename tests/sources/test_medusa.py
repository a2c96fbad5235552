"""The built-in ``medusa``, over HTTP, from a shop that goes on selling while it is read."""

from datetime import timedelta
from pathlib import Path

import pytest

from orderpull import pipeline
from orderpull.errors import SettingsError
from orderpull.simulator import Simulator
from orderpull.sources.spec.times import parse_time
from tests.sources.medusa import Medusa, stamped
from tests.sources.shop import SourceShop

pytestmark = pytest.mark.slow

START = 'start = "2020-01-01"\ntoken = "sk_made_up"\n'


def sold_meanwhile(medusa: Medusa) -> None:
    """Seven orders that were served already are changed, and one is new."""
    for number in range(1, 8):
        medusa.change(f"order_{number + 7 * len(medusa.queries)}", 100 + len(medusa.queries))
    medusa.place(1000 + len(medusa.queries))


def test_every_change_is_found_and_the_cursor_is_kept(tmp_path: Path) -> None:
    """Two runs over a busy shop: all orders as they are now; the second asks from the cursor."""
    medusa = Medusa(300, moves=dict.fromkeys((2, 3, 4), sold_meanwhile))
    with Simulator(medusa) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, START, api="medusa")
        first = shop.run_one()
        assert first.error is None
        assert medusa.queries[0]["updated_at[$gte]"] == "2020-01-01T00:00:00.000Z"
        assert {query["limit"] for query in medusa.queries} == {"50"}
        newest = max(stamped(order) for order in medusa.orders.values())
        assert parse_time(first.cursor) == newest
        assert shop.query("SELECT cursor FROM orderpull_cursor") == [(first.cursor,)]

        medusa.change("order_250", 7)
        before = len(medusa.queries)
        second = shop.run_one()
        assert (second.error, second.counts.updated, second.counts.inserted) == (None, 1, 0)
        asked = parse_time(medusa.queries[before]["updated_at[$gte]"])
        assert asked == newest - timedelta(seconds=120)
        assert parse_time(second.cursor) == newest + timedelta(seconds=1)

        medusa.moves = {}
        medusa.queries.clear()
        assert shop.run_one().cursor == second.cursor
        assert len(medusa.queries) == 3  # what the overlap holds, and no more
    now = {str(o["display_id"]): o["items"][0]["quantity"] for o in medusa.orders.values()}
    rows = shop.query("SELECT ordernumber, quantity FROM order_item")
    assert dict(rows) == now
    assert len(rows) == 303


def test_the_total_saves_the_last_request(tmp_path: Path) -> None:
    """Where the answer says that it holds all there is, nothing more is asked."""
    medusa = Medusa(40, moves={})
    with Simulator(medusa) as simulator:
        SourceShop.at(tmp_path, simulator.url, START, api="medusa").pull()
    assert len(medusa.queries) == 1


def test_the_overlap_can_be_set(tmp_path: Path) -> None:
    """Without overlap the next run asks from the cursor itself."""
    medusa = Medusa(40, moves={})
    with Simulator(medusa) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, START + "overlap = 0", api="medusa")
        cursor = shop.run_one().cursor
        medusa.queries.clear()
        shop.run()
    (query,) = medusa.queries
    assert parse_time(query["updated_at[$gte]"]) == parse_time(cursor)


def test_a_run_that_is_cut_short_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """A page a run: the shop is read to its end, and exit 0 each time."""
    medusa = Medusa(300, moves={})
    with Simulator(medusa) as simulator:
        shop = SourceShop.at(
            tmp_path, simulator.url, START + "max_pages = 3\noverlap = 20", api="medusa"
        )
        fetched = [shop.run_one() for _ in range(3)]
        assert [result.error for result in fetched] == [None] * 3
    assert len(shop.orders()) == 300


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('token = "sk_made_up"', "has no start, but its API is read by modification time"),
        ('token = "sk_made_up"\nstart = "yesterday"', "expected a date or an ISO 8601 time"),
        ('start = "2026-01-01"', "has no token, and its API needs one"),
        (
            'token = " "\nstart = "2026-01-01"',
            "token is blank or contains non-printable or non-ASCII characters",
        ),
        (
            'token = "a\\nb"\nstart = "2026-01-01"',
            "token is blank or contains non-printable or non-ASCII characters",
        ),
    ],
)
def test_settings_that_do_not_fit_are_told_before_anything_is_asked(
    tmp_path: Path, more: str, said: str
) -> None:
    """No start, no token: a sentence with the source's name, and not one connection."""
    with Simulator(Medusa(10, moves={})) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, more, api="medusa")
        with pytest.raises(SettingsError, match=said) as caught:
            pipeline.run(shop.settings)
    assert "[sources.shop]" in str(caught.value)
    assert "sk_made_up" not in str(caught.value)
    assert simulator.connections == 0
