"""The SQL of ``line`` for one list of items: a row for each of its lines that counts."""

from collections.abc import Iterator

from orderpull.model import MAX_TITLE, NO_SKU
from orderpull.normalize.checks import RAW_AMOUNT, RAW_PIECES, Check, LineChecks, case, not_of_kind
from orderpull.normalize.order_columns import Quantity, filled, filled_text, text_of
from orderpull.normalize.walk import Steps, Walk, elements, shown_path, wrong_elements
from orderpull.sources.spec.expression import Expression, paths
from orderpull.sources.spec.item_lists import ItemList
from orderpull.sqltext import literal


class LinesSql:
    """The SQL for one list of items.

    :param prefix: path from the record to the order.
    :param unit: the reading of its pieces.
    :param returns: SQL condition that all lists which tell returns are there; '' if none does.
    """

    def __init__(self, items: ItemList, prefix: Steps, unit: Quantity, returns: str) -> None:
        self._items, self._prefix, self._unit = items, prefix, unit
        self._returns = returns
        self.outer: Steps = (*prefix, *items.outer)
        texts = [*items.texts, *(each for each in (items.amount, items.where) if each is not None)]
        self._pieces = {name: self._steps(each) for name, each in items.pieces.items()}
        values = [steps for each in self._pieces.values() for steps in each]
        self._walk = Walk("line", "l", [s for each in texts for s in self._steps(each)], values)

    def select(self, orders: str) -> str:
        """SQL of the lines of the orders without an error in table *orders*."""
        sign = "-" if self._items.sign < 0 else ""
        checks = LineChecks(
            self._items,
            self._walk,
            self._unit.kind,
            shown_path((*self._prefix, *self._items.elements[:-1])),
        )
        return f"""
            SELECT page, position, number, sku, {sign}quantity AS quantity, title,
                {sign}as_amount({RAW_AMOUNT}) AS amount, returned, error
            FROM (SELECT *, {case(checks.all())} AS error FROM (
                SELECT *, {", ".join(self._parsed())} FROM (
                    SELECT *, {", ".join(self._raw())}
                    FROM ({self._walk.opened(self._unnested(orders))}))))
            WHERE sold OR left(line::VARCHAR, 1) <> '{{'"""

    def wrong_kinds(self, outer: str) -> Iterator[Check]:
        """The checks of the lists and elements on the way to the lines.

        :param outer: SQL of the JSON text of the first list.
        """
        for wrong, kind, within in wrong_elements(outer, self._items.between):
            steps = (*self.outer, *within)
            message = literal(not_of_kind(steps, kind))
            yield Check(wrong, "lines_invalid", message, literal(shown_path(steps)))

    def _steps(self, expression: Expression) -> list[Steps]:
        return [(*self._items.inner, *path.steps) for path in paths(expression)]

    def _unnested(self, orders: str) -> str:
        """SQL of the lines that are not null, each as JSON."""
        column, returns = self._items.column, self._returns or "false"
        listed = elements(column, self._items.between)
        return f"""SELECT * FROM (
            SELECT page, position, tells_returns,
                unnest(range(len(texts))) AS number, unnest(texts) AS line
            FROM (SELECT page, position, {returns} AS tells_returns, {listed} AS texts
                  FROM {orders} WHERE error IS NULL AND left({column}::VARCHAR, 1) = '['))
            WHERE line IS NOT NULL AND line::VARCHAR <> 'null'"""

    def _raw(self) -> Iterator[str]:
        """The columns of what the line says."""
        items, walk, inner = self._items, self._walk, self._items.inner
        yield f"coalesce({filled_text(items.sku, walk, inner)}, {literal(NO_SKU)}) AS sku"
        title = text_of(items.title, walk, inner) if items.title is not None else "NULL::VARCHAR"
        yield f"{filled(f'left({title}, {MAX_TITLE})')} AS title"
        amount = text_of(items.amount, walk, inner) if items.amount is not None else "NULL::VARCHAR"
        yield f"{amount} AS {RAW_AMOUNT}"
        sold = text_of(items.where, walk, inner) if items.where is not None else "true"
        yield f"coalesce({sold}, false) AS sold"
        for name, steps in self._pieces.items():
            yield f"coalesce({', '.join(map(walk.value, steps))}) AS {RAW_PIECES[name]}"

    def _parsed(self) -> Iterator[str]:
        """The columns of pieces. What a list does not tell is nothing, or not known."""
        main = self._items.is_main
        absent = {
            "quantity": "0::BIGINT",
            "returned": f"CASE WHEN tells_returns AND {main} THEN 0::BIGINT END",
        }
        for name, otherwise in absent.items():
            value = otherwise
            if name in self._pieces:
                value = self._unit.of_json(RAW_PIECES[name], signed=not main)
            yield f"{value} AS {name}"
