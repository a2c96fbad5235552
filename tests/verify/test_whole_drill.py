"""The whole drill, with a shop: what differs between shop, landing, tables and rollups is named."""

import random
from pathlib import Path
from typing import Any

import pytest

from orderpull.settings import parse_settings
from orderpull.verify.result import SourceVerified
from tests.operate.home import KINDS
from tests.rollup_oracle import differing
from tests.verify.platform_shop import platform_shop
from tests.warehouses import warehouse

pytestmark = pytest.mark.slow
DAY = 86_400.0


def named(result: SourceVerified, where: str) -> set[tuple[str, str]]:
    """Number and kind of each difference of one comparison."""
    assert result.error is None
    return {(each.order, each.kind) for each in result.differences if each.where == where}


@pytest.mark.parametrize("kind", KINDS)
def test_a_drill_with_a_shop(kind: Any, tmp_path: Path) -> None:
    """Three orders that were never landed, ten deleted, five changed, a page, a row and a rollup."""
    chance = random.Random(5)
    with (
        warehouse(kind, tmp_path / "here", prepared=True) as place,
        platform_shop("medusa", place.folder, "page_size = 10", orders=90) as home,
    ):
        file = home.folder / "orderpull.toml"
        block = "".join(f'{key} = "{value}"\n' for key, value in place.lines.items())
        file.write_text(f"[destination]\n{block}{file.read_text()}")
        home.settings = parse_settings(file.read_text(), file)
        home.run()
        assert home.verify(deep=True).differences == []
        unlanded = {
            home.shop.store.insert(late=chance.uniform(2, 20) * DAY).number for _ in range(3)
        }
        headers = place.query("SELECT ordernumber, page FROM order_header WHERE counted ORDER BY 1")
        gone = headers[0][1]
        numbers = chance.sample([number for number, page in headers if page != gone], 15)
        deleted, changed = {*numbers[:10]}, {*numbers[10:]}
        for table in ("order_header", "order_address", "order_item"):
            for number in deleted:
                place.query(f"DELETE FROM {table} WHERE ordernumber = '{number}'")
        for number in changed:
            place.query(f"UPDATE order_address SET city = 'by hand' WHERE ordernumber = '{number}'")
        (path,) = (home.folder / "landing" / "shop").glob(f"*/{gone:012d}.json.zst")
        page = path.read_bytes()
        path.unlink()
        foreign(place.query, numbers[-1])
        place.query("UPDATE summary_line SET quantity = quantity + 1")

        result = home.verify(deep=True)
        lost = {(number, "missing") for number in deleted}
        assert named(result, "shop-tables") == lost | {(n, "missing") for n in unlanded} | {
            ("X", "extra")
        }
        assert named(result, "landing-tables") == lost | {(n, "different") for n in changed} | {
            ("X", "extra"), (f"page {gone}", "missing"),
        }  # fmt: skip
        assert named(result, "tables") == {(n, "different") for n in (*changed, "X")}
        assert len(named(result, "rollups")) > 1

        result = home.verify(deep=True, repair=True)
        # The repair listed the shop's ids, so X counts as deleted there. It is judged once the list
        # is, which is not read while a page before it is missing.
        assert {each.order for each in result.differences} == {f"page {gone}"}
        assert place.query("SELECT counted FROM order_header WHERE ordernumber = 'X'") == [(False,)]
        assert differing(place.query, "UTC") == []
        path.write_bytes(page)
        assert home.verify(deep=True, repair=True, delete_extra=True).differences == []
        held = {number for (number,) in place.query("SELECT ordernumber FROM order_header")}
        assert held == {order.number for order in home.orders()}


def foreign(query: Any, like: str) -> None:
    """Insert an order that no page has, with the values of another one."""
    for table in ("order_header", "order_address", "order_item"):
        columns = "ordernumber, order_id" if table == "order_header" else "ordernumber"
        values = "'X', 'x'" if table == "order_header" else "'X'"
        rest = {
            "order_header": "status, counted, ordered_at, modified_at, currency, total, channel, "
            "item_quantity, content_hash, page, loaded_at, source",
            "order_address": "country, line1, line2, name, postalcode, stateprovince, city, source",
            "order_item": "sku, quantity, source",
        }[table]
        query(
            f"INSERT INTO {table} ({columns}, {rest}) SELECT {values}, {rest} FROM {table} "
            f"WHERE ordernumber = '{like}'"
        )
