"""The project's own files keep their promises: locked, explained, and at home on any machine."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import orderpull

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"

# Spelled in parts, so that this file does not find itself.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs.org",
    "registry." + "yarnpkg.com",
    "deb." + "debian.org",
    "crates" + ".io",
    "proxy." + "golang.org",
]
SETTINGS = [
    "index" + "-url",
    "index" + "_url",
    "find" + "-links",
    "trusted" + "-host",
    "tool.uv." + "index",
]


@cache
def project() -> dict:
    return tomllib.loads(PYPROJECT.read_text("utf-8"))


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return tuple(path for name in listed if name and (path := ROOT / name).is_file())


def registries_of_this_machine() -> set[str]:
    """Hosts from which this machine itself installs, if its pip is told so."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s']+", asked)}
    return {host for host in hosts if host and host not in {"localhost", "127.0.0.1"}}


def test_no_file_names_a_package_registry() -> None:
    words = [*REGISTRIES, *SETTINGS, *registries_of_this_machine()]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files()
        for text in [path.read_bytes().decode("utf-8", "replace").lower()]
        for word in words
        if word in text
    ]
    assert found == []


def test_no_other_lock_file() -> None:
    # They name the registry they were made with; requirements/*.txt hold the hashes without it.
    others = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml"}
    assert [path.name for path in files() if path.name in others] == []


def ignored_rules() -> list[str]:
    lint = project()["tool"]["ruff"]["lint"]
    return lint["ignore"] + [rule for rules in lint["per-file-ignores"].values() for rule in rules]


def test_every_ignored_rule_is_explained() -> None:
    text = PYPROJECT.read_text("utf-8")
    explained = re.findall(r'^\s+"([A-Z]+\d*)",\s+# \S.*\s\S', text, re.MULTILINE)
    assert sorted(explained) == sorted(ignored_rules())


def test_the_version_is_said_once() -> None:
    assert project()["project"]["version"] == orderpull.__version__


def test_the_changelog_speaks_of_this_version() -> None:
    headings = re.findall(
        r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert headings[0] in {"Unreleased", orderpull.__version__}


def pins(name: str) -> dict[str, str]:
    """The locked requirements: name to version. Each must have hashes."""
    text = (ROOT / "requirements" / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    assert [line for line in lines if "--hash=sha256:" not in line] == []
    pinned: dict[str, str] = {}
    for line in lines:
        requirement = Requirement(line.split("--hash")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        pinned[canonicalize_name(requirement.name)] = pin.version
    return pinned


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_the_lock_holds_what_the_project_asks_for(lock: str) -> None:
    asked = list(project()["project"]["dependencies"])
    if lock == "dev.txt":
        asked += project()["dependency-groups"]["dev"] + project()["build-system"]["requires"]
    pinned = pins(lock)
    unmet = [
        text
        for requirement, text in ((Requirement(text), text) for text in asked)
        if not requirement.specifier.contains(
            pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]
    assert unmet == [], "run: make lock"


def test_both_locks_agree() -> None:
    development = pins("dev.txt")
    assert {name: development.get(name) for name in pins("runtime.txt")} == pins("runtime.txt")


@pytest.mark.slow
def test_the_demo_needs_the_runtime_lock_alone(tmp_path: Path) -> None:
    """`make demo` in a fresh copy installs the runtime packages only, and prints quietly."""
    for path in files():
        copy = tmp_path / "a copy" / path.relative_to(ROOT)
        if copy.relative_to(tmp_path / "a copy").parts[0] not in {"tests", "docs", "tableau"}:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    make = ["make", "demo", f"PYTHON={sys.executable}", f"ARGS=--folder {tmp_path / 'demo'}"]
    # Under `make test` a make within a make would begin its lines with "make[2]".
    environment = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        make,
        cwd=tmp_path / "a copy",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Best-selling SKUs by country" in done.stdout
    assert "pip install 'orderpull[web]'" in done.stdout
    assert {line.partition(":")[0] for line in done.stderr.splitlines()} == {"orderpull"}
    python = tmp_path / "a copy" / ".venv" / "bin" / "python"
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    )
    installed = {canonicalize_name(package["name"]) for package in json.loads(listed.stdout)}
    assert installed - {"pip", "setuptools"} <= set(pins("runtime.txt"))
    program = python.with_name("orderpull")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split() == ["orderpull,", "version", orderpull.__version__]


@pytest.mark.slow
def test_the_wheel_holds_the_whole_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("orderpull-*.whl")
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix() for path in files() if path.is_relative_to(source)
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        commands = configparser.ConfigParser()
        commands.read_string(archive.read(entry).decode())
    assert held == expected
    assert [name for name in held if name.startswith("orderpull/sources/apis/")]
    assert commands["console_scripts"]["orderpull"] == "orderpull.cli:main"
