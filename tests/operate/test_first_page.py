"""``orderpull check`` says what the first page holds, without names, and whether these are orders."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderpull.cli import main
from orderpull.simulator import Request, Response, Simulator
from orderpull.simulator.shop.generic import Generic
from tests.sources.shop import SourceShop

API = """
title = "Shop"
[request]
path = "/orders"
[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 20
total = "total"
[records]
path = "orders"
[order]
id = "id"
number = "number"
ordered_at = "ordered_at"
where = "not(in(status, 'cart'))"
[order.address]
country = "ship_to.country"
name = "ship_to.name"
line1 = "ship_to.street"
[order.lines]
path = "lines"
sku = "sku"
quantity = "quantity"
"""


def order(number: int, **more: object) -> dict[str, object]:
    """An order to a person, as the shop answers it."""
    to = {"country": "Germany", "name": "Erika Mustermann", "street": "Heidestraße 17"}
    return {
        "id": number, "number": f"A-{number}", "email": "erika@shop.test", "status": "paid",
        "ordered_at": "2026-11-02T09:30:00Z", "ship_to": to, "total_price": 3,
        "lines": [{"sku": "TEA", "quantity": 2}, {"sku": "MUG", "quantity": 1}], **more,
    }  # fmt: skip


def checked(folder: Path, body: object, api: str = API, kind: str = "application/json") -> Result:
    """The end of ``orderpull check`` on a shop that answers every request with *body*."""
    (folder / "shop.toml").write_text(api, encoding="utf-8")
    shop = Generic(orders=1)
    said = body if isinstance(body, bytes) else json.dumps(body).encode()

    def tamper(_: Request, __: Response) -> Response:
        return Response(200, said, kind)

    shop.tamper = tamper
    with Simulator(shop) as simulator:
        SourceShop.at(folder, simulator.url, api="shop.toml")
        return CliRunner().invoke(main, ["--config", str(folder / "orderpull.toml"), "check"])


def test_the_page_is_counted_and_one_order_shown_without_its_person(tmp_path: Path) -> None:
    """Of the orders: how many, of how many, what is left out, what would be rejected; one of them."""
    orders = [order(1, status="cart"), order(2), order(3), order(4, lines=True)]
    done = checked(tmp_path, {"total": 24000, "orders": orders})
    assert done.exit_code == 0, done.output
    assert (
        "answers: 4 orders in a page, 24,000 in all, 1 left out by where, 1 would be rejected"
        in done.output
    )
    assert "(lines_invalid at $.lines)" in done.output
    assert (
        "for example order A-2, placed 2026-11-02 09:30 UTC, to DE, 3 items (MUG, …), "
        "name and address •••"
    ) in done.output
    for personal in ("Erika", "Mustermann", "Heidestra", "erika@"):
        assert personal not in done.output


def test_a_page_without_orders_is_told_as_such(tmp_path: Path) -> None:
    """It may be right, and may be a wrong start."""
    done = checked(tmp_path, {"orders": []})
    assert done.exit_code == 0
    assert "answers: no orders" in done.output


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"orders": [{"sku": "TEA", "title": "Tea"}, {"sku": "MUG"}]},
         "answers, but with 2 records, and none is an order: number_missing at $.number of the"),
        ({"products": []}, "it is JSON without a list of orders under 'orders'"),
        ({"orders": {"A": 1}}, "it is JSON without a list of orders under 'orders'"),
        (b"<!doctype html><title>Shop</title>", "it is HTML, not JSON"),
        (b"", "it is empty"),
    ],
)  # fmt: skip
def test_an_answer_of_something_else_is_told(tmp_path: Path, body: object, said: str) -> None:
    """Status 200 is not enough: products, a page for people, and no answer at all."""
    done = checked(tmp_path, body)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())
    assert "base_url" in done.output
