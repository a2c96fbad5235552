"""docs/settings.md and docs/apis.md name every key, with its default."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import NODEFAULT, Struct

from orderpull.settings import (
    DestinationSettings,
    DigestSettings,
    LandingSettings,
    NotifySettings,
    ReportSettings,
    ScheduleSettings,
    SourceSettings,
    SourcesFromSettings,
    TableauSettings,
    VerifySettings,
    WebSettings,
)
from orderpull.sources.spec import api, blocks, item_lists, order
from tests.docs.markdown import ROOT, rows, section, text_of

SETTINGS = ROOT / "docs" / "settings.md"
APIS = ROOT / "docs" / "apis.md"
BLOCKS: dict[str, type[Struct]] = {
    "[destination]": DestinationSettings,
    "[landing]": LandingSettings,
    "[report]": ReportSettings,
    "[web]": WebSettings,
    "[tableau]": TableauSettings,
    "[schedule]": ScheduleSettings,
    "[verify]": VerifySettings,
    "[notify]": NotifySettings,
    "[digest]": DigestSettings,
    "[sources_from]": SourcesFromSettings,
    "[sources.NAME]": SourceSettings,
}
SPECS: tuple[type[Struct], ...] = (
    api.Api,
    blocks.SetupSpec,
    blocks.RequestSpec,
    blocks.ResponseSpec,
    blocks.AuthSpec,
    blocks.TokenSpec,
    blocks.PagingSpec,
    blocks.CursorSpec,
    blocks.AlsoSpec,
    blocks.LimitsSpec,
    blocks.CostSpec,
    blocks.ErrorSpec,
    blocks.RecordsSpec,
    blocks.ChildrenSpec,
    blocks.IdsSpec,
    blocks.ReconcileSpec,
    blocks.CountSpec,
    blocks.ExportSpec,
    order.OrderSpec,
    order.AddressSpec,
    item_lists.LinesSpec,
    item_lists.FurtherLinesSpec,
)


def defaults(struct: type[Struct], *, without_blocks: bool = False) -> dict[str, str]:
    """Each key of *struct* and its default, as the docs write it."""
    found = {}
    for field in msgspec.structs.fields(struct):
        is_block = isinstance(field.type, type) and issubclass(field.type, Struct)
        if not (without_blocks and (is_block or "Spec" in str(field.type))):
            found[field.name] = _shown(field)
    return found


def _shown(field: msgspec.structs.FieldInfo) -> str:
    value: Any = field.default
    if value is NODEFAULT and field.default_factory is NODEFAULT:
        return "required"
    if value is None or value is NODEFAULT:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def told(text: str) -> dict[str, str]:
    """Each key of a table in the docs and its default; a blank and "the API file's" are none of its own."""
    found = {row["key"]: row["default"] for row in rows(text)}
    return {k: "none" if v in {"", "the API file's"} else v for k, v in found.items()}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_setting_is_told_with_its_default(block: str) -> None:
    """Keys and defaults in docs/settings.md are those of the blocks, in their order."""
    written = told(section(SETTINGS, f"## `{block}`"))
    assert list(written.items()) == list(defaults(BLOCKS[block]).items())


@pytest.mark.parametrize("struct", SPECS, ids=lambda struct: struct.__name__)
def test_every_key_of_an_api_is_told_with_its_default(struct: type[Struct]) -> None:
    """Keys and defaults in docs/apis.md are those of spec.py."""
    text = text_of(APIS).partition(f"<!-- keys: {struct.__name__} -->\n")[2]
    assert text, f"docs/apis.md has no table of {struct.__name__}"
    assert told(text) == defaults(struct, without_blocks=True)


def test_every_block_of_an_api_is_told() -> None:
    """No block of an API file is left out of docs/apis.md."""
    known = {name for name in vars(blocks) | vars(order) if name.endswith("Spec")} | {"Api"}
    assert {struct.__name__ for struct in SPECS} == known


@pytest.mark.parametrize("file", [SETTINGS, APIS], ids=lambda file: file.name)
def test_every_key_has_a_meaning(file: Path) -> None:
    """No meaning is left blank."""
    for part in text_of(file).split("\n\n"):
        if "| key | default | meaning |" in part:
            assert all(row["meaning"] for row in rows(part))
