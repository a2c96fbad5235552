"""The cases find what is wrong: a file that is not as its server, and an engine that is broken."""

from pathlib import Path

import pytest

from orderpull.conform.cases import CASES
from orderpull.conform.outcome import Outcome
from orderpull.conform.report import conform
from orderpull.errors import SourceError
from orderpull.sources.http import limits
from orderpull.sources.paging import incremental
from orderpull.sources.paging.flows import PageFlow, Pager, PageRequest
from orderpull.sources.paging.window import Window
from orderpull.sources.pull import Source
from tests.conform.files import PLAIN, RICH, changed, target

pytestmark = pytest.mark.slow

TOKEN = """\
[auth.token]
grant = "client_credentials"
url = "/token"
"""
BY_NAME = {case.name: case for case in CASES}


def outcome(case: str, folder: Path, file: str = PLAIN, server: str = PLAIN) -> Outcome:
    """What becomes of a case where the server of one file is asked by another."""
    return BY_NAME[case].on(target(folder, file, server))


@pytest.mark.parametrize(
    ("case", "detail", "changes"),
    [
        ("full pull", "missing", [('quantity = "pieces"', 'quantity = "amount"')]),
        ("full pull", "rejects the request", [('lower = "from"', 'lower = "since"')]),
        ("full pull", "400", [('query = { sort = "changed" }', "")]),
        ("full pull", "400", [('precision = "s"', 'precision = "ms"')]),
        ("full pull", "401", [('kind = "bearer"', 'kind = "header"')]),
        ("full pull", "rejects the request", [('param = "page"', 'param = "seite"')]),
        ("full pull", "list of orders", [('path = "orders"', 'path = "data"')]),
        ("full pull", "number is", [('number = "no"', 'number = "id"')]),
        ("odd orders", "too many", [("where = \"not(in(kind, 'cart'))\"", "")]),
        ("odd orders", "counted is True", [("counted = \"not(in(state, 'cancelled'))\"", "")]),
        ("odd orders", "line2 is None", [('line2 = "to.street[1]"', "")]),
        ("odd orders", "items is", [("coalesce(article.code, code)", "code")]),
        ("rate limit", "longer than", [('wait_unit = "ms"', 'wait_unit = "s"')]),
        ("rate limit", "asked to wait 3 s", [('wait_header = "X-Wait"', "")]),
    ],
    ids=str,
)
def test_a_file_that_is_not_as_the_server(
    case: str, detail: str, changes: list[tuple[str, str]], tmp_path: Path
) -> None:
    found = outcome(case, tmp_path, changed(*changes))
    assert found.state == "failed"
    assert detail in found.detail


@pytest.mark.parametrize(
    ("detail", "old", "new"),
    [
        ("", RICH, RICH),
        ("refunded is", "refunds[not(in(state, 'failed'))].paid", "refunds[].paid"),
        ("discount is", "less('0', sum(offers[].amount))", "sum(offers[].amount)"),
        ("customer is", "coalesce(buyer.id, buyer.email)", "buyer.email"),
        ("titles is", "join(' - ', what, variant)", "variant"),
        ("amounts is", "less(times(price, pieces), off)", "price"),
        ("returned is", 'returned = "pieces"', ""),
        ("items is", "where = \"not(in(kind, 'gift'))\"", "where = \"in(kind, 'gift')\""),
    ],
)
def test_money_that_is_not_as_the_server_tells(
    detail: str, old: str, new: str, tmp_path: Path
) -> None:
    found = outcome("full pull", tmp_path, changed((old, new), text=RICH), RICH)
    assert found.state == ("failed" if detail else "passed")
    assert detail in found.detail


def test_a_time_of_change_that_does_not_move(tmp_path: Path) -> None:
    """A shop's orders come by the time that placing sets; a file that does not ask by it fails."""
    also = '[[cursor.also]]\npath = "placed"\nlower = "placed_from"\nquery = { sort = "placed" }\n'
    server = changed(("[limits]", f"silent = true\n{also}\n[limits]"))
    assert outcome("placed late", tmp_path, server, server).state == "passed"
    found = outcome("placed late", tmp_path, PLAIN, server)
    assert found.state == "failed"
    assert "1 order is missing" in found.detail


def test_bounds_that_are_exclusive_and_said_to_be_inclusive(tmp_path: Path) -> None:
    exclusive = changed(('precision = "s"', 'precision = "s"\ninclusive = false'))
    found = outcome("one instant", tmp_path, PLAIN, exclusive)
    assert found.state == "failed"


@pytest.mark.long
def test_the_plain_file_conforms(tmp_path: Path) -> None:
    found = conform(target(tmp_path, PLAIN)).outcomes
    assert [each for each in found if each.state == "failed"] == []
    assert {each.case for each in found if each.state == "not tried"} == {
        "token expires", "budget", "error in JSON", "deleted", "imported", "export", "endless export",
    }  # fmt: skip


def test_an_engine_that_walks_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the re-seek, moving orders are lost, and the case tells."""

    def walking(window: Window) -> PageFlow:
        yield from window.pager.pages(PageRequest(window.params(window.since)))
        return window.until

    monkeypatch.setattr(incremental, "reseek", walking)
    found = outcome("moving shop", tmp_path)
    assert found.state == "failed"
    assert "missing" in found.detail or "is" in found.detail


def test_an_engine_that_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_seconds", lambda number, _: number / 1_000_000)
    assert outcome("rate limit", tmp_path).state == "failed"


def test_an_engine_that_asks_no_smaller_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pager, "_shrink", lambda _: False)
    assert outcome("5xx", tmp_path).state == "failed"


def test_an_engine_that_keeps_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in = changed(("[paging]", f"{TOKEN}\n[paging]"))
    assert outcome("token expires", tmp_path, signed_in, signed_in).state == "passed"
    monkeypatch.setattr("orderpull.sources.http.auth.Authenticator.renew", lambda *_: False)
    found = outcome("token expires", tmp_path, signed_in, signed_in)
    assert found.state == "failed"


def test_a_pull_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise SourceError("The network is down.")

    monkeypatch.setattr(Source, "reach", refuse)
    found = outcome("empty shop", tmp_path)
    assert (found.state, found.detail) == ("failed", "The network is down.")


def test_what_cannot_be_made_is_not_tried(tmp_path: Path) -> None:
    """A condition that no order can meet is told, and fails nothing."""
    never = changed(("not(in(kind, 'cart'))", "all(in(kind, 'a'), in(kind, 'b'))"))
    found = outcome("full pull", tmp_path, never, never)
    assert found.state == "not tried"
    assert "conditions" in found.detail
