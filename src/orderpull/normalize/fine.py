"""The SQL of the straight way: staged orders from the lines of compact pages, in one statement.

An order is *fine* if the careful way (``sql.py``) would certainly stage the same row. Text that is
merely unusual, such as a quantity with blanks around it, makes an order go the careful way.
"""

from orderpull.model import MAX_QUANTITY, NO_SKU
from orderpull.normalize.order_columns import (
    TIMES,
    OrderColumns,
    Quantity,
    filled_text,
    text_of,
)
from orderpull.normalize.staging import HASHED, STAGED_ORDER
from orderpull.normalize.walk import Steps
from orderpull.sources.compact import PAGE, POSITION
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import paths
from orderpull.sqltext import identifier, literal

_PLAIN_AMOUNT = r"-?\d{1,10}(\.\d{1,4})?"


class FineSql:
    """The statement for one API.

    :param columns: SQL type of each column of the lines.
    """

    def __init__(self, api: Api, ordernumber: str, columns: dict[str, str]) -> None:
        self._api = api
        self._columns = columns
        self._order = OrderColumns(api, ordernumber, _Columns())
        lines = (*api.record_path.inner, *api.mapping.lines.steps)
        self._lines = _Columns().text(lines)

    def stage(self) -> str:
        """Fill ``staged_order`` with ``fine`` and ``included``; $1: file, $2: longest line."""
        level = ", ".join(self._order.columns(self._order.fields["id"]))
        raw = f"""SELECT {identifier(PAGE)} AS place,
                  coalesce({identifier(POSITION)}, 0) AS position, {self._order.raw_columns},
                  {self._amounts()} AS plain_amount, {self._sold_lines()} AS lines
                  FROM {self._read()}"""
        parsed = f"""SELECT source_of(place) AS source, page_of(place) AS page, position, {level},
                     {self._included()} AS included, lines,
                     list_transform(lines, lambda i: i.quantity) AS quantities,
                     {", ".join(self._checked)}, plain_amount FROM ({raw})"""
        summed = f"""SELECT *, {_ITEMS} AS items, coalesce(list_sum(quantities), 0) AS item_sum,
                     {self._valid_fields()} AS valid_fields,
                     len(quantities) - list_count(quantities) AS unknown FROM ({parsed})"""
        named = f"""SELECT o.* EXCLUDE (counted, country), counted AND included AS counted,
                    TRY_CAST(item_sum AS BIGINT) AS item_quantity,
                    coalesce(c.code, o.country) AS country
                    FROM ({summed}) AS o
                    LEFT JOIN country_code AS c ON c.name = upper(stripped(o.country))"""
        return f"""INSERT INTO staged_order BY NAME
            SELECT {", ".join(name for name in STAGED_ORDER if name != "content_hash")},
                md5(json_array({HASHED})::VARCHAR) AS content_hash, included, coalesce(valid_fields
                AND coalesce(unknown, 0) = 0 AND item_sum <= {MAX_QUANTITY}, false) AS fine
            FROM ({named})"""

    def _read(self) -> str:
        columns = ", ".join(f"{literal(name)}: {literal(t)}" for name, t in self._columns.items())
        return f"""read_json($1, format='newline_delimited', compression='none',
                   maximum_object_size=$2, columns={{{columns}}})"""

    def _sold_lines(self) -> str:
        """SQL of the SKU and quantity of each sold line; an unusual quantity is NULL."""
        mapping, line = self._api.mapping, _Columns("l")
        inner: Steps = mapping.lines.inner
        sku, where, unit = filled_text(mapping.sku, line, inner), "true", Quantity.of(mapping)
        if mapping.line_where is not None:
            where = f"coalesce({text_of(mapping.line_where, line, inner)}, false)"
        texts = [line.text((*inner, *path.steps)) for path in paths(mapping.quantity)]
        quantity = f"coalesce({', '.join(texts)})"
        return f"""list_transform(list_filter({self._lines}, lambda l: l IS NOT NULL AND {where}),
            lambda l: {{'sku': coalesce({sku}, {literal(NO_SKU)}),
                'quantity': CASE WHEN regexp_full_match({quantity}, '{unit.plain}')
                                 THEN {unit.of_plain(quantity)} END,
                'title': NULL::VARCHAR, 'amount': NULL::DECIMAL(19, 4),
                'returned': NULL::BIGINT}})"""

    def _amounts(self) -> str:
        """SQL condition: DuckDB and msgspec read the same numbers of the total."""
        total = self._api.mapping.header.get("total")
        prefix: Steps = self._api.record_path.inner
        texts = (_Columns().text((*prefix, *p.steps)) for p in paths(total)) if total else ()
        plain = [f"coalesce(regexp_full_match({t}, '{_PLAIN_AMOUNT}'), true)" for t in texts]
        return " AND ".join(plain) or "true"

    @property
    def _checked(self) -> list[str]:
        """The columns of the texts that :meth:`_valid_fields` reads."""
        names = ("number", "id", *TIMES, "total")
        return [self._order.fields[name] for name in names if name in self._order.fields]

    def _valid_fields(self) -> str:
        """SQL condition: each field is there and can be parsed if it has to.

        It reads the parsed columns, because DuckDB would parse a text again for a condition.
        """
        fields = self._order.fields
        checks = ["plain_amount", *(f"NOT is_blank({fields[name]})" for name in ("number", "id"))]
        for name in (*TIMES, "total"):
            if name in fields:
                blank = f"coalesce(is_blank({fields[name]}), true)"
                checks.append(f"({name} IS NOT NULL OR {blank})")
        return " AND ".join(checks)

    def _included(self) -> str:
        where = self._order.fields.get("where")
        return f"coalesce({where}, false)" if where else "true"


class _Columns:
    """The values at some paths, in the columns of a line.

    :param root: SQL of the value at which the paths start; '' for the columns.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root

    def text(self, steps: Steps) -> str:
        """SQL of the text at *steps*."""
        value = self._root
        for step in steps:
            if isinstance(step, int):
                value = f"({value})[{step + 1}]"
            else:
                value = f"struct_extract({value}, {literal(step)})" if value else identifier(step)
        return value


# Each SKU once, sorted, with the sums of its lines and the first of their titles.
_SKUS = "list_distinct(list_transform(lines, lambda i: i.sku))"
_OF_SKU = "list_transform(list_filter(lines, lambda i: i.sku = s), lambda i: i.{0})"
_ITEMS = f"""CASE WHEN lines IS NULL THEN []
    WHEN len(lines) < 2 THEN lines
    WHEN len({_SKUS}) = len(lines) THEN list_sort(lines)
    ELSE list_sort(list_transform({_SKUS}, lambda s: {{'sku': s,
        'quantity': TRY_CAST(list_sum({_OF_SKU.format("quantity")}) AS BIGINT),
        'title': list_any_value({_OF_SKU.format("title")}),
        'amount': TRY_CAST(list_sum({_OF_SKU.format("amount")}) AS DECIMAL(19, 4)),
        'returned': TRY_CAST(list_sum({_OF_SKU.format("returned")}) AS BIGINT)}})) END"""
