"""An order without a country of delivery: none, or by a setting that of its invoice."""

import json
from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import ApiFileError
from orderpull.pipeline import Pipeline
from orderpull.settings import read_settings
from orderpull.sources.spec.reader import read_api
from tests.docs.markdown import ROOT
from tests.normalize.helpers import Workbench

ORDER = {"id": 1, "number": "1", "status": "completed", "line_items": []}
BLANK = {"country": "", "city": "", "address_1": ""}
ORDERS = [
    {**ORDER, "shipping": BLANK, "billing": {"country": "DE", "city": "Bonn"}},
    {**ORDER, "id": 2, "number": "2", "shipping": {**BLANK, "country": "AT"},
     "billing": {"country": "DE"}},
    {**ORDER, "id": 3, "number": "3", "shipping": BLANK, "billing": BLANK},
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "countries"), [(False, [None, "AT", None]), (True, ["DE", "AT", None])]
)
def test_digital_orders_of_woocommerce(
    tmp_path: Path, setting: bool, countries: list[str | None]
) -> None:
    """The country alone is taken: nothing was delivered to that city."""
    bench = Workbench(tmp_path, read_api("woocommerce", Path(), billing_country=setting))
    orders = bench.normalize(json.dumps(ORDERS).encode()).orders
    bench.close()
    assert [order["country"] for order in orders] == countries
    assert {order["city"] for order in orders} == {None}


@pytest.mark.parametrize(
    ("api", "paths"),
    [("shopify-rest", "shipping_address.country_code, shipping_address.country"),
     (str(ROOT / "examples" / "bigcommerce.toml"), "ship_to[0].country_iso2"),
     (str(ROOT / "examples" / "oscar.toml"), "last(path(shipping_address.country))")],
)  # fmt: skip
def test_other_apis_that_tell_it(api: str, paths: str) -> None:
    """The place of delivery comes first."""
    read = read_api(api, Path(), billing_country=True)
    assert paths in str(read.order.address.country)
    assert str(read.order.address.country).endswith(f", {read.order.billing_country})")
    assert read.mapping.address["country"]


def test_an_api_that_does_not_tell_it_is_refused() -> None:
    """In a sentence, before any request."""
    with pytest.raises(ApiFileError, match=r"needs billing_country in \[order\] of medusa.toml"):
        read_api("medusa", Path(), billing_country=True)


def test_sources_of_one_api_may_differ(tmp_path: Path) -> None:
    """The setting is the source's own."""

    def source(name: str, more: str) -> str:
        return (f'[sources.{name}]\napi = "woocommerce"\nbase_url = "http://x"\ntoken = "a:b"\n'
                f'start = "2026-01-01"\n{more}\n')  # fmt: skip

    file = tmp_path / "orderpull.toml"
    file.write_text(source("a", "billing_country = true") + source("b", ""))
    sources: dict[str, Any] = Pipeline(read_settings(file)).sources
    assert "billing" in sources["a"].api.order.address.country
    assert "billing" not in sources["b"].api.order.address.country
