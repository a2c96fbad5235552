"""Tableau's own schemas accept what is built; its own reader and another read it back."""

import re
from pathlib import Path

import pytest
from tableau_inspector.analyzer import analyze

from orderpull.tableau.description import DASHBOARD, SHEETS
from orderpull.tableau.fields import CALCULATIONS
from tests.tableau.workbooks import PLACES, SCHEMAS, TARGETS, book, faults, needs_schemas


@needs_schemas
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", SCHEMAS)
def test_the_newer_form_is_valid(version: str, place: str) -> None:
    assert faults(version, book(place, "2026.1")) == []


@needs_schemas
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", SCHEMAS)
def test_the_older_form_lacks_what_no_saved_workbook_has(version: str, place: str) -> None:
    """The schemas ask for <explain-data>; Tableau itself saves version 18.1 without it."""
    (only,) = faults(version, book(place, "18.1"))
    assert "Missing child element(s)" in only
    assert "explain-data" in only


@needs_schemas
def test_the_schemas_can_say_no() -> None:
    wrong = book("redshift", "2026.1").replace(b'class="Bar"', b'class="Bars"')
    assert any("Bars" in fault for fault in faults("2026.2", wrong))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_same_place_gives_the_same_bytes(place: str, target: str) -> None:
    assert book(place, target) == book(place, target)  # type: ignore[arg-type]


def test_each_place_has_names_of_its_own() -> None:
    names = {re.search(rb"federated\.\w{28}", book(place))[0] for place in PLACES}  # type: ignore[index]
    assert len(names) == len(PLACES) - 1, "with or without an extract, it is the same data source"


@pytest.mark.filterwarnings("ignore:distutils Version:DeprecationWarning")
@pytest.mark.parametrize("target", TARGETS)
def test_tableaus_own_reader_reads_it(tmp_path: Path, target: str) -> None:
    from tableaudocumentapi import Workbook  # it warns when it is loaded

    file = tmp_path / "orders.twb"
    file.write_bytes(book("redshift", target))  # type: ignore[arg-type]
    read = Workbook(str(file))
    assert read.worksheets == [sheet.name for sheet in SHEETS]
    assert read.dashboards == [DASHBOARD.name]
    _, source = read.datasources
    (connection,) = source.connections
    assert (connection.dbclass, connection.port, connection.dbname) == ("redshift", "5439", "dev")
    shown = source.fields["[sku]"].worksheets
    assert sorted(shown) == sorted(sheet.name for sheet in SHEETS[1:])
    assert source.fields["[Calculation_Average]"].worksheets == [SHEETS[0].name]


@pytest.mark.parametrize("target", TARGETS)
def test_a_stranger_reads_it(tmp_path: Path, target: str) -> None:
    """Another reader of workbooks finds the same parts, and nothing broken."""
    file = tmp_path / "orders.twb"
    file.write_bytes(book("redshift", target))  # type: ignore[arg-type]
    result = analyze(str(file))
    summary = result.summary
    assert (summary.dashboards, summary.worksheets, summary.datasources) == (1, 3, 2)
    assert summary.calculations == len(CALCULATIONS)
    assert summary.filters == 4 + 7 + 6
    assert [issue.title for issue in result.issues if issue.severity == "error"] == []
