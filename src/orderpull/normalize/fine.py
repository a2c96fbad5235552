"""The SQL of the straight way: staged orders from the lines of compact pages, in one statement.

An order is *fine* if the careful way (``sql.py``) would certainly stage the same row. Text that is
merely unusual, such as a quantity with blanks around it, makes an order go the careful way.
"""

from collections.abc import Iterator

from orderpull.model import MAX_QUANTITY, MAX_TITLE, NO_SKU
from orderpull.normalize.order_columns import (
    PARSED,
    OrderColumns,
    Quantity,
    filled,
    filled_text,
    text_of,
)
from orderpull.normalize.plain_amounts import conditions, is_computed, number
from orderpull.normalize.staging import HASHED, STAGED_ORDER
from orderpull.normalize.walk import Steps, Wheres
from orderpull.sources.compact import PAGE, POSITION
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import EACH, Expression, paths
from orderpull.sources.spec.item_lists import ItemList
from orderpull.sqltext import identifier, literal

_LARGE_AMOUNT = 10**10
"""An amount of a line from which on its order goes the careful way, as sums might overflow."""

_UNUSUAL_AMOUNT = f"{_LARGE_AMOUNT}::DECIMAL(19, 4)"
_UNUSUAL_PIECES = MAX_QUANTITY + 1
"""Amount, and pieces that came back, that stand for those of which the careful way decides."""


class FineSql:
    """The statement for one API.

    :param columns: SQL type of each column of the lines.
    """

    def __init__(self, api: Api, ordernumber: str, columns: dict[str, str]) -> None:
        self._api = api
        self._columns = columns
        self._amounts = {
            name: each for name, each in api.mapping.amounts().items() if is_computed(each)
        }
        numbers = {
            name: number(each, _Columns(), api.record_path.inner)
            for name, each in self._amounts.items()
        }
        self._order = OrderColumns(api, ordernumber, _Columns(), "place", numbers)
        self._unit = Quantity.of(api.mapping)
        self._lists = api.mapping.item_lists

    def stage(self) -> str:
        """Fill ``staged_order`` with ``fine`` and ``included``; $1: file, $2: longest line."""
        level = ", ".join(self._order.columns(self._order.fields["id"]))
        raw = f"""SELECT {identifier(PAGE)} AS place,
                  coalesce({identifier(POSITION)}, 0) AS position, {self._order.raw_columns},
                  {self._plain()} AS plain_amount, {self._all_lines()} AS lines
                  FROM {self._read()}"""
        parsed = f"""SELECT source_of(place) AS source, page_of(place) AS page, position, {level},
                     {self._included()} AS included, lines,
                     list_transform(lines, lambda i: i.quantity) AS quantities,
                     {", ".join((*self._of_lines(), *self._checked))}, plain_amount FROM ({raw})"""
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
                AND coalesce(unknown, 0) = 0 AND item_sum <= {MAX_QUANTITY}
                AND {self._not_negative()}, false) AS fine
            FROM ({named})"""

    def _not_negative(self) -> str:
        """SQL condition: no further list takes off more than there is."""
        if all(items.sign > 0 for items in self._lists):
            return "true"
        return "coalesce(list_min(list_transform(items, lambda i: i.quantity)), 0) >= 0"

    def _read(self) -> str:
        columns = ", ".join(f"{literal(name)}: {literal(t)}" for name, t in self._columns.items())
        return f"""read_json($1, format='newline_delimited', compression='none',
                   maximum_object_size=$2, columns={{{columns}}})"""

    def _all_lines(self) -> str:
        """SQL of the lines of all lists; NULL without any."""
        lists = [self._lines(items) for items in self._lists]
        return f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]

    def _lines(self, items: ItemList) -> str:
        """SQL of each line of *items* that counts; an unusual quantity is NULL."""
        line, where = _Columns("l"), "true"
        sku = filled_text(items.sku, line, items.inner)
        if items.where is not None:
            where = f"coalesce({text_of(items.where, line, items.inner)}, false)"
        title = "NULL::VARCHAR"
        if items.title is not None:
            title = filled(f"left({text_of(items.title, line, items.inner)}, {MAX_TITLE})")
        return f"""list_transform(
            list_filter({self._elements(items)}, lambda l: l IS NOT NULL AND {where}),
            lambda l: {{'sku': coalesce({sku}, {literal(NO_SKU)}),
                'quantity': {self._quantity(items)},
                'title': {title},
                'amount': {_signed(self._amount(items), items.sign)},
                'returned': {self._returned(items)}}})"""

    def _elements(self, items: ItemList) -> str:
        listed = _Columns().elements((*self._api.record_path.inner, *items.elements))
        return listed if items.when is None else f"CASE WHEN {self._when(items)} THEN {listed} END"

    def _when(self, items: ItemList) -> str:
        """SQL condition: the list counts in the order."""
        if items.when is None:
            return "true"
        return text_of(items.when, _Columns(), self._api.record_path.inner)

    def _quantity(self, items: ItemList) -> str:
        if items.quantity is None:
            return "0::BIGINT"
        text = self._pieces(items, items.quantity)
        parsed = _signed(self._unit.of_plain(text), items.sign)
        return f"CASE WHEN regexp_full_match({text}, '{self._unit.plain}') THEN {parsed} END"

    def _returned(self, items: ItemList) -> str:
        """SQL of the pieces that came back: none if a further list tells, and not this one."""
        if items.returned is not None:
            text = self._pieces(items, items.returned)
            return f"""CASE WHEN regexp_full_match({text}, '{self._unit.plain}')
                THEN {self._unit.of_plain(text)}
                WHEN {text} IS NOT NULL THEN {_UNUSUAL_PIECES} END"""
        conditions = [
            f"{self._when(each)} AND {_Columns().text(self._outer(each))} IS NOT NULL"
            for each in self._lists
            if not each.is_main and each.returned is not None
        ]
        if not (items.is_main and conditions):
            return "NULL::BIGINT"
        return f"CASE WHEN {' AND '.join(conditions)} THEN 0::BIGINT END"

    def _outer(self, items: ItemList) -> Steps:
        return (*self._api.record_path.inner, *items.outer)

    def _pieces(self, items: ItemList, pieces: Expression) -> str:
        """SQL of the text of a number of pieces; of a further list without its sign."""
        texts = [_Columns("l").text((*items.inner, *path.steps)) for path in paths(pieces)]
        text = f"coalesce({', '.join(texts)})"
        return text if items.is_main else f"regexp_replace({text}, '^-', '')"

    def _plain(self) -> str:
        """SQL condition: the texts of all amounts of the order that are computed are plain."""
        plain = [
            condition
            for each in self._amounts.values()
            for condition in conditions(each, _Columns(), self._api.record_path.inner)
        ]
        return " AND ".join(plain) or "true"

    def _amount(self, items: ItemList) -> str:
        """SQL of the amount of a line."""
        amount, line, inner = items.amount, _Columns("l"), items.inner
        if amount is None:
            return "NULL::DECIMAL(19, 4)"
        if not is_computed(amount):
            text = text_of(amount, line, inner)
            known = f"coalesce(as_amount({text}), {_UNUSUAL_AMOUNT})"
            return f"CASE WHEN NOT is_blank({text}) THEN {known} END"
        plain = " AND ".join(conditions(amount, line, inner))
        return f"""CASE WHEN {plain} THEN {number(amount, line, inner)}::DECIMAL(19, 4)
            ELSE {_UNUSUAL_AMOUNT} END"""

    def _of_lines(self) -> Iterator[str]:
        """The columns of the greatest amount and pieces that came back, of any line."""
        if any(items.amount is not None for items in self._lists):
            yield "list_max(list_transform(lines, lambda i: abs(i.amount))) AS largest_amount"
        if any(items.returned is not None for items in self._lists):
            yield "list_max(list_transform(lines, lambda i: i.returned)) AS most_returned"

    @property
    def _checked(self) -> list[str]:
        """The columns of the texts that :meth:`_valid_fields` reads."""
        names = ("number", "id", *PARSED)
        return [self._order.fields[name] for name in names if name in self._order.fields]

    def _valid_fields(self) -> str:
        """SQL condition: each field is there and can be parsed if it has to.

        It reads the parsed columns, because DuckDB would parse a text again for a condition.
        """
        fields = self._order.fields
        checks = ["plain_amount", *(f"NOT is_blank({fields[name]})" for name in ("number", "id"))]
        checks += [self._order.is_parsed(name) for name in PARSED if name in fields]
        most = {"largest_amount": _LARGE_AMOUNT, "most_returned": _UNUSUAL_PIECES}
        columns = [column.rpartition(" ")[2] for column in self._of_lines()]
        checks += [f"coalesce({column} < {most[column]}, true)" for column in columns]
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

    def texts(self, steps: Steps, wheres: Wheres = ()) -> str:
        """SQL of the list of texts at *steps*, which go through all elements of a list."""
        return self.elements(steps, wheres)

    def elements(self, steps: Steps, wheres: Wheres = ()) -> str:
        """SQL of the list of values at *steps*, which go through all elements of a list.

        :param wheres: for each list the condition that its elements have to meet, if any.
        """
        parts, rest = [], list(steps)
        while EACH in rest:
            at = rest.index(EACH)
            parts.append(rest[:at])
            rest = rest[at + 1 :]
        value = self.text(tuple(parts[0]))
        for depth, part in enumerate([*parts[1:], rest]):
            name = f"e{depth}"
            if wheres and (where := wheres[depth]):
                value = f"list_filter({value}, lambda {name}: {where(_Columns(name))})"
            if part:
                inner = _Columns(name).text(tuple(part))
                value = f"list_transform({value}, lambda {name}: {inner})"
            if depth < len(parts) - 1:
                value = f"flatten({value})"
        return value


def _signed(number: str, sign: int) -> str:
    return f"-({number})" if sign < 0 else number


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
