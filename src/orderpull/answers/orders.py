"""Queries for single orders, by number or id."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orderpull.answers.tables import ADDRESS, ITEM, TABLE, in_bytes, same_order
from orderpull.model import MASKS

_header, _reject = TABLE["order_header"], TABLE["orderpull_reject"]
_page = TABLE["orderpull_page"]
MOST_ALIKE = 50
"""Most orders with one number or id that a query returns."""


def headers_of(order: str, sources: Sequence[str]) -> sa.Select[Any]:
    """The rows of ``order_header`` with the number or id *order*, of *sources*."""
    return _of(_header, order, sources).order_by(_header.c.source, _header.c.ordernumber)


def rejects_of(order: str, sources: Sequence[str], *, masked: bool = False) -> sa.Select[Any]:
    """The open rejects with the number or id *order*, of *sources*, without the order's text.

    :param masked: only the columns that every reader may see.
    """
    query = _of(_reject, order, sources).order_by(_reject.c.source, _reject.c.page)
    shown = MASKS[_reject.name].shown
    return query.with_only_columns(*(_reject.c[name] for name in shown)) if masked else query


def orders_named(order: str) -> sa.Select[Any]:
    """(source, ordernumber) of the orders of all sources with the number or id *order*."""
    columns = (_header.c.source, _header.c.ordernumber)
    named = sa.or_(_header.c.ordernumber == order, _header.c.order_id == order)
    return sa.select(*columns).where(named).order_by(*columns).limit(MOST_ALIKE)


def order_of(source: str, number: str, *, addresses: bool = False) -> sa.Select[Any]:
    """The shown columns of the order's header and address, and when its page was received.

    :param addresses: with the columns of the recipient, which not every reader may see.
    """
    shown, mask = MASKS[_header.name].shown, MASKS[ADDRESS.name]
    parts = [n for n in mask.shown if n not in shown] + [*(mask.hidden if addresses else ())]
    same_page = sa.and_(_page.c.source == _header.c.source, _page.c.page == _header.c.page)
    return (
        sa.select(
            *(_header.c[n] for n in shown),
            *(ADDRESS.c[part] for part in parts),
            _page.c.received_at,
        )
        .join_from(_header, ADDRESS, same_order(_header, ADDRESS))
        .join(_page, same_page, isouter=True)
        .where(_header.c.source == source, _header.c.ordernumber == number)
    )


def lines_of(source: str, number: str) -> sa.Select[Any]:
    """The rows of ``order_item`` of an order: the most pieces first."""
    mine = (ITEM.c.source == source, ITEM.c.ordernumber == number)
    return sa.select(ITEM).where(*mine).order_by(ITEM.c.quantity.desc(), in_bytes(ITEM.c.sku))


def _of(table: sa.Table, order: str, sources: Sequence[str]) -> sa.Select[Any]:
    hidden = {"raw", "customer"}
    columns = [column for column in table.c if column.name not in hidden]
    named = sa.or_(table.c.ordernumber == order, table.c.order_id == order)
    return sa.select(*columns).where(table.c.source.in_(sources), named)
