"""Queries over the ledger: runs, rejects, and the freshness of each source."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orderpull.answers.tables import TABLE
from orderpull.model import LEDGER_REJECT, MASKS

_run, _cursor = TABLE["orderpull_run"], TABLE["orderpull_cursor"]
_reject = TABLE[LEDGER_REJECT.name]


def _of_sources(
    query: sa.Select[Any], column: sa.ColumnElement[str], sources: Sequence[str]
) -> sa.Select[Any]:
    """*query*, restricted to *sources* if there are any."""
    return query.where(column.in_(sources)) if sources else query


def last_pulled(sources: Sequence[str] = ()) -> sa.Select[Any]:
    """(source, pulled_at): time at which each source was last read to its end."""
    query = sa.select(_run.c.source, sa.func.max(_run.c.pulled_at).label("pulled_at"))
    query = query.group_by(_run.c.source).order_by(_run.c.source)
    return _of_sources(query, _run.c.source, sources)


def last_run(sources: Sequence[str] = ()) -> sa.Select[Any]:
    """The newest row of ``orderpull_run`` for each source."""
    newest = sa.select(_run.c.source, sa.func.max(_run.c.run).label("run"))
    last = newest.group_by(_run.c.source).subquery("newest")
    query = sa.select(_run).join(
        last, sa.and_(_run.c.source == last.c.source, _run.c.run == last.c.run)
    )
    return _of_sources(query.order_by(_run.c.source), _run.c.source, sources)


def runs(limit: int, sources: Sequence[str] = ()) -> sa.Select[Any]:
    """The last *limit* rows of ``orderpull_run``, newest first."""
    query = sa.select(_run).order_by(_run.c.run.desc(), _run.c.source).limit(limit)
    return _of_sources(query, _run.c.source, sources)


def refills(sources: Sequence[str] = ()) -> sa.Select[Any]:
    """(source, refill_from, refill_to): pages that are still to be shaped again."""
    columns = (_cursor.c.source, _cursor.c.refill_from, _cursor.c.refill_to)
    query = sa.select(*columns).where(_cursor.c.refill_from.is_not(None))
    return _of_sources(query, _cursor.c.source, sources)


def fetched_since(instant: datetime) -> sa.Select[Any]:
    """(source, fetched, rejected): orders of the runs that began since *instant*."""
    return (
        sa.select(
            _run.c.source,
            sa.cast(sa.func.sum(_run.c.fetched), sa.BigInteger).label("fetched"),
            sa.cast(sa.func.sum(_run.c.rejected), sa.BigInteger).label("rejected"),
        )
        .where(_run.c.command == "run", _run.c.started_at >= instant)
        .group_by(_run.c.source)
        .order_by(_run.c.source)
    )


def inserted(sources: Sequence[str] = ()) -> sa.Select[Any]:
    """(orders): orders that runs have inserted."""
    orders = sa.cast(sa.func.coalesce(sa.func.sum(_run.c.inserted), 0), sa.BigInteger)
    return _of_sources(sa.select(orders.label("orders")), _run.c.source, sources)


def possible_losses() -> sa.Select[Any]:
    """(source, possible_loss): responses that may have been lost, summed over all runs."""
    lost = sa.cast(sa.func.sum(_run.c.possible_loss), sa.BigInteger).label("possible_loss")
    return sa.select(_run.c.source, lost).group_by(_run.c.source)


def rejects(sources: Sequence[str] = (), *, masked: bool = False) -> sa.Select[Any]:
    """The open rejects, by source, page and position.

    :param masked: replace columns with personal data by NULL.
    """
    hidden = MASKS[LEDGER_REJECT.name].hidden if masked else ()
    columns = [sa.null().label(c.name) if c.name in hidden else c for c in _reject.c]
    query = sa.select(*columns).order_by(_reject.c.source, _reject.c.page, _reject.c.position)
    return _of_sources(query, _reject.c.source, sources)


def newest_rejects(sources: Sequence[str], limit: int, offset: int = 0) -> sa.Select[Any]:
    """Open rejects without personal data, newest first."""
    columns = [_reject.c[name] for name in MASKS[LEDGER_REJECT.name].shown]
    order = (_reject.c.rejected_at.desc(), _reject.c.source, _reject.c.page, _reject.c.position)
    query = sa.select(*columns).order_by(*order).limit(limit).offset(offset or None)
    return _of_sources(query, _reject.c.source, sources)


def rejects_by_reason(sources: Sequence[str] = ()) -> sa.Select[Any]:
    """(source, reason, rejects, newest): number of open rejects and the time of the newest."""
    by = (_reject.c.source, _reject.c.reason)
    query = sa.select(
        *by,
        sa.func.count().label("rejects"),
        sa.func.max(_reject.c.rejected_at).label("newest"),
    )
    return _of_sources(query.group_by(*by).order_by(*by), _reject.c.source, sources)


def ledger_version() -> sa.Select[Any]:
    """One row that changes with each load, retry and finished run."""
    loads = sa.select(sa.func.coalesce(sa.func.sum(_cursor.c.loads), 0)).scalar_subquery()
    return sa.select(
        sa.func.max(_run.c.run).label("run"),
        sa.func.sum(_run.c.batches).label("batches"),
        sa.func.max(_run.c.finished_at).label("finished_at"),
        sa.func.count(_run.c.error).label("errors"),
        loads.label("loads"),
    )
