"""What a kill leaves in flight: adopted by the next run, counted once, and never more than it was.

The kills themselves are the kill matrix's; here each state that one can leave is made by the code
that makes it for real, cut off at each byte.
"""

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orderpull.errors import DestinationError, LandingBusy, LandingError, PossibleLoss
from orderpull.landing import inflight
from orderpull.landing.files import write_all
from orderpull.landing.local import LocalSourceLanding
from orderpull.settings import SourceSettings
from orderpull.sources import fetch
from orderpull.sources.http.limits import Stop
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.spec.reader import built_in, parse_api
from tests.sources.shop import SourceShop
from tests.sources.wire import Wire, answer

API = parse_api(built_in()["skubana-assessment"].read_text(encoding="utf-8"), "once.toml")
URL = "http://shop.test"
ASKED = f"GET {URL}/orders"
BODY = '[{"orderNumber":"A-1","orderItems":[]},{"orderNumber":"Ä-2","orderItems":[]}]'.encode()
OTHER = b'[{"orderNumber":"B-1","orderItems":[]}]'


class OneSource:
    """A consume-once source without a network, and its landing."""

    def __init__(self, folder: Path, *answers: Response) -> None:
        self.landing = LocalSourceLanding(folder / "landing" / "shop", "shop")
        self.landing.prepare()
        self.answers = list(answers)
        settings = SourceSettings(api="skubana-assessment", base_url=URL)
        self.source = Source("shop", settings, API, send=self.send)

    def send(self, request: Request, progress: ResponseSink) -> Response:
        """The next answer; then nothing more."""
        given = self.answers.pop(0) if self.answers else Response(200, {}, b"[]")
        progress.answered(given.status)
        progress.write(given.body)
        return given

    def pull(self, told: Callable[[PullResult], None] = lambda _: None) -> PullResult:
        return self.source.pull(self.landing, ResumePoint(), Stop(), told)

    def bodies(self) -> list[bytes]:
        return [self.landing.read(page)[1] for page in self.landing.pages()]

    def in_flight(self) -> list[str]:
        return sorted(path.name for path in (self.landing.folder / "in-flight").iterdir())

    def leave(self, status: int, body: bytes, *, page: int = 1, room: int = 0) -> Path:
        """Leave what a kill leaves after so much of an answer."""
        draft = self.landing.begin_request(page, ASKED, room)
        if status:
            draft.answered(status)
            draft.write(body)
        draft.close()
        return draft.path


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 4096], ids=["", "with room taken"])
def test_a_draft_cut_off_at_any_byte_is_adopted_for_what_it_is(tmp_path: Path, room: int) -> None:
    """A kill at each byte: what came is kept; whole, it is no loss; else one is counted, once."""
    whole = OneSource(tmp_path / "whole").leave(200, BODY).read_bytes()
    begins = len(whole) - len(BODY)
    for length in range(len(whole) + 1):
        one = OneSource(tmp_path / str(length))
        path = one.leave(0, b"", room=room)
        path.write_bytes(whole[:length] + bytes(room))
        pulled = one.pull()
        kept = BODY[: max(0, length - begins)]
        assert one.bodies() == [kept]
        assert one.in_flight() == []
        meta = one.landing.meta(1)
        if length == len(whole):
            assert (pulled.error, pulled.possible_loss, meta.state) == (None, [], "whole")
            assert (meta.request, meta.status) == (ASKED, 200)
        else:
            assert isinstance(pulled.error, PossibleLoss)
            assert (pulled.possible_loss, meta.possible_loss) == ([1], True)
            assert meta.state == "damaged"
        again = one.pull()
        assert (again.error, again.possible_loss, again.pages) == (None, [], [])


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_refusal_in_flight_took_nothing(tmp_path: Path, status: int) -> None:
    """A kill right after an answer that consumed nothing leaves nothing to be kept or counted."""
    one = OneSource(tmp_path)
    one.leave(status, b'{"message": "no"}')
    pulled = one.pull()
    assert (pulled.error, pulled.pages, one.in_flight()) == (None, [], [])


@pytest.mark.parametrize(
    ("status", "body", "state", "loss"),
    [
        (500, b'{"message": "oops"}', "unexpected", True),
        (302, b"", "damaged", True),
        (200, b"", "damaged", True),
        (200, b"<html>", "damaged", True),
        (200, b'{"status": "busy"}', "unexpected", False),
        (200, b"\xef\xbb\xbf" + BODY, "damaged", False),
        (201, BODY, "whole", False),
    ],
)
def test_an_answer_in_flight_is_what_it_would_have_been(
    tmp_path: Path, status: int, body: bytes, state: str, loss: bool
) -> None:
    """Adopted or not, the same answer comes to the same page and the same count."""
    killed, lived = OneSource(tmp_path / "killed"), OneSource(tmp_path / "lived")
    killed.leave(status, body)
    lived.answers.append(Response(status, {}, body))
    for one in (killed, lived):
        pulled = one.pull()
        meta, kept = one.landing.read(1)
        assert kept == body
        assert (meta.state, meta.possible_loss, meta.status) == (state, loss, status)
        assert bool(pulled.possible_loss) == isinstance(pulled.error, PossibleLoss) == loss
        assert one.in_flight() == []


def test_an_empty_list_in_flight_is_no_page(tmp_path: Path) -> None:
    """The end of the orders, killed before it was acted upon, is nothing to keep."""
    one = OneSource(tmp_path)
    one.leave(200, b"[]")
    pulled = one.pull()
    assert (pulled.error, pulled.pages, one.in_flight()) == (None, [], [])


def test_a_packed_answer_in_flight_is_unpacked_as_far_as_it_goes(tmp_path: Path) -> None:
    """A server that packs although it was not asked to loses nothing by a kill either."""
    one = OneSource(tmp_path)
    one.leave(200, gzip.compress(BODY))
    assert one.pull().error is None
    assert one.bodies() == [BODY]
    cut = OneSource(tmp_path / "cut")
    cut.leave(200, gzip.compress(BODY, compresslevel=0)[:60])
    assert isinstance(cut.pull().error, PossibleLoss)
    assert BODY.startswith(cut.bodies()[0])
    assert cut.bodies()[0]


def test_a_page_that_was_landed_before_the_kill_is_not_adopted_again(tmp_path: Path) -> None:
    """Between the page's landing and the end of its draft: the draft alone goes."""
    one = OneSource(tmp_path, Response(500, {}, b"oops"))
    assert one.pull().possible_loss == [1]
    one.leave(500, b"oops", page=1)
    again = one.pull()
    assert (again.error, again.possible_loss, again.pages) == (None, [], [])
    assert one.landing.pages() == [1]
    assert one.in_flight() == []


def test_a_failing_load_between_two_pages_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The warehouse fails after a page was landed: that page is kept once, its draft goes later."""
    one = OneSource(tmp_path, Response(200, {}, BODY), Response(200, {}, OTHER))

    def fail(_: PullResult) -> None:
        raise DestinationError("The warehouse is full.")

    with pytest.raises(DestinationError):
        one.pull(told=fail)
    assert (one.bodies(), one.in_flight()) == ([BODY], ["000000000001.part"])
    pulled = one.pull()
    assert (pulled.error, pulled.pages, pulled.possible_loss) == (None, [2], [])
    assert one.bodies() == [BODY, OTHER]
    assert one.in_flight() == []


def test_a_disk_that_fills_up_meanwhile_leaves_the_answer_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page cannot be landed, exit 1 or 2 - and the next run finds all of it in its draft."""
    one = OneSource(tmp_path, Response(200, {}, BODY))
    with monkeypatch.context() as patch:
        patch.setattr(LocalSourceLanding, "land", full)
        with pytest.raises(LandingError, match="No space"):
            one.pull()
    assert one.bodies() == []
    pulled = one.pull()
    assert (pulled.error, pulled.possible_loss) == (None, [])
    assert one.bodies() == [BODY]


@pytest.mark.parametrize("written", [1, 2], ids=["answered", "write"])
def test_a_draft_that_cannot_be_written_does_not_spoil_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The answer is read on, and landed if there is room for that: the network is not to blame."""
    calls: list[bytes] = []

    def no_space(file: int, data: bytes) -> None:
        calls.append(data)
        if len(calls) == written + 1:
            raise OSError(28, "No space left on device")
        write_all(file, data)

    with Wire([answer(BODY), answer(b"[]")]) as wire:
        shop = SourceShop.at(tmp_path, wire.url)
        monkeypatch.setattr(inflight, "write_all", no_space)
        pulled = shop.pull()
    assert len(calls) > written
    assert (pulled.error, pulled.possible_loss) == (None, [])
    assert (shop.bodies(), shop.in_flight()) == ([BODY], [])


def test_nothing_is_asked_while_there_is_no_room_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk without room for a draft of the usual size is told before the request, not after."""
    one = OneSource(tmp_path, Response(200, {}, BODY))
    monkeypatch.setattr(fetch, "RESERVED_BYTES", 1 << 60)
    with pytest.raises(LandingError, match=r"No space left|File too large"):
        one.pull()
    assert one.answers
    assert one.in_flight() == []


def test_numbers_are_given_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that starts while another ends goes on after its pages, never over them."""
    first, second = OneSource(tmp_path, Response(200, {}, BODY)), OneSource(tmp_path)
    second.answers.append(Response(200, {}, OTHER))
    pulling = LocalSourceLanding.pulling

    @contextmanager
    def just_missed(landing: LocalSourceLanding) -> Iterator[None]:
        monkeypatch.setattr(LocalSourceLanding, "pulling", pulling)
        assert first.pull().pages == [1]
        with pulling(landing):
            yield

    monkeypatch.setattr(LocalSourceLanding, "pulling", just_missed)
    assert second.pull().pages == [2]
    assert first.bodies() == [BODY, OTHER]


def test_a_second_puller_is_a_failed_source(tmp_path: Path) -> None:
    """While one pulls, another one is told so and asks nothing."""
    first, second = OneSource(tmp_path, Response(200, {}, BODY)), OneSource(tmp_path)
    second.answers.append(Response(200, {}, OTHER))

    def meanwhile(_: PullResult) -> None:
        with pytest.raises(LandingBusy, match=rf"\(pid {os.getpid()}\) is pulling source 'shop'"):
            second.pull()

    assert first.pull(told=meanwhile).error is None
    assert len(second.answers) == 1
    assert first.bodies() == [BODY]


def full(*_: object) -> None:
    raise LandingError("No space left on device")
