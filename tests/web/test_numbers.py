"""Every number of the pages equals what plain SQL finds, under random filters."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.from_rollups import RollupQueries
from orderpull.days import midnight
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Destination, Kind
from orderpull.web.context import QueryContext
from orderpull.web.movers import Movers, read_movers
from orderpull.web.overview import Overview, read_overview
from orderpull.web.question import SORTS, Question
from orderpull.web.skus import read_by_country
from orderpull.web.totals import Totals
from tests.warehouses import Warehouse, warehouse
from tests.web.shop import Order, Rows, rows_of

pytestmark = pytest.mark.slow

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 4, 20)
COUNTRIES = ["DE", "US", "Ö", "d e", None]
SKUS = ["PEN", "pen", "Pen ", "É", "'; DROP TABLE order_item; --", "a%b_c", "back\\slash", "Z"]


@dataclass
class Shop:
    """A warehouse with random orders. :param summed: whether it has summaries."""

    place: Warehouse
    destination: Destination
    summed: bool


def some_orders() -> list[Order]:
    """Orders around the days in 2025 and 2026 on which Berlin's clocks change."""
    chance = random.Random(8)
    middles = [datetime(2026, 3, 29), datetime(2025, 10, 26), datetime(2026, 4, 15)]
    return [
        Order(
            str(index),
            chance.choice(COUNTRIES),
            {chance.choice(SKUS): chance.randint(0, 5) for _ in range(chance.randint(0, 3))},
            None
            if chance.random() < 0.1
            else chance.choice(middles) + timedelta(minutes=chance.randint(-4000, 4000)),
            chance.choice(["a", "b"]),
            chance.random() > 0.15,
        )
        for index in range(160)
    ]


def insert(place: Warehouse, rows: Rows) -> None:
    for table, some in rows.items():
        if not some:
            continue
        values = ", ".join(f"({', '.join(map(literal, row.values()))})" for row in some)
        place.query(f"INSERT INTO {table} ({', '.join(some[0])}) VALUES {values}")


def literal(value: object) -> str:
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"


CASES = [(kind, summed) for kind in get_args(Kind) for summed in (True, False)]


@pytest.fixture(
    scope="module",
    params=CASES,
    ids=[f"{kind}-{'summaries' if summed else 'orders'}" for kind, summed in CASES],
)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    kind, summed = request.param
    with warehouse(kind, tmp_path_factory.mktemp("shop") / "here") as place:
        settings = place.settings("http://127.0.0.1:9")
        destination = open_destination(settings.destination, place.folder, BERLIN.key)
        destination.preflight()
        insert(place, rows_of(some_orders()))
        if summed:
            with destination.loader():  # makes the summaries, since it finds none
                pass
        destination.publish(finished=True)
        yield Shop(place, destination, summed)


questions = st.builds(
    Question,
    countries=st.lists(st.sampled_from(COUNTRIES), max_size=3, unique=True).map(tuple),
    sources=st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True).map(tuple),
    period=st.just("custom"),
    since=st.none() | st.dates(date(2025, 10, 20), date(2026, 4, 1)),
    until=st.none() | st.dates(date(2026, 3, 25), date(2026, 4, 20)),
    top=st.integers(1, 9),
    search=st.sampled_from(["", "", "pen", "%", "_", "\\", "'", "É", "nothing"]),
    by=st.sampled_from(["", "day", "week", "month", "year"]),
    measure=st.sampled_from(["items", "orders"]),
    every=st.booleans(),
    compare=st.sampled_from(["before", "before", "year"]),
    sort=st.sampled_from(SORTS),
).filter(lambda q: not (q.since and q.until) or q.since <= q.until)


def recounted(shop: Shop, question: Question, *, countries: bool = True) -> list[tuple[Any, ...]]:
    """(source, number, country, local day, sku, quantity, time) of each item, by plain SQL."""
    wanted = ["h.counted"]
    local = f"timezone('{BERLIN.key}', timezone('UTC', h.ordered_at))"
    if question.sources:
        wanted.append(f"h.source IN ({', '.join(map(literal, question.sources))})")
    if countries and question.countries:
        any_of = [f"a.country = {literal(c)}" for c in question.countries if c is not None]
        any_of += ["a.country IS NULL"] if None in question.countries else []
        wanted.append(f"({' OR '.join(any_of)})")
    if question.since:
        wanted.append(f"CAST({local} AS DATE) >= DATE '{question.since}'")
    if question.until:
        wanted.append(f"CAST({local} AS DATE) <= DATE '{question.until}'")
    return shop.place.query(
        f"SELECT h.source, h.ordernumber, a.country, CAST({local} AS DATE), i.sku, i.quantity, "
        "h.ordered_at "
        "FROM order_header h "
        "JOIN order_address a ON a.source = h.source AND a.ordernumber = h.ordernumber "
        "LEFT JOIN order_item i ON i.source = h.source AND i.ordernumber = h.ordernumber "
        "AND i.quantity > 0 "
        f"WHERE {' AND '.join(wanted)}"
    )


def without_a_date(shop: Shop, question: Question) -> int:
    """Counted orders of the sources that a period leaves out; none where there is no period."""
    named = ", ".join(map(literal, question.sources or ("a", "b")))
    ((orders,),) = shop.place.query(
        "SELECT count(*) FROM order_header "
        f"WHERE counted AND ordered_at IS NULL AND source IN ({named})"
    )
    return int(orders) if question.since or question.until else 0


def sums(lines: list[tuple[Any, ...]], place: int) -> dict[Any, tuple[int, int]]:
    """Orders and items by what stands at *place*."""
    orders: dict[Any, set] = defaultdict(set)
    pieces: dict[Any, int] = defaultdict(int)
    for line in lines:
        orders[line[place]].add(line[:2])
        pieces[line[place]] += line[5] or 0
    return {key: (len(numbers), pieces[key]) for key, numbers in orders.items()}


def ranked(lines: list[tuple[Any, ...]], question: Question) -> list[tuple[Any, ...]]:
    """(rank, sku, quantity, orders), the searched ones of all."""
    by_sku = sums([line for line in lines if line[4] is not None], 4)
    place = 0 if question.measure == "orders" else 1
    order = sorted(by_sku, key=lambda sku: (-by_sku[sku][place], sku.encode()))
    rows = [(rank, sku, by_sku[sku][1], by_sku[sku][0]) for rank, sku in enumerate(order, 1)]
    return [row for row in rows if question.search.lower() in row[1].lower()][: question.top]


def told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["rank"], row["sku"], row["quantity"], row["orders"]) for row in rows]


@example(
    question=Question(
        ("DE", "US"), period="custom", since=date(2026, 4, 15), until=date(2026, 4, 16)
    ),
    read=datetime(2026, 4, 16, 10, 17),
)
@given(question=questions, read=st.datetimes(datetime(2026, 3, 1), datetime(2026, 4, 21)))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_number_equals_plain_sql(
    shop: Shop, question: Question, read: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop.destination.reader() as reader:
        context = QueryContext(reader, question, TODAY, BERLIN)
        context.read_until = read
        queries, where = context.queries, context.where
        assert isinstance(queries, RollupQueries) == shop.summed
        page = read_overview(context)
        whole = read_by_country(context)
        skus = reader.rows(queries.count_skus(where, question.search))[0]["skus"]
        pens = reader.rows(queries.sku_totals(where, "PEN"))
        monkeypatch.setattr("orderpull.answers.movers.FLOOR", 4)
        moved = read_movers(context, question.top)
    assert page.undated == without_a_date(shop, question)
    lines = recounted(shop, question)
    assert skus == len(ranked(lines, replace(question, top=len(SKUS))))
    orders, quantity = sums(lines, 4).get("PEN", (0, 0))
    assert pens == [{"orders": orders, "quantity": quantity, "returned": 0, "returnable": 0}]
    check_totals(page.totals, lines)
    check_before(shop, question, page, moved)
    assert told(page.popular) == ranked(lines, question)
    for country in {line[2] for line in lines}:
        rows = [row for row in whole if row["country"] == country]
        assert told(rows) == ranked([line for line in lines if line[2] == country], question)
    for country, rows in page.by_country:
        assert told(rows) == ranked([line for line in lines if line[2] == country], question)
    shown = {country for country, _ in page.by_country}
    assert shown == {line[2] for line in lines}
    anywhere = sums(recounted(shop, question, countries=False), 2)
    assert {r["country"]: (r["orders"], r["items"]) for r in page.countries} == anywhere
    by_day = sums(lines, 3)
    undated = by_day.pop(None, (0, 0))
    assert page.trend.undated == undated[0]
    for bar in page.trend.bars:
        first, last = bar.days.first, bar.days.last
        assert first is not None
        assert last is not None
        days = [by_day.pop(day) for day in list(by_day) if first <= day <= last]
        assert (
            (bar.orders, bar.items) == tuple(map(sum, zip(*days, strict=True))) if days else (0, 0)
        )
    assert by_day == {}


def check_before(shop: Shop, question: Question, page: Overview, moved: Movers) -> None:
    """The period before: cut at the time of day to which the shop was read; none without data."""
    if page.before is None:
        assert moved.rises == moved.falls == []
        return
    earlier = page.before.earlier
    everywhere = recounted(shop, Question(sources=question.sources, period="all"))
    first = min(line[3] for line in everywhere if line[3])
    assert (page.before.totals is None) == (earlier.first < first)
    if page.before.totals:
        lines = recounted(shop, replace(question, since=earlier.first, until=earlier.last))
        until = earlier.until or datetime.max
        lines = [line for line in lines if line[6] < until]
        check_totals(page.before.totals, lines)
        check_movers(question, moved, recounted(shop, question), lines)
        for bar in page.trend.bars:
            first, last = bar.before_first_day, bar.before_last_day
            if first is None or last is None:
                assert bar.before_orders is None
                continue
            beside = [line for line in lines if first <= line[3] <= last]
            assert bar.before_orders == len({line[:2] for line in beside})
            assert bar.before_items == sum(line[5] or 0 for line in beside)
    else:
        assert moved.rises == moved.falls == []


def check_movers(
    question: Question, moved: Movers, now: list[tuple[Any, ...]], before: list[tuple[Any, ...]]
) -> None:
    """Rises and falls of SKUs with four in a period at least, the largest first."""
    place = 0 if question.measure == "orders" else 1
    later, earlier = (
        {sku: both[place] for sku, both in sums(lines, 4).items() if sku is not None}
        for lines in (now, before)
    )
    rows = []
    for sku in {*later, *earlier}:
        new, old = later.get(sku, 0), earlier.get(sku, 0)
        if new != old and max(new, old) >= 4:
            rows.append((sku, new, old, new - old, (new - old) / old if old >= 4 else None))
    rows.sort(key=lambda row: (-abs(row[3]), row[0].encode()))
    if question.sort == "share":
        rows.sort(key=lambda row: (row[4] is None, -abs(row[4] or 0)))
    for listed, sign in ((moved.rises, 1), (moved.falls, -1)):
        expected = [row for row in rows if row[3] * sign > 0][: question.top]
        found = [(m.sku, m.now, m.before, m.change, m.share) for m in listed]
        assert [row[:4] for row in found] == [row[:4] for row in expected]
        assert [row[4] for row in found] == [row[4] and pytest.approx(row[4]) for row in expected]


def check_totals(totals: Totals, lines: list[tuple[Any, ...]]) -> None:
    orders = {line[:2] for line in lines}
    with_items = {line[:2] for line in lines if line[4] is not None}
    items = sum(line[5] or 0 for line in lines)
    assert (totals.orders, totals.orders_with_items) == (len(orders), len(with_items))
    assert totals.items == items
    assert totals.countries == len({line[2] for line in lines} - {None})
    if with_items:
        assert totals.average_items_per_order == pytest.approx(items / len(with_items))
    else:
        assert totals.average_items_per_order is None


def test_the_orders_of_a_sku_and_pages_of_skus(shop: Shop) -> None:
    """Pages together are the whole, each row once, newest first."""
    question = Question(countries=("DE", None), period="all")
    lines = recounted(shop, question)
    where = question.filter(question.days(TODAY), BERLIN)
    with shop.destination.reader() as reader:
        queries = QueryContext(reader, question, TODAY, BERLIN).queries_for(where)
        for sku in SKUS:
            expected = sorted((l[0], l[1], l[2], l[5]) for l in lines if l[4] == sku)  # noqa: E741
            rows: list[dict[str, Any]] = []
            while some := reader.rows(OrderQueries().orders_with_sku(where, sku, 4, len(rows))):
                rows += some
            found = [(r["source"], r["ordernumber"], r["country"], r["quantity"]) for r in rows]
            assert sorted(found, key=str) == sorted(expected, key=str)
            times = [row["ordered_at"] or datetime.min for row in rows]
            assert times == sorted(times, reverse=True)
            count = reader.rows(queries.sku_totals(where, sku))[0]
            pieces = sum(r["quantity"] for r in rows)
            assert (count["orders"], count["quantity"]) == (len(rows), pieces)
        pages = [reader.rows(queries.search_popular_sku(where, "", 3, n)) for n in (0, 3, 6)]
        everything = Question(countries=("DE", None), period="all", top=9)
        assert told([row for page in pages for row in page]) == ranked(lines, everything)[:9]
        assert reader.rows(queries.count_skus(where, "PEN")) == [{"skus": 3}]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/Berlin", date(2026, 3, 29), 23), ("Europe/Berlin", date(2026, 10, 25), 25),
     ("Asia/Kolkata", date(2026, 3, 29), 24), ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
     ("America/Santiago", date(2026, 9, 6), 23), ("UTC", date(2026, 3, 29), 24)],
)  # fmt: skip
def test_a_day_is_its_own_where_clocks_change(
    shop: Shop, zone: str, day: date, hours: float
) -> None:
    """Its first and last second are in it, and it has the hours that it has."""
    local = ZoneInfo(zone)
    begin, end = (midnight(each, local) for each in (day, day + timedelta(days=1)))
    assert (end - begin) == timedelta(hours=hours)
    around = begin - timedelta(days=9), end + timedelta(days=9)
    number = f"{zone} {day}"
    edges = [begin - timedelta(seconds=1), begin, end - timedelta(seconds=1), end]
    orders = [Order(f"{number} {i}", number, {}, at, "edge") for i, at in enumerate(edges)]
    insert(shop.place, rows_of(orders))
    shop.place.query(
        "INSERT INTO orderpull_run (run, source, batches) SELECT count(*) + 1, 'edge', 1 FROM orderpull_run"
    )
    shop.destination.publish(finished=True)
    with shop.destination.reader() as reader:
        rows = reader.rows(OrderQueries().sales_by_day(Filter(countries=(number,)), local, *around))
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    assert {row["day"]: row["orders"] for row in rows} == {before: 1, day: 2, after: 1}
    shop.place.query("DELETE FROM order_header WHERE source = 'edge'")
