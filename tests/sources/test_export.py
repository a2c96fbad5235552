"""A first run through a file that the API writes: Shopify's bulk operation."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import GraphQLError

from orderpull import pipeline, read_settings
from orderpull.landing.forgotten import KEY
from orderpull.landing.protocol import SourceLanding
from orderpull.pipeline import SourceResult
from orderpull.simulator import Simulator
from orderpull.simulator.shop import TOKEN
from orderpull.sources import bulk_export
from orderpull.sources.bulk_export import EXPORT
from orderpull.sources.page_reader import PageReader
from orderpull.sources.reconcile import MissingOrders
from tests.platforms import shopify_bulk
from tests.platforms.loaded import differing
from tests.platforms.registry import platform
from tests.platforms.shopify_bulk import BulkOperation, BulkOperations
from tests.shops import rows

pytestmark = pytest.mark.slow

ORDERS = 150


class Shopify:
    """A simulated shop, and a source that reads it."""

    def __init__(self, folder: Path, more: str = "", **switches: Any) -> None:
        self.folder = folder
        self.shop = platform("shopify", orders=ORDERS, **switches)
        self.more = more

    def run(self) -> SourceResult:
        """One run."""
        with Simulator(self.shop) as simulator:
            file = self.folder / "orderpull.toml"
            file.write_text(
                f'[sources.shop]\napi = "shopify"\nbase_url = "{simulator.url}"\n'
                f'token = "{TOKEN}"\nstart = "2020-01-01"\n{self.more}',
                encoding="utf-8",
            )
            return pipeline.run(read_settings(file)).sources["shop"]

    @property
    def part(self) -> SourceLanding:
        """The source's landing."""
        return pipeline.Pipeline(read_settings(self.folder / "orderpull.toml")).landing_of("shop")

    def assert_exact(self) -> None:
        """The warehouse holds what the shop holds, to the piece."""
        truth = self.shop.truth(by=lambda order: str(order.key))["orders"]
        held = rows(self.folder, "SELECT order_id, ordernumber, counted FROM order_header")
        assert {key: (number, counted) for key, number, counted in held} == {
            key: (order["number"], order["counted"]) for key, order in truth.items()
        }
        items: dict[str, dict[str, int]] = {key: {} for key in truth}
        for key, sku, quantity in rows(
            self.folder,
            "SELECT order_id, sku, quantity FROM order_item JOIN order_header USING (ordernumber)",
        ):
            items[key][sku] = quantity
        assert items == {key: order["items"] for key, order in truth.items()}

    def kinds(self) -> list[str]:
        """Of each landed page what it is."""
        return [self.part.meta(page).kind for page in self.part.pages()]


def test_a_first_run_reads_the_file_and_then_what_changed(tmp_path: Path) -> None:
    """Every order once, with all lines - also the 60 of one - and few calls."""
    shopify = Shopify(tmp_path)
    result = shopify.run()
    assert result.error is None
    shopify.assert_exact()
    assert shopify.kinds()[0] == "export"
    assert shopify.shop.calls["list"] == 2  # and the orders with refunds, by id
    assert shopify.shop.calls["child"] == 0
    assert shopify.part.note(EXPORT) == b"{}"
    newest = max(order.modified for order in shopify.shop.store.orders.values())
    assert result.cursor is not None
    assert datetime.fromisoformat(result.cursor) == newest.astimezone(UTC)
    assert shopify.run().error is None
    assert shopify.shop.calls["bulk"] == result_of_one_export(shopify)


def result_of_one_export(shopify: Shopify) -> int:
    """How many calls one export takes: it is told, asked three times, and fetched."""
    return 5 if shopify.shop.calls["bulk"] else 0


def test_orders_with_refunds_are_read_again_after_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file lacks the lines of refunds: a kill before they are read again loses none of them."""

    class KilledError(BaseException):
        """As if the process had ended."""

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    shopify = Shopify(tmp_path)
    refunded = {
        str(order.key)
        for order in shopify.shop.store.orders.values()
        if order.refunded
        or any(line.quantity > line.current - line.returned for line in order.lines)
    }
    assert len(refunded) > 8
    with monkeypatch.context() as patch:
        patch.setattr(PageReader, "fetch_orders", killed)
        with pytest.raises(KilledError):
            shopify.run()
    assert set(MissingOrders.read(shopify.part).orders) == refunded
    assert shopify.run().error is None
    assert MissingOrders.read(shopify.part).orders == {}
    truth = shopify.shop.truth(by=lambda order: order.number)
    key = (tmp_path / "landing" / "shop" / KEY).read_bytes()
    assert differing(partial(rows, tmp_path), truth, key) == []


def test_large_files_are_landed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole orders, each with its own lines."""
    monkeypatch.setattr(bulk_export, "CHUNK_ORDERS", 20)
    shopify = Shopify(tmp_path)
    assert shopify.run().error is None
    assert shopify.kinds().count("export") >= ORDERS // 20
    shopify.assert_exact()


@pytest.mark.parametrize("how", ["the operation fails", "it is refused"])
def test_where_there_is_no_file_the_pages_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """Said in the log, and exact all the same."""
    if how == "it is refused":

        def refused(*_: object, **__: object) -> None:
            raise GraphQLError("A bulk query operation is already in progress")

        monkeypatch.setattr(BulkOperations, "_run", refused)
    shopify = Shopify(tmp_path, bulk_fails=True)
    assert shopify.run().error is None
    assert "the export failed, pages are read instead" in caplog.text
    assert set(shopify.kinds()) == {"orders"}
    shopify.assert_exact()


def test_a_file_whose_lines_are_not_grouped_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that do not follow their order could be lost: the pages are read."""
    whole = shopify_bulk.bulk_lines
    monkeypatch.setattr(
        shopify_bulk, "bulk_lines", lambda orders, **_: whole(orders, grouped=False)
    )
    shopify = Shopify(tmp_path)
    assert shopify.run().error is None
    shopify.assert_exact()


def test_a_file_with_fewer_orders_than_said_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut at the end of a line, where no byte count tells it."""
    whole = BulkOperation.file
    monkeypatch.setattr(
        BulkOperation, "file", lambda self: b"".join(whole(self).splitlines(keepends=True)[:-40])
    )
    shopify = Shopify(tmp_path)
    assert shopify.run().error is None
    assert set(shopify.kinds()) == {"orders"}
    shopify.assert_exact()


def test_an_export_of_a_killed_run_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second one is started; parts that were landed before are found again as unchanged."""

    class KilledError(BaseException):
        """As if the process had ended."""

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    started: list[str] = []
    submit = bulk_export.BulkExport._submit

    def noted(self: bulk_export.BulkExport, *how: Any) -> bulk_export.Submitted:
        submitted = submit(self, *how)
        started.append(submitted.id)
        return submitted

    monkeypatch.setattr(bulk_export.BulkExport, "_submit", noted)
    monkeypatch.setattr(bulk_export, "CHUNK_ORDERS", 20)
    shopify = Shopify(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(PageReader, "save_cursor", killed)
        with pytest.raises(KilledError):
            shopify.run()
    kept = msgspec.json.decode(shopify.part.note(EXPORT) or b"")
    assert kept["id"].startswith("gid://shopify/BulkOperation/")
    assert shopify.run().error is None
    again = msgspec.json.decode(shopify.part.note(EXPORT) or b"")
    assert again == {}
    assert started == [kept["id"]]
    shopify.assert_exact()


def test_a_short_time_is_read_in_pages(tmp_path: Path) -> None:
    """An export takes longer than a few pages."""
    shopify = Shopify(tmp_path, now=datetime.now(UTC))
    yesterday = datetime.now(UTC).date().isoformat()
    with Simulator(shopify.shop) as simulator:
        file = tmp_path / "orderpull.toml"
        file.write_text(
            f'[sources.shop]\napi = "shopify"\nbase_url = "{simulator.url}"\n'
            f'token = "{TOKEN}"\nstart = "{yesterday}"\n',
            encoding="utf-8",
        )
        assert pipeline.run(read_settings(file)).ok
    assert shopify.shop.calls["bulk"] == 0


def test_an_app_without_approval_reads_orders_without_addresses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All orders and their items; the log names the approval once."""
    shopify = Shopify(tmp_path, bulk_fails=True, approved=False)
    assert shopify.run().error is None
    shopify.assert_exact()
    assert rows(tmp_path, "SELECT DISTINCT country, line1, name FROM order_address") in (
        [], [(None, None, None)],
    )  # fmt: skip
    assert caplog.text.count("Protected customer data access") == 1


def test_a_shop_that_counts_points_as_its_manual_says_is_read_in_smaller_pages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exact, and without the scope for customers these are told apart by e-mail address."""
    shopify = Shopify(
        tmp_path, bulk_fails=True, linear_cost=True, bucket=100_000, read_customers=False
    )
    assert shopify.run().error is None
    truth = shopify.shop.truth(by=lambda order: order.number)
    for order in shopify.shop.store.orders.values():
        if order.number in truth["orders"]:
            truth["orders"][order.number]["customer"] = order.email
    key = (tmp_path / "landing" / "shop" / KEY).read_bytes()
    assert differing(partial(rows, tmp_path), truth, key) == []
    assert caplog.text.count("give it the scope read_customers") == 1
    assert shopify.shop.calls["list"] > ORDERS / 10
