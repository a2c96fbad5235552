"""The SQL of the careful way, generated from an API's mapping.

The first statement reads orders' JSON into ``raw_order``: one row per order with its fields, its
first error, and its lines as JSON. The second statement reads the lines into ``line``.
"""

from collections.abc import Iterable, Iterator

from orderpull.normalize.checks import Check, OrderChecks, case
from orderpull.normalize.lines import LinesSql
from orderpull.normalize.order_columns import OrderColumns, Quantity, text_of
from orderpull.normalize.salvage import PageLayout
from orderpull.normalize.staging import staging
from orderpull.normalize.walk import Steps, Walk, shown_path
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import Expression, paths
from orderpull.sources.spec.item_lists import ItemList
from orderpull.sqltext import literal


class NormalizeSql:
    """The statements for one API.

    :param api: the API with the mapping.
    :param ordernumber: template of the order number, with ``{number}`` and ``{id}``.
    """

    def __init__(self, api: Api, ordernumber: str) -> None:
        self.mapping = api.mapping
        self.prefix: Steps = api.record_path.inner
        self.records = api.record_path
        lines = (*self.prefix, *self.mapping.lines.steps)
        texts = [(*self.prefix, *p.steps) for e in self.mapping.of_order() for p in paths(e)]
        unit, returns = Quantity.of(self.mapping), self._returns()
        self._lists = [
            LinesSql(items, self.prefix, unit, returns) for items in self.mapping.item_lists
        ]
        lists = self.mapping.item_lists
        self._texts = _last_keys([*self.mapping.of_order(), *(t for i in lists for t in i.texts)])
        self._amounts = _last_keys([i.amount for i in lists if i.amount is not None])
        self._pieces = _last_keys([each for i in lists for each in i.pieces.values()])
        self.walk = Walk("doc", "n", texts, [each.outer for each in self._lists])
        self.columns = OrderColumns(api, ordernumber, self.walk)
        self.lines = self.walk.value(lines)
        self.lines_path = shown_path(lines)

    def _returns(self) -> str:
        """SQL condition that all further lists which tell returns are there; '' without any."""
        columns = [each.column for each in self.mapping.also if each.returned is not None]
        return " AND ".join(f"{column} IS NOT NULL" for column in columns)

    @property
    def layout(self) -> PageLayout:
        """Layout of the orders in a page."""
        first = {str(p.steps[0]) for e in self.mapping.of_order() for p in paths(e)}
        number = {str(path.steps[0]) for path in paths(self.mapping.number)}
        lines = self.mapping.lines.steps[0]
        inner = tuple(str(step) for step in self.prefix)
        required = frozenset({lines, *(number if len(number) == 1 else ())})
        return PageLayout(self.records.steps, inner, frozenset({*first, lines}), required)

    @property
    def by_value(self) -> set[str]:
        """Keys whose numbers count by value, so that their text does not matter."""
        return self._pieces - self._texts - self._amounts

    @property
    def whole(self) -> set[str]:
        """Keys of numbers of pieces that are part of an amount, too."""
        return (self._pieces & self._amounts) - self._texts

    def raw_order(self, docs: str) -> str:
        """SQL of ``raw_order``: one row per order of the relation *docs*."""
        order = self.columns
        checks = OrderChecks(self.mapping, self.walk, self.prefix, order.fields, order.time)
        columns = [
            *order.columns(self._known_id()),
            f"{self.lines} AS lines",
            *(f"{self._counting(items, lines)} AS {items.column}" for items, lines in self._also()),
            f"{case([*checks.all(self.lines), *self._wrong_lists()])} AS error",
            f"{self._included()} AS included",
            "received",
        ]
        return f"""SELECT page, position, {", ".join(columns)}
                   FROM (SELECT *, {order.raw_columns} FROM ({self.walk.opened(docs)}))"""

    def outline(self, docs: str, *, whole: bool) -> str:
        """SQL of (ordernumber, modified_at, included) of the orders *docs*.

        :param whole: the orders have all their fields. Otherwise an order without a field of
            ``where`` is not judged by it.
        """
        where = paths(self.mapping.where) if self.mapping.where and not whole else ()
        keys = {"/".join(("", *map(str, self.prefix), str(path.steps[0]))) for path in where}
        complete = (
            " AND ".join(f"json_exists(doc, {literal(key)})" for key in sorted(keys)) or "true"
        )
        return f"""SELECT ordernumber, modified_at, included OR NOT ({complete})
                   FROM ({self.raw_order(docs)}) JOIN ({docs}) USING (page, position)
                   ORDER BY position"""

    def line(self, orders: str) -> str:
        """SQL of ``line``: one row per line of the orders without an error in table *orders*."""
        return " UNION ALL ".join(lines.select(orders) for lines in self._lists)

    def staging(self) -> Iterator[str]:
        """The statements that stage ``raw_order`` and ``line``, in execution order."""
        return staging(self.lines_path, [items.column for items in self.mapping.item_lists])

    def _also(self) -> Iterator[tuple[ItemList, LinesSql]]:
        """The further lists of items."""
        return zip(self.mapping.also, self._lists[1:], strict=True)

    def _first(self, lines: LinesSql) -> str:
        """SQL of the JSON text of the first list on the way to *lines*."""
        return self.walk.value(lines.outer)

    def _counting(self, items: ItemList, lines: LinesSql) -> str:
        """SQL of the JSON text of the first list; NULL in orders of which *items* do not count."""
        if items.when is None:
            return self._first(lines)
        condition = text_of(items.when, self.walk, self.prefix)
        return f"CASE WHEN {condition} THEN {self._first(lines)} END"

    def _wrong_lists(self) -> Iterator[Check]:
        for _, lines in self._also():
            yield from lines.wrong_kinds(self._first(lines))

    def _included(self) -> str:
        """SQL condition: the order passes ``where``, or is not an object and will be rejected."""
        if self.mapping.where is None:
            return "true"
        broken = "doc IS NULL OR left(doc::VARCHAR, 1) <> '{'"
        return f"coalesce({self.columns.fields['where']}, false) OR ({broken})"

    def _known_id(self) -> str:
        """SQL of the order's id; NULL if a value of the id is not a text."""
        values = self._values(self.mapping.id or self.mapping.number)
        unlike = " OR ".join(f"unlike_text({value})" for value in values)
        return f"CASE WHEN NOT ({unlike}) THEN {self.columns.fields['id']} END"

    def _values(self, expression: Expression | None) -> Iterator[str]:
        """SQL of each JSON text that *expression* reads."""
        for path in paths(expression) if expression is not None else ():
            yield self.walk.value((*self.prefix, *path.steps))


def _last_keys(expressions: Iterable[Expression]) -> set[str]:
    """The last steps of the paths in *expressions*."""
    return {str(path.steps[-1]) for each in expressions for path in paths(each)}
