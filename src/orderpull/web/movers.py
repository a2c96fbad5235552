"""The movers: the SKUs that rose and fell the most against the period before."""

from dataclasses import replace
from datetime import date, datetime

from msgspec import Struct, convert

from orderpull.answers.filter import Filter
from orderpull.answers.movers import Measure, movers
from orderpull.days import midnight
from orderpull.web.context import QueryContext
from orderpull.web.periods import Days, Earlier
from orderpull.web.totals import Count, Filtered

_MEASURES: dict[str, Measure] = {"orders": "orders"}


class Mover(Struct):
    """A SKU that sold more or less than before; the share is of the earlier sales.

    ``share`` is null if the earlier sales were too few for one.
    """

    sku: str
    now: Count
    before: Count
    change: int
    share: float | None
    title: str | None = None


class Movers(Filtered):
    """The SKUs that rose and fell the most, in items or orders.

    Both lists are empty if there is no period before, or if it begins before ``data_begins``, the
    day of the first order. ``before_until`` is the time at which it ends, if that is within a day.
    """

    rises: list[Mover]
    falls: list[Mover]
    before_first_day: date | None = None
    before_last_day: date | None = None
    before_until: datetime | None = None
    data_begins: date | None = None

    @property
    def before(self) -> Days:
        """The days compared with."""
        return Days(self.before_first_day, self.before_last_day)


def read_movers(context: QueryContext, top: int | None) -> Movers:
    """Read the movers of the question. :param top: only so many in each direction."""
    earlier, question = context.earlier, context.question
    moved: list[Mover] = []
    if earlier is not None and context.is_covered(earlier):
        query = movers(
            context.queries.popular_sku(context.where),
            [context.queries_for(part).popular_sku(part) for part in filters_of(context, earlier)],
            _MEASURES.get(question.measure, "quantity"),
            by_share=question.sort == "share",
            top=top,
        )
        moved = convert(context.reader.rows(query), list[Mover])
    return Movers(
        rises=[mover for mover in moved if mover.change > 0],
        falls=[mover for mover in moved if mover.change < 0],
        before_first_day=earlier.first if earlier else None,
        before_last_day=earlier.last if earlier else None,
        before_until=earlier.until if earlier else None,
        data_begins=context.first_day() if earlier else None,
    )


def filters_of(context: QueryContext, earlier: Earlier) -> list[Filter]:
    """The filters of *earlier*: whole days and, apart, the last day up to its time."""
    where = context.question.filter(earlier.days, context.zone)
    if earlier.until is None:
        return [where]
    last = midnight(earlier.last, context.zone)
    cut = replace(where, since=last, until=earlier.until)
    return [cut, replace(where, until=last)] if earlier.first < earlier.last else [cut]
