"""The items of a document by the lists of an API file, read and written in plain Python.

SQL fills the tables; this module computes the expected rows independently of it.
"""

from decimal import ROUND_HALF_UP, Decimal
from itertools import chain
from typing import TypeVar

from orderpull.conform.values import (
    OTHER,
    Json,
    Places,
    all_at,
    at,
    document_of,
    filled,
    first,
    holds,
    number_of,
    places,
    put,
    truths,
    value_of,
)
from orderpull.model import MAX_TITLE
from orderpull.simulator.shop.order import StoreLine
from orderpull.simulator.truth import sku_key
from orderpull.sources.spec.expression import EACH, Expression, Path, Step, amount_paths
from orderpull.sources.spec.item_lists import ItemList
from orderpull.sources.spec.order import Mapping

Number = TypeVar("Number", int, Decimal)

PRICE_OF_PART = "1.25"
"""Amount at each path of a line that the order sums up."""


class Items:
    """Sums by SKU: pieces, titles, amounts in hundredths, and returned pieces."""

    def __init__(self, mapping: Mapping) -> None:
        """Begin without items."""
        self.quantity: dict[str, int] = {}
        self.titles: dict[str, str | None] = {}
        self.amounts: dict[str, Decimal | None] = {}
        self.returned: dict[str, int | None] = {}
        self._unit = Decimal(mapping.quantity_unit or 1)

    def add(self, items: ItemList, record: Json, untold: int | None) -> None:
        """Add a record. :param untold: its returned pieces if the list does not tell them."""
        sku = sku_key(value_of(items.sku, record))
        title = filled((value_of(items.title, record) or "")[:MAX_TITLE]) if items.title else None
        self.quantity[sku] = self.quantity.get(sku, 0) + items.sign * (
            self._pieces(items.quantity, record) or 0
        )
        self.titles[sku] = self.titles.get(sku) or title
        amount = amount_of(items.amount, record)
        signed = None if amount is None else items.sign * amount
        self.amounts[sku] = _sum(self.amounts.get(sku), signed)
        back = untold if items.returned is None else self._pieces(items.returned, record)
        self.returned[sku] = _sum(self.returned.get(sku), back)

    def _pieces(self, expression: Expression | None, record: Json) -> int | None:
        number = number_of(expression, record)
        if number is None:
            return None
        return int((abs(number) / self._unit).to_integral_value(ROUND_HALF_UP))


def read_items(mapping: Mapping, document: Json) -> Items:
    """Return the items of *document*."""
    sums = Items(mapping)
    tells = [each for each in mapping.also if each.returned is not None]
    is_told = bool(tells) and all(
        holds(each.when, document) and at(document, each.outer) is not None for each in tells
    )
    for items in mapping.item_lists:
        if not holds(items.when, document):
            continue
        for element in all_at(document, Path(items.elements)):
            record = at(element, items.inner)
            if holds(items.where, record):
                sums.add(items, record, 0 if items.is_main and is_told else None)
    return sums


def hundredths(amount: Decimal | None) -> float | None:
    """Return an amount in hundredths."""
    return None if amount is None else float(amount * 100)


def amount_of(expression: Expression | None, document: Json) -> Decimal | None:
    """Return an amount as exact as the tables have it; None without one."""
    number = number_of(expression, document)
    return None if number is None else number.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def line_values(mapping: Mapping, line: StoreLine, price: str, known: Places) -> Places:
    """Return the *known* values of a line with title, *price* and returned pieces.

    With them come the parts of it that the order sums up, and what a further list reads of it.
    """
    steps = (*mapping.lines.steps, EACH, *mapping.lines.inner)
    values: list[tuple[Expression | None, Json]] = [
        (mapping.main.title, line.title),
        (mapping.main.amount, price),
        (mapping.main.returned, line.returned),
    ]
    for expression, value in values:
        if expression is not None:
            known = next(places(expression, value, known), known)
    for expression in mapping.amounts().values():
        for path in amount_paths(expression):
            rest = path.steps[len(steps) :]
            if path.steps[: len(steps)] == steps and rest not in known and EACH not in rest:
                known = {**known, rest: PRICE_OF_PART}
    for items in mapping.also:
        if items.record[: len(steps)] == steps:
            known = _also_of_line(items, line, known, items.record[len(steps) :])
    return known


def write_lists(mapping: Mapping, lines: list[StoreLine], document: Json) -> None:
    """Write the further lists that are not within the lines to *document*."""
    for items in mapping.also:
        if items.elements[: len(mapping.lines.steps)] == mapping.lines.steps:
            continue
        *outer, _ = items.elements
        listed = [_record(items, line) for line in lines if line.quantity]
        put(document, first(tuple(outer)), listed)


def write_uncounted(mapping: Mapping, document: Json) -> None:
    """Add to each list that the order sums up an element that the condition in brackets leaves out.

    An engine or a file that counts it has another sum.
    """
    for path in chain.from_iterable(map(amount_paths, mapping.amounts().values())):
        ends = [place for place, step in enumerate(path.steps) if step == EACH]
        for place, where in zip(ends, path.wheres, strict=False):
            listed = at(document, first(path.steps[:place]))
            known = next(truths(where, False, {}, OTHER), {})  # noqa: FBT003
            rest = first(path.steps[place + 1 :])
            if where is not None and isinstance(listed, list) and known and rest not in known:
                listed.append(document_of({**known, rest: PRICE_OF_PART}))


def _also_of_line(
    items: ItemList, line: StoreLine, known: Places, within: tuple[Step, ...]
) -> Places:
    """Return *known* with the values of a further list at the path *within* of a line."""
    wanted = _values(items, line)
    return {**{(*first(within), *steps): value for steps, value in wanted.items()}, **known}


def _values(items: ItemList, line: StoreLine) -> Places:
    """Return the values of a record of a further list: one piece of *line* in it."""
    known: Places = {}
    for expression, value in (
        (items.quantity, 1 if line.quantity else 0),
        (items.returned, 1 if line.quantity and line.key % 2 else 0),
        (items.amount, PRICE_OF_PART),
    ):
        if expression is not None:
            known = next(places(expression, value, known), known)
    known = next(truths(items.where, True, known, OTHER), known)  # noqa: FBT003
    return next(places(items.sku, line.sku, known), known)


def _record(items: ItemList, line: StoreLine) -> Json:
    values = _values(items, line)
    return document_of({(*items.inner, *steps): value for steps, value in values.items()})


def _sum(before: Number | None, more: Number | None) -> Number | None:
    if before is None or more is None:
        return more if before is None else before
    return before + more
