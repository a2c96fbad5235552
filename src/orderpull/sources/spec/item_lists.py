"""The lists of an order whose elements become its items: ``[order.lines]``, ``[[order.also]]``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from orderpull.sources.spec.expression import EACH, Expression, Step


class LinesSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[order.lines]``: the list of order lines and the fields of a line.

    :param path: list path like ``[records]`` ``path``, relative to the order.
    :param sku: expression, relative to the line.
    :param quantity: path, relative to the line, or ``coalesce()`` of paths.
    :param quantity_unit: unit of decimal quantities; each is stored as the nearest number of
        units, a half rounded up. Without it only whole numbers are valid.
    :param where: condition, relative to the line: true for lines with a sold item.
    :param title: product and variant as sold, relative to the line.
    :param amount: what the line came to after discounts, without shipping, relative to the line.
    :param returned: pieces that were refunded or came back: path or ``coalesce()`` of paths.
    """

    path: str
    sku: str
    quantity: str
    quantity_unit: Literal["1", "0.1", "0.01", "0.001", "0.0001"] | None = None
    where: str | None = None
    title: str | None = None
    amount: str | None = None
    returned: str | None = None


class FurtherLinesSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[order.also]]``: a further list of the order, such as refunds, added to its items by SKU.

    :param path: path of the elements, with ``[]`` for each list: ``refunds[].lines[]``.
    :param sku: expression, relative to the element.
    :param when: condition, relative to the order: true for orders of which the list counts.
    :param where: condition, relative to the element: true for elements that count.
    :param quantity: pieces to add to what was sold: path or ``coalesce()`` of paths.
    :param amount: amount to add.
    :param returned: pieces to add to what came back: path or ``coalesce()`` of paths.
    :param sign: -1 takes quantity and amount off instead.
    """

    path: str
    sku: str
    when: str | None = None
    where: str | None = None
    quantity: str | None = None
    amount: str | None = None
    returned: str | None = None
    sign: Literal[1, -1] = 1


@dataclass(frozen=True)
class ItemList:
    """A list whose records are added to the items, by SKU. Expressions are from the record.

    :param column: name of the column with the list, in statements.
    :param elements: path from the order to all elements of the list, which ends with ``EACH``.
    :param inner: path of the record within an element.
    :param when: condition from the order: true where the list counts.
    :param is_main: the order lines, which have a quantity.
    """

    column: str
    elements: tuple[Step, ...]
    inner: tuple[Step, ...]
    sku: Expression
    quantity: Expression | None = None
    when: Expression | None = None
    where: Expression | None = None
    title: Expression | None = None
    amount: Expression | None = None
    returned: Expression | None = None
    sign: int = 1
    is_main: bool = False

    @property
    def outer(self) -> tuple[Step, ...]:
        """Path from the order to the first list."""
        return self.elements[: self.elements.index(EACH)]

    @property
    def between(self) -> tuple[Step, ...]:
        """Path from the elements of the first list to those of the last; empty if it is one."""
        return self.elements[len(self.outer) + 1 :]

    @property
    def record(self) -> tuple[Step, ...]:
        """Path from the order to the records."""
        return (*self.elements, *self.inner)

    @property
    def texts(self) -> Iterator[Expression]:
        """The expressions whose value is a text."""
        yield from (each for each in (self.sku, self.title) if each is not None)

    @property
    def pieces(self) -> dict[str, Expression]:
        """The expressions whose value is a number of pieces, by column."""
        both = {"quantity": self.quantity, "returned": self.returned}
        return {name: each for name, each in both.items() if each is not None}

    def expressions(self) -> Iterator[Expression]:
        """All expressions."""
        yield from self.texts
        yield from self.pieces.values()
        yield from (each for each in (self.amount, self.where) if each is not None)
