"""A page parsed by one decoding has the facts that a look at each order finds."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.spec.reader import built_in, parse_api

APIS = {
    name: parse_api(file.read_text(encoding="utf-8"), name) for name, file in built_in().items()
}

IDS = ("1", "12", '"1"', '"a"', "1.5", "null", "true", '{"x":1}', "[]", '""', r'"\ud83d"',
       r'"\ud83d\ude00"', r'"\\ud83d"', '"é"')  # fmt: skip
STAMPS = ('"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05+00:00"', '"2026-01-01T00:00:00.5Z"',
          '"2026-01-02T03:04:05+02:00"', '"2026-01-02 03:04:05"', '" 2026-01-02T03:04:05Z "',
          '"2026-01-02Z"', '"0001-01-01T00:00:00+14:00"', '"soon"', '""', "null", "1767312000",
          "1767312000000", '"1767312000"', "[]", '"Wed, 05 Dec 2018 20:16:55 +0000"')  # fmt: skip
ODD = ("42", "null", "[]", "{}", '"text"', '{"id":1e999}', '{"a":"\x01"}', "{", '{"x":NaN}')
KEYS = ("id", "orderId", "number", "node", "modifiedDate", "date_modified_gmt", "updatedAt",
        "updated_at", "dateModified", "attributes", "lineItems", "pageInfo")  # fmt: skip

values = st.sampled_from([*IDS, *STAMPS])
members = st.tuples(st.sampled_from(KEYS), values)


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"


flat = st.lists(members, max_size=6).map(_object)
nested = st.lists(members | st.tuples(st.sampled_from(KEYS), flat), max_size=6).map(_object)


class EachOrder(PageParser):
    """Looks at each order by itself."""

    def _parse_at_once(self, body: bytes, headers: Mapping[str, str]) -> PageInfo | None:
        return None


@pytest.mark.parametrize("name", sorted(APIS))
@given(orders=st.lists(nested | st.sampled_from(ODD), max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_same_facts(name: str, orders: list[str]) -> None:
    """Ids, times, child requests and the state are the same, whatever the orders are."""
    api = APIS[name]
    body = "[" + ",".join(orders) + "]"
    for key in reversed(api.record_path.steps):
        body = f'{{"{key}": {body}}}'
    facts = EachOrder(api).parse(body.encode())
    assert PageParser(api).parse(body.encode()) == facts
    assert PageParser(api, for_loader=True).parse(body.encode()) == facts


@pytest.mark.parametrize("name", sorted(APIS))
def test_plain_orders_are_parsed_at_once(name: str) -> None:
    """Orders with an id and a time need no look at each."""
    api = APIS[name]
    parser = PageParser(api)
    ids = {"id", "orderId", "number", "orderNumber", "entity_id", "legacyResourceId"}
    order = _object([*dict.fromkeys(ids, "1").items()])
    for key in reversed(api.record_path.inner):
        order = f'{{"{key}": {order}}}'
    body = f"[{order},{order}]"
    for key in reversed(api.record_path.steps):
        body = f'{{"{key}": {body}}}'
    at_once = parser._parse_at_once(body.encode(), {})
    assert (at_once is None) == api.consume_once
