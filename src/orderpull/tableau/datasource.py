"""Data source in Tableau's XML: three related tables, their fields and the calculations.

With an extract beside a live connection, Tableau reads the extract until its user disables it. The
fields are the same in both cases.
"""

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

from orderpull.model import ORDER_HEADER, Table
from orderpull.tableau.connection import EXTRACT, LiveConnection
from orderpull.tableau.description import COUNTRY, Pill
from orderpull.tableau.description import PARAMETERS as CHOICES
from orderpull.tableau.fields import (
    CALCULATIONS,
    COUNTED,
    EXTRACTED,
    FIELDS,
    KEY,
    TABLES,
    Field,
    column,
    column_instance,
    metadata_record,
    object_id,
    parameter_column,
)
from orderpull.tableau.formula import fields as formula_fields
from orderpull.tableau.formula import parse
from orderpull.tableau.xml import element, stable_code

CAPTION = "Orders"
PARAMETERS = "Parameters"
"""Tableau's name of the data source of the parameters."""

ACTION_GROUP = "Action (Country)"
"""Tableau's name of the group that a click on a country sets."""

StoredColumn = tuple[Field, int, str, str]
"""Field of a stored column, number of the column, its name, and the name of its table."""


class DataSource:
    """Data source of one workbook.

    :param live: live connection; None for the extract alone.
    :param extract: True if the package contains an extract.
    :param names: True to include columns about a person from the database.
    :ivar fields: stored columns. Those about a person are only in a live connection with *names*.
    :ivar declared: stored columns and calculations.
    """

    def __init__(self, live: LiveConnection | None, *, extract: bool, names: bool = False) -> None:
        self.live = live
        self.extract = extract
        self.fields = FIELDS if live and names else EXTRACTED
        self.declared = (*self.fields, *CALCULATIONS)
        kind = live.kind if live else "hyper"
        address = (live.host, str(live.port), live.database, live.schema) if live else (EXTRACT,)
        self.name = f"federated.{stable_code('federated', kind, *address)}"
        self.connection = f"{kind}.{stable_code('connection', kind, *address)}"

    def xml(self) -> ET.Element:
        """Return the ``<datasource>``."""
        return element(
            "datasource",
            self._connection(),
            element("aliases", enabled="yes"),
            self._table_columns(),
            (column(field) for field in self.declared),
            column_instance(COUNTRY, self.name),
            _action_group(),
            self._extract(),
            element(
                "layout",
                dim_ordering="alphabetic",
                measure_ordering="alphabetic",
                show_structure="true",
            ),
            _counted_only(),
            self._object_graph(),
            caption=CAPTION,
            inline="true",
            name=self.name,
            version="18.1",
        )

    def link(self) -> ET.Element:
        """Return the reference of a sheet or dashboard to the data source."""
        return element("datasource", caption=CAPTION, name=self.name)

    def dependencies(self, pills: tuple[Pill, ...]) -> ET.Element:
        """Return the declaration of *pills* and their fields in a sheet or dashboard."""
        needed = _needed({pill.field for pill in pills})
        return element(
            "datasource-dependencies",
            (column(field) for field in self.declared if field.name in needed),
            (column_instance(pill, self.name) for pill in pills),
            datasource=self.name,
        )

    def reference(self, pill: Pill) -> str:
        """Return the reference of a shelf to *pill*."""
        return f"[{self.name}].[{pill.name}]"

    def _connection(self) -> ET.Element:
        named = element(
            "named-connection",
            _live_connection(self.live) if self.live else _hyper_connection(),
            caption=self.live.host if self.live else CAPTION,
            name=self.connection,
        )
        return element(
            "connection",
            element("named-connections", named),
            _content(map(self._relation, TABLES), self._columns()),
            class_="federated",
        )

    def _relation(self, table: Table) -> ET.Element:
        schema = self.live.schema if self.live else "Extract"
        return element(
            "relation",
            connection=self.connection,
            name=table.name,
            table=f"[{schema}].[{table.name}]",
            type="table",
        )

    def _columns(self) -> Iterator[StoredColumn]:
        for table in TABLES:
            own = [field for field in self.fields if field.table is table]
            for ordinal, field in enumerate(own, start=1):
                yield field, ordinal, field.column.name, table.name

    def _table_columns(self) -> Iterator[ET.Element]:
        """Yield a field for each table, from which Tableau derives its count."""
        for table in TABLES:
            yield element(
                "column",
                caption=table.name,
                datatype="table",
                name=f"[__tableau_internal_object_id__].[{object_id(table)}]",
                role="measure",
                type="quantitative",
            )

    def _extract(self) -> list[ET.Element]:
        if not (self.live and self.extract):
            return []
        connection = _hyper_connection()
        connection.set("access_mode", "readonly")
        columns = (
            (field, ordinal, field.name, object_id(field.table))
            for ordinal, field in enumerate(EXTRACTED)
        )
        connection.extend(_content(map(_extract_relation, TABLES), columns))
        return [
            element(
                "extract",
                connection,
                count="-1",
                enabled="true",
                object_id="",
                units="records",
            )
        ]

    def _object_graph(self) -> ET.Element:
        """Return the tables and their relationships, by source and order number."""
        objects = [self._object(table) for table in TABLES]
        others = [table for table in TABLES if table is not ORDER_HEADER]
        relationships = [_relationship(ORDER_HEADER, table) for table in others]
        return element(
            "object-graph",
            element("objects", objects),
            element("relationships", relationships),
        )

    def _object(self, table: Table) -> ET.Element:
        contexts = [element("properties", self._relation(table), context="")]
        if self.live and self.extract:
            contexts.append(element("properties", _extract_relation(table), context="extract"))
        return element("object", contexts, caption=table.name, id=object_id(table))


def parameters() -> ET.Element:
    """Return the ``<datasource>`` of the parameters."""
    return element(
        "datasource",
        element("aliases", enabled="yes"),
        map(parameter_column, CHOICES),
        hasconnection="false",
        inline="true",
        name=PARAMETERS,
        version="18.1",
    )


def parameter_dependencies() -> ET.Element:
    """Return the declaration of the parameters in a sheet or dashboard."""
    columns = map(parameter_column, CHOICES)
    return element("datasource-dependencies", columns, datasource=PARAMETERS)


def _content(relations: Iterable[ET.Element], columns: Iterable[StoredColumn]) -> list[ET.Element]:
    """Return the tables of a connection, the mapping of their columns, and their metadata."""
    stored = list(columns)
    maps = (
        element("map", key=f"[{field.name}]", value=f"[{table}].[{name}]")
        for field, _, name, table in stored
    )
    return [
        element("relation", relations, type="collection"),
        element("cols", maps),
        element("metadata-records", (metadata_record(*column) for column in stored)),
    ]


def _live_connection(live: LiveConnection) -> ET.Element:
    """Return the connection to the database, without a password."""
    attributes = {
        "authentication": "username-password",
        "class": live.kind,
        "dbname": live.database,
        "odbc-native-protocol": "yes",
        "one-time-sql": "",
        "port": str(live.port),
        "server": live.host,
        "sslmode": "require" if live.encrypted else "",
        "username": live.user,
    }
    if live.kind == "redshift":
        del attributes["odbc-native-protocol"]
    return ET.Element("connection", attributes)


def _hyper_connection() -> ET.Element:
    return element(
        "connection",
        authentication="auth-none",
        class_="hyper",
        dbname=EXTRACT,
        default_settings="yes",
        schema="Extract",
        sslmode="",
        username="tableau_internal_user",
    )


def _extract_relation(table: Table) -> ET.Element:
    identity = object_id(table)
    return element("relation", name=identity, table=f"[Extract].[{identity}]", type="table")


def _needed(names: set[str]) -> set[str]:
    """Return *names* and all fields that their formulas use, directly or indirectly."""
    formulas = {calculation.name: calculation.formula for calculation in CALCULATIONS}
    needed: set[str] = set()
    pending = set(names)
    while pending:
        name = pending.pop()
        needed.add(name)
        used = formula_fields(parse(formulas[name])) if name in formulas else set()
        pending |= used - needed
    return needed


def _action_group() -> ET.Element:
    """Return the group that a click on a country sets; before, it contains every country."""
    every = element("groupfilter", function="level-members", level=f"[{COUNTRY.field}]")
    return element(
        "group",
        element("groupfilter", every, function="crossjoin"),
        caption=ACTION_GROUP,
        hidden="true",
        name=f"[{ACTION_GROUP}]",
        name_style="unqualified",
        user__auto_column="sheet_link",
    )


def _counted_only() -> ET.Element:
    """Return the filter of the data source that leaves out orders that are no sale."""
    level = f"[{COUNTED}]"
    chosen = chosen_member(level, "true")
    return element("filter", chosen, class_="categorical", column=level, filter_group="2")


def chosen_member(level: str, member: str) -> ET.Element:
    """Return the ``<groupfilter>`` that selects one member of a field."""
    return element(
        "groupfilter",
        function="member",
        level=level,
        member=member,
        user__ui_domain="database",
        user__ui_enumeration="inclusive",
        user__ui_marker="enumerate",
    )


def _relationship(one: Table, other: Table) -> ET.Element:
    equal = [
        element(
            "expression",
            element("expression", op=f"[{_local(one, column)}]"),
            element("expression", op=f"[{_local(other, column)}]"),
            op="=",
        )
        for column in KEY
    ]
    return element(
        "relationship",
        element("expression", equal, op="AND"),
        element("first-end-point", object_id=object_id(one)),
        element("second-end-point", object_id=object_id(other)),
    )


def _local(table: Table, column: str) -> str:
    (name,) = (f.name for f in FIELDS if f.table is table and f.column.name == column)
    return name
