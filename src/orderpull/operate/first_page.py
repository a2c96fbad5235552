"""Description of the first page of an API, without names and addresses."""

from collections.abc import Iterator
from typing import Any

from orderpull import clock
from orderpull.destinations.stage import Stage
from orderpull.errors import SourceUnexpected
from orderpull.landing.page import PageMeta, digest
from orderpull.normalize.normalizer import Normalizer, StagedPage
from orderpull.operate.query import visible
from orderpull.sources.probe import Probed
from orderpull.sources.pull import Source

Row = dict[str, Any]

_PAGE = 1


class FirstPage:
    """The orders of a page that is not landed, shaped as a run would shape them.

    :ivar orders: the valid ones. :ivar excluded: positions of those that ``where`` leaves out.
    :ivar rejects: the others, without those that lack a child list.
    """

    def __init__(self, source: Source, probed: Probed) -> None:
        self._source = source
        self._probed = probed
        self.count = max(probed.info.orders, 0)
        stage = Stage()
        try:
            self._shape(stage)
        finally:
            stage.close()

    def _shape(self, stage: Stage) -> None:
        info, body, source = self._probed.info, self._probed.body, self._source
        meta = PageMeta(
            source.name, _PAGE, info.state, 200, "", clock.iso(clock.now()), digest(body),
            len(body), info.orders, problem=info.problem,
        )  # fmt: skip
        normalizer = Normalizer(stage.connection, source.api, source.settings.ordernumber)
        normalizer.normalize([StagedPage(meta, lambda: body)])

        def rows(table: str) -> list[Row]:
            done = stage.connection.execute(f"SELECT * FROM {table} ORDER BY position")
            names = [column[0] for column in done.description or ()]
            return [dict(zip(names, row, strict=True)) for row in done.fetchall()]

        self.excluded = {row["position"] for row in rows("excluded")}
        self.orders = [row for row in rows("staged_order") if row["position"] not in self.excluded]
        rejects = [row for row in rows("staged_reject") if row["position"] not in self.excluded]
        self._partial = [row for row in rejects if row["position"] in self._probed.incomplete]
        self.rejects = [row for row in rejects if row["position"] not in self._probed.incomplete]

    def refuse_others(self) -> None:
        """Refuse a page of other things.

        :raises SourceUnexpected: not one record is an order.
        """
        if not self.rejects or self.orders or self._partial or self.excluded:
            return
        first, several = self.rejects[0], self.count > 1
        records = f"{self.count:,} records, and none is an order" if several else "no order"
        raise SourceUnexpected(
            f"{self._source.where} answers, but with {records}: "
            f"{first['reason']} at {first['path']}{' of the first' if several else ''}.",
            "Check base_url and api: another path may be meant.",
        )

    def summary(self) -> str:
        """The number of orders in the page."""
        if not self.count:
            since = self._probed.since
            return "answers: no orders" + (f" since {since:%Y-%m-%d}" if since else "")
        return "answers: " + ", ".join(self._counts())

    def _counts(self) -> Iterator[str]:
        total, lists = self._probed.info.total, self._probed.lists
        first = "1 order" if self.count == 1 else f"{self.count:,} orders"
        yield f"{first} in a page" + (f", {total:,} in all" if total and total > self.count else "")
        if self.excluded:
            yield f"{len(self.excluded):,} left out by where"
        if self.rejects:
            reason, path = self.rejects[0]["reason"], self.rejects[0]["path"]
            yield f"{len(self.rejects):,} would be rejected ({reason} at {path})"
        if lists:
            yield f"also {' and '.join(lists)}"

    def example(self) -> str:
        """One order without its name and address; empty for a page without orders."""
        whole = [row for row in self.orders if row["position"] not in self._probed.incomplete]
        for row in whole[:1] or self.orders[:1]:
            return "for example " + ", ".join(_masked(row, items=bool(whole)))
        return f"for example order {number}" if (number := self._any_number()) else ""

    def _any_number(self) -> str:
        numbers = (row["ordernumber"] for row in self._partial if row["ordernumber"])
        return visible(next(numbers, ""))


def _masked(row: Row, *, items: bool) -> Iterator[str]:
    """Number, time, country and, if *items*, the items of an order."""
    yield f"order {visible(row['ordernumber'])}"
    if row["ordered_at"] is not None:
        yield f"placed {clock.minute(row['ordered_at'])}"
    yield f"to {visible(row['country'])}" if row["country"] else "without a country"
    quantity, skus = row["item_quantity"], [visible(item["sku"]) for item in row["items"]]
    if items:
        yield f"{quantity:,} {'item' if quantity == 1 else 'items'}" + (
            f" ({skus[0]}{', …' if len(skus) > 1 else ''})" if skus else ""
        )
    personal = any(row[name] for name in ("name", "line1", "line2", "postalcode"))
    yield "name and address •••" if personal else "no name or address"
