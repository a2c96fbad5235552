"""The checks of an order, as SQL: condition, reason, message and path of each error."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orderpull.model import MAX_QUANTITY
from orderpull.normalize.walk import Steps, Walk, shown_path
from orderpull.sources.spec.expression import Expression, paths
from orderpull.sources.spec.order import Mapping
from orderpull.sqltext import literal

_PARSED = (
    ("ordered_at", "time_invalid", "a time"),
    ("modified_at", "time_invalid", "a time"),
    ("total", "total_invalid", "an amount"),
)


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
        for name, expression in self.mapping.header.items():
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
        for wrong, kind, steps in self.walk.wrong_kinds():
            reason, message = "order_invalid", f"{steps[-1]} is not {kind}"
            if steps in address:
                reason, message = "address_invalid", f"the address is not {kind}"
            elif len(steps) > len(self.prefix) and steps == self._lines[: len(steps)]:
                reason = "lines_invalid"
            yield Check(wrong, reason, literal(message), literal(shown_path(steps)))

    def _unlike_text(self, reason: str, name: str, expression: Expression) -> Iterator[Check]:
        for steps in self._steps(expression):
            value = self.walk.value(steps)
            yield Check(
                f"unlike_text({value})",
                reason,
                f"{literal(name + ' is ')} || json_kind({value}) || ', not a text'",
                literal(shown_path(steps)),
            )

    def _unparsed(self) -> Iterator[Check]:
        """Checks for times and amounts that cannot be parsed."""
        for name, reason, kind in _PARSED:
            if name in self.fields:
                call = "as_amount({})" if name == "total" else self.time
                value, steps = self.fields[name], self._steps(self.mapping.header[name])[0]
                yield Check(
                    f"NOT is_blank({value}) AND {call.format(value)} IS NULL",
                    reason,
                    f"{literal(name + ' is ')} || shown({value}) || {literal(', not ' + kind)}",
                    literal(shown_path(steps)),
                )

    def _steps(self, expression: Expression) -> list[Steps]:
        """The path to each value that *expression* reads."""
        return [(*self.prefix, *path.steps) for path in paths(expression)]


def line_checks(
    walk: Walk, lines: str, skus: Sequence[Steps], counts: Steps, amount: tuple[str, str, str]
) -> Iterator[Check]:
    """The checks of a line, most informative first.

    :param lines: JSON path of the lines.
    :param skus: path, within the line, to each value of the SKU.
    :param counts: path to the quantity, for messages.
    :param amount: SQL of its JSON text and of the parsed quantity, and the kind of a valid one.
    """
    line_path = f"{literal(lines + '[')} || number || ']'"

    def path(steps: Steps) -> str:
        return f"{line_path} || {literal(shown_path(steps, start=''))}"

    message = "'a line is ' || json_kind(line) || ', not an object'"
    yield Check("left(line::VARCHAR, 1) <> '{'", "line_invalid", message, line_path)
    for wrong, kind, steps in walk.wrong_kinds():
        yield Check(wrong, "line_invalid", literal(f"{steps[-1]} is not {kind}"), path(steps))
    for steps in skus:
        value = walk.value(steps)
        message = f"'the SKU is ' || json_kind({value}) || ', not a text'"
        yield Check(f"unlike_text({value})", "sku_invalid", message, path(steps))
    quantity, pieces, kind = amount
    blank = f"json_kind({quantity}) = 'a text' AND is_blank({quantity}->>'$')"
    missing, message = f"{quantity} IS NULL OR ({blank})", "'a line has no quantity'"
    yield Check(missing, "quantity_missing", message, path(counts))
    yield Check(
        f"coalesce({pieces} > {MAX_QUANTITY}, true)",
        "quantity_invalid",
        f"'the quantity is ' || shown({quantity}) || ', not {kind}'",
        path(counts),
    )
