"""``orderpull init`` asks for what each API needs, and writes what ``check`` and ``run`` accept."""

import re
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderpull import clock
from orderpull.cli import main
from orderpull.operate.setup import SourceOptions, api_path_in, new_source, ways_to_sign_in
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.simulator.profile import Profile
from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USER
from orderpull.sources.spec.reader import built_in, parse_api, read_api
from tests.cli.conversation import conversation
from tests.platforms.registry import platform

NEEDS_NONE = {"skubana-assessment"}
KEYS: Mapping[str, Mapping[str, str]] = {
    "extensiv": {"token": TOKEN},
    "medusa": {"user": USER, "password": PASSWORD},
    "shopify": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
    "shopify-rest": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
    "skubana-assessment": {},
    "vendure": {"user": USER, "password": PASSWORD},
    "woocommerce": {"token": f"{CLIENT_ID}:{CLIENT_SECRET}"},
}
"""What lets a source in at the simulated platform of each API."""


def call(folder: Path, *arguments: str) -> Result:
    """Run a command in-process on the settings in *folder*, without a terminal."""
    return CliRunner().invoke(main, ["--config", str(folder / "orderpull.toml"), *arguments])


def shop(api: str) -> Profile:
    """A shop on the simulated platform of *api*, with the present as its time."""
    if api == "skubana-assessment":
        return SkubanaAssessment(orders=30)
    return platform(api, orders=30, odd=False, now=clock.now().replace(tzinfo=UTC))


@pytest.mark.slow
@pytest.mark.parametrize("api", built_in())
def test_init_export_check_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    """The printed variables, once set, are all that is needed; each is the source's own."""
    with Simulator(shop(api)) as simulator:
        start = [] if api in NEEDS_NONE else ["--start", "2020-01-01"]
        token = ["--token-variable", "MY_SHOP_TOKEN"] if api == "extensiv" else []
        made = call(tmp_path, "init", "--source", "my-shop", "--api", api, "--base-url",
                    simulator.url, *start, *token)  # fmt: skip
        assert made.exit_code == 0, made.output
        exported = re.findall(r"export (\w+)='…'\n", made.output)
        file = tmp_path / "orderpull.toml"
        text = file.read_text(encoding="utf-8")
        assert exported == re.findall(r"\$\{(\w+)\}", text)
        assert bool(exported) == (api not in NEEDS_NONE)
        for name in exported:
            monkeypatch.setenv(name, KEYS[api][name.removeprefix("MY_SHOP_").lower()])
        file.write_text(text.replace("# rate = 1\n", "rate = 1000\n"), encoding="utf-8")
        checked = call(tmp_path, "check")
        assert checked.exit_code == 0, checked.output
        shown = "no orders asked for" if api in NEEDS_NONE else "for example order "
        assert shown in checked.output
        run = call(tmp_path, "run")
        assert run.exit_code == 0, run.output
        told = call(tmp_path, "report")
    assert "items per order on average" in told.output
    assert ("\nfull_reread_days = 1\n" in text) == (api == "vendure")
    assert ("reconcile" in text) == (read_api(api, tmp_path).reconcile is not None)


def test_wrong_answers_are_asked_for_again_at_once(tmp_path: Path) -> None:
    """From the menu to the day: none of them loses an answer that was right."""
    with conversation(tmp_path, "init", env={"TEA_CLIENT_ID": "x"}) as talk:
        talk.waits_for("3  shopify ").waits_for("Number or name: ")
        talk.types("9").waits_for("There is no 9 in the list").waits_for("Number or name: ")
        talk.types("shopfy").waits_for("Did you mean 'shopify'?").waits_for("Number or name: ")
        talk.types("3").waits_for("Name of this source [shop]: ")
        talk.types("my shop").waits_for("is no name of a source").waits_for("[shop]: ")
        talk.types("tea").waits_for("YOUR-STORE.myshopify.com").waits_for("Address of the shop: ")
        talk.types("https://YOUR-STORE.myshopify.com").waits_for("That is the example")
        talk.waits_for("shop: ").types("tea.myshopify.com").waits_for("expected http://")
        talk.waits_for("[https://tea.myshopify.com]: ").types("https://tea.myshopify.com/admin/api")
        talk.waits_for("Take https://tea.myshopify.com instead? [Y/n]: ").types("")
        talk.waits_for("read_orders").waits_for("1  client_id and client_secret")
        talk.waits_for("Number [1]: ").types("3").waits_for("There is no '3' in the list")
        talk.waits_for("Number [1]: ").types("").waits_for("the last 60 days")
        talk.waits_for("2026-01-31: ").types("last year").waits_for("is no day and no time")
        talk.waits_for("2026-01-31: ").types("2999-01-01").waits_for("is in the future")
        talk.waits_for("2026-01-31: ").types("2026-01-01")
        talk.waits_for("export TEA_CLIENT_ID='…'  # it is set\n")
        talk.waits_for("export TEA_CLIENT_SECRET='…'\n")
        talk.waits_for("  orderpull check\n  orderpull run\n")
        assert talk.ends() == 0
    text = (tmp_path / "orderpull.toml").read_text(encoding="utf-8")
    assert '[sources.tea]\napi = "shopify"\nbase_url = "https://tea.myshopify.com"\n' in text


def test_ctrl_c_writes_nothing(tmp_path: Path) -> None:
    """Exit 130; and what options name is not asked for, but checked before any question."""
    with conversation(tmp_path, "init", "--api", "extensiv", "--source", "x") as talk:
        talk.waits_for("Address of the shop [https://api.skubana.com]: ")
        talk.interrupts_a_question("Nothing was written")
        assert talk.ends() == 130
    assert not (tmp_path / "orderpull.toml").exists()


def test_extensiv_is_told_to_sign_in_first(tmp_path: Path) -> None:
    """The next two commands begin with the login, and the file says so, too."""
    made = call(tmp_path, "init", "--api", "extensiv", "--base-url", "https://x", "--start",
                "2026-01-01")  # fmt: skip
    assert re.search(r"login shop\n.* check\n$", made.output)
    assert "orderpull login shop" in (tmp_path / "orderpull.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], ["missing: --api, --base-url, --start", "extensiv, medusa, shopify,"]),
        (["--api", "medusa"], ["missing: --base-url, --start.", "--start 2026-01-01"]),
        (["--api", "skubana-assessment"], ["missing: --base-url."]),
        (["--api", "shopfy", "--base-url", "https://x"], ["Did you mean 'shopify'?"]),
        (["--base-url", "shop.example"], ["expected http:// or https://"]),
        (["--source", "a/b"], ["'a/b' is no name of a source"]),
        (["--start", "now"], ["'now' is no day and no time"]),
        (["--timezone", "Mars/North"], ["is not an IANA time zone"]),
        (["--token-variable", "shpat_1-2"], ["--token-variable is no name of an environment"]),
    ],
)
def test_without_a_terminal_the_options_that_are_missing_or_wrong_are_named(
    tmp_path: Path, options: list[str], said: list[str]
) -> None:
    """All that are missing, at once; exit 2, nothing written, and no token that was mistyped."""
    done = call(tmp_path, "init", *options)
    assert done.exit_code == 2
    assert [each for each in said if each not in done.output] == []
    assert "shpat_1-2" not in done.output
    assert not (tmp_path / "orderpull.toml").exists()


def test_a_place_that_cannot_be_written_is_told_before_any_question(tmp_path: Path) -> None:
    """A folder that is missing; and settings that are there stay, whole, where the disk is full."""
    done = call(tmp_path / "missing", "init")
    assert (done.exit_code, "missing does not exist" in done.output) == (2, True)
    file = tmp_path / "orderpull.toml"
    file.write_text("# mine\n", encoding="utf-8")
    (tmp_path / "orderpull.toml.new").mkdir()  # nothing can be written there
    options = ["--api", "skubana-assessment", "--base-url", "https://x", "--force"]
    done = call(tmp_path, "init", *options)
    assert (done.exit_code, "cannot be written" in done.output) == (2, True)
    assert file.read_text(encoding="utf-8") == "# mine\n"
    (tmp_path / "orderpull.toml.new").rmdir()
    assert call(tmp_path, "init", *options).exit_code == 0
    assert "[sources.shop]" in file.read_text(encoding="utf-8")


def test_names_with_dots_and_files_of_ones_own(tmp_path: Path) -> None:
    """A dot in a name makes no table below; headers that need a setting are thought of."""
    api = (
        'title = "T"\n[request]\npath = "/orders"\n[auth]\nkind = "none"\n'
        'headers = { X-Client = "{client_id}" }\n'
        '[order]\nnumber = "n"\n[order.lines]\npath = "l"\nsku = "s"\nquantity = "q"\n'
    )
    (tmp_path / "own.toml").write_text(api, encoding="utf-8")
    made = call(tmp_path, "init", "--source", "my.shop", "--api", "own.toml", "--base-url",
                "https://x")  # fmt: skip
    assert made.exit_code == 0, made.output
    text = (tmp_path / "orderpull.toml").read_text(encoding="utf-8")
    assert '[sources."my.shop"]' in text
    assert 'client_id = "${MY_SHOP_CLIENT_ID}"' in text
    assert ways_to_sign_in(parse_api(api, "own.toml").auth) == [("client_id",)]


def test_the_ways_to_sign_in_are_those_of_the_file(tmp_path: Path) -> None:
    ways = {name: ways_to_sign_in(read_api(name, tmp_path).auth) for name in built_in()}
    assert ways["skubana-assessment"] == [(), ("token",)]
    assert ways["woocommerce"] == [("token",)]
    assert ways["medusa"] == [("user", "password"), ("token",)]
    assert ways["extensiv"] == [("client_id", "client_secret"), ("token",)]
    source = new_source(SourceOptions(None, "vendure", "https://x", None, "2026-01-01"), tmp_path)
    assert source.credentials == {"user": "SHOP_USER", "password": "SHOP_PASSWORD"}


@pytest.mark.parametrize(
    ("url", "shorter"),
    [
        ("https://x.test/wp-json/wc/v3/orders", "https://x.test"),
        ("https://x.test/shop/wp-json/", "https://x.test/shop"),
        ("https://x.test/shop", None),
        ("https://wp-json", None),
    ],
)
def test_a_path_that_the_api_file_adds_is_seen(tmp_path: Path, url: str, shorter: str) -> None:
    assert api_path_in(url, read_api("woocommerce", tmp_path)) == shorter
