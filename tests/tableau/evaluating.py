"""What a workbook's sheets show, computed by SQL that is read from the workbook alone.

It knows nothing of how the workbook was made: tables, columns, relationships, formulas, filters,
ranks and how many rows are shown all come out of the XML. The rules are Tableau's, as its help
tells them: a measure is aggregated over its own table; related tables add dimensions and filters
and multiply nothing; data source filters come first, then filters on dimensions, then aggregation,
then table calculations, then filters on these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from orderpull.tableau import formula
from orderpull.tableau.lint.workbook import Sheet, Workbook, references, unbracketed

Query = Callable[[str], list[tuple[Any, ...]]]
_AGGREGATES = {"SUM": "SUM({})", "MIN": "MIN({})", "MAX": "MAX({})", "COUNTD": "COUNT(DISTINCT {})"}
_WINDOWS = {"RANK": "RANK()", "RANK_DENSE": "DENSE_RANK()", "RANK_UNIQUE": "ROW_NUMBER()"}
Days = tuple[datetime, datetime]
"""What a person chose of the dates: the first and the last instant."""


@dataclass
class Layers:
    """A table calculation as queries within each other. :param columns: of each, innermost first.

    :param fields: the field of each dimension.
    """

    dimensions: list[str]
    fields: list[str]
    columns: list[dict[str, str]] = field(default_factory=lambda: [{}])

    def add(self, depth: int, sql: str) -> str:
        """A column of the query at *depth*; its name."""
        while len(self.columns) <= depth:
            self.columns.append({})
        for name, known in self.columns[depth].items():
            if known == sql:
                return name
        name = f"c{depth}_{len(self.columns[depth])}"
        self.columns[depth][name] = sql
        return name


class Evaluated:
    """The sheets of a workbook over the tables that it names.

    :param query: runs SQL where they are. :param text_order: put after a text to sort it by bytes.
    """

    def __init__(self, text: bytes, query: Query, text_order: str = "") -> None:
        self.workbook = Workbook(ET.fromstring(text), None)
        self.parameters = {
            f"{source}].[{name}": column.get("value", "").replace('"', "'")
            for (source, name), column in self.workbook.parameters.items()
        }
        (self.source,) = (s for s in self.workbook.sources.values() if s.connection is not None)
        self.query = query
        self.shown = ""
        self.text_order = text_order
        extract = self.source.element.find("extract[@enabled='true']/connection")
        inner = extract if extract is not None else self.source.connection
        assert inner is not None
        self.columns = {
            unbracketed(m.get("key", "")): m.get("value", "") for m in inner.iter("map")
        }
        self.tables = {r.get("name", ""): r.get("table", "") for r in inner.iter("relation")}
        context = "extract" if extract is not None else ""
        self.objects = {
            identity: each.find(f"properties[@context='{context}']/relation").get("name")  # type: ignore[union-attr]
            for identity, each in self.source.objects.items()
        }

    def sheet(self, name: str) -> Sheet:
        """A sheet by its name."""
        (found,) = (sheet for sheet in self.workbook.sheets if sheet.name == name)
        return found

    def value(self, pill: str, countries: Sequence[str] = (), days: Days | None = None) -> Any:
        """The value of a measure on a sheet without dimensions."""
        tree = self._tree(pill)
        table = self._table_of(tree)
        ((found,),) = self.query(
            f"SELECT {self._row(tree)} FROM {self._joined(table)} "
            f"WHERE {self._where(countries, days)}{self._true_rows(self.workbook.sheets[0])}"
        )
        return found

    def rows(
        self, sheet: Sheet, countries: Sequence[str] = (), days: Days | None = None
    ) -> list[dict[str, Any]]:
        """The marks of a sheet with dimensions: each pill's value by its name."""
        shown = [self._instance(sheet, *pair) for pair in references(sheet.shelves["rows"])]
        dimensions = [each for each in shown if each.get("derivation") == "None"]
        measures = references(sheet.shelves["cols"]) + sheet.encoded
        pills = [each for each in shown if each not in dimensions]
        pills += [self._instance(sheet, *pair) for pair in dict.fromkeys(measures)]
        pills += [self._instance(sheet, *pair) for pair, _ in self._ranges(sheet)]
        pills += [self._instance(sheet, *pair) for pair in self._conditions(sheet)]
        names = [unbracketed(each.get("column", "")) for each in dimensions]
        layers = Layers([f"d{number}" for number in range(len(names))], names)
        layers.columns[0] |= {
            f"d{number}": self._row(self._field(name)) for number, name in enumerate(names)
        }
        self.shown = self._where(countries, days) + self._rows_shown(sheet) + self._true_rows(sheet)
        results = {
            unbracketed(pill.get("name", "")): self._layered(
                self._pill(pill), layers, _within(pill, layers)
            )[0]
            for pill in pills
        }
        return self._asked(sheet, dimensions, results, layers)

    def _asked(
        self,
        sheet: Sheet,
        dimensions: list[ET.Element],
        results: dict[str, str],
        layers: Layers,
    ) -> list[dict[str, Any]]:
        columns = [", ".join(f"{sql} AS {name}" for name, sql in c.items()) for c in layers.columns]
        table = self._table_of(self._field("quantity"))
        sql = (
            f"SELECT {columns[0]} FROM {self._joined(table)} "
            f"WHERE {self.shown} "
            f"GROUP BY {', '.join(layers.columns[0][name] for name in layers.dimensions)}"
        )
        for more in columns[1:]:
            sql = f"SELECT *, {more} FROM ({sql}) AS inside"
        told = ", ".join([*layers.dimensions, *results.values()])
        kept = " AND ".join(
            [
                *(
                    f"{results[name]} BETWEEN {low} AND {high}"
                    for (_, name), (low, high) in self._ranges(sheet)
                ),
                *(results[name] for _, name in self._conditions(sheet)),
            ]
        )
        found = self.query(f"SELECT {told} FROM ({sql}) AS outside WHERE {kept}")
        names = [*(unbracketed(each.get("name", "")) for each in dimensions), *results]
        return [dict(zip(names, row, strict=True)) for row in found]

    def _instance(self, sheet: Sheet, source: str, name: str) -> ET.Element:
        return sheet.dependencies.instances[source, name]

    def _ranges(self, sheet: Sheet) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """Filters on computed numbers: the pill, and from where to where."""
        return [
            (references(f.get("column", ""))[0], (f.findtext("min", ""), f.findtext("max", "")))
            for f in sheet.filters
            if f.get("included-values") == "in-range" and f not in self._row_ranges(sheet)
        ]

    def _conditions(self, sheet: Sheet) -> list[tuple[str, str]]:
        """Filters on conditions that a table calculation computes, which have to be true."""
        found = self._members(sheet)
        return [pair for pair in found if self._instance(sheet, *pair).get("derivation") != "None"]

    def _true_rows(self, sheet: Sheet) -> str:
        """Filters on conditions of single rows."""
        found = self._members(sheet)
        rows = [each for each in found if self._instance(sheet, *each).get("derivation") == "None"]
        return "".join(f" AND {self._row(self._field(name.split(':')[1]))}" for _, name in rows)

    def _members(self, sheet: Sheet) -> list[tuple[str, str]]:
        found = []
        for each in sheet.filters:
            if (member := each.find("groupfilter[@function='member']")) is not None:
                assert member.get("member") == "true"
                found += references(each.get("column", ""))
        return found

    def _dated(self) -> str:
        """The field of the dates that a person chooses from, on all sheets the same; all at first."""
        ((column, group),) = {
            (each.get("column", ""), each.get("filter-group"))
            for sheet in self.workbook.sheets
            for each in sheet.filters
            if each.get("included-values") == "all"
        }
        zones = self.workbook.dashboards[0].zones
        assert group
        assert column in {zone.get("param") for zone in zones if zone.get("type-v2") == "filter"}
        return references(column)[0][1].split(":")[1]

    def _row_ranges(self, sheet: Sheet) -> list[ET.Element]:
        """Filters on numbers as they are stored."""
        return [
            f
            for f in sheet.filters
            if f.get("class") == "quantitative"
            and f.get("included-values") == "in-range"
            and self._instance(sheet, *references(f.get("column", ""))[0]).get("derivation")
            == "None"
        ]

    def _rows_shown(self, sheet: Sheet) -> str:
        conditions = []
        for each in self._row_ranges(sheet):
            ((_, name),) = references(each.get("column", ""))
            assert each.find("max") is None
            column = self._row(self._field(name.split(":")[1]))
            conditions.append(f" AND {column} >= {each.findtext('min')}")
        return "".join(conditions)

    def _tree(self, name: str) -> formula.Expression:
        derivation, _, rest = name.partition(":")
        tree = self._field(rest.rpartition(":")[0])
        aggregates = {"sum": "SUM", "min": "MIN"}
        return formula.Call(aggregates[derivation], (tree,)) if derivation in aggregates else tree

    def _pill(self, pill: ET.Element) -> formula.Expression:
        return self._tree(unbracketed(pill.get("name", "")))

    def _field(self, name: str) -> formula.Expression:
        """A stored field, or a calculated one in its place."""
        if name not in self.source.formulas:
            return formula.Field(name)
        return self._expanded(formula.parse(self.source.formulas[name]))

    def _expanded(self, tree: formula.Expression) -> formula.Expression:
        match tree:
            case formula.Field():
                return self._field(tree.name) if tree.name in self.source.formulas else tree
            case formula.Call():
                return formula.Call(tree.name, tuple(map(self._expanded, tree.arguments)))
            case formula.Operation():
                return formula.Operation(tree.sign, tuple(map(self._expanded, tree.operands)))
            case formula.Choice():
                branches = tuple((self._expanded(a), self._expanded(b)) for a, b in tree.branches)
                otherwise = None if tree.otherwise is None else self._expanded(tree.otherwise)
                return formula.Choice(branches, otherwise)
            case formula.LevelOfDetail():
                inner = self._expanded(tree.inner)
                return formula.LevelOfDetail(tree.keyword, tree.dimensions, inner)
            case _:
                return tree

    def _row(self, tree: formula.Expression) -> str:  # noqa: PLR0911 - one for each kind
        """An expression over rows, or groups of them, as SQL."""
        match tree:
            case formula.Value():
                if isinstance(tree.value, str):
                    return f"""'{tree.value.replace("'", "''")}'"""
                return str(int(tree.value)) if isinstance(tree.value, float) else str(tree.value)
            case formula.Field():
                return self.parameters.get(tree.name) or self._column(tree.name)
            case formula.Call():
                return self._called(tree)
            case formula.Operation():
                return self._operated(tree.sign, [self._row(part) for part in tree.operands], tree)
            case formula.Choice():
                whens = "".join(
                    f" WHEN {self._row(a)} THEN {self._row(b)}" for a, b in tree.branches
                )
                otherwise = f" ELSE {self._row(tree.otherwise)}" if tree.otherwise else ""
                return f"CASE{whens}{otherwise} END"
            case formula.LevelOfDetail():
                assert (tree.keyword, tree.dimensions) == ("FIXED", ())
                table = self._table_of(tree.inner)
                return (
                    f"(SELECT {self._row(tree.inner)} FROM {self._joined(table)} "
                    f"WHERE {self._where(())})"
                )

    def _called(self, tree: formula.Call) -> str:
        arguments = [self._row(part) for part in tree.arguments]
        if tree.name in _AGGREGATES:
            return _AGGREGATES[tree.name].format(*arguments)
        return {"IFNULL": "COALESCE({})", "STR": "CAST({} AS text)"}[tree.name].format(
            ", ".join(arguments)
        )

    def _operated(self, sign: str, sides: list[str], tree: formula.Operation) -> str:
        if sign == "/":
            return f"(CAST({sides[0]} AS double precision) / NULLIF({sides[1]}, 0))"
        if sign == "+" and self._is_text(tree):
            sign = "||"
        return f"({f' {sign} '.join(sides)})"

    def _is_text(self, tree: formula.Expression) -> bool:
        if isinstance(tree, formula.Value):
            return isinstance(tree.value, str)
        if isinstance(tree, formula.Call):
            return tree.name == "STR"
        if isinstance(tree, formula.Field):
            return self.source.types[tree.name] == "string"
        return any(map(self._is_text, formula.parts(tree)))

    def _layered(
        self, tree: formula.Expression, layers: Layers, others: list[str]
    ) -> tuple[str, int]:
        """A table calculation: its name or expression, and the query that it is of.

        :param others: dimensions for each of whose values it begins anew.
        """
        match tree:
            case formula.Call("MIN", (formula.LevelOfDetail() as wider,)):
                return layers.add(1, self._without(wider, layers)), 1
        if not _runs(tree):
            return layers.add(0, self._row(tree)), 0
        if isinstance(tree, formula.Operation):
            parts = [
                (str(int(part.value)), 0)  # type: ignore[arg-type]
                if isinstance(part, formula.Value)
                else self._layered(part, layers, others)
                for part in tree.operands
            ]
            depth = max(depth for _, depth in parts)
            return f"({f' {tree.sign} '.join(sql for sql, _ in parts)})", depth
        assert isinstance(tree, formula.Call)
        within = f"PARTITION BY {', '.join(others)} " if others else ""
        if tree.name == "SIZE":
            return layers.add(1, f"COUNT(*) OVER ({within})"), 1
        if tree.name == "INDEX":
            (along,) = (name for name in layers.dimensions if name not in others)
            over = f"{within}ORDER BY {along}{self.text_order}"
            return layers.add(1, f"ROW_NUMBER() OVER ({over})"), 1
        direction = tree.arguments[1]
        assert isinstance(direction, formula.Value)
        inner, depth = self._layered(tree.arguments[0], layers, others)
        over = f"{within}ORDER BY {inner} {str(direction.value).upper()} NULLS LAST"
        ranked = f"CASE WHEN {inner} IS NOT NULL THEN {_WINDOWS[tree.name]} OVER ({over}) END"
        return layers.add(depth + 1, ranked), depth + 1

    def _without(self, tree: formula.LevelOfDetail, layers: Layers) -> str:
        """An aggregate over more than a mark: without some of the sheet's dimensions."""
        assert tree.keyword == "EXCLUDE"
        kept = [
            f" AND {layers.columns[0][name]} = inside.{name}"
            for name, field_name in zip(layers.dimensions, layers.fields, strict=True)
            if field_name not in tree.dimensions
        ]
        return (
            f"(SELECT {self._row(tree.inner)} FROM {self._joined(self._table_of(tree.inner))} "
            f"WHERE {self.shown}{''.join(kept)})"
        )

    def _column(self, name: str) -> str:
        table, _, column = self.columns[name].partition("].[")
        return f'"{table[1:]}"."{column[:-1]}"'

    def _table_of(self, tree: formula.Expression) -> str:
        """The one table that an expression is of."""
        names = formula.fields(tree) - set(self.parameters)
        (table,) = {self.columns[n].partition("].[")[0][1:] for n in names}
        return table

    def _joined(self, table: str) -> str:
        """A table with all that is related to it, towards the one that relates them."""
        joins = [self._named(table)]
        met = {table}
        edges = [self._edge(each) for each in self.source.relationships]
        while len(met) < len(self.objects):
            for ends, equal in edges:
                (new,) = ends - met if len(ends - met) == 1 else (None,)
                if new is not None:
                    joins.append(f"LEFT JOIN {self._named(new)} ON {equal}")
                    met.add(new)
        return " ".join(joins)

    def _edge(self, relationship: ET.Element) -> tuple[set[str], str]:
        ends = {
            str(self.objects[end.get("object-id", "")])
            for end in relationship
            if end.tag.endswith("end-point")
        }
        pairs = [
            " = ".join(self._column(unbracketed(side.get("op", ""))) for side in pair)
            for pair in relationship.iterfind("expression/expression[@op='=']")
        ]
        return ends, " AND ".join(pairs)

    def _named(self, table: str) -> str:
        schema, _, name = self.tables[table].partition("].[")
        return f'"{schema[1:]}"."{name[:-1]}" AS "{table}"'

    def _where(self, countries: Sequence[str], days: Days | None = None) -> str:
        """The data source's filters, then what a person chose of the countries and dates."""
        wanted = []
        for each in self.source.element.findall("filter"):
            member = each.find("groupfilter[@function='member']")
            assert member is not None
            wanted.append(
                f"{self._column(unbracketed(each.get('column', '')))} = {member.get('member')}"
            )
        if countries:
            country = self._row(self._field("Calculation_Country"))
            chosen = ", ".join(f"""'{each.replace("'", "''")}'""" for each in countries)
            wanted.append(f"{country} IN ({chosen})")
        if days:
            first, last = (f"TIMESTAMP '{day:%Y-%m-%d %H:%M:%S}'" for day in days)
            wanted.append(f"{self._column(self._dated())} BETWEEN {first} AND {last}")
        return " AND ".join(wanted)


def _within(pill: ET.Element, layers: Layers) -> list[str]:
    """The dimensions for each of whose values a table calculation begins anew."""
    for calculation in pill.findall("table-calc"):
        if calculation.get("ordering-type") == "Rows":
            return []
        ((_, along),) = references(calculation.get("ordering-field", ""))
        return [
            name
            for name, field_name in zip(layers.dimensions, layers.fields, strict=True)
            if field_name != along
        ]
    return []


def _runs(tree: formula.Expression) -> bool:
    """Whether a table function is in *tree*."""
    if isinstance(tree, formula.Call) and tree.name in {"SIZE", "INDEX", *_WINDOWS}:
        return True
    return any(map(_runs, formula.parts(tree)))
