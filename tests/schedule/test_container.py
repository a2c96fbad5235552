"""The Containerfile, as far as that can be told without a container engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orderpull.cli import main

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "Containerfile"
EXTRAS = ("notify", "postgres", "redshift", "s3", "web")
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")


def instructions(file: Path = CONTAINERFILE) -> list[list[tuple[str, str]]]:
    """Each stage's instructions: name and what follows it."""
    lines = [line for line in file.read_text("utf-8").splitlines() if line[:1] != "#"]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[list[tuple[str, str]]] = []
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


def values(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for each, rest in stage if each == name]


@pytest.mark.skipif(
    HADOLINT is None, reason="hadolint is not installed: it is made for x86_64 alone"
)
def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(
        [str(HADOLINT), "--no-color", str(CONTAINERFILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(
    HADOLINT is None, reason="hadolint is not installed: it is made for x86_64 alone"
)
def test_a_linter_would_find_what_is_wrong(tmp_path: Path) -> None:
    """So that the test above can fail."""
    wrong = tmp_path / "Containerfile"
    wrong.write_text(CONTAINERFILE.read_text("utf-8").replace("WORKDIR /orders", "WORKDIR orders"))
    done = subprocess.run([str(HADOLINT), str(wrong)], capture_output=True, text=True, check=False)
    assert "DL3000" in done.stdout


def test_it_runs_the_schedule_and_not_as_root() -> None:
    """The last stage: a user by number, and a command line that the program takes."""
    stage = instructions()[-1]
    (user,) = values(stage, "USER")
    assert int(user.partition(":")[0]) > 0
    assert stage[-3][0] == "USER", "something is done as another user after it"
    (entry,), (command,) = values(stage, "ENTRYPOINT"), values(stage, "CMD")
    assert entry == '["python", "-m", "orderpull"]'
    assert command == '["schedule"]'
    assert CliRunner().invoke(main, ["schedule", "--help"]).exit_code == 0


def test_both_stages_have_the_same_python() -> None:
    first, last = (values(stage, "FROM")[0].partition(" ")[0] for stage in instructions())
    assert first == last
    assert re.search(r":3\.\d+-slim-\w+$", first), "a tag that may be anything tomorrow"


def test_what_is_copied_is_there_and_let_through() -> None:
    """By .dockerignore, which podman and docker read; it keeps all else out, settings too.

    It serves the function's image, too.
    """
    let_through = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line[:1] == "!"
    }
    copied = {
        shlex.split(rest)[0]
        for stage in [*instructions(), *instructions(ROOT / "deploy" / "aws" / "Containerfile")]
        for rest in values(stage, "COPY")
        if not rest.startswith("--from=")
    }
    assert copied == let_through
    assert all((ROOT / path).exists() for path in copied)


def test_its_lock_holds_what_a_server_needs() -> None:
    """Each package that the program and these extras ask for, with hashes, as in the other locks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *(t for e in EXTRAS for t in project["optional-dependencies"][e]),
    ]
    locked, others = pins("container.txt"), pins("dev.txt")
    assert {canonicalize_name(Requirement(text).name) for text in asked} <= locked.keys()
    assert locked.items() <= others.items()


def pins(name: str) -> dict[str, list[str]]:
    """Package to its versions; each with a hash."""
    text = (ROOT / "requirements" / name).read_text("utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.strip() and line.lstrip()[0] != "#":
            assert "--hash=sha256:" in line
            requirement = Requirement(line.split("--hash")[0])
            found.setdefault(canonicalize_name(requirement.name), []).append(
                str(requirement.specifier)
            )
    return found
