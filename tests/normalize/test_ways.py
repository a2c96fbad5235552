"""The straight way gives what the careful way gives, of any JSON and with any mapping."""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from orderpull.conform.mirror import Mirror
from orderpull.errors import ApiFileError, CorruptPage
from orderpull.normalize.normalizer import Normalizer, StagedPage
from orderpull.normalize.scratch import LineFile
from orderpull.sources.compact import CompactDecoder, value_tree
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.expression import Expression, Path, Step, amount_paths, paths
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

    def __init__(self, folder: FilePath, api: Api) -> None:
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
            found.append({table: self.rows(table) for table in TABLES})
        return found[0], found[1]

    def rows(self, table: str) -> list[Any]:
        """The rows of a staged table."""
        ordered = f"SELECT COLUMNS(*) FROM {table} ORDER BY page, position"
        return self.bench.connection.execute(ordered).fetchall()


@pytest.fixture(scope="module", params=list(FILES))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    text = FilePath(str(FILES[request.param])).read_text(encoding="utf-8")
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


PLAIN = ("null", "7", "0", '"A1"', '"7"', '"19.99"', '" "', '"DE"', '"germany"', '" us "', '"canceled"',
         '"a/b?c=d"', "9007199254740993", '" a"')  # fmt: skip
ODD = st.sampled_from(["-0", "19.99", "3.0", "1.10", "true", '"x\\u0000"', "[]", "{}"])
TEXTS = st.builds(jsontexts.quoted, st.text("AB1-é ", min_size=1, max_size=4).map("x{}".format))
TIMES = {
    "iso": ['"2026-07-01T10:00:00Z"', '"2026-07-01"', '"2026-10-25 02:30:00"', '"2026-07-01T10:00:00.5+02:00"'],
    "rfc2822": ['"Wed, 01 Jul 2026 10:00:00 +0000"'],
    "unix": ["1751364000", '"1751364000.5"', "0"],
    "unix_ms": ["1751364000123", '"1751364000123"'],
}  # fmt: skip
Place = tuple[str, ...]
Steps = tuple[Step, ...]


class Orders:
    """Draws orders of one API: most values are as they should be."""

    def __init__(self, api: Api) -> None:
        self._tree = value_tree(api)
        mapping, prefix = api.mapping, api.record_path.inner
        self._usual: dict[Place, st.SearchStrategy[str]] = {}
        plain = st.sampled_from(["1.5", '"20.00"', "null", "3", "0", '"-7.25"', "0.01"])
        amounts = jsontexts.often(plain, st.sampled_from([*jsontexts.ODD_NUMBERS, '""', '"x"']))
        for items in mapping.item_lists:
            record = (*prefix, *items.record)
            for pieces in items.pieces.values():
                self._add(record, pieces, jsontexts.counts)
            self._add(record, items.amount, amounts, amount_paths)
        for amount in mapping.amounts().values():
            self._add(prefix, amount, amounts, amount_paths)
        self._add(prefix, mapping.number, TEXTS)
        self._add(prefix, mapping.id, TEXTS)
        times = st.sampled_from(["null", *TIMES[api.order.time_format]])
        for name in ("ordered_at", "modified_at"):
            self._add(prefix, mapping.header.get(name), times)

    def _add(
        self,
        start: Steps,
        expression: Expression | None,
        usual: st.SearchStrategy[str],
        read: Callable[[Expression], Iterator[Path]] = paths,
    ) -> None:
        for path in read(expression) if expression is not None else ():
            place = tuple("" if isinstance(s, int) else s for s in (*start, *path.steps))
            self._usual[place] = usual

    def texts(self) -> st.SearchStrategy[str]:
        """The JSON texts of elements of a page's list."""
        return self._of(self._tree, ())

    def _of(self, child: ValueTree | Kind, place: Place) -> st.SearchStrategy[str]:
        if not isinstance(child, ValueTree):
            plain = st.sampled_from([*PLAIN, "true", "false"] if bool in child else PLAIN)
            return often(self._usual.get(place, plain), st.one_of(ODD, jsontexts.scalars))
        if child.is_list:
            element = self._of(child.element, (*place, ""))
            listed = st.lists(element, max_size=3).map(jsontexts.listed)
            return often(listed, st.one_of(jsontexts.values, jsontexts.lists_of(element)))
        members = {key: self._of(each, (*place, key)) for key, each in child.children.items()}
        whole = st.fixed_dictionaries(members).map(
            lambda drawn: jsontexts.made_of([*drawn.items()])
        )
        return often(whole, st.one_of(jsontexts.objects(**members), jsontexts.values))


def often(usual: st.SearchStrategy[str], odd: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """*usual*, or once in sixty times *odd*."""
    return st.integers(0, 59).flatmap(lambda drawn: odd if drawn == 7 else usual)


@pytest.mark.slow
@given(data=st.data())
@some
def test_both_ways_agree_on_any_json(both: BothWays, data: st.DataObject) -> None:
    """Rows, hashes, rejects with their messages and texts, and what ``where`` leaves out."""
    orders = data.draw(st.lists(Orders(both.bench.api).texts(), min_size=5, max_size=25))
    straight, careful = both.found(page_of(both.bench.api, orders))
    assert straight == careful


@pytest.mark.parametrize("pieces", ["1e2", "100.00", "1.0000000000000000001e2", "100", '"100"'])
def test_pieces_of_an_amount_count_by_their_value(tmp_path: FilePath, pieces: str) -> None:
    """Extensiv's amount of a line is its price times its quantity."""
    api = parse_api(FilePath(str(FILES["extensiv"])).read_text(encoding="utf-8"), "extensiv.toml")
    line = f'{{"listingSku": "A", "quantityOrdered": {pieces}, "unitPrice": {{"amount": 1.05}}}}'
    ways = BothWays(tmp_path, api)
    straight, careful = ways.found(
        page_of(api, [f'{{"orderNumber": "1", "orderId": "1", "orderItems": [{line}]}}'])
    )
    ways.bench.close()
    assert straight == careful
    assert careful["staged_reject"] == []


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
AMOUNTS = st.recursive(
    st.sampled_from(
        [
            "p",
            "o.p",
            "a",
            "sum(t[].v)",
            "sum(p, t[].u[].w)",
            "sum(t[].u[0].w)",
            "sum(t[in(k, '7', 'DE')].v)",
            "sum(o.p, t[present(k)].u[not(in(x.y[0], '7'))].w)",
            "sum(t[].u[in(n, '0', '1', 'true')].w)",
            "sum(t[present(sum(u[].w))].v, b)",
        ]
    ),
    lambda inner: st.one_of(
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("less({}, {})".format, inner, inner),
        st.builds("times({}, {})".format, inner, inner),
        st.builds("sum({}, {})".format, inner, inner),
        st.builds("if(in(b, 'DE', '7'), {}, {})".format, inner, inner),
        inner.map("minor({}, '2')".format),
    ),
    max_leaves=3,
)
ALSO = st.sampled_from(
    [
        "",
        """
[[order.also]]
path = "t[].u[]"
sku = "s"
returned = "n"
""",
        """
[[order.also]]
path = "t[].u[].node"
sku = "coalesce(s, k)"
where = "not(in(k, '7', 'DE'))"
quantity = "n"
amount = "minor(v, '2')"
sign = -1

[[order.also]]
path = "z[]"
sku = "s"
quantity = "coalesce(n, v)"
""",
    ]
)
UNITS = st.sampled_from(['quantity_unit = "0.01"', 'quantity_unit = "1"', "", ""])


@st.composite
def mappings(draw: st.DrawFn) -> Api:
    """APIs with any mapping at all."""
    value, condition = partial(draw, VALUES), partial(draw, CONDITIONS)
    total = draw(st.one_of(AMOUNTS, AMOUNTS, AMOUNTS, VALUES))
    placed = partial(draw, st.one_of(st.sampled_from(["w", "o.w"]), VALUES))
    times = draw(st.sampled_from(["iso", "iso", "rfc2822", "unix", "unix_ms"]))
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin"]))
    records = draw(st.sampled_from(["$", "data.orders", "edges[].node"]))
    lines = draw(st.sampled_from(["lines", "o.lines", "lines.edges[].node"]))
    optional = "".join(
        f"{field} = {json.dumps(make())}\n"
        for field, make in {
            "id": value, "status": value, "channel": value, "currency": value, "ordered_at": placed,
            "counted": condition, "where": condition, "customer": value,
            "refunded": partial(draw, AMOUNTS), "tax": partial(draw, AMOUNTS),
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
quantity = {json.dumps(draw(st.sampled_from(["q", "q", "coalesce(q, o.q)", "b", "l[0]"])))}
amount = {json.dumps(draw(AMOUNTS))}
{draw(UNITS)}
{sold}
{draw(st.sampled_from(["", "title = 'a'", "returned = 'coalesce(r, n)'"]))}
{draw(ALSO)}
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
        orders = data.draw(st.lists(Orders(api).texts(), min_size=3, max_size=12))
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


def test_only_the_odd_order_of_a_page_goes_the_careful_way(tmp_path: FilePath) -> None:
    api = parse_api(built_in()["medusa"].read_text(encoding="utf-8"), "medusa.toml")
    both = BothWays(tmp_path, api)
    good = '{"id": "a", "display_id": 1, "items": [{"variant_sku": "A", "quantity": 1}]}'
    for odd in ('{"id": true}', '{"id": "b"}', good.replace("1}]", "1.5}]"), "null"):
        straight, careful = both.found(page_of(api, [good, odd, good]))
        assert straight == careful
    assert (both.straight.ways.straight, both.straight.ways.careful) == (8, 4)
    assert (both.careful.ways.straight, both.careful.ways.careful) == (0, 12)
    both.bench.close()


def test_orders_that_were_decoded_when_they_were_landed_are_not_read_again(
    tmp_path: FilePath,
) -> None:
    """The body is read for an odd order alone."""
    api = parse_api(built_in()["medusa"].read_text(encoding="utf-8"), "medusa.toml")
    both = BothWays(tmp_path, api)
    good = '{"id": "a", "display_id": 1, "items": []}'
    read: list[bytes] = []

    def reading(body: bytes) -> bytes:
        read.append(body)
        return body

    for odd in ([], ['{"id": true}']):
        body = page_of(api, [good, *odd, good])
        meta = land(both.bench.landing, api, body)
        decoded = CompactDecoder(api, extra=["version"]).decode(body)
        assert decoded is not None
        compact = decoded.compact(meta.page)
        shapes = []
        for pages in (
            [StagedPage(meta, partial(reading, body))],
            [StagedPage(meta, partial(reading, body), partial(next, iter([compact])))],
        ):
            both.straight.normalize(pages)
            shapes.append([both.rows(table) for table in TABLES])
        assert shapes[0] == shapes[1]
    assert len(read) == 2  # not if it was handed over, with the text of the odd order
    both.bench.close()


def test_a_batch_that_breaks_off_leaves_nothing_to_the_next(tmp_path: FilePath) -> None:
    api = parse_api(built_in()["medusa"].read_text(encoding="utf-8"), "medusa.toml")
    bench = Workbench(tmp_path, api)
    odd = land(bench.landing, api, page_of(api, ["7"]))
    empty = land(bench.landing, api, page_of(api, []))
    with pytest.raises(CorruptPage, match="was landed with 1 orders, and 0 are read"):
        bench.shape_pages([odd, structs.replace(empty, orders=1)])
    assert bench.shape_pages([empty]).places == []
    bench.close()


@pytest.mark.parametrize("missing", ["memfd_create", "/proc"])
def test_without_files_in_memory_a_temporary_one_is_read_and_deleted(
    missing: str, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = parse_api(built_in()["medusa"].read_text(encoding="utf-8"), "medusa.toml")
    bench = Workbench(tmp_path, api)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    if missing == "/proc":
        monkeypatch.setattr("orderpull.normalize.scratch._OPEN_FILES", str(tmp_path / "none"))
    else:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    with LineFile() as lines:
        (folder,) = (tmp_path / "tmp").iterdir()
        (file,) = folder.iterdir()
        assert (lines.path, folder.stat().st_mode & 0o777) == (str(file), 0o700)
    assert not folder.exists()
    shaped = bench.normalize(page_of(api, ['{"id": "a", "display_id": 1}', "7"]))
    assert (len(shaped.orders), len(shaped.rejects)) == (1, 1)
    bench.close()
