"""The statements that create the staged tables from ``raw_order`` and ``line``."""

from collections.abc import Iterator, Mapping

from orderpull.model import MAX_QUANTITY
from orderpull.sqltext import literal

_HASHED = (
    "ordernumber, order_id, status, counted, ordered_at, modified_at, currency, total, channel, "
    "country, line1, line2, name, postalcode, stateprovince, city, items"
)

# Quantities by SKU of each order, sorted by SKU; within an order each SKU occurs once.
_ITEM = f"""
CREATE OR REPLACE TEMP TABLE item AS
WITH summed AS (SELECT page, position, sku, sum(quantity) AS quantity FROM line GROUP BY ALL)
SELECT page, position,
    list_sort(list({{'sku': sku, 'quantity': TRY_CAST(quantity AS BIGINT)}})) AS items,
    TRY_CAST(sum(quantity) AS BIGINT) AS item_quantity,
    sum(quantity) > {MAX_QUANTITY} AS too_many
FROM summed GROUP BY ALL"""

_WRONG_LINE = """
CREATE OR REPLACE TEMP TABLE line_error AS
SELECT page, position, arg_min(error, number) AS error
FROM line WHERE error IS NOT NULL GROUP BY ALL"""

_SHAPED = """
CREATE OR REPLACE TEMP TABLE shaped AS
SELECT raw_order.* EXCLUDE (error, lines, inexact, counted, country),
    counted AND included AS counted,
    coalesce(c.code, raw_order.country) AS country,
    coalesce(items, []) AS items, coalesce(item_quantity, 0) AS item_quantity,
    coalesce(raw_order.error, line_error.error, CASE WHEN too_many THEN {too_many} END) AS error
FROM raw_order LEFT JOIN item USING (page, position)
LEFT JOIN line_error USING (page, position)
LEFT JOIN country_code AS c ON c.name = upper(stripped(raw_order.country))"""

_STAGED_ORDER = f"""
CREATE OR REPLACE TEMP TABLE staged_order AS
SELECT * EXCLUDE (error, included), md5(json_array({_HASHED})::VARCHAR) AS content_hash
FROM shaped WHERE error IS NULL"""

_STAGED_REJECT = """
CREATE OR REPLACE TEMP TABLE staged_reject AS
SELECT page, position,
    CASE WHEN error.reason NOT IN ('number_invalid', 'number_missing')
         THEN ordernumber END AS ordernumber,
    CASE WHEN NOT is_blank(order_id) THEN order_id END AS order_id,
    error.reason AS reason, error.message AS message, error.path AS path, NULL::VARCHAR AS raw
FROM shaped WHERE error IS NOT NULL"""


_EXCLUDED = """
CREATE OR REPLACE TEMP TABLE excluded AS
SELECT page, position, order_id FROM shaped WHERE NOT included"""

_TEXTS = (
    "ordernumber", "order_id", "status", "currency", "channel",
    "country", "line1", "line2", "name", "postalcode", "stateprovince", "city",
)  # fmt: skip


def refuse_long(limits: Mapping[str, int]) -> Iterator[str]:
    """The statements that reject staged orders with a text over its limit, in bytes."""
    if not limits:
        return
    longest_sku = "list_max(list_transform(items, lambda item: strlen(item.sku)))"
    lengths = {name: f"strlen({name})" for name in _TEXTS} | {"sku": longest_sku}
    cases = " ".join(
        f"WHEN {length} > {limits[name]} THEN {{'name': {literal(name)}, 'length': {length}, "
        f"'limit': {limits[name]}}}"
        for name, length in lengths.items()
        if name in limits
    )
    yield f"""
CREATE OR REPLACE TEMP TABLE long AS
SELECT page, position, ordernumber, order_id, CASE {cases} END AS long FROM staged_order"""
    yield "DELETE FROM long WHERE long IS NULL"
    yield """
INSERT INTO staged_reject
SELECT page, position, ordernumber, order_id, 'value_too_long',
    long.name || ' has ' || long.length || ' bytes; the warehouse takes ' || long.limit,
    '$', NULL FROM long"""
    yield """
DELETE FROM staged_order USING long
WHERE staged_order.page = long.page AND staged_order.position = long.position"""
    yield "DROP TABLE long"


def staging(lines_path: str) -> Iterator[str]:
    """The statements in execution order; *lines_path*: JSON path of an order's lines."""
    too_many = (
        "{'reason': 'quantity_invalid', 'message': 'the quantities add up to more than 2^53', "
        f"'path': {literal(lines_path)}}}"
    )
    yield _ITEM
    yield _WRONG_LINE
    yield _SHAPED.format(too_many=too_many)
    yield _STAGED_ORDER
    yield _STAGED_REJECT
    yield _EXCLUDED
    for table in ("raw_order", "line", "item", "line_error", "shaped"):
        yield f"DROP TABLE {table}"
