"""The normalizing SQL, generated from an API's mapping.

The first statement reads orders' JSON into ``raw_order``: one row per order with its fields, its
first error, and its lines as JSON. The second statement reads the lines into ``line``.
"""

import json
from collections.abc import Callable, Iterator

from orderpull.model import NO_SKU
from orderpull.normalize.checks import OrderChecks, case, line_checks
from orderpull.normalize.salvage import PageLayout
from orderpull.normalize.walk import Steps, Walk, shown_path
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import Expression, Path, Text, paths
from orderpull.sources.spec.order import AddressSpec, ListPath, OrderSpec
from orderpull.sqltext import literal

ADDRESS = AddressSpec.__struct_fields__
TIMES = ("ordered_at", "modified_at")
TEXT_FIELDS = ("status", "currency", "channel")


def text_of(expression: Expression, walk: Walk, prefix: Steps) -> str:
    """SQL of the text of *expression*, or of its truth value for a condition."""
    if isinstance(expression, Text):
        return literal(expression.value)
    if isinstance(expression, Path):
        return walk.text((*prefix, *expression.steps))
    parts = [text_of(argument, walk, prefix) for argument in expression.arguments]
    return _FUNCTIONS[expression.function](parts)


def _filled(part: str) -> str:
    return f"CASE WHEN NOT is_blank({part}) THEN {part} END"


def _join(parts: list[str]) -> str:
    """A piece that stands alone stays as given; pieces that are joined lose blanks at their ends.

    The pieces are taken apart only if one of them begins or ends with a blank.
    """
    separator, *pieces = parts
    count = " + ".join(f"coalesce(NOT is_blank({piece}), false)::INTEGER" for piece in pieces)
    one = f"coalesce({', '.join(_filled(piece) for piece in pieces)})"
    several = ", ".join(f"stripped({_filled(piece)})" for piece in pieces)
    plain = ", ".join(f"nullif({piece}, '')" for piece in pieces)
    return f"""CASE WHEN NOT padded(concat_ws(chr(0), {", ".join(pieces)}))
        THEN nullif(concat_ws({separator}, {plain}), '')
        WHEN {count} = 1 THEN {one}
        ELSE nullif(concat_ws({separator}, {several}), '') END"""


def _in(parts: list[str]) -> str:
    among = ", ".join(f"lower({part})" for part in parts[1:])
    return f"coalesce(lower({parts[0]}) IN ({among}), false)"


_FUNCTIONS: dict[str, Callable[[list[str]], str]] = {
    "coalesce": lambda parts: f"coalesce({', '.join(_filled(part) for part in parts)})",
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
}


class NormalizeSql:
    """The statements for one API.

    :param api: the API with the mapping.
    :param ordernumber: template of the order number, with ``{number}`` and ``{id}``.
    """

    def __init__(self, api: Api, ordernumber: str) -> None:
        self.mapping = api.mapping
        self.prefix: Steps = api.record_path.inner
        self.records = api.record_path
        self.ordernumber = ordernumber
        self.time = _time(api.order)
        lines = (*self.prefix, *self.mapping.lines.steps)
        texts = [(*self.prefix, *p.steps) for e in self.mapping.of_order() for p in paths(e)]
        self.walk = Walk("doc", "n", texts, [lines])
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
        by_text |= {path.steps[-1] for path in paths(self.mapping.sku)}
        return {str(path.steps[-1]) for path in paths(self.mapping.quantity)} - by_text

    def pages(self) -> str:
        """SQL of the relation ``doc(page, position, doc)``; $1 is the list of pages' files.

        The page number comes from the file's name; each page is one JSON value.
        """
        listed = _list_structure(self.records)
        return f"""
            SELECT page, unnest(range(len(docs))) AS position, unnest(docs) AS doc
            FROM (SELECT CAST(left(parse_filename(filename), 12) AS BIGINT) AS page,
                         {listed} AS docs
                  FROM read_json_objects($1, format='unstructured', compression='zstd',
                                         maximum_object_size=$2))"""

    def raw_order(self, docs: str) -> str:
        """SQL of ``raw_order``: one row per order of the relation *docs*."""
        mapping = self.mapping
        expressions = {"number": mapping.number, "id": mapping.id or mapping.number}
        expressions |= mapping.header | mapping.address
        expressions |= {"counted": mapping.counted} if mapping.counted else {}
        expressions |= {"where": mapping.where} if mapping.where else {}
        texts = {name: text_of(expressions[name], self.walk, self.prefix) for name in expressions}
        if "currency" in texts:
            texts["currency"] = f"upper({texts['currency']})"
        fields = {name: f"raw_{name}" for name in expressions}
        level = ", ".join(f"{texts[name]} AS {fields[name]}" for name in expressions)
        checks = OrderChecks(mapping, self.walk, self.prefix, fields, self.time)
        columns = [
            f"{self._number(fields)} AS ordernumber",
            f"{self._known_id(fields)} AS order_id",
            *(f"{_text_column(fields, n)} AS {n}" for n in TEXT_FIELDS),
            f"{fields.get('counted', 'true')} AS counted",
            *(f"{_parsed(fields, n, self.time, 'TIMESTAMP')} AS {n}" for n in TIMES),
            f"{_parsed(fields, 'total', 'as_amount({})', 'DECIMAL(19, 4)')} AS total",
            *(f"{_text_column(fields, n)} AS {n}" for n in ADDRESS),
            f"{self.lines} AS lines",
            f"{case(checks.all(self.lines))} AS error",
            f"{self._inexact()} AS inexact",
            f"{self._included(fields)} AS included",
        ]
        return f"""SELECT page, position, {", ".join(columns)}
                   FROM (SELECT *, {level} FROM ({self.walk.opened(docs)}))"""

    def outline(self, docs: str) -> str:
        """SQL of (ordernumber, modified_at, included) of the orders *docs*, which may lack fields.

        An order without a field of ``where`` is not judged by it.
        """
        where = paths(self.mapping.where) if self.mapping.where else ()
        keys = {"/".join(("", *map(str, self.prefix), str(path.steps[0]))) for path in where}
        complete = (
            " AND ".join(f"json_exists(doc, {literal(key)})" for key in sorted(keys)) or "true"
        )
        return f"""SELECT ordernumber, modified_at, included OR NOT ({complete})
                   FROM ({self.raw_order(docs)}) JOIN ({docs}) USING (page, position)
                   ORDER BY position"""

    def line(self, orders: str) -> str:
        """SQL of ``line``: one row per line of the orders without an error in table *orders*."""
        inner: Steps = self.mapping.lines.inner
        skus = [(*inner, *path.steps) for path in paths(self.mapping.sku)]
        counts = [(*inner, *path.steps) for path in paths(self.mapping.quantity)]
        where = self.mapping.line_where
        filters = [(*inner, *path.steps) for path in paths(where)] if where else []
        walk = Walk("line", "l", [*skus, *filters], counts)
        sku = text_of(self.mapping.sku, walk, inner)
        quantity = f"coalesce({', '.join(walk.value(steps) for steps in counts)})"
        call, kind = _quantity(self.mapping.quantity_unit)
        pieces = call.format(quantity)
        checks = line_checks(walk, self.lines_path, skus, counts[0], (quantity, pieces, kind))
        inexact = " OR ".join(f"inexact({walk.value(steps)})" for steps in skus)
        unnested = f"""
            SELECT page, position, unnest(range(len(texts))) AS number, unnest(texts) AS line
            FROM (SELECT page, position, from_json(lines, '["JSON"]') AS texts FROM {orders}
                  WHERE error IS NULL AND left(lines::VARCHAR, 1) = '[')"""
        present = f"SELECT * FROM ({unnested}) WHERE line IS NOT NULL AND line::VARCHAR <> 'null'"
        sold = text_of(where, walk, inner) if where else "true"
        return f"""
            SELECT page, position, number,
                coalesce({_filled(sku)}, {literal(NO_SKU)}) AS sku,
                {pieces} AS quantity,
                {case(checks)} AS error,
                coalesce({inexact}, false) AS inexact
            FROM ({walk.opened(present)})
            WHERE coalesce({sold}, false) OR left(line::VARCHAR, 1) <> '{{'"""

    def _number(self, fields: dict[str, str]) -> str:
        """SQL of the order number, from the template ``ordernumber``."""
        pieces, rest = [], self.ordernumber
        while rest:
            before, brace, rest = rest.partition("{")
            if before:
                pieces.append(literal(before))
            if brace:
                name, _, rest = rest.partition("}")
                pieces.append(fields[name])
        return " || ".join(pieces)

    def _included(self, fields: dict[str, str]) -> str:
        """SQL condition: the order passes ``where``, or is not an object and will be rejected."""
        if "where" not in fields:
            return "true"
        broken = "doc IS NULL OR left(doc::VARCHAR, 1) <> '{'"
        return f"coalesce({fields['where']}, false) OR ({broken})"

    def _known_id(self, fields: dict[str, str]) -> str:
        """SQL of the order's id; NULL if a value of the id is not a text."""
        values = self._values(self.mapping.id or self.mapping.number)
        unlike = " OR ".join(f"unlike_text({value})" for value in values)
        return f"CASE WHEN NOT ({unlike}) THEN {fields['id']} END"

    def _inexact(self) -> str:
        """SQL condition: DuckDB may have changed the text of a number in the order."""
        mapping = self.mapping
        texts = [mapping.number, mapping.id, mapping.counted, *mapping.address.values()]
        texts += [mapping.header[name] for name in TEXT_FIELDS if name in mapping.header]
        exact = {f"inexact({value})" for expression in texts for value in self._values(expression)}
        amount = {f"inexact_amount({value})" for value in self._values(mapping.header.get("total"))}
        return f"coalesce({' OR '.join(sorted(exact | amount))}, false)"

    def _values(self, expression: Expression | None) -> Iterator[str]:
        """SQL of each JSON text that *expression* reads."""
        for path in paths(expression) if expression is not None else ():
            yield self.walk.value((*self.prefix, *path.steps))


def _text_column(fields: dict[str, str], name: str) -> str:
    return _filled(fields[name]) if name in fields else "NULL::VARCHAR"


def _parsed(fields: dict[str, str], name: str, call: str, type_: str) -> str:
    return call.format(fields[name]) if name in fields else f"NULL::{type_}"


def _time(order: OrderSpec) -> str:
    """Call of the macro that parses the times of *order*, with ``{}`` for the text."""
    if order.time_format == "rfc2822":
        return "known_rfc2822({})"
    if order.time_format in {"unix", "unix_ms"}:
        return f"known_unix({{}}, {1000 if order.time_format == 'unix_ms' else 1})"
    if order.timezone != "UTC":
        return f"known_local({{}}, {literal(order.timezone)})"
    return "known_time({})"


def _quantity(unit: str | None) -> tuple[str, str]:
    """Call of the macro that parses quantities, with ``{}`` for the value, and the valid kind."""
    if unit is None:
        return "as_quantity({})", "a whole number from 0 to 2^53"
    places = len(unit.partition(".")[2])
    return f"as_units({{}}, {places}, {10**places})", f"a number from 0 to 2^53 units of {unit}"


def _list_structure(records: ListPath) -> str:
    """SQL of the list of orders' JSON texts in a page's ``json``."""
    structure: object = ["JSON"]
    for step in reversed(records.steps):
        structure = {step: structure}
    listed = f"from_json(json, {literal(json.dumps(structure))})"
    for step in records.steps:
        listed = f"struct_extract({listed}, {literal(step)})"
    return listed
