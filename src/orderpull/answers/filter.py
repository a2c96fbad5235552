"""The filter of every question: countries, sources, and the time of the order."""

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
    """

    countries: tuple[str | None, ...] = ()
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

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
        names = [country for country in self.countries if country is not None]
        countries = [ADDRESS.c.country.in_(names)] if names else []
        if None in self.countries:
            countries.append(ADDRESS.c.country.is_(None))
        return [*conditions, sa.or_(*countries)] if countries else conditions
