"""The straight way gives what the careful way gives, of any JSON and with any mapping."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from orderpull.conform.mirror import Mirror
from orderpull.errors import ApiFileError
from orderpull.normalize.normalizer import Normalizer
from orderpull.sources.compact import value_tree
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import built_in, parse_api
from orderpull.sources.value_tree import Kind, ValueTree
from tests.docs.markdown import ROOT
from tests.normalize import jsontexts
from tests.normalize.helpers import Workbench, land

FILES = {**built_in(), "bigcommerce": ROOT / "examples" / "bigcommerce.toml"}
TABLES = ("staged_order", "staged_reject", "excluded")
some = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class BothWays:
    """A landing whose pages are shaped twice: as ever, and with care for every order."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.bench = Workbench(folder, api)
        self.straight = self.bench.normalizer
        self.careful = Normalizer(
            self.bench.connection, api, "{number}", first=False, carefully=True
        )

    def found(self, body: bytes) -> tuple[Any, Any]:
        """What each way makes of a page."""
        meta = land(self.bench.landing, self.bench.api, body)
        found = []
        for normalizer in (self.straight, self.careful):
            self.bench.normalizer = normalizer
            self.bench.shape_pages([meta])
            found.append({table: self._rows(table) for table in TABLES})
        return found[0], found[1]

    def _rows(self, table: str) -> list[Any]:
        ordered = f"SELECT COLUMNS(*) FROM {table} ORDER BY page, position"
        return self.bench.connection.execute(ordered).fetchall()


@pytest.fixture(scope="module", params=list(FILES))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    text = Path(str(FILES[request.param])).read_text(encoding="utf-8")
    made = BothWays(tmp_path_factory.mktemp("ways"), parse_api(text, f"{request.param}.toml"))
    yield made
    made.bench.close()


def page_of(api: Api, orders: list[str]) -> bytes:
    """A page of *orders*, which are JSON texts of elements of its list."""
    page = f"[{', '.join(orders)}]"
    for key in reversed(api.record_path.steps):
        page = f"{{{json.dumps(key)}: {page}}}"
    return page.encode()


def element(api: Api, document: Any) -> str:
    for key in reversed(api.record_path.inner):
        document = {key: document}
    return json.dumps(document)


PLAIN = st.sampled_from(
    ["null", "7", "0", "-0", "19.99", "3.0", "1.10", "true", "false", '"A1"', '"7"', '"19.99"', '" "',
     '"DE"', '"germany"', '" us "', '"canceled"', '"2026-07-01T10:00:00Z"', '"2026-07-01"', '"x\\u0000"',
     "1751364000", '"Wed, 01 Jul 2026 10:00:00 +0000"', '"a/b?c=d"', "9007199254740993", '"1.5"']
)  # fmt: skip


def texts_of(child: ValueTree | Kind) -> st.SearchStrategy[str]:
    """JSON texts with the values of *child*, mostly."""
    if not isinstance(child, ValueTree):
        return jsontexts.often(PLAIN, jsontexts.scalars)
    if child.is_list:
        return jsontexts.often(
            st.lists(texts_of(child.element), max_size=3).map(jsontexts.listed),
            st.one_of(jsontexts.values, jsontexts.lists_of(texts_of(child.element))),
        )
    return jsontexts.mostly(
        jsontexts.objects(**{key: texts_of(each) for key, each in child.children.items()})
    )


@pytest.mark.slow
@given(data=st.data())
@some
def test_both_ways_agree_on_any_json(both: BothWays, data: st.DataObject) -> None:
    """Rows, hashes, rejects with their messages and texts, and what ``where`` leaves out."""
    orders = data.draw(st.lists(texts_of(value_tree(both.bench.api)), min_size=5, max_size=25))
    straight, careful = both.found(page_of(both.bench.api, orders))
    assert straight == careful


FIELDS = ("a", "b", "B", "o.x", "o.y", "l[0]", "l[1]", "m[0].z", "m[1].w", "ö.ü")
VALUES = st.recursive(
    st.sampled_from(FIELDS),
    lambda inner: st.one_of(
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("join(' ', {}, {})".format, inner, inner),
        *(inner.map(f"{f}({{}})".format) for f in ("lower", "upper", "trim", "path", "last")),
        st.builds("if(present({}), {}, {})".format, inner, inner, inner),
    ),
    max_leaves=3,
)
CONDITIONS = st.one_of(
    st.builds("present({})".format, VALUES),
    st.builds("not(in({}, 'true', 'canceled', '7', '1.1'))".format, VALUES),
    st.builds("any(present({}), in({}, 'DE'))".format, VALUES, VALUES),
)
UNITS = st.sampled_from(['quantity_unit = "0.01"', 'quantity_unit = "1"', "", ""])


@st.composite
def mappings(draw: st.DrawFn) -> Api:
    """APIs with any mapping at all."""
    value, condition = partial(draw, VALUES), partial(draw, CONDITIONS)
    total = draw(st.one_of(VALUES, VALUES.map("minor({}, '2')".format)))
    times = draw(st.sampled_from(["iso", "iso", "rfc2822", "unix", "unix_ms"]))
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin"]))
    records = draw(st.sampled_from(["$", "data.orders", "edges[].node"]))
    lines = draw(st.sampled_from(["lines", "o.lines", "lines.edges[].node"]))
    optional = "".join(
        f"{field} = {json.dumps(make())}\n"
        for field, make in {
            "id": value, "status": value, "channel": value, "currency": value, "ordered_at": value,
            "counted": condition, "where": condition,
        }.items()
        if draw(st.booleans())
    )  # fmt: skip
    sold = f"where = {json.dumps(condition())}" if draw(st.booleans()) else ""
    text = f"""
title = "Any"
[request]
path = "/orders"
[records]
path = "{records}"
[order]
number = {json.dumps(value())}
total = {json.dumps(total)}
time_format = "{times}"
timezone = "{zone}"
{optional}
[order.address]
country = {json.dumps(value())}
line1 = {json.dumps(value())}
[order.lines]
path = "{lines}"
sku = {json.dumps(value())}
quantity = {json.dumps(draw(st.sampled_from(["q", "coalesce(q, o.q)", "b", "l[0]"])))}
{draw(UNITS)}
{sold}
"""
    try:
        return parse_api(text, "any.toml")
    except ApiFileError:
        assume(condition=False)
        raise


@pytest.mark.slow
@given(data=st.data())
@settings(some, max_examples=25)
def test_both_ways_agree_with_any_mapping(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Indexes, conditions, keys that differ in case, units, time zones, edges."""
    api = data.draw(mappings())
    both = BothWays(tmp_path_factory.mktemp("any"), api)
    try:
        orders = data.draw(st.lists(texts_of(value_tree(api)), min_size=3, max_size=12))
        straight, careful = both.found(page_of(api, orders))
        assert straight == careful
    finally:
        both.bench.close()


def test_ordinary_orders_of_each_built_in_file_go_the_straight_way(both: BothWays) -> None:
    """All of them: what their platform serves needs no care."""
    api, before = both.bench.api, both.straight.ways.straight
    mirror = Mirror(api, orders=60, odd=False)
    documents = [mirror.renderer.document(order) for order in mirror.store.orders.values()]
    straight, careful = both.found(page_of(api, [element(api, each) for each in documents]))
    assert straight == careful
    assert straight["staged_order"]
    assert both.straight.ways.straight - before == len(documents)


def test_only_the_odd_order_of_a_page_goes_the_careful_way(tmp_path: Path) -> None:
    api = parse_api(built_in()["medusa"].read_text(encoding="utf-8"), "medusa.toml")
    both = BothWays(tmp_path, api)
    good = '{"id": "a", "display_id": 1, "items": [{"variant_sku": "A", "quantity": 1}]}'
    for odd in ('{"id": true}', '{"id": "b"}', good.replace("1}]", "1.5}]"), "null"):
        straight, careful = both.found(page_of(api, [good, odd, good]))
        assert straight == careful
    assert (both.straight.ways.straight, both.straight.ways.careful) == (8, 4)
    assert (both.careful.ways.straight, both.careful.ways.careful) == (0, 12)
    both.bench.close()
