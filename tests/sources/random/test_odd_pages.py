"""Pages that mislead: empty ones before full ones, and lists that say oddly whether they go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import SourceUnexpected
from orderpull.sources.http.messages import Request
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import API, ids, order

BY_CURSOR = 'kind = "cursor"\nparam = "after"\nnext = "next"\n'
BY_PAGE = 'kind = "page"\nparam = "page"\nsize = 5\nsize_param = "limit"\n'
BOTH = pytest.mark.parametrize("strategy", ["reseek", "window_verify"])


def asked(folder: Path, say: Callable[[Request], Any], strategy: str, paging: str) -> FakeApi:
    return FakeApi(folder, API.format(strategy=strategy, paging=paging), say)


@BOTH
def test_an_empty_page_that_names_a_next_one_is_no_end(tmp_path: Path, strategy: str) -> None:
    """Some APIs cut pages first and filter them then: every order is read, in few calls."""
    orders = [order(n) for n in (1, 1, 1, 2, 3)]
    for number, each in enumerate(orders):
        each["id"] = number

    def say(request: Request) -> Any:
        lower, at = query(request)["from"], int(query(request).get("after", 0))
        every = [None, *orders[:2], None, None, *orders[2:]]
        page = [each for each in every[at : at + 1] if each and each["changed"] >= lower[:19]]
        more = at + 1 < len(every)
        return {"orders": page, "next": at + 1 if more else None}

    source = asked(tmp_path, say, strategy, BY_CURSOR)
    assert source.pull().error is None
    assert ids(source.landing) == {0, 1, 2, 3, 4}
    assert len(source.requests) < 50


@BOTH
def test_one_call_is_enough_where_the_first_page_names_no_next(
    tmp_path: Path, strategy: str
) -> None:
    """Nothing can move within one page."""
    source = asked(
        tmp_path, lambda _: {"orders": [order(1), order(2)], "next": None}, strategy, BY_CURSOR
    )
    assert source.pull().error is None
    assert len(source.requests) == 1
    assert ids(source.landing) == {1, 2}


@BOTH
def test_a_next_page_that_is_false_is_none(tmp_path: Path, strategy: str) -> None:
    source = asked(
        tmp_path, lambda _: {"orders": [order(1), order(2)], "next": False}, strategy, BY_CURSOR
    )
    assert source.pull().error is None
    assert ids(source.landing) == {1, 2}
    assert all("after" not in each for each in source.queries)


@BOTH
def test_more_pages_without_a_way_to_them_are_an_error(tmp_path: Path, strategy: str) -> None:
    """Taken for the end, they would never be read, and nobody would know."""
    source = asked(
        tmp_path,
        lambda _: {"orders": [order(1), order(2)], "more": True},
        strategy,
        BY_CURSOR + 'more = "more"\n',
    )
    error = source.pull().error
    assert isinstance(error, SourceUnexpected)
    assert "more pages (more), but no cursor or URL for them" in str(error)
    assert ids(source.landing) == {1, 2}


@BOTH
def test_an_api_that_leaves_out_whether_there_is_more_is_read_on(
    tmp_path: Path, strategy: str
) -> None:
    """Only a plain no is the end."""

    def say(request: Request) -> Any:
        lower, page = query(request)["from"][:19], int(query(request)["page"])
        every = [each for each in map(order, range(1, 24)) if each["changed"] >= lower]
        return {"orders": every[(page - 1) * 5 : page * 5]}

    source = asked(tmp_path, say, strategy, BY_PAGE + 'more = "has_more"\n')
    assert source.pull().error is None
    assert ids(source.landing) == set(range(1, 24))
