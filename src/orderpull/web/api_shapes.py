"""JSON shapes of the API. Their docstrings are the descriptions in ``/api/openapi.json``."""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from orderpull.web.totals import Amount, Count, Filtered, Totals

Rank = Annotated[int, Meta(ge=1)]
Instant = Annotated[datetime, Meta(tz=True)]


class Compared(Filtered):
    """The totals, and the totals of the period before if there is one.

    ``before_until`` is the time at which it ends, if this period was not read to its end.
    ``before`` is null if that period begins before ``data_begins``, the day of the first order.
    ``undated`` is the number of orders without a date, which belong to no period.
    """

    totals: Totals
    first_day: date | None
    last_day: date | None
    before: Totals | None
    before_first_day: date | None
    before_last_day: date | None
    before_until: Instant | None
    data_begins: date | None
    undated: Count


class Country(Struct):
    """Sales to one country; null stands for orders without a country."""

    rank: Rank
    country: str | None
    orders: Count
    items: Count


class Channel(Struct):
    """Sales over one channel; null stands for orders without a channel."""

    rank: Rank
    channel: str | None
    orders: Count
    items: Count


class Channels(Filtered):
    """All channels, largest first; empty if no order of the warehouse has one."""

    rows: list[Channel]


class Customers(Filtered):
    """New and returning customers, and their orders.

    An order is of a returning customer if the same customer of the same source has an earlier
    counted order. ``unknown_orders`` tell no customer or no date.
    """

    customers: Count
    new_customers: Count
    new_orders: Count
    returning_customers: Count
    returning_orders: Count
    unknown_orders: Count


class Countries(Filtered):
    """All countries, largest first."""

    rows: list[Country]


class Sku(Struct):
    """Sales of one SKU, with its rank among all SKUs of the selected orders."""

    rank: Rank
    sku: str
    quantity: Count
    orders: Count
    title: str | None = None
    returned: Count | None = None
    revenue: list[Amount] = []


class PopularSkus(Filtered):
    """The best-selling SKUs."""

    rows: list[Sku]


class Skus(Filtered):
    """All SKUs, page by page."""

    skus: Count
    page: Rank
    pages: Count
    rows: list[Sku]


class CountrySku(Sku, kw_only=True):
    """Sales of one SKU in one country, with its rank in the country."""

    country: str | None


class PopularSkusByCountry(Filtered):
    """The best-selling SKUs of each country."""

    rows: list[CountrySku]


class Order(Struct):
    """An order, and the quantity of the SKU in it."""

    source: str
    ordernumber: str
    ordered_at: Instant | None
    country: str | None
    quantity: Count


class Orders(Filtered):
    """The orders with a SKU, newest first, page by page."""

    orders: Count
    quantity: Count
    page: Rank
    pages: Count
    rows: list[Order]


class Run(Struct):
    """One source's part in one run."""

    run: int
    source: str
    command: str
    started_at: Instant | None
    finished_at: Instant | None
    pulled_at: Instant | None
    pages: Count
    fetched: Count
    inserted: Count
    updated: Count
    unchanged: Count
    stale: Count
    rejected: Count
    possible_loss: Count
    error: str | None


class Runs(Struct):
    """The last runs, newest first."""

    rows: list[Run]


class Rejects(Struct):
    """The number of rejected orders of a source for one reason, and what to do about them."""

    source: str
    reason: str
    rejects: Count
    newest: Instant | None
    to_do: str


class RejectsByReason(Struct):
    """The open rejects by source and reason."""

    rows: list[Rejects]


class SourceStanding(Struct):
    """Time at which a source was last read to its end."""

    source: str
    pulled_at: Instant | None


class Standing(Struct):
    """Freshness and completeness of the answers. ``warnings`` need a person's attention."""

    last_pulled: Instant | None
    complete_through: Instant | None
    next_pull: Instant | None
    rejected: Count
    warnings: list[str]
    sources: list[SourceStanding]


class Problem(Struct):
    """An error, and a hint what to do."""

    error: str
    hint: str
