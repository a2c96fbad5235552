"""The staged tables, and the statements that fill them from ``raw_order`` and ``line``."""

from collections.abc import Iterator, Mapping, Sequence

from orderpull.model import MAX_QUANTITY
from orderpull.sqltext import literal

ITEM_COLUMNS = ("sku", "quantity", "title", "amount", "returned")
ITEM_FIELDS = ", ".join(f"'{name}': {name}" for name in ITEM_COLUMNS)
"""The fields of an order's item, from columns of these names."""

ITEM = """STRUCT(sku VARCHAR, quantity BIGINT, title VARCHAR, amount DECIMAL(19, 4),
    returned BIGINT)"""
"""The type of an order's item."""

STAGED_ORDER = {
    "source": "VARCHAR", "page": "BIGINT", "position": "BIGINT",
    "ordernumber": "VARCHAR", "order_id": "VARCHAR",
    "status": "VARCHAR", "currency": "VARCHAR", "channel": "VARCHAR", "counted": "BOOLEAN",
    "ordered_at": "TIMESTAMP", "modified_at": "TIMESTAMP", "total": "DECIMAL(19, 4)",
    "discount": "DECIMAL(19, 4)", "shipping": "DECIMAL(19, 4)", "tax": "DECIMAL(19, 4)",
    "refunded": "DECIMAL(19, 4)", "customer": "VARCHAR",
    "country": "VARCHAR", "line1": "VARCHAR", "line2": "VARCHAR", "name": "VARCHAR",
    "postalcode": "VARCHAR", "stateprovince": "VARCHAR", "city": "VARCHAR",
    "items": f"{ITEM}[]", "item_quantity": "BIGINT",
    "content_hash": "VARCHAR",
}  # fmt: skip
"""The columns of ``staged_order``."""

FLAGS = {"included": "BOOLEAN", "fine": "BOOLEAN"}
"""Further columns while it is filled: passes ``where``; needs no care."""

STAGED_REJECT = {
    "source": "VARCHAR", "page": "BIGINT", "position": "BIGINT", "ordernumber": "VARCHAR",
    "order_id": "VARCHAR", "reason": "VARCHAR", "message": "VARCHAR", "path": "VARCHAR",
    "raw": "VARCHAR",
}  # fmt: skip
EXCLUDED = {
    "source": "VARCHAR", "page": "BIGINT", "position": "BIGINT", "order_id": "VARCHAR",
}  # fmt: skip

HASHED = (
    "ordernumber, order_id, status, counted, ordered_at, modified_at, currency, total, discount, "
    "shipping, tax, refunded, customer, channel, country, line1, line2, name, postalcode, "
    "stateprovince, city, items"
)

# The items of each order, sorted by SKU; within an order each SKU occurs once.
_SHAPED = """
CREATE OR REPLACE TEMP TABLE shaped AS
WITH summed AS (
    SELECT page, position, sku, sum(quantity) AS quantity, arg_min(title, number) AS title,
        sum(amount) AS amount, sum(returned) AS returned
    FROM line GROUP BY page, position, sku),
item AS (
    SELECT page, position,
        list_sort(list({{'sku': sku, 'quantity': TRY_CAST(quantity AS BIGINT), 'title': title,
            'amount': TRY_CAST(amount AS DECIMAL(19, 4)),
            'returned': TRY_CAST(returned AS BIGINT)}})) AS items,
        TRY_CAST(sum(quantity) AS BIGINT) AS item_quantity,
        CASE WHEN sum(quantity) > {most} THEN {too_many} WHEN min(quantity) < 0 THEN {too_few}
             WHEN max(abs(amount)) >= {much} THEN {too_much} END AS error
    FROM summed GROUP BY ALL),
line_error AS (
    SELECT page, position, arg_min(error, number) AS error
    FROM line WHERE error IS NOT NULL GROUP BY ALL)
SELECT raw_order.* EXCLUDE (error, {lists}, counted, country),
    counted AND included AS counted,
    coalesce(c.code, raw_order.country) AS country,
    coalesce(items, []) AS items, coalesce(item_quantity, 0) AS item_quantity,
    coalesce(raw_order.error, line_error.error, item.error) AS error
FROM raw_order LEFT JOIN item USING (page, position)
LEFT JOIN line_error USING (page, position)
LEFT JOIN country_code AS c ON c.name = upper(stripped(raw_order.country))"""

_STAGED_ORDER = f"""
INSERT INTO staged_order BY NAME
SELECT * EXCLUDE (page, error, received), source_of(page) AS source, page_of(page) AS page,
    true AS fine, md5(json_array({HASHED})::VARCHAR) AS content_hash
FROM shaped WHERE error IS NULL"""

_STAGED_REJECT = """
INSERT INTO staged_reject
SELECT source_of(page), page_of(page), position,
    CASE WHEN error.reason NOT IN ('number_invalid', 'number_missing')
         THEN ordernumber END AS ordernumber,
    CASE WHEN NOT is_blank(order_id) THEN order_id END AS order_id,
    error.reason AS reason, error.message AS message, error.path AS path, received AS raw
FROM shaped WHERE error IS NOT NULL"""

_EXCLUDED = """
INSERT INTO excluded
SELECT source_of(page), page_of(page), position, order_id
FROM shaped WHERE NOT included AND error IS NOT NULL"""

_TEXTS = (
    "ordernumber", "order_id", "status", "currency", "channel",
    "country", "line1", "line2", "name", "postalcode", "stateprovince", "city",
)  # fmt: skip


def refuse_long(limits: Mapping[str, int]) -> Iterator[str]:
    """The statements that reject staged orders with a text over its limit, in bytes.

    The first finds such orders; without any the others change nothing.
    """
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
SELECT * FROM (SELECT source, page, position, ordernumber, order_id, CASE {cases} END AS long
               FROM staged_order) WHERE long IS NOT NULL"""
    yield """
INSERT INTO staged_reject
SELECT source, page, position, ordernumber, order_id, 'value_too_long',
    long.name || ' has ' || long.length || ' bytes; the warehouse takes ' || long.limit,
    '$', NULL FROM long"""
    yield """
DELETE FROM staged_order USING long
WHERE staged_order.source = long.source AND staged_order.page = long.page
  AND staged_order.position = long.position"""
    yield "DROP TABLE long"


def staging(lines_path: str, lists: Sequence[str]) -> Iterator[str]:
    """The statements in execution order.

    :param lines_path: JSON path of an order's lines.
    :param lists: columns of ``raw_order`` with lists of items.
    """

    def error(reason: str, message: str) -> str:
        return (
            f"{{'reason': {literal(reason)}, 'message': {literal(message)}, "
            f"'path': {literal(lines_path)}}}"
        )

    yield _SHAPED.format(
        lists=", ".join(lists),
        most=MAX_QUANTITY,
        much=10**15,
        too_many=error("quantity_invalid", "the quantities add up to more than 2^53"),
        too_few=error("quantity_invalid", "the quantities of a SKU add up to less than 0"),
        too_much=error("amount_invalid", "the amounts of a SKU add up to more than 10^15"),
    )
    yield _STAGED_ORDER
    yield _STAGED_REJECT
    yield _EXCLUDED
    for table in ("raw_order", "line", "shaped"):
        yield f"DROP TABLE {table}"


def declared(table: str, columns: Mapping[str, str]) -> str:
    """The statement that creates an empty temporary *table*."""
    types = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    return f"CREATE OR REPLACE TEMP TABLE {table} ({types})"
