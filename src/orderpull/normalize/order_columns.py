"""SQL of an order's columns, from the SQL of the values that its mapping reads."""

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from functools import partial

from orderpull.normalize.walk import Steps, Values
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import Call, Expression, Path, Text
from orderpull.sources.spec.order import AMOUNT_FIELDS, AddressSpec, Mapping
from orderpull.sqltext import literal

ADDRESS = AddressSpec.__struct_fields__
TIMES = ("ordered_at", "modified_at")
PARSED = (*TIMES, *AMOUNT_FIELDS)
"""Fields that are not stored as texts."""

TEXT_FIELDS = ("status", "currency", "channel")


def text_of(expression: Expression, values: Values, prefix: Steps) -> str:
    """SQL of the text of *expression*, or of its truth value for a condition."""
    if isinstance(expression, Text):
        return literal(expression.value)
    if isinstance(expression, Path):
        return values.text((*prefix, *expression.steps))
    if expression.function == "sum":
        return f"amount_sum({_amounts(expression, values, prefix)})"
    parts = [text_of(argument, values, prefix) for argument in expression.arguments]
    return _FUNCTIONS[expression.function](parts)


def _amounts(call: Call, values: Values, prefix: Steps) -> str:
    """SQL of the list of amounts that ``sum()`` adds."""
    lists = []
    for each in call.arguments:
        if isinstance(each, Path) and each.is_many:
            lists.append(many_texts(each, values, prefix))
        else:
            lists.append(f"[{text_of(each, values, prefix)}]")
    return f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]


def many_texts(path: Path, values: Values, prefix: Steps) -> str:
    """SQL of the list of texts at *path*, which goes through all elements of a list."""
    wheres = [partial(text_of, each, prefix=()) if each else None for each in path.wheres]
    return values.texts((*prefix, *path.steps), wheres)


def filled(part: str) -> str:
    """SQL of the text *part*, without a blank one."""
    return f"CASE WHEN NOT is_blank({part}) THEN {part} END"


def filled_text(expression: Expression, values: Values, prefix: Steps) -> str:
    """SQL of the text of *expression*, without a blank one."""
    text = text_of(expression, values, prefix)
    never_blank = isinstance(expression, Call) and expression.function == "coalesce"
    return text if never_blank else filled(text)


def _join(parts: list[str]) -> str:
    """A piece that stands alone stays as given; pieces that are joined lose blanks at their ends.

    The pieces are taken apart only if one of them begins or ends with a blank.
    """
    separator, *pieces = parts
    count = " + ".join(f"coalesce(NOT is_blank({piece}), false)::INTEGER" for piece in pieces)
    one = f"coalesce({', '.join(filled(piece) for piece in pieces)})"
    several = ", ".join(f"stripped({filled(piece)})" for piece in pieces)
    plain = ", ".join(f"nullif({piece}, '')" for piece in pieces)
    return f"""CASE WHEN NOT padded(concat_ws(chr(0), {", ".join(pieces)}))
        THEN nullif(concat_ws({separator}, {plain}), '')
        WHEN {count} = 1 THEN {one}
        ELSE nullif(concat_ws({separator}, {several}), '') END"""


def _in(parts: list[str]) -> str:
    among = ", ".join(f"lower({part})" for part in parts[1:])
    return f"coalesce(lower({parts[0]}) IN ({among}), false)"


_FUNCTIONS: dict[str, Callable[[list[str]], str]] = {
    "coalesce": lambda parts: f"coalesce({', '.join(filled(part) for part in parts)})",
    "join": _join,
    "lower": lambda parts: f"lower({parts[0]})",
    "upper": lambda parts: f"upper({parts[0]})",
    "trim": lambda parts: f"stripped({parts[0]})",
    "path": lambda parts: f"url_path({parts[0]})",
    "last": lambda parts: f"last_segment({parts[0]})",
    "in": _in,
    "present": lambda parts: f"coalesce(NOT is_blank({parts[0]}), false)",
    "not": lambda parts: f"(NOT {parts[0]})",
    "any": lambda parts: f"({' OR '.join(parts)})",
    "all": lambda parts: f"({' AND '.join(parts)})",
    "if": lambda parts: f"CASE WHEN {parts[0]} THEN {parts[1]} ELSE {parts[2]} END",
    "minor": lambda parts: f"moved_point({parts[0]}, {parts[1]}::INTEGER)",
    "less": lambda parts: f"amount_less([{', '.join(parts)}])",
    "times": lambda parts: f"amount_times([{', '.join(parts)}])",
}


class OrderColumns:
    """The columns of an order, except its lines.

    :param ordernumber: template of the order number, with ``{number}`` and ``{id}``.
    :param values: the values of the order.
    :param page: column with the number of its page in the run.
    :param numbers: SQL of the amounts that are not read as texts, by column.
    :ivar raw: SQL of the text of each field; :ivar fields: its column in the level above.
    :ivar time: call of the macro that parses times, with ``{}`` for the text.
    """

    def __init__(
        self,
        api: Api,
        ordernumber: str,
        values: Values,
        page: str = "page",
        numbers: Map[str, str] | None = None,
    ) -> None:
        mapping, prefix = api.mapping, api.record_path.inner
        expressions = {"number": mapping.number, "id": mapping.id or mapping.number}
        expressions |= mapping.header | mapping.address
        expressions |= {"counted": mapping.counted} if mapping.counted else {}
        expressions |= {"where": mapping.where} if mapping.where else {}
        expressions |= {"customer": mapping.customer} if mapping.customer else {}
        self.raw = {name: text_of(each, values, prefix) for name, each in expressions.items()}
        if "currency" in self.raw:
            self.raw["currency"] = f"upper({self.raw['currency']})"
        self._numbers = numbers or {}
        self.raw |= self._numbers
        self.fields = {name: f"raw_{name}" for name in expressions}
        self.time = _time(api)
        self._ordernumber = ordernumber
        self._page = page

    @property
    def raw_columns(self) -> str:
        """The columns of the texts, for the level below."""
        return ", ".join(f"{self.raw[name]} AS {column}" for name, column in self.fields.items())

    def columns(self, order_id: str) -> list[str]:
        """The columns, with *order_id* as the SQL of the id."""
        return [
            f"{self._number()} AS ordernumber",
            f"{order_id} AS order_id",
            *(f"{self._text(name)} AS {name}" for name in TEXT_FIELDS),
            f"{self.fields.get('counted', 'true')} AS counted",
            *(f"{self.parsed(name)} AS {name}" for name in PARSED),
            f"{self._customer()} AS customer",
            *(f"{self._text(name)} AS {name}" for name in ADDRESS),
        ]

    def _number(self) -> str:
        """SQL of the order number, from the template."""
        pieces, rest = [], self._ordernumber
        while rest:
            before, brace, rest = rest.partition("{")
            if before:
                pieces.append(literal(before))
            if brace:
                name, _, rest = rest.partition("}")
                pieces.append(self.fields[name])
        return " || ".join(pieces)

    def _text(self, name: str) -> str:
        return filled(self.fields[name]) if name in self.fields else "NULL::VARCHAR"

    def parsed(self, name: str) -> str:
        """SQL of a time or an amount; NULL if it cannot be parsed."""
        call, kind = self.time, "TIMESTAMP"
        if name in AMOUNT_FIELDS:
            kind = "DECIMAL(19, 4)"
            call = f"TRY_CAST({{}} AS {kind})" if name in self._numbers else "as_amount({})"
        return call.format(self.fields[name]) if name in self.fields else f"NULL::{kind}"

    def is_parsed(self, name: str) -> str:
        """SQL condition: a time or an amount is missing or was parsed, in the level above."""
        field = self.fields[name]
        absent = (
            f"{field} IS NULL" if name in self._numbers else f"coalesce(is_blank({field}), true)"
        )
        return f"({name} IS NOT NULL OR {absent})"

    def _customer(self) -> str:
        """SQL of the keyed hash of the customer."""
        if "customer" not in self.fields:
            return "NULL::VARCHAR"
        return f"customer_hash({self._page}, {self.fields['customer']})"


def _time(api: Api) -> str:
    """Call of the macro that parses times, with ``{}`` for the text."""
    order = api.order
    if order.time_format == "rfc2822":
        return "known_rfc2822({})"
    if order.time_format in {"unix", "unix_ms"}:
        return f"known_unix({{}}, {1000 if order.time_format == 'unix_ms' else 1})"
    if order.timezone != "UTC":
        return f"known_local({{}}, {literal(order.timezone)})"
    return "known_time({})"


_WHOLE = "whole_quantity({})"


@dataclass(frozen=True, slots=True)
class Quantity:
    """The reading of a line's quantity.

    :param call: call of the macro that parses it, with ``{}`` for its text.
    :param kind: the kind of a valid one, for messages.
    :param plain: pattern of texts of which DuckDB and msgspec read the same number.
    """

    call: str
    kind: str
    plain: str

    @classmethod
    def of(cls, mapping: Mapping) -> "Quantity":
        """The quantity of the lines of *mapping*."""
        unit = mapping.quantity_unit
        if unit is None:
            kind = "a whole number from 0 to 2^53"
            return cls(_WHOLE, kind, r"\d{1,15}(\.0)?")
        places = len(unit.partition(".")[2])
        call = f"quantity_units({{}}, {places}, {10**places})"
        return cls(call, f"a number from 0 to 2^53 units of {unit}", r"\d{1,10}(\.\d{1,9})?")

    def of_text(self, text: str) -> str:
        """SQL of the quantity whose text is the SQL *text*."""
        return self.call.format(text)

    def of_plain(self, text: str) -> str:
        """SQL of the quantity whose SQL *text* is of the form :attr:`plain`."""
        return f"TRY_CAST({text} AS BIGINT)" if self.call == _WHOLE else self.of_text(text)

    def of_json(self, value: str, *, signed: bool = False) -> str:
        """SQL of the quantity whose JSON text is the SQL *value*. :param signed: drop its minus."""
        text = f"({value})->>'$'"
        text = self.of_text(f"regexp_replace({text}, '^-', '')" if signed else text)
        return f"CASE WHEN NOT unlike_text({value}) THEN {text} END"
