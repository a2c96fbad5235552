"""The shaping SQL, generated from an API's mapping.

Two statements. The first reads orders' JSON text into ``base``: one row for each order, its fields
as text, what is wrong with it, and its lines still as JSON. The second reads the lines. Both walk
JSON by one rule: a container is asked for its kind before it is opened, since opening one of the
wrong kind would give NULL without a word.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orderpull.model import MAX_QUANTITY, NO_SKU
from orderpull.sources.expression import Call, Expression, Path, Step, Text, paths
from orderpull.sources.spec import AddressSpec, Api, ListPath

ADDRESS = AddressSpec.__struct_fields__
TIMES = ("ordered_at", "modified_at")
TEXT_FIELDS = ("status", "currency", "channel")
_QUANTITY = r"\s*\d+(\.0+)?\s*"
_AMOUNT = r"\s*-?\d+(\.\d+)?\s*"
_TIME = r"\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d(:?\d\d)?)?)?\s*"

MACROS = (
    # Every value is a JSON text: its first character tells its kind, NULL that it is not there.
    """CREATE OR REPLACE TEMP MACRO json_kind(j) AS
       CASE left(j::VARCHAR, 1) WHEN '"' THEN 'a text' WHEN '{' THEN 'an object' WHEN '[' THEN 'a list'
         WHEN 't' THEN 'true' WHEN 'f' THEN 'false' ELSE 'a number' END""",
    "CREATE OR REPLACE TEMP MACRO json_text(j) AS replace(j->>'$', chr(0), '')",
    r"CREATE OR REPLACE TEMP MACRO is_blank(t) AS regexp_full_match(t, '[\s\p{Z}]*')",
    """CREATE OR REPLACE TEMP MACRO unlike_text(j) AS
       j IS NOT NULL AND left(j::VARCHAR, 1) IN ('t', 'f', '{', '[')""",
    r"""CREATE OR REPLACE TEMP MACRO inexact(j) AS
        j IS NOT NULL AND left(j::VARCHAR, 1) <> '"' AND regexp_matches(j::VARCHAR, '^-?\d+[.eE]')""",
    """CREATE OR REPLACE TEMP MACRO as_time(t) AS
       CASE WHEN regexp_full_match(t, '%s')
            THEN TRY_CAST(trim(t) AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END""" % _TIME,
    """CREATE OR REPLACE TEMP MACRO as_amount(t) AS
       CASE WHEN regexp_full_match(t, '%s') THEN TRY_CAST(trim(t) AS DECIMAL(19, 4)) END""" % _AMOUNT,
    """CREATE OR REPLACE TEMP MACRO as_quantity(j) AS
       CASE WHEN left(j::VARCHAR, 1) NOT IN ('t', 'f', '{', '[')
             AND regexp_full_match(j->>'$', '%s')
            THEN TRY_CAST(split_part(trim(j->>'$'), '.', 1) AS BIGINT) END""" % _QUANTITY,
    """CREATE OR REPLACE TEMP MACRO shown(j) AS
       CASE WHEN length(j::VARCHAR) > 40 THEN left(j::VARCHAR, 40) || '…' ELSE j::VARCHAR END""",
)


def literal(text: str) -> str:
    """*text* as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass
class _Container:
    """A JSON object or list on the way to a field."""

    name: str
    source: str
    children: dict[Step, "_Container | None"] = field(default_factory=dict)

    def child(self, step: Step) -> str:
        """SQL of the JSON text under *step*."""
        if isinstance(step, int):
            return f"{self.name}[{step + 1}]"
        return f"struct_extract({self.name}, {literal(step)})"

    @property
    def opened(self) -> str:
        """SQL that opens the container, if it is of the right kind."""
        if self.is_list:
            mark, structure = "[", '["JSON"]'
        else:
            mark, structure = "{", json.dumps({str(step): "JSON" for step in self.children})
        text = f"CASE WHEN left(({self.source})::VARCHAR, 1) = '{mark}' THEN {self.source} END"
        return f"from_json({text}, {literal(structure)})"

    @property
    def is_list(self) -> bool:
        """Whether its steps are indexes."""
        return any(isinstance(step, int) for step in self.children)


class Walk:
    """Opens the containers that some paths lead through, one level of SQL for each level.

    :param root: SQL of the JSON text that the paths start at.
    :param prefix: prefix of the columns' names.
    """

    def __init__(self, root: str, prefix: str, wanted: Iterable[tuple[Step, ...]]) -> None:
        self.root = _Container(f"{prefix}0", root)
        self.levels: list[list[_Container]] = [[self.root]]
        self._prefix = prefix
        self._count = 0
        for steps in wanted:
            self._add(steps)

    def _add(self, steps: tuple[Step, ...]) -> None:
        at = self.root
        for depth, step in enumerate(steps[:-1], start=1):
            below = at.children.get(step)
            if below is None:
                self._count += 1
                below = _Container(f"{self._prefix}{self._count}", at.child(step))
                at.children[step] = below
                if depth == len(self.levels):
                    self.levels.append([])
                self.levels[depth].append(below)
            at = below
        at.children.setdefault(steps[-1], None)

    def value(self, steps: tuple[Step, ...]) -> str:
        """SQL of the JSON text that *steps* lead to."""
        at = self.root
        for step in steps[:-1]:
            below = at.children[step]
            assert below is not None  # noqa: S101 - _add made it
            at = below
        return at.child(steps[-1])

    def opened(self, source: str) -> str:
        """*source*, with each container as a further column."""
        for level in self.levels:
            columns = ", ".join(f"{container.opened} AS {container.name}" for container in level)
            source = f"SELECT *, {columns} FROM ({source})"
        return source

    def wrong_kinds(self) -> Iterator[tuple[str, str, tuple[Step, ...]]]:
        """For each container below the root: SQL that is true if it is of another kind, the kind
        it should have, and its path."""

        def below(at: _Container, steps: tuple[Step, ...]) -> Iterator[tuple[str, str, tuple[Step, ...]]]:
            for step, child in at.children.items():
                if child is None:
                    continue
                mark = "[" if child.is_list else "{"
                wrong = f"{child.source} IS NOT NULL AND left(({child.source})::VARCHAR, 1) <> '{mark}'"
                yield wrong, "a list" if child.is_list else "an object", (*steps, step)
                yield from below(child, (*steps, step))

        yield from below(self.root, ())


def text_of(expression: Expression, walk: Walk, prefix: tuple[Step, ...]) -> str:
    """SQL of *expression*'s text (or, for a condition, of its truth)."""
    if isinstance(expression, Text):
        return literal(expression.value)
    if isinstance(expression, Path):
        return f"json_text({walk.value((*prefix, *expression.steps))})"
    parts = [text_of(argument, walk, prefix) for argument in expression.arguments]
    return _FUNCTIONS[expression.function](parts)


def _filled(part: str) -> str:
    return f"CASE WHEN NOT is_blank({part}) THEN {part} END"


def _text_column(fields: dict[str, str], name: str) -> str:
    return _filled(fields[name]) if name in fields else "NULL::VARCHAR"


def _join(parts: list[str]) -> str:
    joined = ", ".join(f"trim({_filled(part)})" for part in parts[1:])
    return f"nullif(concat_ws({parts[0]}, {joined}), '')"


_FUNCTIONS = {
    "coalesce": lambda parts: f"coalesce({', '.join(_filled(part) for part in parts)})",
    "join": _join,
    "lower": lambda parts: f"lower({parts[0]})",
    "upper": lambda parts: f"upper({parts[0]})",
    "trim": lambda parts: f"trim({parts[0]})",
    "in": lambda parts: f"coalesce(lower({parts[0]}) IN ({', '.join(f'lower({p})' for p in parts[1:])}), false)",
    "present": lambda parts: f"coalesce(NOT is_blank({parts[0]}), false)",
    "not": lambda parts: f"(NOT {parts[0]})",
    "any": lambda parts: f"({' OR '.join(parts)})",
    "all": lambda parts: f"({' AND '.join(parts)})",
}


@dataclass(frozen=True, slots=True)
class _Check:
    """Something that can be wrong: SQL of when, and SQL of the sentence and of the path."""

    when: str
    reason: str
    message: str
    path: str


def _case(checks: list[_Check]) -> str:
    """SQL of what is wrong first, as a struct; NULL if nothing is."""
    cases = " ".join(
        f"WHEN {c.when} THEN {{'reason': {literal(c.reason)}, 'message': {c.message}, "
        f"'path': {c.path}}}"
        for c in checks
    )
    return f"CASE {cases} END"


def _shown_path(steps: tuple[Step, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


class ShapingSql:
    """The statements for one API.

    :param api: whose mapping to follow.
    :param ordernumber: how the number is made: a text with ``{number}`` and ``{id}``.
    """

    def __init__(self, api: Api, ordernumber: str) -> None:
        self.mapping = api.mapping
        self.prefix: tuple[Step, ...] = api.record_path.inner
        self.records = api.record_path
        self.ordernumber = ordernumber
        lines = (*self.prefix, *self.mapping.lines.steps)
        wanted = [(*self.prefix, *p.steps) for e in self.mapping.of_order() for p in paths(e)]
        self.walk = Walk("doc", "n", [*wanted, lines])
        self.lines = self.walk.value(lines)
        self.lines_path = _shown_path(lines)

    @property
    def first_key(self) -> str:
        """A key that every order has."""
        return str(next(steps for _, steps in self._leaves(self.mapping.number))[0])

    def pages(self) -> str:
        """SQL of the relation ``doc(page, position, doc)``; $1 is the list of pages' files.

        The page number is the file's name; each page is one JSON value.
        """
        read = "read_json_objects($1, format='unstructured', compression='zstd', maximum_object_size=$2)"
        page = "CAST(left(parse_filename(filename), 12) AS BIGINT)"
        listed = _list_structure(self.records)
        return f"""
            SELECT page, unnest(range(len(docs))) AS position, unnest(docs) AS doc
            FROM (SELECT {page} AS page, {listed} AS docs FROM {read})"""

    @staticmethod
    def texts() -> str:
        """SQL of the relation ``doc(page, position, doc)`` from three lists: $1, $2, $3."""
        return """SELECT unnest($1::BIGINT[]) AS page, unnest($2::BIGINT[]) AS position,
                         unnest($3::VARCHAR[])::JSON AS doc"""

    def base(self, docs: str) -> str:
        """SQL of ``base``: one row for each order of the relation *docs*."""
        mapping, walk, prefix = self.mapping, self.walk, self.prefix
        number = text_of(mapping.number, walk, prefix)
        order_id = text_of(mapping.id, walk, prefix) if mapping.id else number
        fields = {
            name: text_of(expression, walk, prefix)
            for name, expression in {**mapping.header, **mapping.address}.items()
        }
        columns = [
            f"{self._number(number, order_id)} AS ordernumber",
            f"{order_id} AS order_id",
            *(f"{_text_column(fields, n)} AS {n}" for n in TEXT_FIELDS),
            f"{text_of(mapping.counted, walk, prefix) if mapping.counted else 'true'} AS counted",
            *(f"{self._parsed(fields, n, 'as_time', 'TIMESTAMP')} AS {n}" for n in TIMES),
            f"{self._parsed(fields, 'total', 'as_amount', 'DECIMAL(19, 4)')} AS total",
            *(f"{_text_column(fields, n)} AS {n}" for n in ADDRESS),
            f"{self.lines} AS lines",
            f"{_case(list(self._checks(number, order_id, fields)))} AS wrong",
            f"{self._inexact()} AS inexact",
        ]
        return f"SELECT page, position, {', '.join(columns)} FROM ({walk.opened(docs)})"

    def line(self) -> str:
        """SQL of ``line``: one row for each line of the orders in ``base``."""
        inner: tuple[Step, ...] = self.mapping.lines.inner
        wanted = [*(p.steps for p in paths(self.mapping.sku)), self.mapping.quantity.steps]
        walk = Walk("line", "l", [(*inner, *steps) for steps in wanted])
        sku = text_of(self.mapping.sku, walk, inner)
        quantity = walk.value((*inner, *self.mapping.quantity.steps))
        unnested = """
            SELECT page, position, unnest(range(len(texts))) AS number, unnest(texts) AS line
            FROM (SELECT page, position, from_json(lines, '["JSON"]') AS texts FROM base
                  WHERE wrong IS NULL AND left(lines::VARCHAR, 1) = '[')"""
        wrong = _case(list(self._line_checks(walk, inner, quantity)))
        unsure = " OR ".join(
            f"inexact({walk.value((*inner, *p.steps))})" for p in paths(self.mapping.sku)
        )
        return f"""
            SELECT page, position, number,
                CASE WHEN {sku} IS NULL OR is_blank({sku}) THEN {literal(NO_SKU)} ELSE {sku} END AS sku,
                as_quantity({quantity}) AS quantity, {wrong} AS wrong, coalesce({unsure}, false) AS inexact
            FROM ({walk.opened(f"SELECT * FROM ({unnested}) WHERE line IS NOT NULL AND line::VARCHAR <> 'null'")})"""

    def _number(self, number: str, order_id: str) -> str:
        parts = {"number": number, "id": order_id}
        pieces, rest = [], self.ordernumber
        while rest:
            before, brace, after = rest.partition("{")
            if before:
                pieces.append(literal(before))
            if brace:
                name, _, rest = after.partition("}")
                pieces.append(parts[name])
            else:
                rest = ""
        return " || ".join(pieces)

    @staticmethod
    def _parsed(fields: dict[str, str], name: str, macro: str, type_: str) -> str:
        return f"{macro}({fields[name]})" if name in fields else f"NULL::{type_}"

    def _leaves(self, expression: Expression | None) -> list[tuple[str, tuple[Step, ...]]]:
        """SQL and path of each JSON text that *expression* reads as a text."""
        found = paths(expression) if expression is not None else ()
        steps = [(*self.prefix, *path.steps) for path in found]
        return [(self.walk.value(s), s) for s in steps]

    def _inexact(self) -> str:
        """SQL: whether a text was given as a number that the engine prints its own way."""
        mapping = self.mapping
        fields = [mapping.number, mapping.id, *mapping.address.values()]
        fields += [mapping.header[name] for name in TEXT_FIELDS if name in mapping.header]
        values = {value for expression in fields for value, _ in self._leaves(expression)}
        return " OR ".join(f"inexact({value})" for value in sorted(values))

    def _checks(
        self, number: str, order_id: str, fields: dict[str, str]
    ) -> Iterator[_Check]:
        """Everything that can be wrong with an order beside its lines, most telling first."""
        mapping = self.mapping
        kind = "'the order is ' || json_kind(doc) || ', not an object'"
        yield _Check("doc IS NULL OR doc::VARCHAR = 'null'", "order_invalid",
                     "'the order is null'", "'$'")
        yield _Check("left(doc::VARCHAR, 1) <> '{'", "order_invalid", kind, "'$'")
        identities: list[tuple[str, Expression, str]] = [("number", mapping.number, number)]
        if mapping.id:
            identities.append(("id", mapping.id, order_id))
        for name, expression, value in identities:
            yield from self._unlike_text(f"{name}_invalid", f"the order {name}", expression)
            path = literal(_shown_path(self._leaves(expression)[0][1]))
            yield _Check(f"{value} IS NULL OR is_blank({value})", f"{name}_missing",
                         literal(f"the order has no {name}"), path)
        yield from self._containers()
        for name, expression in mapping.address.items():
            yield from self._unlike_text("address_invalid", name, expression)
        for name, expression in mapping.header.items():
            yield from self._unlike_text("text_invalid", name, expression)
        for name, macro, reason in (
            ("ordered_at", "as_time", "time_invalid"),
            ("modified_at", "as_time", "time_invalid"),
            ("total", "as_amount", "total_invalid"),
        ):
            if name in fields:
                value, path = fields[name], self._leaves(mapping.header[name])[0][1]
                yield _Check(
                    f"NOT is_blank({value}) AND {macro}({value}) IS NULL", reason,
                    f"{literal(name + ' is ')} || shown({value}) || "
                    f"{literal(', not ' + ('an amount' if name == 'total' else 'a time'))}",
                    literal(_shown_path(path)),
                )
        yield _Check(
            f"{self.lines} IS NOT NULL AND left(({self.lines})::VARCHAR, 1) <> '['",
            "lines_invalid", f"'the lines are ' || json_kind({self.lines}) || ', not a list'",
            literal(self.lines_path),
        )

    def _containers(self) -> Iterator[_Check]:
        """Objects and lists that fields lie in, where they are of another kind."""
        address = {
            steps[: i + 1]
            for expression in self.mapping.address.values()
            for _, steps in self._leaves(expression)
            for i in range(len(steps))
        }
        lines = (*self.prefix, *self.mapping.lines.steps)
        for wrong, kind, steps in self.walk.wrong_kinds():
            reason, what = "order_invalid", literal(f"{steps[-1]} is not {kind}")
            if steps in address and steps != self.prefix[: len(steps)]:
                reason, what = "address_invalid", literal(f"the address is not {kind}")
            elif steps == lines[: len(steps)] and steps != self.prefix[: len(steps)]:
                reason, what = "lines_invalid", literal(f"{steps[-1]} is not {kind}")
            yield _Check(wrong, reason, what, literal(_shown_path(steps)))

    def _unlike_text(
        self, reason: str, what: str, expression: Expression
    ) -> Iterator[_Check]:
        for value, steps in self._leaves(expression):
            yield _Check(
                f"unlike_text({value})", reason,
                f"{literal(what + ' is ')} || json_kind({value}) || ', not a text'",
                literal(_shown_path(steps)),
            )

    def _line_checks(
        self, walk: Walk, inner: tuple[Step, ...], quantity: str
    ) -> Iterator[_Check]:
        at = f"{literal(self.lines_path + '[')} || number || ']'"
        yield _Check("left(line::VARCHAR, 1) <> '{'", "line_invalid",
                     "'a line is ' || json_kind(line) || ', not an object'", at)
        for wrong, kind, steps in walk.wrong_kinds():
            path = literal(_shown_path(steps)[1:])
            yield _Check(wrong, "line_invalid", literal(f"{steps[-1]} is not {kind}"),
                         f"{at} || {path}")
        for path in paths(self.mapping.sku):
            value = walk.value((*inner, *path.steps))
            place = literal(_shown_path((*inner, *path.steps))[1:])
            yield _Check(f"unlike_text({value})", "sku_invalid",
                         f"'the SKU is ' || json_kind({value}) || ', not a text'",
                         f"{at} || {place}")
        place = literal(_shown_path((*inner, *self.mapping.quantity.steps))[1:])
        yield _Check(
            f"{quantity} IS NULL OR (json_kind({quantity}) = 'a text' AND is_blank({quantity}->>'$'))",
            "quantity_missing", "'a line has no quantity'", f"{at} || {place}",
        )
        yield _Check(
            f"coalesce(as_quantity({quantity}) > {MAX_QUANTITY}, true)", "quantity_invalid",
            f"'the quantity is ' || shown({quantity}) || ', not a whole number from 0 to 2^53'",
            f"{at} || {place}",
        )


def _list_structure(records: ListPath) -> str:
    """SQL of the list of orders' JSON texts in a page's ``json``."""
    structure: object = ["JSON"]
    for step in reversed(records.steps):
        structure = {step: structure}
    listed = f"from_json(json, {literal(json.dumps(structure))})"
    for step in records.steps:
        listed = f"struct_extract({listed}, {literal(step)})"
    return listed
