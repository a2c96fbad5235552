"""The generic platform: every paging, bound, date form and way to sign in, by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from orderpull.simulator.profile import Request
from orderpull.simulator.shop import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    REFRESH_TOKEN,
    TOKEN,
    USER,
    movers,
)
from orderpull.simulator.shop.generic import Generic
from orderpull.simulator.shop.selecting import unpacked

from .direct_requests import ask, basic, blank, got, items, versions

if TYPE_CHECKING:
    from orderpull.simulator.profile import Response
    from orderpull.simulator.shop.auth import Auth
    from orderpull.simulator.shop.base import Platform
    from orderpull.simulator.shop.generic import Paging, Repeat
    from orderpull.simulator.shop.times import Form

ORDERS = 230
SIZE = 50


def walk(shop: Platform, paging: str, **first: object) -> list[dict[str, Any]]:
    """All orders, as a reader that trusts the list finds them."""
    query: dict[str, object] = {"limit": SIZE, **first}
    found: list[dict[str, Any]] = []
    for turn in range(1, 20):
        if paging == "body_cursor":
            response = ask(shop, "/orders/search", method="POST", body=query)
        elif paging in ("page", "offset"):
            at = turn if paging == "page" else len(found)
            response = ask(shop, "/orders", {**query, paging: at})
        else:
            response = ask(shop, "/orders", query)
        if response.status == 204:
            return found
        orders = got(response)["orders"]
        found += orders
        following = after(response, paging)
        if paging == "single" or not (following if paging not in ("page", "offset") else orders):
            return found
        query = {**query, **following}
    raise AssertionError("the list never ended")


def after(response: Response, paging: str) -> dict[str, object]:
    """The parameters of the next page that an answer tells."""
    told = json.loads(response.body)
    if paging in ("cursor", "body_cursor"):
        return {"cursor": told["next_cursor"]} if "next_cursor" in told else {}
    url = told.get("next", "")
    if paging == "link" and "Link" in response.headers:
        assert response.headers["Link"].endswith('>; rel="next"')
        url = response.headers["Link"][1:].partition(">")[0]
    if url:
        assert url.startswith("?" if paging == "next_query" else "http://shop.test/orders?")
    return dict(parse_qsl(urlsplit(url).query))


PAGINGS = ["page", "offset", "link", "next_url", "next_query", "cursor", "body_cursor", "single"]


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["modified", "created", "id", None])
@pytest.mark.parametrize("paging", PAGINGS)
def test_every_paging_gives_every_order_once_while_nothing_moves(
    paging: Paging, sort: str | None
) -> None:
    shop = Generic(orders=ORDERS, paging=paging, sort=sort)
    orders = walk(shop, paging)
    ids = [order["id"] for order in orders]
    if sort is None and paging in ("page", "offset"):
        assert len(ids) == ORDERS > len(set(ids))  # the order changed from call to call
        return
    assert sorted(ids) == list(range(1, ORDERS + 1))
    if sort:
        key = {"modified": "modified_at", "created": "created_at", "id": "id"}[sort]
        assert [order[key] for order in orders] == sorted(order[key] for order in orders)
    assert shop.calls["list"] == (
        1 if paging == "single" else 6 if paging in ("page", "offset") else 5
    )


@pytest.mark.parametrize("paging", ["page", "cursor"])
def test_it_can_go_down(paging: Paging) -> None:
    shop = Generic(orders=120, paging=paging, sort="id", descending=True)
    assert [order["id"] for order in walk(shop, paging)] == list(range(120, 0, -1))


def test_the_truth_agrees_with_a_recount_of_the_json() -> None:
    shop = Generic(orders=ORDERS)
    counted = {
        str(order["id"]): {
            "number": order["number"],
            "counted": order["status"] == "placed",
            **{name: blank(value) for name, value in (order["ship_to"] or NOWHERE).items()},
            "items": items([(line["sku"], line["quantity"]) for line in order["lines"]]),
        }
        for order in walk(shop, "page")
        if order["status"] in ("placed", "cancelled")
    }
    truth = shop.truth()["orders"]
    assert len(truth) == ORDERS - 3
    assert counted == {
        told: {name: row[name] for name in counted["1"]} for told, row in truth.items()
    }


NOWHERE = dict.fromkeys(
    ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")
)


def test_orders_that_change_shift_pages_but_not_cursors() -> None:
    lost = {}
    for paging in ("page", "cursor"):
        shop = Generic(orders=ORDERS, paging=paging, moves={1: movers.modify(7)})
        seen = {order["id"] for order in walk(shop, paging)}
        lost[paging] = len(set(range(1, ORDERS + 1)) - seen)
    assert lost == {"page": 7, "cursor": 0}


def test_moves_come_after_their_pages() -> None:
    shop = Generic(orders=100, moves={2: [movers.insert(2), movers.delete(1)]})
    refused = ask(shop, "/orders", {"limit": 999})
    assert refused.status == 400
    states = [(shop.pages, len(shop.store.orders))]
    for _ in range(3):
        ask(shop, "/orders")
        states.append((shop.pages, len(shop.store.orders)))
    assert states == [(0, 100), (1, 100), (2, 101), (3, 101)]


@pytest.mark.parametrize("paging", ["page", "offset"])
def test_ends(paging: Paging) -> None:
    past = {paging: 9 if paging == "page" else 900, "limit": SIZE}
    empty = Generic(orders=120, paging=paging, total="body")
    assert got(ask(empty, "/orders", past)) == {"orders": [], "total": 120}
    nothing = Generic(orders=120, paging=paging, end="204", total="header")
    response = ask(nothing, "/orders", past)
    assert (response.status, response.body, response.headers["X-Total-Count"]) == (204, b"", "120")
    last = Generic(orders=120, paging=paging, end="repeat_last", sort="id")
    assert [o["id"] for o in got(ask(last, "/orders", past))["orders"]] == list(range(101, 121))


@pytest.mark.slow
@pytest.mark.parametrize("dates", ["iso", "iso-naive", "iso-offset", "sql", "rfc2822", "unix"])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("upper", [True, False])
def test_bounds_hold_in_every_form(dates: Form, lower: bool, upper: bool) -> None:
    shop = Generic(
        dates=dates,
        timezone="America/Los_Angeles",
        lower_inclusive=lower,
        upper_inclusive=upper,
        same_stamp=0,
    )
    orders = walk(shop, "page")
    first, last = orders[20]["modified_at"], orders[40]["modified_at"]
    window = walk(shop, "page", modified_from=first, modified_to=last)
    expected = orders[20 if lower else 21 : 41 if upper else 40]
    assert [order["id"] for order in window] == [order["id"] for order in expected]


def test_local_times_are_ambiguous_when_the_clocks_go_back() -> None:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    shop = Generic(orders=300, days=0.4, now=now, dates="iso-naive", timezone="America/Los_Angeles")
    told = [order["modified_at"] for order in walk(shop, "page")]
    assert told != sorted(told)
    stamps = sorted(order.modified for order in shop.store.orders.values())
    assert stamps[0] < datetime(2026, 11, 1, 9, tzinfo=UTC) < stamps[-1]


def test_precision_and_echo() -> None:
    shop = Generic(precision="ms", echo_upper=True)
    body = got(ask(shop, "/orders", {"limit": 2}))
    assert len(body["orders"][0]["modified_at"]) == len("2026-05-02T12:00:00.000Z")
    assert body["upper"] == "2026-06-01T12:00:00.000Z"
    assert got(ask(shop, "/orders"))["upper"] == "2026-06-01T12:00:01.000Z"
    unix = Generic(precision="ms", dates="unix", echo_upper=True)
    assert got(ask(unix, "/orders"))["upper"] == 1_780_315_200_000


def test_cursors_can_be_strict_about_parameters_and_age() -> None:
    query = {"limit": 10, "modified_from": "2026-05-10T00:00:00Z"}
    rules: list[tuple[Repeat, dict, dict]] = [
        ("must", query, {"limit": 10}),
        ("must_not", {"limit": 10}, query),
    ]
    for rule, good, bad in rules:
        shop = Generic(paging="cursor", repeat_params=rule)
        cursor = got(ask(shop, "/orders", query))["next_cursor"]
        assert len(got(ask(shop, "/orders", {**good, "cursor": cursor}))["orders"]) == 10
        assert "parameter" in got(ask(shop, "/orders", {**bad, "cursor": cursor}), 400)["error"]
    shop = Generic(paging="cursor", cursor_calls=2)
    cursor = got(ask(shop, "/orders", {"limit": 10}))["next_cursor"]
    statuses = [ask(shop, "/orders", {"cursor": cursor}).status for _ in range(3)]
    assert statuses == [200, 200, 400]
    assert ask(shop, "/orders", {"cursor": "!"}).status == 400
    with pytest.raises(ValueError, match="not a cursor"):
        unpacked("ÿ")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 100}, 200),
        ({"limit": 101}, 400),
        ({"limit": 0}, 400),
        ({"limit": "ten"}, 400),
        ({"page": 0}, 400),
        ({"page": -1}, 400),
        ({"modified_from": "yesterday"}, 400),
    ],
)
def test_refusals(query: dict[str, object], status: int) -> None:
    assert ask(Generic(), "/orders", query).status == status


def test_wrong_paths_and_methods() -> None:
    shop = Generic()
    for path, method, status in (
        ("/order", "GET", 404),
        ("/orders", "POST", 405),
        ("/orders/search", "POST", 405),
        ("/orders/9999", "GET", 404),
        ("/orders/1/pages", "GET", 404),
        ("/oauth/token", "POST", 404),
    ):
        assert ask(shop, path, method=method).status == status, path
    assert shop.calls == {"other": 1, "list": 2, "child": 2, "token": 1}


def test_children_are_paged() -> None:
    shop = Generic(children=True)
    long = shop.store.odd["long"]
    assert all("lines" not in order for order in walk(shop, "page"))
    pages = [got(ask(shop, f"/orders/{long}/lines", {"page": page})) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 10, 0]
    counted = items([(line["sku"], line["quantity"]) for page in pages for line in page])
    assert counted == shop.truth()["orders"][long]["items"]
    assert ask(shop, f"/orders/{long}/lines", {"limit": 51}).status == 400
    assert len(got(ask(shop, f"/orders/{long}"))["lines"]) == 60


def test_fields_can_be_chosen() -> None:
    orders = got(ask(Generic(), "/orders", {"fields": "id,modified_at"}))["orders"]
    assert {frozenset(order) for order in orders} == {frozenset({"id", "modified_at"})}


def test_calls_can_be_refused_and_pages_repeated() -> None:
    shop = Generic(refuse=[2], repeat=[2])
    answers = [ask(shop, "/orders", {"limit": 5, "page": page}) for page in (1, 2, 2, 3)]
    assert [response.status for response in answers] == [200, 429, 200, 200]
    assert answers[1].headers == {"Retry-After": "1"}
    assert answers[0].body == answers[2].body != answers[3].body


def test_one_order_can_spoil_its_page() -> None:
    shop = Generic(poisoned=True, sort="id")
    long = int(shop.store.odd["long"])
    statuses = [ask(shop, "/orders", {"limit": 1, "page": n}).status for n in range(1, 21)]
    assert [n for n, status in enumerate(statuses, 1) if status == 500] == [long]
    assert ask(shop, "/orders", {"limit": 20}).status == 500


def test_a_busy_shop_changes_after_each_page() -> None:
    shop = Generic(paging="cursor", orders=120, busy=2)
    orders = walk(shop, "cursor")
    assert sum(version - 1 for _, version in versions(shop.store).values()) == 2 * shop.pages
    assert {order["id"] for order in orders} == set(range(1, 121))
    assert len(orders) > 120


# ------------------------------------------------------------------------------------- signing in


@pytest.mark.parametrize(
    ("auth", "good", "bad"),
    [
        ("bearer", {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Basic {TOKEN}"}),
        ("headers", {"X-Key": TOKEN, "X-Shop": "shop-1"}, {"X-Key": TOKEN}),
        ("basic", basic(USER, PASSWORD), basic(USER, "x")),
        ("basic", basic(USER, PASSWORD), {"Authorization": "Basic ü"}),
    ],
)
def test_what_never_changes_is_asked_for(
    auth: Auth, good: dict[str, str], bad: dict[str, str]
) -> None:
    shop = Generic(auth=auth)
    assert ask(shop, "/orders", headers=good).status == 200
    assert ask(shop, "/orders", headers=bad).status == 401
    assert ask(shop, "/orders/1").status == 401


def test_a_token_in_the_query_or_in_a_header_of_its_own() -> None:
    shop = Generic(auth="query")
    assert ask(shop, "/orders", {"api_key": TOKEN}).status == 200
    assert ask(shop, "/orders", {"api_key": "x"}).status == 401
    own = Generic(auth="bearer", token_header="X-Access")
    assert ask(own, "/orders", headers={"X-Access": TOKEN}).status == 200
    assert ask(own, "/orders", headers={"Authorization": f"Bearer {TOKEN}"}).status == 401


def token(shop: Platform, **given: str) -> Response:
    body = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **given}
    return ask(shop, "/oauth/token", method="POST", body=body)


def test_client_credentials_end_after_some_calls_or_some_time() -> None:
    shop = Generic(auth="oauth2-client", expires_after=2, lifetime=100)
    told = got(token(shop, grant_type="client_credentials"))
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 100)
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert [ask(shop, "/orders", headers=bearer).status for _ in range(3)] == [200, 200, 401]
    again = {
        "Authorization": f"Bearer {got(token(shop, grant_type='client_credentials'))['access_token']}"
    }
    assert ask(shop, "/orders", headers=again).status == 200
    shop.clock.advance(100)
    assert ask(shop, "/orders", headers=again).status == 401
    assert shop.calls["token"] == 2


def test_the_client_shows_itself_by_a_form_or_by_basic() -> None:
    shop = Generic(auth="oauth2-client")
    form = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
    assert ask(shop, "/oauth/token", method="POST", body=form).status == 200
    by_header = basic(CLIENT_ID, CLIENT_SECRET)
    grant = "grant_type=client_credentials"
    assert ask(shop, "/oauth/token", method="POST", body=grant, headers=by_header).status == 200
    assert ask(shop, "/oauth/token", method="POST", body=grant).status == 401
    assert ask(shop, "/oauth/token").status == 405
    assert token(shop, grant_type="password").status == 400


def test_refresh_tokens_rotate_and_work_once() -> None:
    shop = Generic(auth="oauth2-refresh")
    first = got(token(shop, grant_type="refresh_token", refresh_token=REFRESH_TOKEN))
    second = got(token(shop, grant_type="refresh_token", refresh_token=first["refresh_token"]))
    assert len({REFRESH_TOKEN, first["refresh_token"], second["refresh_token"]}) == 3
    old = token(shop, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert got(old, 400)["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert ask(shop, "/orders", headers=bearer).status == 200


def test_a_login_tells_its_token_in_the_body_or_in_a_header() -> None:
    right = {"username": USER, "password": PASSWORD}
    body = Generic(auth="login-body")
    in_body = got(ask(body, "/login", method="POST", body=right))["token"]
    assert ask(body, "/orders", headers={"Authorization": f"Bearer {in_body}"}).status == 200
    header = Generic(auth="login-header", token_header="X-Auth-Token")
    response = ask(header, "/login", method="POST", body=right)
    assert b"made-up" not in response.body
    named = {"X-Auth-Token": response.headers["x-auth-token"]}
    assert ask(header, "/orders", headers=named).status == 200
    assert ask(body, "/login", method="POST", body={**right, "password": "x"}).status == 401


def test_a_body_that_is_no_object_is_refused() -> None:
    shop = Generic(paging="body_cursor")
    response = shop.respond(Request("POST", "/orders/search", {}, b"[]"))
    assert "JSON object" in got(response, 400)["error"]


def test_stamps_move_on_with_the_calls() -> None:
    shop = Generic(moves={3: movers.modify(1)}, step=7)
    for _ in range(3):
        ask(shop, "/orders")
    newest = max(order.modified for order in shop.store.orders.values())
    assert newest == datetime(2026, 6, 1, 12, tzinfo=UTC) + timedelta(seconds=14)
