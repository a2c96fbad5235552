"""The settings that API files speak of exist, and docs/settings.md knows the built-in files."""

import re
from pathlib import Path

import pytest

from orderpull.settings import SourceSettings
from orderpull.sources.spec.reader import built_in, read_api
from tests.docs.markdown import ROOT, rows, section

FILES = {**built_in(), **{file.stem: file for file in sorted((ROOT / "examples").glob("*.toml"))}}
TABLE = rows(section(ROOT / "docs" / "settings.md", "## `[sources.NAME]`"))
NAMED = {row["key"]: set(re.findall(r"[a-z-]+", row["meaning"])) for row in TABLE}
"""The words of each setting's meaning."""


@pytest.mark.parametrize("name", FILES)
def test_a_comment_names_settings_that_exist(name: str) -> None:
    """What a comment says to set is a key of a source; a wrong one would be refused."""
    lines = re.findall(r"^#.*$", FILES[name].read_text("utf-8"), re.MULTILINE)
    comment = " ".join(line.strip("# ") for line in lines)
    named = re.findall(r"\bset ([a-z]+(?:_[a-z]+)*) ?=|\bset ([a-z]+(?:_[a-z]+)+)", comment)
    assert {a or b for a, b in named} <= set(SourceSettings.__struct_fields__)


def test_each_built_in_file_is_named() -> None:
    assert NAMED["api"] >= set(built_in())


@pytest.mark.parametrize(("key", "grants"), [
    ("user", {"login"}),
    ("client_id", {"client_credentials", "refresh_token", "authorization_code"}),
])  # fmt: skip
def test_who_needs_a_credential_is_named(key: str, grants: set[str]) -> None:
    """Every built-in API that signs in by such a grant, and no other."""
    apis = {name: read_api(name, Path()).auth.token for name in built_in()}
    needed = {name for name, token in apis.items() if token and token.grant in grants}
    assert NAMED[key] & set(built_in()) == needed
