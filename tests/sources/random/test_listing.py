"""All orders, listed while they move: whatever happens, no living order is taken for deleted."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import SourceBroken, SourceUnexpected, SourceUnstable
from orderpull.landing.page import split_parts
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.pull import PullResult
from orderpull.sources.reconcile import IdExtractor
from orderpull.sources.spec.reader import parse_api
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import API, order
from tests.sources.random.seeds import seeds

BY_OFFSET = 'kind = "offset"\nparam = "at"\nsize = 5\nsize_param = "limit"\nmax_size = 5\n'
LISTED = API.format(paging=BY_OFFSET, strategy="reseek") + '[reconcile]\nquery = { all = "1" }\n'


class ListingShop:
    """Orders by id, listed in the order of their places.

    :param moves: what happens after each call of the list.
    """

    def __init__(
        self, orders: int, moves: Callable[["ListingShop"], None] = lambda _: None
    ) -> None:
        self.places: dict[int, float] = {number: number for number in range(orders)}
        self.moves = moves
        self.calls = 0
        self.always: set[int] = set(self.places)

    def delete(self, number: int) -> None:
        del self.places[number]
        self.always.discard(number)

    def say(self, request: Request) -> Any:
        asked = query(request)
        if "all" not in asked:
            return {"orders": []}
        self.calls += 1
        at, size = int(asked["at"]), int(asked["limit"])
        sorted_ids = sorted(self.places, key=lambda number: self.places[number])
        page = [order(number % 60) | {"id": number} for number in sorted_ids[at : at + size]]
        self.moves(self)
        return {"orders": page}


def pulled(folder: Path, say: Callable[[Request], Any]) -> tuple[PullResult, list[str] | None]:
    """What a pull came to, and the ids in the list that it landed, if it did."""
    source = FakeApi(folder, LISTED, say, reconcile="1s")
    result = source.pull()
    for number in source.landing.pages():
        meta, body = source.landing.read(number)
        if meta.kind == "listing":
            return result, IdExtractor(source.api).of(split_parts(meta, body))
    return result, None


def restless(seed: int) -> Callable[[ListingShop], None]:
    """Orders move to the front or the end, go and come, at random, and now and then nothing does."""
    draw = random.Random(seed)
    rate = draw.choice((0.2, 0.5, 0.9))
    kinds = draw.choice(("ends", "front", "deleted", "all"))

    def move(shop: ListingShop) -> None:
        if draw.random() > rate:
            return
        for number in draw.sample(sorted(shop.places), draw.choice((1, 1, 2))):
            kind = draw.choice(("ends", "front", "deleted")) if kinds == "all" else kinds
            if kind == "deleted":
                shop.delete(number)
                shop.places[100 + shop.calls] = 100 + shop.calls
            else:
                places = shop.places.values()
                shop.places[number] = max(places) + 1 if kind == "ends" else min(places) - 1

    return move


@pytest.mark.parametrize("seed", seeds(50))
def test_a_list_that_is_believed_has_every_order_that_was_there_all_the_time(
    tmp_path: Path, seed: int
) -> None:
    shop = ListingShop(random.Random(seed).choice((6, 10, 11, 14, 21)), restless(seed))
    result, ids = pulled(tmp_path, shop.say)
    if ids is None:
        assert isinstance(result.error, SourceUnstable)
    else:
        assert {str(number) for number in shop.always} <= set(ids)


def test_two_lists_that_lack_the_same_order_are_not_believed(tmp_path: Path) -> None:
    """An order that goes to the end and back lets another slip through, pass after pass."""

    def to_and_fro(shop: ListingShop) -> None:
        shop.places[0] = {1: 99.0, 0: -1.0}.get(shop.calls % 4, shop.places[0])

    shop = ListingShop(12, to_and_fro)
    result, ids = pulled(tmp_path, shop.say)
    assert result.error is None
    assert shop.calls == 13  # other pages break the rhythm
    assert ids is not None
    assert {str(number) for number in shop.always} <= set(ids)


def test_equal_places_that_are_sorted_anew_each_time_keep_no_list_from_being_believed(
    tmp_path: Path,
) -> None:
    """The passes together list as many orders as each of them has entries."""
    for seed in range(20):
        draw = random.Random(seed)

        def sort_anew(shop: ListingShop, draw: random.Random = draw) -> None:
            shop.places = {number: draw.random() for number in shop.places}

        shop = ListingShop(21, sort_anew)
        result, ids = pulled(tmp_path / str(seed), shop.say)
        assert result.error is None
        assert ids is not None
        assert set(ids) == set(map(str, range(21)))


def test_orders_that_come_meanwhile_keep_no_list_from_being_believed(tmp_path: Path) -> None:
    """Two passes are enough for a shop that sells all the time."""

    def sell(shop: ListingShop) -> None:
        if shop.calls % 2:
            shop.places[100 + shop.calls] = 100 + shop.calls

    shop = ListingShop(12, sell)
    result, ids = pulled(tmp_path, shop.say)
    assert result.error is None
    assert ids is not None
    assert {str(number) for number in shop.always} <= set(ids)


def test_an_order_that_cannot_be_opened_is_not_taken_for_deleted(tmp_path: Path) -> None:
    """A list that breaks down over one order is no list at all."""
    shop = ListingShop(12)

    def say(request: Request) -> Any:
        answer = shop.say(request)
        if any(each["id"] == 7 for each in answer["orders"]):
            return Response(500, {}, b"{}")
        return answer

    result, ids = pulled(tmp_path, say)
    assert isinstance(result.error, SourceBroken)
    assert ids is None


@pytest.mark.parametrize("bad", ["null", "{}", '{"id":7.0}', '{"id":null}', '{"id":true}'])
def test_an_id_that_cannot_be_read_is_not_left_out(tmp_path: Path, bad: str) -> None:
    """Its order would be taken for deleted."""
    shop = ListingShop(3)

    def say(request: Request) -> Any:
        answer = shop.say(request)
        listed = [json.dumps(each) for each in answer["orders"]]
        if "all" in query(request) and listed:
            listed.append(bad)
        return Response(200, {}, f'{{"orders":[{",".join(listed)}]}}'.encode())

    result, ids = pulled(tmp_path, say)
    assert isinstance(result.error, SourceUnexpected)
    assert "No order is marked as deleted" in str(result.error)
    assert ids is None


def test_a_last_page_that_is_repeated_is_no_sign_of_moving(tmp_path: Path) -> None:
    shop = ListingShop(12)

    def say(request: Request) -> Any:
        at = int(query(request).get("at", 0))
        if at >= 12:
            return {"orders": [order(10) | {"id": 10}, order(11) | {"id": 11}]}
        return shop.say(request)

    result, ids = pulled(tmp_path, say)
    assert result.error is None
    assert ids is not None
    assert sorted(map(int, ids)) == list(range(12))


def test_ids_are_told_as_texts_whatever_they_are_in_json() -> None:
    """Ids beyond 2^53 are exact; 7 is "7"."""
    body = b'{"orders":[{"id":7},{"id":"8"},{"id":9007199254740993},{"id":123456789012345678}]}'
    found = IdExtractor(parse_api(LISTED, "listed.toml")).of([body])
    assert found == ["7", "8", "9007199254740993", "123456789012345678"]
