"""Every way of signing in: the right orders arrive, and tokens live as long as they are good."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orderpull.errors import SettingsError, SourceRefused
from orderpull.operate.check import check
from orderpull.simulator import Simulator
from orderpull.simulator.shop import REFRESH_TOKEN
from orderpull.simulator.shop.generic import Generic
from orderpull.sources.http import auth
from tests.failpoints import TOKEN_POINTS
from tests.sources.shop import SourceShop
from tests.sources.signing import ENVIRONMENT, REFRESH, WAYS, Way, orderpull
from tests.sources.wire import Wire, answer

pytestmark = pytest.mark.slow

ORDERS = 60


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in ENVIRONMENT.items():
        monkeypatch.setenv(name, secret)


def exact(shop: SourceShop, truth: dict[str, Any]) -> None:
    """The warehouse holds what the shop has."""
    held = shop.query(
        """SELECT order_id, coalesce(sum(quantity), 0) FROM order_header
           LEFT JOIN order_item USING (source, ordernumber) GROUP BY 1 ORDER BY 1"""
    )
    orders = truth["orders"].items()
    assert held == sorted((str(key), sum(order["items"].values())) for key, order in orders)
    assert held


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_each_way(tmp_path: Path, way: Way) -> None:
    """In the middle of the pull the token is taken no more, where it was got by a call."""
    profile = Generic(auth=way.auth, orders=ORDERS, expires_after=3)
    with Simulator(profile) as simulator:
        shop = way.shop(tmp_path, simulator.url)
        assert shop.run_one().error is None
        exact(shop, simulator.truth())
    assert profile.calls["token"] == (2 if way.got else 0)
    refused = [call for call in simulator.requests if call.status == 401]
    assert len(refused) == (1 if way.got else 0)


WITH_SECRETS = {name: way for name, way in WAYS.items() if way.auth != "none"}


@pytest.mark.parametrize("way", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_wrong_secrets_are_told_once(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call, one sentence that names the settings; nothing is tried again."""
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "wr0ng-s3cret")
    with Simulator(Generic(auth=way.auth, orders=ORDERS)) as simulator:
        error = way.shop(tmp_path, simulator.url).pull().error
    assert isinstance(error, SourceRefused)
    assert "wr0ng" not in str(error)
    named = [key for key in ("token", "password", "client_secret") if f"{key} =" in way.settings]
    assert named
    assert all(key in error.hint for key in named)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.got])
def test_a_token_that_is_never_taken_is_renewed_once(tmp_path: Path, name: str) -> None:
    way = WAYS[name]
    profile = Generic(auth=way.auth, orders=ORDERS, expires_after=0)
    with Simulator(profile) as simulator:
        error = way.shop(tmp_path, simulator.url).pull().error
    assert isinstance(error, SourceRefused)
    assert "does not accept the token" in error.message
    assert (profile.calls["token"], profile.calls["list"]) == (2, 2)


@pytest.fixture
def _ten_seconds_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks that tokens are timed by go on by ten seconds with each look at them."""

    def ticks() -> Iterator[float]:
        now = 1000.0
        while True:
            yield (now := now + 10)

    looks, times = ticks(), ticks()
    look = SimpleNamespace(monotonic=lambda: next(looks), time=lambda: next(times))
    monkeypatch.setattr(auth, "time", look)


@pytest.mark.usefixtures("_ten_seconds_a_look")
@pytest.mark.parametrize("way", ["client in the form", "refresh"])
def test_a_token_is_renewed_before_it_runs_out(tmp_path: Path, way: str) -> None:
    """It lasts 95 seconds, of which each call takes ten: no call comes too late."""
    profile = Generic(auth=WAYS[way].auth, orders=260, step=10.0, lifetime=95.0)
    with Simulator(profile) as simulator:
        shop = WAYS[way].shop(tmp_path, simulator.url)
        assert shop.run_one().error is None
        exact(shop, simulator.truth())
    assert profile.calls["token"] > 1
    assert {call.status for call in simulator.requests} == {200}


def test_a_server_that_does_not_say_how_long(tmp_path: Path) -> None:
    """``lifetime`` of the api file stands in; without it the token is used until it is refused."""
    api = WAYS["client in the form"].api
    way = Way("oauth2-client", api, WAYS["client in the form"].settings)
    profile = Generic(auth=way.auth, orders=ORDERS, lifetime=None)
    with Simulator(profile) as simulator:
        assert way.shop(tmp_path, simulator.url).pull().error is None
    assert profile.calls["token"] == 1


# --------------------------------------------------------------- refresh tokens that are replaced


def test_a_refresh_token_is_replaced_with_each_use(tmp_path: Path) -> None:
    """The next runs go on with what was kept; a token that is still good is used again."""
    profile = Generic(auth=REFRESH.auth, orders=ORDERS, expires_after=12)
    with Simulator(profile) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        for _ in range(6):
            assert shop.pull().error is None
    assert 1 < profile.calls["token"] < 6


def test_tokens_are_kept_for_who_has_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another client_secret, or another refresh_token: what was kept is of no use."""
    profile = Generic(auth=REFRESH.auth, orders=5)
    with Simulator(profile) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        assert shop.pull().error is None
        kept = shop.landing().note("token")
        assert kept
        assert b"made-up" not in kept
        for name, secret, said in (
            ("SHOP_SECRET", "another secret", "invalid_client"),
            ("SHOP_REFRESH", "another token", "invalid_grant"),
        ):
            with monkeypatch.context() as changed:
                changed.setenv(name, secret)
                error = shop.pull().error
                assert error is not None
                assert said in str(error)
                assert "was lost" not in str(error)
        shop.landing().keep_note("token", kept)
        assert shop.pull().error is None
    assert profile.calls["token"] == 3


def test_what_is_kept_cannot_be_read_or_made_by_others(tmp_path: Path) -> None:
    """Whatever stands in the file instead: it is as if nothing was kept."""
    with Simulator(Generic(auth=REFRESH.auth, orders=5)) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        assert shop.pull().error is None
        for data in (b"", b"{}", b"\0" * 100, (shop.landing().note("token") or b"")[:-1]):
            shop.landing().keep_note("token", data)
            error = shop.pull().error
            assert error is not None
            assert "invalid_grant" in str(error)


@pytest.mark.parametrize("point", TOKEN_POINTS)
def test_killed_between_receipt_and_use(tmp_path: Path, point: str) -> None:
    """Once it is kept it is good; killed before that, the next run says what is lost."""
    profile = Generic(auth="oauth2-refresh", orders=ORDERS)
    with Simulator(profile) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        code, _ = orderpull(tmp_path, "run", kill_at=f"{point}:1")
        assert code == -9
        assert profile.calls == {"token": 1}
        result = shop.run_one()
        if point == "token-kept":
            assert result.error is None
            exact(shop, simulator.truth())
            return
        assert profile.calls == {"token": 2}
        assert "the response with its successor was lost: a process was killed" in str(result.error)
        assert "Set a new refresh_token in [sources.shop]." in str(result.error)
        # A new one from the platform's pages, in the settings: all is well again.
        profile._auth._refresh = "made-up-refresh-new"
        text = shop.file.read_text("utf-8").replace("${SHOP_REFRESH}", "made-up-refresh-new")
        shop.file.write_text(text, encoding="utf-8")
        assert shop.run_one().error is None
        exact(shop, simulator.truth())


@pytest.mark.parametrize("fault", ["reset-body@1", "truncated@1", "503@1"])
def test_an_answer_that_is_lost_on_the_way(tmp_path: Path, fault: str) -> None:
    """The platform has replaced the token, and nobody knows by what."""
    with Simulator(Generic(auth=REFRESH.auth, orders=5), [fault]) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        errors = [shop.pull().error for _ in range(3)]
    assert all("was lost" in str(error) for error in errors[1:])
    assert {call.status for call in simulator.requests[1:]} == {400}


def test_an_answer_that_says_to_come_later_costs_no_token(tmp_path: Path) -> None:
    profile = Generic(auth=REFRESH.auth, orders=5)
    with Simulator(profile, ["429:retry-after=0@1", "429@2"]) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        assert shop.run_one().error is None
        exact(shop, simulator.truth())


def test_a_check_keeps_the_successor(tmp_path: Path) -> None:
    """Else the next run would stand there with a token that was used."""
    profile = Generic(auth="oauth2-refresh", orders=ORDERS)
    with Simulator(profile) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        for _ in range(2):
            assert check(shop.settings).exit_code == 0
        assert shop.run_one().error is None
        exact(shop, simulator.truth())
    assert profile.calls["token"] == 1
    assert profile._auth._refresh != REFRESH_TOKEN


def test_a_check_renews_a_token_that_is_taken_no_more(tmp_path: Path) -> None:
    profile = Generic(auth=REFRESH.auth, orders=5, expires_after=1)
    with Simulator(profile) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        assert [check(shop.settings).exit_code for _ in range(3)] == [0, 0, 0]
    assert profile.calls["token"] == 3


def test_a_check_leaves_tokens_to_who_pulls(tmp_path: Path) -> None:
    """Two processes that renew one token would take it from each other."""
    profile = Generic(auth=REFRESH.auth, orders=5)
    with Simulator(profile) as simulator:
        shop = REFRESH.shop(tmp_path, simulator.url)
        shop.landing().prepare()
        with shop.landing().pulling():
            findings = check(shop.settings)
    assert findings.exit_code == 0
    assert "another orderpull is pulling it now" in findings.findings[-1].what
    assert not profile.calls


def test_a_secret_to_encrypt_with_is_missed_before_anything_is_asked(tmp_path: Path) -> None:
    way = Way(REFRESH.auth, REFRESH.api, 'client_id = "${SHOP_CLIENT}"')
    with Simulator(Generic(auth=REFRESH.auth, orders=5)) as simulator:
        shop = way.shop(tmp_path, simulator.url)
        with pytest.raises(SettingsError, match="or refresh_token to get one"):
            shop.run()
    assert not simulator.requests


def test_without_the_package_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "cryptography.fernet", None)
    with Simulator(Generic(auth=REFRESH.auth, orders=5)) as simulator:
        result = REFRESH.shop(tmp_path, simulator.url).run()
    assert result.exit_code == 2
    assert "pip install 'orderpull[oauth]'" in str(result.error)
    assert not simulator.requests


# --------------------------------------------------------------------------------- consume-once


def test_a_token_of_a_consume_once_api_is_renewed(tmp_path: Path) -> None:
    """401 consumed nothing, so that it may be asked again, once."""
    pages = [b'[{"id": 1, "number": "A", "lines": []}]', b"[]"]
    token = answer(b'{"access_token": "made-up-0"}')
    says = [token, answer(b"", status="401 No"), token, *map(answer, pages)]
    way = WAYS["client in the form"]
    with Wire(says) as wire:
        shop = way.shop(tmp_path, wire.url)
        text = (tmp_path / "api.toml").read_text("utf-8")
        begin, end = text.index("[paging]"), text.index("[order]")
        text = text[:begin] + '[paging]\nkind = "drain"\n' + text[end:]
        (tmp_path / "api.toml").write_text("consume_once = true\n" + text, encoding="utf-8")
        settings = shop.file.read_text("utf-8").replace('start = "2020-01-01"\n', "")
        shop.file.write_text(settings, encoding="utf-8")
        result = shop.run_one()
    assert result.error is None, result.error
    assert (result.pages, result.possible_loss) == (1, 0)
    assert len(wire.requests) == 5
