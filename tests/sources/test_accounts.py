"""Accounts of a list: read anew, each row for itself, and no secret in it."""

from pathlib import Path

import duckdb
import pytest

from orderpull import pipeline
from orderpull.errors import SettingsError
from orderpull.settings import Settings, parse_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop.generic import Generic
from orderpull.sources.accounts import accounts_read_again, with_readable_apis
from tests import duckdb_file
from tests.servers import fresh_database, postgres_server
from tests.sources.multi_shop import MultiShop, shops

LIST = '[sources_from]\nurl = "accounts.csv"\n'
GOOD = "good,medusa,https://good.example.com,${SHOP_GOOD},0.5,true,2026-01-01"
COLUMNS = "name,api,base_url,token,rate,keep_address,start"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_GOOD", "good-secret")
    monkeypatch.setenv("OTHER", "other-secret")


def listed(folder: Path, rows: str, more: str = "") -> Settings:
    """Settings with a list of *rows*."""
    (folder / "accounts.csv").write_text(f"{COLUMNS}\n{rows}\n", encoding="utf-8")
    settings = parse_settings(LIST + more, folder / "orderpull.toml")
    return with_readable_apis(settings)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("bad,medusa,https://a.example.com,plain-secret,,,", "must name a variable as ${NAME}"),
        ("bad,medusa,https://a.example.com,x${SHOP_GOOD},,,", "must name a variable as ${NAME}"),
        ("bad,medusa,https://a.example.com,${SHOP_NONE},,,", "SHOP_NONE, and it is not set"),
        ("bad,medusa,https://a.example.com,${OTHER},,,", "does not begin with SHOP_"),
        ("bad,medusa,https://${SHOP_GOOD}.example.com,,,,", "base_url names a variable"),
        ("bad,medusa,ftp://a.example.com,,,,", "base_url is 'ftp://a.example.com'"),
        ("bad,medusa,https://a.example.com,,fast,,", "rate: expected `float"),
        ("bad,medusa,https://a.example.com,,-1,,", "rate: expected `float` > 0"),
        ("bad,medusa,,,,,", "base_url"),
        ("bad,meduza,https://a.example.com,,,,", "There is no api 'meduza'"),
        ("bad,../hook.toml,https://a.example.com,,,,", "no file below the settings' folder"),
        ("own,medusa,https://a.example.com,,,,", "orderpull.toml has a source of this name"),
        ("b d,medusa,https://a.example.com,,,,", "its name does not match"),
        (",medusa,https://a.example.com,,,,", "its name does not match"),
        ("bad,medusa,https://a.example.com,,1,,\nbad,medusa,https://a.example.com,,2,,", "differ"),
    ],
)
def test_a_bad_row_is_named_and_stops_no_other(tmp_path: Path, row: str, reason: str) -> None:
    """The other rows are sources, with the values of their columns; no secret is told."""
    more = (
        'secret_prefix = "SHOP_"\n[sources.own]\napi = "medusa"\nbase_url = "https://o.example.com"'
    )
    settings = listed(tmp_path, f"{GOOD}\n{row}\n{GOOD}", more)
    good = settings.sources["good"]
    assert set(settings.sources) == {"own", "good"}
    assert (good.token, good.rate, good.keep_address) == ("good-secret", 0.5, True)
    ((name, told),) = settings.accounts.refused.items()
    assert reason in told
    assert (row.split(",", maxsplit=1)[0] or "row 2") == name
    assert "secret" not in told.replace("secrets are not in the list", "").replace(
        "(secret_prefix)", ""
    ).replace("only secrets", "")


def test_a_list_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """A wrong column, a missing file and a contradiction are told before anything is asked."""
    for text, reason in [
        ("", "has no column"),
        ("name,api,base_url,tokn\na,medusa,https://a,x\n", "column tokn"),
        ("name,api,base_url\na,medusa\n", "line 2"),
    ]:
        (tmp_path / "accounts.csv").write_text(text or "name,api\na,b\n", encoding="utf-8")
        with pytest.raises(SettingsError, match=reason):
            parse_settings(LIST, tmp_path / "orderpull.toml")
    for block, reason in [
        ('url = "none.csv"', "cannot be read"),
        ('url = "accounts.csv"\ntable = "a"', "is for a database"),
        ('url = "duckdb:///a.duckdb"', "either table or query"),
        ('url = "mysql://h/d"\ntable = "a"', "expected a file"),
        ('table = "a"', "needs url"),
    ]:
        with pytest.raises(SettingsError, match=reason):
            parse_settings(f"[sources_from]\n{block}\n", tmp_path / "orderpull.toml")


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_a_table_or_a_query(tmp_path: Path, kind: str) -> None:
    """A database's values are as those of a block; it can only be read."""
    made = (
        "CREATE TABLE accounts (name TEXT, api TEXT, base_url TEXT, token TEXT, rate DECIMAL(5, 2),"
        " start DATE, keep_address BOOLEAN)"
    )
    row = (
        "INSERT INTO accounts VALUES ('good', 'medusa', 'https://g.example.com', '${SHOP_GOOD}',"
        " 0.25, '2026-01-02', true)"
    )
    if kind == "duckdb":
        url, password = "duckdb:///accounts.duckdb", ""
        with duckdb.connect(str(tmp_path / "accounts.duckdb")) as file:
            file.execute(made).execute(row)
    else:
        server = postgres_server()
        database = fresh_database(server)
        url = f"postgresql://{server.user}@{server.host}:{server.port}/{database}"
        password = f'password = "{server.password}"\n'
        with server.connect(database) as connection:
            connection.execute(made.encode())
            connection.execute(row.encode())
    for chosen in ('table = "accounts"', 'query = "SELECT * FROM accounts WHERE rate < 1"'):
        text = f'[sources_from]\nurl = "{url}"\n{password}{chosen}\n'
        settings = parse_settings(text, tmp_path / "orderpull.toml")
        good = settings.sources["good"]
        assert (good.rate, good.start, good.keep_address) == (0.25, "2026-01-02", True)
        assert good.token == "good-secret"
    for wrong in ('table = "acounts"', 'query = "DELETE FROM accounts RETURNING *"'):
        text = f'[sources_from]\nurl = "{url}"\n{password}{wrong}\n'
        with pytest.raises(SettingsError, match="cannot be read") as told:
            parse_settings(text, tmp_path / "orderpull.toml")
        assert not password or server.password not in str(told.value)


def test_new_changed_and_gone_accounts_need_no_restart(tmp_path: Path) -> None:
    """Each run pulls what the list has then; a bad row makes exit code 1 and stops nobody."""
    shops(tmp_path, {})  # writes api.toml
    street = MultiShop(["a", "b", "c"], lambda _: Generic(orders=3))
    with Simulator(street) as server:

        def row(name: str) -> str:
            return f"{name},api.toml,{server.url}/{name},,,,2020-01-01"

        settings = listed(tmp_path, f"{row('a')}\n{row('b')}\nbad,medusa,nowhere,,,,")
        result = pipeline.run(settings)
        result.note_refused(settings.accounts.refused)
        assert result.exit_code == 1
        assert result.sources["bad"].error is not None
        assert held(tmp_path) == {"a", "b"}
        listed(tmp_path, f"{row('b')}\n{row('c')}")
        settings = accounts_read_again(settings)
        assert set(settings.sources) == {"b", "c"}
        asked = len(street.asked["a"])
        assert pipeline.run(settings).exit_code == 0
        assert held(tmp_path) == {"a", "b", "c"}
        assert len(street.asked["a"]) == asked
        (tmp_path / "accounts.csv").unlink()
        with pytest.raises(SettingsError, match=r"accounts\.csv"):
            accounts_read_again(settings)


def held(folder: Path) -> set[str]:
    """The sources that have orders in the warehouse."""
    rows = duckdb_file.query(
        folder / "orders.snapshot.duckdb", "SELECT DISTINCT source FROM order_header"
    )
    return {str(source) for (source,) in rows}
