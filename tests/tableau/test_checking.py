"""The checker finds every fault of the table, and nothing in what is built."""

import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from orderpull.errors import UsageError
from orderpull.tableau.lint import check, check_file
from tests.tableau.faults import FAULTS
from tests.tableau.workbooks import PLACES, TARGETS, beside, book, needs_schemas, root
from tests.tableau.workbooks import faults as schema_faults

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "tableau.md").read_text("utf-8")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_built_is_well(place: str, target: str) -> None:
    assert check(book(place, target), beside(place)) == []  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(name: str) -> None:
    fault = FAULTS[name]
    tree = root(fault.place)
    fault.change(tree)
    found = check(ET.tostring(tree), beside(fault.place))
    assert fault.kind in {finding.kind for finding in found}, [str(each) for each in found]


def test_a_map_is_well() -> None:
    """As "Show Me" draws it from the country: on two fields that Tableau makes."""
    tree = root()
    source = tree.find("datasources/datasource[connection]")
    table = tree.find("worksheets/worksheet[@name='Most popular SKUs']/table")
    assert source is not None
    assert table is not None
    for shelf, field in (("rows", "Latitude"), ("cols", "Longitude")):
        place = table.find(shelf)
        assert place is not None
        place.text = f"[{source.get('name')}].[{field} (generated)]"
    for each in table.iterfind("style/style-rule/format[@field]"):
        each.set("field", f"[{source.get('name')}].[Latitude (generated)]")
    found = {finding.kind for finding in check(ET.tostring(tree))}
    assert found <= {"sort", "rank-field", "text-hidden"}, "what the fields taken away have left"


def test_there_are_many_kinds_of_fault() -> None:
    """As many as docs/tableau.md says."""
    kinds = len({fault.kind for fault in FAULTS.values()})
    assert kinds >= 40
    assert f"{len(FAULTS)} of {len(FAULTS)} faults put into it on purpose, of {kinds} kinds" in DOCS


@pytest.mark.slow
@needs_schemas
def test_the_schemas_find_few_of_them() -> None:
    """What the checker is for: Tableau's schemas let most of the faults pass."""
    passed = 0
    for fault in FAULTS.values():
        tree = root(fault.place, "2026.1")
        if fault.kind == "feature":  # this form names no features
            passed += 1
            continue
        fault.change(tree)
        passed += not schema_faults("2026.2", ET.tostring(tree))
    assert f"schemas let {passed} of these pass" in DOCS


@pytest.mark.slow
@pytest.mark.parametrize("value", ["", "x", "[", "[a].[b]", "-1", "#2026-01-01#"])
def test_nothing_makes_it_fall(value: str) -> None:
    """Whatever stands in an attribute or a text: the checker says something, or nothing."""
    count = sum(len(each.attrib) + 1 for each in root().iter())
    for number in range(len(value), count, 31):
        tree = root()
        place = 0
        for each in tree.iter():
            for name in (*each.attrib, None):
                if place == number and name is None:
                    each.text = value
                elif place == number and name is not None:
                    each.set(name, value)
                place += 1
        check(ET.tostring(tree))


@pytest.mark.slow
def test_nothing_missing_makes_it_fall() -> None:
    """Whatever is taken out."""
    count = sum(1 for _ in root().iter())
    for number in range(1, count, 9):
        tree = root()
        for parent in tree.iter():
            for child in list(parent):
                number -= 1  # noqa: PLW2901 - it counts down to the one
                if number == 0:
                    parent.remove(child)
        check(ET.tostring(tree))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"<workbook>", "not-xml"),
        (b"<datasource/>", "not-a-workbook"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><workbook>&a;</workbook>', "doctype"),
    ],
)
def test_no_workbook_at_all(text: bytes, kind: str) -> None:
    (only,) = check(text)
    assert only.kind == kind


def test_an_extract_needs_its_package() -> None:
    assert "extract-loose" in {finding.kind for finding in check(book("extract"))}


def _packed(file: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as package:
        for name, content in members.items():
            package.writestr(name, content)
    return file


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"orders.twb": book("extract")}, "extract-missing"),
        ({"a.txt": b""}, "package-workbook"),
        ({"a.twb": b"", "b.twb": b""}, "package-workbook"),
        ({"orders.twb": book("redshift"), "../x": b""}, "package-path"),
    ],
    ids=["without its extract", "without a workbook", "with two", "that leaves its folder"],
)
def test_a_package(tmp_path: Path, members: dict[str, bytes], kind: str) -> None:
    file = _packed(tmp_path / "orders.twbx", members)
    assert kind in {finding.kind for finding in check_file(file)}


def test_a_package_that_is_cut_off(tmp_path: Path) -> None:
    whole = _packed(tmp_path / "orders.twbx", {"orders.twb": book("redshift")})
    whole.write_bytes(whole.read_bytes()[:-30])
    assert [finding.kind for finding in check_file(whole)] == ["package-broken"]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        check_file(tmp_path / "none.twb")
    (tmp_path / "orders.txt").write_text("x")
    with pytest.raises(UsageError, match=r"neither a \.twb nor a \.twbx"):
        check_file(tmp_path / "orders.txt")
