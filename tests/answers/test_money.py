"""Revenue, returns, customers, channels and titles: from orders, from rollups, and recounted."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orderpull.answers.choose import load_rollups
from orderpull.answers.conversion import Conversion, LocalDays
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.skus import Measure
from orderpull.days import midnight
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Kind, Reader
from orderpull.model import NO_SKU
from tests.warehouses import KINDS, Warehouse, warehouse

pytestmark = pytest.mark.slow

BERLIN = ZoneInfo("Europe/Berlin")
COUNTRIES = ("DE", "US", "Ö", None)
CURRENCIES = ("EUR", "USD", "JPY", None)
CHANNELS = ("web", "pos", None)
SKUS = ("PEN", "pen", "É", "a%b_c", "Z", "(no sku)")
FACTORS = {
    (day, currency): Decimal(text) + Decimal(day.day) / 1_000_000
    for day in (date(2025, 10, 26), date(2026, 3, 28), date(2026, 3, 29), date(2026, 4, 15))
    for currency, text in (("USD", "0.9123456789"), ("JPY", "0.006123"))
}
"""Rates of some days only: other amounts stay as they are."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A line of an order, with all that the answers read of the order."""

    source: str
    number: str
    counted: bool
    placed: datetime | None
    country: str | None
    channel: str | None
    currency: str | None
    total: Decimal | None
    customer: str | None
    sku: str | None = None
    quantity: int = 0
    title: str | None = None
    amount: Decimal | None = None
    returned: int | None = None

    @property
    def order(self) -> tuple[str, str]:
        return self.source, self.number

    @property
    def day(self) -> date | None:
        return self.placed and self.placed.replace(tzinfo=UTC).astimezone(BERLIN).date()


@cache
def some_lines() -> list[Line]:
    """Random orders of two sources: edits left lines of no pieces, some amounts are not known."""
    chance = random.Random(17)
    middles = [datetime(2026, 3, 29), datetime(2025, 10, 26), datetime(2026, 4, 15)]
    lines = []
    for index in range(240):
        tells = chance.random() < 0.8
        order = Line(
            chance.choice("ab"),
            str(index),
            chance.random() > 0.15,
            None
            if chance.random() < 0.1
            else chance.choice(middles) + timedelta(minutes=chance.randint(-3000, 3000)),
            chance.choice(COUNTRIES),
            chance.choice(CHANNELS),
            chance.choice(CURRENCIES),
            money(chance) if tells else None,
            None if chance.random() < 0.2 else f"customer {chance.randint(1, 60)}",
        )
        skus = chance.sample(SKUS, chance.randint(0, 3))
        lines += [order] if not skus else []
        for sku in skus:
            quantity = chance.choice((0, 1, 1, 2, 7))
            lines.append(
                replace(
                    order,
                    sku=sku,
                    quantity=quantity,
                    title=chance.choice((None, f"{sku} in red", f"{sku} in Blue")),
                    amount=money(chance) if tells and chance.random() < 0.9 else None,
                    returned=chance.randint(0, quantity) if chance.random() < 0.7 else None,
                )
            )
    return lines


def money(chance: random.Random) -> Decimal:
    return Decimal(chance.randint(0, 500_000)) / chance.choice((1, 100, 10_000))


def literal(value: object) -> str:
    if value is None or isinstance(value, bool | int | Decimal):
        return "NULL" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"


def insert(place: Warehouse, lines: list[Line]) -> None:
    """Write *lines* into the tables."""
    orders = {line.order: line for line in lines}.values()
    rows: dict[str, list[tuple[object, ...]]] = {
        "order_header (source, ordernumber, order_id, counted, ordered_at, channel, currency, "
        "total, customer)": [
            (o.source, o.number, o.number, o.counted, o.placed, o.channel, o.currency, o.total,
             o.customer) for o in orders
        ],
        "order_address (source, ordernumber, country)": [
            (o.source, o.number, o.country) for o in orders
        ],
        "order_item (source, ordernumber, sku, quantity, title, amount, returned)": [
            (line.source, line.number, line.sku, line.quantity, line.title, line.amount,
             line.returned) for line in lines if line.sku
        ],
    }  # fmt: skip
    for table, some in rows.items():
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in some)
        place.query(f"INSERT INTO {table} VALUES {values}")


@dataclass
class Sold:
    """A warehouse of *some_lines* with rollups, and the queries and filters that it is asked by."""

    reader: Reader
    ways: list[OrderQueries]
    filters: tuple[Filter, ...]


@pytest.fixture(scope="module", params=KINDS)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sold]:
    """Each kind of warehouse; the servers are asked less, because the queries are the same."""
    kind: Kind = request.param
    with warehouse(kind, tmp_path_factory.mktemp("sold") / "here") as place:
        settings = place.settings("http://127.0.0.1:9")
        destination = open_destination(settings.destination, place.folder, BERLIN.key)
        destination.preflight()
        insert(place, some_lines())
        with destination.loader():  # makes the rollups, since it finds none
            pass
        destination.publish(finished=True)
        with destination.reader() as reader:
            rollups = load_rollups(reader, BERLIN)
            assert rollups is not None
            ways = [OrderQueries(), rollups]
            ways += [replace(queries, conversion=conversion()) for queries in ways]
            chosen = {
                "duckdb": (0, 1, 2, 3),
                "postgresql": (1, 2),
                "redshift": (0, 3),
                "iceberg": (1,),
            }[kind]
            filters = FILTERS if kind == "duckdb" else FILTERS[2:5]
            yield Sold(reader, [ways[index] for index in chosen], filters)


FILTERS = (
    Filter(),
    Filter(countries=("DE", None), sources=("a",)),
    Filter(since=midnight(date(2025, 10, 20), BERLIN), until=midnight(date(2026, 3, 30), BERLIN)),
    Filter(since=midnight(date(2026, 3, 28), BERLIN), countries=("US", "Ö")),
    Filter(until=midnight(date(2026, 3, 29), BERLIN), channels=("web", None)),
    Filter(channels=("pos",)),
)


@cache
def selected(where: Filter) -> list[Line]:
    """The counted lines that *where* selects."""
    return [
        line
        for line in some_lines()
        if line.counted
        and (not where.countries or line.country in where.countries)
        and (not where.sources or line.source in where.sources)
        and (not where.channels or line.channel in where.channels)
        and (where.since is None or (line.placed and line.placed >= where.since))
        and (where.until is None or (line.placed and line.placed < where.until))
    ]


def sums(lines: list[Line], *by: str, amount: str, converted: bool = False) -> list[Row]:
    """Amount and number of priced orders for each group and currency, as the answers define it."""
    kept: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    exchanged: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    orders: dict[tuple[Any, ...], int] = defaultdict(int)
    for line in lines:
        value = getattr(line, amount)
        if value is None:
            continue
        group, currency = tuple(getattr(line, name) for name in by), line.currency
        factor = FACTORS.get((line.day, currency)) if converted else None  # type: ignore[arg-type]
        if factor is not None:
            currency = "EUR"
            exchanged[*group, currency] += value * factor
        else:
            kept[*group, currency] += value
        orders[*group, currency] += 1
    cent = Decimal("0.01")
    return [
        {
            **dict(zip((*by, "currency"), key, strict=True)),
            "amount": kept[key] + exchanged[key].quantize(cent, ROUND_HALF_UP),
            "orders": count,
        }
        for key, count in orders.items()
    ]


def sold(where: Filter) -> list[Line]:
    return [line for line in selected(where) if line.quantity]


@cache
def newest_titles() -> dict[str, str]:
    """The title of each SKU: of its newest order that has one, then the last in byte order."""
    newest: dict[str, tuple[datetime, bytes]] = {}
    for line in some_lines():
        if line.title and line.sku and line.sku != NO_SKU:
            title = (line.placed or datetime(1, 1, 1), line.title.encode())
            newest[line.sku] = max(newest.get(line.sku, title), title)
    return {sku: title.decode() for sku, (_, title) in newest.items()}


def text_of(rows: list[Row]) -> list[str]:
    """*rows* in an order of their own, to compare with others."""
    return sorted(str({key: _plain(row[key]) for key in sorted(row)}) for row in rows)


def _plain(value: object) -> object:
    return value.normalize() if isinstance(value, Decimal) else value


def conversion() -> Conversion:
    """Dollars and yens to euros, on some days."""
    factors = tuple((day, currency, factor) for (day, currency), factor in FACTORS.items())
    around = datetime(2025, 10, 1), datetime(2026, 5, 1)
    return Conversion("EUR", LocalDays(BERLIN, *around), factors)


def test_money_equals_a_recount(shop: Sold) -> None:
    """Revenue and SKU revenue in total, by country, channel, source and day."""
    by_day, reader = (BERLIN, datetime(2025, 10, 1), datetime(2026, 5, 1)), shop.reader
    for queries, where in product(shop.ways, shop.filters):
        converted = queries.conversion is not None
        orders = list({line.order: line for line in selected(where)}.values())
        asked: dict[tuple[str, ...], Any] = {
            (): queries.revenue(where),
            ("country",): queries.revenue_by_country(where),
            ("channel",): queries.revenue_by_channel(where),
            ("source",): queries.revenue_by_source(where),
            ("day",): queries.revenue_by_day(where, *by_day),
        }
        for by, query in asked.items():
            found = reader.rows(query)
            averages = [(row, row.pop("average_order_value")) for row in found]
            assert all(
                average == pytest.approx(float(row["amount"] / row["orders"]))
                for row, average in averages
            )
            recounted = sums(orders, *by, amount="total", converted=converted)
            assert text_of(found) == text_of(recounted)
        lines = sold(where)
        for skus in ((), ("PEN", "Z", "nothing")):
            some = [line for line in lines if not skus or line.sku in skus]
            for by, query in (
                (("sku",), queries.sku_revenue(where, skus)),
                (("country", "sku"), queries.sku_revenue_by_country(where, skus)),
            ):
                recounted = sums(some, *by, amount="amount", converted=converted)
                assert text_of(reader.rows(query)) == text_of(recounted)


@pytest.mark.parametrize("measure", ["items", "orders", "revenue"])
def test_rankings_equal_a_recount(shop: Sold, measure: Measure) -> None:
    """By items, orders, and revenue: each with ties by SKU; by revenue for each currency."""
    reader = shop.reader
    for queries, where in product(shop.ways, shop.filters):
        converted = queries.conversion is not None
        if converted and measure != "revenue":
            continue  # The same queries as without a conversion.
        lines = sold(where)
        whole = ranked(lines, measure, converted=converted)
        assert text_of(reader.rows(queries.popular_sku(where, None, measure))) == text_of(whole)
        top = [row for row in whole if row["rank"] <= 2]
        assert text_of(reader.rows(queries.popular_sku(where, 2, measure))) == text_of(top)
        if measure != "revenue":
            pages = [queries.search_popular_sku(where, "", 2, n, measure) for n in (0, 2, 4)]
            found = [row for page in pages for row in reader.rows(page)]
            assert found == sorted(whole, key=lambda row: row["rank"])
        for text in ("pen", "BLUE", "%"):
            match = [row for row in whole if text.lower() in f"{row['sku']} {row['title']}".lower()]
            found = reader.rows(queries.search_popular_sku(where, text, by=measure))
            assert text_of(found) == text_of(match)
            assert [row["rank"] for row in found] == [row["rank"] for row in in_order(match)]
            skus = len({line.sku for line in lines} & {row["sku"] for row in match})
            if measure == "items":
                assert reader.rows(queries.count_skus(where, text)) == [{"skus": skus}]
        by_country = [
            {"country": country, **row}
            for country in {line.country for line in lines}
            for row in ranked([line for line in lines if line.country == country], measure,
                              converted=converted)
        ]  # fmt: skip
        if measure == "revenue":
            amounts = {row["currency"]: Decimal() for row in whole}
            for row in by_country:
                amounts[row["currency"]] += row["amount"]
            for row in by_country:
                row["currency_amount"] = amounts[row["currency"]]
        found = reader.rows(queries.popular_sku_by_country(where, None, measure))
        assert text_of(found) == text_of(by_country)
        found = reader.rows(queries.popular_sku_by_country(where, 2, measure))
        assert text_of(found) == text_of([row for row in by_country if row["rank"] <= 2])


def in_order(rows: list[Row]) -> list[Row]:
    """*rows* as they are shown: the currency with the largest amount first, then by rank."""
    if not rows or "currency" not in rows[0]:
        return sorted(rows, key=lambda row: row["rank"])
    return sorted(
        rows, key=lambda r: (-r["currency_amount"], r["currency"] is None, r["currency"], r["rank"])
    )


def ranked(lines: list[Line], measure: Measure, *, converted: bool) -> list[Row]:
    """The ranking of *lines*; by revenue one for each currency."""
    if measure != "revenue":
        return _ranked(lines, measure)
    groups: dict[str | None, list[Line]] = defaultdict(list)
    for line in lines:
        known = converted and (line.day, line.currency) in FACTORS
        groups["EUR" if known else line.currency].append(line)
    rows = []
    for currency, some in groups.items():
        amounts = {
            row["sku"]: row["amount"]
            for row in sums(some, "sku", amount="amount", converted=converted)
        }
        rows += [
            {**row, "currency": currency, "amount": amounts[row["sku"]],
             "currency_amount": sum(amounts.values(), Decimal())}
            for row in _ranked(some, measure, amounts)
        ]  # fmt: skip
    return rows


def _ranked(
    lines: list[Line], measure: Measure, amounts: dict[str, Decimal] | None = None
) -> list[Row]:
    """The rows of one ranking. :param amounts: those of the SKUs that are ranked by revenue."""
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if amounts is None or line.sku in amounts:
            groups[line.sku or ""].append(line)
    values: dict[str, Any] = {
        sku: {"items": sum(line.quantity for line in some), "orders": len(some)}
        | {"revenue": (amounts or {}).get(sku)}
        for sku, some in groups.items()
    }
    order = sorted(groups, key=lambda sku: (-values[sku][measure], sku.encode()))
    rows = []
    for rank, sku in enumerate(order, start=1):
        returned = [each.returned for each in groups[sku] if each.returned is not None]
        rows.append({
            "sku": sku, "quantity": values[sku]["items"], "orders": values[sku]["orders"],
            "rank": rank, "title": newest_titles().get(sku),
            "returned": sum(returned) if returned else None,
        })  # fmt: skip
    return rows


def test_channels_returns_and_single_skus(shop: Sold) -> None:
    """The table of channels, the returned share, and the numbers of a SKU's page."""
    by_day, reader = (BERLIN, datetime(2025, 10, 1), datetime(2026, 5, 1)), shop.reader
    for queries, where in product(shop.ways, shop.filters):
        lines = selected(where)
        channels = {line.channel for line in lines}
        assert text_of(reader.rows(queries.sales_by_channel(where))) == text_of([
            {"channel": channel,
             "orders": len({line.order for line in lines if line.channel == channel}),
             "items": sum(line.quantity for line in lines if line.channel == channel)}
            for channel in channels
        ])  # fmt: skip
        told = [line for line in sold(where) if line.returned is not None]
        returned = sum(line.returned or 0 for line in told)
        assert reader.rows(queries.returned(where)) == [
            {"returned": returned, "returnable": sum(line.quantity for line in told)}
        ]
        row = {k: v for query in queries.totals(where) for k, v in reader.rows(query)[0].items()}
        assert {k: v for k, v in row.items() if k not in {"first", "last"}} == {
            "orders": len({line.order for line in lines}),
            "orders_with_items": len({line.order for line in sold(where)}),
            "items": sum(line.quantity for line in lines),
            "countries": len({line.country for line in lines} - {None}),
            "returned": returned,
            "returnable": sum(line.quantity for line in told),
        }
        pens = [line for line in sold(where) if line.sku == "PEN"]
        for by, query in (
            ((), queries.sku_by_currency(where, "PEN")),
            (("country",), queries.sku_by_country(where, "PEN")),
            (("channel",), queries.sku_by_channel(where, "PEN")),
            (("day",), queries.sku_by_day(where, "PEN", *by_day)),
        ):
            found = reader.rows(query)
            amounts = sums(pens, *by, amount="amount", converted=queries.conversion is not None)
            names = (*by, "currency", "amount")
            priced = [
                {name: row[name] for name in (*names, "priced")} for row in found if row["priced"]
            ]
            assert text_of(priced) == text_of(
                [
                    {**{name: row[name] for name in names}, "priced": row["orders"]}
                    for row in amounts
                ]
            )
            assert sum(row["orders"] for row in found) == len(pens)
            assert sum(row["quantity"] for row in found) == sum(line.quantity for line in pens)
        known = [line for line in pens if line.returned is not None]
        assert reader.rows(queries.sku_totals(where, "PEN")) == [
            {"orders": len(pens), "quantity": sum(line.quantity for line in pens),
             "returned": sum(line.returned or 0 for line in known),
             "returnable": sum(line.quantity for line in known)}
        ]  # fmt: skip


def test_customers_equal_a_recount(shop: Sold) -> None:
    """Who bought before is returning, also where the filter leaves the earlier order out."""
    orders = {line.order: line for line in some_lines() if line.counted}.values()
    first: dict[tuple[str, str], datetime] = {}
    for order in orders:
        if order.customer and order.placed:
            key = (order.source, order.customer)
            first[key] = min(first.get(key, order.placed), order.placed)
    for where in shop.filters:
        mine = {line.order: line for line in selected(where)}.values()
        known = [(o.placed, (o.source, o.customer)) for o in mine if o.customer and o.placed]
        new = [who for placed, who in known if placed == first[who]]
        later = [who for placed, who in known if placed > first[who]]
        assert shop.reader.rows(OrderQueries().customers(where)) == [{
            "customers": len({*new, *later}),
            "new_customers": len(set(new)),
            "new_orders": len(new),
            "returning_customers": len(set(later)),
            "returning_orders": len(later),
            "unknown_orders": len(mine) - len(known),
        }]  # fmt: skip
