"""The ``[order]`` block of an API's ``.toml``: the mapping from an order's fields to columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from msgspec import Struct

from orderpull.sources.spec.expression import (
    EACH,
    Expression,
    Path,
    Step,
    is_condition,
    is_first_of,
    parse,
    parse_elements,
    parse_path,
    paths,
    shown,
)
from orderpull.sources.spec.item_lists import FurtherLinesSpec, ItemList, LinesSpec
from orderpull.sources.spec.times import zone_of

AMOUNT_FIELDS = ("total", "discount", "shipping", "tax", "refunded")
HEADER_FIELDS = ("status", "ordered_at", "modified_at", "currency", *AMOUNT_FIELDS, "channel")

_VARYING = frozenset(
    {"number", "id", "ordered_at", "modified_at", "total", "customer", "lines.sku", "lines.amount"}
)
"""Keys whose expression must contain a path, because a constant would be the same in all orders."""


class AddressSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[order.address]``: an expression for each column of ``order_address``."""

    country: str | None = None
    line1: str | None = None
    line2: str | None = None
    name: str | None = None
    postalcode: str | None = None
    stateprovince: str | None = None
    city: str | None = None


class OrderSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[order]``: expressions for the columns of ``order_header``, relative to the order.

    :param discount, shipping, tax, refunded: amounts of the order; ``refunded``: so far.
    :param customer: what tells a customer of the shop from others: an id or e-mail address. Only a
        keyed hash of it is stored.
    :param also: further lists that are added to the items, such as refunds.
    :param where: condition: true for orders, false for carts, drafts and tests.
    :param billing_country: country of the invoice, for the setting ``billing_country``.
    :param time_format: format of times, as in ``[cursor]`` ``format``; ``iso`` also reads ``naive``
        and ``sql``.
    :param timezone: time zone of times that name no zone.
    """

    number: str
    lines: LinesSpec
    address: AddressSpec = AddressSpec()
    id: str | None = None
    status: str | None = None
    counted: str | None = None
    ordered_at: str | None = None
    modified_at: str | None = None
    currency: str | None = None
    total: str | None = None
    discount: str | None = None
    shipping: str | None = None
    tax: str | None = None
    refunded: str | None = None
    channel: str | None = None
    customer: str | None = None
    also: tuple[FurtherLinesSpec, ...] = ()
    where: str | None = None
    billing_country: str | None = None
    time_format: Literal["iso", "rfc2822", "unix", "unix_ms"] = "iso"
    timezone: str = "UTC"


class InvalidExpression(ValueError):
    """An invalid expression. :param key: its key in the API file. :param reason: the fault."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True, slots=True)
class ListPath:
    """Path of a list (*steps*), and the path of the record within each element (*inner*)."""

    steps: tuple[str, ...]
    inner: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ListPath":
        """Parse *text*. :raises ValueError: *text* is not a list path."""
        match = re.fullmatch(r"([^\[\]]+)(?:\[\](?:\.([^\[\]]+))?)?", text)
        if match is None:
            raise ValueError(f"{text!r} is not the path of a list, such as data.edges[].node")
        outer, inner = match.groups()
        return cls(() if outer == "$" else keys(outer), keys(inner) if inner else ())


@dataclass(frozen=True, slots=True)
class ElementPath:
    """Path of a value that may lie in the elements of lists: ``lines[].product.url``.

    :param lists: path of each list, from the order or from an element of the list before.
    :param leaf: path of the value, from the order or from an element of the last list.
    """

    lists: tuple[tuple[str, ...], ...]
    leaf: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "ElementPath":
        """Parse *text*. :raises ValueError: *text* is not such a path."""
        *lists, leaf = (keys(part) for part in text.split("[]."))
        return cls(tuple(lists), leaf)

    def within(self, place: tuple[int, ...]) -> tuple[Step, ...]:
        """Steps from the order to the value in the element at *place*, an index for each list."""
        steps: list[Step] = []
        for each, index in zip(self.lists, place, strict=True):
            steps += (*each, index)
        return (*steps, *self.leaf)


def keys(text: str) -> tuple[str, ...]:
    """The keys of a path. :raises ValueError: *text* is not a path, or contains an index."""
    steps = parse_path(text).steps
    if "$" in steps:
        raise ValueError(f"{text!r}: '$' stands alone, or before []")
    if not all(isinstance(step, str) for step in steps):
        raise ValueError(f"{text!r} has an index where only keys may stand")
    return tuple(str(step) for step in steps)


def is_plain(text: str) -> bool:
    """True if *text* is a path of keys alone, without functions."""
    try:
        return isinstance(parse(text), Path) and bool(keys(text))
    except ValueError:
        return False


def parse_values_path(text: str) -> tuple[str, tuple[str, ...] | None]:
    """The path of one value, or of a list with the keys within each element.

    :raises ValueError: *text* is neither.
    """
    outer, is_list, _ = text.partition("[]")
    if is_list:
        return outer, ListPath.parse(text).inner
    parse_path(text)
    return text, None


@dataclass(frozen=True)
class Mapping:
    """The parsed expressions of ``[order]``, from which the normalizing SQL is generated.

    :param lines: path of the order lines. :param main: their fields.
    :param also: the further lists that are added to them.
    """

    number: Expression
    id: Expression | None
    header: dict[str, Expression]
    counted: Expression | None
    address: dict[str, Expression]
    lines: ListPath
    main: ItemList
    also: tuple[ItemList, ...] = ()
    quantity_unit: str | None = None
    where: Expression | None = None
    customer: Expression | None = None

    @property
    def item_lists(self) -> tuple[ItemList, ...]:
        """The order lines and the further lists."""
        return (self.main, *self.also)

    def amounts(self) -> dict[str, Expression]:
        """The amounts of the order, by column."""
        return {name: each for name, each in self.header.items() if name in AMOUNT_FIELDS}

    def of_order(self) -> Iterator[Expression]:
        """All expressions that are relative to the order."""
        whens = (items.when for items in self.also)
        optional = (self.number, self.id, self.counted, self.where, self.customer, *whens)
        yield from (expression for expression in optional if expression is not None)
        yield from self.header.values()
        yield from self.address.values()


def mapping_of(order: OrderSpec) -> Mapping:
    """Parse the expressions of *order*. :raises InvalidExpression: one of them is invalid."""
    lines = order.lines
    try:
        zone_of(order.timezone)
    except ValueError as error:
        raise InvalidExpression("order.timezone", str(error)) from None
    try:
        line_path = ListPath.parse(lines.path)
    except ValueError as error:
        raise InvalidExpression("order.lines.path", str(error)) from None
    if not line_path.steps:
        raise InvalidExpression("order.lines.path", "'$' is the order itself")
    mapping = Mapping(
        number=_value("number", order.number),
        id=_value("id", order.id) if order.id is not None else None,
        header=_values(HEADER_FIELDS, order),
        counted=_condition("counted", order.counted) if order.counted is not None else None,
        address=_values(AddressSpec.__struct_fields__, order.address, "address."),
        lines=line_path,
        main=_item_list("lines", "lines", lines, (*line_path.steps, EACH, *line_path.inner)),
        also=tuple(_further_list(n, block) for n, block in enumerate(order.also)),
        quantity_unit=lines.quantity_unit,
        where=_condition("where", order.where) if order.where is not None else None,
        customer=_value("customer", order.customer) if order.customer is not None else None,
    )
    if lines.amount is None and any(block.amount for block in order.also):
        raise InvalidExpression("order.lines.amount", "[[order.also]] adds amounts to it")
    if order.billing_country is not None:
        _value("billing_country", order.billing_country)
    _refuse_contradictions(mapping)
    return mapping


def _further_list(number: int, block: FurtherLinesSpec) -> ItemList:
    key = f"also[{number}]"
    try:
        elements = parse_elements(block.path)
    except ValueError as error:
        raise InvalidExpression(f"order.{key}.path", str(error)) from None
    if block.quantity is None and block.amount is None and block.returned is None:
        raise InvalidExpression(f"order.{key}", "it needs quantity, amount or returned")
    return _item_list(f"also_{number}", key, block, elements.steps)


def _item_list(
    column: str, key: str, block: LinesSpec | FurtherLinesSpec, record: tuple[Step, ...]
) -> ItemList:
    """The list of *block*. :raises InvalidExpression: one of its expressions is invalid.

    :param key: key of the block in the API file.
    :param record: path from the order to the records.
    """
    last = len(record) - 1 - record[::-1].index(EACH)

    def value(name: str) -> Expression | None:
        text = getattr(block, name, None)
        return _value(f"{key}.{name}", text) if text is not None else None

    for name in ("quantity", "returned"):
        pieces = value(name)
        if pieces is not None and not is_first_of(pieces):
            raise InvalidExpression(
                f"order.{key}.{name}", "expected a path, or coalesce() of paths"
            )
    return ItemList(
        column=column,
        elements=record[: last + 1],
        inner=record[last + 1 :],
        sku=_value(f"{key}.sku", block.sku),
        where=_condition(f"{key}.where", block.where) if block.where is not None else None,
        quantity=value("quantity"),
        when=_condition(f"{key}.when", text) if (text := getattr(block, "when", None)) else None,
        title=value("title"),
        amount=value("amount"),
        returned=value("returned"),
        sign=block.sign if isinstance(block, FurtherLinesSpec) else 1,
        is_main=isinstance(block, LinesSpec),
    )


def _parsed(key: str, text: str) -> Expression:
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidExpression(f"order.{key}", str(error)) from None


def _condition(key: str, text: str) -> Expression:
    expression = _parsed(key, text)
    if not is_condition(expression):
        raise InvalidExpression(f"order.{key}", f"{text!r} is not a condition")
    return expression


def _value(key: str, text: str) -> Expression:
    expression = _parsed(key, text)
    if is_condition(expression):
        raise InvalidExpression(f"order.{key}", f"{text!r} is a condition")
    if key in _VARYING and not list(paths(expression)):
        raise InvalidExpression(f"order.{key}", f"{text!r} is the same for every order")
    return expression


def _values(fields: tuple[str, ...], block: Struct, prefix: str = "") -> dict[str, Expression]:
    texts = {field: getattr(block, field) for field in fields}
    return {f: _value(prefix + f, text) for f, text in texts.items() if text is not None}


def _refuse_contradictions(mapping: Mapping) -> None:
    """Refuse paths that need two JSON types at one path, because no order could match them.

    :raises InvalidExpression: the first contradiction.
    """
    leaves = [path.steps for each in mapping.of_order() for path in paths(each)]
    for each in mapping.item_lists:
        leaves += [(*each.record, *p.steps) for p in chain(*map(paths, each.expressions()))]
    kinds: dict[tuple[Step, ...], str] = {}
    for steps in leaves:
        for depth in range(1, len(steps) + 1):
            kind = "a text"
            if depth < len(steps):
                kind = "a list" if isinstance(steps[depth], int) else "an object"
            if kinds.setdefault(steps[:depth], kind) != kind:
                path = shown(steps[:depth])
                both = f"{kinds[steps[:depth]]} and as {kind}"
                raise InvalidExpression("order", f"{path} is read as {both}")
