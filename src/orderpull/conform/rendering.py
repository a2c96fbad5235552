"""Orders of the mirror, written as JSON by the mapping of an API file.

Each value is at the first path of its expression. The expected table rows are read back from the
written JSON, so a file that maps two columns to one field gets what it says.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from orderpull.conform.items import (
    amount_of,
    hundredths,
    line_values,
    read_items,
    write_lists,
    write_uncounted,
)
from orderpull.conform.values import (
    ABSENT,
    NO_AMOUNT,
    OTHER,
    Json,
    Places,
    Steps,
    at,
    document_of,
    filled,
    holds,
    placed,
    places,
    put,
    truths,
    value_of,
)
from orderpull.simulator.shop.order import ASIDE, State, StoreLine, StoreOrder
from orderpull.simulator.shop.times import Form, written
from orderpull.sources.paging.child_requests import elements
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import LINK
from orderpull.sources.spec.expression import Expression, Path, parse_path, paths
from orderpull.sources.spec.order import ElementPath

if TYPE_CHECKING:
    from orderpull.sources.spec.order import Mapping

ADDRESS = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")
FORMS: dict[str, Form] = {
    "iso": "iso",
    "naive": "iso-naive",
    "sql": "sql",
    "rfc2822": "rfc2822",
    "unix": "unix",
    "unix_ms": "unix",
}
BAD_AMOUNT = "bad-amount"
"""Mark of an order whose amounts are no numbers."""

NOT_SOLD = StoreLine(0, "NOT-SOLD", 99, 99, 100)
"""A line that the file's condition excludes, if it has one."""


class CannotRenderError(Exception):
    """The file has no information to make an order from; the message says why."""


class Renderer:
    """Writes orders for one API.

    :ivar carts: the file separates carts and drafts from orders.
    :ivar cancels: the file separates cancelled orders from others.
    :ivar has_total_alone: the file maps no other amount than the order's total.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self.mapping: Mapping = api.mapping
        self._unit = Decimal(self.mapping.quantity_unit or 1)
        self._zone = ZoneInfo(api.order.timezone)
        self._form, self._precision = _form(api)
        others = [name for name in self.mapping.amounts() if name != "total"]
        self.has_total_alone = not others and self.mapping.main.amount is None
        self._rendered: dict[int, tuple[bytes, bytes]] = {}  # by key: order, document
        self.carts = self.mapping.where is not None and self._can_tell("draft")
        self.cancels = self.mapping.counted is not None and self._can_tell("cancelled")

    def stamp(self, moment: datetime) -> Json:
        """Return a time as the API writes it."""
        return written(moment, self._form, self._precision, self._zone)

    def document(self, order: StoreOrder) -> Json:
        """Return the JSON of *order* with its children, for the caller to change.

        :raises CannotRenderError: the file's conditions cannot be met.
        """
        content = msgspec.msgpack.encode(order)
        rendered = self._rendered.get(order.key)
        if rendered is None or rendered[0] != content:
            rendered = content, msgspec.json.encode(self._render(order))
            self._rendered[order.key] = rendered
        return msgspec.json.decode(rendered[1])

    def _render(self, order: StoreOrder) -> Json:
        for known in self._with_conditions(order, self._identity(order)):
            document = self._written(order, known)
            if self._as_meant(order, document):
                put(document, self.mapping.lines.steps, self._lines(order))
                write_lists(self.mapping, order.lines, document)
                write_uncounted(self.mapping, document)
                self._link(order, document)
                return document
        raise CannotRenderError(f"no order can be made that is {order.state} by its conditions")

    def _link(self, order: StoreOrder, document: Json) -> None:
        """Write the keys of children that are URLs, or that stand in the elements of lists."""
        for number, block in enumerate(self.api.children):
            key = ElementPath.parse(block.key)
            for place, element in elements(document, key.lists):
                if at(element, key.leaf) is None and isinstance(element, dict):
                    name = "-".join(map(str, (order.key, number, *place)))
                    put(
                        element,
                        key.leaf,
                        f"/linked/{name}/" if block.request.path == LINK else name,
                    )

    def _can_tell(self, state: State) -> bool:
        """Return True if an order in *state* can be written so that the conditions recognise it."""
        now = datetime(2026, 1, 1, tzinfo=UTC)
        order = StoreOrder(1, "1", state, [], None, None, now, now, now)
        try:
            self.document(order)
        except CannotRenderError:
            return False
        return True

    def _written(self, order: StoreOrder, known: Places) -> Json:
        """Return a document with the *known* values, and the other values at free paths."""
        return document_of(placed(self._values(order), known))

    def rows(self, order: StoreOrder, document: Json) -> dict[str, Json]:
        """Return the table rows of *document*, the JSON of *order*."""
        mapping = self.mapping
        address = {name: self._column(name, document) for name in ADDRESS}
        code = order.address and order.address.country
        if code and address["country"] and code.lower() == address["country"].strip().lower():
            address["country"] = code
        return {
            "number": value_of(mapping.number, document),
            "counted": holds(mapping.counted, document),
            **address,
            **self._money(document),
        }

    def identity(self, document: Json) -> str:
        """Return the id that the tables have for the order."""
        return value_of(self.mapping.id or self.mapping.number, document) or ""

    def _column(self, name: str, document: Json) -> str | None:
        expression = self.mapping.address.get(name)
        return None if expression is None else filled(value_of(expression, document))

    def _money(self, document: Json) -> dict[str, Json]:
        """Return the items, the amounts in hundredths, and the customer."""
        mapping = self.mapping
        items = read_items(mapping, document)
        customer = value_of(mapping.customer, document) if mapping.customer is not None else None
        return {
            "items": items.quantity,
            "titles": items.titles,
            "amounts": {sku: hundredths(amount) for sku, amount in items.amounts.items()},
            "returned": items.returned,
            **{
                name: hundredths(amount_of(each, document))
                for name, each in mapping.amounts().items()
            },
            "customer": filled(customer),
        }

    def _identity(self, order: StoreOrder) -> Places:
        cursor = self.api.cursor
        values: list[tuple[Expression | None, Json]] = [
            (self.mapping.number, order.number),
            (self.mapping.id, order.key),
            (Path(parse_path(cursor.path).steps) if cursor else None, self.stamp(order.modified)),
            (self.mapping.header.get("modified_at"), self.stamp(order.modified)),
        ]
        for also in cursor.also if cursor else []:
            stamp = self.stamp(order.placed) if order.placed else ABSENT
            values.append((Path(parse_path(also.path).steps), stamp))
        flat = [each for each in self.api.children if "[]" not in each.key]
        values += [(Path(parse_path(each.key).steps), order.key) for each in flat
                   if each.request.path != LINK]  # fmt: skip
        return placed(values, {})

    def _with_conditions(self, order: StoreOrder, known: Places) -> Iterator[Places]:
        """Yield *known* with each way to meet the conditions ``where`` and ``counted``."""
        word = str(self.stamp(order.created))
        for way in truths(self.mapping.where, order.state not in ASIDE, known, word):
            yield from truths(self.mapping.counted, order.state != "cancelled", way, word)

    def _values(self, order: StoreOrder) -> Iterator[tuple[Expression | None, Json]]:
        header = self.mapping.header
        yield header.get("ordered_at"), self.stamp(order.created)
        yield header.get("status"), OTHER
        yield header.get("currency"), order.currency
        amounts = self.mapping.amounts().items()
        # Simple ones first: their values then stand where conditions of the others ask for any.
        for name, expression in sorted(amounts, key=lambda each: len([*paths(each[1])])):
            is_bad = BAD_AMOUNT in order.marks and (name != "total" or self.has_total_alone)
            yield expression, NO_AMOUNT if is_bad else _told_amount(order, name)
        yield header.get("channel"), OTHER
        yield self.mapping.customer, order.email
        if order.address is not None:
            columns = {**order.address._asdict(), "city": order.city}
            for name in ADDRESS:
                yield self.mapping.address.get(name), columns[name]

    def _lines(self, order: StoreOrder) -> list[Json]:
        sold = [self._line(line, self._price(order, line), sold=True) for line in order.lines]
        if self.mapping.main.where is not None:
            sold.insert(len(sold) // 2, self._line(NOT_SOLD, "1.00", sold=False))
        return sold

    def _price(self, order: StoreOrder, line: StoreLine) -> str:
        if BAD_AMOUNT in order.marks:
            return NO_AMOUNT
        return _major(order.amount_of(line, "ordered"))

    def _line(self, line: StoreLine, price: str, *, sold: bool) -> Json:
        mapping = self.mapping
        unit = mapping.quantity_unit
        quantity = str(line.quantity * self._unit) if unit else line.quantity
        known = next(places(mapping.main.pieces["quantity"], quantity, {}))
        way = next(truths(mapping.main.where, sold, known, OTHER), None)
        if way is None:
            raise CannotRenderError(f"no line can be made for which its where is {sold}".lower())
        way = next(places(mapping.main.sku, line.sku, way), way)
        way = line_values(mapping, line, price, way)
        return document_of({(*mapping.lines.inner, *steps): way[steps] for steps in way})

    def _as_meant(self, order: StoreOrder, document: Json) -> bool:
        """Return True if *document* is read as the state of *order*."""
        mapping = self.mapping
        counted = mapping.counted is None or order.state in ASIDE
        return holds(mapping.where, document) == (order.state not in ASIDE) and (
            counted or holds(mapping.counted, document) == (order.state != "cancelled")
        )


def _told_amount(order: StoreOrder, name: str) -> str:
    """Return an amount of *order* in major units."""
    cents = {
        "total": order.total(),
        "discount": order.discounted,
        "shipping": order.shipping,
        "tax": order.tax(),
        "refunded": order.refunded,
    }[name]
    return _major(cents)


def _major(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def plain(expression: Expression) -> bool:
    """Return True if *expression* returns a text unchanged."""
    return isinstance(expression, Path) or (
        getattr(expression, "function", "") == "coalesce"
        and all(plain(each) for each in getattr(expression, "arguments", ()))
    )


def cut_out(document: Json, steps: Steps, keep: int) -> list[Json]:
    """Remove all but the first *keep* elements of the list at *steps*; return the removed ones."""
    listed = at(document, steps)
    if not isinstance(listed, list):
        return []
    rest = listed[keep:]
    del listed[keep:]
    return rest


def _form(api: Api) -> tuple[Form, str]:
    """Form and precision of the times of orders."""
    precision = api.cursor.precision if api.cursor else "s"
    form = api.order.time_format
    if form != "iso":
        return FORMS[form], {"rfc2822": "s", "unix": "s", "unix_ms": "ms"}[form]
    local = api.order.timezone != "UTC" or (api.cursor and api.cursor.format in {"naive", "sql"})
    if not local:
        return "iso", precision
    return ("sql" if api.cursor and api.cursor.format == "sql" else "iso-naive"), precision
