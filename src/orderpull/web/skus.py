"""Rankings of SKUs, and the orders with a SKU."""

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from orderpull.answers.money import MOST_SKUS, with_revenue
from orderpull.web.context import QueryContext, Row


def read_popular(context: QueryContext) -> list[Row]:
    """(sku, quantity, orders, rank, title, returned) of the best-selling SKUs that match.

    By revenue also amount and currency, which is that of the context.
    """
    return context.reader.rows(ranked_skus(context, context.question.top))


def ranked_skus(context: QueryContext, limit: int | None, offset: int = 0) -> sa.Select[Any]:
    """The SKUs that match the search, ranked by the measure; by revenue in one currency."""
    where, text = context.where, context.question.search
    if context.measure != "revenue":
        return context.queries.search_popular_sku(where, text, limit, offset, context.measure)
    ranked = context.money_queries.search_popular_sku(where, text, by="revenue").subquery("ranking")
    query = sa.select(ranked).where(is_currency(ranked, context.currency))
    return query.order_by(ranked.c.rank).limit(limit).offset(offset or None)


def is_currency(rows: sa.FromClause, currency: str | None) -> sa.ColumnElement[bool]:
    """Condition that *rows* are in *currency*; None is the unknown one."""
    column: sa.ColumnElement[str] = rows.c.currency
    return column.is_(None) if currency is None else column == currency


@dataclass(frozen=True, slots=True)
class SkuPage:
    """One page of the SKUs that match, and the number of all. :param currency: of revenue."""

    rows: list[Row]
    count: int
    measure: str
    currency: str | None


def read_skus(context: QueryContext, page_rows: int) -> SkuPage:
    """Read one page of the SKUs that match, as :func:`read_popular`, and the number of all."""
    offset = (context.question.page - 1) * page_rows
    rows = context.reader.rows(ranked_skus(context, page_rows, offset))
    if context.measure == "revenue":
        ranked = ranked_skus(context, None).order_by(None).subquery()
        count = sa.select(sa.func.count().label("skus")).select_from(ranked)
    else:
        count = context.queries.count_skus(context.where, context.question.search)
    skus = context.reader.rows(count)[0]["skus"]
    return SkuPage(rows, skus, context.measure, context.currency)


def read_orders(
    context: QueryContext, page_rows: int, *, addresses: bool = False
) -> tuple[list[Row], Row]:
    """One page of the orders with the question's SKU, and the totals of all of them.

    :param addresses: read names and addresses, too.
    """
    sku, where = context.question.sku, context.where
    offset = (context.question.page - 1) * page_rows
    page = context.queries.orders_with_sku(where, sku, page_rows, offset, addresses=addresses)
    totals = context.reader.rows(context.queries.sku_totals(where, sku))[0]
    return context.reader.rows(page), totals


def read_by_country(
    context: QueryContext, countries: tuple[str | None, ...] | None = None
) -> list[Row]:
    """The best-selling SKUs of each country: country, and the columns of :func:`read_popular`.

    :param countries: only these countries; None: the countries of the question.
    """
    question, where = context.question, context.where
    if countries is not None:
        where = replace(where, countries=countries)
    measure = context.measure
    queries = (context.money_queries_for if measure == "revenue" else context.queries_for)(where)
    rows = context.reader.rows(
        queries.search_popular_sku_by_country(where, question.search, question.top, measure)
    )
    if measure == "revenue":
        rows = [row for row in rows if row["currency"] == context.currency]
    return sorted(rows, key=lambda row: (row["country"] or "", row["rank"]))


def with_amounts(context: QueryContext, rows: list[Any], *keys: str) -> list[Any]:
    """*rows* of SKUs with ``revenue``: (currency, amount) for each currency."""
    skus = tuple({row["sku"] for row in rows})
    if not skus or not context.revenue:
        return rows
    queries, where = context.money_queries, context.where
    read = queries.sku_revenue_by_country if "country" in keys else queries.sku_revenue
    amounts = context.reader.rows(read(where, skus if len(skus) <= MOST_SKUS else ()))
    return with_revenue(rows, amounts, *(keys or ("sku",)))
