"""`orderpull check --notify`: a test message to each address, and who took it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderpull.cli import main
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.doubles.webhook import post_office
from tests.shops import shop_settings

# apprise's own, on Python 3.11 and 3.12.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def checked(folder: Path, urls: list[str], *options: str) -> Result:
    """What the command says, with messages to *urls*."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        shop_settings(folder, simulator.url, f"[notify]\nurls = {json.dumps(urls)}\n")
        config = str(folder / "orderpull.toml")
        return CliRunner().invoke(main, ["--config", config, "check", *options])


def test_each_address_is_tried_by_itself(tmp_path: Path) -> None:
    """One that takes the message does not hide one that does not; no address is shown."""
    with post_office() as good, post_office() as bad:
        bad.status = 500
        urls = [good.url, bad.url, "not-a-kind://x"]
        done = checked(tmp_path, urls, "--notify", "--json")
        (letter,) = good.take()
    assert (letter["title"], letter["type"]) == ("orderpull: test", "success")
    assert "Nothing is wrong." in letter["message"]
    assert done.exit_code == 1
    told = [each for each in json.loads(done.stdout)["checks"] if "notification" in each["check"]]
    assert [each["ok"] for each in told] == [True, False, False]
    assert told[0]["check"].startswith("notification 1 of 3 (")
    assert "invalid address" in told[2]["check"]
    assert "hush-hush" not in done.output


def test_without_it_nothing_is_sent(tmp_path: Path) -> None:
    with post_office() as post:
        done = checked(tmp_path, [post.url])
        assert post.take() == []
    assert done.exit_code == 0
    assert "1 address understood (nothing sent)" in done.stdout


def test_where_nobody_is_named_it_is_refused(tmp_path: Path) -> None:
    done = checked(tmp_path, [], "--notify")
    assert done.exit_code == 2
    assert "notify.urls is empty" in done.output
