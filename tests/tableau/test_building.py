"""Building from settings: where the workbook looks, what it is called, what is never in it."""

import json
import platform
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from orderpull import Settings, parse_settings
from orderpull.cli import main
from orderpull.countries import country_names
from orderpull.errors import OrderpullError
from orderpull.tableau.build import build, without_engine
from orderpull.tableau.connection import PLACEHOLDER
from orderpull.tableau.fields import PERSONAL
from orderpull.tableau.workbook import workbook
from tests.tableau.tricky_orders import duckdb_shop, orders
from tests.tableau.workbooks import needs_engine

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "warehouse-secret-9"


def configured(url: str, more: str = "") -> Settings:
    return parse_settings(f'[destination]\nurl = "{url}"\npassword = "{PASSWORD}"\n{more}')


def connection(file: Path) -> dict[str, str]:
    found = ET.parse(file).getroot().find(".//named-connection/connection")
    assert found is not None
    return found.attrib


def test_the_committed_workbook_is_the_builders() -> None:
    """scripts/write-workbook writes it anew."""
    committed = (ROOT / "tableau" / "OrdersDashboard.twb").read_bytes()
    assert committed == workbook(PLACEHOLDER)
    assert (PLACEHOLDER.port, PLACEHOLDER.database) == (5439, "dev")


def test_a_live_workbook_asks_for_nobody_unless_told_to() -> None:
    """No column about a person, so that who may see none can use all of it; or hidden ones."""
    assert not any(f"[{name}]".encode() in workbook(PLACEHOLDER) for name in PERSONAL)
    root = ET.fromstring(workbook(PLACEHOLDER, names=True))
    for name in PERSONAL:
        (column,) = root.iterfind(f"datasources/datasource/column[@name='[{name}]']")
        assert column.get("hidden") == "true"
    assert workbook(None, extract=True, names=True) == workbook(None, extract=True)


def test_names_are_asked_for_by_a_switch(tmp_path: Path) -> None:
    """`tableau build --names`."""
    settings = tmp_path / "orderpull.toml"
    settings.write_text('[destination]\nurl = "redshift://ada@c.example.com/dev"\n[sources]\n')
    for switch, expected in (((), False), (("--names",), True)):
        file = tmp_path / f"{expected}.twb"
        command = ["--config", str(settings), "tableau", "build", "-o", str(file), *switch]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        assert (b"[line1]" in file.read_bytes()) == expected


def test_three_sheets_and_one_dashboard() -> None:
    root = ET.fromstring(workbook(PLACEHOLDER))
    assert [sheet.get("name") for sheet in root.iterfind("worksheets/worksheet")] == [
        "Average items per order",
        "Most popular SKUs by country",
        "Most popular SKUs",
    ]
    (board,) = root.iterfind("dashboards/dashboard")
    places = {z.get("name"): z for z in board.iterfind("zones//zone") if not z.get("type-v2")}
    average, by_country, overall = (places[s.get("name")] for s in root.iter("worksheet"))
    assert int(average.get("y", "")) < int(by_country.get("y", "")) == int(overall.get("y", ""))
    assert int(by_country.get("x", "")) < int(overall.get("x", ""))


def test_a_country_has_its_name_and_its_place_on_a_map() -> None:
    """In the data source and in each sheet's copy: a code as value, a name shown, a role."""
    copies = ET.fromstring(workbook(PLACEHOLDER)).findall(
        ".//column[@name='[Calculation_Country]']"
    )
    assert len(copies) == 1 + 3 + 1 + 1
    for column in copies:
        shown = {each.get("key"): each.get("value") for each in column.iterfind("aliases/alias")}
        assert shown == {f'"{code}"': name for code, name in country_names().items()}
        assert column.get("semantic-role") == "[Country].[ISO3166_2]"


def test_a_placeholder_is_one_run() -> None:
    """As Tableau writes it: not cut into its brackets and its name."""
    texts = [run.text or "" for run in ET.fromstring(workbook(PLACEHOLDER)).iter("run")]
    placeholders = [text for text in texts if "].[" in text]
    assert len(placeholders) > 10
    assert all(text.startswith("<[") and text.endswith("]>") for text in placeholders)


@pytest.mark.parametrize(
    ("url", "more", "expected", "table"),
    [
        ("redshift://loader@c.example.com:5440/shop", "",
         {"class": "redshift", "server": "c.example.com", "port": "5440", "dbname": "shop",
          "username": "loader", "sslmode": "require"}, "[public].[order_item]"),
        ("redshift://c.example.com/dev?sslmode=disable", "",
         {"class": "redshift", "port": "5439", "username": "", "sslmode": ""},
         "[public].[order_item]"),
        ("postgresql://loader:x@db.example.com/shop", "",
         {"class": "postgres", "port": "5432", "username": "loader", "sslmode": ""},
         "[public].[order_item]"),
        ("postgres://db.example.com:6000/shop?sslmode=verify-full&options=-c%20search_path%3Dsales",
         "", {"class": "postgres", "port": "6000", "sslmode": "require"}, "[sales].[order_item]"),
        ("postgresql://loader@db.example.com/shop", '[tableau]\nschema = "bi"\nuser = "analyst"\n',
         {"class": "postgres", "username": "analyst"}, "[bi].[order_item]"),
    ],
    ids=["redshift", "unencrypted", "postgresql", "search_path", "settings of its own"],
)  # fmt: skip
def test_where_it_looks(
    tmp_path: Path, url: str, more: str, expected: dict[str, str], table: str
) -> None:
    file = tmp_path / "orders.twb"
    build(configured(url, more), file)
    assert expected.items() <= connection(file).items()
    assert f'table="{table}"' in file.read_text()
    assert PASSWORD not in file.read_text()
    assert "password" not in connection(file)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql:///shop", "its host is missing"),
        ("postgresql:///shop?host=/var/run/postgresql", "its host is missing"),
        ("redshift://c.example.com", "its database is missing"),
        ("redshift://c.example.com:port/x", "not a number"),
        ("postgresql://db.example.com/sh]op", "would be wrong"),
    ],
)
def test_a_url_that_tableau_could_not_use(tmp_path: Path, url: str, said: str) -> None:
    settings = configured(url, '[tableau]\nschema = "a]b"\n' if "]" in url else "")
    with pytest.raises(OrderpullError, match=said) as told:
        build(settings, tmp_path / "orders.twb")
    assert PASSWORD not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def call(file: Path | None, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["--config", str(file), "tableau", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return duckdb_shop(tmp_path_factory.mktemp("shop"), orders(80))


@needs_engine
def test_an_extract_by_the_command(shop: Settings, tmp_path: Path) -> None:
    file = tmp_path / "orders.twbx"
    said = json.loads(call(shop.file, "build", "-o", str(file), "--json").stdout)
    assert said["bytes"] == file.stat().st_size
    assert said["live"] is None
    assert set(said["rows"]) == {"order_header", "order_item", "order_address"}
    assert "no fault was found" in call(shop.file, "validate", str(file)).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["orders.twbx"]


@needs_engine
def test_a_file_that_is_there_stays(shop: Settings, tmp_path: Path) -> None:
    file = tmp_path / "orders.twbx"
    file.write_text("mine")
    assert "exists already" in call(shop.file, "build", "-o", str(file), code=2).stderr
    assert file.read_text() == "mine"
    call(shop.file, "build", "-o", str(file), "--force")
    assert file.read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--live", "-o", "orders.twb"), "cannot read a DuckDB file live"),
        (("-o", "orders.twb"), "is a .twbx file; orders.twb is not"),
        (("-o", "none/orders.twbx"), "cannot be written"),
    ],
)
def test_what_cannot_be_built(
    shop: Settings, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    *switches, name = arguments
    assert said in call(shop.file, "build", *switches, str(tmp_path / name), code=2).stderr
    assert list(tmp_path.iterdir()) == []


@needs_engine
def test_nothing_to_read_yet(tmp_path: Path) -> None:
    file = tmp_path / "orderpull.toml"
    file.write_text("")
    said = call(file, "build", "-o", str(tmp_path / "orders.twbx"), code=2).stderr
    assert "nothing to read yet" in said
    assert [path.name for path in tmp_path.iterdir()] == ["orderpull.toml"]


def test_no_engine(shop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tableauhyperapi", None)
    monkeypatch.delitem(sys.modules, "orderpull.tableau.extract", raising=False)
    said = call(shop.file, "build", "-o", str(tmp_path / "orders.twbx"), code=1).stderr
    assert "tableauhyperapi, which is not installed" in said


def test_no_engine_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert "only for Windows, macOS and Linux on x86_64" in without_engine("tableauhyperapi")[0]
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert "orderpull[hyper]" in without_engine("tableauhyperapi")[1]


@needs_engine
def test_the_same_orders_give_the_same_workbook(shop: Settings, tmp_path: Path) -> None:
    """All but the extract, which the engine writes anew each time."""
    texts = []
    for name in ("a", "b"):
        build(shop, tmp_path / f"{name}.twbx")
        with zipfile.ZipFile(tmp_path / f"{name}.twbx") as package:
            texts.append(package.read(f"{name}.twb"))
    assert texts[0] == texts[1]
