"""Queries for single orders, by number or id."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orderpull.answers.tables import TABLE

_header, _reject = TABLE["order_header"], TABLE["orderpull_reject"]


def headers_of(order: str, sources: Sequence[str]) -> sa.Select[Any]:
    """The rows of ``order_header`` with the number or id *order*, of *sources*."""
    return _of(_header, order, sources).order_by(_header.c.source, _header.c.ordernumber)


def rejects_of(order: str, sources: Sequence[str]) -> sa.Select[Any]:
    """The open rejects with the number or id *order*, of *sources*, without personal columns."""
    return _of(_reject, order, sources).order_by(_reject.c.source, _reject.c.page)


def _of(table: sa.Table, order: str, sources: Sequence[str]) -> sa.Select[Any]:
    hidden = {"raw", "customer"}
    columns = [column for column in table.c if column.name not in hidden]
    named = sa.or_(table.c.ordernumber == order, table.c.order_id == order)
    return sa.select(*columns).where(table.c.source.in_(sources), named)
