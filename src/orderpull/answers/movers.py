"""Movers: the SKUs whose sales rose or fell the most from one period to another."""

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from orderpull.answers.tables import SKU, in_bytes

FLOOR = 10
"""A SKU that sold less than this in both periods does not move, and a share is of this at least."""

Measure = Literal["quantity", "orders"]


def movers(
    now: sa.Select[Any],
    before: Sequence[sa.Select[Any]],
    measure: Measure,
    *,
    by_share: bool = False,
    top: int | None = None,
) -> sa.Select[Any]:
    """(sku, now, before, change, share, rank, title): SKUs that rose, then SKUs that fell.

    :param now: the query ``popular_sku`` of the later period.
    :param before: the same of the parts of the earlier period.
    :param by_share: rank by the share of the earlier sales, not by the change itself.
    :param top: only so many in each direction.
    """
    parts = [_part(now, measure, "now"), *(_part(each, measure, "before") for each in before)]
    both = sa.union_all(*parts).subquery("sold")
    sums = {
        name: sa.cast(sa.func.sum(both.c[name]), sa.BigInteger).label(name)
        for name in ("now", "before")
    }
    sold = sa.select(both.c.sku, *sums.values()).group_by(both.c.sku).subquery("moved")
    change = sold.c.now - sold.c.before
    share = sa.cast(change, sa.Double) / sa.case((sold.c.before >= FLOOR, sold.c.before))
    size = sa.func.abs(share if by_share else change)
    order = (size.desc().nulls_last(), sa.func.abs(change).desc(), in_bytes(sold.c.sku))
    rank = sa.func.row_number().over(partition_by=change > 0, order_by=order)
    moved = (
        sa.select(sold, change.label("change"), share.label("share"), rank.label("rank"))
        .where(change != 0, sa.or_(sold.c.now >= FLOOR, sold.c.before >= FLOOR))
        .subquery("movers")
    )
    query = sa.select(moved, SKU.c.title).join_from(
        moved, SKU, SKU.c.sku == moved.c.sku, isouter=True
    )
    query = query.order_by(sa.case((moved.c.change > 0, 0), else_=1), moved.c.rank)
    return query.where(moved.c.rank <= top) if top is not None else query


def _part(sales: sa.Select[Any], measure: Measure, name: str) -> sa.Select[Any]:
    sold = sales.subquery()
    zero: sa.ColumnElement[Any] = sa.literal_column("0")
    values = [
        (sold.c[measure] if column == name else zero).label(column) for column in ("now", "before")
    ]
    return sa.select(sold.c.sku, *values)
