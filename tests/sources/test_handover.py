"""What a pull decodes is handed over to the loader of its process, and nothing depends on it."""

import threading
from pathlib import Path
from typing import Any

import pytest

from orderpull import pipeline
from orderpull.landing.local import LocalSourceLanding
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.sources.compact import CompactDecoder, CompactPage
from orderpull.sources.handover import Handover
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import read_api
from tests.shops import rows, shop_settings

TABLES = ("order_header", "order_address", "order_item", "orderpull_reject")


def loaded(folder: Path, share: float) -> list[list[tuple[Any, ...]]]:
    """All tables after a run over orders of which a *share* is malformed, without their times."""
    folder.mkdir()
    shop = SkubanaAssessment(orders=200, per_call=20, seed=4, versions=0.2, malformed=share)
    with Simulator(shop) as simulator:
        result = pipeline.run(shop_settings(folder, simulator.url, "reject_limit = 1.0"))
    assert result.exit_code == 0
    tables = []
    for table in TABLES:
        columns = [
            name
            for (name,) in rows(folder, f"SELECT column_name FROM (DESCRIBE {table})")
            if not name.endswith("_at")
        ]
        tables.append(sorted(rows(folder, f"SELECT {', '.join(columns)} FROM {table}"), key=str))
    return tables


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1], ids=["clean", "malformed"])
def test_the_loader_takes_what_the_pull_has_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Such a page is not decoded a second time; the tables are the same without it."""
    decoded: list[bytes] = []
    decode, put = CompactDecoder.decode, Handover.put

    def noted(decoder: CompactDecoder, body: bytes) -> Any:
        decoded.append(body)
        return decode(decoder, body)

    def durable(handover: Handover, source: str, page: int, *compact: Any) -> None:
        assert LocalSourceLanding(tmp_path / "one" / "landing" / source, source).has(page)
        put(handover, source, page, *compact)

    monkeypatch.setattr(CompactDecoder, "decode", noted)
    monkeypatch.setattr(Handover, "put", durable)
    tables = loaded(tmp_path / "one", share)
    again = len(decoded)
    decoded.clear()
    monkeypatch.setattr(Handover, "put", lambda *_: None)
    assert loaded(tmp_path / "other", share) == tables
    assert again < len(decoded)
    assert share or not again


def api() -> Api:
    """An API file that was read now."""
    return read_api("skubana-assessment", Path())


def test_a_page_is_taken_once_and_for_the_same_api_file() -> None:
    """After another reading of the file, with other contents perhaps, nothing old is used."""
    handover, first = Handover(), api()
    page = CompactPage(b"{}\n", {}, 1)
    handover.put("shop", 1, first, page)
    assert handover.take("other", 1, first) is None
    assert handover.take("shop", 2, first) is None
    assert handover.take("shop", 1, first) == page
    assert handover.take("shop", 1, first) is None
    handover.put("shop", 1, first, page)
    assert handover.take("shop", 1, api()) is None


def test_the_memory_is_bounded() -> None:
    """The oldest pages are kept, which the loader takes first; what is taken makes room."""
    handover, first = Handover(limit=10), api()
    for number in range(1, 5):
        handover.put("shop", number, first, CompactPage(b"12345", {}, 1))
    taken = [handover.take("shop", number, first) is not None for number in range(1, 5)]
    assert taken == [True, True, False, False]
    handover.put("shop", 5, first, CompactPage(b"1234567890", {}, 1))
    assert handover.take("shop", 5, first) is not None


def test_the_texts_of_odd_orders_count() -> None:
    """A shop may have no other orders, and then no line at all."""
    handover, used = Handover(limit=10), api()
    for number in range(1, 4):
        handover.put("shop", number, used, CompactPage(b"", {0: "12345"}, 1))
    taken = [handover.take("shop", number, used) is not None for number in range(1, 4)]
    assert taken == [True, True, False]
    handover.put("shop", 4, used, CompactPage(b"12345", {1: "12345"}, 2))
    assert handover.take("shop", 4, used) is not None


def test_pages_keep_their_lines_whatever_is_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several are in one file, which is closed with the last of them; the next one is a new one."""
    monkeypatch.setattr("orderpull.sources.handover.SEGMENT", 4)
    handover, used = Handover(), api()
    for number in range(1, 8):
        handover.put("shop", number, used, CompactPage(b"%d\n" % number, {}, 1))
    for number in (2, 1, 7, 3, 6, 5, 4):
        assert handover.take("shop", number, used) == CompactPage(b"%d\n" % number, {}, 1)
    handover.put("shop", 8, used, CompactPage(b"8\n", {3: "odd"}, 2))
    assert handover.take("shop", 8, used) == CompactPage(b"8\n", {3: "odd"}, 2)


def test_a_page_waits_for_room_while_the_loader_is_at_work() -> None:
    """It is not decoded twice then; without a loader at work the pull does not wait for it."""
    used, full = api(), CompactPage(b"x" * 10, {}, 1)
    handover = Handover(limit=15)
    handover.put("shop", 1, used, full)
    handover.put("shop", 2, used, full)
    assert handover.take("shop", 2, used) is None
    with handover.loading():
        thread = threading.Thread(target=handover.put, args=("shop", 3, used, full))
        thread.start()
        assert handover.take("shop", 3, used) is None
        assert handover.take("shop", 1, used) == full
        thread.join(20)
        assert handover.take("shop", 3, used) == full


def test_a_page_waits_no_longer_than_the_loader_works() -> None:
    """A loader that ends lets the pull go on; a page that can never fit does not wait at all."""
    used, handover = api(), Handover(limit=15)
    handover.put("shop", 1, used, CompactPage(b"x" * 10, {}, 1))
    second = CompactPage(b"x" * 9, {}, 1)
    thread = threading.Thread(target=handover.put, args=("shop", 2, used, second))
    with handover.loading():
        thread.start()
        handover.put("shop", 3, used, CompactPage(b"x" * 16, {}, 1))
    thread.join(20)
    assert not thread.is_alive()
    assert handover.take("shop", 2, used) is None
    handover.close()
    assert handover.take("shop", 1, used) is None
