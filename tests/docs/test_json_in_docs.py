"""docs/commands.md shows the keys that `--json` really prints."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orderpull.model import LEDGER_RUN
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.docs.markdown import ROOT, marked
from tests.docs.shape import shape

pytestmark = pytest.mark.slow

COMMANDS = ROOT / "docs" / "commands.md"
COMMANDS_SHOWN = ("run", "check", "status", "doctor", "report", "compact")
SETTINGS = '[sources.shop]\napi = "skubana-assessment"\nbase_url = "{url}"\n'


def printed(folder: Path, command: str) -> Any:
    """What ``orderpull COMMAND --json`` prints: one line."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "orderpull",
            *(["landing"] if command == "compact" else []),
            command,
            "--json",
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each command prints about a small shop."""
    folder = tmp_path_factory.mktemp("shop")
    with Simulator(SkubanaAssessment(orders=20, seed=5)) as simulator:
        (folder / "orderpull.toml").write_text(SETTINGS.format(url=simulator.url))
        return {command: printed(folder, command) for command in COMMANDS_SHOWN}


@pytest.mark.parametrize("command", COMMANDS_SHOWN)
def test_json_has_the_keys_that_are_shown(command: str, shop: dict[str, Any]) -> None:
    """The keys of each `--json` answer are those in docs/commands.md, in that order."""
    told = json.loads(marked(COMMANDS, f"json: {command}").text)
    found = shop[command] | ({"runs": []} if command == "status" else {})
    assert json.dumps(shape(_filled(found, told))) == json.dumps(shape(told))


def _filled(found: Any, told: Any) -> Any:
    """*found*, with what *told* shows in place of empty lists: this shop tells no money."""
    if isinstance(found, dict) and isinstance(told, dict):
        return {key: _filled(value, told.get(key)) for key, value in found.items()}
    if isinstance(found, list) and isinstance(told, list):
        return [_filled(each, told[0]) for each in found] if found and told else found or told
    return found


def test_the_runs_of_status_are_the_ledgers(shop: dict[str, Any]) -> None:
    """A run in `status --json` has the columns of orderpull_run."""
    assert tuple(shop["status"]["runs"][0]) == LEDGER_RUN.names
