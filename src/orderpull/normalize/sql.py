"""The SQL of the careful way, generated from an API's mapping.

The first statement reads orders' JSON into ``raw_order``: one row per order with its fields, its
first error, and its lines as JSON. The second statement reads the lines into ``line``.
"""

from collections.abc import Iterator

from orderpull.model import MAX_TITLE, NO_SKU
from orderpull.normalize.checks import (
    RAW_AMOUNT,
    RAW_PIECES,
    Check,
    LineChecks,
    OrderChecks,
    case,
    not_of_kind,
)
from orderpull.normalize.order_columns import OrderColumns, Quantity, filled, filled_text, text_of
from orderpull.normalize.salvage import PageLayout
from orderpull.normalize.staging import staging
from orderpull.normalize.walk import Steps, Walk, elements, shown_path, wrong_elements
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
        also = [(*self.prefix, *items.outer) for items in self.mapping.also]
        self.walk = Walk("doc", "n", texts, [lines, *also])
        self.columns = OrderColumns(api, ordernumber, self.walk)
        self.lines = self.walk.value(lines)
        self.lines_path = shown_path(lines)

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
        by_text = {path.steps[-1] for e in self.mapping.of_order() for path in paths(e)}
        by_value = set()
        for items in self.mapping.item_lists:
            texts = [*items.texts, *([items.amount] if items.amount is not None else [])]
            by_text |= {path.steps[-1] for each in texts for path in paths(each)}
            by_value |= {p.steps[-1] for each in items.pieces.values() for p in paths(each)}
        return {str(step) for step in by_value - by_text}

    def raw_order(self, docs: str) -> str:
        """SQL of ``raw_order``: one row per order of the relation *docs*."""
        order = self.columns
        checks = OrderChecks(self.mapping, self.walk, self.prefix, order.fields, order.time)
        columns = [
            *order.columns(self._known_id()),
            f"{self.lines} AS lines",
            *(f"{self._outer(items)} AS {items.column}" for items in self.mapping.also),
            f"{case([*checks.all(self.lines), *self._also_checks()])} AS error",
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
        return " UNION ALL ".join(self._lines(items, orders) for items in self.mapping.item_lists)

    def staging(self) -> Iterator[str]:
        """The statements that stage ``raw_order`` and ``line``, in execution order."""
        return staging(self.lines_path, [items.column for items in self.mapping.item_lists])

    def _lines(self, items: ItemList, orders: str) -> str:
        inner: Steps = items.inner
        texts = [*items.texts, *(each for each in (items.amount, items.where) if each is not None)]
        pieces = {
            name: [(*inner, *path.steps) for path in paths(each)]
            for name, each in items.pieces.items()
        }
        walk = Walk(
            "line",
            "l",
            [(*inner, *p.steps) for each in texts for p in paths(each)],
            [steps for each in pieces.values() for steps in each],
        )
        unit = Quantity.of(self.mapping)
        raw = [
            f"coalesce({', '.join(map(walk.value, each))}) AS {RAW_PIECES[name]}"
            for name, each in pieces.items()
        ]
        amount = text_of(items.amount, walk, inner) if items.amount is not None else "NULL::VARCHAR"
        title = "NULL::VARCHAR"
        if items.title is not None:
            title = filled(f"left({text_of(items.title, walk, inner)}, {MAX_TITLE})")
        sold = text_of(items.where, walk, inner) if items.where is not None else "true"
        columns = [
            "page",
            "position",
            "number",
            "line",
            "complete",
            f"coalesce({filled_text(items.sku, walk, inner)}, {literal(NO_SKU)}) AS sku",
            f"{title} AS title",
            f"{amount} AS {RAW_AMOUNT}",
            f"coalesce({sold}, false) AS sold",
            *raw,
        ]
        parsed = [
            f"{unit.of_json(RAW_PIECES[name], signed=not items.is_main)} AS {name}"
            if name in pieces
            else f"{self._no_pieces(items, name)} AS {name}"
            for name in RAW_PIECES
        ]
        checks = LineChecks(
            items, walk, unit.kind, shown_path((*self.prefix, *items.elements[:-1]))
        )
        return f"""
            SELECT page, position, number, sku,
                {_signed("quantity", items.sign)} AS quantity, title,
                {_signed(f"as_amount({RAW_AMOUNT})", items.sign)} AS amount, returned, error
            FROM (SELECT *, {case(checks.all())} AS error FROM (
                SELECT *, {", ".join(parsed)} FROM (
                    SELECT {", ".join(columns)}, * EXCLUDE (page, position, number, line, complete)
                    FROM ({walk.opened(self._unnested(items, orders))}))))
            WHERE sold OR left(line::VARCHAR, 1) <> '{{'"""

    def _unnested(self, items: ItemList, orders: str) -> str:
        """SQL of the lines of *items* that are not null, each as JSON; ``complete``: returns are told."""
        listed = elements(items.column, items.between)
        return f"""SELECT * FROM (
            SELECT page, position, complete, unnest(range(len(texts))) AS number, unnest(texts) AS line
            FROM (SELECT page, position, {self._is_complete()} AS complete, {listed} AS texts FROM {orders}
                  WHERE error IS NULL AND left({items.column}::VARCHAR, 1) = '['))
            WHERE line IS NOT NULL AND line::VARCHAR <> 'null'"""

    def _is_complete(self) -> str:
        """SQL condition: the further lists that tell what came back are there."""
        conditions = [
            f"{each.column} IS NOT NULL" for each in self.mapping.also if each.returned is not None
        ]
        return " AND ".join(conditions) or "false"

    def _no_pieces(self, items: ItemList, name: str) -> str:
        """SQL of pieces that the list *items* does not tell."""
        if name == "quantity":
            return "0::BIGINT"
        return "CASE WHEN complete THEN 0::BIGINT END" if items.is_main else "NULL::BIGINT"

    def _outer(self, items: ItemList) -> str:
        """SQL of the JSON text of the first list on the path of *items*."""
        return self.walk.value((*self.prefix, *items.outer))

    def _also_checks(self) -> Iterator[Check]:
        """The checks of the kinds of lists and elements on the way to further lists."""
        for items in self.mapping.also:
            outer: Steps = (*self.prefix, *items.outer)
            for wrong, kind, within in wrong_elements(self._outer(items), items.between):
                steps = (*outer, *within)
                message = literal(not_of_kind(steps, kind))
                yield Check(wrong, "lines_invalid", message, literal(shown_path(steps)))

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


def _signed(number: str, sign: int) -> str:
    return f"-{number}" if sign < 0 else number
