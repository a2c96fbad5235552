"""Faults that a workbook may have though it is valid XML: what is done to it, and what is found."""

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

Root = ET.Element
Change = Callable[[Root], object]

BY_COUNTRY = "worksheets/worksheet[@name='Most popular SKUs by country']/"
OVERALL = "worksheets/worksheet[@name='Most popular SKUs']/"
SOURCE = "datasources/datasource[connection]/"
PARAMETERS = "datasources/datasource[@name='Parameters']/"
CONNECTION = SOURCE + "connection/named-connections/named-connection/connection"
BOARD = "dashboards/dashboard/"
ZONE = BOARD + "zones/zone/zone"
LINK = "actions/action/link"


@dataclass(frozen=True)
class Fault:
    """A fault. :param change: makes it. :param kind: what the checker calls it."""

    kind: str
    change: Change
    place: str = "redshift"


def at(path: str) -> Callable[[Root], ET.Element]:
    """The element at *path*."""

    def found(root: Root) -> ET.Element:
        element = root.find(path)
        assert element is not None, path
        return element

    return found


def put(path: str, **words: str) -> Change:
    """Set attributes; ``_`` stands for ``-``."""

    def change(root: Root) -> None:
        element = at(path)(root)
        for name, value in words.items():
            key = name.rstrip("_").replace("_", "-")
            assert element.get(key) != value
            element.set(key, value)

    return change


def swap(path: str, name: str, old: str, new: str) -> Change:
    """Replace *old* by *new* in an attribute, or in the text where *name* is ''."""

    def change(root: Root) -> None:
        element = at(path)(root)
        before = element.get(name, "") if name else element.text or ""
        assert old in before
        if name:
            element.set(name, before.replace(old, new))
        else:
            element.text = before.replace(old, new)

    return change


def drop(path: str, tag: str) -> Change:
    """Remove the first *tag* (or what it leads to) below *path*."""

    def change(root: Root) -> None:
        parent = at(path)(root) if path else root
        child = parent.find(tag)
        assert child is not None, tag
        parent.remove(child)

    return change


def again(path: str, tag: str) -> Change:
    """Put the first *tag* below *path* there once more."""

    def change(root: Root) -> None:
        parent = at(path)(root) if path else root
        child = parent.find(tag)
        assert child is not None, tag
        parent.append(ET.fromstring(ET.tostring(child)))

    return change


def calculated(name: str, formula: str) -> Change:
    """Give a calculation another formula, everywhere."""

    def change(root: Root) -> None:
        cells = [c for c in root.iter("column") if c.get("name") == f"[Calculation_{name}]"]
        assert cells
        for cell in cells:
            at("calculation")(cell).set("formula", formula)

    return change


def moved(root: Root) -> None:
    """The dashboards stand before the worksheets."""
    boards = at("dashboards")(root)
    root.remove(boards)
    root.insert(1, boards)


def topped(root: Root) -> None:
    """A Top 10 in the rank's place."""
    view = at(OVERALL + "table/view")(root)
    rank = view.findall("filter")[2]
    top = rank.get("column", "").replace("usr:Calculation_Rank:qk", "none:sku:nk")
    at("slices")(view)[2].text = top
    view.remove(rank)
    made = ET.Element("filter", {"class": "categorical", "column": top})
    end = ET.SubElement(made, "groupfilter", {"function": "end", "end": "top", "count": "10"})
    ET.SubElement(end, "groupfilter", {"function": "level-members", "level": "[none:sku:nk]"})
    view.insert(4, made)


def joined(root: Root) -> None:
    """Joins in the place of relationships."""
    at(SOURCE + "connection/relation")(root).set("type", "join")


def unrelated(root: Root) -> None:
    """The order number alone relates the tables."""
    for both in root.iterfind(SOURCE + "object-graph/relationships/relationship/expression"):
        both.remove(both[0])


def crossed(root: Root) -> None:
    """A relationship compares the header's source with the other table's."""
    pairs = root.findall(SOURCE + "object-graph/relationships/relationship/expression/expression")
    pairs[0][1].set("op", "[source (order_address)]")


def retyped(root: Root) -> None:
    """An order number is stored as a number."""
    for record in root.iter("metadata-record"):
        if record.findtext("local-name") == "[ordernumber (order_item)]":
            at("local-type")(record).text = "integer"


def shared_apart(root: Root) -> None:
    """The country is chosen apart on one sheet."""
    at(OVERALL + "table/view/filter[@filter-group]")(root).set("filter-group", "9")


def forgotten_country(root: Root) -> None:
    """One sheet has no country filter."""
    view = at(OVERALL + "table/view")(root)
    view.remove(view.findall("filter")[1])
    slices = at("slices")(view)
    slices.remove(slices[1])


def unfiltered_by_click(root: Root) -> None:
    """One sheet does not wait for the click."""
    view = at(OVERALL + "table/view")(root)
    view.remove(view.findall("filter")[0])
    slices = at("slices")(view)
    slices.remove(slices[0])


def clicked_elsewhere(root: Root) -> None:
    """The click is on a sheet that shows no country."""
    at("actions/action/source")(root).set("worksheet", "Most popular SKUs")


def unnamed_instance(root: Root) -> None:
    """A sheet declares no pill for its SKUs."""
    declared = at(OVERALL + "table/view/datasource-dependencies[2]")(root)
    declared.remove(at("column-instance[@name='[none:sku:nk]']")(declared))


def hidden_in_tooltip(root: Root) -> None:
    """A tooltip tells a field that no mark has."""
    cards = at(OVERALL + "table/panes/pane/encodings")(root)
    cards.remove(at("lod")(cards))


def stale_view(root: Root) -> None:
    """The dashboard's window knows nothing of a sheet."""
    views = at("windows/window[@class='dashboard']/viewpoints")(root)
    views.remove(views[1])


def secret(root: Root) -> None:
    """The password stands in the file."""
    at(CONNECTION)(root).set("password", "hunter2")


def without_group(root: Root) -> None:
    """Nothing is set by a click."""
    source = at(SOURCE[:-1])(root)
    source.remove(at("group")(source))


FAULTS: dict[str, Fault] = {
    # the document
    "an unknown version": Fault("version", put(".", version="99.9")),
    "no build": Fault("build", put(".", source_build="")),
    "parts in the wrong order": Fault("part-order", moved),
    "a part twice": Fault("part-twice", again("", "preferences")),
    "no windows": Fault("part-missing", drop("", "windows")),
    "an unknown part": Fault("part-unknown", lambda root: ET.SubElement(root, "sheets")),
    "a feature that the manifest does not name": Fault(
        "feature", drop("document-format-change-manifest", "SortTagCleanup")
    ),
    "an object model that it does not name": Fault(
        "feature", drop("document-format-change-manifest", "ObjectModelEncapsulateLegacy")
    ),
    "kinds of zones that it does not name": Fault(
        "feature", drop("document-format-change-manifest", "SetMembershipControl")
    ),
    "an extract of tables that it does not name": Fault(
        "feature",
        drop("document-format-change-manifest", "ObjectModelExtractV2"),
        "redshift with extract",
    ),
    "a layout of the object model that it does not name": Fault(
        "feature", drop("document-format-change-manifest", "SchemaViewerObjectModel")
    ),
    "one identity for two": Fault("identity-twice", again("windows/window", "simple-id")),
    "two sheets of one name": Fault("name-twice", again("worksheets", "worksheet")),
    # the connection
    "an unknown class": Fault("class", put(CONNECTION, class_="redshft")),
    "no server": Fault("server", put(CONNECTION, server="")),
    "no database": Fault("dbname", put(CONNECTION, dbname="")),
    "a port that is none": Fault("port", put(CONNECTION, port="74390")),
    "an unknown sslmode": Fault("sslmode", put(CONNECTION, sslmode="maybe")),
    "a password": Fault("secret", secret),
    "SQL of its own": Fault("initial-sql", put(CONNECTION, one_time_sql="SELECT 1")),
    "no connection in its place": Fault(
        "connection-empty", drop(CONNECTION.rpartition("/")[0], "connection")
    ),
    "a table of another connection": Fault(
        "connection-unknown", put(SOURCE + "connection/relation/relation", connection="redshift.x")
    ),
    "a table without brackets": Fault(
        "table-name", put(SOURCE + "connection/relation/relation", table="public.order_header")
    ),
    "a table twice": Fault("table-twice", again(SOURCE + "connection/relation", "relation")),
    "joins": Fault("join", joined),
    "a column of no table": Fault(
        "column-table", swap(SOURCE + "connection/cols/map", "value", "order_header", "headers")
    ),
    "a column twice": Fault("column-twice", again(SOURCE + "connection/cols", "map")),
    "a column without a type": Fault(
        "column-type", drop(SOURCE + "connection/metadata-records", "metadata-record")
    ),
    "a column that leads nowhere": Fault(
        "column-nowhere", drop(SOURCE + "connection/cols", "map")
    ),
    "an unknown type": Fault(
        "type-unknown",
        swap(SOURCE + "connection/metadata-records/metadata-record/local-type", "", "str", "th"),
    ),
    "a type of no table": Fault(
        "record-table",
        swap(SOURCE + "connection/metadata-records/metadata-record/parent-name", "", "_", "-"),
    ),
    "a type of no object": Fault(
        "record-object",
        swap(SOURCE + "connection/metadata-records/metadata-record/object-id", "", "_", "-"),
    ),
    "an extract out of its package": Fault(
        "extract-path", put(CONNECTION, dbname="/tmp/orders.hyper"), "extract"
    ),
    "an extract that is not there": Fault(
        "extract-missing", put(CONNECTION, dbname="Data/Extracts/sales.hyper"), "extract"
    ),
    # the model
    "an object of no table": Fault(
        "object-table",
        put(SOURCE + "object-graph/objects/object/properties/relation", table="[x].[y]"),
    ),
    "a table without an object": Fault(
        "object-missing", drop(SOURCE + "object-graph/objects", "object")
    ),
    "a relationship to nowhere": Fault(
        "relationship-end",
        put(SOURCE + "object-graph/relationships/relationship/second-end-point", object_id="x"),
    ),
    "a relationship by a field that is not there": Fault(
        "relationship-field",
        put(
            SOURCE + "object-graph/relationships/relationship/expression/expression/expression",
            op="[sorce]",
        ),
    ),
    "a relationship of other tables' fields": Fault("relationship-sides", crossed),
    "a relationship of two types": Fault("relationship-types", retyped),
    "a relationship that compares nothing": Fault(
        "relationship-empty",
        lambda root: at(SOURCE + "object-graph/relationships/relationship/expression")(
            root
        ).clear(),
    ),
    "a relationship by half the key": Fault("relationship-key", unrelated),
    "a table that is not related": Fault(
        "island", drop(SOURCE + "object-graph/relationships", "relationship")
    ),
    "orders that are no sale": Fault("counted", drop(SOURCE[:-1], "filter")),
    # fields and calculations
    "a field twice": Fault("field-twice", again(SOURCE[:-1], "column[@name='[sku]']")),
    "a field that is not stored": Fault(
        "field-nowhere", put(SOURCE + "column[@name='[sku]']", name="[skew]")
    ),
    "a field of another type": Fault(
        "field-type", put(SOURCE + "column[@name='[sku]']", datatype="integer")
    ),
    "a field without a role": Fault("role", put(SOURCE + "column[@name='[sku]']", role="both")),
    "a text that is measured": Fault(
        "field-kind", put(SOURCE + "column[@name='[sku]']", type="quantitative")
    ),
    "a format that formats nothing": Fault(
        "format", put(SOURCE + "column[@name='[Calculation_Average]']", default_format="two places")
    ),
    "a formula without its end": Fault("formula", calculated("Country", 'IFNULL([country], "x"')),
    "a formula of a field that is not there": Fault(
        "calculation", calculated("Country", 'IFNULL([land], "x")')
    ),
    "an unknown function": Fault("calculation", calculated("Orders", "COUNTDISTINCT([sku])")),
    "too few arguments": Fault("calculation", calculated("Country", "IFNULL([country])")),
    "a sum of a sum": Fault("calculation", calculated("Average", "SUM(SUM([quantity]))")),
    "a row's value beside a sum": Fault("calculation", calculated("Average", "SUM([quantity]) / [total]")),
    "a sum of texts": Fault("calculation", calculated("Average", "SUM([sku])")),
    "a text and a number": Fault("calculation", calculated("OrderKey", "[sku] + [total]")),
    "a rank of a row's value": Fault("calculation", calculated("Rank", "RANK_UNIQUE([quantity])")),
    "a rank in no direction": Fault(
        "calculation", calculated("Rank", 'RANK_UNIQUE(SUM([quantity]), "down")')
    ),
    "a calculation of another type": Fault("calculation-type", calculated("Orders", "MIN([sku])")),
    "calculations in a circle": Fault(
        "circle", calculated("Orders", "COUNTD([Calculation_Average])")
    ),
    "a table calculation along nothing": Fault(
        "table-calculation",
        drop(SOURCE + "column[@name='[Calculation_Rank]']/calculation", "table-calc"),
    ),
    "an aggregate as a dimension": Fault(
        "aggregate-role", put(SOURCE + "column[@name='[Calculation_Orders]']", role="dimension")
    ),
    "a parameter outside of its range": Fault("parameter-value", put(PARAMETERS + "column", value="0")),
    "a formula of a parameter that is not there": Fault(
        "calculation", put(PARAMETERS + "column", name="[Parameter 9]")
    ),
    "a level of detail by what is no dimension": Fault(
        "calculation",
        calculated("Largest", 'RANK(MIN({ EXCLUDE [skew] : SUM([quantity]) }), "desc") <= 5'),
    ),
    "a group of a field that is not there": Fault(
        "group-field", put(SOURCE + "group/groupfilter/groupfilter", level="[Calculation_Land]")
    ),
    # sheets
    "a sheet of another data source": Fault(
        "source-unknown", put(OVERALL + "table/view/datasources/datasource", name="federated.x")
    ),
    "a pill of an undeclared field": Fault(
        "pill-field",
        drop(OVERALL + "table/view/datasource-dependencies[2]", "column[@name='[sku]']"),
    ),
    "a pill of another name": Fault(
        "pill-name",
        put(
            OVERALL + "table/view/datasource-dependencies/column-instance"
            "[@name='[sum:quantity:qk]']",
            derivation="Avg",
        ),
    ),
    "a pill of another kind": Fault(
        "pill-kind",
        put(
            OVERALL + "table/view/datasource-dependencies/column-instance[@name='[none:sku:nk]']",
            type="ordinal",
        ),
    ),
    "a field that the data source has not": Fault(
        "field-unknown",
        put(
            OVERALL + "table/view/datasource-dependencies/column[@name='[country]']",
            name="[land]",
        ),
    ),
    "a formula that differs": Fault(
        "formula-differs",
        put(
            OVERALL + "table/view/datasource-dependencies/"
            "column[@name='[Calculation_Orders]']/calculation",
            formula="COUNT([sku])",
        ),
    ),
    "a shelf with a pill that is not declared": Fault(
        "shelf", swap(OVERALL + "table/rows", "", "none:sku:nk", "none:skew:nk")
    ),
    "a shelf that cannot be read": Fault(
        "shelf-broken", swap(OVERALL + "table/rows", "", " / ", " and ")
    ),
    "a pill that is shown and not declared": Fault("shelf", unnamed_instance),
    "a sheet that shows nothing": Fault(
        "sheet-empty", lambda root: at(OVERALL + "table")(root).clear()
    ),
    "an unknown mark": Fault("mark", put(OVERALL + "table/panes/pane/mark", class_="Bars")),
    "a parameter that is not declared": Fault(
        "parameter-declared",
        drop(BY_COUNTRY + "table/view", "datasource-dependencies[@datasource='Parameters']"),
    ),
    "a label that is not declared": Fault(
        "encoding",
        swap(OVERALL + "table/panes/pane/encodings/text", "column", "usr:Calculation_Measure", "usr:Calculation_Size"),
    ),
    "rows in the place of sums": Fault(
        "aggregation", put(OVERALL + "table/view/aggregation", value="false")
    ),
    "a title that tells a field not declared": Fault(
        "text-field",
        lambda root: swap_run(root, OVERALL + "layout-options/title", "Country:nk", "Land:nk"),
    ),
    "a tooltip that tells what is not shown": Fault("text-hidden", hidden_in_tooltip),
    "a style of a pill that is not there": Fault(
        "style-field",
        swap(OVERALL + "table/style/style-rule/format", "field", "usr:Calculation_Measure", "usr:Calculation_Size"),
    ),
    "a sort of what is not shown": Fault(
        "sort", swap(OVERALL + "table/view/alphabetic-sort", "column", "none:sku", "none:source")
    ),
    "a sort by what is not declared": Fault(
        "sort-by",
        swap(BY_COUNTRY + "table/view/computed-sort", "using", "usr:Calculation_Measure", "usr:Calculation_Size"),
    ),
    "a rank along nothing": Fault(
        "rank-along",
        drop(
            OVERALL + "table/view/datasource-dependencies/"
            "column-instance[@name='[usr:Calculation_Rank:qk]']",
            "table-calc",
        ),
    ),
    "a rank along what is not shown": Fault(
        "rank-field",
        swap(
            OVERALL + "table/view/datasource-dependencies/"
            "column-instance[@name='[usr:Calculation_Rank:qk]']/table-calc",
            "ordering-field",
            "[sku]",
            "[Calculation_Country]",
        ),
    ),
    # filters
    "a filter of an unknown class": Fault(
        "filter-class", put(OVERALL + "table/view/filter", class_="some")
    ),
    "a filter on what is not there": Fault(
        "filter-field",
        swap(OVERALL + "table/view/filter[@filter-group]", "column", "Country", "Land"),
    ),
    "a filter in no slice": Fault("slices", drop(OVERALL + "table/view/slices", "column")),
    "a slice without a filter": Fault("slice-alone", drop(OVERALL + "table/view", "filter")),
    "a filter twice": Fault("filter-twice", again(OVERALL + "table/view", "filter")),
    "a filter that chooses from another field": Fault(
        "filter-level",
        put(OVERALL + "table/view/filter[@filter-group]/groupfilter", level="[none:sku:nk]"),
    ),
    "a range from high to low": Fault(
        "range", swap(OVERALL + "table/view/filter[max]/min", "", "1", "11")
    ),
    "a range without ends": Fault(
        "range-open",
        lambda root: [
            drop(OVERALL + f"table/view/filter[{end}]", end)(root)
            for end in ("max", "min")
        ],
    ),
    "a Top N that runs before the country": Fault("top-before-filter", topped),
    "a country filter that one sheet has not": Fault("filter-missing", forgotten_country),
    "a country that is chosen apart": Fault("filter-groups", shared_apart),
    # the dashboard
    "a place for a sheet that is not there": Fault(
        "zone-sheet", put(ZONE + "[@name='Most popular SKUs']", name="Popular SKUs")
    ),
    "a place outside": Fault("zone-outside", put(ZONE + "[@name='Most popular SKUs']", x="90000")),
    "places on each other": Fault("zone-overlap", put(ZONE + "[@name='Most popular SKUs']", y="0")),
    "one number for two places": Fault(
        "zone-twice", put(ZONE + "[@name='Most popular SKUs']", id="2")
    ),
    "a dashboard without sheets": Fault(
        "board-empty", lambda root: at(BOARD + "zones")(root).clear()
    ),
    "a filter that its sheet has not": Fault(
        "quick-filter", swap(ZONE + "[@type-v2='filter']", "param", "none:", "attr:")
    ),
    "a filter that is not declared": Fault(
        "quick-filter-field", drop(BOARD + "datasource-dependencies[column-instance]", "column-instance")
    ),
    "a control of what is no parameter": Fault(
        "control", put(ZONE + "[@type-v2='paramctrl']", param="[Parameters].[Parameter 9]")
    ),
    "a control of a parameter that is not declared": Fault(
        "control-declared",
        drop(BOARD[:-1], "datasource-dependencies[@datasource='Parameters']"),
    ),
    "a control without a mode": Fault("control-mode", put(ZONE + "[@type-v2='paramctrl']", mode="")),
    "a fixed size that is not": Fault("size", put(BOARD + "size", minwidth="800")),
    "a sheet without a window": Fault("window-missing", drop("windows", "window")),
    "a window of nothing": Fault("window-unknown", put("windows/window", name="Sheet 1")),
    "a sheet without a view": Fault("viewpoint", stale_view),
    "a view of a sheet that is not shown": Fault(
        "viewpoint-unknown",
        put("windows/window[@class='dashboard']/viewpoints/viewpoint", name="Sheet 1"),
    ),
    # the click
    "a click on another dashboard": Fault(
        "action-board", put("actions/action/source", dashboard="Sales")
    ),
    "a click on a sheet that is not there": Fault(
        "action-sheet", put("actions/action/source", worksheet="Sheet 1")
    ),
    "a click on a sheet that is not shown": Fault(
        "action-place",
        lambda root: at(BOARD + "zones/zone")(root).remove(
            at(ZONE + "[@name='Most popular SKUs by country']")(root)
        ),
    ),
    "a click on nothing": Fault(
        "action-source", put("actions/action/source", worksheet="", dashboard="")
    ),
    "a click to nowhere": Fault(
        "action-target", put("actions/action/command/param", value="Sales")
    ),
    "a click that leaves out what is not there": Fault(
        "action-exclude",
        lambda root: ET.SubElement(
            at("actions/action/command")(root), "param", {"name": "exclude", "value": "Sheet 1"}
        ),
    ),
    "a click that does what nobody knows": Fault(
        "action-command", put("actions/action/command", command="tsc:filter")
    ),
    "a click that does nothing": Fault(
        "action-empty",
        lambda root: [drop("actions/action", tag)(root) for tag in ("command", "link")],
    ),
    "a click by no field": Fault("action-link", drop("actions/action", "link")),
    "a click that maps nothing": Fault("action-expression", put(LINK, expression="tsl:Orders")),
    "a click by a field that is not there": Fault(
        "action-field", swap(LINK, "expression", "Calculation_Country", "Calculation_Land")
    ),
    "a click on what is not seen": Fault("action-unseen", clicked_elsewhere),
    "a click that nothing waits for": Fault("action-group", without_group),
    "a sheet that no click filters": Fault("action-filter", unfiltered_by_click),
    "a click by a field not declared": Fault(
        "action-declared",
        drop(
            "actions/datasource-dependencies",
            "column[@name='[Calculation_Country]']",
        ),
    ),
}  # fmt: skip


def swap_run(root: Root, path: str, old: str, new: str) -> None:
    """Replace *old* by *new* in the runs of a text."""
    runs = [run for run in at(path)(root).iter("run") if old in (run.text or "")]
    assert runs
    for run in runs:
        run.text = (run.text or "").replace(old, new)
