"""The tables, declared once; DDL, loading and checks derive from this module.

The module imports no library, so that a run on a current schema needs no SQL toolkit. Each
destination maps the types to its own.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

SCHEMA_VERSION = 5
"""Version of the tables, raised by one with each change; see ``destinations/schema.py``."""

NO_SKU = "(no sku)"
"""The SKU under which lines without one are counted."""

NO_COUNTRY = "(no country)"
"""Label of a missing country in answers; the tables have NULL."""

NO_CHANNEL = "(no channel)"
"""Label of a missing channel in answers; the tables have NULL."""

NO_DAY = date(1, 1, 1)
"""The day of orders without a valid time in the summaries."""

MAX_QUANTITY = 2**53
"""The largest valid quantity: up to this number every JSON reader is exact."""

MAX_TITLE = 255
"""Characters of a title; longer ones are cut, because no key and no sum depends on them."""

Type = Literal["text", "integer", "boolean", "time", "day", "money", "money_sum"]


SIZES = {
    "ordernumber": 512,
    "order_id": 512,
    "sku": 1024,
    "title": 1020,
    "customer": 32,
    "source": 64,
    "country": 256,
    "line1": 1024,
    "line2": 1024,
    "name": 1024,
    "postalcode": 128,
    "stateprovince": 256,
    "city": 512,
    "status": 128,
    "currency": 64,
    "channel": 512,
    "content_hash": 32,
    "command": 16,
    "error": 4096,
    "sha256": 64,
    "state": 16,
    "landing": 64,
    "gaps": 65_535,
    "cursor": 1024,
    "reason": 64,
    "message": 4096,
    "path": 1024,
    "raw": 65_535,
    "reject_key": 640,
    "made_by": 64,
    "timezone": 64,
}
"""Maximum length of text columns in bytes of UTF-8, for warehouses with limits: Redshift (each
column, 65,535 at most) and PostgreSQL (columns in an index, 2,704 for a whole row)."""

KEY_TEXTS = ("ordernumber", "order_id", "sku")
"""Text columns in keys whose length the API decides."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, type, and meaning (for ``docs/tables.md``).

    :param since: the schema version that added it to a table of an earlier one.
    """

    name: str
    type: Type
    meaning: str
    since: int = 1

    @property
    def size(self) -> int:
        """Maximum length in bytes, from :data:`SIZES`; 0 for other types than text."""
        return SIZES[self.name] if self.type == "text" else 0


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order, and the columns of its key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    def pick(self, names: str) -> tuple[Column, ...]:
        """The columns in the comma-separated list *names*."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name.strip()] for name in names.split(","))


def _table(
    name: str, key: str, *columns: tuple[str, Type, str] | tuple[str, Type, str, int]
) -> Table:
    return Table(name, tuple(Column(*column) for column in columns), tuple(key.split()))


ORDER_ADDRESS = _table(
    "order_address",
    "source ordernumber",
    ("ordernumber", "text", "the order's number, exactly as given"),
    ("country", "text", "ISO 3166-1 alpha-2 where certain, else as given"),
    ("line1", "text", "first street line"),
    ("line2", "text", "second street line"),
    ("name", "text", "who receives the parcel"),
    ("postalcode", "text", "postal code, as text"),
    ("stateprovince", "text", "state, province or region"),
    ("city", "text", "city"),
    ("source", "text", "the source's name in orderpull.toml"),
)

ORDER_ITEM = _table(
    "order_item",
    "source ordernumber sku",
    ("ordernumber", "text", "the order's number, exactly as given"),
    ("sku", "text", f"stock keeping unit, untouched; {NO_SKU} where there is none"),
    ("quantity", "integer", "pieces, summed over the order's lines with this SKU"),
    ("source", "text", "the source's name in orderpull.toml"),
    ("title", "text", f"product and variant as sold, up to {MAX_TITLE} characters", 5),
    ("amount", "money", "what these pieces came to after discounts, without shipping", 5),
    ("returned", "integer", "pieces refunded or returned later; NULL if the API does not tell", 5),
)

ORDER_HEADER = _table(
    "order_header",
    "source ordernumber",
    ("ordernumber", "text", "the order's number, exactly as given"),
    ("order_id", "text", "the API's own id; the number where it has none"),
    ("status", "text", "the API's word for where the order stands"),
    ("counted", "boolean", "false for what is no sale: cancelled, draft, test"),
    ("ordered_at", "time", "when it was placed, UTC"),
    ("modified_at", "time", "when the API last changed it, UTC"),
    ("currency", "text", "ISO 4217 code as given, upper case"),
    ("total", "money", "the order's total in major units of the currency"),
    ("channel", "text", "where it was sold, as the API names it"),
    ("item_quantity", "integer", "pieces over all lines"),
    ("content_hash", "text", "md5 of all that the API said and that is kept here"),
    ("page", "integer", "the landed page that this version came with"),
    ("loaded_at", "time", "when this version was loaded, UTC"),
    ("source", "text", "the source's name in orderpull.toml"),
    ("discount", "money", "all discounts of the order", 5),
    ("shipping", "money", "what the customer paid for shipping", 5),
    ("tax", "money", "all taxes of the order", 5),
    ("refunded", "money", "what was paid back so far", 5),
    ("customer", "text", "keyed hash of the customer: the same for all orders of one customer", 5),
)

LEDGER_RUN = _table(
    "orderpull_run",
    "run source",
    ("run", "integer", "number of the run, growing"),
    ("source", "text", "the source"),
    ("command", "text", "run, load, replay, retry or repair"),
    ("started_at", "time", "UTC"),
    ("finished_at", "time", "UTC; NULL while it goes on, or after a kill"),
    ("pulled_at", "time", "when the source was last read to its end; NULL if not known"),
    ("pages", "integer", "pages loaded"),
    ("fetched", "integer", "orders in them"),
    ("inserted", "integer", "orders new to the warehouse"),
    ("updated", "integer", "orders with newer content"),
    ("unchanged", "integer", "orders that were there already"),
    ("stale", "integer", "orders older than what is there"),
    ("rejected", "integer", "orders that could not be shaped"),
    ("possible_loss", "integer", "answers of a consume-once API that did not arrive whole"),
    ("accepted_rejects", "boolean", "true if a person let a batch past the reject limit"),
    ("batches", "integer", "transactions committed"),
    ("error", "text", "what stopped this source, in one sentence"),
)

LEDGER_PAGE = _table(
    "orderpull_page",
    "source page",
    ("source", "text", "the source"),
    ("page", "integer", "the page's number in the landing"),
    ("run", "integer", "the run that loaded it"),
    ("received_at", "time", "when it was received, UTC"),
    ("loaded_at", "time", "when it was loaded, UTC"),
    ("sha256", "text", "of the body"),
    ("bytes", "integer", "length of the body"),
    ("state", "text", "whole, damaged or unexpected"),
    ("possible_loss", "boolean", "true if orders may have been lost with this answer"),
    ("fetched", "integer", "orders in it"),
    ("inserted", "integer", "of these: new"),
    ("updated", "integer", "of these: newer"),
    ("unchanged", "integer", "of these: known"),
    ("stale", "integer", "of these: older"),
    ("rejected", "integer", "of these: not shaped"),
)

LEDGER_CURSOR = _table(
    "orderpull_cursor",
    "source",
    ("source", "text", "the source"),
    ("landing", "text", "identity of the landing whose pages are loaded"),
    ("loaded_through", "integer", "highest page loaded"),
    ("gaps", "text", "JSON list of pages below it that still wait"),
    ("cursor", "text", "how far an incremental API has been read"),
    ("updated_at", "time", "UTC"),
    ("loads", "integer", "transactions so far; a loader that another overtook sees it here", 2),
    ("refill_from", "integer", "first page to shape again for the columns of schema 5", 5),
    ("refill_to", "integer", "last such page; both NULL: none is left", 5),
)

LEDGER_REJECT = _table(
    "orderpull_reject",
    "source reject_key",
    ("source", "text", "the source"),
    ("ordernumber", "text", "the order's number where it could be read"),
    ("reason", "text", "code; docs/tables.md lists them"),
    ("message", "text", "the reason in a sentence"),
    ("path", "text", "JSON path of what is wrong, within the order"),
    ("raw", "text", "the order's text as received"),
    ("page", "integer", "the landed page it came with"),
    ("position", "integer", "its place in that page, from 0"),
    ("run", "integer", "the run that last met it"),
    ("rejected_at", "time", "UTC"),
    ("order_id", "text", "the API's own id where it could be read"),
    ("reject_key", "text", "what makes it the same bad order again: id, number, or md5 of raw"),
)

LEDGER_SCHEMA = _table(
    "orderpull_schema",
    "version",
    ("version", "integer", "version of these tables"),
    ("migrated_at", "time", "UTC"),
    ("made_by", "text", "the orderpull that made it"),
)

# The summaries (rollups) make answers fast over many orders. Rows are added and never changed. A
# correction is a row with negative numbers, so that only sums are meaningful.

_COUNTRY = "as in the address; '' where there is none"
_CURRENCY = "of the orders; '' where there is none"
_RETURNED = "of these, returned later"
_RETURNABLE = "pieces of which it is known how many were returned"

SUMMARY_DAY = _table(
    "summary_day",
    "",
    ("source", "text", "the source"),
    ("day", "day", f"when the orders were placed, in report.timezone; {NO_DAY}: not known"),
    ("country", "text", _COUNTRY),
    ("currency", "text", _CURRENCY, 5),
    ("channel", "text", "where they were sold; '' where that is not known", 5),
    ("orders", "integer", "counted orders"),
    ("orders_with_items", "integer", "of these, those with at least one piece"),
    ("quantity", "integer", "pieces in them"),
    ("returned", "integer", _RETURNED, 5),
    ("returnable", "integer", _RETURNABLE, 5),
    ("priced", "integer", "counted orders with a total", 5),
    ("total", "money_sum", "sum of their totals", 5),
    ("refunded", "money_sum", "what was paid back of counted orders", 5),
)

SUMMARY_LINE = _table(
    "summary_line",
    "",
    ("source", "text", "the source"),
    ("day", "day", f"when the orders were placed, in report.timezone; {NO_DAY}: not known"),
    ("country", "text", _COUNTRY),
    ("currency", "text", _CURRENCY, 5),
    ("sku_number", "integer", "the SKU, by its number in summary_sku"),
    ("quantity", "integer", "pieces sold"),
    ("orders", "integer", "counted orders that they are in"),
    ("returned", "integer", _RETURNED, 5),
    ("returnable", "integer", _RETURNABLE, 5),
    ("priced", "integer", "orders of which the amount of this SKU is known", 5),
    ("amount", "money_sum", "sum of these amounts", 5),
)

SUMMARY_YEAR = _table(
    "summary_year",
    "",
    ("source", "text", "the source"),
    ("year", "integer", f"of the day; {NO_DAY.year}: not known"),
    ("country", "text", _COUNTRY),
    ("currency", "text", _CURRENCY, 5),
    ("sku_number", "integer", "the SKU, by its number in summary_sku"),
    ("quantity", "integer", "pieces sold"),
    ("orders", "integer", "counted orders that they are in"),
    ("returned", "integer", _RETURNED, 5),
    ("returnable", "integer", _RETURNABLE, 5),
    ("priced", "integer", "orders of which the amount of this SKU is known", 5),
    ("amount", "money_sum", "sum of these amounts", 5),
)

SUMMARY_SKU = _table(
    "summary_sku",
    "sku",
    ("sku", "text", "the SKU, as in order_item"),
    ("sku_number", "integer", "its number here; the same for all sources"),
    ("title", "text", "its title in the newest order that has one, counted or not", 5),
    ("titled_at", "time", "when that order was placed, UTC; NULL: not known", 5),
)

SUMMARY_STATE = _table(
    "summary_state",
    "timezone",
    ("timezone", "text", "report.timezone when the summaries were made; another makes them anew"),
    ("day_rows", "integer", "rows of summary_day"),
    ("day_folded", "integer", "rows of summary_day when they were last summed up"),
    ("year_rows", "integer", "rows of summary_year"),
    ("year_folded", "integer", "rows of summary_year when they were last summed up"),
)

DATA_TABLES = (ORDER_ADDRESS, ORDER_ITEM, ORDER_HEADER)
LEDGER_TABLES = (LEDGER_RUN, LEDGER_PAGE, LEDGER_CURSOR, LEDGER_REJECT, LEDGER_SCHEMA)
SUMMARY_TABLES = (SUMMARY_DAY, SUMMARY_LINE, SUMMARY_YEAR, SUMMARY_SKU, SUMMARY_STATE)
TABLES = DATA_TABLES + LEDGER_TABLES + SUMMARY_TABLES


@dataclass(frozen=True, slots=True)
class Mask:
    """Column rights of readers in a table with personal data; a test requires each column in one.

    :param shown: columns for every reader.
    :param hidden: columns for readers with the right to see names.
    """

    shown: tuple[str, ...]
    hidden: tuple[str, ...]


MASKS = {
    # In some countries a postal code identifies one street or one house.
    ORDER_ADDRESS.name: Mask(
        shown=("ordernumber", "country", "stateprovince", "city", "source"),
        hidden=("line1", "line2", "name", "postalcode"),
    ),
    # Whoever has the landing's key, or another order of that person, can tell who it is.
    ORDER_HEADER.name: Mask(
        shown=tuple(name for name in ORDER_HEADER.names if name != "customer"),
        hidden=("customer",),
    ),
    # A message quotes the text of the order in place of an invalid number, time or amount.
    LEDGER_REJECT.name: Mask(
        shown=(
            "source", "ordernumber", "reason", "path", "page", "position", "run", "rejected_at",
            "order_id", "reject_key",
        ),
        hidden=("message", "raw"),
    ),
}  # fmt: skip
"""Masks by table name. Other tables have no personal data."""

VIEWS = (
    "average_items_per_order",
    "popular_sku_by_country",
    "popular_sku",
    "revenue",
    "revenue_by_country",
    "revenue_by_channel",
    "sales_by_channel",
    "sku_revenue",
)
"""The answers' views; their SQL is in ``answers/from_orders.py``."""

COUNTS = ("fetched", "inserted", "updated", "unchanged", "stale", "rejected")
"""Counts of a source's run; fetched is the sum of the other five."""
