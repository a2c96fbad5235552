"""``orderpull conform``: its table, its JSON, its exit codes, and the schema."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema_rs import Draft202012Validator

from orderpull.cli import main
from orderpull.conform import report
from orderpull.conform.cases import CASES
from orderpull.conform.outcome import Outcome
from orderpull.conform.schema import api_schema
from orderpull.sources.spec import blocks, order
from orderpull.sources.spec.reader import built_in
from tests.conform.files import PLAIN, changed, target
from tests.docs.markdown import ROOT, marked

pytestmark = pytest.mark.slow

FEW = [case for case in CASES if case.name in {"empty shop", "rate limit", "budget"}]


@pytest.fixture(autouse=True)
def _few_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "CASES", FEW)


def command(*detail: str) -> Result:
    return CliRunner().invoke(main, ["conform", *detail])


def test_a_file_that_conforms(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(PLAIN)
    result = command(str(file))
    assert result.exit_code == 0
    assert "Plain: 2 passed, 0 failed, 1 not tried." in result.stdout
    assert "the file names no budget" in result.stdout


def test_json_is_one_object(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(PLAIN)
    told = json.loads(command("--json", str(file)).stdout)
    assert (told["ok"], told["api"]) == (True, "Plain")
    assert told["cases"][-1] == {
        "case": "empty shop", "state": "passed", "words": None, "calls": 1, "least": 1,
    }  # fmt: skip


def test_json_has_the_keys_that_the_docs_show() -> None:
    shown = json.loads(marked(ROOT / "docs" / "commands.md", "json: conform").text)
    found = report.Report("x", (Outcome("full pull", "passed"),)).as_json()
    assert (list(shown), list(shown["cases"][0])) == (list(found), list(found["cases"][0]))


def test_what_fails_is_exit_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderpull.sources.http.limits._seconds", lambda *_: 0.0)
    file = tmp_path / "shop.toml"
    file.write_text(PLAIN)
    result = command(str(file))
    assert result.exit_code == 1
    assert "asked to wait 3 s" in result.stdout.replace("\n", " ")


def test_a_run_is_killed_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python starts anew for it, as it does for a user."""
    monkeypatch.undo()
    (killed,) = (case for case in CASES if case.name == "killed")
    assert killed.on(target(tmp_path, PLAIN)).state == "passed"


def test_nothing_tried_is_not_well() -> None:
    assert not report.Report("x", ()).ok


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (changed(('id = "id"', 'idd = "id"')), "order: Object contains unknown field `idd`"),
        (changed(('size_param = "limit"\nsize = 20', "")), "paging.size"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told(text: str, detail: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(text)
    result = command(str(file))
    assert result.exit_code == 2
    assert detail in result.stderr


def test_a_file_is_needed() -> None:
    assert command().exit_code == 2
    assert command("nobody").exit_code == 2


def test_the_schema_takes_every_built_in_file() -> None:
    check = Draft202012Validator(json.loads(command("--schema").stdout))
    for file in built_in().values():
        found = tomllib.loads(file.read_text())
        assert [error.message for error in check.iter_errors(found)] == []


@pytest.mark.parametrize(
    "change",
    [("size_param", "size_parm"), ('kind = "page"', 'kind = "pages"'), ('title = "Plain"', "")],
)
def test_the_schema_refuses_a_misspelt_key(change: tuple[str, str]) -> None:
    check = Draft202012Validator(api_schema())
    assert not check.is_valid(tomllib.loads(changed(change)))
    assert check.is_valid(tomllib.loads(PLAIN))


def test_the_schema_describes_every_key() -> None:
    """Each key has the words of its docstring, but for columns, which speak for themselves."""
    parts = api_schema()["$defs"]
    silent = {
        f"{name}.{key}"
        for name, part in parts.items()
        for key, told in part["properties"].items()
        if "description" not in told and "$ref" not in str(told)
    }
    columns = ("AddressSpec.", "OrderSpec.", "LinesSpec.")
    left = {each for each in silent if not each.startswith(columns)}
    known = {name for name in vars(blocks) | vars(order) if name.endswith("Spec")}
    assert known <= parts.keys()
    assert left <= {"RequestSpec.method", "RecordsSpec.path"}
