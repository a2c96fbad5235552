"""docs/commands.md shows the keys that ``--json`` really prints."""

import json
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, marked
from tests.docs.shape import shape
from tests.operate.home import house

COMMANDS = ROOT / "docs" / "commands.md"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "arguments"),
    [("replay into", ["replay", "--into", "duckdb:///new.duckdb"]), ("export", ["export"])],
)
def test_json_has_the_keys_that_are_shown(mark: str, arguments: list[str], tmp_path: Path) -> None:
    """In their order."""
    with house("duckdb", tmp_path / "a") as home:
        folder = [str(tmp_path / "out")] if arguments == ["export"] else []
        told = json.loads(home.call(*arguments, *folder, "--json").stdout)
    run = json.loads(marked(COMMANDS, "json: run").text) if mark == "replay into" else {}
    shown = run | json.loads(marked(COMMANDS, f"json: {mark}").text)
    assert json.dumps(shape(told)) == json.dumps(shape(shown))
