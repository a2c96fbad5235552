"""The title of each SKU in ``summary_sku``: that of the newest order which has one.

A batch replaces the title of an older order. Where it deletes the very row that a title is from,
or changes that row's title, the title is looked up among all rows. Lines without a SKU are of many
products, so they have no title together.
"""

from collections.abc import Sequence

from orderpull.model import NO_SKU, ORDER_HEADER, ORDER_ITEM, SUMMARY_SKU, Column
from orderpull.sqltext import literal

_TITLES = SUMMARY_SKU.pick("sku, title, titled_at")
_TITLES_LOST = (*ORDER_ITEM.pick("sku, title"), *ORDER_HEADER.pick("ordered_at"))

NO_TIME = "TIMESTAMP '0001-01-01 00:00:00'"
_NEW = f"""SELECT i.sku AS sku, i.title AS title, ordered_at
    FROM (SELECT ordered_at, unnest(items) AS i FROM to_write{{0}})
    WHERE i.title IS NOT NULL AND i.sku <> {literal(NO_SKU)}"""

_DELTA = f"""
SELECT sku, newest.title AS title, nullif(newest.at, {NO_TIME}) AS titled_at FROM (
    SELECT sku, max({{'at': coalesce(ordered_at, {NO_TIME}), 'title': title}}) AS newest
    FROM ({_NEW.format("")}) GROUP BY sku)"""
_LOST = f"""
SELECT sku, title, ordered_at FROM old_item JOIN stored_order USING (source, ordernumber)
SEMI JOIN to_delete USING (source, ordernumber)
WHERE title IS NOT NULL AND sku <> {literal(NO_SKU)}
EXCEPT {_NEW.format(" SEMI JOIN to_delete USING (source, ordernumber)")}"""

# {rows}: a table of TITLES; {in_bytes}: makes a comparison of texts one of their bytes.
ADVANCE = f"""UPDATE summary_sku SET title = d.title, titled_at = d.titled_at FROM {{rows}} AS d
WHERE summary_sku.sku = d.sku AND (summary_sku.title IS NULL
    OR coalesce(summary_sku.titled_at, {NO_TIME}) < coalesce(d.titled_at, {NO_TIME})
    OR (coalesce(summary_sku.titled_at, {NO_TIME}) = coalesce(d.titled_at, {NO_TIME})
        AND summary_sku.title{{in_bytes}} < d.title{{in_bytes}}))"""
LOSE = f"""UPDATE summary_sku SET title = NULL, titled_at = NULL FROM {{rows}} AS d
WHERE summary_sku.sku = d.sku AND summary_sku.title = d.title
  AND coalesce(summary_sku.titled_at, {NO_TIME}) = coalesce(d.ordered_at, {NO_TIME})"""
UNTITLED = (
    "SELECT s.sku FROM summary_sku AS s JOIN {rows} AS d ON d.sku = s.sku WHERE s.title IS NULL"
)

_TITLED = """order_item AS i
    JOIN order_header AS h ON h.source = i.source AND h.ordernumber = i.ordernumber"""


def queries(*, deletes: bool) -> dict[str, tuple[Sequence[Column], str]]:
    """Columns and query of ``delta_title`` and, of a batch that deletes orders, ``lost_title``.

    These are the newest title of each SKU in the batch, and the titles that it takes out of the
    tables.
    """
    made: dict[str, tuple[Sequence[Column], str]] = {"delta_title": (_TITLES, _DELTA)}
    if deletes:
        made["lost_title"] = (_TITLES_LOST, _LOST)
    return made


def recounted(among: str, in_bytes: str) -> str:
    """The query for the title of each SKU, from all orders of the warehouse.

    :param among: a query for SKUs, or '' for all.
    :param in_bytes: makes a comparison of texts one of their bytes.
    """
    where = f"i.title IS NOT NULL AND i.sku <> {literal(NO_SKU)}"
    where += f" AND i.sku IN ({among})" if among else ""
    return f"""
SELECT i.sku, max(i.title{in_bytes}) AS title, nullif(n.at, {NO_TIME}) AS titled_at
FROM {_TITLED} JOIN (
    SELECT i.sku, max(coalesce(h.ordered_at, {NO_TIME})) AS at
    FROM {_TITLED} WHERE {where} GROUP BY i.sku) AS n
  ON n.sku = i.sku AND n.at = coalesce(h.ordered_at, {NO_TIME})
WHERE {where} GROUP BY i.sku, n.at"""
