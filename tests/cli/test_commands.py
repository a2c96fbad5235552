"""Each command as a person types it: what it prints, and its exit code."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from orderpull.cli import main
from orderpull.cli.shared import print_error
from orderpull.errors import OrderpullError
from orderpull.model import COUNTS, LEDGER_RUN
from orderpull.simulator import GENERIC_FILE, Simulator, SkubanaAssessment
from orderpull.simulator.shop.generic import Generic
from orderpull.sources.paging.doubts import NOTE, Doubt
from tests.cli.conversation import conversation
from tests.shops import rows, shop_settings

COMMANDS = sorted(name for name in main.commands if name != "rejects")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shop(here: Path) -> Iterator[Simulator]:
    """A shop with 60 orders, 6 of them malformed, and settings for it."""
    with Simulator(SkubanaAssessment(orders=60, per_call=20, seed=9, malformed=6)) as simulator:
        shop_settings(here, simulator.url)
        yield simulator


def call(*arguments: str, code: int = 0) -> Result:
    """The result of ``orderpull ARGUMENTS``, which must end with *code*."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """--help says what the command does, and works without settings."""
    assert "Usage: main " + command in call(command, "--help").output


@pytest.mark.slow
def test_run_tells_what_it_did(shop: Simulator) -> None:
    """Counts by source, rejects with what to do; nothing to do the second time."""
    first = call("run").stdout
    assert "60" in first
    assert "6 orders were rejected" in first
    assert "Nothing new." in call("run").stdout


@pytest.mark.slow
def test_run_json_is_one_object(shop: Simulator, here: Path) -> None:
    """Stdout holds the documented object and nothing else; the counts add up."""
    done = subprocess.run(
        [sys.executable, "-m", "orderpull", "run", "--json"],
        cwd=here, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    source = told["sources"]["shop"]
    assert list(source) == [
        "pages", "fetched", "inserted", "updated", "unchanged", "stale", "rejected", "waiting",
        "possible_loss", "cursor", "error", "notes",
    ]  # fmt: skip
    assert told["ok"] is True
    assert source["fetched"] == 60 == source["inserted"] + source["rejected"]
    assert "leaked" not in done.stderr


def test_pull_then_load(shop: Simulator) -> None:
    """Pulled pages wait, status says so, load brings them in and asks nobody."""
    assert "3 landed pages are not loaded yet" in call("pull").stdout
    assert "load 3 landed pages" in call("status").stdout
    calls = len(shop.calls)
    assert "60" in call("load").stdout
    assert len(shop.calls) == calls
    assert "ok (load)" in call("status").stdout


def test_status_json(shop: Simulator) -> None:
    """The sources and the last runs, as data."""
    assert json.loads(call("status", "--json").stdout)["runs"] == []
    call("run")
    told = json.loads(call("status", "--json").stdout)
    assert told["sources"]["shop"]["waiting"] == 0
    assert told["sources"]["shop"]["rejects"] == 6
    assert told["runs"][0]["fetched"] == 60


def test_runs_are_listed_newest_first(shop: Simulator) -> None:
    """The ledger's rows, as data and as a table with each error in full; one source, some runs."""
    assert "There is nothing to read yet" in call("runs", code=2).stderr
    call("run")
    shop.stop()
    call("run", code=1)
    failed, first = json.loads(call("runs", "--json").stdout)["runs"]
    assert tuple(first) == LEDGER_RUN.names
    assert (failed["run"], first["run"], first["fetched"]) == (2, 1, 60)
    shown = call("runs").stdout
    assert f"Run 2: {failed['error']}" in shown
    (row,) = [line.split() for line in shown.splitlines() if line.split()[:2] == ["1", "shop"]]
    counts = [str(first[name]) for name in COUNTS]
    assert row[-len(counts) - 2 :] == [*counts, "ok", "(run)"]
    told = call("runs", "--source", "shop", "--limit", "1", "--json").stdout
    assert json.loads(told)["runs"] == [failed]
    assert "no source 'shp'" in call("runs", "--source", "shp", code=2).stderr


def test_status_says_what_is_in_doubt(shop: Simulator, here: Path) -> None:
    """In words, as data, and in what the next run does."""
    call("run")
    doubt = Doubt(datetime(2026, 1, 1), datetime(2026, 2, 1), 1200)
    (here / "landing" / "shop" / NOTE).write_bytes(msgspec.json.encode([doubt]))
    told = call("status").stdout
    assert "read again what is in doubt" in " ".join(told.split())
    assert "orders changed from 2026-01-01T00:00:00.000000Z" in told
    (as_data,) = json.loads(call("status", "--json").stdout)["sources"]["shop"]["in_doubt"]
    assert as_data == {
        "since": "2026-01-01T00:00:00.000000Z",
        "until": "2026-02-01T00:00:00.000000Z",
        "orders": 1200,
    }


@pytest.mark.slow
def test_rejects_are_listed_shown_and_retried(shop: Simulator, here: Path) -> None:
    """Each with its reason; whole with its raw text; retried under a mended api file."""
    call("run")
    listed = json.loads(call("rejects", "list", "--json").stdout)
    assert len(listed) == 6
    one = listed[0]
    name = f"{one['page']}:{one['position']}"
    assert name in call("rejects", "list").stdout
    shown = call("rejects", "show", name).stdout
    assert one["raw"] in shown
    assert one["reason"] in shown
    assert "There is no reject '9:9'" in call("rejects", "show", "9:9", code=2).stderr
    again = json.loads(call("rejects", "retry", "--json").stdout)
    assert again["sources"]["shop"]["rejected"] == 6


@pytest.mark.slow
def test_a_mended_api_file_brings_rejects_in(here: Path) -> None:
    """An API file that expects the wrong field rejects all; mended, retry loads them."""
    with Simulator(SkubanaAssessment(orders=30, per_call=30)) as simulator:
        settings = shop_settings(here, simulator.url)
        from orderpull.sources.spec.reader import built_in

        right = built_in()["skubana-assessment"].read_text()
        wrong = right.replace('number = "orderNumber"', 'number = "orderNo"')
        (here / "own.toml").write_text(wrong)
        assert settings.file is not None
        text = settings.file.read_text().replace('"skubana-assessment"', '"own.toml"')
        settings.file.write_text(text)
        call("run")
        assert rows(here, "SELECT count(*) FROM orderpull_reject") == [(30,)]
        (here / "own.toml").write_text(right)
        retried = json.loads(call("rejects", "retry", "--json").stdout)
        assert retried["sources"]["shop"]["inserted"] == 30
        assert rows(here, "SELECT count(*) FROM orderpull_reject") == [(0,)]
        assert rows(here, "SELECT count(*) FROM order_header") == [(30,)]


@pytest.mark.slow
def test_too_many_rejects_stop_the_source(here: Path) -> None:
    """Over the limit: exit 1, nothing of the batch loaded; --accept-rejects gets past, told."""
    with Simulator(SkubanaAssessment(orders=200, per_call=200, malformed=0.5)) as simulator:
        shop_settings(here, simulator.url)
        stopped = call("run", code=1)
        assert "the limit is 10%" in stopped.stderr
        assert "--accept-rejects" in stopped.stderr
        assert rows(here, "SELECT count(*) FROM order_header") == [(0,)]
        call("load", code=1)
        call("load", "--accept-rejects")
        ((held,),) = rows(here, "SELECT count(*) FROM order_header")
        ((fetched, inserted, rejected),) = rows(
            here, "SELECT fetched, inserted, rejected FROM orderpull_page"
        )
    assert held == inserted > 0
    assert fetched == 200 == inserted + rejected
    assert "rejects accepted" in call("status").stdout


@pytest.mark.slow
def test_replay_changes_nothing(shop: Simulator, here: Path) -> None:
    """All pages are read again, no row differs, no API is asked."""
    call("run")
    query = "SELECT * EXCLUDE (page, loaded_at) FROM order_header ORDER BY ALL"
    before, calls = rows(here, query), len(shop.calls)
    assert "3 landed pages read again, 0 orders changed" in call("replay").stdout
    assert rows(here, query) == before
    assert len(shop.calls) == calls


def test_check_asks_for_no_orders(shop: Simulator) -> None:
    """Warehouse, landing and network are tried; a consume-once API gets no request."""
    assert "no orders asked for" in call("check").stdout
    assert shop.calls == [] or all(made.number is None for made in shop.calls)
    assert json.loads(call("check", "--json").stdout)["ok"] is True


def test_check_names_what_is_wrong(here: Path) -> None:
    """A host that is not there: exit 1, told which."""
    shop_settings(here, "http://127.0.0.1:9")
    failed = call("check", code=1)
    assert "✓ warehouse" in failed.stdout
    assert "Nothing listens at 127.0.0.1:9" in failed.stderr


def test_one_bad_source_does_not_stop_the_others(here: Path) -> None:
    """Exit 1 for the one, all orders of the other."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        settings = shop_settings(here, simulator.url)
        assert settings.file is not None
        bad = '[sources.bad]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'
        settings.file.write_text(bad + settings.file.read_text())
        told = json.loads(call("run", "--json", code=1).stdout)
    assert told["sources"]["shop"]["inserted"] == 10
    assert "Nothing listens" in told["sources"]["bad"]["error"]


def test_init_writes_settings_that_work(here: Path) -> None:
    """Named by options; never over a file that is there."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        call("init", "--source", "shop", "--api", "skubana-assessment", "--base-url", simulator.url,
             "--token-variable", "", "--start", "")  # fmt: skip
        call("run")
    assert "exists already" in call("init", "--source", "s", "--api", "medusa", "--base-url",
                                      "http://x", "--token-variable", "T", "--start", "2026-01-01",
                                      code=2).stderr  # fmt: skip


def test_init_refuses_what_run_would(here: Path) -> None:
    """A base URL without scheme is told at once, and nothing is written."""
    call("init", "--source", "s", "--api", "medusa", "--base-url", "shop.example",
         "--token-variable", "", "--start", "", code=2)  # fmt: skip
    assert not (here / "orderpull.toml").exists()


def test_config_masks_secrets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value in force and where it comes from; the token never."""
    monkeypatch.setenv("SHOP_TOKEN", "sk_very-secret")
    shop_settings_with_token = (
        '[sources.shop]\napi = "medusa"\nbase_url = "http://x"\ntoken = "${SHOP_TOKEN}"\n'
        'start = "2026-01-01"\n'
    )
    (here / "orderpull.toml").write_text(shop_settings_with_token)
    shown = call("config").stdout
    assert "sk_very-secret" not in shown
    assert "environment (${SHOP_TOKEN})" in shown
    assert "api file" in shown
    assert "default" in shown


def test_config_in_a_pipe_has_one_line_for_each_setting(here: Path) -> None:
    """Key, value and origin stand on one line whatever their length, for grep; --json as well."""
    url = "http://127.0.0.1/" + "a-long-prefix/" * 12 + "shop"
    (here / "orderpull.toml").write_text(
        f'[sources.shop]\napi = "medusa"\nbase_url = "{url}"\ntoken = "t"\nstart = "2026-01-01"\n'
    )
    lines = call("config").stdout.splitlines()
    assert f"sources.shop.base_url\t{url}\torderpull.toml" in lines
    assert all(line.count("\t") == 2 for line in lines)
    told = json.loads(call("config", "--json").stdout)
    assert told["sources.shop.base_url"] == {"value": url, "from": "orderpull.toml"}
    assert told["sources.shop.token"]["value"] == "•••"
    assert told["sources.shop.max_pages"] == {"value": None, "from": "default"}
    assert len(told) == len(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no source"),
        ("[sources.shop]\napi='skubana-assessment'", "missing required field `base_url`"),
        ("[sources.shop]\napi='skubana-assesment'\nbase_url='http://x'", "Did you mean 'skubana"),
        ("[sources.shop]\napi='medusa'\nbase_url='http://x'\ntoken='t'", "has no start"),
        ("[sources.shop]\napi='medusa'\nbase_url='http://x'\nstart='2026-01-01'", "has no token"),
        ("[sources.shop]\napi='medusa'\nbase_ulr='http://x'", "Did you mean sources.shop.base_url"),
        ("[destinations]\nurl='x'", "Did you mean destination"),
        ("[sources.shop]\napi='medusa'\nbase_url='x'", "expected http:// or https://"),
        ("[sources.shop]\napi='medusa'\nbase_url='http://u:p@x'", "user or password"),
        ("[sources.shop]\napi='medusa'\nbase_url='http://x'\ntoken='${NOT_SET_AT_ALL}'",
         "NOT_SET_AT_ALL"),
        ("[sources.shop]\napi='medusa'\nbase_url='http://x'\nrate=0", "sources.shop.rate"),
        ("[report]\ntimezone='Mars/North'", "IANA"),
        ("[landing]\nurl='s3://b'\n[sources.s]\napi='medusa'\nbase_url='http://x'", "landing.url"),
        ("[sources.shop]\napi='skubana-assessment'\nbase_url='http://x'\npage_size=5", "page_size"),
        ("[sources.'a/b']\napi='medusa'\nbase_url='http://x'", "sources"),
        ("not toml", "is not TOML"),
    ],
)  # fmt: skip
def test_wrong_settings(text: str, said: str, here: Path) -> None:
    """Exit 2, file, key and reason in a sentence, and no traceback."""
    (here / "orderpull.toml").write_text(text)
    failed = call("run", code=2)
    assert said in failed.stderr
    assert "Traceback" not in failed.output


def test_no_settings_at_all(here: Path) -> None:
    """Told to run init."""
    assert "orderpull init" in call("run", code=2).stderr


def test_report_before_the_first_run(here: Path) -> None:
    """Told to run first, and no zeros."""
    shop_settings(here, "http://x")
    assert "orderpull run" in call("report", code=2).stderr


def test_simulate_says_how_to_go_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lets a client in, a next command that works, and options without effect."""
    folder = here / "shop"
    folder.mkdir()

    def serve(shop: Generic, *, on_ready: Callable[[str], None], **_: object) -> int:
        with Simulator(shop) as simulator:
            on_ready(simulator.url)
            lines.append(simulator.url)
            placed = [order.placed for order in shop.store.orders.values() if order.placed]
            assert timedelta(days=300) < max(placed) - min(placed) < timedelta(days=366)
            start = (datetime.now(UTC) - timedelta(days=366)).date().isoformat()
            call("--config", str(folder / "orderpull.toml"), "init", "--api", str(GENERIC_FILE),
                 "--base-url", simulator.url, "--start", start, "--token-variable", "T")  # fmt: skip
            lines.append(f"--api {GENERIC_FILE} --base-url {simulator.url} --start {start}\n")
            told = json.loads(
                call("--config", str(folder / "orderpull.toml"), "run", "--json").stdout
            )
            assert told["sources"]["shop"]["inserted"] == len(simulator.truth()["orders"])
        return 2

    lines: list[str] = []
    monkeypatch.setenv("T", "made-up-token")
    monkeypatch.setattr("orderpull.simulator.serve_forever", serve)
    shown = call("simulate", "--profile", "generic", "--orders", "200", "--switch", "auth=bearer",
                 "--versions", "0.1", code=130)  # fmt: skip
    assert "token          made-up-token\n" in shown.stdout
    assert [line for line in lines if line not in shown.stdout] == []
    assert shown.stderr == "--versions does nothing for the profile generic.\n"
    monkeypatch.undo()
    monkeypatch.chdir(here)
    with Simulator(SkubanaAssessment(orders=1)) as simulator:
        port = simulator.url.rpartition(":")[2].strip("/")
        assert f"Port {port} is taken" in call("simulate", "--port", port, code=2).stderr


def test_demo(here: Path) -> None:
    """Works offline, shows the three answers and the rejects, and leaves a folder to look into."""
    shown = call("demo", "--folder", str(here / "left [web]"), "--orders", "300").stdout
    assert "items per order on average" in shown
    assert "Best-selling SKUs by country" in shown
    assert "line_invalid" in shown or "address_invalid" in shown
    names = {path.name for path in (here / "left [web]").iterdir()}
    assert {"landing", "orders.duckdb", "orders.snapshot.duckdb", "orderpull.toml"} <= names
    assert f"cd '{here / 'left [web]'}'" in shown
    assert "orderpull serve" in shown
    call("demo", "--orders", "3", code=2)


@pytest.mark.slow
def test_the_demo_goes_on_to_the_pages(here: Path) -> None:
    """Their address is printed, and answers; what sells best there looks like no fault."""
    with conversation(here, "demo", "--folder", "left", "--serve") as talk:
        talk.waits_for("Serving at ").waits_for(" - Ctrl-C")
        url = re.findall(r"Serving at (\S+) ", talk.shown)[0]
        with urllib.request.urlopen(f"{url}api/popular-skus?top=10") as answer:
            best = [row["sku"] for row in json.load(answer)["rows"]]
        talk.types("\x03", "")
        assert talk.ends() == 130
    assert len(best) == 10
    assert [sku for sku in best if not re.fullmatch(r"[A-Z]+-[A-Z]{3}-[A-Z]{1,2}", sku)] == []


def test_simulate_lists_its_faults() -> None:
    """Every fault with what it does, and whether it consumes."""
    shown = call("simulate", "--fault", "list").stdout
    assert "reset-body" in shown
    assert "consumes" in shown


@pytest.mark.slow
def test_logs_as_json(shop: Simulator, here: Path) -> None:
    """--log-format json: each line of stderr is one object."""
    done = subprocess.run(
        [sys.executable, "-m", "orderpull", "--log-format", "json", "run"],
        cwd=here, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines
    assert all({"time", "level", "message"} <= set(line) for line in lines)


@pytest.mark.slow
def test_a_failure_is_one_json_line_for_machines(here: Path) -> None:
    """--log-format json: the error too is an object, with its hint; told once."""
    shop_settings(here, "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "orderpull", "--log-format", "json", "run"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stderr.splitlines()]
    errors = [line for line in told if line["level"] == "error"]
    assert len(errors) == 1
    assert "Nothing listens" in errors[0]["message"]
    assert "base_url" in errors[0]["hint"]


@pytest.mark.slow
def test_a_failed_run_is_seen_at_once(here: Path) -> None:
    """Status reads the snapshot; a run that failed and brought nothing is in it all the same."""
    with Simulator(SkubanaAssessment(orders=2000, per_call=1000)) as simulator:
        shop_settings(here, simulator.url)
        call("run")
    call("run", code=1)
    assert "Nothing listens" in call("status").stdout


def test_errors_are_wrapped_between_words_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a path nothing is broken; where errors go to a file, nothing is wrapped."""
    error = OrderpullError("The file /a/very/long/path-to/a/file cannot be read.", "Mend it.")
    monkeypatch.setenv("COLUMNS", "30")
    with click.Context(main).scope():
        print_error(error)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        print_error(error)
    plain, wrapped = click.unstyle(capsys.readouterr().err).split("  → Mend it.\n", 1)
    assert plain == f"orderpull: {error.message}\n"
    assert wrapped == (
        "orderpull: The file\n  /a/very/long/path-to/a/file\n  cannot be read.\n  → Mend it.\n"
    )
