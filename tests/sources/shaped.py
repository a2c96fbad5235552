"""What is shaped from the pages that a fake API's source has landed."""

from orderpull.normalize.normalizer import Normalizer, StagedPage
from tests.normalize.helpers import Workbench
from tests.sources.fake_api import FakeApi


def staged(asked: FakeApi, number: int) -> StagedPage:
    """A landed page, to be shaped."""
    landing = asked.landing
    return StagedPage(landing.meta(number), lambda: landing.read(number)[1])


def items_of(bench: Workbench, asked: FakeApi) -> dict[str, dict[str, int]]:
    """By number the items that are shaped from the landed pages."""
    pages = [staged(asked, number) for number in asked.landing.pages()]
    Normalizer(bench.connection, asked.api, "{number}").normalize(pages)
    rows = bench.connection.execute("SELECT ordernumber, items FROM staged_order").fetchall()
    return {number: {item["sku"]: item["quantity"] for item in items} for number, items in rows}
