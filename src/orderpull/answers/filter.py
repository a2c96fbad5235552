"""The filter of every question: countries, channels, sources, and the time of the order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from orderpull.answers.tables import ADDRESS, HEADER


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice of orders. Without arguments it selects every counted order.

    :param countries: only these countries; the member None selects orders without a country.
    :param sources: only these sources.
    :param since: only orders placed at or after this time (UTC).
    :param until: only orders placed before this time (UTC).
    :param channels: only these channels; the member None selects orders without a channel.
    """

    countries: tuple[str | None, ...] = ()
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    channels: tuple[str | None, ...] = ()

    @property
    def excludes_undated(self) -> bool:
        """True if a time is set, which excludes orders without a date."""
        return self.since is not None or self.until is not None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Conditions on ``order_header`` and ``order_address`` that select these orders."""
        conditions: list[sa.ColumnElement[bool]] = [HEADER.c.counted]
        if self.sources:
            conditions.append(HEADER.c.source.in_(self.sources))
        if self.since is not None:
            conditions.append(HEADER.c.ordered_at >= self.since)
        if self.until is not None:
            conditions.append(HEADER.c.ordered_at < self.until)
        if self.channels:
            conditions.append(_is_one_of(HEADER.c.channel, self.channels))
        if self.countries:
            conditions.append(_is_one_of(ADDRESS.c.country, self.countries))
        return conditions


def _is_one_of(
    column: sa.ColumnElement[str], values: Sequence[str | None]
) -> sa.ColumnElement[bool]:
    """Condition that *column* is one of *values*, of which None stands for NULL."""
    texts = [value for value in values if value is not None]
    chosen = [column.in_(texts)] if texts else []
    if None in values:
        chosen.append(column.is_(None))
    return sa.or_(*chosen)
