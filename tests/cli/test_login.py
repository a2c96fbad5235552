"""`orderpull login`: a person allows the access, and the token that comes of it is kept, unseen."""

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orderpull.errors import OrderpullError, SettingsError, SourceRefused
from orderpull.operate.login import CallbackServer, Login, RedirectUri
from orderpull.simulator import Simulator
from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET
from tests.platforms.extensiv import Extensiv
from tests.sources.shop import SourceShop
from tests.sources.signing import shapes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REDIRECT_URI = RedirectUri("https://shop.test/back", None)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: Any) -> None:
        return None


def agreed(url: str) -> str:
    """Where the API sends a browser that opens *url*, whose user agrees."""
    with pytest.raises(urllib.error.HTTPError) as sent:
        urllib.request.build_opener(_Stay).open(url, timeout=20)
    assert sent.value.status == 302
    sent.value.close()
    return str(sent.value.headers["Location"])


def visited(url: str) -> tuple[int, str]:
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def account() -> Iterator[Simulator]:
    with Simulator(Extensiv(orders=30)) as simulator:
        yield simulator


def shop_of(folder: Path, account: Simulator, secret: str = CLIENT_SECRET) -> SourceShop:
    more = (
        f'auth_url = "{account.url}"\nclient_id = "{CLIENT_ID}"\nclient_secret = "{secret}"\n'
        'start = "2020-01-01"\nrate = 1000\n'
    )
    return SourceShop.at(folder, account.url, more, api="extensiv")


INTERRUPTIBLE = """
import signal
from orderpull.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The program. What a shell starts in the background is deaf to Ctrl-C, and so are its children."""


@contextmanager
def begun(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, waiting; and the URL that it shows."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", INTERRUPTIBLE, "login", "shop", "--no-browser", *options],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            url = next(line.strip() for line in lines if line.startswith("  http"))
            yield process, url
        finally:
            process.kill()


def said(process: subprocess.Popen[str], given: str | None = None) -> tuple[int, str]:
    """How the program ended, and the rest of what it said."""
    out, err = process.communicate(given, timeout=60)
    assert "Traceback" not in err
    return process.returncode, out + err


# ----------------------------------------------------------------------------------- all is well


def test_who_agrees_lets_the_next_run_in(tmp_path: Path, account: Simulator) -> None:
    """The token is in no output and in no file as it is; the orders arrive."""
    shop = shop_of(tmp_path, account)
    with begun(tmp_path) as (process, url):
        address = agreed(url)
        assert re.match(r"http://127\.0\.0\.1:\d+/callback\?code=.+&state=.+", address)
        status, page = visited(address)
        code, told = said(process)
    assert (code, status) == (0, 200)
    assert "Signed in" in page
    assert "Its token is stored in" in told
    result = shop.run_one()
    assert result.error is None
    sold = {order["number"] for order in account.truth()["orders"].values()}
    assert sold
    assert sold <= shop.orders().keys()
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    for secret in ("made-up-token-1", "made-up-code-1"):
        assert not [form for form in shapes(secret) if form in written + told.encode()]


def test_a_redirect_that_comes_before_the_wait_is_used(tmp_path: Path, account: Simulator) -> None:
    """A browser may be quicker than the program, which waits only after it showed the URL."""
    shop = shop_of(tmp_path, account)
    with CallbackServer(RedirectUri.of(None, 0)) as server:
        begun_here = Login(shop.settings, "shop", server.redirect_uri)
        server.expect(begun_here)
        assert visited(agreed(begun_here.url))[0] == 200
        server.wait(0.01)
    assert shop.pull().error is None


def test_a_browser(tmp_path: Path, account: Simulator, browser: "Browser") -> None:
    """Chromium follows the redirect to the page of this machine, and says how it went."""
    shop_of(tmp_path, account)
    with begun(tmp_path) as (process, url):
        page = browser.new_page()
        page.goto(url)
        assert page.get_by_role("heading").inner_text() == "Signed in"
        assert said(process)[0] == 0
        page.close()


def test_pasted_from_another_machine(tmp_path: Path, account: Simulator) -> None:
    shop = shop_of(tmp_path, account)
    with begun(tmp_path, "--paste", "--redirect-uri", "https://shop.test/back?a=b") as (
        process,
        url,
    ):
        address = agreed(url)
        assert address.startswith("https://shop.test/back?a=b&code=")
        code, told = said(process, address + "\n")
    assert code == 0, told
    assert shop.pull().error is None


def test_a_registered_address_of_this_machine_is_waited_at(
    tmp_path: Path, account: Simulator
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    login = shop_of(tmp_path, account)
    with CallbackServer(RedirectUri.of(f"http://localhost:{port}/signed/in", 0)) as server:
        begun_here = Login(login.settings, "shop", server.redirect_uri)
        assert begun_here.redirect_uri == f"http://localhost:{port}/signed/in"
        server.expect(begun_here)
        assert visited(f"http://127.0.0.1:{port}/favicon.ico")[0] == 404
        assert visited(agreed(begun_here.url).replace("localhost", "127.0.0.1"))[0] == 200
        server.wait(20)
    assert login.pull().error is None


def test_signing_in_again_replaces_the_token(tmp_path: Path) -> None:
    """The API took the old one back: the run says what to do, and after that all is well."""
    profile = Extensiv(orders=30, expires_after=1)
    with Simulator(profile) as account:
        shop = shop_of(tmp_path, account)
        for _ in range(2):
            login = Login(shop.settings, "shop", REDIRECT_URI)
            login.finish(agreed(login.url))
            error = shop.pull().error
            assert isinstance(error, SourceRefused)
            assert "the API rejects its token; somebody has to allow the access" in error.message
            assert error.hint == "Run `orderpull login shop`."
        profile._tokens._expires_after = None
        login = Login(shop.settings, "shop", REDIRECT_URI)
        login.finish(agreed(login.url))
        assert shop.pull().error is None


# ------------------------------------------------------------------------------------ without it


@pytest.mark.parametrize("command", ["check", "run"])
def test_without_a_login_no_order_is_asked_for(
    tmp_path: Path, account: Simulator, command: str
) -> None:
    shop_of(tmp_path, account)
    done = subprocess.run(
        [sys.executable, "-m", "orderpull", command],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "there is no token yet; somebody has to allow the access" in done.stderr
    assert "orderpull login shop" in done.stderr
    assert not account.requests


# ------------------------------------------------------------------------------- it does not work


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("state=", "state=x"), "its state differs"),
        (("state=", "nostate="), "its state differs"),
        (("code=", "error=access_denied&nocode="), "was not allowed: access_denied"),
        (("code=", "nocode="), "was not allowed: no code came back"),
        (("code=", "code=x"), "400: invalid_grant"),
    ],
)
def test_what_comes_back_is_not_as_it_should(
    tmp_path: Path, account: Simulator, change: tuple[str, str], problem: str
) -> None:
    """One sentence, exit 1, and nothing is kept; no code and no state is repeated."""
    shop = shop_of(tmp_path, account)
    login = Login(shop.settings, "shop", REDIRECT_URI)
    address = agreed(login.url)
    with pytest.raises(SourceRefused) as found:
        login.finish(address.replace(*change))
    assert problem in str(found.value)
    assert found.value.exit_code == 1
    assert "made-up" not in str(found.value)
    assert login._state not in str(found.value)
    assert shop.landing().note("token") is None


def test_a_wrong_state_in_the_browser(tmp_path: Path, account: Simulator) -> None:
    shop_of(tmp_path, account)
    with begun(tmp_path) as (process, url):
        status, page = visited(agreed(url).replace("state=", "state=x"))
        code, told = said(process)
    assert (status, code) == (400, 1)
    assert "That did not work" in page
    assert "does not belong to this login" in told


def test_a_wrong_secret_of_the_app(tmp_path: Path, account: Simulator) -> None:
    login = Login(shop_of(tmp_path, account, "wrong-s3cret").settings, "shop", REDIRECT_URI)
    with pytest.raises(SourceRefused, match="returned no token \\(401: invalid_client\\)") as found:
        login.finish(agreed(login.url))
    assert "client_secret" in found.value.hint


def test_nobody_comes(tmp_path: Path, account: Simulator) -> None:
    shop_of(tmp_path, account)
    with begun(tmp_path, "--timeout", "1") as (process, _):
        code, told = said(process)
    assert code == 1
    assert "Nobody allowed access to source 'shop' within 1 s." in told


def test_somebody_gives_up(tmp_path: Path, account: Simulator) -> None:
    shop_of(tmp_path, account)
    with begun(tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert said(process)[0] == 130


def test_a_port_that_is_in_use(tmp_path: Path, account: Simulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Cannot listen on port {port} "):
            CallbackServer(RedirectUri.of(None, port))


@pytest.mark.parametrize(
    "uri", ["", "shop.test/back", "ftp://x/", "http://", "http://[/", "http://x:y/"]
)
def test_an_address_that_no_browser_goes_to(uri: str) -> None:
    with pytest.raises(SettingsError, match="--redirect-uri"):
        RedirectUri.of(uri, 0)


@pytest.mark.parametrize(
    ("api", "more", "problem"),
    [
        ("skubana-assessment", "", "needs a token at most"),
        ("medusa", 'user = "a"\npassword = "b"\nstart = "2020-01-01"', "signs in by itself"),
        ("extensiv", 'token = "abc"\nstart = "2020-01-01"', "has a token"),
        ("extensiv", 'client_id = "abc"\nstart = "2020-01-01"', "client_secret"),
    ],
)
def test_a_source_without_such_a_login(tmp_path: Path, api: str, more: str, problem: str) -> None:
    """One sentence, exit 2, before anything is shown."""
    shop = SourceShop.at(tmp_path, "https://shop.test", more, api=api)
    with pytest.raises(SettingsError, match=problem):
        Login(shop.settings, "shop", REDIRECT_URI)


def test_a_landing_that_cannot_be_written(tmp_path: Path, account: Simulator) -> None:
    """That is found before anybody is asked to allow anything."""
    (tmp_path / "landing").write_text("no folder")
    with pytest.raises(OrderpullError, match="cannot be used") as found:
        Login(shop_of(tmp_path, account).settings, "shop", REDIRECT_URI)
    assert found.value.exit_code == 2
    assert not account.requests


@pytest.mark.parametrize(
    "url", ["shop.test", "https://u:s3cret@shop.test", "https://shop.test/x?y"]
)
def test_an_address_for_tokens_that_is_none(tmp_path: Path, url: str) -> None:
    """Told before anything is asked, and without the password in it."""
    with pytest.raises(SettingsError, match="auth_url") as found:
        _ = SourceShop.at(
            tmp_path, "https://shop.test", f'auth_url = "{url}"', api="extensiv"
        ).settings
    assert "s3cret" not in str(found.value)
