"""Where a list ends: not where only a page is full, and not anew for each run."""

from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import SourceUnexpected
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.probe import probe
from orderpull.sources.pull import Source
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import API, ids, order

BY_PAGE = 'kind = "page"\nparam = "page"\nsize = 5\nsize_param = "limit"\n'
ALONE = 'kind = "single"\nsize = 5\nsize_param = "limit"\n'


def pages(request: Request) -> Any:
    """Sixty orders, five a page."""
    asked = query(request)
    found = [each for each in map(order, range(60)) if each["changed"] >= asked["from"][:19]]
    first = (int(asked.get("page", 1)) - 1) * 5
    return {"orders": found[first : first + int(asked["limit"])]}


def test_an_only_page_that_is_full_is_not_taken_for_all(tmp_path: Path) -> None:
    """What did not fit on it would never be read."""
    text = API.format(strategy="window_verify", paging=ALONE)
    source = FakeApi(tmp_path / "small", text, pages)
    pulled = source.pull()
    assert isinstance(pulled.error, SourceUnexpected)
    assert "Set a larger page_size" in str(pulled.error)
    assert pulled.cursor is None
    source = FakeApi(tmp_path / "large", text, pages, page_size=61)
    assert source.pull().error is None
    assert ids(source.landing) == set(range(60))


@pytest.mark.parametrize("again", [None, 30])
def test_a_first_read_of_many_runs_is_not_begun_anew_by_each(
    tmp_path: Path, again: float | None
) -> None:
    """Though all is to be read again some day: it was not read a first time yet."""
    text = API.format(strategy="reseek", paging=BY_PAGE)
    source = FakeApi(tmp_path, text, pages, max_pages=1, full_reread_days=again)
    runs = 1
    while not source.pull().finished_at:
        runs += 1
        assert runs < 40
    assert ids(source.landing) == set(range(60))
    assert len(source.requests) <= runs + 1


def test_a_shop_without_orders_may_answer_without_content(tmp_path: Path) -> None:
    """To a check, as to a pull."""
    text = API.format(strategy="reseek", paging=BY_PAGE)
    source = FakeApi(tmp_path, text, lambda _: Response(204, {}, b""))
    assert probe(Source("shop", source.settings, source.api, send=source._send)).lists == []
    assert source.pull().error is None
