"""The checks of an order, as SQL: condition, reason, message and path of each error."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orderpull.model import MAX_QUANTITY
from orderpull.normalize.walk import Steps, Walk, shown_path
from orderpull.sources.spec.expression import EACH, Expression, amount_paths, paths
from orderpull.sources.spec.item_lists import ItemList
from orderpull.sources.spec.order import AMOUNT_FIELDS, Mapping
from orderpull.sqltext import literal

_PARSED = {
    "ordered_at": ("time_invalid", "a time"),
    "modified_at": ("time_invalid", "a time"),
    **dict.fromkeys(AMOUNT_FIELDS, ("amount_invalid", "an amount")),
    "total": ("total_invalid", "an amount"),
}


RAW_AMOUNT = "raw_amount"
"""The column with the text of a line's amount."""

RAW_PIECES = {"quantity": "raw_quantity", "returned": "raw_returned"}
"""The columns with the JSON text of a line's pieces."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: SQL condition of the error, reason, SQL of the message and of the path."""

    when: str
    reason: str
    message: str
    path: str


def case(checks: Iterable[Check]) -> str:
    """SQL of the first error as a struct; NULL if all *checks* pass."""
    cases = " ".join(
        f"WHEN {c.when} THEN {{'reason': {literal(c.reason)}, 'message': {c.message}, "
        f"'path': {c.path}}}"
        for c in checks
    )
    return f"CASE {cases} END"


@dataclass(frozen=True, slots=True)
class OrderChecks:
    """The checks of an order without its lines.

    :param fields: column with the raw text of each field: number, id, header, address.
    :param time: call of the macro that parses times, with ``{}`` for the text.
    """

    mapping: Mapping
    walk: Walk
    prefix: Steps
    fields: dict[str, str]
    time: str

    def all(self, lines: str) -> Iterator[Check]:
        """The checks, most informative first; *lines*: SQL of the order's lines."""
        yield Check(
            "doc IS NULL OR doc::VARCHAR = 'null'", "order_invalid", "'the order is null'", "'$'"
        )
        message = "'the order is ' || json_kind(doc) || ', not an object'"
        yield Check("left(doc::VARCHAR, 1) <> '{'", "order_invalid", message, "'$'")
        yield from self._identity("number", self.mapping.number)
        if self.mapping.id:
            yield from self._identity("id", self.mapping.id)
        yield from self._containers()
        for name, expression in self.mapping.address.items():
            yield from self._unlike_text("address_invalid", name, expression)
        texts = self.mapping.header | (
            {"customer": self.mapping.customer} if self.mapping.customer else {}
        )
        for name, expression in texts.items():
            yield from self._unlike_text("text_invalid", name, expression)
        yield from self._unparsed()
        yield Check(
            f"{lines} IS NOT NULL AND left(({lines})::VARCHAR, 1) <> '['",
            "lines_invalid",
            f"'the lines are ' || json_kind({lines}) || ', not a list'",
            literal(shown_path(self._lines)),
        )

    @property
    def _lines(self) -> Steps:
        return (*self.prefix, *self.mapping.lines.steps)

    def _identity(self, name: str, expression: Expression) -> Iterator[Check]:
        value = self.fields[name]
        yield from self._unlike_text(f"{name}_invalid", f"the order {name}", expression)
        yield Check(
            f"{value} IS NULL OR is_blank({value})",
            f"{name}_missing",
            literal(f"the order has no {name}"),
            literal(shown_path(self._steps(expression)[0])),
        )

    def _containers(self) -> Iterator[Check]:
        """Checks for containers of the wrong kind, such as a list instead of an object."""
        address = {
            steps[: depth + 1]
            for expression in self.mapping.address.values()
            for steps in self._steps(expression)
            for depth in range(len(self.prefix), len(steps))
        }
        for wrong, kind, steps in (*self.walk.wrong_kinds(), *self.walk.wrong_lists()):
            of_line = steps[:-1] == self._lines and isinstance(steps[-1], int)
            if of_line or steps == self._lines:  # they have checks of their own
                continue
            reason, message = "order_invalid", not_of_kind(steps, kind)
            if steps in address:
                reason, message = "address_invalid", f"the address is not {kind}"
            elif len(steps) > len(self.prefix) and steps == self._lines[: len(steps)]:
                reason = "lines_invalid"
            yield Check(wrong, reason, literal(message), literal(shown_path(steps)))

    def _unlike_text(self, reason: str, name: str, expression: Expression) -> Iterator[Check]:
        for steps in self._steps(expression):
            if EACH in steps:  # another text is no amount
                continue
            value = self.walk.value(steps)
            yield Check(
                f"unlike_text({value})",
                reason,
                f"{literal(name + ' is ')} || json_kind({value}) || ', not a text'",
                literal(shown_path(steps)),
            )

    def _unparsed(self) -> Iterator[Check]:
        """Checks for times and amounts that cannot be parsed."""
        for name, (reason, kind) in _PARSED.items():
            if name in self.fields:
                call = "as_amount({})" if name in AMOUNT_FIELDS else self.time
                value = self.fields[name]
                steps = (*self.prefix, *_named_in(self.mapping.header[name]))
                yield Check(
                    f"NOT is_blank({value}) AND {call.format(value)} IS NULL",
                    reason,
                    f"{literal(name + ' is ')} || shown({value}) || {literal(', not ' + kind)}",
                    literal(shown_path(steps)),
                )

    def _steps(self, expression: Expression) -> list[Steps]:
        """The path to each value that *expression* reads."""
        return [(*self.prefix, *path.steps) for path in paths(expression)]


def _named_in(expression: Expression) -> Steps:
    """The path that a message names: that of the first amount, or else the first one."""
    return [*amount_paths(expression), *paths(expression)][0].steps


def not_of_kind(steps: Steps, kind: str) -> str:
    """The message on a container of the wrong kind at *steps*."""
    named = [step for step in steps if not isinstance(step, int)]
    element = "an element of " if steps[-1:] == (EACH,) else ""
    return f"{element}{named[-1] if named else 'it'} is not {kind}"


@dataclass(frozen=True, slots=True)
class LineChecks:
    """The checks of a line of a list of items.

    :param walk: the values of the line. :param kind: the kind of a valid number of pieces.
    """

    items: ItemList
    walk: Walk
    kind: str
    lines_path: str

    def all(self) -> Iterator[Check]:
        """The checks, most informative first."""
        message = "'a line is ' || json_kind(line) || ', not an object'"
        yield Check("left(line::VARCHAR, 1) <> '{'", "line_invalid", message, self._path(()))
        for wrong, kind, steps in (*self.walk.wrong_kinds(), *self.walk.wrong_lists()):
            text = literal(not_of_kind(steps, kind))
            yield Check(wrong, "line_invalid", text, self._path(steps))
        yield from self._unlike_text("sku_invalid", "the SKU", self.items.sku)
        if self.items.title is not None:
            yield from self._unlike_text("text_invalid", "the title", self.items.title)
        for name, pieces in self.items.pieces.items():
            yield from self._pieces(name, pieces)
        if self.items.amount is not None:
            path = self._path((*self.items.inner, *_named_in(self.items.amount)))
            yield Check(
                f"NOT is_blank({RAW_AMOUNT}) AND as_amount({RAW_AMOUNT}) IS NULL",
                "amount_invalid",
                f"'the amount is ' || shown({RAW_AMOUNT}) || ', not an amount'",
                path,
            )

    def _pieces(self, name: str, pieces: Expression) -> Iterator[Check]:
        """The checks of a number of pieces. The order lines have to have a quantity."""
        value, steps = RAW_PIECES[name], self._steps(pieces)[0]
        blank = f"json_kind({value}) = 'a text' AND is_blank({value}->>'$')"
        missing = f"({value} IS NULL OR ({blank}))"
        if name == "quantity" and self.items.is_main:
            message = "'a line has no quantity'"
            yield Check(missing, "quantity_missing", message, self._path(steps))
        yield Check(
            f"NOT {missing} AND coalesce(abs({name}) > {MAX_QUANTITY}, true)",
            "quantity_invalid",
            f"{literal(f'the {name} is ' if name == 'quantity' else 'what came back is ')} "
            f"|| shown({value}) || ', not {self.kind}'",
            self._path(steps),
        )

    def _unlike_text(self, reason: str, name: str, expression: Expression) -> Iterator[Check]:
        for steps in self._steps(expression):
            value = self.walk.value(steps)
            message = f"{literal(f'{name} is ')} || json_kind({value}) || ', not a text'"
            yield Check(f"unlike_text({value})", reason, message, self._path(steps))

    def _steps(self, expression: Expression) -> list[Steps]:
        return [(*self.items.inner, *path.steps) for path in paths(expression)]

    def _path(self, steps: Steps) -> str:
        within = literal(shown_path(steps, start=""))
        return f"{literal(self.lines_path + '[')} || number || ']' || {within}"
